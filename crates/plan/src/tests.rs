//! Tests of plans and operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_kinds::{Typing, Typings};
use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{Key, LiveObject, Manager, ManagerOperation, Object, Origin};
use holdfast_model::operation::{
    Changed, Class, Effect, End, Event, Failure, Judgement, Operation, Recording, Stage, StepState,
};
use holdfast_model::packed::Packed;
use holdfast_model::plan::{Gate, Plan, Verb, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{
    Deletion, Destination, IgnoreRule, Mode, Reference, RenderChoice, Repository, Source, Stack,
    StackKey, StackUid, SyncPolicy, TargetName,
};
use holdfast_model::time::Time;
use serde_json::json;

use crate::{Inputs, Passing, Sending, advance, begin, body, outcome, plan, summary};

mod hooks;

fn stack() -> Stack {
    Stack {
        key: StackKey {
            namespace: "team-a".to_owned(),
            name: "shop".to_owned(),
        },
        uid: StackUid("uid".to_owned()),
        generation: 1,
        source: Source {
            repository: Repository {
                url: "https://git.example/shop.git".to_owned(),
                credentials: None,
                interval: Duration::from_secs(60),
            },
            reference: Reference::Head,
            path: Default::default(),
        },
        others: Vec::new(),
        render: RenderChoice::default(),
        secrets: Default::default(),
        destination: Destination {
            target: TargetName::in_cluster(),
            namespace: "shop".to_owned(),
            create_namespace: false,
        },
        sync: SyncPolicy {
            automatic: true,
            prune: true,
            heal: true,
            mode: Mode::Wave,
            replace: false,
            prune_limit: 50,
            timeout: Duration::from_secs(600),
            retries: 5,
            hook_logs: true,
        },
        depends_on: Vec::new(),
        ignore: Vec::new(),
        deletion: Deletion::Delete,
        suspended: false,
        pin: None,
        refresh: None,
        terminate: None,
        take_back: None,
        requested: None,
        approved: None,
        deeds: Default::default(),
        deleting: false,
    }
}

fn config(name: &str, text: &str) -> Object {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop"}, "data": {"text": text}});
    Object::new(value, Origin::default()).expect("it is an object")
}

fn annotated(object: &Object, name: &str, text: &str) -> Object {
    let mut value = object.value();
    value["metadata"]["annotations"] = json!({name: text});
    Object::new(value, Origin::default()).expect("it is an object")
}

fn of_kind(api_version: &str, kind: &str, name: &str) -> Object {
    let value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    Object::new(value, Origin::default()).expect("it is an object")
}

fn live(object: &Object) -> LiveObject {
    LiveObject {
        key: object.versioned_key(),
        value: Packed::new(&object.value()),
        managers: Arc::new([manager(
            "holdfast",
            ManagerOperation::Apply,
            json!({"f:data": {"f:text": {}}}),
        )]),
    }
}

/// Has another manager write `/data/text`.
fn also_managed(live: &mut LiveObject, name: &str) {
    let fields = json!({"f:data": {"f:text": {}}});
    let other = manager(name, ManagerOperation::Update, fields);
    live.managers = live.managers.iter().cloned().chain([other]).collect();
}

fn manager(name: &str, operation: ManagerOperation, fields: Value) -> Manager {
    Manager {
        name: name.into(),
        operation,
        api_version: "v1".into(),
        subresource: "".into(),
        time: "2026-01-01T00:00:00Z".into(),
        fields: Packed::new(&fields),
    }
}

/// What a test says about the world; the rest is empty.
#[derive(Default)]
struct World {
    is_install: bool,
    desired: Vec<Object>,
    live: Vec<LiveObject>,
    owned: Vec<Object>,
    applied: Vec<Object>,
    rivals: BTreeMap<Key, BTreeMap<String, String>>,
    immutable: BTreeSet<Key>,
    claimed: BTreeMap<Key, StackKey>,
    hooks: BTreeMap<Key, Digest>,
    passing: BTreeMap<Key, Passing>,
    within: BTreeMap<Key, Vec<Key>>,
}

fn make(stack: &Stack, world: &World) -> Plan {
    let live = world
        .live
        .iter()
        .map(|live| (live.key.key.clone(), live.clone()))
        .collect();
    let entry = |object: &Object| (object.key().clone(), object.version().into());
    let inventory = Inventory {
        entries: world.owned.iter().map(entry).collect(),
        hooks: world.hooks.clone(),
        ..Inventory::default()
    };
    let digest = |object: &Object| (object.key().clone(), object.digest());
    let mut typings = Typings::default();
    for object in &world.desired {
        let (kind, version) = (&object.key().kind, object.version());
        if let Some(typing) = Typing::built_in(&kind.group, version, &kind.kind) {
            typings.insert(Arc::new(typing));
        }
    }
    plan(Inputs {
        stack,
        revision: &Revision::default(),
        is_install: world.is_install,
        desired: &world.desired,
        live: &live,
        typings: &typings,
        answers: &BTreeMap::new(),
        settled: &BTreeMap::new(),
        inventory: &inventory,
        applied: &world.applied.iter().map(digest).collect(),
        learned: &BTreeMap::new(),
        rivals: &world.rivals,
        immutable: &world.immutable,
        claimed: &world.claimed,
        passing: &world.passing,
        within: &world.within,
    })
}

/// Verb, name and reason of each step.
fn check(stack: &Stack, world: &World, expected: &[&str]) {
    let plan = make(stack, world);
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| format!("{} {}: {}", step.verb, step.key.key.name, step.why))
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn what_is_not_there_is_created_and_what_is_as_it_should_be_is_kept() {
    let world = World {
        desired: vec![config("a", "1"), config("b", "1")],
        live: vec![live(&config("b", "1"))],
        owned: vec![config("b", "1")],
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &["create a: new in Git", "keep b: unchanged"],
    );
}

#[test]
fn a_difference_is_drift_only_when_the_same_was_applied_before() {
    let mut world = World {
        desired: vec![config("a", "2")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "1")],
        applied: vec![config("a", "1")],
        ..World::default()
    };
    check(&stack(), &world, &["update a: Git changed /data/text"]);
    world.applied = vec![config("a", "2")];
    also_managed(&mut world.live[0], "kubectl-edit");
    check(
        &stack(),
        &world,
        &["update a: drift: /data/text changed by kubectl-edit (manager) at 2026-01-01T00:00:00Z"],
    );
}

