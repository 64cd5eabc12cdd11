//! What charts render to.

use holdfast_model::Value as Json;

use holdfast_yaml::Limits;

use super::{META, chart, printed, rendered, request};
use crate::{Error, HookEvent, Layer, Level, Parameter, render};

fn check(template: &str, files: &[(&str, &str)], wanted: &str) {
    assert_eq!(printed(template, files, &request()), wanted);
}

#[test]
fn values_come_from_defaults_files_and_parameters_in_this_order() {
    let mut request = request();
    request.values = vec![
        Layer::File {
            name: "f.yaml".to_owned(),
            text: "b: file\nc: file\n".to_owned(),
        },
        Layer::Inline(serde_json::json!({"c": "inline", "n": 3})),
    ];
    request.parameters = vec![Parameter::Typed("d=4,c=set".to_owned())];
    let files = [("values.yaml", "a: chart\nb: chart\nd: 1\n")];
    let template = "v: {{ .Values.a }} {{ .Values.b }} {{ .Values.c }} {{ kindOf .Values.d }} {{ kindOf .Values.n }}";
    assert_eq!(
        printed(template, &files, &request),
        "v: chart file set int64 float64"
    );
}

#[test]
fn a_null_takes_a_default_away() {
    let mut request = request();
    request.values = vec![Layer::Inline(
        serde_json::json!({"a": {"b": null}, "x": null}),
    )];
    let files = [("values.yaml", "a: {b: 1, c: 2}\nx: 1\nnone: null\n")];
    let text = printed("v: {{ toJson .Values | quote }}", &files, &request);
    assert_eq!(text, r#"v: "{\"a\":{\"c\":2}}""#);
    request.level = Level::Helm41;
    let text = printed("v: {{ toJson .Values | quote }}", &files, &request);
    assert_eq!(text, r#"v: "{\"a\":{\"c\":2},\"none\":null}""#);
}

#[test]
fn subcharts_see_their_own_values_and_globals() {
    let files = [
        ("values.yaml", "global: {g: 1}\nsub: {a: parent}\n"),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        ),
        ("charts/sub/values.yaml", "a: own\nb: own\n"),
        (
            "charts/sub/templates/_h.tpl",
            "{{ define \"who\" }}sub{{ end }}",
        ),
    ];
    check(
        "v: [{{ toJson .Values.sub }}, {{ include \"who\" . }}, {{ .Subcharts.sub.Chart.Name }}]",
        &files,
        "v: [{\"a\":\"parent\",\"b\":\"own\",\"global\":{\"g\":1}}, sub, sub]",
    );
}

const WITH_DEPENDENCY: &str = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: sub, version: '*', condition: sub.on, alias: other}\n";

#[test]
fn conditions_and_aliases_settle_which_charts_take_part() {
    let files = [
        ("Chart.yaml", WITH_DEPENDENCY),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        ),
        (
            "charts/sub/templates/x.yaml",
            "kind: X\nname: {{ .Chart.Name }}\n",
        ),
    ];
    let rendered_files = rendered(&files, &request()).expect("the chart renders");
    assert_eq!(
        rendered_files.manifests[0].path,
        "app/charts/other/templates/x.yaml"
    );
    assert_eq!(
        rendered_files.manifests[0].value.unpack()["name"],
        Json::from("other")
    );
    let mut off = request();
    off.parameters = vec![Parameter::Typed("sub.on=false".to_owned())];
    let rendered_files = rendered(&files, &off).expect("the chart renders");
    assert!(rendered_files.manifests.is_empty());
}

#[test]
fn missing_dependencies_are_listed() {
    let files = [(
        "Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: db, version: ^1, repository: 'https://example.com'}\n",
    )];
    let Err(Error::Missing(wanted)) = rendered(&files, &request()) else {
        unreachable!("the dependency is not there");
    };
    assert_eq!(wanted[0].name, "db");
    assert_eq!(wanted[0].version, "^1");
    assert_eq!(wanted[0].repository, "https://example.com");
}

