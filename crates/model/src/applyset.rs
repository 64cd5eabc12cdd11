//! ApplySets (Kubernetes enhancement 3659): a label on every object of a Stack that names the Stack's
//! inventory, so that other tools and people see what belongs together. It must not decide anything:
//! what a Stack owns is in its inventory alone.

use std::collections::BTreeSet;

use crate::base64;
use crate::digest::Digest;
use crate::inventory::Inventory;
use crate::object::LiveObject;
use crate::stack::StackKey;

/// The label of a member; its value is the set's id.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The label of the object that stands for a set; its value is the set's id.
pub const ID: &str = "applyset.kubernetes.io/id";
/// The annotation of that object that says who manages the set; other tools leave it alone then.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// The annotation of that object with the kinds of the members.
pub const CONTAINS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The annotation of that object with the namespaces of members that are not its own.
pub const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";

/// The name of the ConfigMap, in the Stack's namespace, that stands for a Stack's set and holds its
/// inventory.
pub fn parent(stack: &StackKey) -> String {
    format!("holdfast-inventory-{}", stack.name)
}

/// The id of a Stack's set, by the rule of the enhancement: over the name, namespace, kind and group
/// of the object that stands for it.
pub fn id(stack: &StackKey) -> String {
    let named = format!("{}.{}.ConfigMap.", parent(stack), stack.namespace);
    let text = base64::encode(Digest::of_bytes(named.as_bytes()).as_bytes());
    let text = text.replace('+', "-").replace('/', "_");
    format!("applyset-{}-v1", text.trim_end_matches('='))
}

/// Whether a live object carries the label of a Stack's set. It was applied by that Stack then, and by
/// no other since; the Stack has it in its inventory for as long as that is so.
pub fn names(live: &LiveObject, stack: &StackKey) -> bool {
    let label = live.value.text(&["metadata", "labels", PART_OF]);
    label.is_some_and(|label| label == id(stack))
}

/// The kinds of an inventory as [`CONTAINS`] has them: sorted, with commas.
pub fn kinds(inventory: &Inventory) -> String {
    let kinds = inventory.entries.keys().map(|key| key.kind.to_string());
    join(kinds.collect())
}

/// The namespaces of an inventory as [`NAMESPACES`] has them: sorted, with commas, without the
/// Stack's own.
pub fn namespaces(stack: &StackKey, inventory: &Inventory) -> String {
    let keys = inventory.entries.keys();
    let others = keys.filter_map(|key| key.namespace.as_deref());
    let others = others.filter(|name| *name != stack.namespace);
    join(others.map(str::to_owned).collect())
}

fn join(words: BTreeSet<String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_enhancement_says() {
        let stack = StackKey {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        let id = id(&stack);
        // printf holdfast-inventory-web.shop.ConfigMap. | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            id,
            "applyset-Fbtsn1rLniF6i9DAG9hk50Fv-HUiMIaZqnKqG69nOc0-v1"
        );
        assert!(id.len() <= 63, "a label has at most 63 characters");
    }
}
