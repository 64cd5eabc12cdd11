//! The protobuf form of an OpenAPI 2 document: `openapi.v2.Document` of `OpenAPIv2.proto` in
//! github.com/google/gnostic-models, from where the numbers of the fields are.
//! It must not know what a document says.

use holdfast_model::Value;

/// The messages: a line each, with fields as `name:number:kind`, in the order of their numbers.
///
/// A kind is `text`, `flag`, `whole`, `real`, `any` (a value as YAML), or a message; in brackets it
/// may stand many times; in braces it is the message of a map, whose entries are field 1. `*` takes
/// the fields that start with `x-`, and `map` those that do not.
const MESSAGES: &str = "
Document swagger:1:text info:2:Info host:3:text basePath:4:text schemes:5:[text] \
    consumes:6:[text] produces:7:[text] paths:8:Paths definitions:9:{Schema} \
    parameters:10:{Parameter} responses:11:{Response} security:12:[{Texts}] \
    securityDefinitions:13:{Security} *:16:any
Info title:1:text version:2:text description:3:text *:7:any
Paths *:1:any map:2:PathItem
PathItem $ref:1:text get:2:Operation put:3:Operation post:4:Operation delete:5:Operation \
    options:6:Operation head:7:Operation patch:8:Operation parameters:9:[ParametersItem] *:10:any
Operation tags:1:[text] summary:2:text description:3:text operationId:5:text produces:6:[text] \
    consumes:7:[text] parameters:8:[ParametersItem] responses:9:Responses schemes:10:[text] \
    deprecated:11:flag *:13:any
Responses map:1:ResponseValue *:2:any
Response description:1:text schema:2:SchemaItem *:5:any
BodyParameter description:1:text name:2:text in:3:text required:4:flag schema:5:Schema *:6:any
QueryParameter required:1:flag in:2:text description:3:text name:4:text allowEmptyValue:5:flag \
    type:6:text format:7:text uniqueItems:20:flag *:23:any
PathParameter required:1:flag in:2:text description:3:text name:4:text type:5:text format:6:text \
    uniqueItems:19:flag *:22:any
Reference $ref:1:text description:2:text
ApiKey type:1:text name:2:text in:3:text description:4:text *:5:any
Texts value:1:[text]
Schema $ref:1:text format:2:text title:3:text description:4:text default:5:any multipleOf:6:real \
    maximum:7:real exclusiveMaximum:8:flag minimum:9:real exclusiveMinimum:10:flag \
    maxLength:11:whole minLength:12:whole pattern:13:text maxItems:14:whole minItems:15:whole \
    uniqueItems:16:flag maxProperties:17:whole minProperties:18:whole required:19:[text] \
    enum:20:[any] additionalProperties:21:Additional type:22:Type items:23:Items \
    allOf:24:[Schema] properties:25:{Schema} example:30:any *:31:any
";

/// The bytes of a document. What the form has no field for is left out.
pub(super) fn write(document: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    message("Document", document, &mut bytes);
    bytes
}

/// The fields of a message: name, number and kind.
pub(super) fn fields(name: &str) -> impl Iterator<Item = (&'static str, u64, &'static str)> {
    let line = MESSAGES.lines().find_map(|line| {
        let (known, fields) = line.split_once(' ')?;
        (known == name).then_some(fields)
    });
    line.unwrap_or("").split_whitespace().filter_map(|word| {
        let mut parts = word.splitn(3, ':');
        Some((parts.next()?, parts.next()?.parse().ok()?, parts.next()?))
    })
}

/// Which of several messages a value is: the numbers that lead to it, outermost first.
fn alternatives(kind: &str, value: &Value) -> Option<(&'static [u64], &'static str)> {
    let is_reference = value.get("$ref").is_some();
    Some(match kind {
        "ParametersItem" if is_reference => (&[2], "Reference"),
        "ParametersItem" => match value["in"].as_str() {
            Some("body") => (&[1, 1], "BodyParameter"),
            Some("path") => (&[1, 2, 4], "PathParameter"),
            _ => (&[1, 2, 3], "QueryParameter"),
        },
        "Parameter" => match value["in"].as_str() {
            Some("body") => (&[1], "BodyParameter"),
            Some("path") => (&[2, 4], "PathParameter"),
            _ => (&[2, 3], "QueryParameter"),
        },
        "ResponseValue" if is_reference => (&[2], "Reference"),
        "ResponseValue" => (&[1], "Response"),
        "SchemaItem" => (&[1], "Schema"),
        "Items" => (&[1], "Schema"),
        "Additional" if value.is_object() => (&[1], "Schema"),
        "Security" => (&[2], "ApiKey"),
        _ => return None,
    })
}

