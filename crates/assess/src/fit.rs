//! Whether an object fits the schema of its kind, for what the server cannot be asked about yet: an
//! object of a kind, or in a namespace, that the same plan brings. It must not know plans.

use holdfast_model::Value;
use holdfast_model::object::Object;
use holdfast_schema::{Kind, Scalar, Schema, Shape, TypeRef, kinds_of_crd};

/// The most that is told of one object.
const MISFITS: usize = 8;
/// How deep objects are looked into.
const DEPTH: usize = 64;

/// What of an object does not fit its kind, each with its path and without its value: unknown
/// fields, wrong types, required fields that are not there. The kind is built in (1.37) or defined
/// by one of `definitions`; where it is neither, nothing can be said.
pub fn misfits(object: &Object, definitions: impl Iterator<Item = Value>) -> Option<Vec<String>> {
    let key = object.versioned_key();
    let (group, version, name) = (&key.key.kind.group, &key.version, &key.key.kind.kind);
    let is_it =
        |kind: &Kind| kind.group == *group && *kind.version == **version && kind.kind == *name;
    let mut misfits = Vec::new();
    if let Some(kind) = Schema::builtin().kind(group, version, name) {
        walk(&object.value(), &kind.type_ref, "", &mut misfits, DEPTH);
        return Some(misfits);
    }
    let mut kinds =
        definitions.flat_map(|definition| kinds_of_crd(&definition).unwrap_or_default());
    let custom = kinds.find(|custom| is_it(&custom.kind))?;
    // What every object has is not part of a definition's schema.
    let value = object.value();
    for (field, value) in value.as_object()? {
        if matches!(field.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let path = field.clone();
        match custom.kind.type_ref.child(field) {
            Some(type_ref) => walk(value, &type_ref, &path, &mut misfits, DEPTH),
            None if keeps_unknown(&custom.kind.type_ref) => {}
            None => misfits.push(format!("{path}: unknown field")),
        }
    }
    misfits.truncate(MISFITS);
    Some(misfits)
}

fn keeps_unknown(type_ref: &TypeRef) -> bool {
    match type_ref.shape() {
        Shape::Struct(object) => object.keeps_unknown,
        shape => matches!(shape, Shape::Any { .. }),
    }
}

fn walk(value: &Value, type_ref: &TypeRef, path: &str, misfits: &mut Vec<String>, depth: usize) {
    // A null is as good as nothing.
    if value.is_null() || depth == 0 || misfits.len() >= MISFITS {
        return;
    }
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match (type_ref.shape(), value) {
        (Shape::Any { .. }, _) => {}
        (Shape::Scalar(scalar), value) => {
            if !takes(*scalar, value) {
                misfits.push(format!("{path}: takes {}", words(*scalar)));
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                walk(item, &list.item, &path, misfits, depth - 1);
            }
        }
        (Shape::Map(map), Value::Object(entries)) => {
            for (name, item) in entries {
                walk(item, &map.item, &below(name), misfits, depth - 1);
            }
        }
        (Shape::Struct(object), Value::Object(entries)) => {
            for (name, item) in entries {
                match type_ref.child(name) {
                    Some(child) => walk(item, &child, &below(name), misfits, depth - 1),
                    None if object.keeps_unknown => {}
                    None => misfits.push(format!("{}: unknown field", below(name))),
                }
            }
            let absent = |name: &str| entries.get(name).is_none_or(Value::is_null);
            for field in &object.fields {
                if field.required && field.default.is_none() && absent(&field.name) {
                    misfits.push(format!("{}: is required", below(&field.name)));
                }
            }
        }
        (Shape::List(_), _) => misfits.push(format!("{path}: takes a list")),
        (Shape::Map(_) | Shape::Struct(_), _) => misfits.push(format!("{path}: takes a mapping")),
    }
}

fn takes(scalar: Scalar, value: &Value) -> bool {
    match scalar {
        Scalar::Boolean => value.is_boolean(),
        Scalar::Int32 | Scalar::Int64 => value.is_i64() || value.is_u64(),
        Scalar::Double => value.is_number(),
        Scalar::IntOrString | Scalar::Quantity => value.is_string() || value.is_number(),
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime => value.is_string(),
    }
}

fn words(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Boolean => "true or false",
        Scalar::Int32 | Scalar::Int64 => "a whole number",
        Scalar::Double => "a number",
        Scalar::IntOrString | Scalar::Quantity => "a number or a text",
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime => "a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::object::Origin;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object::new(value, Origin::default()).expect("it is an object")
    }

    #[test]
    fn what_does_not_fit_a_built_in_kind_is_named_by_its_path() {
        let deployment = object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "replicas": "three", "replica": 2, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"image": "web:1", "ports": "8080"}]}},
            },
        }));
        let found = misfits(&deployment, std::iter::empty()).expect("it is built in");
        assert_eq!(
            found,
            [
                "spec.replica: unknown field",
                "spec.replicas: takes a whole number",
                "spec.template.spec.containers[0].ports: takes a list",
            ]
        );
        let config = object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c"}, "data": {"a": "b"}}));
        assert_eq!(misfits(&config, std::iter::empty()), Some(Vec::new()));
    }

    #[test]
    fn a_kind_that_the_plan_brings_is_judged_by_its_definition() {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.org"},
            "spec": {
                "group": "example.org", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": {
                        "type": "object", "required": ["size"],
                        "properties": {"size": {"type": "integer"}},
                    }}},
                }}],
            },
        });
        let widget = |spec: Value| {
            let value = json!({"apiVersion": "example.org/v1", "kind": "Widget",
                "metadata": {"name": "w"}, "spec": spec});
            misfits(&object(value), std::iter::once(definition.clone()))
        };
        assert_eq!(widget(json!({"size": 3})), Some(Vec::new()));
        let wrong = widget(json!({"size": "big", "colour": "red"})).expect("it is defined");
        assert_eq!(
            wrong,
            [
                "spec.colour: unknown field",
                "spec.size: takes a whole number"
            ]
        );
        let nobody = object(json!({"apiVersion": "other.org/v1", "kind": "Thing",
            "metadata": {"name": "t"}}));
        assert_eq!(misfits(&nobody, std::iter::once(definition.clone())), None);
    }
}
