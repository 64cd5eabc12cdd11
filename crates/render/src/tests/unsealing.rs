//! What is sealed is opened for the Stack that asks for it, and for no other.

use std::sync::{Arc, Mutex};

use holdfast_model::Value;
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::RenderChoice;

use super::setting;
use crate::{
    CONTENT_ANNOTATION, Error, Kept, Rendered, Setting, Supplies, Unseal, Unsealer, render,
};

/// Opens what begins with `sealed:` to a text that holds its value.
struct Fake {
    value: &'static str,
    text: &'static str,
    opened: Mutex<usize>,
}

impl Unseal for Fake {
    fn file(&self, _: &TreePath, bytes: &[u8]) -> Option<Result<Arc<[u8]>, String>> {
        let sealed = bytes.strip_prefix(b"sealed:")?;
        *self.opened.lock().expect("nobody panics") += 1;
        Some(match sealed {
            b"broken" => Err("it was touched".to_owned()),
            _ => Ok(self.text.replace("VALUE", self.value).into_bytes().into()),
        })
    }

    fn opens_files(&self) -> bool {
        true
    }

    fn object(&self, _: &Value) -> Option<Result<Value, String>> {
        Some(Err("it is sealed for somebody else".to_owned()))
    }

    fn references(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }

    fn values(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }

    fn waits(&self) -> bool {
        false
    }

    fn found_in(&self, object: &Value) -> Vec<String> {
        let data = object["data"].as_object().into_iter().flatten();
        let found = data.filter(|(_, value)| *value == self.value);
        found.map(|(name, _)| format!("/data/{name}")).collect()
    }

    fn hide(&self, text: &str) -> String {
        text.replace(self.value, "***")
    }
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: VALUE}\n";

fn opening(value: &'static str, text: &'static str) -> Setting {
    let fake = Fake {
        value,
        text,
        opened: Mutex::default(),
    };
    Setting {
        unsealer: Unsealer::of(Arc::new(fake)),
        ..setting()
    }
}

fn render_with(
    files: &[(&str, &str)],
    setting: &Setting,
    kept: &Arc<Kept>,
) -> Result<Rendered, Error> {
    let choice = RenderChoice {
        helm: holdfast_model::stack::HelmChoice {
            value_files: files
                .iter()
                .filter_map(|(path, _)| path.strip_prefix("app/"))
                .filter(|path| path.ends_with(".values"))
                .map(str::to_owned)
                .collect(),
            ..Default::default()
        },
        ..RenderChoice::default()
    };
    render(
        &MemoryBlobs::of(files.iter().copied()),
        &TreePath::parse("app").expect("a path"),
        &choice,
        setting,
        &Supplies::sharing(Arc::clone(kept)),
    )
}

fn texts(rendered: &Rendered) -> String {
    let objects = rendered.objects.iter();
    objects.map(|object| object.value().to_string()).collect()
}

