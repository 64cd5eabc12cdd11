//! Inventories in ConfigMaps beside their Stacks, in chunks that stay well below what an object may
//! hold. It must not know when an inventory changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::stack::{StackKey, StackUid};
use serde_json::json;

/// The label by which inventories are found; its value is the Stack's name.
pub(crate) const LABEL: &str = "holdfast.dev/inventory";
/// The most bytes of one chunk: an object may have some 1.5 MB.
const CHUNK: usize = if cfg!(test) { 16 << 10 } else { 512 << 10 };

/// One ConfigMap that holds a part of an inventory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// A step in making an inventory durable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// The ConfigMap is written as a whole.
    Apply(Chunk),
    /// The ConfigMap of this name goes.
    Delete(String),
}

/// What is written, in this order, to replace an inventory whose ConfigMaps have the names
/// `existing`.
///
/// Guarantee: wherever this ends, what is there holds every key that both the old inventory and
/// the new one have, and until the first delete all that the old one or all that the new one has.
/// Chunks beside the first are named by their content and never change; so a key that moves from
/// one chunk to another is in its new one before it leaves the old one.
pub(crate) fn writes(
    stack: &StackKey,
    uid: &StackUid,
    existing: &BTreeSet<String>,
    inventory: &Inventory,
) -> Vec<Write> {
    let mut chunks = chunks(stack, uid, inventory);
    let names: BTreeSet<String> = chunks.iter().map(|chunk| chunk.name.clone()).collect();
    chunks.rotate_left(1);
    let obsolete = existing.difference(&names).cloned();
    let written = chunks.into_iter().map(Write::Apply);
    written.chain(obsolete.map(Write::Delete)).collect()
}

/// The ConfigMaps of an inventory, the one that stands for its ApplySet first; at least one.
pub(crate) fn chunks(stack: &StackKey, uid: &StackUid, inventory: &Inventory) -> Vec<Chunk> {
    let chunk = |(index, part): (usize, String)| {
        let name = match index {
            0 => applyset::parent(stack),
            _ => format!("{}-{}", applyset::parent(stack), part_id(&part)),
        };
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
            "data": {"inventory": part},
        });
        if index == 0 {
            stand_for(&mut body["metadata"], stack, inventory);
        }
        Chunk { name, body }
    };
    let parts = parts(&inventory.to_lines());
    parts.into_iter().enumerate().map(chunk).collect()
}

/// Lines in parts that fit into a ConfigMap; at least one part. Each says itself where its entries
/// are.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut place = String::new();
    for line in text.lines() {
        if parts
            .last()
            .is_some_and(|part| part.len() + line.len() >= CHUNK)
        {
            parts.push(place.clone());
        }
        if Inventory::is_place_line(line) {
            place = format!("{line}\n");
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

fn part_id(part: &str) -> String {
    Digest::of_bytes(part.as_bytes()).short()
}

/// The Stack whose inventory a ConfigMap says that it holds a part of.
pub(crate) fn stack_of(item: &Value) -> StackKey {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    StackKey {
        namespace: text("/metadata/namespace").to_owned(),
        name: text("/metadata/ownerReferences/0/name").to_owned(),
    }
}

/// The names of the ConfigMaps by Stack; what is named otherwise than a part of its inventory can be
/// is none of ours to delete.
pub(crate) fn names(items: &[Value]) -> HashMap<StackKey, BTreeSet<String>> {
    let mut names: HashMap<StackKey, BTreeSet<String>> = HashMap::new();
    for item in items {
        let stack = stack_of(item);
        let name = item.pointer("/metadata/name").and_then(Value::as_str);
        let parent = applyset::parent(&stack);
        let rest = name.and_then(|name| name.strip_prefix(&parent));
        let is_part = rest.is_some_and(|rest| {
            let id = rest.strip_prefix('-').unwrap_or("0");
            rest.len() <= 13 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if let Some(name) = name.filter(|_| is_part) {
            names.entry(stack).or_default().insert(name.to_owned());
        }
    }
    names
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

/// Puts chunks together again, by Stack and its uid. Every chunk that is there counts: after a
/// crash between two chunks the union may be larger than it should, which only means that the
/// next plan looks at more keys, never that one is lost.
pub(crate) fn join(items: &[Value]) -> (BTreeMap<(StackKey, StackUid), Inventory>, Vec<String>) {
    let mut found: BTreeMap<(StackKey, StackUid), Inventory> = BTreeMap::new();
    let mut problems = Vec::new();
    for item in items {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let stack = stack_of(item);
        let uid = StackUid(text("/metadata/ownerReferences/0/uid").to_owned());
        match Inventory::parse(text("/data/inventory")) {
            Ok(part) => {
                found.entry((stack, uid)).or_default().join(part);
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