#[test]
fn drift_is_shown_and_left_where_healing_is_off() {
    let mut stack = stack();
    stack.sync.heal = false;
    let world = World {
        desired: vec![config("a", "2")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "2")],
        applied: vec![config("a", "2")],
        ..World::default()
    };
    check(
        &stack,
        &world,
        &["keep a: drift in /data/text, and healing is off"],
    );
}

#[test]
fn a_field_that_a_rival_keeps_is_left_while_the_rest_goes_on() {
    let path = BTreeMap::from([("/data/text".to_owned(), "autoscaler".to_owned())]);
    let mut world = World {
        desired: vec![config("a", "2")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "2")],
        applied: vec![config("a", "2")],
        rivals: BTreeMap::from([(config("a", "").key().clone(), path)]),
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &["keep a: autoscaler keeps changing /data/text; left alone"],
    );
    world.desired = vec![annotated(&config("a", "2"), "x", "y")];
    check(
        &stack(),
        &world,
        &["update a: Git changed /metadata/annotations"],
    );
}

#[test]
fn what_git_no_longer_names_is_deleted_after_the_rest_and_in_reverse() {
    let world = World {
        desired: vec![config("a", "1")],
        live: vec![
            live(&config("b", "1")),
            live(&of_kind("apps/v1", "Deployment", "web")),
        ],
        owned: vec![
            config("b", "1"),
            config("gone", "1"),
            of_kind("apps/v1", "Deployment", "web"),
        ],
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &[
            "create a: new in Git",
            "delete web: no longer in Git",
            "delete b: no longer in Git",
            "keep gone: already gone",
        ],
    );
}

#[test]
fn an_object_that_asks_to_stay_is_not_pruned() {
    let kept = annotated(&config("b", "1"), "holdfast.dev/prune", "disabled");
    let of_chart = annotated(&config("c", "1"), "helm.sh/resource-policy", "keep");
    let world = World {
        desired: vec![config("a", "1")],
        live: vec![live(&kept), live(&of_chart)],
        owned: vec![kept, of_chart],
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &[
            "create a: new in Git",
            "keep b: no longer in Git, but it is not to be pruned",
            "keep c: no longer in Git, but it is not to be pruned",
        ],
    );
}