#[test]
fn a_dependency_beside_the_chart_is_found() {
    use holdfast_model::artifact::{MemoryBlobs, TreePath};
    let blobs = MemoryBlobs::of([
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: '*', repository: 'file://../lib'}\n",
        ),
        ("app/templates/a.yaml", "v: {{ include \"lib.x\" . }}"),
        (
            "lib/Chart.yaml",
            "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
        ),
        (
            "lib/templates/_x.tpl",
            "{{ define \"lib.x\" }}found{{ end }}",
        ),
        ("lib/templates/not.yaml", "not: rendered"),
    ]);
    let folder = TreePath::parse("app").expect("a plain path");
    let chart = crate::load(&blobs, &folder).expect("the chart loads");
    let rendered = render(&std::sync::Arc::new(chart), &request()).expect("the chart renders");
    assert_eq!(rendered.manifests.len(), 1);
    assert_eq!(rendered.manifests[0].text, "v: found");
}

#[test]
fn what_templates_set_is_seen_by_later_ones() {
    let files = [
        META,
        ("templates/a.yaml", "v: {{ .Values.x }}"),
        (
            "templates/z.yaml",
            "{{- $_ := set .Values \"x\" \"set\" -}}",
        ),
    ];
    let rendered = rendered(&files, &request()).expect("the chart renders");
    assert_eq!(rendered.manifests[0].text, "v: set");
}

#[test]
fn a_document_says_what_its_printed_form_says() {
    let block = |name: &str, rest: &str| {
        format!("kind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  a: |{rest}")
    };
    // Helm applies what it prints, with a line break behind each document, and block texts end as
    // they do there: without one in the template, before a separator, and kept ones.
    let many = [
        block("b", "\n    x\n"),
        block("c", "+\n    x\n\n\n"),
        block("d", "-\n    x\n"),
        block("e", "+\n    x"),
    ];
    let files = [
        META,
        ("templates/a.yaml", &*block("a", "\n    x")),
        ("templates/b.yaml", &*many.join("---\n")),
    ];
    let found = rendered(&files, &request()).expect("the chart renders");
    assert_eq!(found.manifests.len(), 5);
    let printed = holdfast_yaml::read_values(&found.print(&[]), &Limits::default());
    let printed = printed.expect("it is YAML").into_iter();
    let printed: Vec<_> = printed.map(|(_, value)| value).collect();
    let held = found.manifests.iter();
    let held: Vec<_> = held.map(|manifest| manifest.value.unpack()).collect();
    assert_eq!(held, printed);
    assert_eq!(held[0].pointer("/data/a").expect("a text"), "x\n");
}

#[test]
fn documents_are_sorted_by_kind_and_hooks_stand_apart() {
    let files = [
        META,
        (
            "templates/a.yaml",
            "kind: Deployment\n---\nkind: Zebra\n---\n# nothing\n---\nkind: Namespace\n",
        ),
        (
            "templates/h.yaml",
            "kind: Job\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: pre-install, post-upgrade\n    helm.sh/hook-weight: \"-3\"\n    helm.sh/hook-delete-policy: hook-succeeded\n",
        ),
        (
            "templates/t.yaml",
            "kind: Pod\nmetadata: {annotations: {helm.sh/hook: test}}\n",
        ),
        (
            "templates/u.yaml",
            "kind: Pod\nmetadata: {annotations: {helm.sh/hook: never}}\n",
        ),
        ("templates/NOTES.txt", "hello {{ .Release.Name }}"),
    ];
    let mut request = request();
    let found = rendered(&files, &request).expect("the chart renders");
    let kinds: Vec<_> = found
        .manifests
        .iter()
        .map(|manifest| manifest.value.text(&["kind"]))
        .collect();
    let kinds: Vec<_> = kinds.iter().map(Option::as_deref).collect();
    assert_eq!(
        kinds,
        [Some("Namespace"), Some("Deployment"), None, Some("Zebra")]
    );
    assert_eq!(found.manifests[0].line, 7);
    assert_eq!(found.notes, "hello rel");
    assert_eq!(found.hooks.len(), 2);
    let hook = found
        .hooks
        .iter()
        .find(|hook| hook.weight == -3)
        .expect("the job is a hook");
    assert_eq!(hook.events, [HookEvent::PreInstall, HookEvent::PostUpgrade]);
    assert_eq!(hook.delete_policies, ["hook-succeeded"]);
    request.skip_tests = true;
    assert_eq!(
        rendered(&files, &request)
            .expect("the chart renders")
            .hooks
            .len(),
        1
    );
}

