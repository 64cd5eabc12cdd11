//! JSONPath templates as kubectl has them, as far as people use them with `get`: texts, and between braces
//! the fields, indices, `[*]` and quoted names of a path. It must not know what is read.

use holdfast_model::Value;

/// A template: texts, and the paths between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(Vec<Step>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    All,
}

impl Template {
    /// Reads a template such as `{.metadata.name}{"\n"}`, or a path alone.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('{') {
            return Ok(Self(vec![Part::Path(steps(text)?)]));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (inside, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a brace that is not closed"))?;
            let inside = inside.trim();
            parts.push(match inside.strip_prefix('"') {
                Some(quoted) => Part::Text(unescape(quoted.trim_end_matches('"'))),
                None => Part::Path(steps(inside)?),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text that it makes of a value; what is not there is left out.
    pub(super) fn fill(&self, value: &Value) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Path(steps) => {
                    let found: Vec<String> = find(value, steps).into_iter().map(written).collect();
                    out.push_str(&found.join(" "));
                }
            }
        }
        out
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn find<'a>(value: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let Some((first, rest)) = steps.split_first() else {
        return vec![value];
    };
    let next: Vec<&Value> = match first {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => value.get(index).into_iter().collect(),
        Step::All => match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        },
    };
    next.into_iter().flat_map(|next| find(next, rest)).collect()
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("`{path}` is no path such as .status.conditions[0].reason");
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']').ok_or_else(wrong)?;
            let quoted = inside.trim_matches(|letter| letter == '\'' || letter == '"');
            steps.push(match inside {
                "*" => Step::All,
                _ if quoted != inside => Step::Field(quoted.to_owned()),
                _ => Step::Index(inside.parse().map_err(|_| wrong())?),
            });
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            break;
        }
        // A dot of a name is written with a backslash, as in metadata.annotations.
        let mut name = String::new();
        let mut letters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
                '.' | '[' => {
                    end = at;
                    break;
                }
                letter => name.push(letter),
            }
        }
        steps.push(match name.as_str() {
            "*" => Step::All,
            "" => return Err(wrong()),
            _ => Step::Field(name),
        });
        rest = &rest[end..];
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: &str) {
        let value = json!({
            "metadata": {"name": "s", "annotations": {"holdfast.dev/sync": "x"}},
            "status": {"conditions": [{"type": "Ready", "n": 1}, {"type": "Synced", "n": 2}]},
        });
        let template = Template::parse(template).expect("a template");
        assert_eq!(template.fill(&value), expected);
    }

    #[test]
    fn paths_are_read_as_kubectl_reads_them() {
        check(".metadata.name", "s");
        check("{.metadata.name}{\"\\t\"}{.status.conditions[1].n}", "s\t2");
        check("{.status.conditions[*].type}", "Ready Synced");
        check("{$.metadata.annotations.holdfast\\.dev/sync}", "x");
        check("{.metadata['name']}: {.nothing.there}", "s: ");
        check("{.status.conditions[0]}", r#"{"n":1,"type":"Ready"}"#);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["{.a", "{.a[b]}", "{..a}", ".a[1"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
