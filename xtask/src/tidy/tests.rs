//! Each rule, held against a bad example.

use serde_json::{Value, json};

use super::{arrows, files};

fn metadata(from: &str, to: &str, kind: Value) -> Value {
    json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": kind}]}]})
}

fn check_arrow(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(arrows::check(&metadata(from, to, Value::Null)), expected);
}

#[test]
fn an_arrow_that_the_table_lacks_is_a_problem() {
    check_arrow("holdfast-plan", "holdfast-assess", &[]);
    check_arrow(
        "holdfast-plan",
        "holdfast-target",
        &["crate plan must not use crate target"],
    );
    assert_eq!(
        arrows::check(&metadata("holdfast-plan", "holdfast-target", json!("dev"))),
        [] as [&str; 0]
    );
}

#[test]
fn a_pure_crate_that_uses_the_world_is_a_problem() {
    check_arrow(
        "holdfast-helm",
        "tokio",
        &["crate helm is pure and must not use tokio"],
    );
    check_arrow("holdfast-engine", "tokio", &[]);
}

fn check_file(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(files::check(path, text), expected);
}

#[test]
fn a_file_opens_with_what_it_is_for() {
    check_file("crates/a/src/b.rs", "//! B.\n", &[]);
    check_file(
        "crates/a/src/b.rs",
        "fn b() {}\n",
        &["crates/a/src/b.rs does not open with a //! paragraph"],
    );
}

#[test]
fn a_file_has_a_ceiling() {
    let long = format!("//! Long.\n{}", "\n".repeat(600));
    check_file(
        "crates/a/src/b.rs",
        &long,
        &["crates/a/src/b.rs has 601 lines; the ceiling is 600"],
    );
    check_file("crates/plan/src/tests.rs", &long, &[]);
}

#[test]
fn a_name_says_something() {
    for path in ["crates/a/src/utils.rs", "crates/a/src/common/mod.rs"] {
        let expected = format!("{path} has a name that says nothing");
        check_file(path, "//! B.\n", &[&expected]);
    }
}

#[test]
fn a_pure_crate_reads_no_clock_and_no_file() {
    check_file(
        "crates/plan/src/b.rs",
        "//! B.\n// std::fs is not for us.\nlet now = SystemTime::now();\n",
        &["crates/plan/src/b.rs:3: a pure crate must not use SystemTime::now"],
    );
    check_file(
        "crates/engine/src/b.rs",
        "//! B.\nlet now = SystemTime::now();\n",
        &[],
    );
    check_file(
        "crates/plan/src/tests.rs",
        "//! B.\nlet now = SystemTime::now();\n",
        &[],
    );
}
