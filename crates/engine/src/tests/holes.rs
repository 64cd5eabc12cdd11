//! Targets that do not answer.

use holdfast_model::stack::TargetName;
use holdfast_model::status::Reason;

use super::world::{World, block_on, config};

#[test]
fn a_target_that_does_not_answer_is_tried_by_one_stack_and_all_go_on_when_it_does() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        let hole = world.add_target("hole");
        hole.set_up(false);
        for name in ["s1", "s2", "s3", "s4"] {
            let stack = world.stack(name, "app");
            stack.destination.target = TargetName("hole".to_owned());
            stack.destination.namespace = name.to_owned();
        }
        world.stack("t", "app");
        for name in ["s1", "s2", "s3", "s4", "t"] {
            world.upsert(name);
            world.reconcile(name).await;
        }
        assert!(
            world.is_ready("t"),
            "another target has nothing to do with it"
        );
        let asked = hole.asked();
        for name in ["s1", "s2", "s3", "s4"] {
            let status = world.status(name);
            assert_eq!(status.ready.reason, Reason::TargetFailed, "{name}");
            assert_eq!(status.ready.message, "it is down", "{name}");
            world.reconcile(name).await;
        }
        assert_eq!(hole.asked(), asked, "what is known is not asked again");

        hole.set_up(true);
        world.engine.shared.breakers.try_now();
        world.reconcile("s3").await;
        assert!(world.is_ready("s3"));
        world.settle().await;
        for name in ["s1", "s2", "s3", "s4"] {
            assert!(world.is_ready(name), "{name} was woken");
        }
    });
}
