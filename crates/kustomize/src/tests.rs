//! What a build says about inputs that cannot be built, and what it asks for; the many cases of
//! what it prints are in `tests/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use serde_json::json;

use crate::{
    Absent, Built, Error, Fetched, HelmChartRequest, ImageOverride, LabelScope, Options, Order,
    Overrides, PatchOverride, PatchTarget, RemoteReference, SubstituteError, Unset, build,
    substitute,
};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers: []\n";

fn run(files: &[(&str, &str)], options: &Options<'_>) -> Result<Built, Error> {
    let blobs = MemoryBlobs::of(files.iter().copied());
    build(&blobs, &TreePath::parse("top").unwrap(), options)
}

fn check_refused(files: &[(&str, &str)], expected: &str) {
    let error = run(files, &Options::default()).unwrap_err().to_string();
    assert_eq!(error, expected);
}

#[test]
fn objects_know_their_file_and_line() {
    let two = format!("# a comment\n{POD}---\n{}", POD.replace("web", "other"));
    let files = [
        ("top/kustomization.yaml", "resources: [pods.yaml]"),
        ("top/pods.yaml", &two),
    ];
    let built = run(&files, &Options::default()).unwrap();
    let origins: Vec<String> = built
        .objects
        .iter()
        .map(|object| object.origin.to_string())
        .collect();
    assert_eq!(origins, ["top/pods.yaml:9", "top/pods.yaml:2"]);
}

#[test]
fn a_cycle_of_bases_is_refused() {
    check_refused(
        &[
            ("top/kustomization.yaml", "resources: [../base]"),
            ("base/kustomization.yaml", "resources: [../top]"),
        ],
        "kustomization in `base`: resources: accumulating resources from '../top': security; file 'top' is not in or below 'base'; as a folder: cycle detected: candidate root 'top' contains visited root 'top'",
    );
}

#[test]
fn a_file_outside_of_the_root_is_refused() {
    check_refused(
        &[
            ("top/kustomization.yaml", "resources: [../pod.yaml]"),
            ("pod.yaml", POD),
        ],
        "kustomization in `top`: resources: accumulating resources from '../pod.yaml': security; file 'pod.yaml' is not in or below 'top'; as a folder: must build at directory: 'pod.yaml' is no folder",
    );
}

#[test]
fn a_patch_that_matches_nothing_names_its_target() {
    let patch = POD.replace("web", "absent").replace('\n', "\n    ");
    let file = format!("resources: [pod.yaml]\npatches:\n- patch: |-\n    {patch}");
    check_refused(
        &[("top/kustomization.yaml", &file), ("top/pod.yaml", POD)],
        "kustomization in `top`: patches: no resource matches strategic merge patch Pod.v1.[noGrp]/absent.default: no matches for Id Pod.v1.[noGrp]/absent.default; failed to find unique target for patch Pod.v1.[noGrp]/absent.default",
    );
}

#[test]
fn the_same_resource_twice_is_refused() {
    check_refused(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml, b.yaml]"),
            ("top/a.yaml", POD),
            ("top/b.yaml", POD),
        ],
        "kustomization in `top`: resources: merging resources from 'b.yaml': may not add resource with an already registered id: Pod.v1.[noGrp]/web.default",
    );
}

#[test]
fn broken_files_are_named_with_line_and_column() {
    check_refused(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]"),
            ("top/a.yaml", "kind: Pod\n---\nkind: [Pod\nmetadata: x\n"),
        ],
        "kustomization in `top`: resources: accumulating resources from 'a.yaml': top/a.yaml: line 4, column 9: did not find expected ',' or ']'; as a folder: must build at directory: 'top/a.yaml' is no folder",
    );
    check_refused(
        &[("top/kustomization.yaml", "resource: [a.yaml]")],
        "kustomization in `top`: file: invalid Kustomization: kustomization.yaml: unknown field \"resource\"",
    );
    check_refused(
        &[("top/kustomization.yaml", "commonLabels: {a: 1}")],
        "kustomization in `top`: file: invalid Kustomization: kustomization.yaml: `commonLabels.a` has to be a text, not a number",
    );
}

