//! Runs the cases of a corpus and compares by its README: documents in printed order, mappings
//! without regard to key order, numbers by value, texts exactly. It must not know what renders.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use holdfast_yaml::{Limits, read_value};
use serde_json::Value;

use crate::Options;

/// A line of `cases.jsonl`.
pub struct Case {
    /// Unique within its kind.
    pub id: String,
    /// The repository that it comes from.
    pub repo: String,
    /// All fields.
    pub fields: Value,
}

impl Case {
    /// A field that is a text; empty when it is absent.
    pub fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }

    /// A field that is a list of texts.
    pub fn list(&self, field: &str) -> Vec<&str> {
        let items = self.fields[field].as_array();
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    fn must_fail(&self) -> bool {
        self.text("expect") == "fail"
    }
}

/// How a case ended.
enum End {
    Equal,
    Different(String),
    WronglyAccepted,
    WronglyRefused(String),
    Panicked(String),
}

struct Ran {
    end: End,
    took: Duration,
}

/// Renders a case to text, or says why it is refused.
pub type Render<'a> = &'a (dyn Fn(&Case) -> Result<String, String> + Sync);

/// The first difference between what was rendered for a case and what is expected.
pub type Differ<'a> = &'a (dyn Fn(&Case, &str) -> Option<String> + Sync);

/// Runs all cases that the options ask for and prints how they ended. Returns how many failed.
pub fn run(options: &Options, render: Render<'_>) -> anyhow::Result<usize> {
    let differ = |case: &Case, ours: &str| compare(case, &options.data, ours);
    run_with(options, &|_| true, render, &differ)
}

/// As [`run`], for some cases and with another way to compare.
pub fn run_with(
    options: &Options,
    wanted: &dyn Fn(&Case) -> bool,
    render: Render<'_>,
    differ: Differ<'_>,
) -> anyhow::Result<usize> {
    let mut cases = read_cases(options)?;
    cases.retain(wanted);
    if let Some(folder) = &options.out {
        std::fs::create_dir_all(folder)?;
    }
    // A panic is counted and shown with its case; the default hook would print it in between.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, Ran>> = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else {
                return;
            };
            let ran = run_case(case, options, render, differ);
            if let Ok(mut results) = results.lock() {
                results.insert(index, ran);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let thread = std::thread::Builder::new().stack_size(64 << 20);
            if thread.spawn_scoped(scope, work).is_err() {
                work();
            }
        }
    });
    let results = results.into_inner().unwrap_or_default();
    Ok(report(&cases, &results, options))
}

fn read_cases(options: &Options) -> anyhow::Result<Vec<Case>> {
    let path = options.data.join("cases.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut cases = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Value = serde_json::from_str(line)?;
        let text = |field: &str| fields[field].as_str().unwrap_or_default().to_owned();
        let (id, repo) = (text("id"), text("repo"));
        if options
            .filter
            .as_ref()
            .is_none_or(|filter| id.contains(filter.as_str()))
        {
            cases.push(Case { id, repo, fields });
        }
    }
    Ok(cases)
}

fn run_case(case: &Case, options: &Options, render: Render<'_>, differ: Differ<'_>) -> Ran {
    let begin = Instant::now();
    let rendered = catch_unwind(AssertUnwindSafe(|| render(case)));
    let took = begin.elapsed();
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(payload) => {
            let end = End::Panicked(panic_message(payload.as_ref()));
            return Ran { end, took };
        }
    };
    if let Some(folder) = &options.out {
        write_out(folder, case, &rendered);
    }
    let end = match (rendered, case.must_fail()) {
        (Ok(_), true) => End::WronglyAccepted,
        (Err(_), true) => End::Equal,
        (Err(message), false) => End::WronglyRefused(message),
        (Ok(text), false) => match differ(case, &text) {
            None => End::Equal,
            Some(difference) => End::Different(difference),
        },
    };
    Ran { end, took }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

