//! Tests of rendering.

mod files;
mod lookups;
mod several;
mod unsealing;

use std::sync::Arc;

use holdfast_model::artifact::{MemoryBlobs, TreePath};
use holdfast_model::stack::{HelmParameter, KustomizeChoice, KustomizePatch, RenderChoice};

use crate::{Error, Rendered, Setting, Supplies, digest, render};

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn choice(include: &[&str], exclude: &[&str]) -> RenderChoice {
    let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    RenderChoice {
        include: owned(include),
        exclude: owned(exclude),
        ..RenderChoice::default()
    }
}

fn setting() -> Setting {
    Setting {
        name: "shop".to_owned(),
        namespace: "prod".to_owned(),
        is_install: true,
        ..Setting::default()
    }
}

fn render_app(files: &[(&str, &str)], choice: &RenderChoice) -> Result<Rendered, Error> {
    let blobs = MemoryBlobs::of(files.iter().copied());
    render(
        &blobs,
        &TreePath::parse("app").expect("a path"),
        choice,
        &setting(),
        &Supplies::default(),
    )
}

/// Name and place of each object.
fn check(files: &[(&str, &str)], choice: &RenderChoice, expected: &[&str]) {
    let rendered = render_app(files, choice).expect("it renders");
    let objects: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| format!("{} {}", object.key().name, object.origin))
        .collect();
    assert_eq!(objects, expected);
}

fn check_faults(files: &[(&str, &str)], expected: &[&str]) {
    match render_app(files, &RenderChoice::default()) {
        Err(Error::Faults { faults }) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected);
        }
        other => panic!("no faults but {other:?}"),
    }
}

#[test]
fn folders_documents_and_lists_give_objects_with_their_place() {
    let many = format!("# two\n---\n{}---\n---\n{}", config("b"), config("c"));
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}]}"#;
    check(
        &[
            ("app/a.yaml", &config("a")),
            ("app/deep/er/many.yml", &many),
            ("app/list.json", list),
            ("app/notes.txt", "not YAML: ["),
            ("app/.hidden/x.yaml", "["),
            ("other/x.yaml", "["),
        ],
        &RenderChoice::default(),
        &[
            "a app/a.yaml:1",
            "b app/deep/er/many.yml:3",
            "c app/deep/er/many.yml:9",
            "d app/list.json:1",
        ],
    );
}

#[test]
fn globs_choose_files_relative_to_the_folder() {
    let (a, b) = (config("a"), config("b"));
    let files = [("app/a.yaml", a.as_str()), ("app/dev/b.yaml", b.as_str())];
    check(&files, &choice(&["dev/**"], &[]), &["b app/dev/b.yaml:1"]);
    check(&files, &choice(&[], &["dev/**"]), &["a app/a.yaml:1"]);
    let bad = render_app(&files, &choice(&["[a"], &[])).expect_err("it is no glob");
    assert!(
        bad.to_string()
            .starts_with("`[a` in spec.render.include is no glob"),
        "{bad}"
    );
}

