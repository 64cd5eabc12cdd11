//! Functions on strings: cutting, padding, quoting, changing case, splitting and joining.
//!
//! It must not know templates. Lengths are bytes, as in Go.

use std::rc::Rc;

use holdfast_go::quote;

use super::arguments::{
    any, bytes, check_items, check_size, int, items, product, string_form, string_text, text,
};
use super::letters::{lower_letter, upper_letter};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::format;
use crate::value::{Element, Entries, List, Map, Shape, Value};

/// Bytes from and up to an index, refused as Go refuses a bad slice.
fn cut(bytes: &[u8], start: i64, end: i64) -> Outcome {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range.and_then(|(start, end)| bytes.get(start..end)) {
        Some(part) => Ok(Value::string(part.to_vec())),
        None => Err(Error::execute(format!(
            "runtime error: slice bounds out of range [{start}:{end}] with length {}",
            bytes.len()
        ))),
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

pub(super) fn abbrev(arguments: &[Value]) -> Outcome {
    let (width, text) = (int(arguments, 0), bytes(arguments, 1));
    if width < 4 {
        return Ok(arguments[1].clone());
    }
    abbreviate(text, 0, width)
}

pub(super) fn abbrev_both(arguments: &[Value]) -> Outcome {
    let (left, right) = (int(arguments, 0), int(arguments, 1));
    if right < 4 || left > 0 && right < 7 {
        return Ok(arguments[2].clone());
    }
    abbreviate(bytes(arguments, 2), left, right)
}

/// Shortens to a width and marks with dots what is left out, before and behind.
fn abbreviate(text: &[u8], offset: i64, width: i64) -> Outcome {
    let size = length(text);
    if width < 4 {
        return Ok(Value::text(""));
    }
    if size <= width {
        return Ok(Value::string(text.to_vec()));
    }
    let mut offset = offset.min(size);
    if size - offset < width - 3 {
        offset = size - (width - 3);
    }
    let part = |start: i64, end: i64| {
        let start = usize::try_from(start).unwrap_or(0);
        let end = usize::try_from(end).unwrap_or(0);
        text.get(start..end).unwrap_or_default().to_vec()
    };
    if offset <= 4 {
        let mut out = part(0, width - 3);
        out.extend_from_slice(b"...");
        return Ok(Value::string(out));
    }
    if width < 7 {
        return Ok(Value::text(""));
    }
    let mut out = b"...".to_vec();
    if offset + width - 3 < size {
        let rest = abbreviate(&part(offset, size), 0, width - 3)?;
        out.extend_from_slice(rest.as_bytes().unwrap_or_default());
    } else {
        out.extend(part(size - (width - 3), size));
    }
    Ok(Value::string(out))
}

pub(super) fn trunc(arguments: &[Value]) -> Outcome {
    let (count, text) = (int(arguments, 0), bytes(arguments, 1));
    let size = length(text);
    if count < 0 && size.saturating_add(count) > 0 {
        return cut(text, size + count, size);
    }
    if count >= 0 && size > count {
        return cut(text, 0, count);
    }
    Ok(arguments[1].clone())
}

pub(super) fn substr(arguments: &[Value]) -> Outcome {
    let (start, end) = (int(arguments, 0), int(arguments, 1));
    let text = bytes(arguments, 2);
    if start < 0 {
        return cut(text, 0, end);
    }
    if end < 0 || end > length(text) {
        return cut(text, start, length(text));
    }
    cut(text, start, end)
}

pub(super) fn trim(arguments: &[Value]) -> Outcome {
    match &arguments[0] {
        Value::Text(text) => {
            let trimmed = text.trim();
            if trimmed.len() == text.len() {
                return Ok(arguments[0].clone());
            }
            Ok(Value::text(trimmed))
        }
        other => Ok(other.clone()),
    }
}

pub(super) fn trim_all(arguments: &[Value]) -> Outcome {
    let (set, text) = (text(arguments, 0), text(arguments, 1));
    Ok(Value::text(
        text.trim_matches(|letter| set.contains(letter)),
    ))
}

pub(super) fn trim_prefix(arguments: &[Value]) -> Outcome {
    match bytes(arguments, 1).strip_prefix(bytes(arguments, 0)) {
        Some(rest) => Ok(Value::string(rest.to_vec())),
        None => Ok(arguments[1].clone()),
    }
}

pub(super) fn trim_suffix(arguments: &[Value]) -> Outcome {
    match bytes(arguments, 1).strip_suffix(bytes(arguments, 0)) {
        Some(rest) => Ok(Value::string(rest.to_vec())),
        None => Ok(arguments[1].clone()),
    }
}

pub(super) fn upper(arguments: &[Value]) -> Outcome {
    Ok(map_letters(&text(arguments, 0), upper_letter))
}

pub(super) fn lower(arguments: &[Value]) -> Outcome {
    Ok(map_letters(&text(arguments, 0), lower_letter))
}

fn map_letters(text: &str, map: fn(char) -> char) -> Value {
    Value::from(text.chars().map(map).collect::<String>())
}

/// Go's `strings.Title`: a letter behind anything that is no letter, digit or underscore.
pub(super) fn title(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    let mut previous = ' ';
    let mapped = text.chars().map(|letter| {
        let starts = is_separator(previous);
        previous = letter;
        if starts { title_letter(letter) } else { letter }
    });
    Ok(Value::from(mapped.collect::<String>()))
}

fn title_letter(letter: char) -> char {
    match letter {
        'ǆ' | 'Ǆ' => 'ǅ',
        'ǉ' | 'Ǉ' => 'ǈ',
        'ǌ' | 'Ǌ' => 'ǋ',
        'ǳ' | 'Ǳ' => 'ǲ',
        letter => upper_letter(letter),
    }
}

fn is_separator(letter: char) -> bool {
    if letter.is_ascii() {
        return !(letter.is_ascii_alphanumeric() || letter == '_');
    }
    !letter.is_alphanumeric() && letter.is_whitespace()
}

pub(super) fn untitle(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    let mut starts = true;
    let mapped = text.chars().map(|letter| {
        if letter.is_whitespace() {
            starts = true;
            return letter;
        }
        if std::mem::take(&mut starts) {
            lower_letter(letter)
        } else {
            letter
        }
    });
    Ok(Value::from(mapped.collect::<String>()))
}

pub(super) fn swap_case(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    let mapped = text.chars().map(|letter| {
        if letter.is_uppercase() {
            lower_letter(letter)
        } else if letter.is_lowercase() {
            upper_letter(letter)
        } else {
            letter
        }
    });
    Ok(Value::from(mapped.collect::<String>()))
}

/// The Go library takes every byte for a letter, so that `é` becomes two where there is any space.
pub(super) fn no_space(arguments: &[Value]) -> Outcome {
    let letters = bytes(arguments, 0).iter().map(|byte| char::from(*byte));
    if !letters.clone().any(char::is_whitespace) {
        return Ok(arguments[0].clone());
    }
    let kept = letters.filter(|letter| !letter.is_whitespace());
    Ok(Value::from(kept.collect::<String>()))
}

/// The first byte of each word, read as a Latin-1 letter, as the Go library does it.
pub(super) fn initials(arguments: &[Value]) -> Outcome {
    let mut gap = true;
    let mut out = String::new();
    for byte in bytes(arguments, 0) {
        let letter = char::from(*byte);
        if letter.is_whitespace() {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(letter);
        }
    }
    Ok(Value::from(out))
}

pub(super) fn repeat(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (count, text) = (int(arguments, 0), bytes(arguments, 1));
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::execute("strings: negative Repeat count"));
    };
    check_size(run, product(count, text.len()))?;
    Ok(Value::string(text.repeat(count)))
}

