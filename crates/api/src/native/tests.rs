//! Tests of the native dialect.

use holdfast_model::Value;
use holdfast_model::deed::{Action, Deed};
use holdfast_model::stack::{Mode, Reference};
use holdfast_model::status::Status;
use holdfast_model::tenant::Tenant;
use holdfast_model::time::Time;
use serde_json::json;

use super::{crds, pin, stack, status, tenant};

fn stack_of(spec: Value) -> Value {
    json!({
        "apiVersion": super::API_VERSION,
        "kind": "Stack",
        "metadata": {"name": "shop", "namespace": "team-a", "uid": "u", "generation": 3},
        "spec": spec,
    })
}

fn check_problems(spec: Value, expected: &[&str]) {
    let read = stack::read(&stack_of(spec));
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn a_short_stack_has_defaults_for_the_rest() {
    let read = stack::read(&stack_of(
        json!({"source": {"git": "https://git.example/shop.git"}}),
    ));
    assert_eq!(read.problems, []);
    let stack = read.stack;
    assert_eq!(stack.source.reference, Reference::Head);
    assert_eq!(stack.destination.namespace, "team-a");
    assert_eq!(stack.destination.target.0, "in-cluster");
    assert_eq!(stack.sync.mode, Mode::Wave);
    assert!(stack.sync.prune && stack.sync.heal && stack.sync.automatic);
}

#[test]
fn a_misspelt_name_is_told_with_the_nearest_right_one() {
    check_problems(
        json!({"source": {"git": "https://git.example/shop.git", "brnach": "main"}, "snyc": {}}),
        &[
            "spec.snyc: unknown field; did you mean `sync`?",
            "spec.source.brnach: unknown field; did you mean `branch`?",
        ],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    check_problems(
        json!({
            "source": {"path": "../elsewhere", "branch": "main", "tag": "v1"},
            "sync": {"mode": "fast", "limits": {"prune": "130%"}, "timeout": "soon"},
        }),
        &[
            "spec.source.git: is required",
            "spec.source.path: leaves the repository",
            "spec.source.tag: cannot stand beside `branch`; a Stack follows one of them",
            "spec.sync.mode: takes atomic, wave or object",
            "spec.sync.limits.prune: takes a percentage from 0% to 100%",
            "spec.sync.timeout: takes a duration such as 30s, 5m or 1h30m",
        ],
    );
}

#[test]
fn a_password_in_the_address_is_refused_without_being_repeated() {
    let read = stack::read(&stack_of(
        json!({"source": {"git": "https://me:hunter2@git.example/a"}}),
    ));
    let text = read.problems[0].to_string();
    assert!(text.contains("spec.source.credentials"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn the_definition_names_every_field_that_the_reader_knows() {
    let definition = &crds::definitions()[0];
    let spec = definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .expect("the definition has a spec");
    for path in schema_paths(spec, "spec") {
        let mut value = json!("x");
        for name in path.split('.').skip(1).collect::<Vec<_>>().iter().rev() {
            value = json!({*name: value});
        }
        let read = stack::read(&stack_of(value));
        let unknown = read
            .problems
            .iter()
            .find(|problem| problem.message.starts_with("unknown"));
        assert_eq!(unknown, None, "{path}");
    }
}

fn schema_paths(schema: &Value, path: &str) -> Vec<String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return vec![path.to_owned()];
    };
    properties
        .iter()
        .flat_map(|(name, below)| schema_paths(below, &format!("{path}.{name}")))
        .collect()
}

#[test]
fn a_pin_survives_being_written_and_read() {
    let commit = "a".repeat(40);
    let mut object = stack_of(json!({"source": {"git": "https://git.example/shop.git"}}));
    let text = format!(r#"{{"commit":"{commit}","expires":"2026-01-31T12:00:00Z"}}"#);
    object["metadata"]["annotations"] = json!({super::PIN_ANNOTATION: text});
    let pin = stack::read(&object).stack.pin.expect("there is a pin");
    assert_eq!(pin::write(&pin), text);
    assert_eq!(pin.written, text);
    let rendered = format!("sha256:{}", "0".repeat(64));
    let text = json!({"commit": commit, "reference": "main", "by": "alice", "reason": "it broke",
        "since": "2026-01-31T12:00:00Z", "from": {"commit": "c9", "rendered": rendered}})
    .to_string();
    object["metadata"]["annotations"] = json!({super::PIN_ANNOTATION: text});
    let pin = stack::read(&object).stack.pin.expect("there is a pin");
    assert_eq!(pin::write(&pin), text);
    let empty = json!({"from": {}, "by": 1}).to_string();
    object["metadata"]["annotations"] = json!({super::PIN_ANNOTATION: empty});
    let problems = stack::read(&object).problems;
    assert_eq!(problems.len(), 3, "{problems:?}");
    let wrong = json!({"commit": "c0", "others": ["e1"], "charts": {"web": 1}}).to_string();
    object["metadata"]["annotations"] = json!({super::PIN_ANNOTATION: wrong});
    let problems = stack::read(&object).problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_status_keeps_what_a_restart_needs() {
    let wire = json!({
        "applied": {"commit": "c1", "reference": "main"},
        "rendered": format!("sha256:{}", "0".repeat(64)),
        "history": [{"commit": "c1", "reference": "main", "end": "succeeded",
            "at": "2026-01-31T12:00:00Z", "summary": "2 created",
            "rendered": format!("sha256:{}", "0".repeat(64))}],
        "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 3},
            {"type": "SourceReady", "status": "False", "message": "it is away",
                "lastTransitionTime": "2026-01-31T12:00:00Z"},
        ],
    });
    let remembered = status::read(&wire);
    assert_eq!(remembered.ready_generation, Some(3));
    assert!(remembered.is_source_known);
    let trouble = remembered.source_trouble.expect("it is there");
    assert_eq!(trouble.since.to_string(), "2026-01-31T12:00:00Z");
    assert_eq!(trouble.message, "it is away");
    assert_eq!(remembered.history.len(), 1);
    assert_eq!(remembered.history[0].attempts, 1);
    assert_eq!(remembered.applied.expect("it is there").commit.0, "c1");
}

#[test]
fn other_sources_have_names_of_their_own() {
    let git = "https://git.example/config.git";
    let sources = json!([
        {"name": "env", "git": git, "semver": "1.x", "path": "prod"},
        {"name": "more", "git": git},
    ]);
    let read = stack::read(&stack_of(
        json!({"source": {"git": git}, "sources": sources}),
    ));
    assert_eq!(read.problems, []);
    let names: Vec<_> = read.stack.sources().map(|(name, _)| name).collect();
    assert_eq!(names, ["", "env", "more"]);
    let env = &read.stack.others[0].source;
    assert_eq!(env.reference, Reference::Semver("1.x".to_owned()));
    assert_eq!(env.path.as_str(), "prod");
    check_problems(
        json!({"source": {"git": git}, "sources": [
            {"name": "a/b", "git": git},
            {"name": "env", "git": git, "tag": "v1", "branch": "main"},
            {"name": "env", "git": "here"},
            {"git": git, "nmae": "x"},
        ]}),
        &[
            "spec.sources[0].name: `a/b` is not made of letters, digits, `-` and `_`",
            "spec.sources[1].tag: cannot stand beside `branch`; a Stack follows one of them",
            "spec.sources[2].name: is the name of another source",
            "spec.sources[2].git: takes https://, http://, ssh:// or file:// and a repository",
            "spec.sources[3].nmae: unknown field; did you mean `name`?",
            "spec.sources[3].name: is required",
        ],
    );
}

#[test]
fn commits_of_other_sources_come_back_from_status_and_pin() {
    let env = json!({"env": "e1"});
    let charts = json!({"https://x.example/web@1.x": "1.2.0"});
    let status = json!({
        "applied": {"commit": "c1", "reference": "main", "others": env, "charts": charts},
        "history": [{"commit": "c1", "reference": "main", "others": env, "charts": charts, "end": "succeeded",
            "at": "2026-01-31T12:00:00Z", "summary": "1 created",
            "rendered": format!("sha256:{}", "0".repeat(64))}],
    });
    let remembered = status::read(&status);
    let applied = remembered.applied.expect("it is there");
    assert_eq!(applied.to_string(), "main@c1 env@e1 web-1.2.0");
    assert_eq!(remembered.history[0].revision, applied);
    let mut object = stack_of(json!({"source": {"git": "https://git.example/a.git"}}));
    let text = json!({"commit": "c0", "others": env, "charts": charts}).to_string();
    object["metadata"]["annotations"] = json!({super::PIN_ANNOTATION: text});
    let pin = stack::read(&object).stack.pin.expect("a pin");
    assert_eq!(pin.revision.others["env"].0, "e1");
    assert_eq!(pin.revision.charts["https://x.example/web@1.x"], "1.2.0");
    assert_eq!(pin::write(&pin), text);
}

#[test]
fn what_a_status_tells_of_pins_and_revisions_is_read_back() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let wire = json!({
        "applied": {"commit": "c1", "reference": "main"},
        "attempted": {"commit": "c1", "reference": "main"},
        "appliedRevision": "c1",
        "sourceRevision": "c2",
        "rendered": digest,
        "followed": {"commit": "c2", "reference": "main", "rendered": digest,
            "seenAt": "2026-01-31T09:30:00Z"},
        "pin": {"commit": "c1", "by": "alice", "from": {"commit": "c2", "rendered": digest}},
        "history": [
            {"commit": "c2", "reference": "main", "end": "unpinned",
                "at": "2026-01-31T12:00:00Z", "summary": "it ended"},
            {"commit": "c1", "reference": "main", "end": "pinned",
                "at": "2026-01-31T11:00:00Z", "summary": "alice went back"},
            {"commit": "c2", "reference": "main", "end": "failed", "attempts": 4,
                "at": "2026-01-31T10:00:00Z", "summary": "1 failed", "rendered": digest},
        ],
        "healthyRevisions": [{"commit": "c1", "reference": "main", "rendered": digest,
            "at": "2026-01-31T09:00:00Z", "left": "2026-01-31T11:00:00Z"}],
    });
    let remembered = status::read(&wire);
    let told = Status {
        applied: remembered.applied,
        attempted: remembered.attempted,
        rendered: remembered.rendered,
        followed: remembered.followed,
        pin: remembered.pin,
        history: remembered.history,
        worked: remembered.worked,
        ..Status::default()
    };
    let mut written = status::write(&told, &wire, Time::default());
    for name in ["conditions", "inventory", "observedGeneration"] {
        written.as_object_mut().expect("a status").remove(name);
    }
    assert_eq!(written, wire);
    // What was not there before is seen now.
    let now = Time::parse("2026-02-01T08:00:00Z").expect("a time");
    let other = json!({"followed": {"commit": "c1", "reference": "main",
        "seenAt": "2026-01-31T08:00:00Z"}});
    let written = status::write(&told, &other, now);
    assert_eq!(written["followed"]["seenAt"], "2026-02-01T08:00:00Z");
}

#[test]
fn who_asked_for_what_is_read_as_it_was_written_and_names_nobody_else() {
    let deed = Deed {
        by: "alice".to_owned(),
        of: "0a1b".to_owned(),
        at: Time::parse("2026-01-31T12:00:00Z"),
        reason: Some("C is slow".to_owned()),
    };
    let mut object = stack_of(json!({"source": {"git": "https://git.example/shop.git"}}));
    let mut annotations = super::deeds::write(Action::Rollback, Some(&deed));
    let pin = r#"{"commit": "0a1b", "by": "mallory"}"#;
    annotations.insert(super::PIN_ANNOTATION.to_owned(), pin.into());
    object["metadata"]["annotations"] = annotations.into();
    let read = stack::read(&object).stack;
    assert_eq!(read.deeds.get(&Action::Rollback), Some(&deed));
    // The annotation that admission can see to counts, where it is of this very rollback.
    let by = |object: &Value| stack::read(object).stack.pin.and_then(|pin| pin.by);
    assert_eq!(by(&object).as_deref(), Some("alice"));
    let other = r#"{"commit": "ffff", "by": "mallory"}"#;
    object["metadata"]["annotations"][super::PIN_ANNOTATION] = other.into();
    assert_eq!(by(&object).as_deref(), Some("mallory"));
    let cleared = super::deeds::write(Action::Rollback, None);
    assert!(cleared.values().all(Value::is_null), "{cleared:?}");
}

/// A Tenant that is as it should be.
fn tenant_spec() -> Value {
    json!({
        "namespaces": ["team-a"],
        "sources": ["*"],
        "destinations": [{"targets": ["in-cluster"], "namespaces": ["team-a"]}],
        "serviceAccount": "deployer",
    })
}

fn tenant_of(spec: &Value) -> Tenant {
    tenant::read(&json!({"metadata": {"name": "a"}, "spec": spec}))
}

#[test]
fn a_tenant_is_read_and_nothing_is_allowed_that_it_does_not_name() {
    let read = tenant_of(&tenant_spec());
    assert_eq!(read.problems, [""; 0]);
    assert!(read.namespaces.allow("team-a") && !read.namespaces.allow("team-b"));
    assert!(read.sources.allow("https://git.example/x") && read.kinds.allow("Deployment.apps"));
    assert!(!read.cluster_kinds.allow("Namespace"));
}

#[test]
fn what_cannot_be_read_of_a_tenant_is_said_and_allows_nothing() {
    const REQUIRED: &str = "is required, and has at least one pattern";
    for (path, value, place, problem) in [
        ("sources", json!(null), "", REQUIRED),
        ("sources", json!([]), "", REQUIRED),
        (
            "sources",
            json!(["!x"]),
            "",
            "only takes away, so that it allows nothing; name first what is allowed, such as \"*\"",
        ),
        ("sources", json!([7]), "[0]", "takes a text"),
        ("kinds", json!({"namespaced": []}), ".namespaced", REQUIRED),
        (
            "kinds",
            json!({"clutser": []}),
            ".clutser",
            "unknown field; did you mean `cluster`?",
        ),
        (
            "destinations",
            json!([]),
            "",
            "is required, and has at least one item",
        ),
        (
            "destinations",
            json!([{"targets": ["*"]}]),
            "[0].namespaces",
            REQUIRED,
        ),
        (
            "serviceAccount",
            json!("a:b"),
            "",
            "`a:b` is no name of a ServiceAccount",
        ),
    ] {
        let mut spec = tenant_spec();
        spec[path] = value;
        let read = tenant_of(&spec);
        assert_eq!(read.problems, [format!("spec.{path}{place}: {problem}")]);
        assert!(
            read.namespaces.allow("team-a") && !read.namespaces.allow("team-b"),
            "{path}"
        );
    }
    // Whose it is cannot be known, so it is everybody's, and refuses everybody.
    let mut spec = tenant_spec();
    spec["namespaces"] = json!("team-a");
    assert!(tenant_of(&spec).namespaces.allow("team-b"));
    assert_eq!(tenant_of(&spec).problems.len(), 1);
}
