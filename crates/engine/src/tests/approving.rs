//! A confirmation counts for one plan, once.

use super::world::{World, block_on, config};

/// A Stack whose objects are all to be pruned, which waits for a person.
async fn waiting() -> World {
    let mut world = World::new();
    world.commit(&[("app/a.yaml", &config("a", "1"))]);
    world.stack("s", "app");
    world.upsert("s");
    world.reconcile("s").await;
    world.commit(&[("app/a.yaml", "# nothing\n")]);
    world.reconcile("s").await;
    assert_eq!(world.target("in-cluster").configs("shop"), ["a"]);
    world
}

#[test]
fn a_confirmation_is_taken_away_when_what_it_confirms_is_done() {
    block_on(async {
        let mut world = waiting().await;
        let plan = world.status("s").pending.expect("it waits").plan;
        world.stack("s", "app").approved = Some(plan);
        world.upsert("s");
        world.reconcile("s").await;
        assert!(world.target("in-cluster").configs("shop").is_empty());
        let taken = world.unapproved();
        assert!(
            !taken.is_empty() && taken.iter().all(|taken| *taken == plan),
            "{taken:?}"
        );

        // It is written there still when the engine is started anew: it has ended before it was gone.
        world.restart();
        world.reconcile("s").await;
        assert!(world.unapproved().contains(&plan));
    });
}

#[test]
fn a_confirmation_of_another_plan_confirms_nothing() {
    block_on(async {
        let mut world = waiting().await;
        let plan = world.status("s").pending.expect("it waits").plan;
        world.commit(&[("app/a.yaml", "# still nothing\n")]);
        world.stack("s", "app").approved = Some(plan);
        world.upsert("s");
        world.reconcile("s").await;
        assert_eq!(world.target("in-cluster").configs("shop"), ["a"]);
        let pending = world.status("s").pending.expect("it waits");
        assert_ne!(pending.plan, plan);
    });
}