#[test]
fn every_fault_of_every_file_is_told_with_its_line() {
    check_faults(
        &[
            ("app/a.yaml", "kind: A\nspec: [\n"),
            ("app/b.yaml", "apiVersion: v1\nkind: B\n"),
            ("app/c.yaml", "just text\n"),
            ("app/d.yaml", "a: 1\nb: 2\na: 3\n"),
        ],
        &[
            "app/a.yaml:3: did not find expected node content",
            "app/b.yaml:1: `metadata.name` is missing or is not a text",
            "app/c.yaml:1: it is not a mapping",
            "app/d.yaml:3: key `a` is already set on line 1",
        ],
    );
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let item = format!("*a{}", level - 1);
        let items = [item.as_str(); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    match render_app(&[("app/bomb.yaml", &bomb)], &RenderChoice::default()) {
        Err(Error::Faults { faults }) => assert_eq!(faults.len(), 1),
        other => panic!("it was taken: {}", other.is_ok()),
    }
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let error = render_app(&[("other/a.yaml", "")], &RenderChoice::default());
    assert_eq!(
        error.expect_err("no folder").to_string(),
        "the repository has no folder `app`"
    );
}

#[test]
fn a_change_elsewhere_leaves_the_trace_as_it_is() {
    let files = [("app/a.yaml", config("a")), ("other/b.yaml", config("b"))];
    let tree = |files: &[(&str, String)]| {
        MemoryBlobs::of(files.iter().map(|(path, text)| (*path, text.as_str())))
    };
    let folder = TreePath::parse("app").expect("a path");
    let rendered = render(
        &tree(&files),
        &folder,
        &RenderChoice::default(),
        &setting(),
        &Supplies::default(),
    )
    .expect("it renders");
    let [a, _] = &files;
    let elsewhere = [a.clone(), ("other/b.yaml", config("changed"))];
    assert!(rendered.trace.holds(&tree(&elsewhere)));
    assert!(
        !rendered
            .trace
            .holds(&tree(&[("app/a.yaml", config("changed"))]))
    );
    let added = [a.clone(), ("app/new.yaml", config("new"))];
    assert!(!rendered.trace.holds(&tree(&added)));
    let overlay = [a.clone(), ("app/kustomization.yaml", String::new())];
    assert!(!rendered.trace.holds(&tree(&overlay)));
}

#[test]
fn an_overlay_is_built_and_its_objects_know_where_they_come_from() {
    let config = config("a");
    let files = [
        ("base/a.yaml", config.as_str()),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        (
            "app/kustomization.yaml",
            "namePrefix: prod-\nnamespace: shop\nresources: [../base]\n",
        ),
    ];
    let rendered = render_app(&files, &RenderChoice::default()).expect("it is built");
    let object = &rendered.objects[0];
    assert_eq!(object.key().to_string(), "ConfigMap/shop/prod-a");
    assert_eq!(object.origin.path.as_str(), "base/a.yaml");
    let blobs = MemoryBlobs::of([files[0], files[1]]);
    assert!(!rendered.trace.holds(&blobs));
}

#[test]
fn a_faulty_overlay_names_the_field_at_fault() {
    check_faults(
        &[("app/kustomization.yaml", "resources: [none.yaml]\n")],
        &[
            "app: resources: accumulating resources from 'none.yaml': 'app/none.yaml' doesn't exist \
           or is no file; as a folder: must build at directory: 'app/none.yaml' doesn't exist",
        ],
    );
}

const CHART: [(&str, &str); 4] = [
    (
        "app/Chart.yaml",
        "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
    ),
    ("app/values.yaml", "text: from the chart\n"),
    ("app/prod.yaml", "text: from a file\n"),
    (
        "app/templates/config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ \
         .Release.Namespace }}\ndata:\n  text: {{ .Values.text | quote }}\n",
    ),
];

#[test]
fn a_chart_is_rendered_with_values_of_files_and_of_the_stack() {
    let text = |choice: &RenderChoice| {
        let rendered = render_app(&CHART, choice).expect("it renders");
        let object = &rendered.objects[0];
        assert_eq!(object.key().to_string(), "ConfigMap/prod/shop");
        assert_eq!(object.origin.to_string(), "app/templates/config.yaml");
        let value = object.value();
        let text = value.pointer("/data/text").and_then(|text| text.as_str());
        text.unwrap_or_default().to_owned()
    };
    let mut choice = RenderChoice::default();
    assert_eq!(text(&choice), "from the chart");
    choice.helm.value_files = vec!["prod.yaml".to_owned()];
    assert_eq!(text(&choice), "from a file");
    choice.helm.values = Some(serde_json::json!({"text": "from the Stack"}));
    assert_eq!(text(&choice), "from the Stack");
    let parameters = [
        (HelmParameter::Json("text=\"a\"".to_owned()), "a"),
        (HelmParameter::Typed("text=yes,other=1".to_owned()), "yes"),
        (HelmParameter::Text("text=1,other=2".to_owned()), "1"),
        (HelmParameter::Literal("text=007,8".to_owned()), "007,8"),
    ];
    for (parameter, wanted) in parameters {
        choice.helm.parameters.insert(0, parameter);
        assert_eq!(text(&choice), wanted, "the form counts, not the place");
    }
    choice.helm.parameters = vec![HelmParameter::File {
        path: "text".to_owned(),
        file: "prod.yaml".to_owned(),
    }];
    assert_eq!(text(&choice), "text: from a file\n");
}

#[test]
fn only_hooks_of_events_that_come_to_pass_are_rendered() {
    let hook = |event: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {event}\n  annotations:\n    \
             helm.sh/hook: {event}\n"
        )
    };
    let hooks = ["pre-install", "post-upgrade", "pre-delete", "test"].map(hook);
    let mut files = vec![CHART[0]];
    let names = ["a", "b", "c", "d"].map(|name| format!("app/templates/{name}.yaml"));
    for (name, hook) in names.iter().zip(&hooks) {
        files.push((name, hook));
    }
    check(
        &files,
        &RenderChoice::default(),
        &["pre-install app/templates/a.yaml"],
    );
}

