//! What is published: that it says what is so, at once and no more often than it changes, costs nothing
//! twice, and gives no secret away.

use std::sync::Arc;

use holdfast_model::plan::{Verb, Why};
use holdfast_model::stack::StackKey;
use holdfast_model::status::Truth;
use holdfast_model::view::{Change, Course, Sight, StackView, WakeReason};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::world::{World, block_on, config, lock};

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter2}\n";

fn key(name: &str) -> StackKey {
    StackKey {
        namespace: "team-a".to_owned(),
        name: name.to_owned(),
    }
}

fn view(world: &World, name: &str) -> Arc<StackView> {
    let view = world.engine.view().stack(&key(name));
    view.expect("it is published")
}

async fn world() -> World {
    let mut world = World::new();
    world.commit(&[("app/a.yaml", &config("a", "one"))]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    // It is seen once that all is in place.
    world.reconcile("s").await;
    world
}

/// The Stacks that have changed since this was asked last.
fn changed(changes: &mut Receiver<Change>) -> usize {
    let mut count = 0;
    while changes.try_recv().is_ok() {
        count += 1;
    }
    count
}

#[test]
fn what_is_published_is_what_is_held_and_nothing_changes_where_nothing_did() {
    block_on(async {
        let world = world().await;
        let seen = view(&world, "s");
        assert_eq!(seen.status.ready.holds, Truth::True);
        assert_eq!(*seen.status, world.status("s"));
        let held = world.engine.status(&key("s")).expect("it was shown");
        assert!(Arc::ptr_eq(&seen.status, &held), "a status is held once");
        let names: Vec<String> = seen
            .objects
            .iter()
            .map(|(key, _)| key.to_string())
            .collect();
        assert_eq!(names, ["ConfigMap/shop/a"]);
        assert!(seen.said.iter().any(|said| said.reason == "Synced"));

        let mut changes = world.engine.view().changes();
        let fleet = world.engine.view().fleet();
        world.reconcile("s").await;
        assert_eq!(changed(&mut changes), 0);
        assert!(Arc::ptr_eq(&fleet, &world.engine.view().fleet()));
        assert!(Arc::ptr_eq(&seen, &view(&world, "s")));
    });
}

#[test]
fn a_plan_is_published_with_its_reasons_and_fields_and_stays_when_it_is_done() {
    block_on(async {
        let mut world = world().await;
        world.stack("s", "app").sync.automatic = false;
        world.upsert("s");
        let mut changes = world.engine.view().changes();
        world.commit(&[("app/a.yaml", &config("a", "two"))]);
        world.reconcile("s").await;
        assert!(changed(&mut changes) > 0);
        let proposal = view(&world, "s").proposal.clone().expect("it waits");
        assert_eq!(proposal.course, Course::Unasked);
        let pending = world.status("s").pending.expect("it waits");
        assert_eq!(proposal.digest, pending.plan);
        let step = &proposal.steps[0];
        assert_eq!(step.verb, Verb::Update);
        assert!(matches!(step.why, Why::NewRevision { .. }));
        let change = &step.fields[0];
        let words = (
            change.field.as_str(),
            change.live.as_deref(),
            change.wanted.as_deref(),
        );
        assert_eq!(words, ("/data/text", Some("one"), Some("two")));

        world.stack("s", "app").requested = Some("now".to_owned());
        world.upsert("s");
        world.reconcile("s").await;
        world.reconcile("s").await;
        let done = view(&world, "s").proposal.clone().expect("it is shown");
        assert_eq!((done.course, done.steps.len()), (Course::Done, 1));
    });
}

#[test]
fn a_plan_that_git_takes_back_is_not_shown_as_one_that_waits() {
    block_on(async {
        let mut world = world().await;
        world.stack("s", "app").sync.automatic = false;
        world.upsert("s");
        world.commit(&[("app/a.yaml", &config("a", "two"))]);
        world.reconcile("s").await;
        assert!(view(&world, "s").proposal.is_some());
        world.commit(&[("app/a.yaml", &config("a", "one"))]);
        world.reconcile("s").await;
        assert!(view(&world, "s").proposal.is_none());
    });
}

#[test]
fn no_value_is_published_of_a_render_that_holds_a_secret() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[
            ("app/a.yaml", &config("a", "hunter2")),
            ("app/b.yaml", SECRET),
        ]);
        world.stack("s", "app").sync.automatic = false;
        world.upsert("s");
        world.reconcile("s").await;
        world.stack("s", "app").requested = Some("now".to_owned());
        world.upsert("s");
        world.reconcile("s").await;
        let changed = SECRET.replace("hunter2", "correcthorse");
        world.commit(&[
            ("app/a.yaml", &config("a", "correcthorse")),
            ("app/b.yaml", &changed),
        ]);
        world.reconcile("s").await;
        let seen = view(&world, "s");
        let proposal = seen.proposal.clone().expect("it waits");
        assert!(proposal.is_masked && proposal.steps.len() == 2);
        let all = format!("{seen:?}");
        assert!(
            !all.contains("hunter2") && !all.contains("correcthorse"),
            "{all}"
        );
    });
}

