//! Inventories in ConfigMaps beside their Stacks, in chunks that stay well below what an object may
//! hold. It must not know when an inventory changes.
//!
//! What an inventory names may be deleted by the engine's rights, and whoever may write ConfigMaps in
//! the namespace of a Stack could write one. So each chunk is sealed: by a digest over the Stack, its
//! uid and the chunk's text, which names the cluster, under a key that the installation alone has. A
//! chunk whose seal does not fit is ignored, and reported.
//!
//! Every change of an inventory changes its first chunk, so that whoever writes that one at the version
//! that he has last seen writes over nobody else's change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::inventory::Inventory;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{StackKey, StackUid};
use serde_json::json;

/// The label by which inventories are found; its value is the Stack's name.
pub(crate) const LABEL: &str = "holdfast.dev/inventory";
/// The annotation with a chunk's seal.
pub(crate) const SEAL: &str = "holdfast.dev/seal";
/// The annotation of the first chunk with what all chunks come to, where there are several.
const WHOLE: &str = "holdfast.dev/whole";
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

/// A ConfigMap that says that it holds a part of an inventory, and is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrusted {
    /// The Stack that it names.
    pub stack: StackKey,
    /// The uid of the Stack that it names.
    pub uid: StackUid,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Whose inventory it is, and the key that its chunks are sealed with.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) stack: &'a StackKey,
    pub(crate) uid: &'a StackUid,
    pub(crate) key: &'a DigestKey,
}

impl Owner<'_> {
    /// What the seal of a chunk is over.
    fn sealed(stack: &StackKey, uid: &StackUid, part: &str) -> Digest {
        let mut hasher = Hasher::new("chunk of an inventory");
        for field in [&*stack.namespace, &stack.name, &uid.0, part] {
            hasher.field(field.as_bytes());
        }
        hasher.finish()
    }

    fn seal(&self, part: &str) -> Digest {
        let sealed = Self::sealed(self.stack, self.uid, part);
        self.key.digest(sealed.as_bytes())
    }
}

/// What is written, in this order, to replace an inventory whose ConfigMaps have the names
/// `existing`, and the first of them the version `version`.
///
/// Guarantee: wherever this ends, what is there holds every key that both the old inventory and
/// the new one have, and until the first delete all that the old one or all that the new one has.
/// Chunks beside the first are named by their content and never change; so a key that moves from
/// one chunk to another is in its new one before it leaves the old one.
pub(crate) fn writes(
    owner: Owner<'_>,
    (existing, version): (&BTreeSet<String>, Option<&str>),
    inventory: &Inventory,
) -> Vec<Write> {
    let mut chunks = chunks(owner, inventory);
    let names: BTreeSet<String> = chunks.iter().map(|chunk| chunk.name.clone()).collect();
    if let (Some(first), Some(version)) = (chunks.first_mut(), version) {
        first.body["metadata"]["resourceVersion"] = version.into();
    }
    chunks.rotate_left(1);
    let obsolete = existing.difference(&names).cloned();
    let written = chunks.into_iter().map(Write::Apply);
    written.chain(obsolete.map(Write::Delete)).collect()
}

/// The ConfigMaps of an inventory, the one that stands for its ApplySet first; at least one.
pub(crate) fn chunks(owner: Owner<'_>, inventory: &Inventory) -> Vec<Chunk> {
    let Owner { stack, uid, .. } = owner;
    let text = inventory.to_lines();
    let parts = parts(&text);
    let whole = (parts.len() > 1).then(|| Digest::of_bytes(text.as_bytes()).short());
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
                "annotations": {SEAL: owner.seal(&part).to_string()},
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
            if let Some(whole) = &whole {
                body["metadata"]["annotations"][WHOLE] = whole.clone().into();
            }
        }
        Chunk { name, body }
    };
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

/// The name of a ConfigMap, where it is one that a part of the Stack's inventory can have; what is named
/// otherwise is none of ours to delete.
fn part_name<'a>(item: &'a Value, stack: &StackKey) -> Option<&'a str> {
    let name = item.pointer("/metadata/name").and_then(Value::as_str)?;
    let rest = name.strip_prefix(&applyset::parent(stack))?;
    let id = rest.strip_prefix('-').unwrap_or("0");
    let is_part = rest.len() <= 13 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_part.then_some(name)
}

