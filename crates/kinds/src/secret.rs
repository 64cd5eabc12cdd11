//! The write-only form of a Secret's values. It must not know where they come from.

use holdfast_model::{Value, base64};
use serde_json::json;

/// Moves `stringData` into `data`, as the conversion of `v1.Secret` does (Kubernetes 1.37).
pub fn fold_string_data(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else {
        return;
    };
    let Some(Value::Object(texts)) = fields.remove("stringData") else {
        return;
    };
    let data = fields.entry("data").or_insert_with(|| json!({}));
    if !data.is_object() {
        *data = json!({});
    }
    for (name, text) in texts {
        data[name] = json!(base64::encode(text.as_str().unwrap_or("").as_bytes()));
    }
}
