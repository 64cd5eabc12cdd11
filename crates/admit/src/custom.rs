//! Custom objects against their schema, as the API server checks them.
//! It must not know where the schema comes from.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::served::Served;
use crate::{embedded, formats};

const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; \
     correct the existing errors to complete validation";

/// What is wrong with a custom object.
pub(crate) fn validate(served: &Served, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(schema) = served
        .custom
        .as_ref()
        .and_then(|custom| custom.schema.as_deref())
    else {
        return Vec::new();
    };
    let mut walk = Walk { errors: Vec::new() };
    walk.visit((new, old), schema, "");
    let mut errors = walk.errors;
    errors.extend(embedded::sizes(served, new));
    embedded::objects(new, schema, "", &mut errors);
    if let Some(rules) = &served.rules {
        if errors.iter().any(FieldError::blocks_rules) {
            errors.push(FieldError::invalid("<nil>", &Value::Null, UNCHECKED));
        } else {
            errors.extend(holdfast_cel::evaluate(rules, schema, new, old));
        }
    }
    errors
}

struct Walk {
    errors: Vec<FieldError>,
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(value: &Value, wanted: &str) -> bool {
    match wanted {
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        wanted => kind_of(value) == wanted,
    }
}

impl Walk {
    fn invalid(&mut self, path: &str, value: &Value, problem: &str) {
        let detail = format!("{path} in body {problem}");
        self.errors.push(FieldError::invalid(path, value, &detail));
    }

    /// Checks a value, unless it is what it was before an update: what was valid once may stay when
    /// a definition has become stricter.
    fn visit(&mut self, (value, old): (&Value, Option<&Value>), schema: &Value, path: &str) {
        if old == Some(value) {
            return;
        }
        if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
            return;
        }
        let wanted = text(schema, "type");
        let int_or_string = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
        if int_or_string && !fits(value, "integer") && !value.is_string() {
            self.mistyped(path, value, "integer,string");
            return;
        }
        if !int_or_string && !wanted.is_empty() && !fits(value, wanted) {
            let format = text(schema, "format");
            if wanted == "integer" && value.is_number() && format.starts_with("int") {
                self.fractional(path, format);
            } else {
                self.mistyped(path, value, wanted);
            }
            return;
        }
        if let Some(known) = schema.get("enum").and_then(Value::as_array)
            && !known.contains(value)
        {
            let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
            self.errors
                .push(FieldError::unsupported(path, value, &known));
        }
        match value {
            Value::String(found) => self.string(found, schema, path),
            Value::Number(_) => self.number(value, schema, path),
            Value::Array(list) => self.list((list, old), schema, path),
            Value::Object(_) => self.object((value, old), schema, path),
            _ => {}
        }
        self.combined(value, schema, path);
    }

    fn mistyped(&mut self, path: &str, value: &Value, wanted: &str) {
        let found = kind_of(value);
        let detail = format!("{path} in body must be of type {wanted}: {found:?}");
        self.errors
            .push(FieldError::type_invalid(path, &json!(found), &detail));
    }

    /// A number with a fraction where the format of a whole one is wanted.
    fn fractional(&mut self, path: &str, format: &str) {
        let found = "float64";
        let detail = format!("{path} in body must be of type {format}: {found:?}");
        let error = FieldError::type_invalid(path, &json!(found), &detail);
        self.errors.push(error);
        let detail =
            format!("Checked value must be of type integer with format {format} in {path}");
        let error = FieldError::invalid("<nil>", &json!(""), &detail);
        self.errors.push(error);
    }

    fn string(&mut self, found: &str, schema: &Value, path: &str) {
        let length = found.chars().count() as u64;
        if let Some(limit) = schema["maxLength"].as_u64()
            && length > limit
        {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            self.errors.push(FieldError::too_long(path, limit));
            return;
        }
        if let Some(limit) = schema["minLength"].as_u64()
            && length < limit
        {
            let problem = format!("should be at least {limit} chars long");
            self.invalid(path, &json!(found), &problem);
            return;
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let read = formats::pattern(pattern);
            if read.is_ok_and(|regex| !regex.is_match(found)) {
                let problem = format!("should match '{pattern}'");
                self.invalid(path, &json!(found), &problem);
            }
        }
        let format = text(schema, "format");
        if !formats::fits(found, format) {
            let detail = format!("{path} in body must be of type {format}: {found:?}");
            self.errors
                .push(FieldError::type_invalid(path, &json!(found), &detail));
        }
    }