#[test]
fn a_chart_of_an_overlay_is_rendered_by_our_own_helm() {
    let mut files: Vec<(String, &str)> = CHART
        .iter()
        .map(|(path, text)| (path.replace("app/", "app/charts/cache/"), *text))
        .collect();
    let overlay = "namespace: prod
helmCharts:
- name: cache
  releaseName: shop
  valuesInline: {text: from the overlay}
configMapGenerator:
- name: more
  literals: [a=b]
";
    files.push(("app/kustomization.yaml".to_owned(), overlay));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let rendered = render_app(&files, &RenderChoice::default()).expect("it is built");
    let texts: Vec<_> = rendered
        .objects
        .iter()
        .filter_map(|object| object.value().pointer("/data/text").cloned())
        .collect();
    assert_eq!(texts, [serde_json::json!("from the overlay")]);
    assert_eq!(rendered.objects.len(), 2);
}

#[test]
fn a_stack_changes_an_overlay_and_replaces_variables_in_its_objects() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  \
        replicas: 1\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: \
        web}}\n    spec:\n      containers:\n      - {name: web, image: \"web:1\", args: [\"${region:=eu}\", \
        \"${zone}\"]}\n";
    let words = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let mut changes = KustomizeChoice {
        name_prefix: Some("prod-".to_owned()),
        images: vec!["web=registry.example/web:2".to_owned()],
        replicas: vec![("web".to_owned(), 3)],
        labels: words(&[("team", "shop")]),
        variables: words(&[("zone", "a")]),
        patches: vec![KustomizePatch {
            patch: "- {op: add, path: /metadata/annotations, value: {by: patch}}".to_owned(),
            target: words(&[("kind", "Deployment")]),
            ..KustomizePatch::default()
        }],
        ..KustomizeChoice::default()
    };
    // There is no kustomization in the folder: all its files are resources.
    let render_with = |changes: &KustomizeChoice| {
        let choice = RenderChoice {
            kustomize: Some(changes.clone()),
            ..RenderChoice::default()
        };
        render_app(&[("app/web.yaml", deployment)], &choice)
    };
    let built = render_with(&changes).expect("it renders");
    let value = built.objects[0].value();
    let field = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(field("/metadata/name"), "prod-web");
    assert_eq!(field("/metadata/labels/team"), "shop");
    assert_eq!(field("/metadata/annotations/by"), "patch");
    assert_eq!(field("/spec/replicas"), 3);
    let container = "/spec/template/spec/containers/0";
    assert_eq!(
        field(&format!("{container}/image")),
        "registry.example/web:2"
    );
    assert_eq!(
        field(&format!("{container}/args")),
        serde_json::json!(["eu", "a"])
    );
    assert!(field("/spec/selector/matchLabels/team").is_null());

    changes.variables = words(&[("other", "x")]);
    changes.is_strict = true;
    let error = render_with(&changes).expect_err("a variable has no value");
    let Error::Faults { faults } = error else {
        panic!("not {error}");
    };
    assert!(faults[0].message.contains("zone"), "{}", faults[0]);
}

