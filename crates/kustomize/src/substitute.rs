//! Flux's post-build substitution: `${var}` and its bash-like relatives in the YAML text of each
//! object, with the grammar and the corner cases of the library that Flux uses.

mod pattern;

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_yaml::{Limits, read_value, to_yaml};

use crate::value::{Through, to_node, to_value};
use pattern::{trim_prefix, trim_suffix};

/// What a variable without a value means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// It is empty.
    #[default]
    Empty,
    /// It is an error, unless the reference has a default.
    Refused,
}

/// Why nothing was substituted. It names variables, never their values.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubstituteError {
    /// The name of a variable is not one.
    #[error(
        "'{name}' var name is invalid, it takes letters, digits and underscores, and no digit first"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A `${...}` does not parse.
    #[error("variable substitution failed: {problem}")]
    BadReference {
        /// What is wrong.
        problem: &'static str,
    },
    /// A variable has no value, and that is refused.
    #[error("variable substitution failed: variable not set (strict mode): \"{name}\"")]
    NotSet {
        /// The name of the variable.
        name: String,
    },
    /// The object's text is no YAML any more.
    #[error("the object is no YAML behind the substitution: {message}")]
    Broken {
        /// What is wrong, with the line of the text.
        message: String,
    },
}

/// The most text that substitution may make.
const LONGEST: usize = 64 << 20;

/// How deep references may hold others.
const DEEPEST: usize = 64;

/// Substitutes variables in an object. One whose label or annotation
/// `kustomize.toolkit.fluxcd.io/substitute` says `disabled` stays as it is, and so does everything
/// when there are no variables. Texts at the pointers `quoted` stay texts, which is where this is not
/// as Flux has it: Flux forgets the quotes, and `"004"` becomes a number.
///
/// # Errors
/// See [`SubstituteError`].
pub fn substitute(
    object: &Value,
    quoted: &[String],
    variables: &BTreeMap<String, String>,
    unset: Unset,
) -> Result<Value, SubstituteError> {
    const SWITCH: &str = "/kustomize.toolkit.fluxcd.io~1substitute";
    let is_off = ["labels", "annotations"].iter().any(|field| {
        let pointer = format!("/metadata/{field}{SWITCH}");
        object
            .pointer(&pointer)
            .is_some_and(|value| value == "disabled")
    });
    if variables.is_empty() || is_off {
        return Ok(object.clone());
    }
    if let Some(name) = variables.keys().find(|name| !is_name(name)) {
        return Err(SubstituteError::BadName { name: name.clone() });
    }
    let mut object = object.clone();
    let texts = Texts::take(&mut object, quoted, variables, unset)?;
    let text = substitute_text(&to_yaml(&object), variables, unset)?;
    let broken = |message: String| SubstituteError::Broken { message };
    let value = read_value(&text, &Limits::default()).map_err(|error| broken(error.to_string()))?;
    if !value.is_object() {
        return Err(broken("it is no mapping".to_owned()));
    }
    // Flux decodes the JSON of it, where all numbers become floats.
    let mut value = to_value(&to_node(&value, Through::Go)).map_err(broken)?;
    texts.put_back(&mut value);
    Ok(value)
}

/// Texts that are substituted each on its own, while a word stands in for them.
struct Texts {
    stem: String,
    made: Vec<String>,
}

impl Texts {
    fn take(
        object: &mut Value,
        quoted: &[String],
        variables: &BTreeMap<String, String>,
        unset: Unset,
    ) -> Result<Self, SubstituteError> {
        let mut stem = "holdfast-quoted-".to_owned();
        if !quoted.is_empty() {
            let written = to_yaml(object);
            let is_taken = |stem: &String| {
                written.contains(stem) || variables.values().any(|value| value.contains(stem))
            };
            while is_taken(&stem) {
                stem.push_str("x-");
            }
        }
        let mut made = Vec::new();
        for pointer in quoted {
            let Some(place) = object.pointer_mut(pointer) else {
                continue;
            };
            if let Value::String(text) = place {
                let result = substitute_text(text, variables, unset)?;
                *place = Value::String(format!("{stem}{}", made.len()));
                made.push(result);
            }
        }
        Ok(Self { stem, made })
    }

