//! An object that passes from one Stack to another is never deleted on its way.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::applyset;
use holdfast_model::object::Key;
use holdfast_model::stack::Deletion;
use holdfast_model::status::{Reason, Remembered};
use holdfast_plan::Passing;

use super::target::down;
use super::world::{World, block_on, config, lock};
use crate::awaiting::hold_back;
use crate::ports::Intent;
use crate::state::StackState;

/// Stacks `one` of `a` and `moved`, and `two` of `b`.
async fn two_stacks() -> World {
    let mut world = World::new();
    world.commit(&[
        ("one/a.yaml", &config("a", "1")),
        ("one/moved.yaml", &config("moved", "1")),
        ("two/b.yaml", &config("b", "1")),
    ]);
    for name in ["one", "two"] {
        world.stack(name, name);
        world.upsert(name);
        world.reconcile(name).await;
        assert!(world.is_ready(name));
    }
    world.settle().await;
    world.effects();
    world
}

fn move_it(world: &World, text: &str) {
    world.commit(&[
        ("one/moved.yaml", ""),
        ("two/moved.yaml", &config("moved", text)),
    ]);
}

fn uid(world: &World) -> Option<String> {
    let target = world.target("in-cluster");
    let live = target.get("ConfigMap", Some("shop"), "moved")?;
    Some(live.uid())
}

fn check_moved(world: &World, before: &Option<String>, to: &str) {
    assert!(before.is_some());
    assert_eq!(uid(world), *before, "it is another object");
    assert!(world.owned(to).contains(&"moved".to_owned()), "{to} has it");
    let live = world
        .target("in-cluster")
        .get("ConfigMap", Some("shop"), "moved");
    let label = live.and_then(|live| live.value.text(&["metadata", "labels", applyset::PART_OF]));
    assert_eq!(label, Some(applyset::id(&world.stacks[to].key)));
    assert!(world.is_ready(to));
}

#[test]
fn it_passes_over_whichever_stack_is_reconciled_first_changed_or_not() {
    block_on(async {
        for order in [["one", "two"], ["two", "one"]] {
            for text in ["1", "2"] {
                let world = two_stacks().await;
                let before = uid(&world);
                move_it(&world, text);
                for name in order {
                    world.reconcile(name).await;
                }
                world.settle().await;
                check_moved(&world, &before, "two");
                assert_eq!(world.owned("one"), ["a"]);
                assert!(world.is_ready("one"));
                let effects = world.effects();
                let expected = ["two owns b moved", "in-cluster: apply moved", "one owns a"];
                assert_eq!(effects, expected, "{order:?}");
            }
        }
    });
}

#[test]
fn it_passes_over_when_the_engine_ends_at_any_effect() {
    block_on(async {
        for order in [["one", "two"], ["two", "one"]] {
            let mut effect = 1;
            loop {
                let mut world = two_stacks().await;
                let before = uid(&world);
                move_it(&world, "2");
                let work = async {
                    for name in order {
                        world.reconcile(name).await;
                    }
                    world.settle().await;
                };
                let was_stopped = Box::pin(world.stopped_at(effect, work)).await;
                world.restart();
                for name in order {
                    world.reconcile(name).await;
                }
                world.settle().await;
                check_moved(&world, &before, "two");
                assert_eq!(world.owned("one"), ["a"]);
                if !was_stopped {
                    break;
                }
                effect += 1;
            }
            assert_eq!(effect, 4, "three effects");
        }
    });
}

#[test]
fn a_stack_is_renamed_without_its_objects_being_made_anew() {
    block_on(async {
        for is_made_first in [false, true] {
            let mut world = two_stacks().await;
            let before = uid(&world);
            if is_made_first {
                world.stack("three", "one");
                world.upsert("three");
                world.reconcile("three").await;
                assert_eq!(world.status("three").synced.reason, Reason::Drifted);
            }
            let one = world.stack("one", "one");
            (one.deleting, one.deletion) = (true, Deletion::Orphan);
            world.upsert("one");
            world.reconcile("one").await;
            assert!(world.is_released("one"));
            world.forget("one");
            if !is_made_first {
                world.stack("three", "one");
                world.upsert("three");
                world.reconcile("three").await;
            }
            world.settle().await;
            check_moved(&world, &before, "three");
            assert_eq!(world.owned("three"), ["a", "moved"]);
        }
    });
}

#[test]
fn a_stack_that_is_deleted_leaves_what_another_one_wants() {
    block_on(async {
        let mut world = two_stacks().await;
        let before = uid(&world);
        world.stack("three", "one");
        world.upsert("three");
        world.stack("one", "one").deleting = true;
        world.upsert("one");
        world.reconcile("one").await;
        assert_eq!(
            uid(&world),
            before,
            "`three` has not said yet what it wants"
        );
        world.reconcile("three").await;
        world.reconcile("one").await;
        assert!(world.is_released("one"));
        world.forget("one");
        world.settle().await;
        check_moved(&world, &before, "three");
    });
}

