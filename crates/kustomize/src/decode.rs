//! Takes JSON values apart as Go's `encoding/json` does with unknown fields disallowed: names
//! match without regard to case, null is the empty value, a number is no text.

use holdfast_model::Value;

/// The fields of a mapping that were not taken yet.
pub(crate) struct Fields<'a> {
    rest: Vec<(&'a str, &'a Value)>,
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
    pub(crate) fn of(value: &'a Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self { rest: Vec::new() }),
            Value::Object(map) => Ok(Self {
                rest: map
                    .iter()
                    .map(|(name, value)| (name.as_str(), value))
                    .collect(),
            }),
            value => Err(format!("expected a mapping, found {}", kind_of(value))),
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
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
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
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            value => Err(wrong(name, "a list of texts", &value)),
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
            Value::String(text) => Ok((key.clone(), text.clone())),
            Value::Null => Ok((key.clone(), String::new())),
            value => Err(wrong(&format!("{name}.{key}"), "a text", value)),
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
