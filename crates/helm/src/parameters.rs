//! The grammar of `--set` and its kin.
//!
//! It must not read files; `--set-file` comes with the content.

use holdfast_model::Value as Json;

use crate::request::Parameter;
use crate::values::{Table, as_floats, merge};

/// The largest index of a list, as Helm has it.
const MAX_INDEX: usize = 65_536;

/// How deep names may nest, as Helm has it.
const MAX_NESTING: usize = 30;

/// How many places all parameters of a request may set, lists padded with nulls included.
const MAX_PLACES: usize = 1_000_000;

/// Applies parameters in Helm's order: by kind, and within a kind in the order given.
pub(crate) fn apply(parameters: &[Parameter], values: &mut Table) -> Result<(), String> {
    let mut places = MAX_PLACES;
    for rank in 0..5 {
        for parameter in parameters {
            let applied = match (rank, parameter) {
                (0, Parameter::Json(text)) => apply_json(text, values, &mut places)
                    .map_err(|message| format!("failed parsing --set-json data: {message}")),
                (1, Parameter::Typed(text)) => run(text, Kind::Typed, values, &mut places)
                    .map_err(|message| format!("failed parsing --set data: {message}")),
                (2, Parameter::Text(text)) => run(text, Kind::Text, values, &mut places)
                    .map_err(|message| format!("failed parsing --set-string data: {message}")),
                (3, Parameter::File { path, content }) => run(
                    &format!("{path}="),
                    Kind::File(content),
                    values,
                    &mut places,
                )
                .map_err(|message| format!("failed parsing --set-file data: {message}")),
                (4, Parameter::Literal(text)) => run(text, Kind::Literal, values, &mut places)
                    .map_err(|message| format!("failed parsing --set-literal data: {message}")),
                _ => Ok(()),
            };
            applied?;
        }
    }
    Ok(())
}

