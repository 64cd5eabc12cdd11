//! Values: how they are read, laid over each other, and coalesced with the defaults of charts.
//!
//! It must not know templates or files. Numbers are floats, as Go reads them from YAML.

use holdfast_model::Value as Json;
use serde_json::Map;

use crate::error::Error;
use crate::globals;
use crate::request::Level;

/// A table of values.
pub(crate) type Table = Map<String, Json>;

/// Reads a values file. Helm 4 merges all its documents, Helm 3 takes the first.
pub(crate) fn read(text: &str, level: Level) -> Result<Table, String> {
    let limits = holdfast_yaml::Limits::default();
    let failure = |error: holdfast_yaml::Error| {
        format!("cannot unmarshal yaml document: error converting YAML to JSON: yaml: {error}")
    };
    if level == Level::Helm3 {
        let json = holdfast_yaml::read_value(text, &limits).map_err(failure)?;
        return table(json);
    }
    let mut merged = Table::new();
    for (_, json) in holdfast_yaml::read_values(text, &limits).map_err(failure)? {
        merge(&mut merged, table(json)?);
    }
    Ok(merged)
}

fn table(json: Json) -> Result<Table, String> {
    let kind = match json {
        Json::Object(mut table) => {
            table.values_mut().for_each(as_floats);
            return Ok(table);
        }
        Json::Null => return Ok(Table::new()),
        Json::Array(_) => "array",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
    };
    Err(format!(
        "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    ))
}

/// Every number becomes a float: that is what charts see of YAML and JSON.
pub(crate) fn as_floats(json: &mut Json) {
    match json {
        Json::Number(number) if !number.is_f64() => {
            if let Some(float) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(as_floats),
        Json::Object(table) => table.values_mut().for_each(as_floats),
        _ => {}
    }
}

/// Lays one table over another: tables are merged, anything else is replaced, null included.
pub(crate) fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Json::Object(under)), Json::Object(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Whether nulls are kept while values are laid together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A null takes the default away and goes itself.
    Drop,
    /// The same, and inside of tables a null goes even where there is no default, as in Helm 3.
    DropAll,
    /// A null stays, to take away what comes later.
    Keep,
}

impl Nulls {
    /// What becomes of nulls in the end.
    pub(crate) fn settled(level: Level) -> Self {
        match level {
            Level::Helm3 => Self::DropAll,
            _ => Self::Drop,
        }
    }
}

/// The defaults of a chart, as coalescing sees charts.
pub(crate) trait Defaults {
    /// The name that its values stand under.
    fn name(&self) -> &str;
    /// Its own defaults.
    fn values(&self) -> &Table;
    /// The charts below it.
    fn children(&self) -> Vec<&dyn Defaults>;
}

/// Fills what values leave open with the defaults of a chart and of the charts below it.
pub(crate) fn coalesce(
    chart: &dyn Defaults,
    mut values: Table,
    nulls: Nulls,
    level: Level,
) -> Result<Table, Error> {
    coalesce_chart(chart, &mut values, nulls, level)?;
    globals::hand_down(chart, &mut values);
    Ok(values)
}

fn coalesce_chart(
    chart: &dyn Defaults,
    values: &mut Table,
    nulls: Nulls,
    level: Level,
) -> Result<(), Error> {
    coalesce_own(chart, values, nulls, level);
    for child in chart.children() {
        let globals = values.get("global").cloned();
        let below = values
            .entry(child.name())
            .or_insert_with(|| Json::Object(Table::new()));
        let Json::Object(below) = below else {
            return Err(Error::Values(format!(
                "type mismatch on {}: it is the name of a subchart, and its values are no table",
                child.name()
            )));
        };
        globals::push(below, globals.as_ref());
        coalesce_chart(child, below, nulls, level)?;
        globals::take_back(child.name(), values);
    }
    Ok(())
}

fn coalesce_own(chart: &dyn Defaults, values: &mut Table, nulls: Nulls, level: Level) {
    let children: Vec<String> = chart
        .children()
        .iter()
        .map(|child| child.name().to_owned())
        .collect();
    for (key, default) in chart.values() {
        match values.get_mut(key) {
            Some(Json::Null) if nulls != Nulls::Keep => {
                values.remove(key);
            }
            Some(Json::Object(table)) => {
                if let Json::Object(default) = default {
                    let mut default = default.clone();
                    // What a parent says of a subchart's values may hold nulls for later.
                    let inner = match children.contains(key) {
                        true => Nulls::Keep,
                        false => nulls,
                    };
                    if inner == Nulls::Drop && level == Level::Helm42 {
                        drop_nulls(&mut default);
                    }
                    coalesce_tables(table, default, inner);
                }
            }
            Some(_) => {}
            None => {
                let mut default = default.clone();
                if nulls == Nulls::Drop && level == Level::Helm42 {
                    match &mut default {
                        Json::Null => continue,
                        Json::Object(table) => drop_nulls(table),
                        _ => {}
                    }
                }
                values.insert(key.clone(), default);
            }
        }
    }
}

fn drop_nulls(table: &mut Table) {
    table.retain(|_, value| !value.is_null());
    for value in table.values_mut() {
        if let Json::Object(table) = value {
            drop_nulls(table);
        }
    }
}

/// Fills a table from another one that has less weight.
pub(crate) fn coalesce_tables(into: &mut Table, from: Table, nulls: Nulls) {
    let mut from = from;
    if nulls == Nulls::DropAll {
        into.retain(|key, value| {
            if value.is_null() {
                from.remove(key);
            }
            !value.is_null()
        });
    }
    for (key, default) in from {
        match (into.get_mut(&key), default) {
            // A null takes away only what there is; over nothing it stays.
            (Some(Json::Null), default) => {
                if nulls == Nulls::Drop && !default.is_null() {
                    into.remove(&key);
                }
            }
            (Some(Json::Object(table)), Json::Object(default)) => {
                coalesce_tables(table, default, nulls);
            }
            (Some(_), _) => {}
            (None, default) => {
                into.insert(key, default);
            }
        }
    }
}
