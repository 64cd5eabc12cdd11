//! Plays scripts of requests against an API server and compares what it answers with what a real
//! kube-apiserver has answered.
//!
//! A script is a YAML list of steps in `scripts/`. A step has one request and, where it needs
//! them, options:
//!
//! ```yaml
//! - POST: /api/v1/namespaces/{ns}/configmaps   # or GET, PUT, PATCH, DELETE
//!   as: apply          # merge, json, strategic, apply: the media type of a patch
//!   accept: table      # table, partial: the form of the answer
//!   body: {...}        # the document; a text is sent as it is
//!   save: first        # later steps say {first.rv}, {first.uid}, {first.continue}
//!   user: bob          # in the name of somebody else, who is in these groups
//!   groups: [team]
//!   retry: 404         # again for a while, for as long as the answer has this code,
//!                      # or one of these
//! ```
//!
//! A step may also be a definition with rules, which is made as a dry run:
//!
//! ```yaml
//! - define: {...}        # the schema of its `spec`
//!   rules: [self.a > 1]  # rules of that part, or objects with a rule and more
//!   root: [...]          # rules of the object as a whole
//! ```
//!
//! Or it is about an admission policy; of its answer, and of that to any step with `outcome: true`,
//! only what came of it is kept:
//!
//! ```yaml
//! - policy: a            # makes the policy `a.{ns}` for ConfigMaps that have the label `case: a`
//!   spec: {...}
//! - bind: a              # makes the binding `a.{ns}` of it, or of the policy that `of` names
//! - made: a              # asks for such a ConfigMap as a dry run
//!   body: {data: {...}}
//! ```
//!
//! `{ns}` is a namespace that the script has for itself. What differs from run to run (uids,
//! versions, times, addresses) is masked before answers are compared.

mod mask;
mod play;
mod policies;

pub use mask::mask;
pub use play::{Script, play, read_scripts};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The folder of scripts, answers and known differences.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The recorded answers of a script.
pub fn read_answers(name: &str) -> Result<Vec<Value>> {
    let path = home().join("answers").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no recorded answers for {name}"))?;
    let answers: Vec<Value> = serde_json::from_str(&text)?;
    // What has come to be masked since they were recorded is masked now.
    Ok(answers
        .iter()
        .map(|answer| mask(answer, "NAMESPACE"))
        .collect())
}

/// Differences that are known, with their reasons: `script/step: reason`, a line each.
pub fn known_differences() -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(home().join("known.txt"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.split_once(": "))
        .map(|(step, reason)| (step.to_owned(), reason.to_owned()))
        .collect())
}

/// Where two values differ, a line each.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", expected, found, &mut lines);
    lines
}

fn compare(path: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in left {
                let place = format!("{path}/{name}");
                match right.get(name) {
                    Some(other) => compare(&place, value, other, lines),
                    None => lines.push(format!("{place}: missing, expected {value}")),
                }
            }
            for (name, value) in right {
                if !left.contains_key(name) {
                    lines.push(format!("{path}/{name}: not expected, found {value}"));
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (value, other)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}/{index}"), value, other, lines);
            }
        }
        (left, right) if left != right => {
            lines.push(format!("{path}: expected {left}, found {right}"));
        }
        _ => {}
    }
}