fn message(name: &str, value: &Value, bytes: &mut Vec<u8>) {
    let Some(object) = value.as_object() else {
        return;
    };
    let is_extension = |name: &String| name.starts_with("x-");
    for (field, number, kind) in fields(name) {
        match field {
            "*" => {
                let entries = object.iter().filter(|(name, _)| is_extension(name));
                entries.for_each(|entry| named(number, entry, kind, bytes));
            }
            "map" => {
                let entries = object.iter().filter(|(name, _)| !is_extension(name));
                entries.for_each(|entry| named(number, entry, kind, bytes));
            }
            _ => {
                if let Some(value) = object.get(field) {
                    self::field(number, value, kind, bytes);
                }
            }
        }
    }
}

fn field(number: u64, value: &Value, kind: &str, bytes: &mut Vec<u8>) {
    if let Some(kind) = kind
        .strip_prefix('[')
        .and_then(|kind| kind.strip_suffix(']'))
    {
        let items = value.as_array().into_iter().flatten();
        items.for_each(|item| field(number, item, kind, bytes));
        return;
    }
    match (kind, value) {
        ("text", Value::String(text)) => chunk(number, text.as_bytes(), bytes),
        ("flag", Value::Bool(flag)) => {
            // A flag that is not set is left out, as by everybody who writes this form.
            if *flag {
                varint(number << 3, bytes);
                bytes.push(1);
            }
        }
        ("whole", Value::Number(whole)) => {
            varint(number << 3, bytes);
            varint(whole.as_i64().unwrap_or(0).cast_unsigned(), bytes);
        }
        ("real", Value::Number(real)) => {
            varint(number << 3 | 1, bytes);
            bytes.extend_from_slice(&real.as_f64().unwrap_or(0.0).to_le_bytes());
        }
        ("text" | "flag" | "whole" | "real", _) => {}
        _ => chunk(number, &part(kind, value), bytes),
    }
}

/// The bytes of a value that is a message.
fn part(kind: &str, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(kind) = kind
        .strip_prefix('{')
        .and_then(|kind| kind.strip_suffix('}'))
    {
        let entries = value.as_object().into_iter().flatten();
        entries.for_each(|entry| named(1, entry, kind, &mut bytes));
        return bytes;
    }
    match (kind, value) {
        // JSON is YAML.
        ("any", value) => chunk(2, format!("{value}\n").as_bytes(), &mut bytes),
        ("Texts" | "Type", Value::Array(texts)) => {
            for text in texts.iter().filter_map(Value::as_str) {
                chunk(1, text.as_bytes(), &mut bytes);
            }
        }
        ("Type", Value::String(text)) => chunk(1, text.as_bytes(), &mut bytes),
        ("Additional", Value::Bool(flag)) => {
            varint(2 << 3, &mut bytes);
            bytes.push(u8::from(*flag));
        }
        _ => match alternatives(kind, value) {
            Some((numbers, name)) => {
                message(name, value, &mut bytes);
                for number in numbers.iter().rev() {
                    let inner = std::mem::take(&mut bytes);
                    chunk(*number, &inner, &mut bytes);
                }
            }
            None => message(kind, value, &mut bytes),
        },
    }
    bytes
}

/// An entry of a map: its name and its value.
fn named(number: u64, (name, value): (&String, &Value), kind: &str, bytes: &mut Vec<u8>) {
    let mut entry = Vec::new();
    chunk(1, name.as_bytes(), &mut entry);
    chunk(2, &part(kind, value), &mut entry);
    chunk(number, &entry, bytes);
}

fn chunk(number: u64, content: &[u8], bytes: &mut Vec<u8>) {
    varint(number << 3 | 2, bytes);
    varint(content.len() as u64, bytes);
    bytes.extend_from_slice(content);
}

fn varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
