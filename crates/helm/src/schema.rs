//! `values.schema.json`: checks values before anything is rendered.
//!
//! It must not fetch anything: a schema that refers to another address is refused.

use holdfast_model::Value as Json;
use holdfast_template::{Regex, compile_regex};

use crate::active::Active;
use crate::chart::Chart;
use crate::error::Error;
use crate::formats::FORMATS;
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
    if let Some(pattern) = bad_pattern(&schema, 0) {
        return Err(format!(
            "values.schema.json: {pattern:?} is no regular expression"
        ));
    }
    // Newer drafts take formats for remarks.
    let draft = jsonschema::Draft::default().detect(&schema);
    let asserts_formats = matches!(
        draft,
        jsonschema::Draft::Draft4 | jsonschema::Draft::Draft6 | jsonschema::Draft::Draft7
    );
    // The library reads patterns by another language's rules, so they go by another name.
    let mut renamed = schema;
    rename_patterns(&mut renamed, 0);
    let mut options = jsonschema::options()
        .with_retriever(Offline)
        .with_keyword(PATTERN, pattern_keyword)
        // To Helm's validator what a text contains is a remark in every draft.
        .without_content_media_type_support("application/json")
        .without_content_encoding_support("base64")
        .should_validate_formats(asserts_formats);
    if asserts_formats {
        for (name, check) in FORMATS {
            options = options.with_format(name, check);
        }
    }
    options
        .build(&renamed)
        .map_err(|error| format!("values.schema.json: {error}"))
}

/// How deep a schema is looked through.
const MAX_DEPTH: usize = 200;

/// A pattern that Helm's validator could not read, as it has Go's expressions.
fn bad_pattern(schema: &Json, depth: usize) -> Option<&str> {
    if depth > MAX_DEPTH {
        return None;
    }
    match schema {
        Json::Object(entries) => entries.iter().find_map(|(key, value)| match key.as_str() {
            "const" | "default" | "enum" | "example" | "examples" => None,
            "pattern" => match value {
                Json::String(pattern) if compile_regex(pattern).is_none() => Some(pattern.as_str()),
                value => bad_pattern(value, depth + 1),
            },
            "patternProperties" => {
                let keys = value.as_object().into_iter().flat_map(|keys| keys.keys());
                let mut bad = keys
                    .map(String::as_str)
                    .filter(|key| compile_regex(key).is_none());
                bad.next().or_else(|| bad_pattern(value, depth + 1))
            }
            _ => bad_pattern(value, depth + 1),
        }),
        Json::Array(items) => items.iter().find_map(|item| bad_pattern(item, depth + 1)),
        _ => None,
    }
}

/// What `pattern` is called where Go's expressions are meant.
const PATTERN: &str = "x-go-pattern";

fn rename_patterns(schema: &mut Json, depth: usize) {
    match schema {
        Json::Object(entries) if depth < MAX_DEPTH => {
            if entries.get("pattern").is_some_and(Json::is_string)
                && let Some(pattern) = entries.remove("pattern")
            {
                entries.insert(PATTERN.to_owned(), pattern);
            }
            for (key, value) in entries {
                if !matches!(
                    key.as_str(),
                    "const" | "default" | "enum" | "example" | "examples"
                ) {
                    rename_patterns(value, depth + 1);
                }
            }
        }
        Json::Array(items) if depth < MAX_DEPTH => {
            for item in items {
                rename_patterns(item, depth + 1);
            }
        }
        _ => {}
    }
}

/// `pattern` with Go's expressions, which know things that those of JSON Schema do not.
struct Pattern(Regex);

impl<'i> jsonschema::Keyword<'i> for Pattern {
    fn validate(&self, instance: &'i Json) -> Result<(), jsonschema::ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        Err(jsonschema::ValidationError::custom(
            "the value does not match the pattern",
        ))
    }

    fn is_valid(&self, instance: &'i Json) -> bool {
        instance.as_str().is_none_or(|text| self.0.is_match(text))
    }
}

fn pattern_keyword<'a>(
    _: &'a Table,
    pattern: &'a Json,
    _: jsonschema::paths::Location,
) -> Result<Box<dyn for<'i> jsonschema::Keyword<'i>>, jsonschema::ValidationError<'a>> {
    let pattern = pattern.as_str().unwrap_or_default();
    match compile_regex(pattern) {
        Some(regex) => Ok(Box::new(Pattern(regex))),
        None => Err(jsonschema::ValidationError::custom("no regular expression")),
    }
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
