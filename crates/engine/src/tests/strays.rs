//! An object that passes from one Stack to another is in an inventory for as long as it is there, whatever
//! ends or changes meanwhile: nobody but the Stack that its label names can delete it.

use std::collections::HashSet;

use holdfast_model::stack::{ClusterId, TargetName};
use holdfast_model::status::Reason;
use holdfast_plan::Passing;

use super::target::down;
use super::world::{World, block_on, config, lock};

/// In which order Stacks are reconciled; the first one has `moved`, which the other one gets.
const WAYS: [[&str; 2]; 2] = [["one", "two"], ["two", "one"]];

/// Two Stacks, each of an object of its name, and of `moved` that the first one has.
async fn two_stacks(from: &str) -> World {
    let mut world = World::new();
    world.add_target("b");
    world.commit(&[
        ("one/one.yaml", &config("one", "1")),
        ("two/two.yaml", &config("two", "1")),
        (&format!("{from}/moved.yaml"), &config("moved", "1")),
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

fn move_it(world: &World, [from, to]: [&str; 2]) {
    world.commit(&[
        (&format!("{from}/moved.yaml"), ""),
        (&format!("{to}/moved.yaml"), &config("moved", "2")),
    ]);
}

fn drop_it(world: &World, to: &str) {
    world.commit(&[(&format!("{to}/moved.yaml"), "")]);
}

/// Has both reconciled until nothing is left to be done.
async fn come_to_rest(world: &World, order: [&str; 2]) {
    for _ in 0..2 {
        for name in order {
            world.reconcile(name).await;
        }
        world.settle().await;
    }
    for name in order {
        let status = world.status(name);
        assert!(world.is_ready(name), "{name}: {status:?}");
    }
}

fn check_gone(world: &World) {
    assert_eq!(world.target("in-cluster").configs("shop"), ["one", "two"]);
    for name in ["one", "two"] {
        assert_eq!(world.owned(name), [name]);
    }
}

#[test]
fn it_is_left_by_a_stack_that_goes_elsewhere_when_the_engine_ended_at_any_effect() {
    block_on(async {
        for (way, order) in WAYS.iter().flat_map(|way| WAYS.map(|order| (*way, order))) {
            let [from, to] = way;
            let mut effect = 1;
            loop {
                let mut world = two_stacks(from).await;
                move_it(&world, way);
                let work = async {
                    for name in order {
                        world.reconcile(name).await;
                    }
                    world.settle().await;
                };
                let was_stopped = Box::pin(world.stopped_at(effect, work)).await;
                world.stack(to, to).destination.target = TargetName("b".to_owned());
                world.restart();
                come_to_rest(&world, order).await;
                let shown = format!("{way:?} {order:?} {effect}: {:?}", world.effects());
                let here = world.target("in-cluster").configs("shop");
                assert_eq!(here, [from], "{shown}");
                let mut there = ["moved", to];
                there.sort_unstable();
                assert_eq!(world.target("b").configs("shop"), there, "{shown}");
                assert_eq!(world.owned(from), [from], "{shown}");
                assert!(world.inventory(to).left.is_empty(), "{shown}");
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
fn it_is_deleted_by_who_had_it_when_its_new_stack_drops_it_before_it_was_applied() {
    block_on(async {
        for way in WAYS {
            for order in WAYS {
                for restarts in [false, true] {
                    let [from, to] = way;
                    let mut world = two_stacks(from).await;
                    *lock(&world.target("in-cluster").refuses) = Some(down());
                    move_it(&world, way);
                    for name in order {
                        world.reconcile(name).await;
                    }
                    world.settle().await;
                    assert!(world.owned(to).contains(&"moved".to_owned()));
                    assert!(world.owned(from).contains(&"moved".to_owned()));
                    let said = world.status(from).synced;
                    assert_eq!(said.reason, Reason::Progressing, "{said:?}");
                    drop_it(&world, to);
                    *lock(&world.target("in-cluster").refuses) = None;
                    if restarts {
                        world.restart();
                    }
                    come_to_rest(&world, order).await;
                    check_gone(&world);
                }
            }
        }
    });
}

#[test]
fn it_is_deleted_by_who_applied_it_and_drops_it_after_a_restart() {
    block_on(async {
        for way in WAYS {
            let [from, to] = way;
            let mut world = two_stacks(from).await;
            move_it(&world, way);
            let work = async {
                for name in way {
                    world.reconcile(name).await;
                }
                world.settle().await;
            };
            // It is applied, and in both inventories.
            assert!(Box::pin(world.stopped_at(2, work)).await);
            world.restart();
            world.reconcile(to).await;
            drop_it(&world, to);
            come_to_rest(&world, [to, from]).await;
            check_gone(&world);
        }
    });
}

#[test]
fn a_stack_that_is_deleted_after_a_restart_leaves_nothing_that_nobody_wants() {
    block_on(async {
        for way in WAYS {
            let [from, to] = way;
            let mut world = two_stacks(from).await;
            move_it(&world, way);
            let work = async {
                for name in way {
                    world.reconcile(name).await;
                }
                world.settle().await;
            };
            assert!(Box::pin(world.stopped_at(2, work)).await);
            world.stack(to, to).deleting = true;
            world.restart();
            world.reconcile(to).await;
            world.reconcile(from).await;
            world.settle().await;
            assert!(world.is_released(to), "{}", world.status(to).ready.message);
            world.forget(to);
            world.settle().await;
            assert_eq!(world.target("in-cluster").configs("shop"), [from]);
            assert_eq!(world.owned(from), [from]);
        }
    });
}

#[test]
fn who_offers_what_nobody_wants_any_more_hears_of_it() {
    block_on(async {
        let world = two_stacks("one").await;
        let claims = &world.engine.shared.claims;
        let keys = world.inventory("one").entries;
        let moved = keys.keys().find(|key| &*key.name == "moved");
        let moved = [moved.expect("it is owned").clone()];
        let [one, two] = ["one", "two"].map(|name| &world.stacks[name].key);
        let cluster = ClusterId("in-cluster".to_owned());
        claims.want(two, &cluster, moved.iter());
        let passing = claims.pass_on(one, &cluster, moved.iter());
        assert_eq!(passing[&moved[0]], Passing::HandingOver(two.clone()));
        let (_, concerned) = claims.want(two, &cluster, [].iter());
        assert_eq!(concerned, HashSet::from([one.clone()]));
        claims.want(two, &cluster, moved.iter());
        claims.pass_on(one, &cluster, moved.iter());
        // It took it, and goes: that may be somebody's again who has it in an inventory.
        claims.want(two, &cluster, moved.iter());
        assert_eq!(claims.leave(two), HashSet::from([one.clone()]));
        assert!(claims.pass_on(one, &cluster, moved.iter()).is_empty());
    });
}

#[test]
fn who_waits_for_a_stack_that_changes_its_mind_does_not_wait_for_ever() {
    block_on(async {
        let mut world = two_stacks("one").await;
        // A Stack that waits to be asked takes nothing over.
        world.stack("two", "two").sync.automatic = false;
        world.upsert("two");
        move_it(&world, ["one", "two"]);
        world.reconcile("two").await;
        world.reconcile("one").await;
        world.settle().await;
        let said = world.status("one").synced.message;
        assert!(said.contains("to take it over"), "{said}");
        drop_it(&world, "two");
        // Nothing else than what the other Stack says wakes this one.
        world.reconcile("two").await;
        world.settle().await;
        check_gone(&world);
        assert!(world.is_ready("one"));
    });
}