#[test]
fn remote_bases_are_asked_for_all_at_once_and_used_when_they_are_there() {
    let file = "resources:\n- https://git.example/base.git//dir?ref=v1\n- https://files.example/pod.yaml\n";
    let files = [("top/kustomization.yaml", file)];
    let missing = |url: &str| RemoteReference {
        url: url.to_owned(),
        folder: TreePath::parse("top").unwrap(),
    };
    let (base, pod) = (
        "https://files.example/pod.yaml",
        "https://git.example/base.git//dir?ref=v1",
    );
    let error = run(&files, &Options::default()).unwrap_err();
    assert_eq!(error, Error::Missing(vec![missing(base), missing(pod)]));
    let fetched = MemoryBlobs::of([
        (
            "dir/kustomization.yaml",
            "resources: [pod.yaml]\nnamePrefix: far-",
        ),
        ("dir/pod.yaml", POD),
    ]);
    let folder = Fetched::Folder {
        blobs: Arc::new(fetched),
        folder: TreePath::parse("dir").unwrap(),
    };
    let file = Fetched::File(POD.as_bytes().into());
    let remotes = BTreeMap::from([(pod.to_owned(), folder), (base.to_owned(), file)]);
    let options = Options {
        remotes: Some(&remotes),
        ..Options::default()
    };
    let built = run(&files, &options).unwrap();
    let names: Vec<&Value> = built
        .objects
        .iter()
        .map(|object| &object.value["metadata"]["name"])
        .collect();
    assert_eq!(names, [&json!("far-web"), &json!("web")]);
}

#[test]
fn charts_are_rendered_by_the_given_function_and_keep_their_namespace() {
    let file = "namespace: shop\nhelmCharts:\n- name: web\n  releaseName: r\n  valuesInline: {a: {b: 1}}\n";
    let files = [
        ("top/kustomization.yaml", file),
        ("top/charts/web/values.yaml", "a:\n  b: 0\n  c: 2\n"),
    ];
    let error = run(&files, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("must specify --enable-helm"), "{error}");
    let render = |request: &HelmChartRequest| {
        assert_eq!(
            (request.name.as_str(), request.namespace.as_str()),
            ("web", "shop")
        );
        assert_eq!(request.values, ["a:\n  b: 1\n  c: 2\n"]);
        Ok(vec![json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "else"},
        })])
    };
    let options = Options {
        helm: Some(&render),
        ..Options::default()
    };
    let built = run(&files, &options).unwrap();
    assert_eq!(built.objects[0].value["metadata"]["namespace"], "else");
}

#[test]
fn overrides_lie_over_the_kustomization_as_edits_do() {
    let file = "resources: [pod.yaml]\nnamePrefix: a-\nimages:\n- name: web\n  newName: far/web\n  newTag: '1'\n";
    let pod = POD.replace("[]", "[{name: c, image: web}]");
    let files = [("top/kustomization.yaml", file), ("top/pod.yaml", &pod)];
    let overrides = Overrides {
        name_prefix: Some("b-".to_owned()),
        images: vec![ImageOverride::parse("web=*:2").unwrap()],
        labels: vec![("team".to_owned(), "x".to_owned())],
        label_scope: LabelScope::Metadata,
        components: vec!["../absent".to_owned()],
        skip_missing_components: true,
        patches: vec![PatchOverride {
            patch: "- {op: add, path: /spec/hostNetwork, value: true}".to_owned(),
            target: Some(PatchTarget {
                kind: "Pod".to_owned(),
                ..PatchTarget::default()
            }),
            ..PatchOverride::default()
        }],
        ..Overrides::default()
    };
    let options = Options {
        overrides: Some(&overrides),
        ..Options::default()
    };
    let built = run(&files, &options).unwrap();
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "b-web", "labels": {"team": "x"}},
        "spec": {"hostNetwork": true, "containers": [{"name": "c", "image": "far/web:2"}]},
    });
    assert_eq!(built.objects[0].value, expected);
    assert_eq!(ImageOverride::parse("web"), None);
}