#[test]
fn a_prune_does_not_wait_for_ever_for_a_stack_that_is_broken() {
    block_on(async {
        let world = two_stacks().await;
        world.commit(&[("one/moved.yaml", ""), ("two/b.yaml", "{")]);
        world.reconcile("two").await;
        world.reconcile("one").await;
        assert!(uid(&world).is_some());
        let synced = world.status("one").synced;
        assert_eq!(synced.reason, Reason::Progressing);
        assert!(
            synced.message.contains("waits for Stack team-a/two"),
            "{}",
            synced.message
        );
        world.pass(Duration::from_secs(31));
        world.reconcile("one").await;
        assert_eq!(uid(&world), None);
        assert!(world.is_ready("one"));
    });
}

#[test]
fn what_nobody_takes_is_pruned_when_everybody_has_said_so() {
    block_on(async {
        let world = two_stacks().await;
        world.commit(&[("one/moved.yaml", "")]);
        world.reconcile("one").await;
        world.reconcile("two").await;
        world.settle().await;
        assert_eq!(uid(&world), None);
        assert_eq!(world.owned("one"), ["a"]);
    });
}

#[test]
fn it_goes_back_when_git_goes_back_before_it_was_taken() {
    block_on(async {
        let mut world = two_stacks().await;
        let before = uid(&world);
        // A Stack that waits to be asked takes nothing over.
        world.stack("two", "two").sync.automatic = false;
        world.upsert("two");
        move_it(&world, "1");
        world.reconcile("two").await;
        world.reconcile("one").await;
        world.settle().await;
        assert_eq!(uid(&world), before);
        assert_eq!(world.owned("one"), ["a", "moved"]);
        world.commit(&[
            ("one/moved.yaml", &config("moved", "1")),
            ("two/moved.yaml", ""),
        ]);
        world.reconcile("two").await;
        world.reconcile("one").await;
        world.settle().await;
        check_moved(&world, &before, "one");
        assert_eq!(world.owned("two"), ["b"]);
    });
}

#[test]
fn who_says_what_it_wants_between_two_questions_of_another_stack_is_heard() {
    block_on(async {
        let world = two_stacks().await;
        let (shared, one) = (&world.engine.shared, &world.stacks["one"]);
        let intent = Intent {
            stack: Arc::new(one.clone()),
            problems: Vec::new(),
            remembered: Remembered::default(),
        };
        let owned = world.inventory("one");
        let keys: Vec<Key> = owned.entries.keys().cloned().collect();
        let moved = keys.iter().find(|key| &*key.name == "moved");
        let moved = [moved.expect("it is owned").clone()];
        let mut state = StackState::new(&intent, owned);
        let cluster = state.cluster(one);
        // Nobody wanted it when it was asked for the first time.
        let mut passing = shared.claims.pass_on(&one.key, &cluster, moved.iter());
        assert!(passing.is_empty());
        let two = &world.stacks["two"].key;
        shared.claims.want(two, &cluster, moved.iter());
        let held = (&moved[..], &mut passing);
        hold_back(shared, one, &mut state, &cluster, held);
        assert_eq!(
            passing.get(&moved[0]),
            Some(&Passing::HandingOver(two.clone()))
        );
    });
}

#[test]
fn whoever_waits_for_an_object_to_be_applied_by_another_stack_hears_of_it_however_late_that_is() {
    block_on(async {
        let world = two_stacks().await;
        let before = uid(&world);
        move_it(&world, "1");
        // The Stack that it passes to has it in its inventory, and cannot apply it yet.
        *lock(&world.target("in-cluster").refuses) = Some(down());
        for name in ["one", "two", "one", "two", "one"] {
            world.reconcile(name).await;
        }
        assert!(world.owned("two").contains(&"moved".to_owned()));
        assert!(world.owned("one").contains(&"moved".to_owned()));
        while world.engine.shared.queue.has_next() {
            let key = world.engine.shared.queue.next().await;
            world.engine.shared.queue.done(&key);
        }
        *lock(&world.target("in-cluster").refuses) = None;
        world.pass(Duration::from_secs(301));
        world.engine.shared.process(&world.stacks["two"].key).await;
        check_moved(&world, &before, "two");
        // From here on nothing happens that does not come of what was done.
        world.settle().await;
        assert_eq!(world.owned("one"), ["a"]);
        assert!(world.is_ready("one"), "{:#?}", world.status("one"));
    });
}
