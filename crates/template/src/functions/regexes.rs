//! Regular expressions as Go's `regexp` has them.
//!
//! It must not know templates. Compiled expressions are kept for the render by [`Run`].

mod class;

use regex::Regex;

use super::arguments::{check_size, int, product, text};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Element, List, Value};

/// Bytes that a compiled expression may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Compiles Go's syntax.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Error> {
    regex::RegexBuilder::new(&translate(pattern))
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| Error::execute(format!("error parsing regexp: {pattern:?}")))
}

/// Go's syntax where the crate's differs: `\Q..\E`, octal codes, classes, names that are used
/// twice, and braces that mean themselves.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut names = Names::default();
    let mut is_repeated = false;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let repeats = matches!(letter, '*' | '+' | '?') || letter == '{' && is_repeat(after);
        rest = after;
        match letter {
            // Go knows no repetition of a repetition.
            _ if repeats && is_repeated => out.push_str(INVALID),
            '\\' => rest = escaped(&mut out, after),
            '[' => rest = class::class(&mut out, after),
            '{' if !repeats => out.push_str("\\{"),
            '{' if exceeds_repeat(after) => out.push_str(INVALID),
            '{' => {
                let end = after.find('}').map_or(after.len(), |at| at + 1);
                out.push('{');
                out.push_str(&after[..end]);
                rest = &after[end..];
            }
            '(' if !knows_flags(after) => out.push_str(INVALID),
            '(' if names.repeats(after) => {
                out.push('(');
                rest = after.split_once('>').map_or("", |(_, rest)| rest);
            }
            _ => out.push(letter),
        }
        is_repeated = repeats;
        if let Some(lazy) = rest.strip_prefix('?').filter(|_| repeats) {
            out.push('?');
            rest = lazy;
        }
    }
    out
}

/// Whether a group that sets flags sets those that Go has.
fn knows_flags(after: &str) -> bool {
    let flags = after.strip_prefix('?').unwrap_or_default();
    let end = flags.find([':', ')', '<']).unwrap_or(flags.len());
    let is_known = |letter: char| matches!(letter, 'i' | 'm' | 's' | 'U' | 'P' | '-');
    flags[..end].chars().all(is_known)
}

/// What no crate accepts, for what Go does not.
const INVALID: &str = "\\Y";

/// The most repetitions that Go allows.
const MAX_REPEAT: u32 = 1000;

fn exceeds_repeat(after: &str) -> bool {
    let counts = after.split('}').next().unwrap_or_default().split(',');
    let mut counts = counts.filter(|count| !count.is_empty());
    counts.any(|count| count.parse().map_or(true, |count: u32| count > MAX_REPEAT))
}

/// The names of groups so far: Go lets a name be used twice.
#[derive(Default)]
struct Names<'p>(Vec<&'p str>);

impl<'p> Names<'p> {
    /// Whether a named group opens here whose name was used before.
    fn repeats(&mut self, after: &'p str) -> bool {
        let named = after.strip_prefix("?P<").or(after.strip_prefix("?<"));
        let Some((name, _)) = named.and_then(|rest| rest.split_once('>')) else {
            return false;
        };
        let repeats = self.0.contains(&name);
        self.0.push(name);
        repeats
    }
}

/// Whether `{n}`, `{n,}` or `{n,m}` stands here; anything else is a brace.
fn is_repeat(after: &str) -> bool {
    let Some(end) = after.find('}') else {
        return false;
    };
    let (low, high) = match after[..end].split_once(',') {
        Some((low, high)) => (low, high),
        None => (&after[..end], "0"),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !low.is_empty() && is_number(low) && is_number(high)
}

fn escaped<'p>(out: &mut String, after: &'p str) -> &'p str {
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    if let Some(set) = class::perl(letter) {
        out.push_str(&set);
        return rest;
    }
    match letter {
        'b' => out.push_str("(?-u:\\b)"),
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        // One digit alone would be a reference to a group, which neither knows.
        '0'..='7' => {
            let more = rest
                .bytes()
                .take(2)
                .take_while(|byte| (b'0'..=b'7').contains(byte));
            let length = more.count();
            let digits = &after[..1 + length];
            match u32::from_str_radix(digits, 8) {
                Ok(code) if letter == '0' || length > 0 => {
                    out.push_str(&format!("\\x{{{code:x}}}"));
                    return &rest[length..];
                }
                _ => out.push_str(INVALID),
            }
        }
        // What stands in the braces of a class or of a code is its name.
        'p' | 'P' | 'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |at| at + 1);
            out.push_str(&class::property(letter, &rest[..end]));
            return &rest[end..];
        }
        'u' | 'U' => out.push_str(INVALID),
        // Rust reads these as word boundaries and Go as themselves.
        '<' | '>' => out.push(letter),
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
    rest
}

