//! TOML as the Go library `BurntSushi/toml` reads and writes it.
//!
//! It must not know templates.

use std::rc::Rc;

use crate::float;
use crate::value::{Entries, IntKind, Map, Value};

/// How deep tables are written. Deeper ones are circles.
const MAX_DEPTH: usize = 200;

/// Writes a map: scalars before tables, keys sorted, tables indented by their depth.
///
/// # Errors
/// A text near Go's for what has no TOML form.
pub(crate) fn write(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    match value {
        Value::Map(map) => write_table(&mut out, &[], map)?,
        value if value.is_nil() => {
            return Err("toml: cannot encode a nil value".to_owned());
        }
        _ => return Err("toml: top-level values must be Go maps or structs".to_owned()),
    }
    Ok(out)
}

fn is_table(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(list) => {
            !list.items().is_empty()
                && list
                    .items()
                    .iter()
                    .all(|item| matches!(item, Value::Map(_)))
        }
        _ => false,
    }
}

fn write_table(out: &mut String, path: &[String], map: &Map) -> Result<(), String> {
    if path.len() > MAX_DEPTH {
        return Err("toml: the value is nested too deep".to_owned());
    }
    let entries = map.entries();
    let indent = "  ".repeat(path.len().saturating_sub(1));
    for (key, value) in entries.iter().filter(|(_, value)| !is_table(value)) {
        if value.is_nil() {
            continue;
        }
        out.push_str(&format!("{indent}{} = ", key_text(key)));
        write_value(out, value, 0)?;
        out.push('\n');
    }
    for (key, value) in entries.iter().filter(|(_, value)| is_table(value)) {
        let mut inner = path.to_vec();
        inner.push(key_text(key));
        let indent = "  ".repeat(path.len());
        match value {
            Value::Map(table) => {
                // The first header of a document has no empty line before it.
                if path.is_empty() && !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("{indent}[{}]\n", inner.join(".")));
                write_indented(out, &inner, table)?;
            }
            Value::List(list) => {
                for item in list.items() {
                    if let Value::Map(table) = item {
                        if !out.is_empty() {
                            out.push('\n');
                        }
                        out.push_str(&format!("{indent}[[{}]]\n", inner.join(".")));
                        write_indented(out, &inner, table)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stands in a table is indented one level more than its header.
fn write_indented(out: &mut String, path: &[String], map: &Map) -> Result<(), String> {
    let mut deeper = path.to_vec();
    deeper.push(String::new());
    let mut inner = String::new();
    write_table_at(&mut inner, path, map, out.is_empty())?;
    out.push_str(&inner);
    Ok(())
}

fn write_table_at(
    out: &mut String,
    path: &[String],
    map: &Map,
    _first: bool,
) -> Result<(), String> {
    let entries = map.entries();
    let indent = "  ".repeat(path.len());
    for (key, value) in entries.iter().filter(|(_, value)| !is_table(value)) {
        if value.is_nil() {
            continue;
        }
        out.push_str(&format!("{indent}{} = ", key_text(key)));
        write_value(out, value, 0)?;
        out.push('\n');
    }
    let mut tables = String::new();
    let only_tables = Map::new(
        crate::value::Shape::Any,
        entries
            .iter()
            .filter(|(_, value)| is_table(value))
            .map(|(key, value)| (Rc::clone(key), value.clone()))
            .collect(),
    );
    write_table(&mut tables, path, &only_tables)?;
    out.push_str(&tables);
    Ok(())
}

fn key_text(key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare {
        return key.to_owned();
    }
    quoted(key)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            letter if letter < ' ' || letter == '\u{7f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("toml: the value is nested too deep".to_owned());
    }
    match value {
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(IntKind::Duration, nanos) => {
            out.push_str(&quoted(&crate::moment::duration_text(*nanos)));
        }
        Value::Int(_, number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float_text(*number)),
        Value::Text(text) => out.push_str(&quoted(text)),
        Value::Raw(bytes) => out.push_str(&quoted(&String::from_utf8_lossy(bytes))),
        Value::Time(moment) => out.push_str(&moment.format("2006-01-02T15:04:05.999999999Z07:00")),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_value(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            let entries = map.entries();
            let present = entries.iter().filter(|(_, value)| !value.is_nil());
            for (index, (key, item)) in present.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&format!("{} = ", key_text(key)));
                write_value(out, item, depth + 1)?;
            }
            out.push('}');
        }
        value if value.is_nil() => {
            return Err("toml: cannot encode array with nil element".to_owned());
        }
        other => return Err(format!("unsupported type: {}", other.type_name())),
    }
    Ok(())
}

/// A float always looks like one: `1.0`, `1e+06`.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = float::shortest(number);
    if text.contains(['.', 'e']) {
        text
    } else {
        format!("{text}.0")
    }
}

/// Reads a document.
///
/// # Errors
/// What is wrong and on which line.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    crate::toml_read::read(text).map(|entries: Entries| Value::map(entries))
}
