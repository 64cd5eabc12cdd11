//! A Stack that goes to another cluster or namespace arrives there, then leaves where it was, and
//! deletes nothing that it never applied.

use holdfast_model::object::ManagerOperation;
use holdfast_model::stack::{Deletion, TargetName};
use holdfast_model::status::{Reason, Truth};

use super::world::{World, block_on, config};

const STRANGER: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "shop"}, "data": {"of": "somebody else"}}"#;
const WEB: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n";
const WEB_UP: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}}"#;

/// A Stack of `x` and `y` on the first target, beside a second one.
async fn placed() -> World {
    let mut world = World::new();
    world.add_target("b");
    world.commit(&[
        ("app/x.yaml", &config("x", "1")),
        ("app/y.yaml", &config("y", "1")),
    ]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    assert!(world.is_ready("s"));
    world.effects();
    world
}

fn send_to(world: &mut World, target: &str) {
    world.stack("s", "app").destination.target = TargetName(target.to_owned());
    world.upsert("s");
}

#[test]
fn it_arrives_and_then_leaves_and_what_it_never_applied_stays() {
    block_on(async {
        let mut world = placed().await;
        world.commit(&[("app/x.yaml", "")]);
        world
            .target("b")
            .put(STRANGER, "kubectl", ManagerOperation::Update);
        send_to(&mut world, "b");
        world.reconcile("s").await;
        let expected = [
            "s owns y",
            "b: apply y",
            "in-cluster: delete x",
            "in-cluster: delete y",
            "s owns y",
        ];
        assert_eq!(world.effects(), expected);
        assert_eq!(world.target("b").configs("shop"), ["x", "y"]);
        assert!(world.is_ready("s"));
        world.restart();
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
    });
}

#[test]
fn it_begins_with_what_is_newest_where_it_goes() {
    block_on(async {
        let mut world = placed().await;
        world
            .target("b")
            .put(STRANGER, "kubectl", ManagerOperation::Update);
        world.commit(&[("app/x.yaml", "")]);
        // Nobody has asked the repository since.
        send_to(&mut world, "b");
        world.settle().await;
        world.answered("s").await;
        world.settle().await;
        let writers = |name: &str| {
            let live = world.target("b").get("ConfigMap", Some("shop"), name);
            live.map(|live| live.managers.len())
        };
        assert_eq!((writers("x"), writers("y")), (Some(1), Some(1)));
        let live = world.target("b").get("ConfigMap", Some("shop"), "x");
        let manager = live.map(|live| live.managers[0].name.to_string());
        assert_eq!(manager.as_deref(), Some("kubectl"));
    });
}

#[test]
fn it_leaves_only_when_everything_is_healthy_there_also_after_restarts() {
    block_on(async {
        let mut world = placed().await;
        world.commit(&[("app/web.yaml", WEB)]);
        send_to(&mut world, "b");
        world.reconcile("s").await;
        world.restart();
        world.reconcile("s").await;
        assert_eq!(world.target("in-cluster").configs("shop"), ["x", "y"]);
        assert_eq!(world.target("b").configs("shop"), ["x", "y"]);
        world
            .target("b")
            .put(WEB_UP, "kubelet", ManagerOperation::Update);
        world.reconcile("s").await;
        assert!(world.target("in-cluster").configs("shop").is_empty());
        assert!(world.is_ready("s"));
    });
}

#[test]
fn a_cluster_that_is_away_is_left_when_it_is_back() {
    block_on(async {
        let mut world = placed().await;
        world.target("in-cluster").set_up(false);
        send_to(&mut world, "b");
        world.reconcile("s").await;
        let synced = world.status("s").synced;
        assert_eq!(
            (synced.holds, synced.reason),
            (Truth::False, Reason::TargetFailed)
        );
        assert!(
            synced
                .message
                .contains("2 objects still on target in-cluster")
        );
        assert!(world.is_ready("s"), "what is in place here is in place");
        world.restart();
        world.reconcile("s").await;
        world.target("in-cluster").set_up(true);
        world.reconcile("s").await;
        assert!(world.target("in-cluster").configs("shop").is_empty());
        assert_eq!(world.status("s").synced.holds, Truth::True);
    });
}

#[test]
fn two_targets_that_lead_to_one_cluster_are_no_move() {
    block_on(async {
        let mut world = placed().await;
        let own = world.target("in-cluster");
        world.lead("alias", &own);
        send_to(&mut world, "alias");
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
        world.restart();
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
        assert_eq!(own.configs("shop"), ["x", "y"]);
    });
}

#[test]
fn a_target_that_leads_to_another_cluster_now_is_a_move() {
    block_on(async {
        let mut world = placed().await;
        let (first, second) = (world.target("in-cluster"), world.target("b"));
        second.put(STRANGER, "kubectl", ManagerOperation::Update);
        world.commit(&[("app/x.yaml", "")]);
        world.lead("in-cluster", &second);
        world.restart();
        world.reconcile("s").await;
        assert_eq!(second.configs("shop"), ["x", "y"]);
        assert_eq!(first.configs("shop"), ["x", "y"], "nothing leads there");
        let synced = world.status("s").synced;
        assert!(
            synced.message.contains("no Target leads to"),
            "{}",
            synced.message
        );
        world.lead("old", &first);
        world.restart();
        send_to(&mut world, "in-cluster");
        world.reconcile("s").await;
        assert_eq!(
            first.configs("shop"),
            ["x", "y"],
            "nobody has gone to `old` yet"
        );
        world.stack("t", "other").destination.target = TargetName("old".to_owned());
        world.commit(&[("other/z.yaml", &config("z", "1"))]);
        world.upsert("t");
        world.reconcile("t").await;
        world.reconcile("s").await;
        assert_eq!(first.configs("shop"), ["z"]);
    });
}

#[test]
fn what_an_owner_orphans_stays_where_it_was() {
    block_on(async {
        let mut world = placed().await;
        world.stack("s", "app").deletion = Deletion::Orphan;
        send_to(&mut world, "b");
        world.reconcile("s").await;
        assert_eq!(world.target("in-cluster").configs("shop"), ["x", "y"]);
        assert_eq!(world.target("b").configs("shop"), ["x", "y"]);
        assert_eq!(world.owned("s"), ["x", "y"]);
        world.restart();
        world.effects();
        world.reconcile("s").await;
        assert_eq!(world.effects(), [""; 0]);
    });
}

#[test]
fn it_comes_back_before_it_has_left_without_anything_being_made_anew() {
    block_on(async {
        let mut world = placed().await;
        let uid = |world: &World| {
            let found = world
                .target("in-cluster")
                .get("ConfigMap", Some("shop"), "x");
            found.map(|live| live.uid())
        };
        let before = uid(&world);
        world.commit(&[("app/web.yaml", WEB)]);
        send_to(&mut world, "b");
        world.reconcile("s").await;
        world.commit(&[("app/web.yaml", "")]);
        send_to(&mut world, "in-cluster");
        world.restart();
        world.reconcile("s").await;
        assert!(world.target("b").configs("shop").is_empty());
        assert!(
            world
                .target("b")
                .get("Deployment", Some("shop"), "web")
                .is_none()
        );
        assert_eq!(uid(&world), before);
        assert!(world.is_ready("s"));
    });
}

#[test]
fn a_stack_that_is_deleted_on_its_way_leaves_both_clusters() {
    block_on(async {
        let mut world = placed().await;
        world.commit(&[("app/web.yaml", WEB)]);
        send_to(&mut world, "b");
        world.reconcile("s").await;
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.restart();
        world.reconcile("s").await;
        assert!(world.target("b").configs("shop").is_empty());
        assert!(world.target("in-cluster").configs("shop").is_empty());
        assert!(world.is_released("s"));
    });
}

#[test]
fn another_namespace_is_a_move_too() {
    block_on(async {
        let mut world = placed().await;
        world.commit(&[("app/web.yaml", WEB), ("app/x.yaml", "")]);
        world.stack("s", "app").destination.namespace = "store".to_owned();
        world.upsert("s");
        world.reconcile("s").await;
        world.restart();
        world.reconcile("s").await;
        let target = world.target("in-cluster");
        assert_eq!(target.configs("store"), ["y"]);
        assert_eq!(
            target.configs("shop"),
            ["x", "y"],
            "nothing is healthy there yet"
        );
        let up = WEB_UP.replace("shop", "store");
        target.put(&up, "kubelet", ManagerOperation::Update);
        world.reconcile("s").await;
        world.reconcile("s").await;
        assert!(target.configs("shop").is_empty());
        assert_eq!(target.configs("store"), ["y"]);
        assert!(world.is_ready("s"));
    });
}

#[test]
fn what_is_not_ours_leaves_the_inventory_and_nothing_else() {
    block_on(async {
        let world = placed().await;
        let target = world.target("in-cluster");
        target.replace(STRANGER, "kubectl", ManagerOperation::Update);
        world.commit(&[("app/x.yaml", "")]);
        world.reconcile("s").await;
        assert_eq!(target.configs("shop"), ["x", "y"]);
        assert_eq!(world.owned("s"), ["y"]);
        let notices = world.notices();
        assert!(
            notices
                .iter()
                .any(|line| line.contains("s NotOurs: ConfigMap/shop/x")),
            "{notices:?}"
        );
    });
}

#[test]
fn an_inventory_from_before_clusters_were_named_is_of_the_target_that_its_stack_has() {
    block_on(async {
        let mut world = placed().await;
        for inventory in world
            .plane
            .inventories
            .lock()
            .expect("it is whole")
            .values_mut()
        {
            inventory.place = None;
        }
        world.restart();
        world.reconcile("s").await;
        assert_eq!(
            world.effects(),
            ["s owns x y"],
            "it is written anew with its cluster"
        );
        world.restart();
        send_to(&mut world, "b");
        world.reconcile("s").await;
        assert!(world.target("in-cluster").configs("shop").is_empty());
        assert_eq!(world.target("b").configs("shop"), ["x", "y"]);
    });
}
