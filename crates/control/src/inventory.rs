//! Inventories in ConfigMaps beside their Stacks, in chunks that stay well below what an object may
//! hold. It must not know when an inventory changes.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::inventory::Inventory;
use holdfast_model::stack::{StackKey, StackUid};
use serde_json::json;

/// The label by which inventories are found; its value is the Stack's name.
pub(crate) const LABEL: &str = "holdfast.dev/inventory";
/// The most bytes of one chunk: an object may have some 1.5 MB.
const CHUNK: usize = 512 << 10;

/// One ConfigMap that holds a part of an inventory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// The ConfigMaps of an inventory; at least one.
pub(crate) fn chunks(stack: &StackKey, uid: &StackUid, inventory: &Inventory) -> Vec<Chunk> {
    let text = inventory.to_lines();
    let mut parts: Vec<String> = vec![String::new()];
    for line in text.lines() {
        if parts
            .last()
            .is_some_and(|part| part.len() + line.len() >= CHUNK)
        {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let count = parts.len();
    let chunk = |(index, part): (usize, String)| {
        let name = chunk_name(stack, index);
        let mut body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": stack.namespace,
                "labels": {LABEL: stack.name},
                "ownerReferences": [{
                    "apiVersion": "holdfast.dev/v1alpha1",
                    "kind": "Stack",
                    "name": stack.name,
                    "uid": uid.0,
                }],
            },
            "data": {"inventory": part, "chunk": index.to_string(), "chunks": count.to_string()},
        });
        if index == 0 {
            stand_for(&mut body["metadata"], stack, inventory);
        }
        Chunk { name, body }
    };
    parts.into_iter().enumerate().map(chunk).collect()
}

/// Makes the first chunk the object that stands for the Stack's ApplySet.
fn stand_for(metadata: &mut Value, stack: &StackKey, inventory: &Inventory) {
    metadata["labels"][applyset::ID] = applyset::id(stack).into();
    metadata["annotations"] = json!({
        applyset::TOOLING: concat!("holdfast/v", env!("CARGO_PKG_VERSION")),
        applyset::CONTAINS: applyset::kinds(inventory),
        applyset::NAMESPACES: applyset::namespaces(stack, inventory),
    });
}

/// The name of a chunk's ConfigMap.
pub(crate) fn chunk_name(stack: &StackKey, index: usize) -> String {
    match index {
        0 => applyset::parent(stack),
        index => format!("{}-{index}", applyset::parent(stack)),
    }
}

/// Puts chunks together again, by Stack and its uid. Every chunk that is there counts: after a
/// crash between two chunks the union may be larger than it should, which only means that the
/// next plan looks at more keys, never that one is lost.
pub(crate) fn join(items: &[Value]) -> (BTreeMap<(StackKey, StackUid), Inventory>, Vec<String>) {
    let mut found: BTreeMap<(StackKey, StackUid), Inventory> = BTreeMap::new();
    let mut problems = Vec::new();
    for item in items {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let stack = StackKey {
            namespace: text("/metadata/namespace").to_owned(),
            name: text("/metadata/ownerReferences/0/name").to_owned(),
        };
        let uid = StackUid(text("/metadata/ownerReferences/0/uid").to_owned());
        match Inventory::parse(text("/data/inventory")) {
            Ok(part) => {
                let whole = found.entry((stack, uid)).or_default();
                whole.entries.extend(part.entries);
                whole.hooks.extend(part.hooks);
            }
            Err(error) => problems.push(format!(
                "{}/{}: {error}",
                text("/metadata/namespace"),
                text("/metadata/name")
            )),
        }
    }
    (found, problems)
}