#[test]
fn crds_come_as_they_are_where_asked_for() {
    let files = [
        META,
        ("crds/x.yaml", "{{ not: a template }}"),
        ("crds/readme.txt", "no"),
    ];
    let mut request = request();
    assert!(
        rendered(&files, &request)
            .expect("the chart renders")
            .crds
            .is_empty()
    );
    request.include_crds = true;
    let crds = rendered(&files, &request).expect("the chart renders").crds;
    assert_eq!(crds.len(), 1);
    assert_eq!(crds[0].text(), "{{ not: a template }}");
}

#[test]
fn files_can_be_read_but_not_the_chart_s_own() {
    let files = [
        ("conf/a.txt", "one\ntwo\n"),
        ("conf/b.json", "{}"),
        ("values.yaml", ""),
    ];
    check(
        "v: {{ .Files.Get \"conf/a.txt\" | b64enc }} {{ .Files.Get \"values.yaml\" }}x {{ len (.Files.Lines \"conf/a.txt\") }} {{ range $n, $_ := .Files.Glob \"conf/*\" }}{{ $n }},{{ end }}",
        &files,
        "v: b25lCnR3bwo= x 2 conf/a.txt,conf/b.json,",
    );
    check(
        "{{ (.Files.Glob \"conf/*\").AsConfig }}",
        &files,
        "a.txt: |\n  one\n  two\nb.json: '{}'",
    );
}

#[test]
fn capabilities_are_those_of_the_request() {
    let mut request = request();
    request.capabilities.kube_version = "v1.30.1-gke.1".to_owned();
    let text = printed(
        "v: {{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has \"apps/v1\" }} {{ .Capabilities.APIVersions.Has \"x/v1\" }}",
        &[],
        &request,
    );
    assert_eq!(text, "v: v1.30.1-gke.1 v1.30.1 30 true false");
}

#[test]
fn lookup_asks_whoever_renders() {
    let answer = |_: &str, kind: &str, _: &str, name: &str| {
        Ok((kind == "Secret").then(|| serde_json::json!({"data": {"name": name}})))
    };
    let mut request = request();
    request.lookup = Some(&answer);
    let template = "v: {{ (lookup \"v1\" \"Secret\" \"ns\" \"s\").data.name }} {{ lookup \"v1\" \"Pod\" \"\" \"\" | len }}";
    assert_eq!(printed(template, &[], &request), "v: s 0");
}

#[test]
fn values_are_held_against_schemas_of_all_charts() {
    let schema = r#"{"type": "object", "required": ["name"], "properties": {"count": {"type": "integer"}, "name": {"type": "string"}}}"#;
    let files = [
        ("values.schema.json", schema),
        ("values.yaml", "count: 3\nname: x\n"),
    ];
    check("v: {{ .Values.count }}", &files, "v: 3");
    let wrong = [
        ("values.schema.json", schema),
        ("values.yaml", "count: s3cret\n"),
    ];
    let text = printed("v: 1", &wrong, &request());
    assert!(
        text.starts_with("error: values don't meet the specifications"),
        "{text}"
    );
    assert!(
        text.contains("app:\n") && text.contains("'/count'"),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "a value may be a secret: {text}");
    let mut request = request();
    request.skip_schema = true;
    assert_eq!(printed("v: 1", &wrong, &request), "v: 1");
}

