//! The deletion of a Stack always ends.

use holdfast_model::operation::{Class, Failure};
use holdfast_model::stack::TargetName;

use super::world::{World, block_on, config};

async fn placed_on(target: &'static str) -> World {
    let mut world = World::new();
    world.add_target("b");
    world.commit(&[
        ("app/x.yaml", &config("x", "1")),
        ("app/y.yaml", &config("y", "1")),
    ]);
    world.stack("s", "app").destination.target = TargetName(target.to_owned());
    world.upsert("s");
    world.reconcile("s").await;
    assert!(world.is_ready("s"));
    world.effects();
    world
}

#[test]
fn when_its_inventory_cannot_be_written_any_more() {
    block_on(async {
        let mut world = placed_on("in-cluster").await;
        let refused = Failure {
            class: Class::Transient,
            reason: "Refused",
            message: "the namespace is being terminated".to_owned(),
            hint: None,
        };
        *world.plane.takes_inventories.lock().expect("it is whole") = Some(refused);
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(
            world.effects(),
            ["in-cluster: delete x", "in-cluster: delete y"]
        );
        assert!(world.is_released("s"));
    });
}

#[test]
fn when_its_target_is_gone_which_is_said() {
    block_on(async {
        for is_restarted in [false, true] {
            let mut world = placed_on("b").await;
            let target = world.target("b");
            world.remove_target("b");
            world.stack("s", "app").deleting = true;
            world.upsert("s");
            if is_restarted {
                world.restart();
            }
            world.reconcile("s").await;
            assert!(world.is_released("s"));
            // An engine that is connected already reaches it still.
            let stays = target.configs("shop").len();
            assert_eq!(stays, if is_restarted { 2 } else { 0 });
            let notices = world.notices().join(" ");
            assert_eq!(notices.contains("s LeftBehind"), is_restarted, "{notices}");
        }
    });
}

#[test]
fn when_an_object_asks_to_stay() {
    block_on(async {
        let mut world = placed_on("in-cluster").await;
        let kept = config("x", "1");
        let kept = kept.replace(
            "{name:",
            "{annotations: {helm.sh/resource-policy: keep}, name:",
        );
        world.commit(&[("app/x.yaml", &kept)]);
        world.reconcile("s").await;
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.is_released("s"));
        assert_eq!(world.target("in-cluster").configs("shop"), ["x"]);
    });
}
