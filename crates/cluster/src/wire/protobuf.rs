//! Reads the protobuf form in which `kubectl` sends what it makes itself.
//! It must not know what an object means; answers are always JSON.

use holdfast_kinds::{MAX_DEPTH, zero};
use holdfast_model::time::Time;
use holdfast_model::{Value, base64};
use holdfast_schema::{Message, Scalar, Schema, Shape, Struct, TypeRef};
use serde_json::{Map, json};

/// The media type of the form.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";
const MAGIC: &[u8] = b"k8s\0";

/// Reads an object with its `apiVersion` and `kind`.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let bytes = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not start as a Kubernetes protobuf document does")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in Fields(meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    let type_ref = type_of(&api_version, &kind)
        .ok_or_else(|| format!("{kind} of {api_version} has no protobuf form here"))?;
    let Shape::Struct(object) = type_ref.shape() else {
        return Err("it is no object".to_owned());
    };
    let mut fields = Map::new();
    message(raw, &object.name, object, (&mut fields, 0))?;
    fields.insert("apiVersion".to_owned(), json!(api_version));
    fields.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(fields))
}

fn type_of(api_version: &str, kind: &str) -> Option<TypeRef> {
    let schema = Schema::builtin();
    let (group, version) = holdfast_model::object::split_api_version(api_version);
    // Schemas are free JSON in their Go form, which the numbers do not tell.
    if group == "apiextensions.k8s.io" {
        return None;
    }
    if let Some(found) = schema.kind(group, version, kind) {
        return Some(found.type_ref.clone());
    }
    let package = group.split('.').next().unwrap_or_default();
    let package = if package.is_empty() { "core" } else { package };
    schema
        .type_named(&format!("{package}.{version}.{kind}"))
        .or_else(|| schema.type_named(&format!("meta.v1.{kind}")))
}

/// A value on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "the message is cut off".to_owned()))
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(
                self.take(4)?.try_into().ok()?,
            ))),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f).checked_shl(shift)?;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
}

/// Reads the fields of a message into those of an object.
fn message(
    bytes: &[u8],
    name: &str,
    object: &Struct,
    (found, depth): (&mut Map<String, Value>, usize),
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the message is nested too deep".to_owned());
    }
    let known = Message::named(name).ok_or_else(|| format!("{name} has no protobuf form here"))?;
    for field in Fields(bytes) {
        let (number, wire) = field?;
        let Some(field) = known.field(number) else {
            continue;
        };
        let same = |one: &str| one.eq_ignore_ascii_case(field.name);
        let Some(target) = object.fields.iter().find(|one| same(&one.name)) else {
            // What Go embeds stands in the place of its message.
            if let (Some(inner), Wire::Bytes(bytes)) = (field.message, wire) {
                message(bytes, inner, object, (&mut *found, depth + 1))?;
            }
            continue;
        };
        let slot = found.entry(target.name.clone()).or_insert(Value::Null);
        put(slot, wire, &target.type_ref, depth + 1)?;
    }
    Ok(())
}

/// Reads one value of a field; lists and maps grow by it.
fn put(slot: &mut Value, wire: Wire<'_>, type_ref: &TypeRef, depth: usize) -> Result<(), String> {
    match type_ref.shape() {
        Shape::List(list) => {
            let item = value(wire, &list.item, depth)?;
            match slot {
                Value::Array(items) => items.push(item),
                slot => *slot = json!([item]),
            }
        }
        Shape::Map(map) => {
            let Wire::Bytes(entry) = wire else {
                return Err("an entry of a map is no message".to_owned());
            };
            let (mut key, mut item) = (String::new(), Value::Null);
            for field in Fields(entry) {
                match field? {
                    (1, Wire::Bytes(text)) => key = utf8(text)?,
                    (2, wire) => item = value(wire, &map.item, depth)?,
                    _ => {}
                }
            }
            if item.is_null() {
                item = zero(&map.item);
            }
            if !slot.is_object() {
                *slot = json!({});
            }
            slot[key] = item;
        }
        _ => *slot = value(wire, type_ref, depth)?,
    }
    Ok(())
}

