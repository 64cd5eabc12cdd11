//! Reads JSON and tells which fields stand there twice. It must not know types.

use std::cell::RefCell;
use std::fmt;

use holdfast_model::Value;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number};

/// A document.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) value: Value,
    /// Paths of fields that stand there more than once; the last one counts.
    pub(crate) duplicates: Vec<String>,
    /// What is said of the first key that stands twice in a document of YAML.
    pub(crate) twice: Option<String>,
}

impl Parsed {
    /// A document in which nothing stands twice.
    pub(crate) fn of(value: Value) -> Self {
        Self {
            value,
            duplicates: Vec::new(),
            twice: None,
        }
    }
}

/// Reads one JSON document.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Parsed, serde_json::Error> {
    let found = RefCell::new(Found::default());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Seed(&found).deserialize(&mut deserializer)?;
    deserializer.end()?;
    let mut parsed = Parsed::of(value);
    parsed.duplicates = found.into_inner().duplicates;
    Ok(parsed)
}

#[derive(Default)]
struct Found {
    path: Vec<String>,
    duplicates: Vec<String>,
}

#[derive(Clone, Copy)]
struct Seed<'a>(&'a RefCell<Found>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            self.0.borrow_mut().path.push(format!("[{}]", items.len()));
            let item = access.next_element_seed(self)?;
            self.0.borrow_mut().path.pop();
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            self.0.borrow_mut().path.push(name.clone());
            let value = access.next_value_seed(self)?;
            let twice = fields.insert(name, value).is_some();
            let mut found = self.0.borrow_mut();
            if twice {
                let path = holdfast_kinds::shown_path(&found.path);
                found.duplicates.push(path);
            }
            found.path.pop();
        }
        Ok(Value::Object(fields))
    }
}
