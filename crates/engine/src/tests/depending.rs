//! Stacks that wait for others: what is in place stays ready and is kept, and nobody waits for themselves
//! without being shown it.

use holdfast_model::object::ManagerOperation;
use holdfast_model::stack::StackKey;
use holdfast_model::status::{Reason, Truth};

use super::world::{World, block_on, config};

fn key(name: &str) -> StackKey {
    StackKey {
        namespace: "team-a".to_owned(),
        name: name.to_owned(),
    }
}

/// A Stack of a folder of its own name that depends on others.
fn add(world: &mut World, name: &str, needs: &[&str]) {
    world.commit(&[(&format!("{name}/{name}.yaml"), &config(name, "1"))]);
    let stack = world.stack(name, name);
    stack.depends_on = needs.iter().map(|name| key(name)).collect();
    stack.generation += 1;
    world.upsert(name);
}

const HAND: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "top", "namespace": "shop"}, "data": {"text": "hand"}}"#;

#[test]
fn a_dependant_in_place_stays_ready_and_waits_only_before_it_applies_something_new() {
    block_on(async {
        let mut world = World::new();
        add(&mut world, "top", &["base"]);
        world.reconcile("top").await;
        let status = world.status("top");
        assert_eq!(status.ready.reason, Reason::DependencyNotReady);
        let message = &status.ready.message;
        assert!(
            message.contains("there is no Stack team-a/base"),
            "{message}"
        );

        add(&mut world, "base", &[]);
        world.reconcile("base").await;
        world.settle().await;
        assert!(world.is_ready("top"), "it is woken");
        world.commit(&[("base/base.yaml", "{ this is: no YAML\n")]);
        world.reconcile("base").await;
        assert!(!world.is_ready("base"));
        world.effects();
        world
            .target("in-cluster")
            .put(HAND, "alice", ManagerOperation::Update);
        world.reconcile("top").await;
        assert!(world.is_ready("top"), "{:#?}", world.status("top"));
        assert_eq!(world.effects(), ["in-cluster: apply top"]);

        world.commit(&[("top/top.yaml", &config("top", "2"))]);
        world.reconcile("top").await;
        let status = world.status("top");
        assert_eq!(status.ready.reason, Reason::DependencyNotReady);
        assert_eq!(status.ready.message, "waits for team-a/base");
        assert_eq!(status.healthy.holds, Truth::True);
        assert_eq!(world.effects(), Vec::<String>::new());

        world.commit(&[("base/base.yaml", &config("base", "2"))]);
        world.reconcile("base").await;
        world.settle().await;
        assert!(world.is_ready("top"));
        let applied = ["in-cluster: apply base", "in-cluster: apply top"];
        assert_eq!(world.effects(), applied);
    });
}

#[test]
fn stacks_that_wait_for_themselves_are_shown_it_until_the_cycle_is_cut() {
    block_on(async {
        let mut world = World::new();
        for (name, needs) in [("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")] {
            add(&mut world, name, &[needs]);
        }
        for name in ["a", "b", "c", "self"] {
            world.reconcile(name).await;
        }
        world.settle().await;
        for (name, cycle) in [
            ("a", "team-a/a → team-a/b → team-a/c → team-a/a"),
            ("b", "team-a/b → team-a/c → team-a/a → team-a/b"),
            ("self", "team-a/self → team-a/self"),
        ] {
            let status = world.status(name);
            assert_eq!(status.ready.reason, Reason::DependencyCycle, "{name}");
            assert!(status.ready.message.contains(cycle), "{status:#?}");
        }
        assert!(world.target("in-cluster").configs("shop").is_empty());
        // Whoever cuts it has cut it for all.
        add(&mut world, "c", &[]);
        add(&mut world, "self", &[]);
        world.reconcile("c").await;
        world.reconcile("self").await;
        world.settle().await;
        for name in ["a", "b", "c", "self"] {
            assert!(world.is_ready(name), "{name}: {:#?}", world.status(name));
        }
        // Stacks in place are shown that they wait for themselves, too.
        add(&mut world, "c", &["a"]);
        world.reconcile("c").await;
        world.settle().await;
        for name in ["a", "b", "c"] {
            let status = world.status(name);
            assert_eq!(status.ready.reason, Reason::DependencyCycle, "{name}");
            assert_eq!(status.healthy.holds, Truth::True, "{name}");
        }
    });
}
