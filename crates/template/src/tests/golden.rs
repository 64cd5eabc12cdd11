//! What Go itself makes of thousands of expressions, kept in `oracle/golden.jsonl`.

use std::sync::Arc;

use holdfast_yaml::{Limits as YamlLimits, read_value};

use crate::{Inputs, Limits, Run, Set, Value, parse};

const VALUES: &str = include_str!("../../oracle/values.yaml");
const GOLDEN: &str = include_str!("../../oracle/golden.jsonl");

/// Renders a text the way the oracle does.
pub(super) fn render(text: &str) -> Result<String, String> {
    let json = read_value(VALUES, &YamlLimits::default()).expect("the values are YAML");
    let data = Value::from_json_floats(&json);
    let templates = parse("case", text).map_err(|error| error.to_string())?;
    let mut set = Set::new();
    let templates: Vec<_> = templates.into_iter().map(Arc::new).collect();
    set.add_file("case", &templates);
    let inputs = Inputs {
        now: holdfast_model::time::Time::default(),
        entropy: &[7; 32],
        lookup: None,
        strict: false,
        limits: Limits::default(),
    };
    let mut run = Run::new(&set, inputs);
    let mut out = Vec::new();
    let outcome = run.execute("case", &data, &mut out);
    run.finish();
    outcome.map_err(|error| error.to_string())?;
    // As Go's JSON has it: a replacement character for each byte that is no UTF-8.
    let mut text = String::new();
    for chunk in out.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(text)
}

/// Compares one line of the golden file; a text where they disagree.
fn check(line: &str) -> Option<String> {
    let case: Vec<String> = serde_json::from_str(line).expect("the golden file is JSON");
    let found = render(&case[0]);
    match (case.get(1), found) {
        (Some(wanted), Ok(found)) if *wanted == found => None,
        (Some(wanted), Ok(found)) => Some(format!(
            "{}\n  Go:   {wanted:?}\n  here: {found:?}",
            case[0]
        )),
        (Some(wanted), Err(error)) => Some(format!(
            "{}\n  Go:   {wanted:?}\n  here: error {error}",
            case[0]
        )),
        (None, Ok(found)) => Some(format!("{}\n  Go:   error\n  here: {found:?}", case[0])),
        (None, Err(_)) => None,
    }
}

#[test]
fn expressions_give_what_go_gives() {
    // Another file of the same form can be given, for runs with many more cases.
    let more = std::env::var("HOLDFAST_GOLDEN").ok();
    let golden = more.map_or(GOLDEN.to_owned(), |path| {
        std::fs::read_to_string(path).expect("the file can be read")
    });
    let wrong: Vec<String> = golden.lines().filter_map(check).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        golden.lines().count(),
        wrong.join("\n")
    );
}