    fn put_back(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let number = text.strip_prefix(&self.stem);
                let number = number.and_then(|number| number.parse::<usize>().ok());
                if let Some(made) = number.and_then(|number| self.made.get(number)) {
                    text.clone_from(made);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_back(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.put_back(field)),
            _ => {}
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next();
    first.is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
}

/// Substitutes variables in a text; line breaks in values are left out, as Flux does.
///
/// # Errors
/// See [`SubstituteError`].
pub fn substitute_text(
    text: &str,
    variables: &BTreeMap<String, String>,
    unset: Unset,
) -> Result<String, SubstituteError> {
    let mut reader = Reader {
        rest: text,
        variables,
        unset,
        depth: 0,
        made: 0,
    };
    // Everything has to parse before the first variable counts, as an error in the last reference
    // comes before a missing value in the first.
    let pieces = reader.pieces()?;
    let mut out = String::with_capacity(text.len());
    for piece in &pieces {
        out.push_str(&reader.evaluate(piece)?);
        if out.len() > LONGEST {
            return Err(bad("the result is too long"));
        }
    }
    Ok(out)
}

fn bad(problem: &'static str) -> SubstituteError {
    SubstituteError::BadReference { problem }
}

/// A part of a text.
enum Piece {
    Text(String),
    Reference {
        name: String,
        function: String,
        arguments: Vec<Piece>,
    },
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a BTreeMap<String, String>,
    unset: Unset,
    depth: usize,
    made: usize,
}

/// Which characters a backslash or a dollar takes the meaning from.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    None,
    Dollar,
    All,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn pieces(&mut self) -> Result<Vec<Piece>, SubstituteError> {
        let mut pieces = Vec::new();
        while !self.rest.is_empty() {
            if self.rest.starts_with("${") {
                self.skip(2);
                pieces.push(self.reference()?);
            } else {
                let text = self.text(Escapes::Dollar, &|_| true);
                pieces.push(Piece::Text(text));
            }
        }
        Ok(pieces)
    }

    /// Takes characters up to a reference or one that is not wanted.
    fn text(&mut self, escapes: Escapes, wanted: &dyn Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            if self.rest.starts_with("${") {
                break;
            }
            let next = self.rest[letter.len_utf8()..].chars().next();
            let escaped = match letter {
                '$' => escapes != Escapes::None && next == Some('$'),
                '\\' => escapes == Escapes::All && matches!(next, Some('/' | '\\')),
                _ => false,
            };
            if escaped {
                text.extend(next);
                self.skip(2);
                continue;
            }
            if !wanted(letter) {
                break;
            }
            text.push(letter);
            self.skip(letter.len_utf8());
        }
        text
    }

    /// Reads a reference behind its `${`.
    fn reference(&mut self) -> Result<Piece, SubstituteError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(bad("references are nested too deep"));
        }
        let reference = self.reference_within();
        self.depth -= 1;
        reference
    }

    fn name(&mut self) -> String {
        let end = self
            .rest
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        self.skip(end);
        name
    }

    fn reference_within(&mut self) -> Result<Piece, SubstituteError> {
        if self.rest.starts_with('#') {
            self.skip(1);
            let name = self.name();
            if name.is_empty() {
                return Err(bad("bad substitution"));
            }
            self.close()?;
            return Ok(made(name, "#", Vec::new()));
        }
        let name = self.name();
        if name.is_empty() {
            return Err(bad("unable to parse variable name"));
        }
        let second = self.rest.chars().nth(1);
        match self.peek() {
            Some(':') if matches!(second, Some('=' | '-' | '?' | '+')) => {
                let function: String = self.rest.chars().take(2).collect();
                self.skip(2);
                self.default(name, &function)
            }
            Some(':') => self.substring(name),
            Some('=') => {
                self.skip(1);
                self.default(name, "=")
            }
            Some(',' | '^') => {
                let function = self.operator(|letter| matches!(letter, ',' | '^'));
                self.close()?;
                Ok(made(name, &function, Vec::new()))
            }
            Some('/') => self.replacement(name),
            Some('#') => self.removal(name, '#'),
            Some('%') => self.removal(name, '%'),
            _ => {
                let closed = self.close();
                closed.map_err(|_| bad("missing closing brace"))?;
                Ok(made(name, "", Vec::new()))
            }
        }
    }

    /// Takes up to two characters of an operator.
    fn operator(&mut self, wanted: fn(char) -> bool) -> String {
        let operator: String = self
            .rest
            .chars()
            .take(2)
            .take_while(|letter| wanted(*letter))
            .collect();
        self.skip(operator.len());
        operator
    }

    fn close(&mut self) -> Result<(), SubstituteError> {
        match self.rest.strip_prefix('}') {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(bad("bad substitution")),
        }
    }

    /// One argument: a reference, or text that is not empty.
    fn argument(
        &mut self,
        escapes: Escapes,
        wanted: &dyn Fn(char) -> bool,
    ) -> Result<Piece, SubstituteError> {
        if self.rest.starts_with("${") {
            self.skip(2);
            return self.reference();
        }
        let before = self.rest.len();
        let text = self.text(escapes, wanted);
        if self.rest.len() == before {
            return Err(bad("unable to parse substitution within function"));
        }
        Ok(Piece::Text(text))
    }

    fn default(&mut self, name: String, function: &str) -> Result<Piece, SubstituteError> {
        let mut arguments = Vec::new();
        while self.peek() != Some('}') {
            arguments.push(self.argument(Escapes::None, &|letter| letter != '}')?);
        }
        self.close()?;
        Ok(made(name, function, arguments))
    }

    fn substring(&mut self, name: String) -> Result<Piece, SubstituteError> {
        self.skip(1);
        let position = self.argument(Escapes::None, &|letter| !matches!(letter, ':' | '}'))?;
        let mut arguments = vec![position];
        match self.peek() {
            Some('}') => {}
            Some(':') => {
                self.rest = self.rest.trim_start_matches(':');
                arguments.push(self.argument(Escapes::None, &|letter| letter != '}')?);
            }
            _ => return Err(bad("bad substitution")),
        }
        self.close()?;
        Ok(made(name, ":", arguments))
    }

    fn removal(&mut self, name: String, mark: char) -> Result<Piece, SubstituteError> {
        let function = match mark {
            '#' => self.operator(|letter| letter == '#'),
            _ => self.operator(|letter| letter == '%'),
        };
        let argument = self.argument(Escapes::None, &|letter| letter != '}')?;
        self.close()?;
        Ok(made(name, &function, vec![argument]))
    }

    fn replacement(&mut self, name: String) -> Result<Piece, SubstituteError> {
        self.skip(1);
        let mut function = "/".to_owned();
        if let Some(letter @ ('/' | '#' | '%')) = self.peek() {
            function.push(letter);
            self.skip(1);
        }
        let mut arguments = vec![self.argument(Escapes::All, &|letter| letter != '/')?];
        if self.peek() != Some('/') {
            return Err(bad("bad substitution"));
        }
        self.rest = self.rest.trim_start_matches('/');
        if self.peek() != Some('}') {
            arguments.push(self.argument(Escapes::All, &|letter| letter != '}')?);
        }
        self.close()?;
        Ok(made(name, &function, arguments))
    }

    fn evaluate(&mut self, piece: &Piece) -> Result<String, SubstituteError> {
        let (name, function, arguments) = match piece {
            Piece::Text(text) => return Ok(text.clone()),
            Piece::Reference {
                name,
                function,
                arguments,
            } => (name, function, arguments),
        };
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.evaluate(argument)?);
        }
        let value = self.variables.get(name);
        if value.is_none() && function.is_empty() && self.unset == Unset::Refused {
            return Err(SubstituteError::NotSet { name: name.clone() });
        }
        let value = value
            .map(|value| value.replace('\n', ""))
            .unwrap_or_default();
        let result = apply(value, function, &values)?;
        self.made += result.len();
        if self.made > LONGEST {
            return Err(bad("the result is too long"));
        }
        Ok(result)
    }
}

