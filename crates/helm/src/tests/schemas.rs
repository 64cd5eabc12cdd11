//! What is said of values that do not fit schemas, as the real helm says it.
//!
//! `schemas.jsonl` holds cases with what helm 4.3.1 said; `cargo xtask values-schemas` records it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{META, rendered, request};
use crate::schema::says;

/// The lines of a text, with the order of their words left out: that of properties is by chance in
/// helm.
fn lines(text: &str) -> BTreeSet<Vec<&str>> {
    let words = |line| {
        let words = str::split(line, ' ').map(|word| word.trim_end_matches(','));
        let mut words: Vec<&str> = words.collect();
        words.sort_unstable();
        words
    };
    text.trim_end().lines().map(words).collect()
}

/// What a chart's values are refused with; nothing when they fit.
fn refusal(schema: &Value, values: &Value, more: &[(&str, &str)]) -> String {
    let (schema, values) = (schema.to_string(), values.to_string());
    let mut files = vec![
        META,
        ("values.schema.json", schema.as_str()),
        ("values.yaml", values.as_str()),
    ];
    files.extend(more);
    match rendered(&files, &request()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_are_refused_in_the_words_of_helm() {
    let recorded = include_str!("schemas.jsonl");
    assert!(recorded.lines().count() > 600);
    for line in recorded.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let expected = case["says"].as_str().unwrap_or_default();
        let said = says(&case["schema"].to_string(), &case["values"]);
        assert_eq!(
            lines(&said),
            lines(expected),
            "{line}\nsaid {said}\nnot {expected}"
        );
        let refused = refusal(&case["schema"], &case["values"], &[]);
        assert_eq!(refused.is_empty(), expected.is_empty(), "{line}\n{refused}");
    }
}

#[test]
fn texts_of_values_are_not_told() {
    let seven = "http://json-schema.org/draft-07/schema#";
    let check = |rule: Value, value: &str, expected: &str| {
        let schema = json!({"$schema": seven, "properties": {"v": rule}});
        let said = refusal(&schema, &json!({"v": value}), &[]);
        assert!(said.ends_with(&format!("- at '/v': {expected}")), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    };
    check(
        json!({"pattern": "^[a-z]+$"}),
        "s3cret",
        "value does not match pattern '^[a-z]+$'",
    );
    check(
        json!({"minLength": 8}),
        "s3cret",
        "minLength: got 6, want 8",
    );
    check(json!({"const": "x"}), "s3cret", "value must be 'x'");
    check(json!({"enum": ["x"]}), "s3cret", "value must be 'x'");
    check(
        json!({"type": "integer"}),
        "s3cret",
        "got string, want integer",
    );
    let formats = [
        ("ipv4", "s3cret.0.0.0", "invalid syntax"),
        ("ipv6", "abc:des3cret", "unexpected character, want colon"),
        (
            "ipv6",
            ":s3cret",
            "each colon-separated field must have at least one digit",
        ),
        ("date", "s3cret", "cannot parse it as \"2006\""),
        ("date", "2020-01-01s3cret", "extra text"),
        ("uri", "http://s3cret:x", "invalid port after host"),
        ("uri", "http://[s3cret]", "invalid host"),
        ("uri", "%s3cret", "invalid URL escape"),
        ("hostname", "s3cret_", "invalid character"),
        ("email", "s3cret", "missing @"),
        ("regex", "[s3cret", "error parsing regexp"),
        ("uuid", "s3cret", "must have 5 elements"),
        ("duration", "P3s3cret", "invalid unit"),
        (
            "semver",
            "1.2.3+s3cret_",
            "invalid character in build identifier",
        ),
    ];
    for (format, value, problem) in formats {
        let expected = format!("value is not valid {format}: {problem}");
        check(json!({"format": format}), value, &expected);
    }
}

#[test]
fn names_of_properties_are_told() {
    let schema = json!({"propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": false});
    let said = refusal(&schema, &json!({"A1": "s3cret"}), &[]);
    assert!(
        said.ends_with(
            "app:\n- at '': additional properties 'A1' not allowed\n- at '': invalid \
             propertyName 'A1'\n  - at '': 'A1' does not match pattern '^[a-z]+$'"
        ),
        "{said}"
    );
}

#[test]
fn problems_of_subcharts_follow_those_of_the_chart() {
    let sub = [
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        ),
        ("charts/sub/values.schema.json", r#"{"required": ["x"]}"#),
    ];
    let before = "values don't meet the specifications of the schema(s) in the following \
         chart(s):\napp:\n";
    assert_eq!(
        refusal(&json!({"required": ["y"]}), &json!({}), &sub),
        format!("{before}- at '': missing property 'y'\nsub:\n- at '': missing property 'x'")
    );
    // Helm ends the line only where values do not fit.
    assert_eq!(
        refusal(&json!({"$ref": "#a"}), &json!({}), &sub),
        format!(
            "{before}anchor in \"file:///values.schema.json#a\" not found in schema \
             \"file:///values.schema.json\"sub:\n- at '': missing property 'x'"
        )
    );
}

#[test]
fn a_chain_of_references_that_is_too_long_is_refused() {
    let mut definitions = json!({"d0": {"type": "string"}});
    for depth in 1..8000 {
        definitions[format!("d{depth}")] = json!({"$ref": format!("#/$defs/d{}", depth - 1)});
    }
    let check = |first: &str| {
        let schema = json!({"$defs": definitions, "properties": {"v": {"$ref": first}}});
        refusal(&schema, &json!({"v": 1}), &[])
    };
    assert!(check("#/$defs/d4000").ends_with("- at '/v': got number, want string"));
    assert!(check("#/$defs/d7999").ends_with("takes too long"));
}

#[test]
fn many_problems_are_told_in_part() {
    let mut values = json!({});
    for index in 0..2000 {
        values[format!("v{index}")] = json!(index);
    }
    let schema = json!({"additionalProperties": {"type": "string"}});
    let said = refusal(&schema, &values, &[]);
    assert_eq!(said.lines().count(), 402);
    assert!(said.ends_with("\n... and 1601 more lines"), "{said}");
}
