//! Tests of what the control plane's objects hold.

use std::collections::BTreeMap;

use holdfast_model::inventory::Inventory;
use holdfast_model::object::{GroupKind, Key};
use holdfast_model::stack::{StackKey, StackUid};
use serde_json::json;

use crate::credentials;
use crate::inventory::{chunks, join};

fn inventory(count: usize) -> Inventory {
    let key = |index: usize| {
        let kind = GroupKind::new("apps", "Deployment");
        let name = format!("{}-{index}", "long-name".repeat(10));
        Key::new(&kind, Some("shop"), name)
    };
    Inventory {
        entries: (0..count).map(|index| (key(index), "v1".into())).collect(),
        hooks: BTreeMap::new(),
    }
}

#[test]
fn an_inventory_of_any_size_survives_being_written_and_read() {
    let stack = StackKey {
        namespace: "team-a".to_owned(),
        name: "shop".to_owned(),
    };
    let uid = StackUid("u".to_owned());
    for (count, expected) in [(0, 1), (1, 1), (10_000, 3)] {
        let inventory = inventory(count);
        let chunks = chunks(&stack, &uid, &inventory);
        assert_eq!(chunks.len(), expected);
        let bodies: Vec<_> = chunks.into_iter().map(|chunk| chunk.body).collect();
        let (found, problems) = join(&bodies);
        assert_eq!(problems, [] as [&str; 0]);
        assert_eq!(found.get(&(stack.clone(), uid.clone())), Some(&inventory));
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
    let error = credentials::git(&json!({"data": {"username": "bWU="}}), "s");
    let text = error.expect_err("a password is missing").to_string();
    assert!(text.contains("username and password"), "{text}");
}
