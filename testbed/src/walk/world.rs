//! What a random walk changes: files of a few folders, and objects on clusters. It must not know how
//! engines run or how the outcome is judged.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Chance from a seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below a bound, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }

    /// One of some.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len())])
    }
}

/// The kinds that objects have.
pub const KINDS: [&str; 5] = [
    "ConfigMap",
    "Secret",
    "Role",
    "NetworkPolicy",
    "RoleBinding",
];

/// The files of each folder, by their names.
pub type Folders = BTreeMap<String, BTreeMap<String, Value>>;

/// The path of an object of a kind.
pub fn path(kind: &str, namespace: &str, name: &str) -> String {
    let (root, plural) = match kind {
        "ConfigMap" => ("/api/v1", "configmaps"),
        "Secret" => ("/api/v1", "secrets"),
        "Role" => ("/apis/rbac.authorization.k8s.io/v1", "roles"),
        "RoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
        _ => ("/apis/networking.k8s.io/v1", "networkpolicies"),
    };
    format!("{root}/namespaces/{namespace}/{plural}/{name}")
}

/// A new object of a kind with what chance gives it.
pub fn object(dice: &mut Dice, kind: &str, name: &str) -> Value {
    let mut object = match kind {
        "ConfigMap" => json!({"apiVersion": "v1", "data": {"a": "1"}}),
        "Secret" => json!({"apiVersion": "v1", "type": "Opaque", "stringData": {"a": "1"}}),
        "Role" => json!({"apiVersion": "rbac.authorization.k8s.io/v1", "rules": []}),
        "RoleBinding" => json!({"apiVersion": "rbac.authorization.k8s.io/v1",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "walk"}]}),
        _ => json!({"apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}}}),
    };
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": name});
    for _ in 0..3 {
        edit(dice, &mut object);
    }
    object
}

/// Changes an object in one place that its kind has.
pub fn edit(dice: &mut Dice, object: &mut Value) {
    if dice.below(4) == 0 {
        let place = if dice.below(2) == 0 {
            "labels"
        } else {
            "annotations"
        };
        return entry(dice, &mut object["metadata"][place]);
    }
    match object["kind"].as_str().unwrap_or_default() {
        "ConfigMap" => entry(dice, &mut object["data"]),
        "Secret" => entry(dice, &mut object["stringData"]),
        "Role" => list(dice, &mut object["rules"], |dice| {
            let mut rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
            if dice.below(2) == 0 {
                rule["resourceNames"] = json!([format!("n{}", dice.below(3))]);
            }
            rule
        }),
        "RoleBinding" => list(
            dice,
            &mut object["subjects"],
            |dice| json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": format!("u{}", dice.below(4))}),
        ),
        _ => list(dice, &mut object["spec"]["ingress"], |dice| {
            let mut peer = json!({"podSelector": {}});
            if dice.below(2) == 0 {
                peer["namespaceSelector"] =
                    json!({"matchLabels": {"n": format!("{}", dice.below(3))}});
            }
            json!({"from": [peer], "ports": [{"port": 80 + dice.below(3)}]})
        }),
    }
}

/// Sets, changes or takes away an entry of a mapping of texts.
fn entry(dice: &mut Dice, map: &mut Value) {
    const VALUES: [&str; 6] = ["1.10", "1.1", "0700", "700", "", "true"];
    let name = ["a", "b", "c"][dice.below(3)];
    if !map.is_object() {
        *map = json!({});
    }
    let is_there = map.get(name).is_some();
    if is_there && dice.below(3) == 0 {
        map.as_object_mut().map(|fields| fields.remove(name));
    } else {
        map[name] = json!(VALUES[dice.below(VALUES.len())]);
    }
}

/// Adds an item to a list, takes one away, or turns it round.
fn list(dice: &mut Dice, list: &mut Value, mut item: impl FnMut(&mut Dice) -> Value) {
    let mut items = list.as_array().cloned().unwrap_or_default();
    match dice.below(3) {
        0 if !items.is_empty() => drop(items.remove(dice.below(items.len()))),
        1 if items.len() > 1 => items.reverse(),
        _ => {
            let new = item(dice);
            if items.len() < 4 && !items.contains(&new) {
                items.push(new);
            }
        }
    }
    *list = Value::Array(items);
}

/// A merge patch that somebody sends by hand.
pub fn patch(dice: &mut Dice, kind: &str) -> Value {
    let texts = |dice: &mut Dice| {
        let name = ["a", "b", "c", "by-hand"][dice.below(4)];
        let value = match dice.below(3) {
            0 => Value::Null,
            other => json!(format!("hand{other}")),
        };
        json!({name: value})
    };
    match (kind, dice.below(3)) {
        (_, 0) => json!({"metadata": {"labels": texts(dice)}}),
        ("ConfigMap", _) => json!({"data": texts(dice)}),
        ("Secret", _) => json!({"data": {"by-hand": "aGFuZA=="}}),
        ("Role", _) => {
            json!({"rules": [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}]})
        }
        ("RoleBinding", _) => json!({"subjects": [
            {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "mallory"}]}),
        _ => json!({"spec": {"ingress": [{}]}}),
    }
}