#[test]
fn a_folder_without_a_kustomization_gets_one_where_asked_for() {
    let base = POD.replace("web", "base");
    let files = [
        ("top/a.yaml", POD),
        ("top/notes.txt", "no yaml"),
        ("top/deep/b.yml", &POD.replace("web", "deep")),
        (
            "top/own/kustomization.yaml",
            "resources: [c.yaml]\nnamePrefix: own-",
        ),
        ("top/own/c.yaml", &base),
    ];
    assert!(run(&files, &Options::default()).is_err());
    let options = Options {
        absent: Absent::Generated,
        order: Order::Fifo,
        ..Options::default()
    };
    let built = run(&files, &options).unwrap();
    let names: Vec<&Value> = built
        .objects
        .iter()
        .map(|object| &object.value["metadata"]["name"])
        .collect();
    assert_eq!(names, [&json!("web"), &json!("deep"), &json!("own-base")]);
}

#[test]
fn substitution_leaves_switched_off_objects_alone() {
    let variables = BTreeMap::from([("TAG".to_owned(), "1.2\n".to_owned())]);
    let object = json!({"kind": "Pod", "metadata": {"name": "web-${TAG}"}, "n": 5});
    let done = substitute(&object, &[], &variables, Unset::Empty).unwrap();
    assert_eq!(done["metadata"]["name"], "web-1.2");
    assert_eq!(done["n"].as_f64(), Some(5.0));
    let off = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}, "name": "${TAG}"}});
    assert_eq!(
        substitute(&off, &[], &variables, Unset::Empty).unwrap(),
        off
    );
    let error = substitute(&json!({"a": "${OTHER}"}), &[], &variables, Unset::Refused).unwrap_err();
    assert_eq!(
        error,
        SubstituteError::NotSet {
            name: "OTHER".to_owned()
        }
    );
}

#[test]
fn what_stood_in_quotes_stays_a_text_behind_the_substitution() {
    let object = "apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  labels: {flag: \"${FLAG}\"}\nspec:\n  \
        quoted: '${N}'\n  plain: ${N}\n  block: |-\n    ${N}\n  both: \"a${N}\"\n  colon: \"${C}\"\n  \
        list:\n  - \"${N}\"\n  - ${N}\n  dollars: \"$${N}\"\n";
    let files = [
        ("top/x.yaml", object),
        (
            "top/kustomization.yaml",
            "resources: [x.yaml]\nconfigMapGenerator:\n- name: made\n  literals: ['n=${N}']\n\
             generatorOptions: {disableNameSuffixHash: true}\n",
        ),
    ];
    let built = run(&files, &Options::default()).unwrap();
    let variables = [("N", "004"), ("FLAG", "true"), ("C", "a: b")];
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let find = |name: &str| {
        let mut objects = built.objects.iter();
        let found = objects.find(|built| built.value["metadata"]["name"] == name);
        let found = found.expect("it was built");
        substitute(&found.value, &found.quoted, &variables, Unset::Refused).unwrap()
    };
    let done = find("x");
    assert_eq!(done["metadata"]["labels"]["flag"], "true");
    let spec = &done["spec"];
    for (field, expected) in [
        ("quoted", json!("004")),
        ("plain", json!(4)),
        ("block", json!("004")),
        ("both", json!("a004")),
        ("colon", json!("a: b")),
        ("list", json!(["004", 4])),
        ("dollars", json!("${N}")),
    ] {
        assert_eq!(spec[field], expected, "{field}");
    }
    assert_eq!(find("made")["data"]["n"], "004");
}

