//! `values.schema.json`: checks values before anything is rendered.
//!
//! It must not fetch anything: a schema that refers to another address is refused.

use holdfast_model::Value as Json;

use crate::active::Active;
use crate::chart::Chart;
use crate::error::Error;
use crate::values::Table;

/// How many problems of one chart are told.
const MAX_PROBLEMS: usize = 40;

/// Checks the values of all charts that take part.
pub(crate) fn check(root: &Active, values: &Table) -> Result<(), Error> {
    let mut problems = String::new();
    check_chart(root, values, &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Schema(problems.trim_end().to_owned()))
    }
}

fn check_chart(active: &Active, values: &Table, problems: &mut String) {
    if let Some(schema) = &active.chart.schema {
        let found = check_one(&active.chart, schema, values);
        if !found.is_empty() {
            problems.push_str(&format!("{}:\n", active.name));
            for problem in found {
                problems.push_str(&problem);
                problems.push('\n');
            }
        }
    }
    for child in &active.children {
        match values.get(&child.name) {
            None | Some(Json::Null) => {}
            Some(Json::Object(values)) => check_chart(child, values, problems),
            Some(_) => problems.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map)\n",
                child.name
            )),
        }
    }
}

fn check_one(chart: &Chart, schema: &[u8], values: &Table) -> Vec<String> {
    let compiled = chart.compiled_schema.get_or_init(|| compile(schema));
    let validator = match compiled {
        Ok(validator) => validator,
        Err(message) => return vec![message.clone()],
    };
    let instance = whole_numbers(&Json::Object(values.clone()));
    validator
        .iter_errors(&instance)
        .take(MAX_PROBLEMS)
        .map(|error| {
            // The message itself would show the value, which may be a secret.
            format!("- at '{}': {}", error.instance_path(), error.masked())
        })
        .collect()
}

/// A whole float is an integer to a schema of any draft.
fn whole_numbers(json: &Json) -> Json {
    match json {
        Json::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Json::from(float as i64),
            _ => json.clone(),
        },
        Json::Array(items) => Json::Array(items.iter().map(whole_numbers).collect()),
        Json::Object(table) => Json::Object(
            table
                .iter()
                .map(|(key, value)| (key.clone(), whole_numbers(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn compile(schema: &[u8]) -> Result<jsonschema::Validator, String> {
    let schema: Json =
        serde_json::from_slice(schema).map_err(|error| format!("values.schema.json: {error}"))?;
    jsonschema::options()
        .with_retriever(Offline)
        .should_validate_formats(false)
        .build(&schema)
        .map_err(|error| format!("values.schema.json: {error}"))
}

/// Answers no address but a name without a place, which allows everything, as Helm has it.
struct Offline;

impl jsonschema::Retrieve for Offline {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            return Ok(Json::Bool(true));
        }
        Err(format!("{uri} is not fetched: schemas are read offline").into())
    }
}