#[test]
fn a_hook_never_takes_the_place_of_what_is_not_its_stacks() {
    let hook = annotated(&config("h", "1"), "holdfast.dev/hook", "pre-sync");
    let stranger = LiveObject {
        managers: Arc::new([manager("kubectl", ManagerOperation::Update, json!({}))]),
        ..live(&hook)
    };
    let mut world = World {
        desired: vec![hook.clone(), config("a", "1")],
        live: vec![stranger],
        ..World::default()
    };
    let said = "keep h: a hook is to run, but an object that is somebody else's has its name";
    check(&stack(), &world, &[said, "create a: new in Git"]);
    let begun = begun(make(&stack(), &world), Mode::Wave, Recording::Unneeded);
    let (operation, effects) = play(begun, agree);
    assert_eq!(effects, [Effect::Close], "nothing goes on without the hook");
    let ended = outcome(&operation, at(2));
    assert_eq!(summary(&ended), "1 failed, 1 not begun");
    let inventory = Inventory::default()
        .before(&operation.plan)
        .expect("a joins");
    assert_eq!(
        inventory.entries.len(),
        1,
        "a hook is no part of what is kept"
    );
    // One that ran before is replaced.
    world.live = vec![live(&hook)];
    check(
        &stack(),
        &world,
        &["run h: PreSync hook", "create a: new in Git"],
    );
    // What another Stack has is not asked about at all.
    let other = StackKey {
        namespace: "team-b".to_owned(),
        name: "rest".to_owned(),
    };
    world.claimed = BTreeMap::from([(hook.key().clone(), other)]);
    let said = "keep h: belongs to Stack team-b/rest";
    check(&stack(), &world, &[said, "create a: new in Git"]);
    let begun = begin(
        make(&stack(), &world),
        Mode::Wave,
        Recording::Unneeded,
        at(0),
        Duration::from_secs(60),
    );
    assert!(matches!(begun.steps[0], StepState::Failed(_)));
}

#[test]
fn an_object_of_another_stack_is_left_to_it() {
    let other = StackKey {
        namespace: "team-b".to_owned(),
        name: "rest".to_owned(),
    };
    let world = World {
        desired: vec![config("a", "1")],
        claimed: BTreeMap::from([(config("a", "").key().clone(), other)]),
        ..World::default()
    };
    check(&stack(), &world, &["keep a: belongs to Stack team-b/rest"]);
}

fn gates(stack: &Stack, world: &World) -> Vec<Option<Gate>> {
    make(stack, world)
        .steps
        .into_iter()
        .map(|step| step.gate)
        .collect()
}

#[test]
fn an_empty_render_waits_for_a_person_and_goes_on_when_told_so() {
    let mut stack = stack();
    let world = World {
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "1")],
        ..World::default()
    };
    assert_eq!(gates(&stack, &world), [Some(Gate::EmptyRender)]);
    stack.approved = make(&stack, &world).held_digest();
    assert!(stack.approved.is_some());
    assert_eq!(gates(&stack, &world), [None]);
}

#[test]
fn a_prune_of_more_than_half_waits_unless_it_is_of_the_only_object() {
    let objects = |count: usize| -> Vec<Object> {
        (0..count)
            .map(|index| config(&format!("c{index}"), "1"))
            .collect()
    };
    let held = |owned: usize, desired: usize| {
        let world = World {
            desired: objects(desired),
            live: objects(owned).iter().map(live).collect(),
            owned: objects(owned),
            ..World::default()
        };
        gates(&stack(), &world).into_iter().flatten().count()
    };
    assert_eq!(held(2, 1), 0);
    assert_eq!(held(3, 1), 2);
    assert_eq!(held(9, 1), 8);
    assert_eq!(held(10, 5), 0);
    assert_eq!(held(10, 4), 6);
    let world = World {
        desired: vec![config("new", "1")],
        live: vec![live(&config("old", "1"))],
        owned: vec![config("old", "1")],
        ..World::default()
    };
    assert_eq!(gates(&stack(), &world), [None, None]);
    let mut stack = stack();
    stack.sync.prune_limit = 100;
    let world = World {
        desired: objects(1),
        live: objects(3).iter().map(live).collect(),
        owned: objects(3),
        ..World::default()
    };
    assert_eq!(gates(&stack, &world), [None, None, None]);
}

