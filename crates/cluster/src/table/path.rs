//! Columns that definitions add, with the simple JSON paths that they use.
//! It must not know built-in kinds.

use holdfast_kinds::text;
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::cells::{Column, Printer, age, columns, name, since};

/// Columns as a definition has them; age when it has none.
pub(super) fn custom(wanted: &[Value]) -> Printer {
    let mut described = columns("Name");
    if wanted.is_empty() {
        let mut age_column = columns("Age");
        if let Some(column) = age_column.last_mut() {
            column.kind = "date".to_owned();
        }
        described.extend(age_column);
        return Printer {
            columns: described,
            cells: Box::new(|value, now| vec![name(value), age(value, now)]),
        };
    }
    let mut paths = Vec::new();
    for column in wanted {
        let path = text(column, "jsonPath").to_owned();
        let kind = text(column, "type").to_owned();
        described.push(Column {
            name: text(column, "name").to_owned(),
            kind: kind.clone(),
            format: text(column, "format").to_owned(),
            wide: column["priority"].as_i64().unwrap_or(0) > 0,
            description: match text(column, "description") {
                "" => format!("Custom resource definition column (in JSONPath format): {path}"),
                description => description.to_owned(),
            },
        });
        paths.push((path, kind));
    }
    Printer {
        columns: described,
        cells: Box::new(move |value, now| {
            let cells = paths
                .iter()
                .map(|(path, kind)| cell(value, path, kind, now));
            std::iter::once(name(value)).chain(cells).collect()
        }),
    }
}

fn cell(value: &Value, path: &str, kind: &str, now: Time) -> Value {
    let Some(found) = lookup(value, path) else {
        return Value::Null;
    };
    match kind {
        "date" => json!(since(found, now)),
        "string" => match found {
            Value::String(_) => found.clone(),
            other => json!(other.to_string()),
        },
        _ => found.clone(),
    }
}

/// The first value at a path such as `.status.conditions[?(@.type=="Ready")].status`.
pub(crate) fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut current = value;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, next) = after.split_once(']')?;
            current = indexed(current, inside)?;
            rest = next;
            continue;
        }
        let after = rest.strip_prefix('.')?;
        let end = field_end(after);
        let field = after[..end].replace("\\.", ".");
        current = current.get(&field)?;
        rest = &after[end..];
    }
    Some(current)
}

/// Where a field's name ends: at a dot that is not escaped, or at a bracket.
fn field_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .find(|index| {
            bytes[*index] == b'['
                || bytes[*index] == b'.' && (*index == 0 || bytes[index - 1] != b'\\')
        })
        .unwrap_or(bytes.len())
}

fn indexed<'a>(value: &'a Value, inside: &str) -> Option<&'a Value> {
    if let Some(filter) = inside
        .strip_prefix("?(@.")
        .and_then(|filter| filter.strip_suffix(')'))
    {
        let (field, wanted) = filter.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        let mut items = value.as_array()?.iter();
        return items.find(|item| item.get(field.trim()).and_then(Value::as_str) == Some(wanted));
    }
    if inside == "*" {
        return value.as_array()?.first();
    }
    if let Ok(index) = inside.parse::<usize>() {
        return value.as_array()?.get(index);
    }
    value.get(inside.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lookup;

    #[test]
    fn paths_lead_through_fields_filters_and_indices() {
        let value = json!({
            "metadata": {"labels": {"a.b/c": "x"}},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}]},
        });
        let check = |path: &str, expected: Option<&str>| {
            let found = lookup(&value, path).and_then(|found| found.as_str());
            assert_eq!(found, expected, "{path}");
        };
        check(
            ".status.conditions[?(@.type==\"Synced\")].status",
            Some("False"),
        );
        check(".status.conditions[0].status", Some("True"));
        check(".metadata.labels.a\\.b/c", Some("x"));
        check(".metadata.labels['a.b/c']", Some("x"));
        check(".status.none", None);
        check("broken[", None);
    }
}
