//! How large values of a schema may be and how often there may be one, from its bounds
//! (`pkg/cel/common/schemas.go` of k8s.io/apiserver). It must not know expressions.

use holdfast_kinds::{items, text};
use holdfast_model::Value;

/// The largest request, in bytes.
const MAX_REQUEST: u64 = 3 << 20;

/// Where a part of a schema is: how often there may be one of it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Nothing where there is no bound.
    count: Option<u64>,
    /// Whether it is the object as a whole.
    pub(crate) is_root: bool,
    /// The length of the path of the list around it whose items cannot be told apart.
    pub(crate) untold: Option<usize>,
}

impl Place {
    pub(crate) fn root() -> Self {
        Self {
            count: Some(1),
            is_root: true,
            untold: None,
        }
    }

    /// A field of an object.
    pub(crate) fn field(self) -> Self {
        Self {
            is_root: false,
            ..self
        }
    }

    /// Inside of a list or map.
    pub(crate) fn inside(self, schema: &Value, path: &str) -> Self {
        let is_list = text(schema, "type") == "array";
        let bound = if is_list { "maxItems" } else { "maxProperties" };
        let own = schema[bound].as_u64();
        let has_keys = text(schema, "x-kubernetes-list-type") == "map";
        Self {
            is_root: false,
            count: self
                .count
                .zip(own)
                .map(|(count, own)| count.saturating_mul(own)),
            untold: self.untold.or((is_list && !has_keys).then_some(path.len())),
        }
    }

    /// How often a rule of this schema may be evaluated for one object.
    pub(crate) fn times(self, schema: &Value) -> u64 {
        self.count
            .unwrap_or_else(|| MAX_REQUEST / (smallest(schema, 0) + 1))
    }
}

/// The fewest bytes that a value of a schema takes as JSON.
fn smallest(schema: &Value, depth: usize) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true || depth > 64 {
        return 1;
    }
    match text(schema, "type") {
        "object" if schema["additionalProperties"].is_object() => 2,
        "object" => {
            let required = items(schema, "required").iter().filter_map(Value::as_str);
            let fields = required.map(|name| {
                let field = &schema["properties"][name];
                if field.get("default").is_some() {
                    return 0;
                }
                name.len() as u64 + smallest(field, depth + 1) + 4
            });
            fields.sum::<u64>() + 2
        }
        "boolean" => 4,
        "string" => match text(schema, "format") {
            "date" => 12,
            "date-time" => 21,
            "duration" => 3,
            _ => 2,
        },
        "array" => 2,
        _ => 1,
    }
}

/// The largest size of a value of a schema: characters, items or entries. What has no size has none.
pub(crate) fn largest(schema: &Value) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true {
        let own = schema["maxLength"].as_u64();
        return own.map_or(MAX_REQUEST - 2, |own| own.saturating_mul(4));
    }
    match text(schema, "type") {
        "array" => {
            let own = schema["maxItems"].as_u64();
            own.unwrap_or_else(|| (MAX_REQUEST - 2) / (smallest(&schema["items"], 0) + 1))
        }
        "object" if schema["additionalProperties"].is_object() => {
            let least = smallest(&schema["additionalProperties"], 0);
            let own = schema["maxProperties"].as_u64();
            own.unwrap_or_else(|| (MAX_REQUEST - 2) / (least + 6))
        }
        "string" => longest_text(schema),
        _ => 0,
    }
}

fn longest_text(schema: &Value) -> u64 {
    match text(schema, "format") {
        "duration" => return 32,
        "date" => return 12,
        "date-time" => return 32,
        _ => {}
    }
    if let Some(own) = schema["maxLength"].as_u64() {
        // A bound counts characters, which take up to four bytes.
        let is_encoded = text(schema, "format") == "byte";
        return if is_encoded {
            own
        } else {
            own.saturating_mul(4)
        };
    }
    let words = items(schema, "enum").iter().filter_map(Value::as_str);
    let longest = words.map(|word| word.len() as u64).max();
    longest.unwrap_or(MAX_REQUEST - 2)
}