#[test]
fn values_of_what_was_made_with_secrets_are_not_shown_when_there_are_none_any_more() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[
            ("app/a.yaml", &config("a", "hunter2")),
            ("app/b.yaml", SECRET),
        ]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        world.reconcile("s").await;
        world.stack("s", "app").sync.automatic = false;
        world.upsert("s");
        world.commit(&[("app/a.yaml", &config("a", "plain")), ("app/b.yaml", "")]);
        for _ in 0..2 {
            world.reconcile("s").await;
            let seen = view(&world, "s");
            let proposal = seen.proposal.clone().expect("it waits");
            assert!(
                proposal.is_masked && proposal.steps.len() == 2,
                "{proposal:?}"
            );
            assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
        }
        // When that is in place, values are shown again.
        world.stack("s", "app").sync.automatic = true;
        world.upsert("s");
        world.reconcile("s").await;
        world.reconcile("s").await;
        world.commit(&[("app/a.yaml", &config("a", "other"))]);
        world.reconcile("s").await;
        let proposal = view(&world, "s")
            .proposal
            .clone()
            .expect("it was carried out");
        assert_eq!(proposal.steps[0].fields[0].live.as_deref(), Some("plain"));
    });
}

#[test]
fn a_stack_whose_target_is_away_says_so_and_when_it_is_asked_again() {
    block_on(async {
        let world = world().await;
        *lock(&world.target("in-cluster").is_up) = false;
        world.reconcile("s").await;
        let seen = view(&world, "s");
        assert_eq!(seen.wake.map(|wake| wake.why), Some(WakeReason::Again));
        assert!(!seen.objects.is_empty(), "what was known stays");
    });
}

#[test]
fn a_reader_that_falls_behind_is_told_so_and_holds_nothing_up() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        let mut changes = world.engine.view().changes();
        let before = world.engine.view().fleet();
        for number in 0..400 {
            world.stack("s", "app").requested = Some(number.to_string());
            world.upsert("s");
        }
        assert!(matches!(changes.try_recv(), Err(TryRecvError::Lagged(_))));
        let fleet = world.engine.view().fleet();
        assert_eq!(fleet.number, before.number + 400);
        assert_eq!(fleet.stacks.len(), 1);
        assert!(before.stacks.is_empty(), "what was read stays as it was");
    });
}

#[test]
fn a_stack_that_is_gone_is_published_no_more_and_it_is_said_that_nothing_is_heard() {
    block_on(async {
        let mut world = world().await;
        assert_eq!(world.engine.view().fleet().sight, Sight::Starting);
        world.engine.note_sight(true);
        world.engine.note_sight(false);
        let blind = world.engine.view().fleet().sight;
        assert!(matches!(blind, Sight::Blind(_)));
        world.pass(std::time::Duration::from_secs(60));
        world.engine.note_sight(false);
        assert_eq!(
            world.engine.view().fleet().sight,
            blind,
            "it counts since when"
        );

        // What was on its way when nothing was heard any more does not mean that it is heard again.
        let shared = &world.engine.shared;
        let (view, now) = (world.engine.view(), shared.now());
        view.note_written(&key("s"), true, now);
        assert_eq!(view.fleet().sight, blind);
        // What could not be written says the same, until it is written or there is nothing to write.
        view.note_written(&key("s"), false, now);
        world.engine.note_sight(true);
        assert_eq!(view.fleet().sight, Sight::Blind(now));
        world.reconcile("s").await;
        assert_eq!(view.fleet().sight, Sight::Clear);

        let mut changes = world.engine.view().changes();
        world.forget("s");
        world.settle().await;
        assert!(world.engine.view().stack(&key("s")).is_none());
        assert_eq!(changed(&mut changes), 1);
    });
}
