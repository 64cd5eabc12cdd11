//! That whatever fails is an Event, a line of the log and a metric, once and then counted; and that what
//! broke is never said to be synced.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;
use std::time::Duration;

use holdfast_model::event::FailureKind;
use holdfast_model::object::ManagerOperation;
use holdfast_model::operation::{Class, Failure};
use holdfast_model::stack::TargetName;
use holdfast_model::status::Truth;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::world::{World, block_on, config, lock};

thread_local! {
    /// What was logged by this test, where it wants to know.
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what each test logs, a line each: the level, and the fields with their values. There is one for
/// the whole process: what is not listened to when it is said first is not said later either.
struct Log;

impl Log {
    /// What is logged from here on is kept, and what was is forgotten.
    fn begin() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(Self).expect("there is no other");
        });
        LOGGED.with_borrow_mut(Vec::clear);
    }

    /// The lines of a level that have all of some words.
    fn lines(level: Level, words: &[&str]) -> usize {
        let is_meant = |line: &&String| {
            line.starts_with(level.as_str()) && words.iter().all(|word| line.contains(word))
        };
        LOGGED.with_borrow(|lines| lines.iter().filter(is_meant).count())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("holdfast")
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LOGGED.with_borrow_mut(|lines| lines.push(line.0));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

const WEB: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "conditions": [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
         "message": "it has timed out progressing"}]}}"#;

const WORKS: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}}"#;

const DEPLOYMENT: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n";

const STRANGER: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "h", "namespace": "shop"}, "data": {"text": "theirs"}}"#;

fn refusal() -> Failure {
    Failure {
        class: Class::Transient,
        reason: "Forbidden",
        message: "it is forbidden".to_owned(),
        hint: None,
    }
}

/// Has a Stack `s` of one ConfigMap fail in one way.
async fn fail(world: &mut World, kind: FailureKind) {
    world.commit(&[("app/a.yaml", &config("a", "1"))]);
    world.stack("s", "app");
    let target = world.target("in-cluster");
    match kind {
        FailureKind::Source => world.set_away(true),
        FailureKind::Render => world.commit(&[("app/a.yaml", "{ this is: no YAML\n")]),
        FailureKind::Target => {
            let nowhere = TargetName("nowhere".to_owned());
            world.stack("s", "app").destination.target = nowhere;
        }
        FailureKind::Apply => *lock(&target.refuses) = Some(refusal()),
        FailureKind::Hook => {
            let hook = config("h", "1");
            let hook = hook.replace(
                "{name:",
                "{annotations: {holdfast.dev/hook: pre-sync}, name:",
            );
            world.commit(&[("app/h.yaml", &hook)]);
            target.put(STRANGER, "kubectl", ManagerOperation::Update);
        }
        FailureKind::Health => {
            world.commit(&[("app/web.yaml", DEPLOYMENT)]);
            target.put(WEB, "kubelet", ManagerOperation::Update);
        }
        FailureKind::Policy => {
            world.upsert("s");
            world.reconcile("s").await;
            world.commit(&[("app/a.yaml", "# nothing\n")]);
        }
        FailureKind::Spec | FailureKind::ControlPlane | FailureKind::Defect => {}
    }
    match kind {
        FailureKind::Spec => world.upsert_broken("s", "spec.snyc: unknown field"),
        _ => world.upsert("s"),
    }
    world.reconcile("s").await;
}

#[test]
fn every_failure_is_an_event_a_line_of_the_log_and_a_metric_and_is_said_once() {
    for (kind, reason, words) in [
        (FailureKind::Source, "SourceFailed", "could not fetch"),
        (FailureKind::Render, "RenderFailed", "app/a.yaml"),
        (FailureKind::Spec, "InvalidSpec", "spec.snyc"),
        (FailureKind::Target, "TargetFailed", "nowhere"),
        (FailureKind::Apply, "SyncFailed", "it is forbidden"),
        (
            FailureKind::Hook,
            "HookFailed",
            "ConfigMap/shop/h (app/h.yaml:1)",
        ),
        (
            FailureKind::Health,
            "Degraded",
            "Deployment.apps/shop/web (app/web.yaml:1)",
        ),
        (
            FailureKind::Policy,
            "ConfirmationNeeded",
            "holdfast approve s sha256:",
        ),
    ] {
        Log::begin();
        block_on(async {
            let mut world = World::new();
            fail(&mut world, kind).await;
            for _ in 0..3 {
                world.pass(Duration::from_secs(30));
                world.reconcile("s").await;
            }
            let said = world.notices();
            let begin = format!("s {reason}: ");
            let is_meant = |line: &&String| line.starts_with(&begin) && line.contains(words);
            let count = said.iter().filter(is_meant).count();
            assert!(count > 0, "{kind:?}: {said:?}");
            let normal = ["s Synced: ", "s Applied: "];
            let is_normal = |line: &&String| normal.iter().any(|word| line.starts_with(word));
            let expected = usize::from(kind == FailureKind::Policy);
            let synced = said
                .iter()
                .filter(is_normal)
                .filter(|line| line.contains("Synced"));
            assert_eq!(synced.count(), expected, "{kind:?}: {said:?}");
            let fields = ["stack=team-a/s", reason, words, kind.word()];
            assert_eq!(Log::lines(Level::WARN, &fields), 1, "{kind:?}: {said:?}");
            assert_eq!(Log::lines(Level::DEBUG, &fields), count - 1, "{kind:?}");
            let telemetry = world.engine.telemetry();
            let of_stack = telemetry.stacks.values().next().expect("it is counted");
            let counted = of_stack.failures.get(kind.word()).copied();
            assert_eq!(counted, u64::try_from(count).ok(), "{kind:?}");
            assert_eq!(telemetry.events.get(reason).copied(), counted);
        });
    }
}

