//! References as they are written, and what becomes of them.

use std::collections::BTreeMap;

use holdfast_model::{Value, base64};
use proptest::prelude::*;
use serde_json::json;

use super::reference::{Location, Part, Reference, parse};
use super::resolve::{Answers, VERSIONS_ANNOTATION, overlay, resolve};
use super::{Data, Error, Version};

/// Answers from a table.
#[derive(Default)]
struct Table {
    values: BTreeMap<(String, String), Value>,
    noted: Vec<String>,
}

impl Table {
    fn of(values: &[(&str, &str, Value)]) -> Self {
        let values = values.iter();
        let values = values
            .map(|(path, key, value)| (((*path).to_owned(), (*key).to_owned()), value.clone()));
        Self {
            values: values.collect(),
            noted: Vec::new(),
        }
    }
}

impl Answers for Table {
    fn value(&mut self, reference: &Reference) -> Result<Value, Error> {
        let (path, key) = (reference.location.path.clone(), reference.key.clone());
        let found = self.values.get(&(path.clone(), key.clone())).cloned();
        found.ok_or(Error::NoKey {
            path,
            key,
            others: 0,
        })
    }

    fn note(&mut self, text: &str) {
        self.noted.push(text.to_owned());
    }

    fn version(&self, _: &str) -> Option<String> {
        Some("4".to_owned())
    }
}

/// Answers from a table, and knows no newest version.
struct Silent(Table);

impl Answers for Silent {
    fn value(&mut self, reference: &Reference) -> Result<Value, Error> {
        self.0.value(reference)
    }

    fn note(&mut self, text: &str) {
        self.0.note(text);
    }

    fn version(&self, _: &str) -> Option<String> {
        None
    }
}

