//! Reads what clients send into the form in which objects are kept and sent back: the form that
//! Go's types give them. Fields in no type are reported, zeros that Go leaves out are left out, those
//! that it writes are written, quantities and times take their canonical form.
//! It must not know what a field means.

use holdfast_go::base64;
use holdfast_model::Value;
use holdfast_model::time::Time;
use holdfast_schema::{Field, Map as MapType, Scalar, Shape, Struct, TypeRef};
use serde_json::{Map, Number, json};

use crate::quantity;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 120;

/// An object as it was read.
#[derive(Debug)]
pub struct Decoded {
    /// The object in its canonical form.
    pub value: Value,
    /// Paths that no type has, such as `spec.foo`.
    pub unknown: Vec<String>,
}

/// Reads a value of a built-in type.
///
/// # Errors
/// The message that Go's decoder has for a value of the wrong type.
pub fn decode(value: Value, type_ref: &TypeRef) -> Result<Decoded, String> {
    let mut walk = Walk {
        path: Vec::new(),
        owner: String::new(),
        unknown: Vec::new(),
    };
    let value = walk.visit(value, type_ref)?;
    Ok(Decoded {
        value,
        unknown: walk.unknown,
    })
}

/// What Go writes for a value of this type that nobody has set.
pub fn zero(type_ref: &TypeRef) -> Value {
    match type_ref.shape() {
        Shape::Struct(object) => {
            let written = object.fields.iter().filter(|field| !field.omit_empty);
            let fields = written.map(|field| {
                let value = if field.pointer {
                    Value::Null
                } else {
                    zero(&field.type_ref)
                };
                (field.name.clone(), value)
            });
            Value::Object(fields.collect())
        }
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => json!(""),
            Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => json!(0),
            Scalar::Boolean => json!(false),
            Scalar::Quantity => json!("0"),
            Scalar::Time | Scalar::MicroTime | Scalar::Bytes => Value::Null,
        },
        _ => Value::Null,
    }
}

/// Whether a field of a schema takes a schema or something else.
fn is_schema_or_another(object: &Struct, field: &Field) -> bool {
    let names = ["items", "additionalItems", "additionalProperties"];
    names.contains(&field.name.as_str())
        && matches!(field.type_ref.shape(), Shape::Any { .. })
        && go_struct(object).ends_with(".JSONSchemaProps")
}

struct Walk {
    /// Field names and `[index]` parts.
    path: Vec<String>,
    /// The Go type whose field is being read.
    owner: String,
    unknown: Vec<String>,
}

impl Walk {
    fn visit(&mut self, value: Value, type_ref: &TypeRef) -> Result<Value, String> {
        if self.path.len() > MAX_DEPTH {
            return Err("json: exceeded max depth".to_owned());
        }
        match type_ref.shape() {
            Shape::Any { .. } => Ok(value),
            Shape::Scalar(scalar) => self.scalar(value, *scalar),
            Shape::Struct(object) => match value {
                Value::Object(fields) => self.object(fields, object),
                Value::Null => Ok(zero(type_ref)),
                other => Err(self.mismatch(&other, &go_struct(object))),
            },
            Shape::Map(map) => self.map(value, map),
            Shape::List(list) => match value {
                Value::Array(items) => {
                    let mut read = Vec::with_capacity(items.len());
                    for (index, item) in items.into_iter().enumerate() {
                        self.path.push(format!("[{index}]"));
                        read.push(self.visit(item, &list.item)?);
                        self.path.pop();
                    }
                    Ok(Value::Array(read))
                }
                Value::Null => Ok(Value::Null),
                other => Err(self.mismatch(&other, &format!("[]{}", go_type(&list.item)))),
            },
        }
    }

    /// A schema where something else may stand, such as a truth or a list. Go reads it by a decoder of its
    /// own, which drops fields that no schema has and says nothing of them.
    fn schema_or_another(&mut self, value: Value, schema: &Struct) -> Result<Value, String> {
        let known = self.unknown.len();
        let read = match value {
            Value::Object(fields) => self.object(fields, schema)?,
            other => other,
        };
        self.unknown.truncate(known);
        Ok(read)
    }

    fn object(&mut self, fields: Map<String, Value>, object: &Struct) -> Result<Value, String> {
        let mut read = Map::new();
        let owner = std::mem::replace(&mut self.owner, go_struct(object));
        if let Some((_, name)) = self.owner.rsplit_once('.') {
            self.owner = name.to_owned();
        }
        for (name, value) in fields {
            self.path.push(name);
            let name = self.path.last().map_or("", String::as_str);
            match object.field(name) {
                // A type of no fields, such as the subresource `status` of a definition, is no type to
                // Kubernetes: whatever is in it is taken and dropped.
                None if object.fields.is_empty() && !object.name.is_empty() => {}
                None => self.unknown.push(self.shown_path()),
                Some(field) => {
                    if !value.is_null() {
                        let value = match is_schema_or_another(object, field) {
                            true => self.schema_or_another(value, object)?,
                            false => self.visit(value, &field.type_ref)?,
                        };
                        if !is_left_out(&value, field) {
                            read.insert(field.name.clone(), value);
                        }
                    }
                }
            }
            self.path.pop();
        }
        self.owner = owner;
        for field in object.fields.iter().filter(|field| !field.omit_empty) {
            if !read.contains_key(&field.name) {
                let value = if field.pointer {
                    Value::Null
                } else {
                    zero(&field.type_ref)
                };
                read.insert(field.name.clone(), value);
            }
        }
        Ok(Value::Object(read))
    }

