//! Each rule, held against a bad example.

use serde_json::{Value, json};

use super::{arrows, circles, files};

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

/// A crate whose files say this.
fn check_circles(name: &str, files: &[(&str, &str)], expected: &[&str]) {
    let paths: Vec<String> = files
        .iter()
        .map(|(file, _)| format!("crates/{name}/src/{file}"))
        .collect();
    let files = paths.iter().zip(files);
    let files = files.map(|(path, (_, text))| (path.as_str(), *text));
    assert_eq!(circles::check(files), expected);
}

#[test]
fn files_that_all_need_each_other_are_a_problem() {
    let expected = "4 files of crates/a import each other in a circle, which may have at most 3: \
                    b, c, d, d::e";
    let mut files = [
        ("lib.rs", "mod b;\nmod c;\nmod d;\n"),
        ("b.rs", "use crate::{\n    c::One as Two,\n    other,\n};\n"),
        ("c.rs", "fn c() {\n    super::d::from(1);\n}\n"),
        ("d/mod.rs", "mod e;\n\nuse e::{self, F};\n"),
        ("d/e.rs", "use super::super::b::G;\n"),
    ];
    check_circles("a", &files, &[expected]);
    // A circle of three is two that explain each other.
    files[2].1 =
        "fn c() {}\n// crate::d::from\n#[cfg(test)]\nmod tests {\n    use crate::d::x;\n}\n";
    check_circles("a", &files, &[]);
    files[1].1 = "use crate::d::H;\n";
    check_circles("a", &files, &[]);
}
