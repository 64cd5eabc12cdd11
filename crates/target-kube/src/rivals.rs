//! Items of keyed lists that somebody put beside ours and that the server refuses together with them: a
//! Service port whose number was changed by hand keeps its name, and the applied one has the same.
//! They are taken out so that what Git says can be applied. It must not know why a step is taken.

use holdfast_assess::{ownership, pointer};
use holdfast_kinds::Typing;
use holdfast_merge::fields::Element;
use holdfast_merge::typed::item_element_of;
use holdfast_model::Value;
use holdfast_model::object::{LiveObject, ManagerOperation};
use holdfast_schema::{List, ListRelation, Shape, TypeRef};
use serde_json::json;

/// A patch that takes items out of lists of `live` that only others than appliers own and that
/// `sent`, which has other items of the same lists, does not name; `None` where there are none. Items
/// that `sent` has and `live` has not take their places, since some lists may not be empty.
pub(crate) fn without_rivals(
    sent: &Value,
    live: &LiveObject,
    typing: &Typing,
    ours: &str,
) -> Option<Value> {
    let mut walk = Walk {
        live,
        ours,
        path: String::new(),
        patch: vec![json!({
            "op": "test", "path": "/metadata/resourceVersion", "value": live.resource_version(),
        })],
    };
    walk.visit(sent, &live.value.unpack(), typing.type_ref());
    (walk.patch.len() > 1).then_some(Value::Array(walk.patch))
}

struct Walk<'a> {
    live: &'a LiveObject,
    ours: &'a str,
    path: String,
    patch: Vec<Value>,
}

impl Walk<'_> {
    /// Depth is bounded by the readers of both values.
    fn visit(&mut self, sent: &Value, live: &Value, type_ref: &TypeRef) {
        if type_ref.is_atomic() {
            return;
        }
        match (sent, live, type_ref.shape()) {
            (Value::Object(sent), Value::Object(live), _) => {
                for (name, value) in sent {
                    let (Some(below), Some(child)) = (live.get(name), type_ref.child(name)) else {
                        continue;
                    };
                    self.below(name, |walk| walk.visit(value, below, &child));
                }
            }
            (Value::Array(sent), Value::Array(live), Shape::List(list))
                if matches!(list.relation, ListRelation::Map(_)) =>
            {
                self.list(sent, live, list);
            }
            _ => {}
        }
    }

    fn below(&mut self, part: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        pointer::push(&mut self.path, part);
        visit(self);
        self.path.truncate(length);
    }

    fn list(&mut self, sent: &[Value], live: &[Value], list: &List) {
        let name = |item: &Value| item_element_of(list, item);
        let wanted: Vec<Option<Element>> = sent.iter().map(name).collect();
        let place = |element: &Option<Element>| {
            let found = wanted.iter().position(|other| other == element);
            found.filter(|_| element.is_some())
        };
        let (mut kept, mut has_rivals) = (Vec::new(), false);
        let mut found = vec![false; sent.len()];
        for (index, item) in live.iter().enumerate() {
            if let Some(at) = place(&name(item)) {
                found[at] = true;
                kept.push(item.clone());
                self.below(&index.to_string(), |walk| {
                    walk.visit(&sent[at], item, &list.item);
                });
            } else if self.is_applied(index) {
                kept.push(item.clone());
            } else {
                has_rivals = true;
            }
        }
        if has_rivals && !sent.is_empty() {
            let missing = sent.iter().zip(found).filter(|(_, found)| !found);
            kept.extend(missing.map(|(item, _)| item.clone()));
            let change = json!({"op": "replace", "path": self.path, "value": kept});
            self.patch.push(change);
        }
    }

    /// Whether somebody who applies, we ourselves among them, owns an item of the list.
    fn is_applied(&self, index: usize) -> bool {
        let path = format!("{}/{index}", self.path);
        let value = self.live.value.unpack();
        self.live.managers.iter().any(|manager| {
            (manager.operation == ManagerOperation::Apply || *manager.name == *self.ours)
                && ownership::owns(manager, &value, &path)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast_model::object::{Manager, Object, Origin};
    use holdfast_model::packed::Packed;

    use super::*;

    fn service(ports: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "resourceVersion": "7"},
            "spec": {"ports": ports}})
    }

    fn owner(name: &str, operation: ManagerOperation, port: i64) -> Manager {
        let key = format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}");
        Manager {
            name: name.into(),
            operation,
            api_version: "v1".into(),
            subresource: "".into(),
            time: "".into(),
            fields: Packed::new(&json!({"f:spec": {"f:ports": {key: {".": {}, "f:port": {}}}}})),
        }
    }

    fn check(live: &Value, managers: Vec<Manager>, expected: Option<&Value>) {
        let value = service(live);
        let object = Object::new(value.clone(), Origin::default()).expect("it is an object");
        let live = LiveObject {
            key: object.versioned_key(),
            value: Packed::new(&value),
            managers: Arc::from(managers),
        };
        let sent = service(&json!([{"name": "http", "port": 80}]));
        let typing = Typing::built_in("", "v1", "Service").expect("it is built in");
        let patch = without_rivals(&sent, &live, &typing, "holdfast");
        let found = patch.as_ref().map(|patch| &patch[1]["value"]);
        assert_eq!(found, expected);
    }

    #[test]
    fn an_item_that_was_made_of_ours_by_hand_gives_way_to_ours() {
        let live = json!([{"name": "http", "port": 83, "protocol": "TCP"}]);
        let edit = owner("kubectl-edit", ManagerOperation::Update, 83);
        check(
            &live,
            vec![edit],
            Some(&json!([{"name": "http", "port": 80}])),
        );
    }

    #[test]
    fn an_item_that_somebody_else_applies_stays() {
        let live = json!([{"name": "http", "port": 83, "protocol": "TCP"}]);
        check(
            &live,
            vec![owner("other", ManagerOperation::Apply, 83)],
            None,
        );
    }

    #[test]
    fn what_stands_alone_is_left_alone() {
        let live = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);
        check(
            &live,
            vec![owner("holdfast", ManagerOperation::Apply, 80)],
            None,
        );
    }
}
