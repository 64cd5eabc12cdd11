//! Hides what must not be shown in a text that others wrote: the values of Secrets in the forms in
//! which programs print them, and what looks like a credential. It must not know where a text is from.

use std::collections::BTreeSet;

use holdfast_model::Value;
use holdfast_model::object::{Object, is_sensitive};
use holdfast_model::operation::Failure;
use holdfast_model::plan::Step;
use holdfast_model::{base64, percent};

/// What stands for what is hidden.
const HIDDEN: &str = "***";
/// Shorter values are hidden as whole words only: elsewhere they would hide half of every text.
const SHORT: usize = 4;

/// What is hidden.
#[derive(Default)]
pub(crate) struct Mask {
    values: BTreeSet<String>,
}

impl Mask {
    /// Hides the values of a Secret from now on.
    pub(crate) fn add_secret(&mut self, secret: &Value) {
        for (_, encoded) in entries(secret, "data") {
            let Some(encoded) = encoded.as_str() else {
                continue;
            };
            self.values.insert(encoded.trim().to_owned());
            let decoded = base64::decode(encoded);
            if let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                self.add(&text);
            }
        }
        for (_, text) in entries(secret, "stringData") {
            if let Some(text) = text.as_str() {
                self.add_value(text);
            }
        }
        self.values.remove("");
    }

    /// Hides what must not be shown of an object from now on.
    pub(crate) fn add_object(&mut self, object: &Object) {
        let value = object.value();
        if is_sensitive(&object.key().kind) {
            self.add_secret(&value);
        }
        for pointer in object.opened() {
            match value.pointer(pointer) {
                Some(Value::String(text)) => self.add_value(text),
                Some(other) => self.add_value(&other.to_string()),
                None => {}
            }
        }
    }

    /// Hides a value from now on.
    pub(crate) fn add_value(&mut self, value: &str) {
        self.values.insert(base64::encode(value.as_bytes()));
        self.add(value);
    }

    /// A value, each line of it, and how they are written in JSON and in addresses.
    fn add(&mut self, value: &str) {
        let value = cleaned(value);
        let lines = value.lines().map(str::trim);
        let lines = lines.filter(|line| line.len() >= SHORT);
        for part in lines.chain([value.trim()]) {
            let quoted = Value::from(part).to_string();
            let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            self.values.insert(part.to_owned());
            self.values.insert(inner.to_owned());
            self.values.insert(percent::encode(part));
            self.values.insert(base64::encode(part.as_bytes()));
        }
        self.values.remove("");
    }

    /// The text with everything hidden that has to be.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut hidden: Vec<(usize, usize)> = self
            .values
            .iter()
            .flat_map(|value| occurrences(text, value))
            .collect();
        hidden.extend(passwords(text));
        hidden.extend(tokens(text));
        hidden.sort_unstable();
        let mut masked = String::new();
        let mut end = 0;
        for (from, to) in hidden {
            if to <= end {
                continue;
            }
            // What overlaps is hidden once.
            if from >= end {
                masked.push_str(&text[end..from]);
                masked.push_str(HIDDEN);
            }
            end = to;
        }
        masked.push_str(&text[end..]);
        masked
    }
}

/// What a target said of a step, without the values that the step has and that must not be shown: servers
/// and webhooks repeat what they refuse.
pub(crate) fn discreet(step: &Step, failure: Failure) -> Failure {
    let Some(desired) = step
        .desired
        .as_ref()
        .filter(|desired| desired.is_sensitive())
    else {
        return failure;
    };
    let mut mask = Mask::default();
    mask.add_object(desired);
    if let Some(live) = step
        .live
        .as_ref()
        .filter(|live| is_sensitive(&live.key.key.kind))
    {
        mask.add_secret(&live.value.unpack());
    }
    Failure {
        message: mask.apply(&failure.message),
        hint: failure.hint.map(|hint| mask.apply(&hint)),
        ..failure
    }
}