#[test]
fn a_namespace_stays_as_long_as_git_wants_something_in_it_and_its_gate_names_what_goes() {
    let namespace = of_kind("v1", "Namespace", "shop");
    let mut world = World {
        desired: vec![config("a", "1"), of_kind("v1", "Node", "n")],
        live: vec![live(&namespace), live(&config("b", "1"))],
        owned: vec![
            namespace.clone(),
            config("a", "1"),
            config("b", "1"),
            config("c", "1"),
        ],
        ..World::default()
    };
    world.live.push(live(&config("a", "1")));
    let said = |world: &World| -> String {
        let plan = make(&stack(), world);
        let mut steps = plan.steps.iter();
        let step = steps.find(|step| step.key.key == *namespace.key());
        step.map(|step| format!("{} {:?}", step.why, step.gate))
            .unwrap_or_default()
    };
    let kept = "no longer in Git, but Git still wants what would go with it: ConfigMap/shop/a None";
    assert_eq!(said(&world), kept);
    // Another Stack has something in it.
    world.desired.remove(0);
    world.within = BTreeMap::from([(namespace.key().clone(), vec![config("x", "").key().clone()])]);
    assert_eq!(said(&world), kept.replace("shop/a", "shop/x"));
    world.within.clear();
    world.desired.push(of_kind("v1", "Node", "m"));
    world
        .owned
        .retain(|object| object.key() != config("c", "").key());
    world
        .live
        .retain(|live| live.key.key != *config("a", "").key());
    let expected = Gate::TakesAlong {
        objects: vec!["ConfigMap/shop/a".to_owned(), "ConfigMap/shop/b".to_owned()],
    };
    // The prune is of no more than half.
    world
        .owned
        .extend([of_kind("v1", "Node", "n"), of_kind("v1", "Node", "m")]);
    let plan = make(&stack(), &world);
    let gate = plan.steps.iter().find_map(|step| step.gate.clone());
    assert_eq!(gate, Some(expected));
}

#[test]
fn a_definition_stays_as_long_as_git_wants_an_object_of_its_kind() {
    let value = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {"group": "example.org", "names": {"kind": "Widget"}}});
    let definition = Object::new(value, Origin::default()).expect("it is an object");
    let world = World {
        desired: vec![of_kind("example.org/v1", "Widget", "w")],
        live: vec![live(&definition)],
        owned: vec![definition],
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &[
            "create w: new in Git",
            "keep widgets.example.org: no longer in Git, but Git still wants what would go with \
             it: Widget.example.org/w",
        ],
    );
}

#[test]
fn kinds_that_hold_others_or_data_wait_one_by_one() {
    let world = World {
        desired: vec![config("a", "1"), config("c", "1")],
        live: vec![
            live(&of_kind("v1", "Namespace", "n")),
            live(&config("b", "1")),
        ],
        owned: vec![
            of_kind("v1", "Namespace", "n"),
            config("a", "1"),
            config("b", "1"),
            config("c", "1"),
        ],
        ..World::default()
    };
    assert_eq!(
        gates(&stack(), &world),
        [None, None, None, Some(Gate::PrecariousKind)]
    );
}

#[test]
fn an_ignored_field_is_sent_with_its_live_value_until_somebody_owns_it() {
    let desired = config("a", "from git");
    let mut current = live(&config("a", "live"));
    let left = ["/data/text".to_owned()];
    let sent = |live: Option<&LiveObject>| {
        let sending = Sending {
            live,
            left: &left,
            ..Sending::default()
        };
        let sent = body(&desired, sending);
        sent.pointer("/data/text").cloned()
    };
    assert_eq!(sent(Some(&current)), Some(json!("live")));
    also_managed(&mut current, "autoscaler");
    assert_eq!(sent(Some(&current)), None);
    assert_eq!(sent(None), Some(json!("from git")));
}

#[test]
fn an_object_that_keeps_vanishing_is_made_again_later_and_named() {
    let deleted = BTreeMap::from([(String::new(), "somebody".to_owned())]);
    let world = World {
        desired: vec![config("a", "1")],
        owned: vec![config("a", "1")],
        applied: vec![config("a", "1")],
        rivals: BTreeMap::from([(config("a", "").key().clone(), deleted)]),
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &["keep a: somebody keeps deleting it; made again later"],
    );
}

