//! Writes TOML as the Go library `BurntSushi/toml` does.
//!
//! It must not know templates.

use crate::float;
use crate::value::{IntKind, Map, Value};

/// How deep tables are written. Deeper ones are circles.
const MAX_DEPTH: usize = 200;

/// How many bytes are written at most.
const MAX_TEXT: usize = 64 << 20;

const NIL_ELEMENT: &str = "toml: cannot encode array with nil element";

/// Writes a value: scalars before tables, keys sorted, tables indented by their depth.
///
/// # Errors
/// A text near Go's for what has no TOML form.
pub(crate) fn write(value: &Value) -> Result<String, String> {
    let mut writer = Writer { out: String::new() };
    match value {
        Value::Map(map) => writer.entries(&[], map)?,
        Value::List(_) if is_table_list(value)? => {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        value => writer.element(value, 0)?,
    }
    Ok(writer.out)
}

fn is_table_list(value: &Value) -> Result<bool, String> {
    let Value::List(list) = value else {
        return Ok(false);
    };
    if list.items().iter().any(Value::is_nil) {
        return Err(NIL_ELEMENT.to_owned());
    }
    let all_tables = list
        .items()
        .iter()
        .all(|item| matches!(item, Value::Map(_)));
    Ok(all_tables && !list.items().is_empty())
}

struct Writer {
    out: String,
}

impl Writer {
    fn new_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn check(&self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH || self.out.len() > MAX_TEXT {
            return Err("toml: the value is nested too deep, or holds itself".to_owned());
        }
        Ok(())
    }

    fn entries(&mut self, path: &[String], map: &Map) -> Result<(), String> {
        self.check(path.len())?;
        let (direct, tables) = sorted(map)?;
        for (key, value) in direct.iter().chain(&tables) {
            if value.is_nil() {
                continue;
            }
            let mut inner = path.to_vec();
            inner.push(key_text(key));
            self.entry(&inner, value)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &[String], value: &Value) -> Result<(), String> {
        let indent = "  ".repeat(path.len().saturating_sub(1));
        match value {
            Value::Map(table) => {
                // Only tables at the top have an empty line before them.
                if path.len() == 1 {
                    self.new_line();
                }
                self.out
                    .push_str(&format!("{indent}[{}]\n", path.join(".")));
                self.entries(path, table)
            }
            Value::List(list) if is_table_list(value)? => {
                for item in list.items() {
                    if let Value::Map(table) = item {
                        self.new_line();
                        self.out
                            .push_str(&format!("{indent}[[{}]]\n", path.join(".")));
                        self.entries(path, table)?;
                    }
                }
                Ok(())
            }
            value => {
                let key = path.last().map_or("", String::as_str);
                self.out.push_str(&format!("{indent}{key} = "));
                self.element(value, path.len())?;
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.check(depth)?;
        match value {
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(IntKind::Duration, nanos) => {
                let text = crate::moment::duration_text(*nanos);
                self.out.push_str(&quoted(&text));
            }
            Value::Int(_, number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float_text(*number)),
            Value::Text(text) => self.out.push_str(&quoted(text)),
            Value::Raw(bytes) => self.out.push_str(&quoted(&String::from_utf8_lossy(bytes))),
            Value::Time(moment) => {
                let text = moment.format("2006-01-02T15:04:05.999999999Z07:00");
                self.out.push_str(&text);
            }
            Value::Version(version) => self.out.push_str(&quoted(&version.to_string())),
            Value::List(list) => {
                self.out.push('[');
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(map) => self.inline(map, depth)?,
            value if value.is_nil() => return Err(NIL_ELEMENT.to_owned()),
            other => return Err(format!("unsupported type: {}", other.type_name())),
        }
        Ok(())
    }

    /// A table inside of a list. A nil behind the last value leaves a comma, as in Go.
    fn inline(&mut self, map: &Map, depth: usize) -> Result<(), String> {
        let (direct, tables) = sorted(map)?;
        self.out.push('{');
        for (entries, follows) in [(&direct, !tables.is_empty()), (&tables, false)] {
            for (index, (key, value)) in entries.iter().enumerate() {
                if value.is_nil() {
                    continue;
                }
                self.out.push_str(&format!("{} = ", key_text(key)));
                self.element(value, depth + 1)?;
                if follows || index + 1 < entries.len() {
                    self.out.push_str(", ");
                }
            }
        }
        self.out.push('}');
        Ok(())
    }
}

type Pairs = Vec<(std::rc::Rc<str>, Value)>;

/// Entries that stand in the table itself, and those that are tables of their own.
fn sorted(map: &Map) -> Result<(Pairs, Pairs), String> {
    let mut direct = Vec::new();
    let mut tables = Vec::new();
    for (key, value) in map.entries().iter() {
        let is_table = matches!(value, Value::Map(_)) || is_table_list(value)?;
        let pairs = if is_table { &mut tables } else { &mut direct };
        pairs.push((key.clone(), value.clone()));
    }
    Ok((direct, tables))
}

fn key_text(key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { key.to_owned() } else { quoted(key) }
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

/// A float always looks like one: `1.0`, `1e+06`.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        }
        .to_owned();
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