pub(super) fn contains(arguments: &[Value]) -> Outcome {
    let (part, whole) = (text(arguments, 0), text(arguments, 1));
    Ok(Value::Bool(whole.contains(&*part)))
}

pub(super) fn has_prefix(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(
        bytes(arguments, 1).starts_with(bytes(arguments, 0)),
    ))
}

pub(super) fn has_suffix(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(
        bytes(arguments, 1).ends_with(bytes(arguments, 0)),
    ))
}

pub(super) fn quote(arguments: &[Value]) -> Outcome {
    let quoted = arguments
        .iter()
        .filter(|value| !value.is_nil())
        .map(|value| {
            let form = string_form(value);
            quote::quote(form.as_bytes().unwrap_or_default())
        });
    Ok(Value::from(quoted.collect::<Vec<_>>().join(" ")))
}

pub(super) fn single_quote(arguments: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for value in arguments.iter().filter(|value| !value.is_nil()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        format::print_to(&mut out, value);
        out.push(b'\'');
    }
    Ok(Value::string(out))
}

pub(super) fn cat(arguments: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for (index, value) in arguments.iter().filter(|value| !value.is_nil()).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        format::print_to(&mut out, value);
    }
    Ok(Value::string(out))
}

pub(super) fn indent(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    indent_text(run, arguments, "")
}

