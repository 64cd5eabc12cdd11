//! What is said of a Stack whose source cannot be read: what is in place is as ready as it was.

use std::time::Duration;

use holdfast_model::object::ManagerOperation;
use holdfast_model::stack::Reference;
use holdfast_model::status::{Reason, Truth};

use super::world::{World, block_on, config};

async fn placed() -> World {
    let mut world = World::new();
    world.commit(&[("app/a.yaml", &config("a", "1"))]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    assert!(world.is_ready("s"));
    assert_eq!(world.status("s").source.holds, Truth::True);
    world.effects();
    world
}

const HAND: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "shop"}, "data": {"text": "hand"}}"#;

#[test]
fn what_is_in_place_stays_ready_and_is_kept_while_its_source_is_away() {
    block_on(async {
        let mut world = placed().await;
        world.remembers = true;
        world.set_away(true);
        for is_restarted in [false, true] {
            if is_restarted {
                world.restart();
            }
            world.pass(Duration::from_secs(3));
            let target = world.target("in-cluster");
            target.put(HAND, "alice", ManagerOperation::Update);
            world.reconcile("s").await;
            let status = world.status("s");
            assert_eq!(status.ready.holds, Truth::True, "{status:#?}");
            for words in ["is in place", "cannot be read since 19", "could not fetch"] {
                let message = &status.ready.message;
                assert!(message.contains(words), "{words}: {message}");
            }
            assert_eq!(status.source.reason, Reason::SourceFailed);
            assert_eq!(status.source.holds, Truth::False);
            assert_eq!(status.synced.holds, Truth::Unknown);
            assert_eq!(status.healthy.holds, Truth::True);
            assert_eq!(world.effects(), ["in-cluster: apply a"]);
        }
        world.set_away(false);
        world.reconcile("s").await;
        let status = world.status("s");
        assert_eq!(status.source.holds, Truth::True);
        assert_eq!(status.synced.holds, Truth::True);
        assert!(!status.ready.message.contains("cannot be read"));
    });
}

#[test]
fn what_was_seen_in_git_and_is_not_in_place_is_not_ready_while_its_source_is_away() {
    block_on(async {
        let world = placed().await;
        world.commit(&[("app/a.yaml", "{ this is: no YAML\n")]);
        world.reconcile("s").await;
        assert_eq!(world.status("s").ready.reason, Reason::RenderFailed);
        assert_eq!(world.status("s").source.holds, Truth::True);
        world.set_away(true);
        world.reconcile("s").await;
        let status = world.status("s");
        assert_eq!(status.ready.holds, Truth::False, "{status:#?}");
        assert_eq!(status.ready.reason, Reason::SourceFailed);
    });
}

#[test]
fn a_stack_that_follows_something_else_is_not_ready_before_that_was_read() {
    block_on(async {
        let mut world = placed().await;
        let stack = world.stack("s", "app");
        stack.source.reference = Reference::Branch("mistyped".to_owned());
        stack.generation = 2;
        world.upsert("s");
        // The first time that it is reconciled, nobody has been asked for that branch.
        world.reconcile("s").await;
        world.reconcile("s").await;
        let status = world.status("s");
        assert_eq!(status.ready.holds, Truth::False, "{status:#?}");
        assert!(status.ready.message.contains("mistyped"));
    });
}

const BALANCER: &str = r#"{"apiVersion": "v1", "kind": "Service",
    "metadata": {"name": "front", "namespace": "shop"}, "spec": {"type": "LoadBalancer"},
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}"#;

/// A Stack whose first wave waits for an address, and whose second one is `a`.
async fn rolling() -> World {
    let mut world = World::new();
    let second =
        config("a", "1").replace("{name:", "{annotations: {holdfast.dev/wave: \"1\"}, name:");
    world.commit(&[
        (
            "app/front.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec: {type: LoadBalancer}\n",
        ),
        ("app/a.yaml", &second),
    ]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    assert_eq!(world.status("s").ready.reason, Reason::Progressing);
    assert!(world.target("in-cluster").configs("shop").is_empty());
    world
}

#[test]
fn a_rollout_that_waits_for_health_goes_on_while_its_source_is_away() {
    block_on(async {
        let world = rolling().await;
        world.set_away(true);
        world.pass(Duration::from_secs(120));
        world.reconcile("s").await;
        let status = world.status("s");
        assert_eq!(status.ready.reason, Reason::Progressing, "{status:#?}");
        assert!(status.ready.message.contains("cannot be read since"));
        assert_eq!(status.source.reason, Reason::SourceFailed);

        let target = world.target("in-cluster");
        target.put(BALANCER, "cloud", ManagerOperation::Update);
        world.reconcile("s").await;
        assert_eq!(target.configs("shop"), ["a"]);
        let status = world.status("s");
        assert_eq!(status.ready.holds, Truth::True, "{status:#?}");
        assert!(status.ready.message.contains("cannot be read since"));
        assert_eq!(status.synced.holds, Truth::Unknown);
        assert_eq!(status.applied, status.followed.map(|seen| seen.revision));
        // A rollback may go there.
        assert_eq!(status.worked.len(), 1);
    });
}

#[test]
fn a_rollout_that_takes_too_long_ends_while_its_source_is_away() {
    block_on(async {
        let world = rolling().await;
        world.set_away(true);
        world.pass(Duration::from_secs(601));
        world.reconcile("s").await;
        let status = world.status("s");
        assert_eq!(status.ready.reason, Reason::TimedOut, "{status:#?}");
        assert!(world.target("in-cluster").configs("shop").is_empty());
    });
}

#[test]
fn nothing_new_begins_while_a_source_is_away() {
    block_on(async {
        let mut world = rolling().await;
        world.set_away(true);
        // Another namespace is another plan.
        world.stack("s", "app").destination.namespace = "other".to_owned();
        world.upsert("s");
        world
            .target("in-cluster")
            .put(BALANCER, "cloud", ManagerOperation::Update);
        world.effects();
        world.reconcile("s").await;
        assert_eq!(world.effects(), [] as [&str; 0]);
    });
}
