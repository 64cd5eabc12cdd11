//! Tests of what the control plane's objects hold.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::inventory::Inventory;
use holdfast_model::object::{GroupKind, Key};
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{StackKey, StackUid};
use serde_json::json;

use crate::credentials;
use crate::inventory::{Owner, SEAL, Write, chunks, join, writes};
use crate::plane::take_away;

fn inventory(count: usize) -> Inventory {
    let key = |index: usize| {
        let kind = GroupKind::new("apps", "Deployment");
        let name = format!("{}-{index}", "long-name".repeat(10));
        Key::new(&kind, Some("shop"), name)
    };
    Inventory {
        entries: (0..count).map(|index| (key(index), "v1".into())).collect(),
        ..Inventory::default()
    }
}

fn key() -> DigestKey {
    DigestKey::derive(&[7; 32], "inventories")
}

fn owner<'a>(stack: &'a StackKey, uid: &'a StackUid, key: &'a DigestKey) -> Owner<'a> {
    Owner { stack, uid, key }
}

#[test]
fn an_inventory_of_any_size_survives_being_written_and_read() {
    let stack = StackKey {
        namespace: "team-a".to_owned(),
        name: "shop".to_owned(),
    };
    let uid = StackUid("u".to_owned());
    for (count, expected) in [(0, 1), (1, 1), (300, 3)] {
        let inventory = inventory(count);
        let chunks = chunks(owner(&stack, &uid, &key()), &inventory);
        assert_eq!(chunks.len(), expected);
        let bodies: Vec<_> = chunks.into_iter().map(|chunk| chunk.body).collect();
        let joined = join(&bodies, Some(&key()));
        assert_eq!(joined.distrusted, []);
        assert_eq!(
            joined.inventories.get(&(stack.clone(), uid.clone())),
            Some(&inventory)
        );
    }
}

#[test]
fn credentials_are_read_in_every_form_and_never_printed() {
    let basic = json!({"data": {"username": "bWU=", "password": "aHVudGVyMg=="}});
    let read = credentials::git(&basic, "s").expect("they are there");
    assert!(!format!("{read:?}").contains("hunter2"));
    let expected = credentials::GitCredentials::Basic {
        username: "me".to_owned(),
        password: "hunter2".to_owned(),
    };
    assert_eq!(read, expected);
    for (data, words) in [
        (
            json!({"username": "bWU="}),
            "no `password`; it has username",
        ),
        (
            json!({"password": "bWU="}),
            "no `username`; it has password",
        ),
        (
            json!({"identity": "bWU="}),
            "no `known_hosts`; it has identity",
        ),
        (
            json!({"username": "bWU=", "password": "/w=="}),
            "its `password` is no text",
        ),
        (
            json!({"token": "bWU="}),
            "username and password, bearerToken, or identity",
        ),
        (json!({}), "it is empty"),
    ] {
        let error = credentials::git(&json!({"data": data}), "team-a/s");
        let text = error.expect_err("something is missing").to_string();
        assert!(text.contains(words) && text.contains("team-a/s"), "{text}");
        assert!(!text.contains("me;") && !text.contains("bWU="), "{text}");
    }
}

/// ConfigMaps by name, as a server has them.
type Store = BTreeMap<String, serde_json::Value>;

fn perform(store: &mut Store, write: &Write) {
    match write {
        Write::Apply(chunk) => {
            store.insert(chunk.name.clone(), chunk.body.clone());
        }
        Write::Delete(name) => {
            store.remove(name);
        }
    }
}

fn read(store: &Store, stack: &StackKey, uid: &StackUid) -> Inventory {
    let items: Vec<_> = store.values().cloned().collect();
    let mut joined = join(&items, Some(&key()));
    assert_eq!(joined.distrusted, []);
    joined
        .inventories
        .remove(&(stack.clone(), uid.clone()))
        .unwrap_or_default()
}

/// Entries of three chunks, of which those are there whose number is taken; numbers are spread, so
/// that keys join and leave in front of every chunk.
fn spread(taken: impl Fn(usize) -> bool) -> Inventory {
    let mut inventory = inventory(350);
    let mut index = 0;
    inventory.entries.retain(|_, _| {
        index += 1;
        taken(index)
    });
    inventory
}

#[test]
fn a_stop_between_any_two_writes_of_an_inventory_loses_no_key() {
    let stack = StackKey {
        namespace: "team-a".to_owned(),
        name: "shop".to_owned(),
    };
    let uid = StackUid("u".to_owned());
    let sizes = [
        spread(|_| false),
        spread(|index| index == 7),
        spread(|index| index % 3 == 0),
        spread(|index| index % 3 != 0),
        spread(|index| index % 20 != 0),
        spread(|_| true),
    ];
    for old in &sizes {
        for new in &sizes {
            // What is there before is itself what a stop may have left.
            for earlier in [&sizes[0], &sizes[4]] {
                check_stops(&stack, &uid, [earlier, old, new]);
            }
        }
    }
}