mod properties {
    use proptest::prelude::*;

    use super::{POD, run};
    use crate::Options;
    use crate::jsonpatch::{apply, read_patch};

    fn yaml_like() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("resources: [pod.yaml]\n".to_owned()),
            Just("patches:\n- patch: |-\n    ".to_owned()),
            Just("kind: Pod\n".to_owned()),
            Just("$patch: delete\n".to_owned()),
            Just("metadata:\n  name: web\n".to_owned()),
            Just("  target: {kind: Pod}\n".to_owned()),
            Just("spec:\n  containers:\n  - name: a\n".to_owned()),
            "[-a-z0 :\\[\\]{},&*!|>'\"\n]{0,8}",
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_kustomization_makes_the_build_panic(file in yaml_like(), pod in yaml_like()) {
            let _ = run(&[("top/kustomization.yaml", &file), ("top/pod.yaml", &pod)], &Options::default());
        }

        #[test]
        fn no_strategic_patch_makes_the_build_panic(patch in yaml_like()) {
            let patch = format!("apiVersion: v1\nkind: Pod\n{patch}");
            let file = "resources: [pod.yaml]\npatches:\n- path: p.yaml\n  target: {kind: Pod}\n";
            let files = [("top/kustomization.yaml", file), ("top/pod.yaml", POD), ("top/p.yaml", &patch)];
            let _ = run(&files, &Options::default());
        }

        #[test]
        fn no_json_patch_panics(
            op in "(add|remove|replace|move|copy|test)",
            from in "(/[a-c0-2~-]{0,2}){0,3}",
            path in "(/[a-c0-2~-]{0,2}){0,3}",
        ) {
            let text = serde_json::json!([{"op": op, "from": from, "path": path, "value": [1]}]);
            let patch = read_patch(&text.to_string()).unwrap();
            let mut document = serde_json::json!({"a": [0, {"b": 1}], "b": {"c": []}, "c": null});
            let _ = apply(&mut document, &patch);
        }
    }
}

#[test]
fn braces_that_repeat_nothing_stand_for_themselves_in_patterns() {
    let matches = |pattern: &str, text: &str| {
        crate::resources::go_regex(pattern).is_some_and(|regex| regex.is_match(text))
    };
    assert!(matches("^a{b$", "a{b"));
    assert!(matches("^a{2}$", "aa"));
    assert!(matches(r"^\{\p{Greek}{1,2}$", "{αβ"));
    assert!(matches("^{{x}}$", "{{x}}"));
    assert!(!matches("^a(b$", "a(b"));
}

#[test]
fn what_people_get_wrong_most_is_refused_with_what_to_do() {
    let patch = |name: &str| {
        let patch = POD.replace("web", name).replace('\n', "\n    ");
        format!("resources: [a.yaml]\npatches:\n- patch: |-\n    {patch}")
    };
    let source = "source: {kind: Secret, name: none}";
    let cases = [
        ("resources: [../other]".to_owned(), "cycle detected"),
        ("resources: [../../x.yaml]".to_owned(), "leaves the source"),
        (patch("absent"), "no matches for Id"),
        ("resources: [a.yaml, b.yaml]".to_owned(), "already registered id"),
        (
            format!("resources: [a.yaml]\nreplacements:\n- {source}\n  targets: [{{select: {{kind: Pod}}}}]"),
            "nothing selected by",
        ),
        (
            "resources: [a.yaml]\npatches:\n- target: {kind: Pod}\n  patch: '- {op: replace, path: /no/where, value: x}'".to_owned(),
            "does not apply",
        ),
    ];
    for (file, words) in cases {
        let files = [
            ("top/kustomization.yaml", file.as_str()),
            ("top/a.yaml", POD),
            ("top/b.yaml", POD),
            ("other/kustomization.yaml", "resources: [../top]"),
        ];
        let error = run(&files, &Options::default()).expect_err(&file);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}