pub(super) fn new_line_indent(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    indent_text(run, arguments, "\n")
}

fn indent_text(run: &Run<'_>, arguments: &[Value], before: &str) -> Outcome {
    let Ok(spaces) = usize::try_from(int(arguments, 0)) else {
        return Err(Error::execute("strings: negative Repeat count"));
    };
    let text = bytes(arguments, 1);
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    check_size(run, product(lines, spaces) + text.len() as u128)?;
    let mut out = Vec::with_capacity(text.len() + lines * spaces + 1);
    out.extend_from_slice(before.as_bytes());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend(std::iter::repeat_n(b' ', spaces));
        out.extend_from_slice(line);
    }
    Ok(Value::string(out))
}

pub(super) fn replace(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (old, new, whole) = (text(arguments, 0), text(arguments, 1), text(arguments, 2));
    if !whole.contains(&*old) {
        return Ok(arguments[2].clone());
    }
    check_size(run, product(whole.len() / old.len().max(1) + 1, new.len()))?;
    Ok(Value::from(whole.replace(&*old, &new)))
}

pub(super) fn plural(arguments: &[Value]) -> Outcome {
    let index = if int(arguments, 2) == 1 { 0 } else { 1 };
    Ok(arguments[index].clone())
}

/// The strings of a list, without nils; a scalar is a list of one.
pub(super) fn string_list(value: &Value) -> Vec<Value> {
    match items(value) {
        Some(items) => items
            .iter()
            .filter(|item| !item.is_nil())
            .map(string_form)
            .collect(),
        None if value.is_nil() => Vec::new(),
        None => vec![string_form(value)],
    }
}

pub(super) fn to_strings(arguments: &[Value]) -> Outcome {
    let items = string_list(any(arguments, 0));
    Ok(Value::List(List::new(Element::Text, items)))
}

pub(super) fn to_string(arguments: &[Value]) -> Outcome {
    Ok(match any(arguments, 0) {
        value if value.is_nil() => Value::text("<nil>"),
        value => string_form(value),
    })
}

pub(super) fn join(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let separator = bytes(arguments, 0);
    let parts = string_list(any(arguments, 1));
    let size: u128 = parts
        .iter()
        .map(|part| part.as_bytes().map_or(0, <[u8]>::len) as u128 + separator.len() as u128)
        .sum();
    check_size(run, size)?;
    let parts: Vec<&[u8]> = parts.iter().filter_map(Value::as_bytes).collect();
    Ok(Value::string(parts.join(separator)))
}

/// Go's `strings.SplitN`; an empty separator splits between letters.
fn split_text(separator: &str, limit: i64, text: &str) -> Vec<Rc<str>> {
    if limit == 0 {
        return Vec::new();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if separator.is_empty() {
        let mut parts: Vec<Rc<str>> = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if parts.len() + 1 >= limit {
                parts.push(Rc::from(rest));
                return parts;
            }
            parts.push(Rc::from(&rest[..letter.len_utf8()]));
            rest = &rest[letter.len_utf8()..];
        }
        return parts;
    }
    text.splitn(limit, separator).map(Rc::from).collect()
}

