//! What is wrong with a field, in the words and with the reasons of a Kubernetes API server. It must
//! not know who judges.

use crate::Value;

/// What is wrong with a field.
#[derive(Clone, Debug)]
pub struct FieldError {
    /// The kind of problem, as causes of a Status name it.
    pub reason: &'static str,
    /// The path of the field.
    pub field: String,
    /// What is wrong, in words.
    pub message: String,
}

impl FieldError {
    /// It is missing.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self {
            reason: "FieldValueRequired",
            field: field.into(),
            message: joined("Required value", detail),
        }
    }

    /// Its value is none that may be.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: joined(&format!("Invalid value: {}", shown(value)), detail),
        }
    }

    /// Its value is of another type.
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            field: field.into(),
            message: joined(&format!("Invalid value: {}", shown(value)), detail),
        }
    }

    /// Its value is none of those that are known.
    pub fn unsupported(field: impl Into<String>, value: &Value, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!(
                "Unsupported value: {}: supported values: {}",
                shown(value),
                known.join(", ")
            ),
        }
    }

    /// It may not be set, or not so.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: joined("Forbidden", detail),
        }
    }

    /// Its value is there already.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {}", shown(value)),
        }
    }

    /// What it names is not there.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueNotFound",
            field: field.into(),
            message: format!("Not found: {}", shown(value)),
        }
    }

    /// A message as it is, for the ones that fit no other form.
    pub fn plain(reason: &'static str, field: &str, message: String) -> Self {
        Self {
            reason,
            field: field.to_owned(),
            message,
        }
    }

    /// It has too many items.
    pub fn too_many(field: impl Into<String>, found: usize, limit: u64) -> Self {
        let items = if limit == 1 { "item" } else { "items" };
        Self {
            reason: "FieldValueTooMany",
            field: field.into(),
            message: format!("Too many: {found}: must have at most {limit} {items}"),
        }
    }

    /// Whether the value is none of those that are known.
    pub fn is_unsupported(&self) -> bool {
        self.reason == "FieldValueNotSupported"
    }

    /// Whether the value is so wrong that rules about it make no sense.
    pub fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueRequired"
                | "FieldValueTypeInvalid"
                | "FieldValueNotSupported"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
        )
    }

    /// Its value is too long.
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self {
            reason: "FieldValueTooLong",
            field: field.into(),
            message: format!("Too long: may not be more than {limit} bytes"),
        }
    }

    /// The field and what is wrong with it, in one line.
    pub fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

fn joined(head: &str, detail: &str) -> String {
    if detail.is_empty() {
        head.to_owned()
    } else {
        format!("{head}: {detail}")
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        value => value.to_string(),
    }
}
