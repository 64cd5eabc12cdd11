//! Hooks of charts run at each of their events that comes to pass.

use holdfast_model::inventory::Inventory;
use holdfast_model::object::Object;
use holdfast_model::operation::{Effect, Recording, Stage};
use holdfast_model::plan::{Phase, Verb};
use holdfast_model::stack::Mode;

use super::{World, agree, annotated, begun, config, make, play, stack};
use crate::hook_phases;

fn hook(events: &str) -> Object {
    annotated(&config("hook", "1"), "helm.sh/hook", events)
}

#[test]
fn a_hook_runs_in_the_phase_of_each_event_that_comes_to_pass() {
    use Phase::{PostSync, PreSync};
    for (events, at_install, at_upgrade) in [
        ("pre-install,pre-upgrade", vec![PreSync], vec![PreSync]),
        (
            "pre-install, post-install",
            vec![PreSync, PostSync],
            vec![PreSync],
        ),
        ("post-install,pre-upgrade", vec![PostSync], vec![PreSync]),
        ("pre-upgrade,post-install", vec![PostSync], vec![PreSync]),
        (
            "post-upgrade,pre-upgrade,pre-install",
            vec![PreSync],
            vec![PreSync, PostSync],
        ),
        ("post-install", vec![PostSync], vec![PostSync]),
        ("pre-delete", vec![], vec![]),
    ] {
        assert_eq!(hook_phases(&hook(events), true), at_install, "{events}");
        assert_eq!(hook_phases(&hook(events), false), at_upgrade, "{events}");
    }
    assert_eq!(hook_phases(&config("a", "1"), true), []);
}

#[test]
fn a_hook_of_two_events_of_one_operation_runs_twice_and_then_rests() {
    let mut world = World {
        is_install: true,
        desired: vec![hook("pre-install,post-install"), config("a", "1")],
        ..World::default()
    };
    let plan = make(&stack(), &world);
    let steps: Vec<_> = plan.steps.iter().collect();
    let told: Vec<_> = steps
        .iter()
        .map(|step| (step.verb, &*step.key.key.name, step.slot.phase))
        .collect();
    assert_eq!(
        told,
        [
            (Verb::Run, "hook", Phase::PreSync),
            (Verb::Create, "a", Phase::Sync),
            (Verb::Run, "hook", Phase::PostSync),
        ]
    );
    let (operation, effects) = play(begun(plan, Mode::Wave, Recording::Unneeded), agree);
    let performed = effects.iter().filter_map(|effect| match effect {
        Effect::Perform(step) => Some(*step),
        _ => None,
    });
    assert_eq!(performed.collect::<Vec<usize>>(), [0, 1, 2]);
    assert!(matches!(operation.stage, Stage::Ended(_)));

    // What has run for this content rests.
    let inventory = Inventory::default().after(&operation, |_| false);
    world.is_install = false;
    world.hooks = inventory.hooks;
    let plan = make(&stack(), &world);
    let hooks = plan
        .steps
        .iter()
        .filter(|step| &*step.key.key.name == "hook");
    assert!(hooks.into_iter().all(|step| step.verb == Verb::Keep));
}
