//! The types of values of a schema (`SchemaDeclType` of k8s.io/apiserver). What no rule can reach
//! has none. It must not know expressions.

use std::sync::{Arc, LazyLock};

use holdfast_kinds::text;
use holdfast_model::Value;
use serde_json::json;

use super::kinds::{BOOL, INT, Object, STRING, Type};
use crate::values::{RESERVED, escaped};

/// What every object of the API has besides its schema.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {"name": text, "generateName": text}})
});

/// The type of values of a schema, named like this where it has to have a name; nothing where
/// rules cannot see them.
pub(crate) fn shape<'a>(schema: &'a Value, name: &str, is_root: bool) -> Option<Type<'a>> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    Some(match text(schema, "type") {
        "array" => inner(schema.get("items")?, &format!("{name}.@idx"))?.list(),
        "object" if schema["additionalProperties"].is_object() => {
            let value = inner(
                schema.get("additionalProperties")?,
                &format!("{name}.@elem"),
            )?;
            Type::map(STRING, value)
        }
        "object" => Type::Object(Arc::new(Object {
            name: name.to_owned(),
            schema,
            is_root,
            own: None,
        })),
        "string" => Type::Plain(match text(schema, "format") {
            "byte" => "bytes",
            "duration" => "duration",
            "date" | "date-time" => "timestamp",
            _ => "string",
        }),
        "boolean" => BOOL,
        "number" => Type::Plain("double"),
        "integer" => INT,
        _ => return None,
    })
}

fn inner<'a>(schema: &'a Value, name: &str) -> Option<Type<'a>> {
    let is_root = schema["x-kubernetes-embedded-resource"] == true;
    shape(schema, name, is_root)
}

/// A part of a schema by the name of a field, or by the words for the items of a list and the values
/// of a map; and whether it is an object of the API.
pub(crate) fn member<'a>(
    schema: &'a Value,
    is_root: bool,
    name: &str,
) -> Option<(&'a Value, bool)> {
    let is_embedded = |inner: &Value| inner["x-kubernetes-embedded-resource"] == true;
    let others = schema.get("additionalProperties");
    let others = others.filter(|inner| inner.is_object());
    let inner = match (name, text(schema, "type")) {
        ("@items" | "@values", "array") => schema.get("items")?,
        ("@items" | "@values", _) => others?,
        (_, "object") if others.is_some() => return None,
        ("apiVersion" | "kind", "object") if is_root => &METADATA["properties"]["name"],
        ("metadata", "object") if is_root => &METADATA,
        (_, "object") => {
            let properties = schema.get("properties")?.as_object()?;
            let mut properties = properties.iter();
            properties.find(|(known, _)| escaped(known) == name)?.1
        }
        _ => return None,
    };
    Some((inner, is_embedded(inner)))
}

/// The type of a field, by its name in rules.
pub(super) fn field<'a>(object: &Object<'a>, name: &str) -> Option<Type<'a>> {
    if let Some(own) = &object.own {
        return own.get(name).cloned();
    }
    named(object, name).or_else(|| {
        // A word of the language may be written as it is where it can only be a field.
        let is_word = RESERVED.contains(&name);
        named(object, &format!("__{name}__")).filter(|_| is_word)
    })
}

fn named<'a>(object: &Object<'a>, name: &str) -> Option<Type<'a>> {
    let path = format!("{}.{name}", object.name);
    if object.is_root {
        match name {
            "apiVersion" | "kind" => return Some(STRING),
            "metadata" => return shape(&METADATA, &path, false),
            _ => {}
        }
    }
    let properties = object.schema.get("properties")?.as_object()?;
    let mut found = properties
        .iter()
        .filter(|(known, _)| can_be_named(known) && escaped(known) == name);
    inner(found.next()?.1, &path)
}

/// Whether a field can be named in a rule at all.
fn can_be_named(name: &str) -> bool {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "_./-".contains(letter);
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(is_allowed)
}