fn value(wire: Wire<'_>, type_ref: &TypeRef, depth: usize) -> Result<Value, String> {
    match (type_ref.shape(), wire) {
        (Shape::Scalar(scalar), Wire::Number(number)) => Ok(numeric(*scalar, number)),
        (Shape::Scalar(scalar), Wire::Bytes(bytes)) => textual(*scalar, bytes),
        (Shape::Struct(object), Wire::Bytes(bytes)) => {
            let mut fields = Map::new();
            message(bytes, &object.name, object, (&mut fields, depth))?;
            Ok(Value::Object(fields))
        }
        // A list inside a map or list is a message with one repeated field.
        (Shape::List(_) | Shape::Map(_), Wire::Bytes(bytes)) => {
            let mut slot = Value::Null;
            for field in Fields(bytes) {
                put(&mut slot, field?.1, type_ref, depth)?;
            }
            Ok(slot)
        }
        (Shape::Any { .. }, Wire::Bytes(bytes)) => {
            let raw = Fields(bytes).find_map(|field| match field {
                Ok((1, Wire::Bytes(raw))) => Some(raw),
                _ => None,
            });
            serde_json::from_slice(raw.unwrap_or(b"null")).map_err(|error| error.to_string())
        }
        _ => Err("a number stands where a message is expected".to_owned()),
    }
}

fn numeric(scalar: Scalar, number: u64) -> Value {
    match scalar {
        Scalar::Boolean => json!(number != 0),
        Scalar::Double => json!(f64::from_bits(number)),
        // Numbers are written as their two's complement, so the bits are the number.
        _ => json!(number.cast_signed()),
    }
}

fn textual(scalar: Scalar, bytes: &[u8]) -> Result<Value, String> {
    let mut numbers = [0_i64; 4];
    let mut texts: [String; 4] = Default::default();
    let mut inner = || -> Result<(), String> {
        for field in Fields(bytes) {
            match field? {
                (number @ 1..=3, Wire::Number(found)) => {
                    numbers[usize::try_from(number).unwrap_or(0)] = found.cast_signed();
                }
                (number @ 1..=3, Wire::Bytes(found)) => {
                    texts[usize::try_from(number).unwrap_or(0)] = utf8(found)?;
                }
                _ => {}
            }
        }
        Ok(())
    };
    match scalar {
        Scalar::String => Ok(json!(utf8(bytes)?)),
        Scalar::Bytes => Ok(json!(base64::encode(bytes))),
        Scalar::Quantity => {
            inner()?;
            Ok(json!(texts[1]))
        }
        Scalar::IntOrString => {
            inner()?;
            Ok(if numbers[1] == 0 {
                json!(numbers[2])
            } else {
                json!(texts[3])
            })
        }
        Scalar::Time | Scalar::MicroTime => {
            inner()?;
            // A time that nobody has set is an empty message.
            if bytes.is_empty() {
                return Ok(Value::Null);
            }
            let time = Time::from_millis(numbers[1].saturating_mul(1000)).to_string();
            Ok(if scalar == Scalar::Time {
                json!(time)
            } else {
                let micros = numbers[2] / 1000;
                json!(format!("{}.{micros:06}Z", time.trim_end_matches('Z')))
            })
        }
        _ => Err("a message stands where a number is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use proptest::prelude::*;
    use serde_json::json;

    /// What `kubectl create namespace t1` sends.
    const NAMESPACE: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x12\x0a\x0c\x0a\x02t1\
        \x12\x00\x1a\x00\x22\x00\x12\x00\x1a\x00\x1a\x00\x22\x00";

    #[test]
    fn a_namespace_is_read() {
        let value = read(NAMESPACE).expect("it is a document");
        assert_eq!(value["kind"], json!("Namespace"));
        assert_eq!(value["metadata"]["name"], json!("t1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut document = NAMESPACE[..21].to_vec();
            document.extend_from_slice(&[0x12, u8::try_from(bytes.len()).unwrap_or(0)]);
            document.extend_from_slice(&bytes);
            let _ = read(&document);
            let _ = read(&bytes);
        }
    }
}
