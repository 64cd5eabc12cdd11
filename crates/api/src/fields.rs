//! Reads a wire object field by field and remembers everything that is wrong with it, so that a
//! person is told of all mistakes at once, each with its path and the nearest right name.
//!
//! It must not know any dialect.

use std::time::Duration;

use holdfast_model::Value;

/// Something in a wire object that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field, such as `spec.source.branch`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for SpecProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// A mapping that is being read. Every getter that finds a wrong type notes a problem and answers
/// as if the field were absent.
pub struct Fields<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Fields<'a> {
    /// Starts at `value`, which people know as `path`. Names that are not `known` are problems.
    pub fn of(
        value: &'a Value,
        path: &str,
        known: &[&str],
        problems: &mut Vec<SpecProblem>,
    ) -> Self {
        let fields = Self {
            value,
            path: path.to_owned(),
        };
        match value {
            Value::Object(map) => {
                for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
                    let hint = match nearest(name, known) {
                        Some(right) => format!("unknown field; did you mean `{right}`?"),
                        None => format!("unknown field; known are {}", known.join(", ")),
                    };
                    problems.push(SpecProblem {
                        path: fields.path_of(name),
                        message: hint,
                    });
                }
            }
            Value::Null => {}
            other => problems.push(SpecProblem {
                path: path.to_owned(),
                message: format!("takes a mapping, not {}", describe(other)),
            }),
        }
        fields
    }

    /// The path of a field below this one.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field's value; `None` when it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// A mapping below this one; an empty one when it is absent.
    pub fn below(&self, name: &str, known: &[&str], problems: &mut Vec<SpecProblem>) -> Fields<'a> {
        let value = self.get(name).unwrap_or(&Value::Null);
        Fields::of(value, &self.path_of(name), known, problems)
    }

    /// The items of a list; none when it is absent.
    pub fn list(&self, name: &str, problems: &mut Vec<SpecProblem>) -> Vec<(String, &'a Value)> {
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("{}[{index}]", self.path_of(name)), item))
                .collect(),
            Some(other) => {
                self.refuse(
                    name,
                    &format!("takes a list, not {}", describe(other)),
                    problems,
                );
                Vec::new()
            }
        }
    }

    /// A text.
    pub fn text(&self, name: &str, problems: &mut Vec<SpecProblem>) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.refuse(
                    name,
                    &format!("takes a text, not {}", describe(other)),
                    problems,
                );
                None
            }
        }
    }

    /// A text that must be there.
    pub fn required_text(&self, name: &str, problems: &mut Vec<SpecProblem>) -> String {
        let before = problems.len();
        let text = self.text(name, problems).unwrap_or_default();
        if text.is_empty() && problems.len() == before {
            self.refuse(name, "is required", problems);
        }
        text
    }

    /// One of several words, by what each means; `default` where it is absent or none of them.
    pub fn choice<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
        default: T,
        problems: &mut Vec<SpecProblem>,
    ) -> T {
        let Some(text) = self.text(name, problems) else {
            return default;
        };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return *meaning;
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => {
                format!("takes {} or {last}", rest.join(", "))
            }
            _ => format!("takes {}", words.concat()),
        };
        self.refuse(name, &message, problems);
        default
    }

    /// A truth value.
    pub fn truth(&self, name: &str, default: bool, problems: &mut Vec<SpecProblem>) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(truth)) => *truth,
            Some(other) => {
                let message = format!("takes true or false, not {}", describe(other));
                self.refuse(name, &message, problems);
                default
            }
        }
    }

    /// A whole number from 0 up.
    pub fn count(&self, name: &str, default: u32, problems: &mut Vec<SpecProblem>) -> u32 {
        let Some(value) = self.get(name) else {
            return default;
        };
        match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => number,
            None => {
                self.refuse(name, "takes a whole number from 0 up", problems);
                default
            }
        }
    }

    /// A percentage, written `50%` or `50`.
    pub fn percent(&self, name: &str, default: u8, problems: &mut Vec<SpecProblem>) -> u8 {
        let Some(value) = self.get(name) else {
            return default;
        };
        let number = match value {
            Value::String(text) => text.trim_end_matches('%').parse().ok(),
            other => other.as_u64(),
        };
        match number
            .and_then(|number| u8::try_from(number).ok())
            .filter(|number| *number <= 100)
        {
            Some(number) => number,
            None => {
                self.refuse(name, "takes a percentage from 0% to 100%", problems);
                default
            }
        }
    }

    /// A duration in Go's notation, such as `90s`, `5m` or `1h30m`.
    pub fn duration(
        &self,
        name: &str,
        default: Duration,
        problems: &mut Vec<SpecProblem>,
    ) -> Duration {
        match self.text(name, problems) {
            None => default,
            Some(text) => parse_duration(&text).unwrap_or_else(|| {
                self.refuse(name, "takes a duration such as 30s, 5m or 1h30m", problems);
                default
            }),
        }
    }

    /// Notes a problem of a field.
    pub fn refuse(&self, name: &str, message: &str, problems: &mut Vec<SpecProblem>) {
        problems.push(SpecProblem {
            path: self.path_of(name),
            message: message.to_owned(),
        });
    }
}

/// Reads a duration in Go's notation with the units `ms`, `s`, `m` and `h`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let (factor, length) = match rest.as_bytes() {
            [b'm', b's', ..] => (1, 2),
            [b's', ..] => (1_000, 1),
            [b'm', ..] => (60_000, 1),
            [b'h', ..] => (3_600_000, 1),
            _ => return None,
        };
        rest = &rest[length..];
        millis = number.checked_mul(factor)?.checked_add(millis)?;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// The known name that a person most likely meant; `None` when none is near.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = 1 + name.chars().count() / 3;
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance without regard to case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().flat_map(char::to_lowercase).take(64).collect();
    let right: Vec<char> = right
        .chars()
        .flat_map(char::to_lowercase)
        .take(64)
        .collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let above = row[column + 1];
            let substituted = diagonal + usize::from(letter != other);
            row[column + 1] = substituted.min(above + 1).min(row[column] + 1);
            diagonal = above;
        }
    }
    row[right.len()]
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
