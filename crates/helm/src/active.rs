//! The charts of one render: which dependencies are on, under which names, with which defaults.
//!
//! It must not change the charts themselves, which other renders share.

use std::sync::Arc;

use holdfast_go::semver::{Constraint, Version};
use holdfast_model::Value as Json;

use crate::chart::Chart;
use crate::error::Error;
use crate::metadata::{Dependency, import_rule};
use crate::request::Level;
use crate::values::{Defaults, Nulls, Table, coalesce, coalesce_tables};

/// A chart as it takes part in a render.
pub(crate) struct Active {
    pub(crate) chart: Arc<Chart>,
    /// Its name, or the alias it goes by.
    pub(crate) name: String,
    /// Whether the charts below know it under this name; else they know it as its files have it.
    /// Helm copies a chart for a dependency and tells its own children only, unless it settles
    /// the dependencies of the copy too.
    pub(crate) is_known_below: bool,
    /// What of its dependencies is on.
    pub(crate) wanted: Vec<Dependency>,
    pub(crate) defaults: Table,
    pub(crate) children: Vec<Active>,
}

impl Defaults for Active {
    fn name(&self) -> &str {
        &self.name
    }

    fn values(&self) -> &Table {
        &self.defaults
    }

    fn children(&self) -> Vec<&dyn Defaults> {
        self.children
            .iter()
            .map(|child| child as &dyn Defaults)
            .collect()
    }
}

/// Settles which charts take part, and what their defaults are.
pub(crate) fn settle(chart: &Arc<Chart>, values: &Table, level: Level) -> Result<Active, Error> {
    let mut root = Active::whole(chart, None, level);
    root.enable(values, "", level)?;
    root.import(level)?;
    Ok(root)
}

/// Whether a version is in a range; what cannot be read is in none.
pub(crate) fn is_compatible(range: &str, version: &str) -> bool {
    match (Constraint::parse(range), Version::parse(version)) {
        (Ok(range), Ok(version)) => range.allows(&version),
        _ => false,
    }
}

impl Active {
    /// A chart with everything that stands below it.
    fn whole(chart: &Arc<Chart>, alias: Option<&str>, level: Level) -> Self {
        Self {
            chart: Arc::clone(chart),
            name: alias.unwrap_or(chart.name()).to_owned(),
            is_known_below: alias.is_some(),
            wanted: chart.metadata.dependencies.clone(),
            defaults: chart.defaults.at(level).clone(),
            children: chart
                .dependencies
                .iter()
                .map(|child| Self::whole(child, None, level))
                .collect(),
        }
    }

    /// Gives dependencies their aliases and takes out those that are off.
    fn enable(&mut self, values: &Table, path: &str, level: Level) -> Result<(), Error> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        self.is_known_below = true;
        self.arrange(level);
        let coalesced = coalesce(self, values.clone(), Nulls::settled(level), level)?;
        let off: Vec<String> = self
            .wanted
            .iter()
            .filter(|dependency| !is_enabled(dependency, &coalesced, path))
            .map(|dependency| dependency.key().to_owned())
            .collect();
        for dependency in &mut self.wanted {
            dependency.name = dependency.key().to_owned();
            dependency.enabled = true;
        }
        self.children.retain(|child| !off.contains(&child.name));
        self.wanted
            .retain(|dependency| !off.iter().any(|name| name == dependency.key()));
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.enable(&coalesced, &path, level)?;
        }
        Ok(())
    }

    /// The charts that nobody asked for come first, then one for each dependency in order.
    fn arrange(&mut self, level: Level) {
        let matches = |chart: &Chart, wanted: &Dependency| {
            chart.name() == wanted.name && is_compatible(&wanted.version, &chart.metadata.version)
        };
        let charts: Vec<Arc<Chart>> = std::mem::take(&mut self.children)
            .into_iter()
            .map(|child| child.chart)
            .collect();
        let unasked = charts
            .iter()
            .filter(|chart| !self.wanted.iter().any(|wanted| matches(chart, wanted)));
        let mut children: Vec<Self> = unasked
            .map(|chart| Self::whole(chart, None, level))
            .collect();
        for wanted in &self.wanted {
            if let Some(chart) = charts.iter().find(|chart| matches(chart, wanted)) {
                children.push(Self::whole(chart, Some(wanted.key()), level));
            }
        }
        self.children = children;
    }

    /// Takes over tables of values from dependencies, from the bottom up.
    fn import(&mut self, level: Level) -> Result<(), Error> {
        for child in &mut self.children {
            child.import(level)?;
        }
        if self.wanted.is_empty() {
            return Ok(());
        }
        let nulls = Nulls::Keep;
        let mut merged = coalesce(self, Table::new(), nulls, level)?;
        let mut imported = Table::new();
        for wanted in &self.wanted {
            for rule in &wanted.import_values {
                if let Some(table) = import_one(&merged, &wanted.name, rule) {
                    coalesce_tables(&mut imported, table, nulls);
                }
            }
        }
        coalesce_tables(&mut merged, imported, nulls);
        self.defaults = merged;
        Ok(())
    }
}

/// The table that an import rule takes, placed where the parent wants it.
fn import_one(values: &Table, name: &str, rule: &Json) -> Option<Table> {
    let (child, parent) = import_rule(rule)?;
    let mut table = values;
    for part in std::iter::once(name).chain(child.split('.')) {
        table = table.get(part)?.as_object()?;
    }
    let mut placed = table.clone();
    if parent != "." {
        for part in parent.split('.').rev() {
            placed = Table::from_iter([(part.to_owned(), Json::Object(placed))]);
        }
    }
    Some(placed)
}

/// Whether tags and conditions leave a dependency on; conditions have the last word.
fn is_enabled(dependency: &Dependency, values: &Table, path: &str) -> bool {
    let tags = values.get("tags").and_then(Json::as_object);
    let flags: Vec<bool> = dependency
        .tags
        .iter()
        .filter_map(|tag| tags?.get(tag)?.as_bool())
        .collect();
    let mut enabled = flags.is_empty() || flags.contains(&true);
    for condition in dependency.condition.trim().split(',') {
        if condition.is_empty() {
            continue;
        }
        let mut current: Option<&Json> = None;
        for part in format!("{path}{condition}").split('.') {
            current = match current {
                None => values.get(part),
                Some(value) => value.get(part),
            };
            if current.is_none() {
                break;
            }
        }
        if let Some(Json::Bool(flag)) = current {
            enabled = *flag;
            break;
        }
    }
    enabled
}
