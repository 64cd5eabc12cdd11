//! Amounts as they were written, where an API server tells that from what they mean: it compares the
//! lists that are one value with the texts of their amounts. It must not know who owns a field.

use holdfast_model::Value;
use holdfast_schema::{ListRelation, Scalar, Shape, TypeRef};

use crate::quantity::Quantity;

/// An amount, by its pointer, and its text.
pub type Written = (String, String);

/// The amounts in lists that are one value whose text is not the one that is kept: `1024Mi`, which is
/// kept as `1Gi`.
pub fn rewritten(value: &Value, type_ref: &TypeRef) -> Vec<Written> {
    let mut found = Vec::new();
    visit((value, type_ref), false, &mut String::new(), &mut found);
    found
}

fn visit(
    (value, type_ref): (&Value, &TypeRef),
    is_in_list: bool,
    path: &mut String,
    found: &mut Vec<Written>,
) {
    let length = path.len();
    match (type_ref.shape(), value) {
        (Shape::Scalar(Scalar::Quantity), Value::String(text)) if is_in_list => {
            let kept = Quantity::parse(text).map(|amount| amount.canonical());
            if kept.is_some_and(|kept| kept != *text) {
                found.push((path.clone(), text.clone()));
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            let is_in_list = is_in_list || list.relation == ListRelation::Atomic;
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                visit((item, &list.item), is_in_list, path, found);
                path.truncate(length);
            }
        }
        (Shape::Map(map), Value::Object(fields)) => {
            for (name, field) in fields {
                step(path, name);
                visit((field, &map.item), is_in_list, path, found);
                path.truncate(length);
            }
        }
        (Shape::Struct(object), Value::Object(fields)) => {
            for field in &object.fields {
                if let Some(value) = fields.get(&field.name) {
                    step(path, &field.name);
                    visit((value, &field.type_ref), is_in_list, path, found);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

fn step(path: &mut String, name: &str) {
    path.push('/');
    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use holdfast_schema::Schema;
    use serde_json::json;

    use super::*;

    fn check(kind: (&str, &str, &str), value: &Value, expected: &[(&str, &str)]) {
        let kind = Schema::builtin().kind(kind.0, kind.1, kind.2);
        let kind = kind.expect("it is a built-in kind");
        let found = rewritten(value, &kind.type_ref);
        let found: Vec<(&str, &str)> = found.iter().map(|(at, text)| (&**at, &**text)).collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn only_lists_that_are_one_value_tell_how_an_amount_was_written() {
        let limits = |max: Value| json!({"spec": {"limits": [{"type": "Container", "max": max}]}});
        let kind = ("", "v1", "LimitRange");
        check(kind, &limits(json!({"memory": "1Gi", "cpu": 2})), &[]);
        check(
            kind,
            &limits(json!({"memory": "1024Mi", "a/b": "0.1"})),
            &[
                ("/spec/limits/0/max/a~1b", "0.1"),
                ("/spec/limits/0/max/memory", "1024Mi"),
            ],
        );
        let quota = json!({"spec": {"hard": {"memory": "1024Mi"}}});
        check(("", "v1", "ResourceQuota"), &quota, &[]);
        let claim = json!({"spec": {"resources": {"requests": {"storage": "1024Mi"}}}});
        let set = json!({"spec": {"volumeClaimTemplates": [claim]}});
        let storage = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
        check(("apps", "v1", "StatefulSet"), &set, &[(storage, "1024Mi")]);
    }
}
