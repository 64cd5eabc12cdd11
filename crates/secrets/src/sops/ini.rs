//! INI files, read and written as SOPS does with Go's most common library: sections of keys, the equal
//! signs below each other. A value of several lines stands between three quotes.

use std::collections::HashMap;

use super::flat::plain;
use super::tree::{Entry, Value};
use crate::error::Error;

/// The section of what stands above the first one.
const DEFAULT: &str = "DEFAULT";

/// The sections of a file, each a mapping.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, Error> {
    let mut reader = Reader {
        lines: text.split_inclusive('\n'),
        number: 0,
        comment: String::new(),
        known: HashMap::new(),
    };
    let mut sections = Vec::new();
    let (mut name, mut entries) = (DEFAULT.to_owned(), Vec::new());
    while let Some(line) = reader.next() {
        let line = line.trim_start();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(['#', ';']) {
            reader.comment.push_str(line);
            continue;
        }
        let Some(rest) = line.strip_prefix('[') else {
            reader.key(line, &mut entries)?;
            continue;
        };
        let Some((section, rest)) = rest.rsplit_once(']') else {
            return Err(syntax(
                reader.number,
                "opens a section and does not close it",
            ));
        };
        let before = std::mem::replace(&mut name, section.to_owned());
        let held = std::mem::take(&mut entries);
        reader.known.clear();
        sections.push(Entry::pair(before, Value::Map(held)));
        if let Some(at) = rest.find(['#', ';']) {
            reader.comment.push_str(&rest[at..]);
        }
        entries.extend(reader.take_comment());
    }
    sections.push(Entry::pair(name, Value::Map(entries)));
    Ok(sections)
}

fn syntax(line: usize, problem: &str) -> Error {
    Error::Syntax {
        format: "INI file",
        problem: format!("line {line} {problem}"),
    }
}

struct Reader<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    number: usize,
    /// The comments since the last section or key.
    comment: String,
    /// Where the keys of the section stand in it.
    known: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.number += 1;
        self.lines.next()
    }

    fn take_comment(&mut self) -> Option<Entry> {
        let comment = std::mem::take(&mut self.comment);
        let comment = comment.trim();
        let text = match comment.chars().next()? {
            sign @ (';' | '#') => comment.trim_start_matches([sign, ' ']),
            _ => comment,
        };
        (!text.is_empty()).then(|| Entry::comment(text, false))
    }

    fn key(&mut self, line: &'a str, entries: &mut Vec<Entry>) -> Result<(), Error> {
        let (name, rest) = key_name(line).map_err(|problem| syntax(self.number, problem))?;
        let value = self.value(rest)?;
        // A key that is there twice has the later value in the earlier place.
        match self.known.get(name) {
            Some(at) => entries[*at].value = Value::text(&value),
            None => {
                self.known.insert(name, entries.len());
                entries.push(Entry::pair(name, Value::text(&value)));
            }
        }
        entries.extend(self.take_comment());
        Ok(())
    }

    fn value(&mut self, rest: &'a str) -> Result<String, Error> {
        let line = rest.trim_start();
        if line.is_empty() {
            return Ok(String::new());
        }
        let quote = match line {
            line if line.len() > 3 && line.starts_with("\"\"\"") => "\"\"\"",
            line if line.starts_with('`') => "`",
            _ => return Ok(self.plain_value(line)),
        };
        let first = &line[quote.len()..];
        if let Some(end) = first.rfind(quote) {
            return Ok(first[..end].to_owned());
        }
        let mut value = first.to_owned();
        loop {
            let Some(next) = self.next() else {
                return Err(syntax(self.number, "is the end, within a value in quotes"));
            };
            if let Some(end) = next.rfind(quote) {
                value.push_str(&next[..end]);
                return Ok(value);
            }
            value.push_str(next);
        }
    }

    /// A value without quotes, which a `\` at its end continues on the next line.
    fn plain_value(&mut self, line: &str) -> String {
        let line = line.trim();
        if let Some(head) = line.strip_suffix('\\') {
            let mut value = head.to_owned();
            while let Some(next) = self.next() {
                let next = next.trim();
                let Some(more) = next.strip_suffix('\\') else {
                    value.push_str(next);
                    break;
                };
                value.push_str(more);
            }
            return value;
        }
        let line = match line.find(['#', ';']) {
            Some(at) => {
                self.comment.push_str(&line[at..]);
                line[..at].trim()
            }
            None => line,
        };
        let quoted = ['"', '\''].into_iter().find_map(|quote| {
            let inner = line.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        });
        quoted.unwrap_or(line).to_owned()
    }
}