fn made(name: String, function: &str, arguments: Vec<Piece>) -> Piece {
    Piece::Reference {
        name,
        function: function.to_owned(),
        arguments,
    }
}

fn apply(value: String, function: &str, arguments: &[String]) -> Result<String, SubstituteError> {
    let first = arguments.first().map(String::as_str).unwrap_or_default();
    let second = arguments.get(1).map(String::as_str);
    Ok(match function {
        "," => change_first(&value, |letter| letter.to_lowercase().collect()),
        "^" => change_first(&value, |letter| letter.to_uppercase().collect()),
        ",," => value.to_lowercase(),
        "^^" => value.to_uppercase(),
        "#" if arguments.is_empty() => value.len().to_string(),
        "#" => trim_prefix(&value, first, false),
        "##" => trim_prefix(&value, first, true),
        "%" => trim_suffix(&value, first, false),
        "%%" => trim_suffix(&value, first, true),
        ":" => substring_of(&value, first, second)?,
        "/#" => match (second, value.strip_prefix(first)) {
            (Some(second), Some(rest)) => format!("{second}{rest}"),
            _ => value,
        },
        "/%" => match (second, value.strip_suffix(first)) {
            (Some(second), Some(rest)) => format!("{rest}{second}"),
            _ => value,
        },
        "/" => value.replacen(first, second.unwrap_or_default(), 1),
        "//" => {
            let second = second.unwrap_or_default();
            let count = if first.is_empty() {
                value.len() + 1
            } else {
                value.len() / first.len()
            };
            if count.saturating_mul(second.len()) > LONGEST {
                return Err(bad("the result is too long"));
            }
            value.replace(first, second)
        }
        // Whatever else stands there only takes the place of what is empty.
        _ if value.is_empty() => arguments.concat(),
        _ => value,
    })
}

fn change_first(value: &str, change: fn(char) -> String) -> String {
    let mut letters = value.chars();
    match letters.next() {
        Some(first) => format!("{}{}", change(first), letters.as_str()),
        None => String::new(),
    }
}

/// Counts in bytes. What is no number leaves the value as it is, and so does what would cut a
/// character in two or count backwards.
fn substring_of(
    value: &str,
    position: &str,
    length: Option<&str>,
) -> Result<String, SubstituteError> {
    let number = |text: &str| text.parse::<i64>().ok();
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let Some(position) = number(position) else {
        return Ok(value.to_owned());
    };
    let start = if position < 0 {
        (size + position).max(0)
    } else {
        position
    };
    let end = match length.map(number) {
        None => size,
        Some(None) => return Ok(value.to_owned()),
        Some(Some(length)) => start.saturating_add(length).min(size),
    };
    if start >= size {
        return Ok(String::new());
    }
    let at = |number: i64| usize::try_from(number).ok();
    let part = at(start)
        .zip(at(end))
        .and_then(|(start, end)| value.get(start..end));
    part.map(str::to_owned).ok_or(bad(
        "a substring cuts a character in two or ends before it starts",
    ))
}
