//! `spec.render.include` and `spec.render.exclude` with every renderer.

use holdfast_model::stack::{HelmChoice, HelmParameter, KustomizeChoice, RenderChoice};

use super::{check, choice, render_app};

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn checked(files: &[(&str, String)], choice: &RenderChoice, expected: &[&str]) {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, &**text)).collect();
    check(&files, choice, expected);
}

fn chart() -> Vec<(&'static str, String)> {
    vec![
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 1.0.0\n".to_owned(),
        ),
        ("app/templates/a.yaml", config("{{ .Values.name }}")),
        ("app/templates/extra/b.yaml", config("b")),
        ("app/prod.yaml", "name: prod\n".to_owned()),
    ]
}

#[test]
fn files_that_are_excluded_are_not_seen_by_a_chart_and_named_ones_are_read_all_the_same() {
    let mut choice = choice(&[], &["templates/extra/**", "prod.yaml"]);
    choice.helm.value_files = vec!["prod.yaml".to_owned()];
    checked(&chart(), &choice, &["prod app/templates/a.yaml"]);
    choice.exclude.clear();
    checked(
        &chart(),
        &choice,
        &["prod app/templates/a.yaml", "b app/templates/extra/b.yaml"],
    );
}

fn overlay() -> Vec<(&'static str, String)> {
    vec![
        (
            "app/kustomization.yaml",
            "resources: [a.yaml, ../base]\n".to_owned(),
        ),
        ("app/a.yaml", config("a")),
        ("app/b.yaml", config("b")),
        (
            "base/kustomization.yaml",
            "resources: [c.yaml]\n".to_owned(),
        ),
        ("base/c.yaml", config("c")),
    ]
}

#[test]
fn files_that_are_excluded_are_not_seen_by_an_overlay() {
    // The overlay itself is hidden: what is left is plain.
    checked(
        &overlay(),
        &choice(&[], &["kustomization.yaml", "a.yaml"]),
        &["b app/b.yaml:1"],
    );
    // Files beside the folder are no matter of its globs.
    checked(
        &overlay(),
        &choice(&[], &["c.yaml", "b.yaml"]),
        &["a app/a.yaml:1", "c base/c.yaml:1"],
    );
    let files = overlay();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, &**text)).collect();
    let refused = render_app(&files, &choice(&[], &["a.yaml"]));
    let refused = refused.expect_err("a resource is not seen");
    assert!(
        refused.faults()[0].message.contains("a.yaml"),
        "{refused:?}"
    );
}

#[test]
fn an_overlay_of_what_is_included_is_changed_as_the_stack_says() {
    let mut choice = choice(&["b.yaml"], &[]);
    choice.kustomize = Some(KustomizeChoice {
        name_prefix: Some("x-".to_owned()),
        ..KustomizeChoice::default()
    });
    checked(&overlay(), &choice, &["x-b app/b.yaml:1"]);
}

#[test]
fn globs_that_nothing_follows_are_refused() {
    let files = chart();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, &**text)).collect();
    let mut included = choice(&["templates/*"], &[]);
    included.helm = HelmChoice {
        parameters: vec![HelmParameter::Text("name=x".to_owned())],
        ..HelmChoice::default()
    };
    let refused = render_app(&files, &included).expect_err("refused");
    assert!(
        refused.faults()[0]
            .message
            .starts_with("spec.render.include makes"),
        "{refused:?}"
    );
}
