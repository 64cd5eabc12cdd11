//! What a Stack owns, and the operation that it is in, when it changes.

use std::time::Duration;

use holdfast_model::deed::{Action, Deed};
use holdfast_model::digest::Digest;
use holdfast_model::object::{GroupKind, Key, ManagerOperation};

use holdfast_model::operation::End;
use holdfast_model::status::{PastEnd, Reason, Truth};
use holdfast_model::view::WakeReason;

use super::world::{World, block_on, config};

#[test]
fn what_a_stack_owns_is_known_however_often_it_changes_before_it_is_first_reconciled() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[
            ("app/a.yaml", &config("a", "1")),
            ("app/b.yaml", &config("b", "1")),
        ]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.owned("s"), ["a", "b"]);
        world.commit(&[("app/b.yaml", "")]);

        world.restart();
        world.stack("s", "app").generation = 2;
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.owned("s"), ["a"]);
        assert_eq!(world.target("in-cluster").configs("shop"), ["a"]);

        world.restart();
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.target("in-cluster").configs("shop").is_empty());
    });
}

#[test]
fn what_another_engine_has_written_meanwhile_is_taken_up_before_anything_is_applied() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        // It has applied `b` too, which Git does not want any more.
        let mut written = world.inventory("s");
        let key = Key::new(
            &GroupKind::new("", "ConfigMap"),
            Some("shop"),
            "b".to_owned(),
        );
        written.entries.insert(key, "v1".into());
        let live = r#"{"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "b", "namespace": "shop"}, "data": {"text": "1"}}"#;
        let target = world.target("in-cluster");
        target.put(live, "holdfast", ManagerOperation::Apply);
        *world.plane.rival.lock().expect("it is whole") = Some(written);
        world.effects();

        world.commit(&[("app/c.yaml", &config("c", "1"))]);
        world.reconcile("s").await;
        // What may be there is written down; nothing is changed by a plan that did not know of it.
        assert_eq!(world.effects(), ["s owns a b c"]);
        world.pass(Duration::from_secs(60));
        world.reconcile("s").await;
        assert_eq!(
            world.effects(),
            ["in-cluster: apply c", "in-cluster: delete b", "s owns a c"]
        );
        assert!(world.is_ready("s"));
    });
}

#[test]
fn an_inventory_that_could_not_be_made_smaller_is_made_so_soon_although_nothing_wakes_the_stack() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        world.commit(&[("app/b.yaml", &config("b", "1"))]);
        world.reconcile("s").await;
        // The last write of an engine that has ended arrives late, when `b` has gone.
        let written = world.inventory("s");
        world.commit(&[("app/b.yaml", "")]);
        *world.plane.rival.lock().expect("it is whole") = Some(written);
        world.effects();
        world.reconcile("s").await;
        assert_eq!(world.effects(), ["in-cluster: delete b"]);
        assert_eq!(world.owned("s"), ["a", "b"]);
        let view = world.engine.view().stack(&world.stacks["s"].key);
        let wake = view.and_then(|view| view.wake).expect("it is woken");
        assert_eq!(wake.why, WakeReason::Inventory);

        world.settle().await;
        world.engine.shared.process(&world.stacks["s"].key).await;
        assert_eq!(world.effects(), ["s owns a"]);
        let view = world.engine.view().stack(&world.stacks["s"].key);
        assert!(view.is_some_and(|view| view.wake.is_none()));
    });
}

const WEB: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}}"#;

/// A Stack of `a` and `b` whose next commit drops `b`, and which then waits for Deployment `web`
/// before it applies `c`; its hook `h` has run.
async fn waiting() -> World {
    let mut world = World::new();
    world.commit(&[
        ("app/a.yaml", &config("a", "1")),
        ("app/b.yaml", &config("b", "1")),
    ]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    assert!(world.is_ready("s"));
    let web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n";
    let annotated = |name: &str, annotation: &str| {
        let text = config(name, "1");
        text.replace("{name:", &format!("{{annotations: {{{annotation}}}, name:"))
    };
    world.commit(&[
        ("app/b.yaml", ""),
        ("app/web.yaml", web),
        ("app/c.yaml", &annotated("c", "holdfast.dev/wave: '1'")),
        ("app/h.yaml", &annotated("h", "holdfast.dev/hook: pre-sync")),
    ]);
    world.effects();
    world.reconcile("s").await;
    let expected = [
        "s owns a b c web",
        "in-cluster: apply h",
        "in-cluster: apply web",
    ];
    assert_eq!(world.effects(), expected);
    world
}

#[test]
fn an_operation_that_waits_goes_on_when_what_changed_does_not_concern_it() {
    block_on(async {
        let mut world = waiting().await;
        world.stack("s", "app").generation = 2;
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
        world
            .target("in-cluster")
            .put(WEB, "kubelet", ManagerOperation::Update);
        world.reconcile("s").await;
        let expected = [
            "in-cluster: apply c",
            "in-cluster: delete b",
            "s owns a c web",
        ];
        assert_eq!(world.effects(), expected);
        assert!(world.is_ready("s"));
    });
}

#[test]
fn an_operation_that_waits_is_replaced_when_its_plan_is_another_and_its_hooks_stand() {
    block_on(async {
        let mut world = waiting().await;
        world.stack("s", "app").sync.prune = false;
        world.upsert("s");
        world.reconcile("s").await;
        world
            .target("in-cluster")
            .put(WEB, "kubelet", ManagerOperation::Update);
        world.reconcile("s").await;
        let expected = ["in-cluster: apply c", "s owns a b c web"];
        assert_eq!(world.effects(), expected);
        assert_eq!(world.owned("s"), ["a", "b", "c", "web"]);
        // The hook is known to have run.
        world.stack("s", "app").sync.prune = true;
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.effects(), ["in-cluster: delete b", "s owns a c web"]);
    });
}