#[test]
fn what_a_kind_without_a_type_would_become_is_asked_of_the_server() {
    let widget = |size: i64| {
        let value = json!({"apiVersion": "example.org/v1", "kind": "Widget",
            "metadata": {"name": "w"}, "spec": {"size": size}});
        Object::new(value, Origin::default()).expect("it is an object")
    };
    let world = World {
        desired: vec![widget(2)],
        live: vec![live(&widget(1))],
        owned: vec![widget(1)],
        ..World::default()
    };
    check(
        &stack(),
        &world,
        &["update w: what would change is not known before it is applied"],
    );
}

#[test]
fn an_ignored_field_is_no_difference() {
    let mut stack = stack();
    stack.ignore.push(IgnoreRule {
        group: None,
        kind: Some("ConfigMap".to_owned()),
        namespace: None,
        name: None,
        fields: vec!["/data/text".to_owned()],
    });
    let world = World {
        desired: vec![config("a", "2")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "1")],
        ..World::default()
    };
    check(&stack, &world, &["keep a: unchanged"]);
}

#[test]
fn the_digest_of_a_plan_is_over_what_is_done_and_not_over_why() {
    let mut world = World {
        desired: vec![config("a", "2")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "1")],
        ..World::default()
    };
    let first = make(&stack(), &world);
    world.applied = vec![config("a", "2")];
    let second = make(&stack(), &world);
    assert_ne!(first.steps[0].why, second.steps[0].why);
    assert_eq!(first.digest(), second.digest());
    world.desired = vec![config("a", "3")];
    assert_ne!(first.digest(), make(&stack(), &world).digest());
}

fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1_000)
}

fn failure() -> Failure {
    Failure {
        class: Class::Terminal,
        reason: "Test",
        message: "no".to_owned(),
        hint: None,
    }
}

/// A namespace, two configs in wave 0 and one in wave 1.
fn waves() -> Plan {
    let world = World {
        desired: vec![
            of_kind("v1", "Namespace", "shop"),
            config("a", "1"),
            config("b", "1"),
            annotated(&config("c", "1"), "holdfast.dev/wave", "1"),
        ],
        ..World::default()
    };
    make(&stack(), &world)
}

fn started(mode: Mode) -> (Operation, Vec<Effect>) {
    begun(waves(), mode, Recording::Needed)
}

/// An operation that has begun and has a minute.
fn begun(plan: Plan, mode: Mode, records: Recording) -> (Operation, Vec<Effect>) {
    let operation = begin(plan, mode, records, at(0), Duration::from_secs(60));
    advance(operation, Event::Begin, at(0))
}

/// Feeds events until nothing more is asked for; each effect is answered by `answer`.
fn play(
    (mut operation, mut effects): (Operation, Vec<Effect>),
    answer: impl Fn(&Effect) -> Event,
) -> (Operation, Vec<Effect>) {
    let mut all = Vec::new();
    while !effects.is_empty() && effects != [Effect::Close] {
        all.extend(effects.clone());
        let mut next = Vec::new();
        for effect in &effects {
            let (moved, more) = advance(operation, answer(effect), at(1));
            operation = moved;
            next.extend(more);
        }
        effects = next;
    }
    all.extend(effects);
    (operation, all)
}

fn agree(effect: &Effect) -> Event {
    match effect {
        Effect::Check(step) => Event::Checked {
            step: *step,
            result: Ok(()),
        },
        Effect::Record => Event::Recorded(Ok(())),
        Effect::Perform(step) => Event::StepEnded {
            step: *step,
            result: Ok(Changed::Yes),
        },
        Effect::Judge(_) | Effect::Remove(_) | Effect::Close => Event::Judged(Judgement::Healthy),
    }
}