#[test]
fn a_schema_that_lies_elsewhere_is_not_fetched() {
    let schema = r#"{"properties": {"a": {"$ref": "https://example.com/x.json"}}}"#;
    let text = printed("v: 1", &[("values.schema.json", schema)], &request());
    assert!(
        text.ends_with("\"https://example.com/x.json\": schemas are read offline"),
        "{text}"
    );
}

#[test]
fn errors_speak_as_helm_does() {
    let text = |template: &str| printed(template, &[], &request());
    assert_eq!(
        text("{{ required \"give x\" .Values.x }}"),
        "error: execution error at (app/templates/a.yaml:1:3): give x"
    );
    assert!(text("a: b: c").starts_with("error: YAML parse error on app/templates/a.yaml"));
    assert!(text("- a").contains("cannot unmarshal array"));
    assert!(text("{{ .Values.a.b }}").contains("nil pointer evaluating interface {}.b"));
    assert!(text("{{ nope }}").contains("parse error at (app/templates/a.yaml:1): function"));
}

#[test]
fn a_chart_may_ask_for_a_kubernetes_version() {
    let files = [(
        "Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\nkubeVersion: '>=99'\n",
    )];
    let error = rendered(&files, &request()).expect_err("the version is too old");
    assert!(
        error
            .to_string()
            .starts_with("chart requires kubeVersion: >=99")
    );
}

#[test]
fn the_same_chart_renders_the_same_on_many_threads() {
    let chart = chart(&[META, ("templates/a.yaml", "v: {{ randAlphaNum 8 }}")]).expect("it loads");
    let text = || {
        render(&chart, &request()).expect("it renders").manifests[0]
            .text
            .clone()
    };
    let first = text();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(text)).collect();
        for thread in threads {
            assert_eq!(thread.join().ok().as_ref(), Some(&first));
        }
    });
    let mut other = request();
    other.entropy = [1; 32];
    let other = render(&chart, &other).expect("it renders");
    assert_ne!(other.manifests[0].text, first);
}

#[test]
fn an_endless_include_is_an_error_with_its_place() {
    let text = printed(
        "{{ define \"d\" }}{{ include \"d\" . }}{{ end }}{{ include \"d\" . }}",
        &[],
        &request(),
    );
    assert!(text.contains("nested reference name: d"), "{text}");
    assert!(text.contains("app/templates/a.yaml:1"), "{text}");
    let text = printed("{{ repeat 2000000000 \"x\" }}", &[], &request());
    assert!(text.contains("too much text"), "{text}");
}

#[test]
fn formats_are_asserted_up_to_draft_seven() {
    let check = |schema: &str, format: &str, value: &str, wanted: bool| {
        let schema = format!(r#"{{{schema}"properties": {{"a": {{"format": "{format}"}}}}}}"#);
        let values = format!("a: {value}\n");
        let files = [
            ("values.schema.json", schema.as_str()),
            ("values.yaml", values.as_str()),
        ];
        let accepted = printed("v: 1", &files, &request()) == "v: 1";
        assert_eq!(accepted, wanted, "{schema} {values}");
    };
    let seven = r#""$schema": "http://json-schema.org/draft-07/schema#", "#;
    let newest = r#""$schema": "https://json-schema.org/draft/2020-12/schema", "#;
    for (format, good, bad) in [
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "'::1'", "x"),
        ("email", "a@b.c", "a b"),
        ("uri", "https://x.y/z", "'not a uri'"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "x"),
        ("duration", "P1DT2H", "1h"),
        ("hostname", "a.b", "a_b"),
        ("regex", "'^a$'", "'('"),
        ("semver", "1.2.3-rc.1", "'1.2'"),
    ] {
        check(seven, format, good, true);
        check(seven, format, bad, false);
        check(newest, format, bad, true);
        check("", format, bad, true);
    }
    check(seven, "uri-reference", "'not a ('", true);
    let files = [(
        "values.schema.json",
        r#"{"properties": {"a": {"pattern": "^(?!x)"}}}"#,
    )];
    assert!(
        printed("v: 1", &files, &request()).contains("invalid or unsupported Perl syntax: `(?!`")
    );
}

