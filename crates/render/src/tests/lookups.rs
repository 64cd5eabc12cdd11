//! What charts look up in a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_model::Value;
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use holdfast_model::lookup::Lookup;
use holdfast_model::stack::RenderChoice;
use serde_json::json;

use super::setting;
use crate::{Error, Live, LookupSource, Rendered, Setting, Snapshot, Supplies, Unanswered, render};

fn secret(namespace: &str, name: &str, password: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name}, "data": {"password": password}})
}

fn snapshot(objects: Vec<Value>) -> Arc<dyn Live> {
    let versions = vec!["v1".to_owned(), "apps/v1".to_owned()];
    Arc::new(Snapshot::new(objects, versions).expect("objects"))
}

fn of(live: &Arc<dyn Live>) -> LookupSource {
    LookupSource::of(Arc::clone(live))
}

/// Renders a chart with one ConfigMap, whose only value is what a template prints.
fn rendered(template: &str, live: &Arc<dyn Live>) -> Result<Rendered, Error> {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{v: {{{{ {template} | quote }}}}}}\n"
    );
    let chart = "apiVersion: v2\nname: app\nversion: 0.1.0\n";
    let blobs = MemoryBlobs::of([
        ("app/Chart.yaml", chart),
        ("app/templates/a.yaml", text.as_str()),
    ]);
    let setting = Setting {
        lookups: LookupSource::of(Arc::clone(live)),
        ..setting()
    };
    render(
        &blobs,
        &TreePath::parse("app").expect("a path"),
        &RenderChoice::default(),
        &setting,
        &Supplies::default(),
    )
}