#[test]
fn a_hook_goes_when_it_has_ended_as_its_policy_says() {
    let hook = |name: &str, event: &str, policy: &str| {
        let mut value = config(name, "1").value();
        value["metadata"]["annotations"] =
            json!({"helm.sh/hook": event, "helm.sh/hook-delete-policy": policy});
        Object::new(value, Origin::default()).expect("it is an object")
    };
    let world = World {
        desired: vec![
            hook("before", "pre-install", "hook-succeeded"),
            hook("kept", "pre-install", "before-hook-creation,hook-failed"),
            config("a", "1"),
            hook("after", "post-install", "hook-failed, hook-succeeded"),
        ],
        ..World::default()
    };
    let removed = |answer: &dyn Fn(&Effect) -> Event| {
        let plan = make(&stack(), &world);
        let (operation, effects) = play(begun(plan, Mode::Wave, Recording::Unneeded), answer);
        assert_eq!(effects.last(), Some(&Effect::Close));
        let steps = &operation.plan.steps;
        let names = effects.iter().filter_map(|effect| match effect {
            Effect::Remove(step) => Some(steps[*step].key.key.name.to_string()),
            _ => None,
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(removed(&agree), ["after", "before"]);
    let fails_at = |step: usize| {
        move |effect: &Effect| match effect {
            Effect::Judge(next) if *next > step => Event::Judged(Judgement::Failed {
                step,
                message: "no".to_owned(),
            }),
            other => agree(other),
        }
    };
    // The steps are: before, kept, a, after.
    assert_eq!(removed(&fails_at(0)), Vec::<String>::new());
    assert_eq!(removed(&fails_at(1)), ["kept"]);
    assert_eq!(removed(&fails_at(3)), ["after", "before"]);
}

#[test]
fn the_inventory_is_durable_before_the_first_step_and_waves_wait_for_health() {
    let (operation, effects) = play(started(Mode::Wave), agree);
    use Effect::{Close, Judge, Perform, Record};
    let expected = [
        Record,
        Perform(0),
        Perform(1),
        Perform(2),
        Judge(3),
        Perform(3),
        Close,
    ];
    assert_eq!(effects, expected);
    assert_eq!(operation.stage, Stage::Ended(End::Succeeded));
    assert_eq!(summary(&outcome(&operation, at(2))), "4 created");
}

#[test]
fn an_atomic_operation_asks_about_everything_before_it_begins() {
    let refuse_third = |effect: &Effect| match effect {
        Effect::Check(2) => Event::Checked {
            step: 2,
            result: Err(failure()),
        },
        other => agree(other),
    };
    let (operation, effects) = play(started(Mode::Atomic), refuse_third);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Perform(_))),
        "{effects:?}"
    );
    assert_eq!(operation.stage, Stage::Ended(End::Failed));
    assert_eq!(
        summary(&outcome(&operation, at(2))),
        "1 failed, 3 not begun"
    );
}

#[test]
fn a_failure_ends_the_operation_with_its_wave_and_all_errors_of_it_are_kept() {
    let fail = |effect: &Effect| match effect {
        Effect::Perform(step @ (1 | 2)) => Event::StepEnded {
            step: *step,
            result: Err(failure()),
        },
        other => agree(other),
    };
    let (operation, _) = play(started(Mode::Wave), fail);
    assert_eq!(
        summary(&outcome(&operation, at(2))),
        "1 created, 2 failed, 1 not begun"
    );
    let (operation, _) = play(started(Mode::Object), fail);
    assert_eq!(summary(&outcome(&operation, at(2))), "2 created, 2 failed");
}

#[test]
fn the_deadline_ends_an_operation_that_waits_for_health() {
    let wait = |effect: &Effect| match effect {
        Effect::Judge(_) => Event::Judged(Judgement::Waiting),
        other => agree(other),
    };
    let (operation, _) = play(started(Mode::Wave), wait);
    assert_eq!(operation.stage, Stage::Settling { next: 3 });
    let (operation, effects) = advance(operation, Event::Tick, at(61));
    assert_eq!(effects, [Effect::Close]);
    assert_eq!(operation.stage, Stage::Ended(End::TimedOut));
}

/// Every event that could come to an operation of four steps.
fn alphabet() -> Vec<Event> {
    let mut events = vec![
        Event::Begin,
        Event::Recorded(Ok(())),
        Event::Recorded(Err(failure())),
        Event::Judged(Judgement::Healthy),
        Event::Judged(Judgement::Waiting),
        Event::Judged(Judgement::Failed {
            step: 0,
            message: "no".to_owned(),
        }),
        Event::Tick,
        Event::Terminate,
    ];
    for step in 0..5 {
        for result in [Ok(()), Err(failure())] {
            events.push(Event::Checked { step, result });
        }
        for result in [Ok(Changed::Yes), Err(failure())] {
            events.push(Event::StepEnded { step, result });
        }
    }
    events
}