#[test]
fn an_operation_that_waits_is_replaced_when_the_same_commit_renders_to_something_else() {
    block_on(async {
        let mut world = waiting().await;
        let excluded = vec!["web.yaml".to_owned()];
        world.stack("s", "app").render.exclude = excluded;
        world.upsert("s");
        world.reconcile("s").await;
        let effects = world.effects();
        assert!(
            effects.contains(&"in-cluster: apply c".to_owned()),
            "{effects:?}"
        );
        assert!(
            effects.contains(&"in-cluster: delete web".to_owned()),
            "{effects:?}"
        );
        assert!(
            !effects.contains(&"in-cluster: apply h".to_owned()),
            "{effects:?}"
        );
    });
}

/// Digests of what was rendered and of hooks, as a Stack's status and inventory show them.
fn shown(world: &World) -> Vec<Digest> {
    let status = world.status("s");
    let mut digests: Vec<Digest> = world.inventory("s").hooks.into_values().collect();
    digests.extend(status.rendered);
    digests.extend(status.history.iter().filter_map(|past| past.rendered));
    digests
}

#[test]
fn digests_of_secrets_are_keyed_and_those_of_what_may_be_known_are_not() {
    block_on(async {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: p}\n\
                      stringData: {password: hunter2}\n";
        let hook = config("h", "1").replace(
            "{name:",
            "{annotations: {holdfast.dev/hook: pre-sync}, name:",
        );
        for (text, is_keyed) in [(secret, true), (&*config("c", "1"), false)] {
            let mut world = World::new();
            world.commit(&[("app/a.yaml", text), ("app/h.yaml", &hook)]);
            world.stack("s", "app");
            let mut seen = Vec::new();
            for entropy in [[1; 32], [2; 32]] {
                world.entropy = entropy;
                world.restart();
                world.reconcile("s").await;
                assert!(world.is_ready("s"));
                seen.push(shown(&world));
            }
            assert_eq!(seen[0].len(), 3, "{seen:?}");
            for (one, two) in seen[0].iter().zip(&seen[1]) {
                assert_eq!(one != two, is_keyed, "{one} {two}");
            }
        }
    });
}

/// The revision of the newest operation of the history, and how it ended.
fn newest(world: &World) -> (PastEnd, String) {
    let status = world.status("s");
    let past = status.history.first().expect("there is a line");
    (past.end, past.summary.clone())
}

#[test]
fn an_operation_that_somebody_ends_is_not_tried_again_by_itself_not_even_after_a_restart() {
    block_on(async {
        let mut world = waiting().await;
        world.remembers = true;
        let deed = Deed {
            by: "alice".to_owned(),
            of: "1".to_owned(),
            at: None,
            reason: Some("it hangs".to_owned()),
        };
        let stack = world.stack("s", "app");
        stack.terminate = Some("1".to_owned());
        stack.deeds.insert(Action::Terminate, deed);
        // It may be the target that it hangs on.
        world.target("in-cluster").set_up(false);
        world.upsert("s");
        world.reconcile("s").await;
        let (end, summary) = newest(&world);
        assert_eq!(end, PastEnd::Operation(End::Terminated));
        assert!(
            summary.ends_with("terminated by alice (it hangs)"),
            "{summary}"
        );
        assert!(
            world
                .notices()
                .iter()
                .any(|notice| notice.starts_with("s Terminated: "))
        );
        world.target("in-cluster").set_up(true);
        world
            .target("in-cluster")
            .put(WEB, "kubelet", ManagerOperation::Update);
        world.effects();
        world.pass(Duration::from_secs(3600));
        world.reconcile("s").await;
        let check = |world: &World| {
            assert_eq!(world.effects(), [""; 0]);
            let status = world.status("s");
            assert_eq!(status.ready.holds, Truth::False);
            assert_eq!(status.synced.reason, Reason::Terminated);
            assert_eq!(status.operation, None);
        };
        check(&world);
        world.restart();
        world.reconcile("s").await;
        check(&world);
        // Who says it again changes nothing.
        world.stack("s", "app").terminate = Some("3".to_owned());
        world.upsert("s");
        world.reconcile("s").await;
        check(&world);

        // A sync goes on with it, and what was ended stays in the past.
        world.stack("s", "app").requested = Some("2".to_owned());
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.owned("s"), ["a", "c", "web"]);
        assert!(world.is_ready("s"));
        world.commit(&[("app/a.yaml", &config("a", "2"))]);
        world.reconcile("s").await;
        assert!(world.is_ready("s"));
        assert_eq!(newest(&world).0, PastEnd::Operation(End::Succeeded));
    });
}

#[test]
fn a_request_to_end_what_is_under_way_ends_nothing_that_begins_later() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        world.stack("s", "app").terminate = Some("1".to_owned());
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.is_ready("s"));
        let terminated = world.status("s").terminated.expect("it was heard");
        assert_eq!(
            (terminated.request.as_str(), terminated.revision),
            ("1", None)
        );
    });
}

#[test]
fn a_restart_gives_an_operation_no_more_time() {
    block_on(async {
        let mut world = waiting().await;
        world.remembers = true;
        let timeout = world.stack("s", "app").sync.timeout;
        let before = world.status("s").operation.expect("it waits");
        world.pass(timeout / 2);
        world.restart();
        world.reconcile("s").await;
        let after = world.status("s").operation.expect("it waits still");
        assert_eq!(
            (after.started, after.deadline),
            (before.started, before.deadline)
        );
        world.pass(timeout / 2 + Duration::from_secs(1));
        world.reconcile("s").await;
        assert_eq!(newest(&world).0, PastEnd::Operation(End::TimedOut));
    });
}
