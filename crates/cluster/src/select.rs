//! What a list or a watch is narrowed to. It must not know how objects are stored.

use holdfast_admit::labels::{Requirement, read_labels};
use holdfast_admit::{ApiError, Result};
use holdfast_model::Value;

/// What a list or watch is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    path: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both query parameters.
    pub(crate) fn read(labels: Option<&str>, fields: Option<&str>) -> Result<Self> {
        let labels = match labels {
            Some(text) => read_labels(text).map_err(|problem| {
                ApiError::bad_request(format!("unable to parse requirement: {problem}"))
            })?,
            None => Vec::new(),
        };
        let mut requirements = Vec::new();
        for part in fields
            .unwrap_or("")
            .split(',')
            .filter(|part| !part.is_empty())
        {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==") {
                (path, value, true)
            } else if let Some((path, value)) = part.split_once('=') {
                (path, value, true)
            } else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{part}'; can't understand '{part}'"
                )));
            };
            requirements.push(FieldRequirement {
                path: path.to_owned(),
                value: value.to_owned(),
                equal,
            });
        }
        Ok(Self {
            labels,
            fields: requirements,
        })
    }

    /// Whether it narrows by more than labels and names.
    pub(crate) fn needs_value(&self) -> bool {
        let by_name = |path: &str| matches!(path, "metadata.name" | "metadata.namespace");
        self.fields.iter().any(|field| !by_name(&field.path))
    }

    /// Whether it narrows at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The paths that fields are selected by.
    pub(crate) fn field_paths(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.path.as_str())
    }

    /// Whether an object is among those selected. `value` is asked only when
    /// [`Selector::needs_value`].
    pub(crate) fn matches(
        &self,
        stored: &crate::store::Stored,
        value: impl FnOnce() -> Value,
    ) -> bool {
        let label = |key: &str| {
            let mut labels = stored.labels.iter();
            labels
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.as_str())
        };
        if !self.labels.iter().all(|wanted| wanted.matches(label)) {
            return false;
        }
        if self.fields.is_empty() {
            return true;
        }
        let value = if self.needs_value() {
            value()
        } else {
            Value::Null
        };
        self.fields.iter().all(|field| {
            let found = match field.path.as_str() {
                "metadata.name" => stored.name.name.clone(),
                "metadata.namespace" => stored.name.namespace.clone(),
                path => field_text(&value, path),
            };
            (found == field.value) == field.equal
        })
    }
}

/// The text of a field by its dotted path; empty where it is absent.
fn field_text(value: &Value, path: &str) -> String {
    let found = path
        .split('.')
        .try_fold(value, |current, part| current.get(part));
    match (found, path) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(Value::Null) | None, "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        (Some(Value::Null) | None, "status.successful") => "0".to_owned(),
        (Some(Value::Null) | None, _) => String::new(),
        (Some(other), _) => other.to_string(),
    }
}
