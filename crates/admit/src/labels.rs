//! Label selectors. It must not know how objects are stored.

use holdfast_model::Value;

use crate::names;

/// What a label has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// One of these.
    In(String, Vec<String>),
    /// None of these, or absent.
    NotIn(String, Vec<String>),
    /// There.
    Exists(String),
    /// Not there.
    Absent(String),
    /// A number above this one.
    Greater(String, i64),
    /// A number below this one.
    Less(String, i64),
}

impl Requirement {
    /// Whether what `label` finds is as it has to be.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::In(key, values) => {
                label(key).is_some_and(|found| values.iter().any(|value| value == found))
            }
            Self::NotIn(key, values) => {
                label(key).is_none_or(|found| values.iter().all(|value| value != found))
            }
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::Greater(key, bound) => {
                label(key).and_then(|text| text.parse::<i64>().ok()) > Some(*bound)
            }
            Self::Less(key, bound) => label(key)
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|found| found < *bound),
        }
    }
}

/// Reads a label selector as the query parameter has it.
///
/// # Errors
/// Why it is none.
pub fn read_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    for part in split_outside_parentheses(text) {
        let part = part.trim();
        if !part.is_empty() {
            requirements.push(read_requirement(part)?);
        }
    }
    Ok(requirements)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn read_requirement(part: &str) -> Result<Requirement, String> {
    let check = |key: &str| -> Result<String, String> {
        let key = key.trim();
        match names::label_key_problem(key) {
            None => Ok(key.to_owned()),
            Some(problem) => Err(format!("key: Invalid value: {key:?}: {problem}")),
        }
    };
    let check_value = |value: &str| -> Result<String, String> {
        let value = value.trim();
        match names::label_value_problem(value) {
            None => Ok(value.to_owned()),
            Some(problem) => Err(format!("values[0]: Invalid value: {value:?}: {problem}")),
        }
    };
    if let Some((head, set)) = part.split_once('(') {
        let set = set
            .strip_suffix(')')
            .ok_or("found '', expected: ',' or ')'")?;
        let values: Vec<String> = set.split(',').map(check_value).collect::<Result<_, _>>()?;
        let (key, operator) = head.trim().rsplit_once(' ').ok_or("missing operator")?;
        return match operator {
            "in" => Ok(Requirement::In(check(key)?, values)),
            "notin" => Ok(Requirement::NotIn(check(key)?, values)),
            other => Err(format!("found '{other}', expected: in, notin")),
        };
    }
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(check(key)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(check(key)?, vec![check_value(value)?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(check(key)?, vec![check_value(value)?]));
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, bound)) = part.split_once(sign) {
            let bound: i64 = bound.trim().parse().map_err(|_| {
                format!(
                    "values[0]: Invalid value: {:?}: for 'Gt', 'Lt' operators, the value must \
                         be an integer",
                    bound.trim()
                )
            })?;
            let key = check(key)?;
            return Ok(if greater {
                Requirement::Greater(key, bound)
            } else {
                Requirement::Less(key, bound)
            });
        }
    }
    Ok(Requirement::Exists(check(part)?))
}

/// The requirements of a `LabelSelector` object. An absent selector selects nothing.
pub fn of_label_selector(selector: &Value) -> Option<Vec<Requirement>> {
    let selector = selector.as_object()?;
    let mut requirements = Vec::new();
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        requirements.push(Requirement::In(key.clone(), vec![value]));
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = expression.get("key").and_then(Value::as_str)?.to_owned();
        let values = expression.get("values").and_then(Value::as_array);
        let values: Vec<String> = values
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        requirements.push(match expression.get("operator").and_then(Value::as_str)? {
            "In" => Requirement::In(key, values),
            "NotIn" => Requirement::NotIn(key, values),
            "Exists" => Requirement::Exists(key),
            "DoesNotExist" => Requirement::Absent(key),
            _ => return None,
        });
    }
    Some(requirements)
}

/// Whether labels, as an object has them, meet all requirements.
pub fn labels_match(requirements: &[Requirement], labels: Option<&Value>) -> bool {
    requirements.iter().all(|wanted| {
        wanted.matches(|key| {
            labels
                .and_then(|labels| labels.get(key))
                .and_then(Value::as_str)
        })
    })
}

/// A label selector as a query parameter has it.
pub fn text_of_selector(selector: &Value) -> String {
    let mut parts = Vec::new();
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    // Replication controllers have plain labels.
    let plain = selector
        .as_object()
        .filter(|_| selector.get("matchExpressions").is_none());
    for (key, value) in labels.or(plain).into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or("")));
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or("");
        let values = expression["values"].as_array().into_iter().flatten();
        let mut values: Vec<&str> = values.filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.sort();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::{Requirement, read_labels};

    fn check(text: &str, labels: &[(&str, &str)], expected: bool) {
        let requirements = read_labels(text).expect("it is a selector");
        let found = requirements.iter().all(|wanted: &Requirement| {
            wanted.matches(|key| {
                let mut labels = labels.iter();
                labels
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| *value)
            })
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn selectors_match_labels() {
        let labels = [("app", "web"), ("tier", "front"), ("n", "5")];
        check("app=web", &labels, true);
        check("app==web,tier!=back", &labels, true);
        check("app in (web, api),!gone", &labels, true);
        check("app notin (web)", &labels, false);
        check("gone notin (web)", &labels, true);
        check("tier", &labels, true);
        check("n>4,n<6", &labels, true);
        check("n>5", &labels, false);
        check("", &labels, true);
    }

    #[test]
    fn what_is_no_selector_is_told() {
        for text in ["a in b", "a in (b", "=x", "a,,in (", "-=x"] {
            assert!(read_labels(text).is_err(), "{text}");
        }
    }
}