    fn map(&mut self, value: Value, map: &MapType) -> Result<Value, String> {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return Ok(Value::Null),
            other => {
                let expected = format!("map[string]{}", go_type(&map.item));
                return Err(self.mismatch(&other, &expected));
            }
        };
        let quantities = matches!(map.item.shape(), Shape::Scalar(Scalar::Quantity));
        let mut read = Map::new();
        for (name, value) in fields {
            // Go's messages do not name the keys of maps.
            self.path.push(format!("[{name}]"));
            let mut value = match value {
                Value::Null => zero(&map.item),
                value => self.visit(value, &map.item)?,
            };
            if quantities && let Some(amount) = value.as_str().and_then(quantity::Quantity::parse) {
                value = json!(amount.in_thousandths().canonical());
            }
            self.path.pop();
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }

    fn scalar(&mut self, value: Value, scalar: Scalar) -> Result<Value, String> {
        if value.is_null() {
            return Ok(match scalar {
                Scalar::Time | Scalar::MicroTime => Value::Null,
                scalar => zero(&TypeRef::own(Shape::Scalar(scalar))),
            });
        }
        match (scalar, &value) {
            (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) => Ok(value),
            (Scalar::Double, Value::Number(_)) => Ok(value),
            (Scalar::Bytes, Value::String(text)) => match base64::decode(text.as_bytes()) {
                Ok(_) => Ok(value),
                Err(at) => Err(format!("illegal base64 data at input byte {at}")),
            },
            (Scalar::Int32 | Scalar::Int64, Value::Number(number)) => {
                self.integer(number, scalar == Scalar::Int32)
            }
            (Scalar::IntOrString, Value::String(_)) => Ok(value),
            (Scalar::IntOrString, Value::Number(number)) => self.integer(number, true),
            (Scalar::Quantity, Value::String(_) | Value::Number(_)) => {
                let text = match &value {
                    Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                quantity::Quantity::parse(&text)
                    .map(|amount| json!(amount.canonical()))
                    .ok_or_else(|| quantity::PROBLEM.to_owned())
            }
            (Scalar::Time, Value::String(text)) => Time::parse(text)
                .map(|time| json!(time.to_string()))
                .ok_or_else(|| time_problem(text)),
            (Scalar::MicroTime, Value::String(text)) => micro_time(text).map(|time| json!(time)),
            // What is no text is read as a number there.
            (Scalar::IntOrString, _) => Err(self.mismatch(&value, go_scalar(Scalar::Int32))),
            _ => Err(self.mismatch(&value, go_scalar(scalar))),
        }
    }

    fn integer(&self, number: &Number, small: bool) -> Result<Value, String> {
        let whole = number.as_i64().or_else(|| {
            let value = number.as_f64()?;
            let fits = value.fract() == 0.0 && value.abs() < 9.0e15;
            // The range was checked, so nothing is cut off.
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
            fits.then_some(value as i64)
        });
        let fits = whole.filter(|whole| !small || i32::try_from(*whole).is_ok());
        let name = if small { "int32" } else { "int64" };
        fits.map(|whole| json!(whole))
            .ok_or_else(|| self.mismatch_of(&format!("number {number}"), name))
    }

    fn mismatch(&self, value: &Value, expected: &str) -> String {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.mismatch_of(found, expected)
    }

    fn mismatch_of(&self, found: &str, expected: &str) -> String {
        let path: Vec<&str> = self
            .path
            .iter()
            .filter(|part| !part.starts_with('['))
            .map(String::as_str)
            .collect();
        if path.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {expected}");
        }
        format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {expected}",
            self.owner,
            path.join(".")
        )
    }

    fn shown_path(&self) -> String {
        shown_path(&self.path)
    }
}

/// `spec.containers[0].image` of `["spec", "containers", "[0]", "image"]`.
pub fn shown_path(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// Whether Go leaves the field out when it has this value.
fn is_left_out(value: &Value, field: &Field) -> bool {
    if !field.omit_empty {
        return false;
    }
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => {
            fields.is_empty() && matches!(field.type_ref.shape(), Shape::Map(_))
        }
        _ if field.pointer => false,
        Value::Bool(truth) => !truth,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

fn go_struct(object: &Struct) -> String {
    let mut parts = object.name.rsplitn(3, '.');
    let name = parts.next().unwrap_or_default();
    match parts.next() {
        Some(package) => format!("{package}.{name}"),
        None => name.to_owned(),
    }
}

fn go_type(type_ref: &TypeRef) -> String {
    match type_ref.shape() {
        Shape::Any { .. } => "interface {}".to_owned(),
        Shape::Scalar(scalar) => go_scalar(*scalar).to_owned(),
        Shape::List(list) => format!("[]{}", go_type(&list.item)),
        Shape::Map(map) => format!("map[string]{}", go_type(&map.item)),
        Shape::Struct(object) => go_struct(object),
    }
}

fn go_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "string",
        Scalar::Bytes => "[]uint8",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        Scalar::Boolean => "bool",
        Scalar::Quantity => "resource.Quantity",
        Scalar::Time => "time.Time",
        Scalar::MicroTime => "time.Time",
        Scalar::IntOrString => "intstr.IntOrString",
    }
}

fn time_problem(text: &str) -> String {
    format!(
        "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
    )
}

/// The time with six digits of fraction and `Z`, all of which have to be given.
fn micro_time(text: &str) -> Result<String, String> {
    let seconds = Time::parse(text).ok_or_else(|| time_problem(text))?;
    let rest = text.get(19..).unwrap_or("");
    let digits: String = rest
        .strip_prefix('.')
        .unwrap_or("")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    if digits.len() < 6 {
        return Err(format!(
            "parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse {rest:?} \
             as \".000000\""
        ));
    }
    let whole = seconds.to_string();
    Ok(format!("{}.{}Z", whole.trim_end_matches('Z'), &digits[..6]))
}
