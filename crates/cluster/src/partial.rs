//! The metadata of an object as an object of its own. It must not know how it is asked for.

use holdfast_model::Value;
use serde_json::json;

/// The metadata of an object, as an object of its own.
pub(crate) fn partial(value: &Value) -> Value {
    let mut metadata = value["metadata"].clone();
    // A field that this version writes as an annotation is none of the metadata.
    if value["kind"] == "DaemonSet"
        && let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
    {
        annotations.remove("deprecated.daemonset.template.generation");
        if annotations.is_empty()
            && let Some(fields) = metadata.as_object_mut()
        {
            fields.remove("annotations");
        }
    }
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
    })
}
