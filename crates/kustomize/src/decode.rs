//! Takes JSON values apart as Go's `encoding/json` does with unknown fields disallowed: names
//! match without regard to case, null is the empty value, a number is no text.

use holdfast_model::Value;
use holdfast_yaml::format_float;

/// The fields of a mapping that were not taken yet.
pub(crate) struct Fields<'a> {
    rest: Vec<(&'a str, &'a Value)>,
    scalars: Scalars,
}

/// What a number or boolean means where a text is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalars {
    /// An error, as in the kustomization itself.
    Strict,
    /// The text of it, as in files that Kustomize reads straight into their type.
    AsTexts,
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn wrong(name: &str, wanted: &str, value: &Value) -> String {
    format!("`{name}` has to be {wanted}, not {}", kind_of(value))
}

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value, scalars: Scalars) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self {
                rest: Vec::new(),
                scalars,
            }),
            Value::Object(map) => Ok(Self {
                rest: map
                    .iter()
                    .map(|(name, value)| (name.as_str(), value))
                    .collect(),
                scalars,
            }),
            value => Err(format!("expected a mapping, found {}", kind_of(value))),
        }
    }

    /// A mapping inside of this one, read by the same rules.
    pub(crate) fn within<'b>(&self, value: &'b Value) -> Result<Fields<'b>, String> {
        Fields::of(value, self.scalars)
    }

    /// The text that a value is taken for.
    fn as_text(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(truth) if self.scalars == Scalars::AsTexts => Some(truth.to_string()),
            Value::Number(number) if self.scalars == Scalars::AsTexts => {
                Some(match number.as_f64().filter(|_| number.is_f64()) {
                    Some(number) => format_float(number),
                    None => number.to_string(),
                })
            }
            _ => None,
        }
    }

    /// Whether a field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        let named =
            |(known, value): &(&str, &Value)| known.eq_ignore_ascii_case(name) && !value.is_null();
        self.rest.iter().any(named)
    }

    /// Takes a field; `None` for one that is absent or null.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a Value> {
        let mut found = None;
        self.rest.retain(|(known, value)| {
            let named = known.eq_ignore_ascii_case(name);
            if named && !value.is_null() {
                found = Some(*value);
            }
            !named
        });
        found
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, String> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match self.as_text(value) {
            Some(text) => Ok(Some(text)),
            None => Err(wrong(name, "a text", value)),
        }
    }

    /// A text where nothing else is taken for one, also where [`Scalars::AsTexts`] holds: so it is
    /// with the fields of a kind or id inside of another type.
    pub(crate) fn strict_text(&mut self, name: &str) -> Result<String, String> {
        match self.take(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Err(wrong(name, "a text", value)),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(value) => Err(wrong(name, "true or false", value)),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, String> {
        match self.take(name) {
            None => Ok(0),
            Some(value) => value
                .as_i64()
                .ok_or_else(|| wrong(name, "an integer", value)),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, String> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.clone()),
            Some(value) => Err(wrong(name, "a list", value)),
        }
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let items = self.list(name)?;
        let text = |item: Value| match item {
            Value::Null => Ok(String::new()),
            value => {
                let text = self.as_text(&value);
                text.ok_or_else(|| wrong(name, "a list of texts", &value))
            }
        };
        items.into_iter().map(text).collect()
    }

    /// A mapping of texts to texts, sorted by key.
    pub(crate) fn text_map(&mut self, name: &str) -> Result<Vec<(String, String)>, String> {
        let entries = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Object(map)) => map,
            Some(value) => return Err(wrong(name, "a mapping", value)),
        };
        let text = |(key, value): (&String, &Value)| match value {
            Value::Null => Ok((key.clone(), String::new())),
            value => match self.as_text(value) {
                Some(text) => Ok((key.clone(), text)),
                None => Err(wrong(&format!("{name}.{key}"), "a text", value)),
            },
        };
        entries.iter().map(text).collect()
    }

    /// Leaves what is not known unread.
    pub(crate) fn ignore_rest(&mut self) {
        self.rest.clear();
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rest.first() {
            Some((name, _)) => Err(format!("unknown field \"{name}\"")),
            None => Ok(()),
        }
    }
}