#[test]
fn what_was_applied_is_said_to_be_synced_when_it_works_and_recoveries_are_said() {
    block_on(async {
        let mut world = World::new();
        fail(&mut world, FailureKind::Health).await;
        let said = world.notices();
        let reasons = |said: &[String]| -> Vec<String> {
            let words = said.iter().filter_map(|line| line.split([' ', ':']).nth(1));
            words.map(str::to_owned).collect()
        };
        assert_eq!(reasons(&said), ["Applied", "Degraded"], "{said:?}");
        let target = world.target("in-cluster");
        target.put(WORKS, "kubelet", ManagerOperation::Update);
        target.replace(WORKS, "holdfast", ManagerOperation::Apply);
        world.reconcile("s").await;
        let said = world.notices();
        let found = reasons(&said);
        assert!(found.contains(&"HealthRecovered".to_owned()), "{said:?}");
        assert!(found.contains(&"Synced".to_owned()), "{said:?}");
        assert!(world.is_ready("s"));
    });
}

#[test]
fn a_source_that_is_away_is_an_event_after_a_while_and_so_is_that_it_is_back() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        world.notices();
        world.set_away(true);
        for _ in 0..3 {
            world.pass(Duration::from_secs(30));
            world.reconcile("s").await;
            assert_eq!(world.notices(), Vec::<String>::new());
            assert_eq!(world.status("s").source.holds, Truth::False);
        }
        world.pass(Duration::from_secs(3_600));
        world.reconcile("s").await;
        let said = world.notices();
        assert!(
            said[0].starts_with("s SourceFailed: the source cannot be read since"),
            "{said:?}"
        );
        world.set_away(false);
        world.reconcile("s").await;
        let said = world.notices();
        assert!(said[0].starts_with("s SourceRecovered: "), "{said:?}");
        // One that is over before anybody heard of it was none.
        world.set_away(true);
        world.reconcile("s").await;
        world.set_away(false);
        world.reconcile("s").await;
        assert_eq!(world.notices(), Vec::<String>::new());
    });
}

#[test]
fn that_a_stack_is_suspended_resumed_and_deleted_is_said() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[("app/a.yaml", &config("a", "1"))]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        for (is_suspended, reason) in [(true, "s Suspended: "), (false, "s Resumed: ")] {
            world.notices();
            world.stack("s", "app").suspended = is_suspended;
            world.upsert("s");
            world.reconcile("s").await;
            let said = world.notices();
            assert!(said.iter().any(|line| line.starts_with(reason)), "{said:?}");
        }
        world.stack("s", "app").deleting = true;
        world.upsert("s");
        world.reconcile("s").await;
        let said = world.notices();
        assert!(
            said.iter().any(|line| line.starts_with("s Deleted: ")),
            "{said:?}"
        );
        world.forget("s");
        world.settle().await;
        assert!(world.engine.telemetry().stacks.is_empty());
    });
}

const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \
    holdfast.dev/hook: pre-sync\n    holdfast.dev/hook-delete: hook-failed\nspec: {backoffLimit: 0}\n";

#[test]
fn a_hook_that_fails_is_named_with_its_file_what_its_pods_said_and_what_to_do() {
    block_on(async {
        let mut world = World::new();
        world.commit(&[
            ("app/a.yaml", &config("a", "1")),
            ("app/jobs/migrate.yaml", JOB),
        ]);
        world.stack("s", "app");
        world.upsert("s");
        world.reconcile("s").await;
        let target = world.target("in-cluster");
        *lock(&target.says) = vec!["Pod migrate-x: exited with code 1: no such table".to_owned()];
        let job = target.named("migrate").expect("it runs");
        let mut value = job.value.unpack();
        value["status"]["conditions"] = r#"[{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "it failed"}]"#
            .parse()
            .expect("it is JSON");
        target.put(&value.to_string(), "kubelet", ManagerOperation::Update);
        world.notices();
        world.reconcile("s").await;
        let said = world.notices();
        let words = [
            "Job.batch/shop/migrate (app/jobs/migrate.yaml:1)",
            "no such table",
            "holdfast sync s",
        ];
        let event = said.iter().find(|line| line.starts_with("s HookFailed: "));
        let event = event.unwrap_or_else(|| panic!("{said:?}"));
        let status = world.status("s");
        for words in words {
            assert!(event.contains(words), "{event}");
            assert!(
                status.ready.message.contains(words),
                "{}",
                status.ready.message
            );
        }
        assert!(
            target.named("migrate").is_none(),
            "it goes as its policy says"
        );
        assert!(target.configs("shop").is_empty(), "nothing comes after it");
    });
}
