//! Compares with what Go's libraries print, from golden files that `oracle/main.go` wrote.
//! `HOLDFAST_YAML_GOLDEN` names another folder of such files, for larger runs.

use holdfast_model::Value;
use holdfast_yaml::{
    Dialect, DuplicateKeys, HtmlEscape, Limits, Rules, Tree, node_to_value, read_nodes, read_value,
    to_json, to_yaml, tree_to_yaml,
};

fn cases(file: &str) -> Vec<Value> {
    let folder = std::env::var("HOLDFAST_YAML_GOLDEN")
        .unwrap_or_else(|_| format!("{}/tests/golden", env!("CARGO_MANIFEST_DIR")));
    let text =
        std::fs::read_to_string(format!("{folder}/{file}")).expect("the golden files are there");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a golden line is JSON"))
        .collect()
}

/// Runs a check over all cases and shows the first failures.
fn check_all(file: &str, check: impl Fn(&Value) -> Result<(), String>) {
    let cases = cases(file);
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    let shown = failures
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        failures.is_empty(),
        "{} of {} differ:\n{shown}",
        failures.len(),
        cases.len()
    );
}

fn equal(what: &str, input: &str, ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!(
        "{what} of {input}\n  ours   {ours:?}\n  theirs {theirs:?}"
    ))
}

#[test]
fn yaml_is_written_as_go_writes_it() {
    check_all("emit.jsonl", |case| {
        let value = &case["in"];
        let input = value.to_string();
        let tree = Tree::from(value);
        if let Some(theirs) = case["sigs"].as_str() {
            equal("sigs", &input, &to_yaml(value), theirs)?;
        }
        let pretty = case["pretty"].as_str().unwrap();
        equal(
            "pretty",
            &input,
            &tree_to_yaml(&tree, Dialect::PRETTY),
            pretty,
        )?;
        let kyaml = case["kyaml"].as_str().unwrap_or(pretty);
        equal("kyaml", &input, &tree_to_yaml(&tree, Dialect::KYAML), kyaml)?;
        equal(
            "json",
            &input,
            &to_json(&tree, HtmlEscape::On),
            case["json"].as_str().unwrap(),
        )
    });
}

#[test]
fn yaml_is_read_as_go_reads_it() {
    check_all("read.jsonl", |case| {
        let text = case["text"].as_str().unwrap();
        let ours = read_value(text, &Limits::default());
        compare_read("sigs", text, ours, case)?;
        let nodes = read_nodes(text, &Limits::default());
        let first = nodes.map(|documents| documents.into_iter().next());
        if let Ok(Some(document)) = first {
            let ours = node_to_value(document.node, Rules::V3, DuplicateKeys::Refused);
            if case["v3"].is_string() {
                compare_read("v3", text, ours, case)?;
            }
        }
        Ok(())
    });
}

fn compare_read(
    what: &str,
    text: &str,
    ours: Result<Value, holdfast_yaml::Error>,
    case: &Value,
) -> Result<(), String> {
    let theirs = case[what].as_str();
    match (ours, theirs) {
        (Ok(ours), Some(theirs)) => {
            let theirs: Value = serde_json::from_str(theirs).expect("Go prints JSON");
            let same = ours == theirs
                || to_json(&Tree::from(&ours), HtmlEscape::Off)
                    == to_json(&Tree::from(&theirs), HtmlEscape::Off);
            if same {
                return Ok(());
            }
            equal(what, text, &ours.to_string(), &theirs.to_string())
        }
        (Err(_), None) => Ok(()),
        (Ok(ours), None) => Err(format!(
            "{what} of {text}\n  ours   {ours}\n  theirs {}",
            case[format!("{what}Error")]
        )),
        (Err(error), Some(theirs)) => Err(format!(
            "{what} of {text}\n  ours   {error}\n  theirs {theirs}"
        )),
    }
}