pub(super) fn is_match(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let matches = run
        .regex(&text(arguments, 0))
        .is_ok_and(|regex| regex.is_match(&text(arguments, 1)));
    Ok(Value::Bool(matches))
}

pub(super) fn must_match(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    Ok(Value::Bool(regex.is_match(&text(arguments, 1))))
}

pub(super) fn find(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let whole = text(arguments, 1);
    let found = regex.find(&whole).map_or("", |found| found.as_str());
    Ok(Value::text(found))
}

pub(super) fn find_all(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let whole = text(arguments, 1);
    let limit = usize::try_from(int(arguments, 2)).unwrap_or(usize::MAX);
    let found: Vec<Value> = regex
        .find_iter(&whole)
        .take(limit)
        .map(|found| Value::text(found.as_str()))
        .collect();
    if found.is_empty() {
        return Ok(Value::List(List::nil(Element::Text)));
    }
    Ok(Value::List(List::new(Element::Text, found)))
}

pub(super) fn replace_all(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let (whole, template) = (text(arguments, 1), text(arguments, 2));
    let mut out = String::with_capacity(whole.len());
    let mut last = 0;
    for captures in regex.captures_iter(&whole) {
        let Some(found) = captures.get(0) else {
            continue;
        };
        out.push_str(&whole[last..found.start()]);
        expand(&mut out, &template, &captures);
        check_size(run, out.len() as u128)?;
        last = found.end();
    }
    out.push_str(&whole[last..]);
    Ok(Value::from(out))
}

/// Go's replacement syntax: `$1`, `${1}`, `$name`, `$$`; a name is as long as it can be.
fn expand(out: &mut String, template: &str, captures: &regex::Captures<'_>) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (inside, braces) = match rest.strip_prefix('{') {
            Some(inside) => (inside, true),
            None => (rest, false),
        };
        let length = inside
            .find(|letter: char| letter != '_' && !letter.is_alphanumeric())
            .unwrap_or(inside.len());
        let name = &inside[..length];
        let after = &inside[length..];
        let after = if braces {
            after.strip_prefix('}')
        } else {
            Some(after)
        };
        let (Some(after), false) = (after, name.is_empty()) else {
            out.push('$');
            continue;
        };
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let found = if is_number {
            name.parse().ok().and_then(|index| captures.get(index))
        } else {
            captures.name(name)
        };
        out.push_str(found.map_or("", |found| found.as_str()));
        rest = after;
    }
    out.push_str(rest);
}

pub(super) fn replace_all_literal(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let (whole, new) = (text(arguments, 1), text(arguments, 2));
    check_size(run, product(whole.len() + 1, new.len()))?;
    let replaced = regex.replace_all(&whole, regex::NoExpand(&new));
    Ok(Value::text(replaced))
}

/// Go's `Split`: the parts between matches, and nothing for a limit of zero.
pub(super) fn split(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let pattern = text(arguments, 0);
    let regex = run.regex(&pattern)?;
    let whole = text(arguments, 1);
    let limit = int(arguments, 2);
    let mut parts: Vec<Value> = Vec::new();
    if limit == 0 {
        return Ok(Value::List(List::nil(Element::Text)));
    }
    {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if !pattern.is_empty() && whole.is_empty() {
            return Ok(Value::texts([""]));
        }
        let (mut start, mut end) = (0, 0);
        for found in regex.find_iter(&whole) {
            if parts.len() + 1 >= limit {
                break;
            }
            end = found.start();
            if found.end() != 0 {
                parts.push(Value::text(&whole[start..end]));
            }
            start = found.end();
        }
        if end != whole.len() {
            parts.push(Value::text(&whole[start..]));
        }
    }
    Ok(Value::List(List::new(Element::Text, parts)))
}