    fn number(&mut self, value: &Value, schema: &Value, path: &str) {
        let number = value.as_f64().unwrap_or(0.0);
        let exclusive = |name: &str| schema.get(name) == Some(&Value::Bool(true));
        if let Some(limit) = schema["maximum"].as_f64() {
            let shown = &schema["maximum"];
            if exclusive("exclusiveMaximum") && number >= limit {
                self.invalid(path, value, &format!("should be less than {shown}"));
            } else if number > limit {
                self.invalid(
                    path,
                    value,
                    &format!("should be less than or equal to {shown}"),
                );
            }
        }
        if let Some(limit) = schema["minimum"].as_f64() {
            let shown = &schema["minimum"];
            if exclusive("exclusiveMinimum") && number <= limit {
                self.invalid(path, value, &format!("should be greater than {shown}"));
            } else if number < limit {
                self.invalid(
                    path,
                    value,
                    &format!("should be greater than or equal to {shown}"),
                );
            }
        }
        if let Some(factor) = schema["multipleOf"].as_f64().filter(|factor| *factor > 0.0) {
            let times = number / factor;
            if (times - times.round()).abs() > 1e-9 {
                let problem = format!("should be a multiple of {}", schema["multipleOf"]);
                self.invalid(path, value, &problem);
            }
        }
    }

    fn list(&mut self, (list, old): (&[Value], Option<&Value>), schema: &Value, path: &str) {
        let count = list.len() as u64;
        if let Some(limit) = schema["maxItems"].as_u64()
            && count > limit
        {
            self.errors
                .push(FieldError::too_many(path, list.len(), limit));
        }
        if let Some(limit) = schema["minItems"].as_u64()
            && count < limit
        {
            let problem = format!("should have at least {limit} items");
            self.invalid(path, &json!(count), &problem);
        }
        if let Some(inner) = schema.get("items") {
            for (index, item) in list.iter().enumerate() {
                let before = old.and_then(|old| holdfast_cel::counterpart(schema, item, old));
                self.visit((item, before), inner, &format!("{path}[{index}]"));
            }
        }
        self.doubled(list, schema, path);
    }

    fn doubled(&mut self, list: &[Value], schema: &Value, path: &str) {
        let keys: Vec<&str> = items(schema, "x-kubernetes-list-map-keys")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let identity = |item: &Value| match text(schema, "x-kubernetes-list-type") {
            "set" => Some(item.clone()),
            "map" => {
                let fields = keys.iter().filter_map(|key| {
                    let value = item.get(*key)?;
                    Some(((*key).to_owned(), value.clone()))
                });
                Some(Value::Object(fields.collect()))
            }
            _ => None,
        };
        let mut seen: Vec<Value> = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let Some(found) = identity(item) else {
                return;
            };
            if seen.contains(&found) {
                let field = format!("{path}[{index}]");
                self.errors.push(FieldError::duplicate(field, &found));
            } else {
                seen.push(found);
            }
        }
    }

    fn object(&mut self, (value, old): (&Value, Option<&Value>), schema: &Value, path: &str) {
        let Some(fields) = value.as_object() else {
            return;
        };
        let count = fields.len() as u64;
        if let Some(limit) = schema["maxProperties"].as_u64()
            && count > limit
        {
            self.errors
                .push(FieldError::too_many(path, fields.len(), limit));
        }
        if let Some(limit) = schema["minProperties"].as_u64()
            && count < limit
        {
            let problem = format!("should have at least {limit} properties");
            self.invalid(path, &json!(count), &problem);
        }
        for name in items(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.errors.push(FieldError::required(join(path, name), ""));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields {
            // The metadata is checked by itself.
            if path.is_empty() && name == "metadata" {
                continue;
            }
            let inner = properties.and_then(|properties| properties.get(name));
            let inner = inner.or_else(|| schema.get("additionalProperties"));
            if let Some(inner) = inner.filter(|inner| inner.is_object()) {
                let before = old.and_then(|old| old.get(name));
                self.visit((field, before), inner, &join(path, name));
            }
        }
    }

    fn combined(&mut self, value: &Value, schema: &Value, path: &str) {
        let count = |name: &str| {
            let inner = items(schema, name).iter();
            inner.filter(|inner| matches(value, inner)).count()
        };
        for inner in items(schema, "allOf") {
            self.visit((value, None), inner, path);
        }
        let plain = |text: String| {
            FieldError::plain(
                "FieldValueInvalid",
                "<nil>",
                format!("Invalid value: \"\": {text}"),
            )
        };
        if schema.get("anyOf").is_some() && count("anyOf") == 0 {
            self.errors.push(plain(format!(
                "{path:?} must validate at least one schema (anyOf)"
            )));
        }
        if schema.get("oneOf").is_some() && count("oneOf") != 1 {
            let found = match count("oneOf") {
                0 => "none valid".to_owned(),
                count => format!("{count} valid alternatives"),
            };
            self.errors.push(plain(format!(
                "{path:?} must validate one and only one schema (oneOf). Found {found}"
            )));
            if count("oneOf") == 0
                && let Some(first) = items(schema, "oneOf").first()
            {
                self.visit((value, None), first, path);
            }
        }
        if let Some(inner) = schema.get("not").filter(|inner| inner.is_object())
            && matches(value, inner)
        {
            self.errors.push(plain(format!(
                "{path:?} must not validate the schema (not)"
            )));
        }
    }
}

fn matches(value: &Value, schema: &Value) -> bool {
    let mut walk = Walk { errors: Vec::new() };
    walk.visit((value, None), schema, "");
    walk.errors.is_empty()
}
