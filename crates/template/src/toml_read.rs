//! Reads TOML.
//!
//! It must not know templates. Whole numbers are `int64`, dates are times.

use std::rc::Rc;

use crate::moment_parse;
use crate::value::{Element, Entries, IntKind, List, Map, Shape, Value};

/// How deep values may nest.
const MAX_DEPTH: usize = 100;

/// The entries of a document.
///
/// # Errors
/// What is wrong and on which line, without quoting values.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let root = Map::new(Shape::Any, Entries::new());
    let mut reader = Reader {
        text,
        at: 0,
        closed: Vec::new(),
    };
    let mut table = root.clone();
    loop {
        reader.skip_lines();
        match reader.peek() {
            None => return Ok(Value::Map(root)),
            Some('[') => table = reader.header(&root)?,
            Some(_) => {
                reader.pair(&table, 0)?;
                reader.end_of_line()?;
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Tables that a header has opened, which no other header may open again.
    closed: Vec<Map>,
}

type Read<T> = Result<T, String>;

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error<T>(&self, message: &str) -> Read<T> {
        let line = 1 + self.text[..self.at].matches('\n').count();
        Err(format!("toml: line {line}: {message}"))
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn skip_comment(&mut self) {
        self.skip_space();
        if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn skip_lines(&mut self) {
        loop {
            self.skip_comment();
            let trimmed = self.rest().trim_start_matches(['\r', '\n']);
            if trimmed.len() == self.rest().len() {
                return;
            }
            self.at = self.text.len() - trimmed.len();
        }
    }

    fn end_of_line(&mut self) -> Read<()> {
        self.skip_comment();
        match self.peek() {
            None | Some('\n') => Ok(()),
            Some('\r') if self.rest().starts_with("\r\n") => Ok(()),
            Some(_) => self.error("expected the end of the line"),
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Read<()> {
        self.skip_space();
        if self.take(text) {
            return Ok(());
        }
        self.error(&format!("expected {text:?}"))
    }

    fn header(&mut self, root: &Map) -> Read<Map> {
        let is_list = self.take("[[");
        if !is_list {
            self.take("[");
        }
        let path = self.key_path()?;
        self.expect(if is_list { "]]" } else { "]" })?;
        self.end_of_line()?;
        let Some((last, tables)) = path.split_last() else {
            return self.error("a header without a name");
        };
        let mut table = root.clone();
        for key in tables {
            table = self.step(&table, key)?;
        }
        if !is_list {
            let table = self.step(&table, last)?;
            if self.closed.iter().any(|known| known.is(&table)) {
                return self.error("a table is defined twice");
            }
            self.closed.push(table.clone());
            return Ok(table);
        }
        let item = Map::new(Shape::Any, Entries::new());
        let mut items = match table.get(last) {
            None => Vec::new(),
            Some(Value::List(list)) if list.element() == Element::Map => list.items().to_vec(),
            Some(_) => return self.error("a key is defined twice"),
        };
        items.push(Value::Map(item.clone()));
        let list = List::new(Element::Map, items);
        table.set(Rc::clone(last), Value::List(list));
        Ok(item)
    }

    /// The table of that name, made when it is not there; the last one of a list of tables.
    fn step(&self, table: &Map, key: &Rc<str>) -> Read<Map> {
        match table.get(key) {
            None => {
                let made = Map::new(Shape::Any, Entries::new());
                table.set(Rc::clone(key), Value::Map(made.clone()));
                Ok(made)
            }
            Some(Value::Map(found)) => Ok(found),
            Some(Value::List(list)) if list.element() == Element::Map => {
                match list.items().last() {
                    Some(Value::Map(found)) => Ok(found.clone()),
                    _ => self.error("a list of tables is empty"),
                }
            }
            Some(_) => self.error("a key is defined twice"),
        }
    }

    fn key_path(&mut self) -> Read<Vec<Rc<str>>> {
        let mut path = Vec::new();
        loop {
            self.skip_space();
            path.push(self.key()?);
            if path.len() > MAX_DEPTH {
                return self.error("a key is nested too deep");
            }
            self.skip_space();
            if !self.take(".") {
                return Ok(path);
            }
        }
    }

    fn key(&mut self) -> Read<Rc<str>> {
        match self.peek() {
            Some('"') => self.basic().map(Rc::from),
            Some('\'') => self.literal().map(Rc::from),
            _ => {
                let is_bare =
                    |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
                let rest = self.rest();
                let length = rest.find(|letter| !is_bare(letter)).unwrap_or(rest.len());
                if length == 0 {
                    return self.error("expected a key");
                }
                self.at += length;
                Ok(Rc::from(&rest[..length]))
            }
        }
    }

    fn pair(&mut self, table: &Map, depth: usize) -> Read<()> {
        let path = self.key_path()?;
        self.expect("=")?;
        self.skip_space();
        let value = self.value(depth + 1)?;
        let Some((last, tables)) = path.split_last() else {
            return self.error("expected a key");
        };
        let mut table = table.clone();
        for key in tables {
            table = self.step(&table, key)?;
        }
        if table.get(last).is_some() {
            return self.error("a key is defined twice");
        }
        table.set(Rc::clone(last), value);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > MAX_DEPTH {
            return self.error("a value is nested too deep");
        }
        match self.peek() {
            Some('"') if self.rest().starts_with("\"\"\"") => self.lines_basic().map(Value::from),
            Some('\'') if self.rest().starts_with("'''") => self.lines_literal().map(Value::from),
            Some('"') => self.basic().map(Value::from),
            Some('\'') => self.literal().map(Value::from),
            Some('[') => self.list(depth),
            Some('{') => self.inline(depth),
            Some(_) => self.word(),
            None => self.error("expected a value"),
        }
    }

    fn list(&mut self, depth: usize) -> Read<Value> {
        self.take("[");
        let mut items = Vec::new();
        loop {
            self.skip_lines();
            if self.take("]") {
                return Ok(Value::list(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_lines();
            if !self.take(",") {
                self.expect("]")?;
                return Ok(Value::list(items));
            }
        }
    }

    fn inline(&mut self, depth: usize) -> Read<Value> {
        self.take("{");
        let table = Map::new(Shape::Any, Entries::new());
        self.skip_space();
        if self.take("}") {
            return Ok(Value::Map(table));
        }
        loop {
            self.skip_space();
            self.pair(&table, depth)?;
            self.skip_space();
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Value::Map(table));
            }
        }
    }

    fn literal(&mut self) -> Read<String> {
        let inside = &self.rest()[1..];
        match inside.find(['\'', '\n']) {
            Some(end) if inside[end..].starts_with('\'') => {
                self.at += end + 2;
                Ok(inside[..end].to_owned())
            }
            _ => self.error("a string does not end"),
        }
    }

    fn lines_literal(&mut self) -> Read<String> {
        let inside = &self.rest()[3..];
        let Some(mut end) = inside.find("'''") else {
            return self.error("a string does not end");
        };
        // Up to two quotes may stand right before the closing ones.
        while inside[end + 3..].starts_with('\'') && !inside[end..].starts_with("''''''") {
            end += 1;
        }
        self.at += end + 6;
        Ok(first_line_dropped(&inside[..end]).to_owned())
    }

    fn basic(&mut self) -> Read<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(letter) = self.peek() else {
                return self.error("a string does not end");
            };
            self.at += letter.len_utf8();
            match letter {
                '"' => return Ok(out),
                '\n' => return self.error("a string does not end"),
                '\\' => out.push(self.escape()?),
                letter => out.push(letter),
            }
        }
    }

    fn lines_basic(&mut self) -> Read<String> {
        self.at += 3;
        let begin = self.rest();
        self.at += begin.len() - first_line_dropped(begin).len();
        let mut out = String::new();
        loop {
            if self.take("\"\"\"") {
                for _ in 0..2 {
                    if self.take("\"") {
                        out.push('"');
                    }
                }
                return Ok(out);
            }
            let Some(letter) = self.peek() else {
                return self.error("a string does not end");
            };
            self.at += letter.len_utf8();
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            // A backslash at the end of a line takes all white space behind it away.
            let trimmed = self.rest().trim_start_matches([' ', '\t']);
            if trimmed.starts_with(['\n', '\r']) {
                self.at = self.text.len() - trimmed.trim_start().len();
            } else {
                out.push(self.escape()?);
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let Some(kind) = self.peek() else {
            return self.error("a string does not end");
        };
        self.at += kind.len_utf8();
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits > 0 {
            let code = self
                .rest()
                .get(..digits)
                .and_then(|text| u32::from_str_radix(text, 16).ok());
            let Some(letter) = code.and_then(char::from_u32) else {
                return self.error("an escape is malformed");
            };
            self.at += digits;
            return Ok(letter);
        }
        match kind {
            'b' => Ok('\u{8}'),
            't' => Ok('\t'),
            'n' => Ok('\n'),
            'f' => Ok('\u{c}'),
            'r' => Ok('\r'),
            'e' => Ok('\u{1b}'),
            '"' | '\\' => Ok(kind),
            _ => self.error("an escape is not known"),
        }
    }

    /// A number, a boolean or a date.
    fn word(&mut self) -> Read<Value> {
        let rest = self.rest();
        let ends =
            |letter: char| matches!(letter, ',' | ']' | '}' | '#' | '\n' | '\r' | '\t' | ' ');
        let mut length = rest.find(ends).unwrap_or(rest.len());
        // A date and a time may be apart by a space.
        if rest.as_bytes().get(4) == Some(&b'-') && rest[length..].starts_with(' ') {
            let after = &rest[length + 1..];
            if after.starts_with(|letter: char| letter.is_ascii_digit()) {
                length += 1 + after.find(ends).unwrap_or(after.len());
            }
        }
        let word = &rest[..length];
        self.at += length;
        match plain_value(word) {
            Some(value) => Ok(value),
            None => self.error("a value is malformed"),
        }
    }
}

/// A newline right behind the opening quotes is no part of the string.
fn first_line_dropped(text: &str) -> &str {
    let rest = text.strip_prefix("\r\n").or(text.strip_prefix('\n'));
    rest.unwrap_or(text)
}

fn plain_value(word: &str) -> Option<Value> {
    match word {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        "inf" | "+inf" => return Some(Value::Float(f64::INFINITY)),
        "-inf" => return Some(Value::Float(f64::NEG_INFINITY)),
        "nan" | "+nan" | "-nan" => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    if let Some(moment) = date(word) {
        return Some(moment);
    }
    if word.starts_with('_') || word.ends_with('_') || word.contains("__") {
        return None;
    }
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    let plain = word.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            let number = i64::from_str_radix(digits, radix).ok()?;
            return Some(Value::Int(IntKind::Int64, number));
        }
    }
    let leads_with_zero =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if leads_with_zero || !digits.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    if let Ok(number) = plain.parse::<i64>() {
        return Some(Value::Int(IntKind::Int64, number));
    }
    let is_float = digits.contains(['.', 'e', 'E']) && !digits.ends_with('.');
    let number: f64 = plain.parse().ok()?;
    (is_float && number.is_finite()).then_some(Value::Float(number))
}

fn date(word: &str) -> Option<Value> {
    let bytes = word.as_bytes();
    let is_time = bytes.get(2) == Some(&b':');
    if bytes.get(4) != Some(&b'-') && !is_time || !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let word = word.to_uppercase().replace(' ', "T");
    let layouts = [
        "2006-01-02T15:04:05.999999999Z07:00",
        "2006-01-02T15:04:05.999999999",
        "2006-01-02",
        "15:04:05.999999999",
    ];
    let parsed = layouts
        .iter()
        .find_map(|layout| moment_parse::parse(layout, &word).ok())?;
    Some(Value::Time(parsed))
}
