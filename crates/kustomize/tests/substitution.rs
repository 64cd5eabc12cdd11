//! Compares substitution with what Flux's library gives, from `substitution.jsonl`; a case without
//! `out` is one that it refuses. `HOLDFAST_SUBSTITUTION` names another such file.

use std::collections::BTreeMap;

use holdfast_kustomize::{Unset, substitute_text};

#[test]
fn variables_are_substituted_as_flux_substitutes_them() {
    let path = std::env::var("HOLDFAST_SUBSTITUTION")
        .unwrap_or_else(|_| format!("{}/tests/substitution.jsonl", env!("CARGO_MANIFEST_DIR")));
    let cases = std::fs::read_to_string(path).expect("the cases are there");
    let variables = [
        ("A", "alpha"),
        ("B", ""),
        ("C", "a/b/c.tar.gz"),
        ("D", "héllo World"),
        ("N", "12"),
        ("_x", "under score"),
    ];
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let mut failures = Vec::new();
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        let input = case["in"].as_str().expect("a case has an input");
        let ours = substitute_text(input, &variables, Unset::Refused).ok();
        if ours.as_deref() != case["out"].as_str() {
            failures.push(format!(
                "{input:?}\n  ours   {ours:?}\n  theirs {}",
                case["out"]
            ));
        }
    }
    let shown = failures
        .iter()
        .take(15)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(failures.is_empty(), "{} differ:\n{shown}", failures.len());
}