/// A text without control characters but line breaks: what a terminal would take as a command is
/// left out, the rest becomes blanks.
pub(crate) fn cleaned(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.next_if_eq(&'[').is_some() => {
                // A command ends with a letter.
                while letters
                    .next_if(|letter| matches!(letter, ' '..='?'))
                    .is_some()
                {}
                letters.next_if(|letter| matches!(letter, '@'..='~'));
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => clean.push('\n'),
            // What changes the direction of what follows, or cannot be seen.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {}
            letter if letter.is_control() => clean.push(' '),
            letter => clean.push(letter),
        }
    }
    clean
}

fn entries<'a>(secret: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let found = secret.get(field).and_then(Value::as_object);
    found.into_iter().flatten()
}

/// Where a value stands in a text.
fn occurrences<'a>(text: &'a str, value: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    let is_short = value.len() < SHORT;
    let found = text.match_indices(value);
    let found = found.map(move |(from, _)| (from, from + value.len()));
    found.filter(move |(from, to)| {
        let before = text[..*from].chars().next_back();
        let after = text[*to..].chars().next();
        let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        !is_short || !is_word(before) && !is_word(after)
    })
}

/// Where addresses name a password: `scheme://user:password@host`.
fn passwords(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices("://").filter_map(|(at, separator)| {
        let start = at + separator.len();
        let rest = &text[start..];
        let end = rest.find(|letter: char| {
            letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>')
        });
        let authority = &rest[..end.unwrap_or(rest.len())];
        let at = authority.rfind('@')?;
        let colon = authority[..at].find(':')?;
        (colon + 1 < at).then_some((start + colon + 1, start + at))
    })
}

/// Where there are JSON Web Tokens, such as those of service accounts.
fn tokens(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices("eyJ").filter_map(|(from, _)| {
        let is_part =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let rest = &text[from..];
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let is_token = rest[..end].matches('.').count() >= 2 && end > 40;
        is_token.then_some((from, from + end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], text: &str, expected: &str) {
        let mut mask = Mask::default();
        for value in values {
            let data = base64::encode(value.as_bytes());
            let secret = format!(r#"{{"data": {{"key": "{data}"}}}}"#);
            mask.add_secret(&secret.parse().expect("it is JSON"));
        }
        assert_eq!(mask.apply(text), expected);
    }

    #[test]
    fn values_are_hidden_in_each_form_in_which_programs_print_them() {
        check(
            &["hunter2"],
            "password hunter2 was refused",
            "password *** was refused",
        );
        check(
            &["hunter2"],
            "aHVudGVyMg== and hunter2hunter2",
            "*** and ******",
        );
        check(&["p/ss wörd"], "p%2Fss%20w%C3%B6rd", "***");
        check(
            &[r#"a"quote\"#],
            r#"{"key":"a\"quote\\"}"#,
            r#"{"key":"***"}"#,
        );
        check(
            &["first line\nsecond line\n"],
            "got second line and first line",
            "got *** and ***",
        );
        check(&["line\n"], "line", "***");
    }

    #[test]
    fn what_overlaps_is_hidden_as_a_whole() {
        check(&["abcdef", "defghi"], "<abcdefghi>", "<***>");
        check(&["secret", "a secret value"], "a secret value", "***");
    }

    #[test]
    fn short_values_are_hidden_as_words() {
        check(&["no"], "there is no node", "there is *** node");
        check(&[""], "nothing is hidden", "nothing is hidden");
    }

    #[test]
    fn credentials_are_hidden_whoever_knows_them() {
        check(
            &[],
            "postgres://app:pw@db/x and https://host:80/",
            "postgres://app:***@db/x and https://host:80/",
        );
        let token = format!(
            "eyJ{}.eyJ{}.{}",
            "a".repeat(20),
            "b".repeat(20),
            "c".repeat(20)
        );
        check(
            &[],
            &format!("Bearer {token} expired"),
            "Bearer *** expired",
        );
    }

    #[test]
    fn string_data_is_hidden_too() {
        let mut mask = Mask::default();
        mask.add_secret(
            &r#"{"stringData": {"key": "plain-text"}}"#
                .parse()
                .expect("it is JSON"),
        );
        assert_eq!(mask.apply("plain-text cGxhaW4tdGV4dA=="), "*** ***");
    }
}