#[test]
fn a_base_with_something_sealed_is_kept_for_nobody() {
    let files = [
        ("app/kustomization.yaml", "resources: [../base]\n"),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", "sealed:a"),
    ];
    let kept = Arc::new(Kept::default());
    for value in ["one", "two"] {
        let rendered = render_with(&files, &opening(value, CONFIG), &kept);
        let rendered = rendered.expect("it renders");
        assert!(rendered.sensitive && rendered.trace.has_opened());
        assert!(texts(&rendered).contains(value), "{}", texts(&rendered));
        let object = &rendered.objects[0];
        assert_eq!(object.opened(), ["/data/k"]);
        let said = object.annotation("holdfast.dev/opened");
        assert_eq!(said.as_deref(), Some(r#"["/data/k"]"#));
    }
    // Who does not open it reads it as it is.
    let left = render_with(&files, &setting(), &kept).expect_err("it is no object");
    assert!(!format!("{left:?}").contains("two"), "{left:?}");
}

#[test]
fn of_a_chart_what_the_stack_names_is_opened_and_nothing_that_is_shared() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: {{ .Values.k }}\n  \
                    f: {{ .Files.Get \"more\" }}\n";
    let files = [
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: a\nversion: 0.1.0\n",
        ),
        ("app/templates/a.yaml", template),
        ("app/more", "sealed:more"),
        ("app/secret.values", "sealed:values"),
    ];
    let kept = Arc::new(Kept::default());
    for value in ["one", "two"] {
        let rendered = render_with(&files, &opening(value, "k: VALUE"), &kept);
        let text = texts(&rendered.expect("it renders"));
        assert!(text.contains(&format!("\"k\":\"{value}\"")), "{text}");
        assert!(text.contains("sealed:more"), "{text}");
    }
    let mut files = files.to_vec();
    files.push(("app/values.yaml", "sealed:values"));
    let error = render_with(&files, &opening("one", "k: VALUE"), &kept);
    let error = format!("{:?}", error.expect_err("its own values are sealed"));
    assert!(error.contains("spec.render.helm.valueFiles"), "{error}");
}

#[test]
fn what_fails_after_something_was_opened_is_said_without_it() {
    let template = "{{ fail (printf \"no %s\" .Values.k) }}\n";
    let files = [
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: a\nversion: 0.1.0\n",
        ),
        ("app/templates/a.yaml", template),
        ("app/secret.values", "sealed:values"),
    ];
    let kept = Arc::default();
    let error = render_with(&files, &opening("hunter2", "k: VALUE"), &kept);
    let error = format!("{:?}", error.expect_err("the chart fails"));
    assert!(
        error.contains("no ***") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn what_does_not_open_is_a_fault_of_its_file() {
    let kept = Arc::default();
    let broken = [("app/a.yaml", "sealed:broken")];
    let error = render_with(&broken, &opening("one", CONFIG), &kept);
    assert_eq!(
        error.expect_err("it does not open").faults()[0].to_string(),
        "app/a.yaml: `app/a.yaml` is sealed and does not open: it was touched"
    );
    let left = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nsops: {mac: x}\n";
    let error = render_with(&[("app/a.yaml", left)], &opening("one", CONFIG), &kept);
    let error = error.expect_err("it is still sealed").faults()[0].to_string();
    assert!(
        error.starts_with("app/a.yaml:1: Secret/a is sealed"),
        "{error}"
    );
    let sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\n";
    let error = render_with(&[("app/a.yaml", sealed)], &opening("one", CONFIG), &kept);
    let error = error.expect_err("it is sealed").faults()[0].to_string();
    assert_eq!(error, "app/a.yaml:1: it is sealed for somebody else");
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    \
    spec:\n      volumes: [{name: v, projected: {sources: [{configMap: {name: a}}]}}]\n";

#[test]
fn workloads_carry_a_digest_of_what_they_use_and_of_nothing_else() {
    let key = Arc::new(DigestKey::derive(&[1; 32], "digests"));
    let of = |config: &str, other: &str| {
        let files = [
            ("app/a.yaml", config),
            ("app/b.yaml", other),
            ("app/web.yaml", WEB),
        ];
        let rendered = render_with(&files, &setting(), &Arc::default());
        let rendered = rendered.expect("it renders").restarting(&key, "prod");
        let web = rendered.objects.last().expect("the workload").value();
        let found = &web["spec"]["template"]["metadata"]["annotations"][CONTENT_ANNOTATION];
        found.as_str().map(str::to_owned)
    };
    let other = CONFIG.replace("name: a", "name: b");
    let first = of(CONFIG, &other).expect("it uses a");
    assert_eq!(
        of(CONFIG, &other.replace("VALUE", "more")),
        Some(first.clone())
    );
    let labelled = CONFIG.replace("{name: a}", "{name: a, labels: {l: a}}");
    assert_eq!(of(&labelled, &other), Some(first.clone()));
    assert_ne!(of(&CONFIG.replace("VALUE", "more"), &other), Some(first));
    assert_eq!(of(&other.replace("name: b", "name: c"), &other), None);
}
