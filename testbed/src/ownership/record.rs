//! Recorded sequences: what a real API server answered, each answer as its change against the one
//! before it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use holdfast_merge::merge_patch;
use serde_json::{Map, Value, json};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ownership.jsonl")
}

/// The recorded sequences: seed, number of steps, and how the real server answered.
///
/// # Errors
/// When they are not there or cannot be read.
pub fn read() -> anyhow::Result<Vec<(u64, Vec<Value>)>> {
    let text = std::fs::read_to_string(path()).context("no recorded sequences")?;
    let mut sequences = Vec::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line)?;
        if let Some(seed) = value.get("seed").and_then(Value::as_u64) {
            sequences.push((seed, Vec::new()));
            continue;
        }
        let (_, answers): &mut (u64, Vec<Value>) =
            sequences.last_mut().context("answers follow a seed")?;
        let mut answer = answers.last().cloned().unwrap_or_default();
        merge_patch::apply(&mut answer, &value);
        answers.push(answer);
    }
    Ok(sequences)
}

/// Keeps sequences and how the real server answered.
///
/// # Errors
/// When they cannot be written, or an answer cannot be told as a change.
pub fn write(sequences: &[(u64, Vec<Value>)]) -> anyhow::Result<()> {
    let mut text = String::new();
    for (seed, answers) in sequences {
        text += &format!("{}\n", json!({"seed": seed}));
        let mut last = Value::Null;
        for answer in answers {
            let change = change(&last, answer);
            merge_patch::apply(&mut last, &change);
            anyhow::ensure!(last == *answer, "a null is in the answer {answer}");
            text += &format!("{change}\n");
        }
    }
    Ok(std::fs::write(path(), text)?)
}

/// What has to be merged into a value to get another.
fn change(from: &Value, to: &Value) -> Value {
    let (Value::Object(left), Value::Object(right)) = (from, to) else {
        return to.clone();
    };
    let mut fields = Map::new();
    for name in left.keys().filter(|name| !right.contains_key(*name)) {
        fields.insert(name.clone(), Value::Null);
    }
    for (name, value) in right {
        match left.get(name) {
            Some(other) if other == value => {}
            Some(other) => drop(fields.insert(name.clone(), change(other, value))),
            None => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(fields)
}