fn numbered(parts: Vec<Rc<str>>) -> Value {
    let entries: Entries = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| (Rc::from(format!("_{index}")), Value::Text(part)))
        .collect();
    Value::Map(Map::new(Shape::Text, entries))
}

pub(super) fn split(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (separator, whole) = (text(arguments, 0), text(arguments, 1));
    check_items(run, whole.len() as u128 / separator.len().max(1) as u128)?;
    Ok(numbered(split_text(&separator, -1, &whole)))
}

pub(super) fn split_n(arguments: &[Value]) -> Outcome {
    let (separator, whole) = (text(arguments, 0), text(arguments, 2));
    Ok(numbered(split_text(&separator, int(arguments, 1), &whole)))
}

pub(super) fn split_list(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (separator, whole) = (text(arguments, 0), text(arguments, 1));
    check_items(run, whole.len() as u128 / separator.len().max(1) as u128)?;
    let parts = split_text(&separator, -1, &whole);
    let parts = parts.into_iter().map(Value::Text).collect();
    Ok(Value::List(List::new(Element::Text, parts)))
}

pub(super) fn sort_alpha(arguments: &[Value]) -> Outcome {
    let mut parts = match any(arguments, 0) {
        value if value.is_nil() => vec![Value::text("<nil>")],
        value => string_list(value),
    };
    parts.sort_by(|left, right| left.as_bytes().cmp(&right.as_bytes()));
    Ok(Value::List(List::new(Element::Text, parts)))
}

pub(super) fn wrap(arguments: &[Value]) -> Outcome {
    wrap_text(bytes(arguments, 1), int(arguments, 0), (b"\n", false))
}

pub(super) fn wrap_with(arguments: &[Value]) -> Outcome {
    let mark = match bytes(arguments, 1) {
        b"" => b"\n",
        mark => mark,
    };
    wrap_text(bytes(arguments, 2), int(arguments, 0), (mark, true))
}

fn wrap_text(text: &[u8], width: i64, (mark, breaks_words): (&[u8], bool)) -> Outcome {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(text.len() + text.len() / width);
    let mut rest = text;
    while rest.len() > width {
        if rest.starts_with(b" ") {
            rest = &rest[1..];
            continue;
        }
        let (line, next) = match rest[..=width].iter().rposition(|byte| *byte == b' ') {
            Some(space) => (space, space + 1),
            None if breaks_words => (width, width),
            None => match rest[width..].iter().position(|byte| *byte == b' ') {
                Some(space) => (width + space, width + space + 1),
                None => break,
            },
        };
        out.extend_from_slice(&rest[..line]);
        out.extend_from_slice(mark);
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
    Ok(Value::string(out))
}

pub(super) fn hello(_: &[Value]) -> Outcome {
    Ok(Value::text("Hello!"))
}

pub(super) fn regex_quote_meta(arguments: &[Value]) -> Outcome {
    let mut out = String::new();
    for letter in text(arguments, 0).chars() {
        if "\\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    Ok(Value::from(out))
}

pub(super) fn snake_case(arguments: &[Value]) -> Outcome {
    Ok(Value::from(crate::words::connect(&text(arguments, 0), '_')))
}

pub(super) fn kebab_case(arguments: &[Value]) -> Outcome {
    Ok(Value::from(crate::words::connect(&text(arguments, 0), '-')))
}

pub(super) fn camel_case(arguments: &[Value]) -> Outcome {
    Ok(Value::from(crate::words::pascal(&text(arguments, 0))))
}

pub(super) fn atoi(arguments: &[Value]) -> Outcome {
    let text = text(arguments, 0);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number {
        text.parse().unwrap_or(0)
    } else {
        0
    };
    Ok(Value::int(number))
}

pub(super) fn to_decimal(arguments: &[Value]) -> Outcome {
    let text = match any(arguments, 0) {
        value if value.is_nil() => "<nil>".to_owned(),
        value => string_text(value),
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = i64::from_str_radix(&text, 8).ok().filter(|_| is_number);
    Ok(Value::Int(
        crate::value::IntKind::Int64,
        number.unwrap_or(0),
    ))
}