/// Writing is for people who look into a difference; that it may fail does not end the run.
fn write_out(folder: &Path, case: &Case, rendered: &Result<String, String>) {
    let name = case.id.replace('/', "_");
    let written = match rendered {
        Ok(text) => std::fs::write(folder.join(format!("{name}.yaml")), text),
        Err(message) => std::fs::write(folder.join(format!("{name}.err")), message),
    };
    if let Err(error) = written {
        println(&format!("{}: could not be written: {error}", case.id));
    }
}

fn compare(case: &Case, data: &Path, ours: &str) -> Option<String> {
    let golden: PathBuf = data.join(case.text("golden"));
    match std::fs::read_to_string(&golden) {
        Ok(theirs) => compare_texts(ours, &theirs, &case.fields["mask"]),
        Err(error) => Some(format!("{}: {error}", golden.display())),
    }
}

/// The first difference between two outputs; `mask` is a case's list of `{doc, paths}`.
pub fn compare_texts(ours: &str, theirs: &str, mask: &Value) -> Option<String> {
    let theirs = read_documents(theirs);
    let ours = match read_documents(ours) {
        Ok(documents) => documents,
        Err(error) => return Some(format!("our output is no YAML: {error}")),
    };
    let theirs = match theirs {
        Ok(documents) => documents,
        Err(error) => return Some(format!("the expected output is no YAML: {error}")),
    };
    for (index, (left, right)) in ours.iter().zip(&theirs).enumerate() {
        let mut difference = None;
        let masked = masked_paths(mask, index);
        differ(left, right, &mut String::new(), &masked, &mut difference);
        if let Some(difference) = difference {
            return Some(format!(
                "document {index} ({}) {difference}",
                name_of(right)
            ));
        }
    }
    if ours.len() == theirs.len() {
        return None;
    }
    let extra = ours
        .get(theirs.len())
        .or(theirs.get(ours.len()))
        .map(name_of);
    let extra = extra.unwrap_or_default();
    Some(format!(
        "{} documents instead of {}, first {extra}",
        ours.len(),
        theirs.len()
    ))
}

fn masked_paths(mask: &Value, index: usize) -> Vec<String> {
    let entries = mask.as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["doc"].as_u64() == u64::try_from(index).ok())
        .flat_map(|entry| entry["paths"].as_array().into_iter().flatten())
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect()
}