fn key_name(line: &str) -> Result<(&str, &str), &'static str> {
    let quote = match line {
        line if line.len() > 6 && line.starts_with("\"\"\"") => "\"\"\"",
        line if line.starts_with('"') => "\"",
        line if line.starts_with('`') => "`",
        line => {
            let at = line.find(['=', ':']).ok_or("has no `=`")?;
            let name = line[..at].trim();
            return match name.is_empty() {
                true => Err("has no key in front of `=`"),
                false => Ok((name, &line[at + 1..])),
            };
        }
    };
    let inner = &line[quote.len()..];
    let (name, rest) = inner
        .split_once(quote)
        .ok_or("has a key whose quotes do not end")?;
    let at = rest.find(['=', ':']).ok_or("has no `=`")?;
    Ok((name.trim(), &rest[at + 1..]))
}

/// The text of sections.
pub(super) fn write(sections: &[Entry]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let pairs = sections
        .iter()
        .filter_map(|entry| Some((entry.key.as_deref()?, &entry.value)));
    let count = pairs.clone().count();
    for (index, (name, value)) in pairs.enumerate() {
        let Value::Map(entries) = value else {
            return Err(Error::Unwritable {
                format: "an INI file",
                problem: format!("`{name}` stands in no section"),
            });
        };
        write_section(&mut out, (index, name), entries)?;
        let skipped = index == 0 && name.eq_ignore_ascii_case(DEFAULT) && entries.is_empty();
        if index + 1 < count && !skipped {
            out.push(b'\n');
        }
    }
    Ok(out)
}

fn write_section(
    out: &mut Vec<u8>,
    (index, name): (usize, &str),
    entries: &[Entry],
) -> Result<(), Error> {
    let (head, entries) = match entries.split_first() {
        Some((first, rest)) if first.key.is_none() => (Some(first), rest),
        _ => (None, entries),
    };
    if let Some(comment) = head {
        write_comment(out, &comment.value);
    }
    if index > 0 || !name.eq_ignore_ascii_case(DEFAULT) {
        out.extend_from_slice(format!("[{name}]\n").as_bytes());
    }
    let keys = entries.iter().filter_map(|entry| entry.key.as_deref());
    let width = keys.map(|key| written_key(key).len()).max().unwrap_or(0);
    for (index, entry) in entries.iter().enumerate() {
        let Some(key) = &entry.key else {
            continue;
        };
        // A comment follows its key and is written in front of it; the last one counts.
        let following = entries[index + 1..].iter();
        let comments = following.take_while(|entry| entry.key.is_none());
        if let Some(comment) = comments.last() {
            write_comment(out, &comment.value);
        }
        let value = plain(&entry.value).ok_or_else(|| Error::Unwritable {
            format: "an INI file",
            problem: format!("`{key}` of section `{name}` has a value with levels"),
        })?;
        out.extend_from_slice(format!("{:width$} = ", written_key(key)).as_bytes());
        write_value(out, &value);
        out.push(b'\n');
    }
    Ok(())
}

fn written_key(key: &str) -> String {
    if key.contains(['"', '=', ':']) {
        format!("`{key}`")
    } else if key.contains('`') {
        format!("\"\"\"{key}\"\"\"")
    } else {
        key.to_owned()
    }
}

fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    let has = |bytes: &[u8]| value.iter().any(|byte| bytes.contains(byte));
    let quote: &[u8] = if has(b"\n`") {
        b"\"\"\""
    } else if has(b"#;") {
        b"`"
    } else if value.trim_ascii().len() != value.len() {
        b"\""
    } else {
        b""
    };
    out.extend_from_slice(quote);
    out.extend_from_slice(value);
    out.extend_from_slice(quote);
}

fn write_comment(out: &mut Vec<u8>, value: &Value) {
    let Value::Comment(comment) = value else {
        return;
    };
    for line in comment.text.split('\n') {
        match line.chars().next() {
            Some(sign @ ('#' | ';')) => {
                out.extend_from_slice(format!("{sign} {}", line[1..].trim()).as_bytes());
            }
            _ => {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(line.trim().as_bytes());
            }
        }
        out.push(b'\n');
    }
}