#[test]
fn a_chart_is_parsed_once_and_anew_when_a_file_outside_of_its_folder_changes() {
    let chart = |greeting: &str| {
        MemoryBlobs::of([
            (
                "app/Chart.yaml",
                "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: 1.0.0, \
                 repository: \"file://../lib\"}\n",
            ),
            (
                "lib/Chart.yaml",
                "apiVersion: v2\nname: lib\nversion: 1.0.0\n",
            ),
            ("lib/templates/a.yaml", greeting),
        ])
    };
    let supplies = Supplies::default();
    let render_it = |greeting: &str| {
        let folder = TreePath::parse("app").expect("a path");
        let text = config(greeting);
        let choice = RenderChoice::default();
        let rendered = render(&chart(&text), &folder, &choice, &setting(), &supplies);
        let rendered = rendered.expect("it renders");
        rendered.objects[0].key().name.to_string()
    };
    assert_eq!(render_it("one"), "one");
    assert_eq!(render_it("one"), "one");
    assert_eq!(render_it("two"), "two");
}

/// An overlay in `app` and others, over one base.
fn overlays(base_data: &str) -> MemoryBlobs {
    let base = format!("{}data: {{a: {base_data}}}\n", config("web"));
    let over = "namePrefix: NAME-\nresources: [../base]\n";
    let (app, other) = (over.replace("NAME", "app"), over.replace("NAME", "other"));
    let around = "resources: [../base, own.yaml]\n";
    MemoryBlobs::of([
        (
            "base/kustomization.yaml",
            "resources: [../deep, web.yaml]\n",
        ),
        ("base/web.yaml", base.as_str()),
        ("base/notes.md", "read by nobody"),
        ("deep/kustomization.yaml", "resources: [c.yaml]\n"),
        ("deep/c.yaml", config("deep").as_str()),
        ("app/kustomization.yaml", app.as_str()),
        ("other/kustomization.yaml", other.as_str()),
        ("third/kustomization.yaml", around),
        ("third/own.yaml", config("own").as_str()),
    ])
}

fn render_folder(blobs: &MemoryBlobs, folder: &str, supplies: &Supplies) -> Rendered {
    let folder = TreePath::parse(folder).expect("a path");
    let choice = RenderChoice::default();
    render(blobs, &folder, &choice, &setting(), supplies).expect("it renders")
}

#[test]
fn overlays_over_a_kept_base_are_what_they_are_alone_and_have_read_the_same() {
    let supplies = Supplies::sharing(Arc::default());
    for base_data in ["one", "two", "one"] {
        let blobs = overlays(base_data);
        for folder in ["app", "other", "third", "base", "app", "deep"] {
            let alone = render_folder(&blobs, folder, &Supplies::default());
            let shared = render_folder(&blobs, folder, &supplies);
            assert_eq!(digest(&shared.objects), digest(&alone.objects), "{folder}");
            assert_eq!(shared.trace, alone.trace, "{folder}");
        }
    }
}

#[test]
fn overlays_over_a_kept_base_are_the_same_when_they_are_rendered_at_once() {
    let supplies = Supplies::sharing(Arc::default());
    let blobs = overlays("one");
    let alone = digest(&render_folder(&blobs, "app", &Supplies::default()).objects);
    std::thread::scope(|scope| {
        let work = || digest(&render_folder(&blobs, "app", &supplies).objects);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic"), alone);
        }
    });
}