fn table() -> Table {
    Table::of(&[
        ("kv/app", "password", json!("pass word")),
        ("kv/app", "count", json!(3)),
        ("kv/app", "json", json!(r#"{"a": {"b c": [1, "two"]}}"#)),
        ("kv/app", "lines", json!("one\ntwo\n\nthree\n")),
        ("kv/app", "encoded", json!("cGFzcw==")),
        ("kv/data/other", "password", json!("another")),
    ])
}

/// What a text in an object of a kind becomes; what is wrong with it where it becomes nothing.
fn check(kind: &str, text: &str, expected: Result<Value, &str>) {
    let object = json!({"kind": kind, "metadata": {"name": "a",
        "annotations": {"avp.kubernetes.io/path": "kv/app"}}, "spec": {"value": text}});
    match (resolve(&object, &mut table()), expected) {
        (Ok(resolved), Ok(expected)) => {
            let resolved = resolved.unwrap_or(object);
            assert_eq!(resolved["spec"]["value"], expected, "{text}");
        }
        (Err(problems), Err(words)) => {
            assert!(problems[0].message.contains(words), "{text}: {problems:?}");
            assert_eq!(problems[0].pointer, "/spec/value");
        }
        (found, expected) => panic_free(&format!("{text}: {found:?}, not {expected:?}")),
    }
}

fn panic_free(text: &str) {
    assert_eq!(text, "");
}

#[test]
fn placeholders_become_what_they_name() {
    check("Deployment", "<password>", Ok(json!("pass word")));
    check(
        "Deployment",
        "a <password> and < password >",
        Ok(json!("a pass word and pass word")),
    );
    check(
        "Deployment",
        "<path:kv/data/other#password>",
        Ok(json!("another")),
    );
    check(
        "Deployment",
        "<path:kv/data/other#password#2>!",
        Ok(json!("another!")),
    );
    check("Deployment", "<count>", Ok(json!(3)));
    check("Secret", "<count>", Ok(json!("3")));
    check("Deployment", "n=<count>", Ok(json!("n=3")));
    check(
        "Deployment",
        "1 < 2 and 3 > 2",
        Ok(json!("1 < 2 and 3 > 2")),
    );
    check("Deployment", "<a b=\"c\">", Ok(json!("<a b=\"c\">")));
    check("Deployment", "<", Ok(json!("<")));
}

#[test]
fn modifiers_shape_values() {
    check(
        "Deployment",
        "<password | base64encode>",
        Ok(json!("cGFzcyB3b3Jk")),
    );
    check("Deployment", "<encoded|base64decode>", Ok(json!("pass")));
    check(
        "Deployment",
        "<encoded | base64decode | base64encode>",
        Ok(json!("cGFzcw==")),
    );
    check(
        "Deployment",
        "<encoded | base64decode | sha256sum>",
        Ok(json!(
            "d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1"
        )),
    );
    check(
        "Deployment",
        "<json | jsonPath {.a['b c'][1]}>",
        Ok(json!("two")),
    );
    check(
        "Deployment",
        "<json | jsonParse>",
        Ok(json!({"a": {"b c": [1, "two"]}})),
    );
    check(
        "Secret",
        "<json | jsonParse | jsonPath {.a}>",
        Ok(json!(r#"{"b c":[1,"two"]}"#)),
    );
    check(
        "Deployment",
        "<json | yamlParse>",
        Ok(json!({"a": {"b c": [1, "two"]}})),
    );
    check(
        "Deployment",
        "<lines | indent 2>",
        Ok(json!("one\n  two\n  three\n")),
    );
}

#[test]
fn what_cannot_be_followed_is_refused_and_names_the_place() {
    check("Deployment", "<unknown>", Err("has no key `unknown`"));
    check("Deployment", "<path:kv/app>", Err("it names no key"));
    check(
        "Deployment",
        "<path:kv/app#password",
        Err("does not end with `>`"),
    );
    check(
        "Deployment",
        "<path:kv/../app#password>",
        Err("empty parts, dots"),
    );
    check(
        "Deployment",
        "<path:kv/app#password#first>",
        Err("`first` is no version"),
    );
    check(
        "Deployment",
        "<password | reverse>",
        Err("there is no modifier `reverse`"),
    );
    check(
        "Deployment",
        "<password | base64encode 3>",
        Err("takes nothing behind it"),
    );
    check(
        "Deployment",
        "<password | indent deep>",
        Err("takes a number"),
    );
    check(
        "Deployment",
        "<json | jsonPath {.a[*]}>",
        Err("are not supported"),
    );
    check(
        "Deployment",
        "<json | jsonPath {.b}>",
        Err("there is nothing at that path"),
    );
    check("Deployment", "<password | jsonParse>", Err("it is no JSON"));
    check(
        "Deployment",
        "<password | base64decode>",
        Err("it is no base64"),
    );
}

#[test]
fn an_object_says_which_versions_it_has_and_secrets_are_read_in_base64_too() {
    // Also where nothing but a version that is named is read.
    let pinned = json!({"kind": "Secret", "metadata": {"name": "a",
        "annotations": {"avp.kubernetes.io/path": "kv/app", "avp.kubernetes.io/secret-version": "2"}},
        "stringData": {"b": "<password>"}});
    let resolved = resolve(&pinned, &mut Silent(table())).expect("it resolves");
    let resolved = resolved.expect("it has some");
    assert_eq!(resolved["stringData"], json!({"b": "pass word"}));
    let versions = &resolved["metadata"]["annotations"][VERSIONS_ANNOTATION];
    assert_eq!(versions, r#"{"kv/app":"2"}"#);
    let encoded = base64::encode(b"url=<password>");
    let object = json!({"kind": "Secret", "metadata": {"name": "a",
        "annotations": {"holdfast.dev/vault": "kv/app"}},
        "data": {"url": encoded}, "stringData": {"plain": "as it is", "b": "<password>"}});
    let mut table = table();
    let resolved = resolve(&object, &mut table)
        .expect("it resolves")
        .expect("it has some");
    assert_eq!(resolved["data"]["url"], base64::encode(b"url=pass word"));
    assert_eq!(
        resolved["stringData"],
        json!({"plain": "as it is", "b": "pass word"})
    );
    let versions = &resolved["metadata"]["annotations"][VERSIONS_ANNOTATION];
    assert_eq!(versions, r#"{"kv/app":"4"}"#);
    for text in ["pass word", "url=pass word"] {
        assert!(table.noted.contains(&text.to_owned()), "{text}");
    }
    assert_eq!(resolve(&resolved, &mut table), Ok(None));
}

#[test]
fn without_a_path_only_whole_placeholders_count_and_ignored_objects_stay() {
    let text = "<password> <path:kv/app#password>";
    let object = |annotations: Value| {
        json!({"kind": "ConfigMap",
        "metadata": {"name": "a", "annotations": annotations}, "data": {"a": text}})
    };
    let resolved = resolve(&object(json!({})), &mut table()).expect("it resolves");
    assert_eq!(
        resolved.expect("it has some")["data"]["a"],
        "<password> pass word"
    );
    let ignored = object(json!({"avp.kubernetes.io/ignore": "true"}));
    assert_eq!(resolve(&ignored, &mut table()), Ok(None));
    let elsewhere = object(json!({"holdfast.dev/vault": "kv/app"}));
    let problems = resolve(&elsewhere, &mut table()).expect_err("it is for Secrets");
    assert!(
        problems[0].message.contains("is for Secrets"),
        "{problems:?}"
    );
}

#[test]
fn what_is_missing_goes_where_that_is_asked_for() {
    let object = json!({"kind": "Secret", "metadata": {"name": "a", "annotations": {
        "avp.kubernetes.io/path": "kv/app", "avp.kubernetes.io/remove-missing": "true"}},
        "stringData": {"a": "<password>", "b": "<unknown>"}});
    let resolved = resolve(&object, &mut table())
        .expect("it resolves")
        .expect("it has some");
    assert_eq!(resolved["stringData"], json!({"a": "pass word"}));
}

#[test]
fn values_of_charts_are_laid_over_those_that_name_them() {
    let values = json!({"db": {"user": "app", "password": {"vault": "kv/app#password"}},
        "list": [{"a": 1}, {"b": {"vault": "kv/app#count"}, "c": 2}],
        "not": {"vault": "true"}, "neither": {"vault": "a#b", "other": 1}});
    let over = overlay(&values, &mut table()).expect("it resolves");
    assert_eq!(
        over,
        Some(json!({"db": {"password": "pass word"}, "list": [{"a": 1}, {"b": 3, "c": 2}]}))
    );
    assert_eq!(overlay(&json!({"a": [1, {}]}), &mut table()), Ok(None));
    let wrong = json!({"a": {"vault": "kv/app#unknown"}});
    let problems = overlay(&wrong, &mut table()).expect_err("there is no such key");
    assert_eq!(problems[0].pointer, "/a");
}

#[test]
fn no_error_and_no_debug_has_a_value() {
    let data = Data::of(json!({"password": "open-sesame"}), Version::Number(3));
    let location = Location::parse("kv/app", None).expect("a path");
    let error = data
        .value(&location, "pasword")
        .expect_err("there is no such key");
    let said = format!("{error} {error:?} {} {data:?}", error.hint());
    assert!(!said.contains("open-sesame"), "{said}");
    assert!(said.contains("(it has 1)"), "{said}");
}

proptest! {
    #[test]
    fn any_text_is_read_and_its_plain_parts_are_kept(text in "[ -~<>|#:\n]{0,60}", has_path: bool) {
        let default = Location { path: "kv/app".to_owned(), version: None };
        if let Ok(parts) = parse(&text, has_path.then_some(&default)) {
            let mut at = 0;
            for part in parts {
                if let Part::Text(plain) = part {
                    let found = text[at..].find(plain);
                    prop_assert!(found.is_some());
                    at += found.unwrap_or_default() + plain.len();
                }
            }
        }
    }

    #[test]
    fn what_is_written_as_a_reference_is_read_as_it(
        path in "[a-z]{1,8}(/[a-zA-Z0-9_. -]{0,7}[a-z]){0,3}",
        key in "[a-zA-Z0-9_.-]{1,12}",
        version in proptest::option::of(1..1000_u64),
        before in "[ -;=?-~]{0,10}",
    ) {
        let suffix = version.map(|version| format!("#{version}")).unwrap_or_default();
        let text = format!("{before}<path:{path}#{key}{suffix}>");
        let parts = parse(&text, None);
        let parts = parts.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let last = parts.last();
        let Some(Part::Reference(reference)) = last else {
            return Err(TestCaseError::fail(format!("{last:?}")));
        };
        prop_assert_eq!(&reference.location, &Location { path: path.clone(), version });
        prop_assert_eq!(&reference.key, &key);
    }
}