fn check_stops(stack: &StackKey, uid: &StackUid, [earlier, old, new]: [&Inventory; 3]) {
    let mut store = Store::new();
    let existing = |store: &Store| {
        let items: Vec<_> = store.values().cloned().collect();
        let mut joined = join(&items, Some(&key()));
        joined.stored.remove(stack).unwrap_or_default().names
    };
    let mut first = writes(owner(stack, uid, &key()), (&BTreeSet::new(), None), earlier);
    first.extend(writes(
        owner(stack, uid, &key()),
        (&BTreeSet::new(), None),
        old,
    ));
    first.iter().for_each(|write| perform(&mut store, write));
    let before = read(&store, stack, uid);
    let both = old
        .entries
        .keys()
        .filter(|key| new.entries.contains_key(key));
    let both: Vec<_> = both.collect();
    let grows = old.entries.len() == both.len();
    for write in writes(owner(stack, uid, &key()), (&existing(&store), None), new) {
        let found = read(&store, stack, uid).entries;
        assert!(
            both.iter().all(|key| found.contains_key(key)),
            "a key is lost"
        );
        let holds_old = old.entries.keys().all(|key| found.contains_key(key));
        assert!(!grows || holds_old, "a key of the old inventory is lost");
        perform(&mut store, &write);
    }
    assert!(before.entries.len() >= old.entries.len());
    assert_eq!(&read(&store, stack, uid), new, "nothing of the old is left");
    assert!(existing(&store).len() == store.len());
}

#[test]
fn only_what_is_named_as_a_part_of_an_inventory_is_ever_deleted() {
    let item = |name: &str| {
        json!({"metadata": {"name": name, "namespace": "n",
            "ownerReferences": [{"name": "web", "uid": "u"}]}})
    };
    let items = [
        item("holdfast-inventory-web"),
        item("holdfast-inventory-web-1"),
        item("holdfast-inventory-web-0123456789ab"),
        item("holdfast-inventory-web-shop"),
        item("settings"),
    ];
    let joined = join(&items, None);
    let found: Vec<&String> = joined
        .stored
        .values()
        .flat_map(|stored| &stored.names)
        .collect();
    let expected = [
        "holdfast-inventory-web",
        "holdfast-inventory-web-0123456789ab",
        "holdfast-inventory-web-1",
    ];
    assert_eq!(found, expected);
}

/// A change to a chunk, with a name.
type Forgery = (&'static str, fn(&mut serde_json::Value));

/// Changes that somebody else may make to a chunk.
const FORGERIES: [Forgery; 7] = [
    ("one line more", |body| {
        let line = body["data"]["inventory"].as_str().unwrap_or_default();
        let more = format!("{line}apps v1 Deployment kube-system coredns\n");
        body["data"]["inventory"] = more.into();
    }),
    ("nothing", |body| body["data"]["inventory"] = "".into()),
    ("for another Stack", |body| {
        body["metadata"]["ownerReferences"][0]["name"] = "cart".into();
    }),
    ("for a Stack of the same name made later", |body| {
        body["metadata"]["ownerReferences"][0]["uid"] = "v".into();
    }),
    ("in another namespace", |body| {
        body["metadata"]["namespace"] = "team-b".into();
    }),
    ("without a seal", |body| {
        body["metadata"]["annotations"] = json!({});
    }),
    ("with a seal that is none", |body| {
        body["metadata"]["annotations"][SEAL] = "sha256:1".into();
    }),
];

#[test]
fn a_chunk_counts_only_as_it_was_sealed_for_its_stack() {
    let stack = StackKey {
        namespace: "team-a".to_owned(),
        name: "shop".to_owned(),
    };
    let (uid, key) = (StackUid("u".to_owned()), key());
    let body = chunks(owner(&stack, &uid, &key), &inventory(1))
        .remove(0)
        .body;
    let joined = join(std::slice::from_ref(&body), Some(&key));
    assert_eq!((joined.inventories.len(), joined.distrusted.len()), (1, 0));
    let other = DigestKey::derive(&[8; 32], "inventories");
    let joined = join(std::slice::from_ref(&body), Some(&other));
    assert_eq!((joined.inventories.len(), joined.distrusted.len()), (0, 1));
    for (name, forge) in FORGERIES {
        let mut body = body.clone();
        forge(&mut body);
        let joined = join(&[body], Some(&key));
        assert_eq!(joined.inventories.len(), 0, "{name}");
        assert_eq!(joined.distrusted.len(), 1, "{name}");
    }
}

#[test]
fn nothing_of_an_earlier_status_is_left_in_a_later_one() {
    let previous = json!({
        "followed": {"commit": "a", "rendered": "sha256:1"},
        "applied": {"commit": "a", "charts": {"one": "1.0.0", "two": "2.0.0"}},
        "pending": {"plan": "p"},
        "conditions": [{"type": "Ready"}],
    });
    let mut wanted = json!({
        "followed": {"commit": "b"},
        "applied": {"commit": "a", "charts": {"one": "1.0.1"}},
        "conditions": [],
    });
    take_away(&mut wanted, &previous);
    let expected = json!({
        "followed": {"commit": "b", "rendered": null},
        "applied": {"commit": "a", "charts": {"one": "1.0.1", "two": null}},
        "pending": null,
        "conditions": [],
    });
    assert_eq!(wanted, expected);
}