#[test]
fn a_kept_base_that_leads_back_to_its_overlay_is_refused() {
    let supplies = Supplies::sharing(Arc::default());
    let blobs = MemoryBlobs::of([
        ("x/kustomization.yaml", "resources: [c.yaml]\n"),
        ("x/c.yaml", config("c").as_str()),
        ("base/kustomization.yaml", "resources: [../x]\n"),
        ("app/kustomization.yaml", "resources: [../base]\n"),
        ("x/app/kustomization.yaml", "resources: [../../base]\n"),
    ]);
    render_folder(&blobs, "app", &supplies);
    let folder = TreePath::parse("x/app").expect("a path");
    let choice = RenderChoice::default();
    let rendered = render(&blobs, &folder, &choice, &setting(), &supplies);
    let error = format!("{:?}", rendered.expect_err("it leads in a circle"));
    assert!(error.contains("cycle detected"), "{error}");
}

const POST_RENDERED: [(&str, &str); 4] = [
    (
        "app/Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    ),
    (
        "app/templates/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
         template:\n    spec:\n      containers:\n      - name: web\n        image: web:1\n        \
         envFrom: [{configMapRef: {name: settings}}]\n        args: ['${zone}']\n",
    ),
    (
        "app/templates/job.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: \
         {helm.sh/hook: pre-install}\nspec:\n  template:\n    spec:\n      containers:\n      \
         - {name: job, image: 'web:1', envFrom: [{configMapRef: {name: settings}}]}\n",
    ),
    (
        "app/templates/settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n",
    ),
];

/// What a Stack changes about the chart above.
fn post_rendering(patch: &str) -> RenderChoice {
    RenderChoice {
        kustomize: Some(KustomizeChoice {
            name_prefix: Some("prod-".to_owned()),
            images: vec!["web=registry.example/web:2".to_owned()],
            variables: [("zone".to_owned(), "eu".to_owned())].into(),
            patches: vec![KustomizePatch {
                path: patch.to_owned(),
                ..KustomizePatch::default()
            }],
            ..KustomizeChoice::default()
        }),
        ..RenderChoice::default()
    }
}

#[test]
fn a_chart_is_changed_as_an_overlay_is_and_its_hooks_with_it() {
    let patch =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 4}\n";
    let mut files = POST_RENDERED.to_vec();
    files.push(("app/patch.txt", patch));
    let rendered = render_app(&files, &post_rendering("patch.txt")).expect("it renders");
    let find = |name: &str| {
        let mut objects = rendered.objects.iter();
        let found = objects.find(|object| &*object.key().name == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let container = "/spec/template/spec/containers/0";
    let (web, job) = (find("prod-web"), find("prod-migrate"));
    for object in [web, job] {
        let value = object.value();
        let field = |pointer: &str| value.pointer(&format!("{container}/{pointer}")).cloned();
        assert_eq!(field("image").expect("one"), "registry.example/web:2");
        let settings = field("envFrom/0/configMapRef/name").expect("one");
        assert_eq!(settings, "prod-settings");
    }
    assert_eq!(web.value().pointer("/spec/replicas").expect("one"), 4);
    assert_eq!(
        web.value()
            .pointer(&format!("{container}/args/0"))
            .expect("one"),
        "eu"
    );
    assert_eq!(
        job.annotation("helm.sh/hook").expect("a hook"),
        "pre-install"
    );
    assert_eq!(web.origin.to_string(), "app/templates/web.yaml");
    assert_eq!(find("prod-settings").key().kind.kind, "ConfigMap");
    let read = rendered.trace.paths().expect("no links");
    assert!(
        read.into_iter()
            .any(|path| path.as_str() == "app/patch.txt")
    );
}

#[test]
fn a_patch_that_fits_nothing_of_a_chart_says_so() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\n";
    let mut files = POST_RENDERED.to_vec();
    files.push(("app/patch.txt", patch));
    let error = render_app(&files, &post_rendering("patch.txt")).expect_err("no such object");
    let [fault] = error.faults() else {
        panic!("not {error}");
    };
    assert!(
        fault.message.contains("no matches for Id Deployment"),
        "{fault}"
    );
    assert!(fault.hint.is_some());
    let error = render_app(&files, &post_rendering("absent.yaml")).expect_err("no such file");
    assert!(
        error.faults()[0].message.contains("absent.yaml"),
        "{error:?}"
    );
}
