//! Globals: what charts have in common.
//!
//! A chart has its own table of globals, and in it a copy of each table of its parent. The tables
//! inside of those are not copied: in Helm they are the same for the parent and all charts below,
//! so that the defaults that one chart has for `global.a.b` are seen by all of them. It must not
//! know where values come from.

use holdfast_model::Value as Json;
use holdfast_template::{Map, Value};

use crate::active::Active;
use crate::values::{Defaults, Nulls, Table, coalesce_tables};

/// Globals go down: the parent's win over those of the chart below.
pub(crate) fn push(below: &mut Table, above: Option<&Json>) {
    let above = match above {
        None => &Table::new(),
        Some(Json::Object(above)) => above,
        Some(_) => return,
    };
    let own = below
        .entry("global")
        .or_insert_with(|| Json::Object(Table::new()));
    let Json::Object(own) = own else {
        return;
    };
    for (key, value) in above {
        match (value, own.get(key)) {
            (Json::Object(table), Some(Json::Object(known))) => {
                let mut merged = table.clone();
                coalesce_tables(&mut merged, known.clone(), Nulls::Keep);
                own.insert(key.clone(), Json::Object(merged));
            }
            (Json::Object(_), Some(_)) | (_, Some(Json::Object(_))) => {}
            _ => {
                own.insert(key.clone(), value.clone());
            }
        }
    }
}

/// What a chart below did to the tables that it has in common with its parent.
pub(crate) fn take_back(child: &str, values: &mut Table) {
    let below = values.get(child).and_then(|below| below.get("global"));
    let Some(Json::Object(below)) = below.cloned() else {
        return;
    };
    if let Some(Json::Object(own)) = values.get_mut("global") {
        adopt(own, &below);
    }
}

/// What charts beside did to the tables that a chart has in common with its parent.
pub(crate) fn hand_down(chart: &dyn Defaults, values: &mut Table) {
    let above = values.get("global").and_then(Json::as_object).cloned();
    for child in chart.children() {
        let Some(Json::Object(below)) = values.get_mut(child.name()) else {
            continue;
        };
        if let (Some(above), Some(Json::Object(own))) = (&above, below.get_mut("global")) {
            adopt(own, above);
        }
        hand_down(child, below);
    }
}

/// Takes over the tables inside of tables where both have one.
fn adopt(own: &mut Table, other: &Table) {
    for (key, value) in own {
        let (Json::Object(own), Some(Json::Object(other))) = (value, other.get(key)) else {
            continue;
        };
        for (key, table) in own {
            if let Some(wanted) = other.get(key)
                && (table.is_object() && wanted.is_object() && *table != *wanted)
            {
                *table = wanted.clone();
            }
        }
    }
}

/// Makes the tables that charts have in common one and the same, so that what a template sets in
/// them is seen everywhere.
pub(crate) fn share(active: &Active, values: &Map) {
    let above = table(values, "global");
    for child in &active.children {
        let Some(below) = table(values, &child.name) else {
            continue;
        };
        if let (Some(above), Some(own)) = (&above, table(&below, "global")) {
            share_tables(above, &own);
        }
        share(child, &below);
    }
}

fn share_tables(above: &Map, own: &Map) {
    let keys: Vec<_> = above.entries().keys().cloned().collect();
    for key in keys {
        let (Some(above), Some(own)) = (table(above, &key), table(own, &key)) else {
            continue;
        };
        for (key, value) in above.entries().iter() {
            if matches!(value, Value::Map(_)) && table(&own, key).is_some() {
                own.set(key.clone(), value.clone());
            }
        }
    }
}

fn table(map: &Map, key: &str) -> Option<Map> {
    match map.get(key) {
        Some(Value::Map(table)) => Some(table),
        _ => None,
    }
}