/// Walks every sequence of events up to a length; sequences that lead to a state that was seen
/// before with as many events left are not walked twice.
struct Walk {
    seen: BTreeSet<(String, usize)>,
    ended: usize,
}

impl Walk {
    fn from(&mut self, operation: &Operation, performed: &[usize], left: usize) {
        let state = format!(
            "{:?}{:?}{:?}",
            operation.stage, operation.steps, operation.ending
        );
        if left == 0 || !self.seen.insert((state, left)) {
            return;
        }
        for event in alphabet() {
            let terminate = matches!(event, Event::Terminate);
            let (next, effects) = advance(operation.clone(), event, at(1));
            let mut performed = performed.to_vec();
            for effect in &effects {
                if let Effect::Perform(step) = effect {
                    assert!(!performed.contains(step), "step {step} was performed twice");
                    performed.push(*step);
                }
            }
            let was_over = matches!(operation.stage, Stage::Ended(_));
            let is_over = matches!(next.stage, Stage::Ended(_));
            let closes = effects
                .iter()
                .filter(|effect| **effect == Effect::Close)
                .count();
            assert_eq!(closes, usize::from(is_over && !was_over));
            let busy = next.steps.contains(&StepState::Running);
            assert!(!is_over || !busy, "ended while a step is under way");
            assert!(!terminate || is_over || busy, "terminate left it waiting");
            self.ended += usize::from(is_over);
            if is_over {
                let outcome = outcome(&next, at(2));
                let told = outcome.done.len() + outcome.failed.len() + outcome.not_begun.len();
                assert_eq!(told, 4, "a step is missing from the outcome");
            }
            self.from(&next, &performed, left - 1);
        }
    }
}

#[test]
fn over_all_short_sequences_of_events_nothing_is_done_twice_and_the_end_comes_once() {
    for mode in [Mode::Atomic, Mode::Wave, Mode::Object] {
        let operation = begin(
            waves(),
            mode,
            Recording::Needed,
            at(0),
            Duration::from_secs(60),
        );
        let mut walk = Walk {
            seen: BTreeSet::new(),
            ended: 0,
        };
        walk.from(&operation, &[], 9);
        assert!(walk.ended > 100, "the walk reached {} ends", walk.ended);
    }
}

#[test]
fn an_operation_that_is_left_alone_ends_by_its_deadline_from_every_stage() {
    let stuck = [
        begin(
            waves(),
            Mode::Wave,
            Recording::Needed,
            at(0),
            Duration::from_secs(60),
        ),
        started(Mode::Atomic).0,
        started(Mode::Wave).0,
    ];
    for operation in stuck {
        let (operation, effects) = advance(operation, Event::Tick, at(60));
        assert_eq!(operation.stage, Stage::Ended(End::TimedOut));
        assert_eq!(effects, [Effect::Close]);
    }
}

#[test]
fn a_key_joins_the_inventory_before_and_leaves_it_after_its_delete_is_confirmed() {
    let world = World {
        desired: vec![config("a", "1")],
        live: vec![live(&config("b", "1"))],
        owned: vec![config("b", "1")],
        ..World::default()
    };
    let plan = make(&stack(), &world);
    let inventory = Inventory {
        entries: BTreeMap::from([(config("b", "").key().clone(), "v1".into())]),
        ..Inventory::default()
    };
    let before = inventory.before(&plan).expect("a key joins");
    assert_eq!(before.entries.len(), 2);
    let (operation, _) = play(begun(plan, Mode::Wave, Recording::Needed), agree);
    assert_eq!(before.after(&operation, |_| true).entries.len(), 1);
    assert_eq!(before.after(&operation, |_| false).entries.len(), 2);
    assert_eq!(Inventory::parse(&before.to_lines()), Ok(before));
}

#[test]
fn an_unchanged_kept_object_makes_an_empty_plan() {
    let world = World {
        desired: vec![config("a", "1")],
        live: vec![live(&config("a", "1"))],
        owned: vec![config("a", "1")],
        ..World::default()
    };
    let plan = make(&stack(), &world);
    assert!(plan.is_empty());
    assert_eq!(plan.steps[0].verb, Verb::Keep);
    assert_eq!(plan.steps[0].why, Why::Unchanged);
    assert_eq!(plan.held_digest(), None::<Digest>);
}