/// Makes the first chunk the object that stands for the Stack's ApplySet.
fn stand_for(metadata: &mut Value, stack: &StackKey, inventory: &Inventory) {
    metadata["labels"][applyset::ID] = applyset::id(stack).into();
    let annotations = &mut metadata["annotations"];
    annotations[applyset::TOOLING] = concat!("holdfast/v", env!("CARGO_PKG_VERSION")).into();
    annotations[applyset::CONTAINS] = applyset::kinds(inventory).into();
    annotations[applyset::NAMESPACES] = applyset::namespaces(stack, inventory).into();
}

/// Puts chunks together again, by Stack and its uid; with a key, those that are sealed by it. Every
/// chunk that is there counts: after a crash between two chunks the union may be larger than it should,
/// which only means that the next plan looks at more keys, never that one is lost.
pub(crate) fn join(items: &[Value], key: Option<&DigestKey>) -> Joined {
    let mut joined = Joined::default();
    for item in items {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let stack = stack_of(item);
        let uid = StackUid(text("/metadata/ownerReferences/0/uid").to_owned());
        let part = text("/data/inventory");
        let read = match key {
            Some(key) => check(item, key, (&stack, &uid, part)),
            None => Ok(()),
        };
        let read = read.and_then(|()| Inventory::parse(part).map_err(|error| error.to_string()));
        match read {
            Ok(part) => {
                if let Some(name) = part_name(item, &stack) {
                    let stored = joined.stored.entry(stack.clone()).or_default();
                    if name == applyset::parent(&stack) {
                        stored.version = Some(text("/metadata/resourceVersion").to_owned());
                    }
                    stored.names.insert(name.to_owned());
                }
                let known = joined.inventories.entry((stack, uid));
                known.or_default().join(part);
            }
            Err(reason) => joined.distrusted.push(Distrusted {
                message: format!(
                    "ConfigMap {}/{} is ignored as a part of the inventory of Stack {}: {reason}; what \
                     the Stack had made and Git does not want any more stays where it is. Find out who \
                     wrote it (kubectl get configmap -o yaml --show-managed-fields), and delete it",
                    text("/metadata/namespace"),
                    text("/metadata/name"),
                    stack.name,
                ),
                stack,
                uid,
            }),
        }
    }
    joined
}

/// What chunks came to.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) inventories: BTreeMap<(StackKey, StackUid), Inventory>,
    /// The chunks that count, by Stack.
    pub(crate) stored: HashMap<StackKey, Stored>,
    pub(crate) distrusted: Vec<Distrusted>,
}

/// How an inventory is stored, as far as that is known here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// The names of the ConfigMaps that it has or may have.
    pub(crate) names: BTreeSet<String>,
    /// The version of the first chunk; none where there is none yet.
    pub(crate) version: Option<String>,
    /// What it was when it was last read or confirmed, and what was sent since then: any of these may
    /// be there without anybody else having written it.
    pub(crate) ours: Vec<Digest>,
}

impl Stored {
    /// The inventory may be this from now on.
    pub(crate) fn may_be(&mut self, inventory: &Inventory) {
        // What was sent and never answered is found again by what it adds, however often.
        self.ours.truncate(SENT);
        self.ours.insert(0, inventory.digest());
    }
}

/// How many inventories are remembered that were sent and not answered.
const SENT: usize = 4;

/// Whether a chunk is one that the installation wrote for this very Stack.
fn check(
    item: &Value,
    key: &DigestKey,
    (stack, uid, part): (&StackKey, &StackUid, &str),
) -> Result<(), String> {
    let annotation = item["metadata"]["annotations"].get(SEAL);
    let Some(seal) = annotation.and_then(Value::as_str) else {
        return Err(format!(
            "this installation of Holdfast did not write it (it has no annotation {SEAL})"
        ));
    };
    let sealed = Owner::sealed(stack, uid, part);
    let fits = seal
        .parse()
        .is_ok_and(|seal| key.is_digest_of(&seal, sealed.as_bytes()));
    if fits {
        return Ok(());
    }
    Err(
        "somebody else has written or changed it, or Secret holdfast-entropy is another one than \
         when it was written (its seal does not fit)"
            .to_owned(),
    )
}