#[test]
fn what_a_text_contains_is_a_remark_to_a_schema() {
    let schema = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {
        "a": {"contentMediaType": "application/json"}, "b": {"contentEncoding": "base64"}}}"#;
    let files = [
        ("values.schema.json", schema),
        ("values.yaml", "a: '{'\nb: '%'\n"),
    ];
    check("v: 1", &files, "v: 1");
}

#[test]
fn tables_inside_of_global_tables_are_one_for_all_charts() {
    let shown = "s: {{ toJson .Values | quote }}";
    let sub = "apiVersion: v2\nname: sub\nversion: 0.1.0\n";
    let files = [
        ("values.yaml", "global: {q: {auth: {m: 1}}}\n"),
        ("charts/sub/Chart.yaml", sub),
        (
            "charts/sub/values.yaml",
            "global: {q: {auth: {v: V}, other: {x: 1}}}\n",
        ),
    ];
    // The default of the chart below is seen above, where there is such a table.
    let whole = r#"s: "{\"global\":{\"q\":{\"auth\":{\"m\":1,\"v\":\"V\"}}},\"sub\":{\"global\":{\"q\":{\"auth\":{\"m\":1,\"v\":\"V\"},\"other\":{\"x\":1}}}}}""#;
    check(shown, &files, whole);
    // So is what a template sets in it.
    let set = "{{ $_ := set .Values.global.q.auth \"late\" 1 }}{{ $_ := set .Values.global.q \"own\" 1 }}v: {{ toJson .Values.sub | quote }}";
    let below = r#"v: "{\"global\":{\"q\":{\"auth\":{\"late\":1,\"m\":1,\"v\":\"V\"},\"other\":{\"x\":1}}}}""#;
    check(set, &files, below);
    // A null takes a default away, and what was handed further down brings it back.
    let parent =
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: sub, version: 0.1.0}\n";
    let files = [
        ("Chart.yaml", parent),
        ("values.yaml", "sub: {global: {q: {auth: {m: 1, w: 2}}}}\n"),
        ("charts/sub/Chart.yaml", sub),
        ("charts/sub/values.yaml", "global: {q: {auth: {m: 3}}}\n"),
        (
            "charts/sub/charts/low/Chart.yaml",
            "apiVersion: v2\nname: low\nversion: 0.1.0\n",
        ),
    ];
    let mut request = request();
    request.parameters = vec![Parameter::Typed("sub.global.q.auth.m=null".to_owned())];
    let text = printed(
        "v: {{ toJson .Values.sub.global | quote }}",
        &files,
        &request,
    );
    assert_eq!(text, r#"v: "{\"q\":{\"auth\":{\"m\":1,\"w\":2}}}""#);
}

#[test]
fn an_alias_is_in_the_paths_of_a_chart_and_its_children_only() {
    let parent = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: a, version: '*', alias: z}\n";
    let name = "v: {{ .Template.Name }}";
    let files = [
        ("Chart.yaml", parent),
        (
            "charts/a/Chart.yaml",
            "apiVersion: v2\nname: a\nversion: 1.0.0\n",
        ),
        ("charts/a/templates/x.yaml", name),
        (
            "charts/a/charts/b/Chart.yaml",
            "apiVersion: v2\nname: b\nversion: 1.0.0\n",
        ),
        ("charts/a/charts/b/templates/x.yaml", name),
        (
            "charts/a/charts/b/charts/c/Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        ),
        ("charts/a/charts/b/charts/c/templates/x.yaml", name),
    ];
    let rendered = rendered(&files, &request()).expect("the chart renders");
    let mut texts: Vec<&str> = rendered
        .manifests
        .iter()
        .map(|one| one.text.trim())
        .collect();
    texts.sort_unstable();
    let wanted = [
        "v: app/charts/a/charts/b/charts/c/templates/x.yaml",
        "v: app/charts/z/charts/b/templates/x.yaml",
        "v: app/charts/z/templates/x.yaml",
    ];
    assert_eq!(texts, wanted);
}