#[track_caller]
fn check(template: &str, live: &Arc<dyn Live>, expected: &str) {
    let said = match rendered(template, live) {
        Ok(rendered) => rendered.objects[0].value()["data"]["v"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Err(error) => match error.faults() {
            [fault] => fault.message.clone(),
            _ => error.to_string(),
        },
    };
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn objects_are_found_by_namespace_and_name() {
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"n": 3}});
    let live = snapshot(vec![
        secret("b", "s", "two"),
        secret("a-b", "s", "three"),
        json!({"apiVersion": "v1", "kind": "List", "items": [secret("a", "s", "one"), node]}),
    ]);
    check(
        r#"(lookup "v1" "Secret" "a" "s").data.password"#,
        &live,
        "one",
    );
    check(r#"lookup "v1" "Secret" "a" "none" | toJson"#, &live, "{}");
    check(r#"lookup "v1" "Secret" "" "s" | toJson"#, &live, "{}");
    check(
        r#"lookup "apps/v1" "Deployment" "a" "s" | toJson"#,
        &live,
        "{}",
    );
    // The namespace means nothing to a kind of the whole cluster.
    check(r#"(lookup "v1" "Node" "a" "n").spec.n"#, &live, "3");
    check(
        r#"kindOf (lookup "v1" "Node" "" "n").spec.n"#,
        &live,
        "int64",
    );
    let passwords =
        r#"range (lookup "v1" "Secret" "NS" "").items }}{{ .data.password }}-{{ end }}{{ 0"#;
    check(&passwords.replace("NS", "b"), &live, "two-\"0\"");
    check(&passwords.replace("NS", ""), &live, "three-one-two-\"0\"");
    check(&passwords.replace("NS", "c"), &live, "0");
    check(r#"(lookup "v1" "Secret" "c" "").kind"#, &live, "SecretList");
    check(r#"len (lookup "v1" "Pod" "" "").items"#, &live, "0");
}

#[test]
fn an_api_version_that_is_not_there_is_refused_as_by_helm() {
    let live = snapshot(Vec::new());
    check(
        r#"lookup "x.io/v1" "Foo" "" """#,
        &live,
        "error calling lookup: unable to get apiresource from unstructured: x.io/v1, Kind=Foo: \
         the server could not find the requested resource",
    );
    let live: Arc<dyn Live> = Arc::new(Snapshot::default());
    check(
        r#"lookup "v1" "Foo" "" """#,
        &live,
        "/v1, Kind=Foo: the server could not find the requested resource",
    );
}

#[test]
fn without_a_cluster_nothing_is_found() {
    let blobs = MemoryBlobs::of([
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 0.1.0\n",
        ),
        (
            "app/templates/a.yaml",
            "kind: A\napiVersion: v1\nmetadata: {name: a{{ lookup \"x/v1\" \"Y\" \"\" \"\" | len }}}\n",
        ),
    ]);
    let folder = TreePath::parse("app").expect("a path");
    let choice = RenderChoice::default();
    let rendered = render(&blobs, &folder, &choice, &setting(), &Supplies::default());
    let rendered = rendered.expect("it renders");
    assert_eq!(&*rendered.objects[0].key().name, "a0");
    assert_eq!(rendered.trace.lookups().count(), 0);
}

/// Answers with a Secret, and counts how often it is asked.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    fails: bool,
}

impl Live for Counting {
    fn look_up(&self, lookup: &Lookup) -> Result<Option<Value>, Unanswered> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.fails {
            true => Err(Unanswered::Failed {
                message: "the server is gone".to_owned(),
            }),
            false => Ok(Some(secret(&lookup.namespace, &lookup.name, "czNjcmV0"))),
        }
    }
}

#[test]
fn what_was_looked_up_is_asked_once_and_stands_in_the_trace() {
    let counting = Arc::new(Counting::default());
    let live: Arc<dyn Live> = counting.clone();
    let template = r#"printf "%s%s" (lookup "v1" "Secret" "a" "s").data.password (lookup "v1" "Secret" "a" "s").kind"#;
    let rendered = rendered(template, &live).expect("it renders");
    assert_eq!(counting.asked.load(Ordering::Relaxed), 1);
    let lookups: Vec<String> = rendered.trace.lookups().map(ToString::to_string).collect();
    assert_eq!(lookups, ["v1 Secret a s"]);
    // The object is a ConfigMap, but what is in it may be of the Secret.
    assert!(rendered.sensitive && rendered.trace.is_sensitive());
    assert!(!format!("{rendered:?}").contains("czNjcmV0"));
    let entropy = [0; 32];
    assert!(rendered.trace.lookups_hold(&of(&live), &entropy));
    let same = snapshot(vec![secret("a", "s", "czNjcmV0")]);
    assert!(rendered.trace.lookups_hold(&of(&same), &entropy));
    let other = snapshot(vec![secret("a", "s", "b3RoZXI=")]);
    assert!(!rendered.trace.lookups_hold(&of(&other), &entropy));
    assert!(
        !rendered
            .trace
            .lookups_hold(&of(&snapshot(Vec::new())), &entropy)
    );
    // Without the entropy of the render nobody can tell what the answer was.
    assert!(!rendered.trace.lookups_hold(&of(&same), &[1; 32]));
}

#[test]
fn the_words_of_a_chart_that_has_looked_up_a_secret_are_withheld() {
    let live: Arc<dyn Live> = Arc::new(Counting::default());
    let template = r#"fail (lookup "v1" "Secret" "a" "s").data.password"#;
    let error = rendered(template, &live).expect_err("it fails");
    let Error::Unsettled { faults, looked_up } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        faults[0].message,
        "the chart failed at (app/templates/a.yaml:4:13) after it had looked up a Secret, so its \
         words are withheld"
    );
    assert_eq!(looked_up[0].to_string(), "v1 Secret a s");
    assert!(error.may_pass());
    assert!(!format!("{error:?}").contains("czNjcmV0"));
    let open = snapshot(vec![secret("a", "s", "czNjcmV0")]);
    check(template, &open, "): czNjcmV0");
    // What is no secret is told.
    let template = r#"fail (lookup "v1" "Node" "" "n").metadata.name"#;
    check(template, &live, "): n");
}

#[test]
fn a_cluster_that_does_not_answer_may_answer_later() {
    let live: Arc<dyn Live> = Arc::new(Counting {
        fails: true,
        ..Counting::default()
    });
    let error = rendered(r#"lookup "v1" "Pod" "" "a""#, &live).expect_err("it fails");
    let message = "the server is gone".to_owned();
    assert_eq!(error, Error::Unanswered { message });
    assert!(error.may_pass());
}

#[test]
fn lookups_without_end_are_refused() {
    let live: Arc<dyn Live> = Arc::new(Counting::default());
    check(
        r#"range until 1001 }}{{ lookup "v1" "Pod" "" (toString .) | len }}{{ end }}{{ "" "#,
        &live,
        "more than 1000 different lookups",
    );
}

#[test]
fn what_is_no_object_is_no_snapshot() {
    let check = |object: Value, expected: &str| {
        let refused = Snapshot::new(vec![object], Vec::new()).err();
        assert_eq!(refused.as_deref(), Some(expected));
    };
    check(json!({"kind": "A"}), "an object has no apiVersion");
    check(json!("x"), "an object has no kind");
    check(
        json!({"kind": "PodList", "items": [{"kind": "Pod", "apiVersion": "v1"}]}),
        "an object has no metadata.name",
    );
}
