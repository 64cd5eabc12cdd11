//! YAML, JSON and TOML in both directions.
//!
//! It must not know how any of them is written; that is the business of crate `yaml` and of
//! module `toml`.

use holdfast_yaml::{Dialect, HtmlEscape, Limits, read_value, to_json, to_json_indent};

use super::arguments::{any, text};
use crate::emit;
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::toml;
use crate::toml_read;
use crate::value::{Element, Entries, List, Value};

fn yaml_text(run: &mut Run<'_>, value: &Value, dialect: Dialect) -> Result<String, String> {
    let mut out = emit::yaml(value, dialect)?;
    run.charge(out.len()).map_err(|error| error.message)?;
    if out.ends_with('\n') {
        out.pop();
    }
    Ok(out)
}

pub(super) fn to_yaml(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    // What cannot be written is an empty text, as Helm has it.
    let written = yaml_text(run, any(arguments, 0), Dialect::Sigs);
    Ok(Value::from(written.unwrap_or_default()))
}

pub(super) fn must_to_yaml(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let written = yaml_text(run, any(arguments, 0), Dialect::Sigs);
    written.map(Value::from).map_err(Error::execute)
}

pub(super) fn to_yaml_pretty(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let written = yaml_text(run, any(arguments, 0), Dialect::PRETTY);
    Ok(Value::from(written.unwrap_or_default()))
}

fn json_text(value: &Value, escape: HtmlEscape) -> Result<String, String> {
    Ok(to_json(&emit::tree(value)?, escape))
}

pub(super) fn to_json_text(arguments: &[Value]) -> Outcome {
    let written = json_text(any(arguments, 0), HtmlEscape::On);
    Ok(Value::from(written.unwrap_or_default()))
}

pub(super) fn must_to_json(arguments: &[Value]) -> Outcome {
    let written = json_text(any(arguments, 0), HtmlEscape::On);
    written.map(Value::from).map_err(Error::execute)
}

pub(super) fn to_raw_json(arguments: &[Value]) -> Outcome {
    let written = json_text(any(arguments, 0), HtmlEscape::Off);
    written.map(Value::from).map_err(Error::execute)
}

fn pretty_text(value: &Value) -> Result<String, String> {
    Ok(to_json_indent(&emit::tree(value)?, HtmlEscape::On, "  "))
}

pub(super) fn to_pretty_json(arguments: &[Value]) -> Outcome {
    let written = pretty_text(any(arguments, 0));
    Ok(Value::from(written.unwrap_or_default()))
}

pub(super) fn must_to_pretty_json(arguments: &[Value]) -> Outcome {
    let written = pretty_text(any(arguments, 0));
    written.map(Value::from).map_err(Error::execute)
}

/// A map of one key, which is how Helm hands a parse error to the template.
fn error_map(message: &str) -> Value {
    Value::map_of([("Error", Value::text(message))])
}

fn parsed_yaml(text: &str) -> Result<Value, String> {
    read_value(text, &Limits::default())
        .map(|json| floats(&json))
        .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))
}

/// JSON as a template sees it: every number is a `float64`.
fn floats(json: &holdfast_model::Value) -> Value {
    Value::from_json_floats(json)
}

const WRONG_MAP: &str = "into Go value of type map[string]interface {}";
const WRONG_LIST: &str = "into Go value of type []interface {}";

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "array",
        Value::Map(_) => "object",
        Value::Bool(_) => "bool",
        Value::Float(_) | Value::Int(..) => "number",
        _ => "string",
    }
}

/// What a parsed text is as a map: nothing is an empty one, and anything else is an error.
fn as_map(parsed: Result<Value, String>, prefix: &str) -> Value {
    match parsed {
        Ok(value @ Value::Map(_)) => value,
        Ok(value) if value.is_nil() => Value::map(Entries::new()),
        Ok(value) => {
            let kind = kind_name(&value);
            error_map(&format!(
                "{prefix}json: cannot unmarshal {kind} {WRONG_MAP}"
            ))
        }
        Err(message) => error_map(&message),
    }
}

fn as_list(parsed: Result<Value, String>, prefix: &str) -> Value {
    match parsed {
        Ok(value @ Value::List(_)) => value,
        Ok(value) if value.is_nil() => Value::List(List::nil(Element::Any)),
        Ok(value) => {
            let kind = kind_name(&value);
            let message = format!("{prefix}json: cannot unmarshal {kind} {WRONG_LIST}");
            Value::list(vec![Value::from(message)])
        }
        Err(message) => Value::list(vec![Value::from(message)]),
    }
}

const YAML_PREFIX: &str = "error unmarshaling JSON: while decoding JSON: ";

pub(super) fn from_yaml(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    run.charge(text.len())?;
    Ok(as_map(parsed_yaml(&text), YAML_PREFIX))
}

pub(super) fn from_yaml_array(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    run.charge(text.len())?;
    Ok(as_list(parsed_yaml(&text), YAML_PREFIX))
}

fn parsed_json(text: &str) -> Result<Value, String> {
    serde_json::from_str::<holdfast_model::Value>(text)
        .map(|json| floats(&json))
        .map_err(|error| json_error(&error, text))
}

/// Near what `encoding/json` says, without quoting the text.
fn json_error(error: &serde_json::Error, text: &str) -> String {
    if text.trim().is_empty() || error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    format!(
        "invalid JSON at line {} column {}",
        error.line(),
        error.column()
    )
}

pub(super) fn from_json(arguments: &[Value]) -> Outcome {
    Ok(as_map(parsed_json(&text(arguments, 0)), ""))
}

pub(super) fn from_json_array(arguments: &[Value]) -> Outcome {
    Ok(as_list(parsed_json(&text(arguments, 0)), ""))
}

/// sprig's own, which Helm leaves as it is: any value, and an error for what is none.
pub(super) fn must_from_json(arguments: &[Value]) -> Outcome {
    parsed_json(&text(arguments, 0)).map_err(Error::execute)
}

pub(super) fn to_toml(arguments: &[Value]) -> Outcome {
    if any(arguments, 0).is_nil() {
        return Err(Error::execute("toml: a nil value cannot be encoded"));
    }
    let written = toml::write(any(arguments, 0));
    Ok(Value::from(written.unwrap_or_else(|message| message)))
}

pub(super) fn must_to_toml(arguments: &[Value]) -> Outcome {
    toml::write(any(arguments, 0))
        .map(Value::from)
        .map_err(Error::execute)
}

pub(super) fn from_toml(arguments: &[Value]) -> Outcome {
    Ok(toml_read::read(&text(arguments, 0)).unwrap_or_else(|message| error_map(&message)))
}
