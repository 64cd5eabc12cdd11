//! `values.schema.json`: checks values before anything is rendered, and says what does not fit in
//! the words that Helm has from github.com/santhosh-tekuri/jsonschema/v6.
//!
//! It must not fetch anything: a schema that refers to another address is refused. What it says has
//! names, numbers and lengths of values, and never a text, which may be a secret.
//!
//! ```text
//! document ─resources─▶ parts with drafts and anchors ─compile─▶ nodes ─check─▶ problems ─▶ lines
//! ```

mod address;
mod check;
mod compile;
mod draft;
mod expressions;
mod formats;
mod keywords;
mod node;
mod number;
mod parts;
mod problem;
mod resources;
mod syntax;
mod times;

use holdfast_model::Value as Json;

use crate::active::Active;
use crate::chart::{Chart, as_text};
use crate::error::Error;
use crate::values::Table;

/// How many lines of problems are told.
const MAX_LINES: usize = 400;

/// How many bytes of them are told, as they end up in statuses.
const MAX_BYTES: usize = 24 << 10;

/// Where Helm says that the schema of every chart lies.
const ADDRESS: &str = "file:///values.schema.json";

/// A schema, read once for all renders; or why it cannot be used.
#[derive(Debug)]
pub(crate) struct Compiled(Result<compile::Compiled, String>);

impl Compiled {
    /// Reads a schema.
    fn read(text: &[u8]) -> Self {
        let text = as_text(text);
        let schema = serde_json::from_str::<Json>(&text).map_err(|error| {
            // Go takes a few texts that are refused here.
            let problem = syntax::problem_of(&text);
            problem.unwrap_or_else(|| format!("values.schema.json: {error}"))
        });
        Self(schema.and_then(|schema| compile::compile(ADDRESS, &schema)))
    }

    /// Lines of what is wrong with values.
    fn check(&self, values: &Json, shown: check::Shown) -> Result<(), String> {
        let compiled = self.0.as_ref().map_err(Clone::clone)?;
        let check = check::Check {
            nodes: &compiled.nodes,
            ..check::Check::default()
        };
        let outcome = check.lines(compiled.top, values, shown);
        outcome.map_err(|lines| lines + "\n")
    }
}

/// Checks the values of all charts that take part. It nests as deep as schemas do.
pub(crate) fn check(root: &Active, values: &Table) -> Result<(), Error> {
    if !has_schema(root) {
        return Ok(());
    }
    let mut problems = String::new();
    check_chart(root, values, &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Schema(shortened(problems.trim_end())))
    }
}

fn has_schema(active: &Active) -> bool {
    active.chart.schema.is_some() || active.children.iter().any(has_schema)
}

fn check_chart(active: &Active, values: &Table, problems: &mut String) {
    if let Some(schema) = &active.chart.schema
        && let Err(lines) = check_one(&active.chart, schema, values)
    {
        problems.push_str(&format!("{}:\n{lines}", active.name));
    }
    for child in &active.children {
        match values.get(&child.name) {
            None | Some(Json::Null) => {}
            Some(Json::Object(values)) => check_chart(child, values, problems),
            Some(other) => problems.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                child.name,
                go_type(other)
            )),
        }
    }
}

/// The type that a value has in Helm.
fn go_type(value: &Json) -> &'static str {
    match value {
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::Array(_) => "[]interface {}",
        _ => "string",
    }
}

fn check_one(chart: &Chart, schema: &[u8], values: &Table) -> Result<(), String> {
    let compiled = chart.compiled_schema.get_or_init(|| Compiled::read(schema));
    compiled.check(&Json::Object(values.clone()), check::Shown::Names)
}

/// The first lines of a text, and how many there are behind them.
fn shortened(text: &str) -> String {
    let mut length = 0;
    let mut kept = 0;
    for line in text.lines() {
        length += line.len() + 1;
        if length > MAX_BYTES || kept == MAX_LINES {
            break;
        }
        kept += 1;
    }
    let lines: Vec<&str> = text.lines().collect();
    let rest = lines.len() - kept;
    let mut shortened = lines[..kept].join("\n");
    if rest > 0 {
        shortened.push_str(&format!("\n... and {rest} more lines"));
    }
    shortened
}

/// What is said of values, all of it: for tests, which compare it with what Helm says.
#[cfg(test)]
pub(crate) fn says(schema: &str, values: &Json) -> String {
    let outcome = Compiled::read(schema.as_bytes()).check(values, check::Shown::Everything);
    outcome.err().unwrap_or_default()
}
