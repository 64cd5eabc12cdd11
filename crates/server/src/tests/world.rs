//! Stacks by hand.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::digest::Digest;
use holdfast_model::object::{GroupKind, Key, Object, Origin};
use holdfast_model::operation::End;
use holdfast_model::plan::{Phase, Slot, Verb, Why};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{
    Deletion, Destination, Mode, Reference, RenderChoice, Repository, Source, Stack, StackKey,
    StackUid, SyncPolicy, TargetName,
};
use holdfast_model::status::{
    Condition, Followed, Past, PastEnd, Problem, Reason, Status, Truth, UnderWay, Worked,
};
use holdfast_model::time::Time;
use holdfast_model::view::{
    Course, FieldChange, Health, Objects, Proposal, ProposedStep, Said, StackView, Unwell, Wake,
    WakeReason,
};
use serde_json::json;

use super::NOW;

pub(super) fn key(name: &str) -> StackKey {
    StackKey {
        namespace: "team-a".to_owned(),
        name: name.to_owned(),
    }
}

pub(super) fn commit(digit: char) -> Revision {
    Revision::new(CommitId(digit.to_string().repeat(40)), "main")
}

pub(super) fn condition(holds: Truth, reason: Reason, message: &str) -> Condition {
    Condition {
        holds,
        reason,
        message: message.to_owned(),
    }
}

fn stack(name: &str) -> Stack {
    Stack {
        key: key(name),
        uid: StackUid(format!("uid-{name}")),
        generation: 1,
        source: Source {
            repository: Repository {
                url: "https://git.example/shop.git".to_owned(),
                credentials: None,
                interval: Duration::from_secs(60),
            },
            reference: Reference::Branch("main".to_owned()),
            path: TreePath::parse("envs/prod").expect("it is a path"),
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
        requested: None,
        refresh: None,
        terminate: None,
        take_back: None,
        approved: None,
        deeds: Default::default(),
        deleting: false,
    }
}

pub(super) fn object_key(kind: &str, name: &str) -> Key {
    let group = if kind == "Deployment" { "apps" } else { "" };
    Key::new(&GroupKind::new(group, kind), Some("shop"), name)
}

fn objects() -> Objects {
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap",
               "metadata": {"name": "files", "namespace": "shop"}, "data": {"text": "unseen value"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
               "metadata": {"name": "web", "namespace": "shop"},
               "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                   "volumes": [{"name": "files", "configMap": {"name": "files"}}]}}}}),
        json!({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}),
    ];
    let objects = objects.into_iter().map(|value: Value| {
        let origin = Origin {
            path: TreePath::parse("base/web.yaml").expect("it is a path"),
            line: 3,
        };
        Object::new(value, origin).expect("it is an object")
    });
    let objects: Arc<[Object]> = objects.collect();
    Objects::of(&objects)
}

fn past(digit: char, end: End, seconds_ago: i64, summary: &str) -> Past {
    Past {
        revision: commit(digit),
        end: PastEnd::Operation(end),
        at: Time::from_millis(NOW - seconds_ago * 1_000),
        summary: summary.to_owned(),
        rendered: None,
        attempts: 1,
    }
}

fn worked(digit: char) -> Worked {
    Worked {
        revision: commit(digit),
        rendered: Digest::of_bytes(&[digit as u8]),
        at: Time::from_millis(NOW - 600_000),
        left: None,
    }
}

/// A Stack at which all is well.
pub(super) fn ready(name: &str) -> StackView {
    let well = condition(
        Truth::True,
        Reason::Succeeded,
        "main@aaaaaaaaaaaa is in place",
    );
    let status = Status {
        generation: 1,
        applied: Some(commit('a')),
        attempted: Some(commit('a')),
        followed: Some(Followed {
            revision: commit('a'),
            rendered: None,
        }),
        ready: well.clone(),
        synced: well.clone(),
        healthy: condition(Truth::True, Reason::Succeeded, "3 objects healthy"),
        source: well,
        history: vec![past(
            'a',
            End::Succeeded,
            300,
            "1 updated (drift: changed by alice)",
        )],
        worked: vec![worked('a'), worked('b')],
        ..Status::default()
    };
    StackView {
        status: Arc::new(status),
        objects: objects(),
        number: 3,
        ..StackView::new(Arc::new(stack(name)), Time::from_millis(NOW))
    }
}

/// A Stack whose Deployment does not work, while an operation is under way.
pub(super) fn failing(name: &str) -> StackView {
    let web = object_key("Deployment", "web");
    let mut view = ready(name);
    let words = "ImagePullBackOff: registry.example/web:broken";
    let mut status = Status::clone(&view.status);
    status.ready = condition(Truth::False, Reason::Degraded, words);
    status.healthy = status.ready.clone();
    status.problems = vec![Problem {
        reason: "Degraded".to_owned(),
        object: Some(web.clone()),
        origin: None,
        message: words.to_owned(),
        hint: Some("look at the image".to_owned()),
    }];
    status.operation = Some(UnderWay {
        revision: commit('c'),
        started: Time::from_millis(NOW - 125_000),
        deadline: Time::from_millis(NOW + 475_000),
    });
    view.status = Arc::new(status);
    view.unwell = Arc::new([Unwell {
        key: web.clone(),
        health: Health::Degraded,
        message: words.to_owned(),
    }]);
    view.awaited = Arc::new([web.clone()]);
    view.wake = Some(Wake {
        at: Time::from_millis(NOW + 5_000),
        why: WakeReason::Health,
    });
    view.proposal = Some(Arc::new(proposal(&web)));
    view.said = Arc::new([Arc::new(Said {
        at: Time::from_millis(NOW - 10_000),
        reason: "Degraded",
        is_warning: true,
        object: Some(web),
        message: words.to_owned(),
        times: 3,
    })]);
    view
}

fn proposal(web: &Key) -> Proposal {
    let field = "/spec/template/spec/containers/0/image".to_owned();
    let fields = vec![field.clone()];
    Proposal {
        revision: commit('c'),
        digest: Digest::of_bytes(b"plan"),
        course: Course::Waiting,
        steps: vec![ProposedStep {
            key: web.clone(),
            verb: Verb::Update,
            why: Why::NewRevision { fields },
            slot: Slot {
                phase: Phase::Sync,
                wave: 2,
                rank: 0,
            },
            gate: None,
            origin: None,
            fields: vec![FieldChange {
                field,
                live: Some("registry.example/web:1.1".to_owned()),
                wanted: Some("registry.example/web:broken".to_owned()),
            }],
        }],
        more: 4,
        is_masked: false,
        at: Time::from_millis(NOW - 125_000),
    }
}

/// The same Stack with another status.
pub(super) fn with(mut view: StackView, change: impl FnOnce(&mut Status)) -> StackView {
    let mut status = Status::clone(&view.status);
    change(&mut status);
    view.status = Arc::new(status);
    view
}