/// The documents that are not null.
fn read_documents(text: &str) -> Result<Vec<Value>, String> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut pieces = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == "---" || line.starts_with("--- ") {
            pieces.push(&text[start..at]);
            start = at + 3;
        }
        at += line.len();
    }
    pieces.push(&text[start..]);
    for piece in pieces {
        let value = read_value(piece, &Limits::default())
            .map_err(|error| format!("document {}: {error}", documents.len()))?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

fn name_of(document: &Value) -> String {
    let text = |pointer: &str| {
        let value = document.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    format!(
        "{} {} {}",
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}

fn differ(
    ours: &Value,
    theirs: &Value,
    path: &mut String,
    masked: &[String],
    found: &mut Option<String>,
) {
    if found.is_some() || masked.iter().any(|mask| mask == path) {
        return;
    }
    let length = path.len();
    match (ours, theirs) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<&String> =
                left.keys().chain(right.keys()).collect();
            for key in keys {
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => differ(left, right, path, masked, found),
                    (left, right) if !masked.contains(path) => note(path, left, right, found),
                    _ => {}
                }
                path.truncate(length);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                path.push_str(&format!("/{index}"));
                match (left.get(index), right.get(index)) {
                    (Some(left), Some(right)) => differ(left, right, path, masked, found),
                    (left, right) => note(path, left, right, found),
                }
                path.truncate(length);
            }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        (left, right) if left == right => {}
        (left, right) => note(path, Some(left), Some(right), found),
    }
}

fn note(path: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Option<String>) {
    if found.is_none() {
        let show = |value: Option<&Value>| {
            let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            text.chars().take(200).collect::<String>()
        };
        *found = Some(format!(
            "{path}\n    ours   {}\n    theirs {}",
            show(ours),
            show(theirs)
        ));
    }
}

/// What is counted for a repository.
#[derive(Default)]
struct Counts {
    all: usize,
    equal: usize,
    different: usize,
    accepted: usize,
    refused: usize,
    panicked: usize,
}

fn report(cases: &[Case], results: &BTreeMap<usize, Ran>, options: &Options) -> usize {
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for (index, ran) in results {
        let case = &cases[*index];
        for name in [case.repo.as_str(), "~ all"] {
            let counts = counts.entry(name).or_default();
            counts.all += 1;
            match &ran.end {
                End::Equal => counts.equal += 1,
                End::Different(_) => counts.different += 1,
                End::WronglyAccepted => counts.accepted += 1,
                End::WronglyRefused(_) => counts.refused += 1,
                End::Panicked(_) => counts.panicked += 1,
            }
        }
        match &ran.end {
            End::Equal => {}
            End::Different(text) => println(&format!("different {}: {text}", case.id)),
            End::WronglyAccepted => {
                let error = case.text("error").replace('\n', " ");
                println(&format!("wrongly accepted {}: {error}", case.id));
            }
            End::WronglyRefused(text) => println(&format!("wrongly refused {}: {text}", case.id)),
            End::Panicked(text) => println(&format!("panicked {}: {text}", case.id)),
        }
    }
    for (name, counts) in &counts {
        let share = 100.0 * counts.equal as f64 / counts.all as f64;
        println(&format!(
            "{share:6.2} %  {} of {} equal, {} different, {} wrongly accepted, {} wrongly refused, {} panicked  {name}",
            counts.equal,
            counts.all,
            counts.different,
            counts.accepted,
            counts.refused,
            counts.panicked
        ));
    }
    if options.time {
        report_times(cases, results);
    }
    let equal = counts.get("~ all").map_or(0, |counts| counts.equal);
    results.len() - equal
}

fn report_times(cases: &[Case], results: &BTreeMap<usize, Ran>) {
    let mut times: Vec<(Duration, &str)> = results
        .iter()
        .map(|(index, ran)| (ran.took, cases[*index].id.as_str()))
        .collect();
    times.sort();
    let total: Duration = times.iter().map(|(took, _)| *took).sum();
    let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100);
    let (Some(median), Some(late), Some(last)) = (at(50), at(99), at(100)) else {
        return;
    };
    println(&format!(
        "median {:?}, 99 % {:?}, longest {:?} ({}), total {total:?}",
        median.0, late.0, last.0, last.1
    ));
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
pub(crate) fn println(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, theirs: &str, expected: Option<&str>) {
        let mask = serde_json::json!([{"doc": 1, "paths": ["/data/secret"]}]);
        let found = compare_texts(ours, theirs, &mask);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn key_order_quotes_and_null_documents_do_not_count() {
        check(
            "a: 1\nb: \"x\"\n---\n# none\n---\nc: 2\n",
            "---\nb: x\na: 1.0\n---\nc: 2\n",
            None,
        );
    }

    #[test]
    fn masked_paths_do_not_count() {
        check(
            "a: 1\n---\ndata: {secret: x}\n",
            "a: 1\n---\ndata: {secret: y}\n",
            None,
        );
        let shown = "document 0 (  ) /data/secret\n    ours   \"x\"\n    theirs \"z\"";
        check("data: {secret: x}\n", "data: {secret: z}\n", Some(shown));
    }

    #[test]
    fn the_number_of_documents_counts() {
        let shown = "1 documents instead of 2, first Pod  p";
        check(
            "a: 1\n",
            "a: 1\n---\nkind: Pod\nmetadata: {name: p}\n",
            Some(shown),
        );
        let shown = "document 0 (  ) /a/1\n    ours   nothing\n    theirs 2";
        check("a: [1]\n", "a: [1, 2]\n", Some(shown));
    }
}