fn apply_json(text: &str, values: &mut Table, places: &mut usize) -> Result<(), String> {
    if !text.trim_start().starts_with('{') {
        return run(text, Kind::Json, values, places);
    }
    let mut json: Json = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
    as_floats(&mut json);
    if let Json::Object(table) = json {
        merge(values, table);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind<'c> {
    Json,
    Typed,
    Text,
    File(&'c str),
    Literal,
}

fn run(text: &str, kind: Kind<'_>, values: &mut Table, places: &mut usize) -> Result<(), String> {
    let mut parser = Parser {
        rest: text,
        kind,
        places,
    };
    while !parser.rest.is_empty() {
        parser.key(values, 0)?;
    }
    Ok(())
}

struct Parser<'t, 'p> {
    rest: &'t str,
    kind: Kind<'t>,
    places: &'p mut usize,
}

/// A text up to one of some characters, and which one it was; none at the end.
type Piece = (String, Option<char>);

impl Parser<'_, '_> {
    /// Reads up to one of some characters; a backslash takes the meaning from the next one.
    fn until(&mut self, stops: &str) -> Piece {
        let mut text = String::new();
        let mut letters = self.rest.chars();
        let escapes = !matches!(self.kind, Kind::Literal);
        while let Some(letter) = letters.next() {
            if stops.contains(letter) {
                self.rest = letters.as_str();
                return (text, Some(letter));
            }
            match letter {
                '\\' if escapes => match letters.next() {
                    Some(next) => text.push(next),
                    None => break,
                },
                letter => text.push(letter),
            }
        }
        self.rest = "";
        (text, None)
    }

    fn take_place(&mut self, count: usize) -> Result<(), String> {
        *self.places = self
            .places
            .checked_sub(count)
            .ok_or_else(|| "the parameters set too many values".to_owned())?;
        Ok(())
    }

    fn key(&mut self, table: &mut Table, depth: usize) -> Result<(), String> {
        let stops = match self.kind {
            Kind::Literal => "=[.",
            _ => "=[,.",
        };
        let (name, stop) = self.until(stops);
        self.take_place(1)?;
        match stop {
            None if name.is_empty() => Ok(()),
            None => Err(format!("key {name:?} has no value")),
            Some('[') => {
                let index = self.index()?;
                let mut list = match table.remove(&name) {
                    None => Vec::new(),
                    Some(Json::Array(list)) => list,
                    Some(_) => return Err(format!("unable to parse key: {name:?} is no list")),
                };
                self.item(&mut list, index, depth)?;
                set(table, name, Json::Array(list));
                Ok(())
            }
            Some('=') => {
                let value = self.value()?;
                set(table, name, value);
                Ok(())
            }
            Some(',') => Err(format!("key {name:?} has no value (cannot end with ,)")),
            Some(_) => self.nested(table, name, depth),
        }
    }

    fn nested(&mut self, table: &mut Table, name: String, depth: usize) -> Result<(), String> {
        if depth + 1 > MAX_NESTING {
            return Err(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
            ));
        }
        let mut inner = match table.get_mut(&name).map(Json::take) {
            None => Table::new(),
            Some(Json::Object(inner)) => inner,
            Some(_) => return Err(format!("unable to parse key: {name:?} is no table")),
        };
        self.key(&mut inner, depth + 1)?;
        if inner.is_empty() {
            return Err(format!("key map {name:?} has no value"));
        }
        set(table, name, Json::Object(inner));
        Ok(())
    }

    fn index(&mut self) -> Result<usize, String> {
        let (text, stop) = self.until("]");
        let index: i64 = match stop {
            Some(_) => text
                .parse()
                .map_err(|_| format!("error parsing index: {text:?}"))?,
            None => return Err("error parsing index: EOF".to_owned()),
        };
        let index =
            usize::try_from(index).map_err(|_| format!("negative {index} index not allowed"))?;
        if index > MAX_INDEX {
            return Err(format!(
                "index of {index} is greater than maximum supported index of {MAX_INDEX}"
            ));
        }
        Ok(index)
    }

    fn item(&mut self, list: &mut Vec<Json>, index: usize, depth: usize) -> Result<(), String> {
        if depth > MAX_NESTING * 4 {
            return Err("lists are nested too deep".to_owned());
        }
        let (text, stop) = self.until("[.=");
        if !text.is_empty() {
            return Err(format!("unexpected data at end of array index: {text:?}"));
        }
        if list.len() <= index {
            self.take_place(index + 1 - list.len())?;
            list.resize(index + 1, Json::Null);
        }
        match stop {
            None => Err("error parsing index: EOF".to_owned()),
            Some('=') => {
                list[index] = self.value()?;
                Ok(())
            }
            Some('[') => {
                let inner_index = self.index()?;
                let mut inner = match list[index].take() {
                    Json::Null => Vec::new(),
                    Json::Array(inner) => inner,
                    _ => return Err("unable to parse key: an item is no list".to_owned()),
                };
                self.item(&mut inner, inner_index, depth + 1)?;
                list[index] = Json::Array(inner);
                Ok(())
            }
            Some(_) => {
                let mut inner = match list[index].take() {
                    Json::Object(inner) => inner,
                    _ => Table::new(),
                };
                self.key(&mut inner, depth)?;
                list[index] = Json::Object(inner);
                Ok(())
            }
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.kind {
            Kind::Literal => {
                let text = std::mem::take(&mut self.rest);
                return Ok(Json::String(text.to_owned()));
            }
            Kind::Json => return self.json(),
            Kind::File(content) => {
                self.rest = "";
                return Ok(Json::String(content.to_owned()));
            }
            Kind::Typed | Kind::Text => {}
        }
        let Some(inside) = self.rest.strip_prefix('{') else {
            let was_empty = self.rest.is_empty();
            let (text, _) = self.until(",");
            return Ok(if was_empty {
                Json::String(text)
            } else {
                self.typed(text)
            });
        };
        self.rest = inside;
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(",}");
            self.take_place(1)?;
            match stop {
                None => return Err("list must terminate with '}'".to_owned()),
                Some(_) => list.push(self.typed(text)),
            }
            if stop == Some('}') {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(Json::Array(list));
            }
        }
    }

    fn json(&mut self) -> Result<Json, String> {
        let rest = self.rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            self.rest = after;
            return Ok(Json::Null);
        }
        if rest.is_empty() {
            self.rest = "";
            return Ok(Json::Null);
        }
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Json>();
        let mut value = match stream.next() {
            Some(Ok(value)) => value,
            _ => return Err("it is no JSON".to_owned()),
        };
        as_floats(&mut value);
        let after = rest[stream.byte_offset()..].trim_start();
        self.rest = after.strip_prefix(',').unwrap_or(after);
        Ok(value)
    }

    fn typed(&self, text: String) -> Json {
        if !matches!(self.kind, Kind::Typed) {
            return Json::String(text);
        }
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if is("true") || is("false") {
            return Json::Bool(is("true"));
        }
        if is("null") {
            return Json::Null;
        }
        // A leading zero makes a text, so that version numbers and modes stay what they are.
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let leads_with_zero = text.starts_with('0') && text != "0";
        match text.parse::<i64>() {
            Ok(number) if is_number && !leads_with_zero => Json::from(number),
            _ => Json::String(text),
        }
    }
}

fn set(table: &mut Table, key: String, value: Json) {
    if !key.is_empty() {
        table.insert(key, value);
    }
}
