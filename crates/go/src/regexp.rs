//! Regular expressions in Go's syntax (RE2), compiled by the crate `regex`, whose syntax differs. It
//! must not know what is matched.

use regex::{Error, RegexBuilder};

/// A compiled expression, what it finds, and a text to put in as it is.
pub use regex::{Captures, NoExpand, Regex};

/// Compiles an expression that takes at most this many bytes.
///
/// # Errors
/// Why it is none, or that it takes more.
pub fn compile(pattern: &str, limit: usize) -> Result<Regex, Error> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(limit).build();
    // What is wrong is better shown in what was written than in the translation.
    build(&translate(pattern)).map_err(|error| build(pattern).err().unwrap_or(error))
}

/// Go's syntax where the crate's differs: `\Q..\E`, octal codes, ASCII classes, names that are used
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
            '[' => rest = class(&mut out, after),
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

/// The ASCII classes that Go knows by name.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

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

/// Go's classes are ASCII; only `\p` speaks of Unicode.
fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\x0c\\r ]",
        'S' => "[^\\t\\n\\x0c\\r ]",
        _ => return None,
    })
}

/// A class in brackets, whose opening one has been read; what follows it. Each character is written
/// as its code, so that none has another meaning for the crate.
fn class<'p>(out: &mut String, after: &'p str) -> &'p str {
    out.push('[');
    let mut rest = after;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut is_first = true;
    while let Some(letter) = rest.chars().next() {
        // A bracket right behind the opening one means itself.
        if letter == ']' && !is_first {
            out.push(']');
            return &rest[1..];
        }
        is_first = false;
        let named = rest.strip_prefix("[:");
        if let Some((name, behind)) = named.and_then(|rest| rest.split_once(":]")) {
            if CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                out.push_str(&format!("[:{name}:]"));
            } else {
                out.push_str(INVALID);
            }
            rest = behind;
            continue;
        }
        if let Some(escape) = rest.strip_prefix('\\') {
            let second = escape.chars().next().unwrap_or_default();
            if let Some(perl) = perl_class(second) {
                out.push_str(perl);
                rest = &escape[1..];
                continue;
            }
            if matches!(second, 'p' | 'P') {
                rest = named_class(out, escape);
                continue;
            }
        }
        let (Some(low), next) = class_character(rest) else {
            out.push_str(INVALID);
            return "";
        };
        rest = next;
        out.push_str(&format!("\\x{{{low:x}}}"));
        // A hyphen is a range only where a character follows it.
        if let Some(upper) = rest.strip_prefix('-')
            && !upper.is_empty()
            && !upper.starts_with(']')
        {
            let (Some(high), next) = class_character(upper) else {
                out.push_str(INVALID);
                return "";
            };
            rest = next;
            out.push_str(&format!("-\\x{{{high:x}}}"));
        }
    }
    rest
}

/// The code of a character of a class, and what follows it; nothing where Go refuses its escape.
fn class_character(text: &str) -> (Option<u32>, &str) {
    let Some(escape) = text.strip_prefix('\\') else {
        let letter = text.chars().next().unwrap_or_default();
        return (Some(letter.into()), &text[letter.len_utf8()..]);
    };
    let Some(letter) = escape.chars().next() else {
        return (None, "");
    };
    let rest = &escape[letter.len_utf8()..];
    let code = match letter {
        '0'..='7' => return octal(escape),
        'x' => {
            let (digits, rest) = match rest.strip_prefix('{') {
                Some(braced) => braced.split_once('}').unwrap_or(("", "")),
                None => rest.split_at_checked(2).unwrap_or(("", "")),
            };
            return (u32::from_str_radix(digits, 16).ok(), rest);
        }
        'a' => 7,
        't' => 9,
        'n' => 10,
        'v' => 11,
        'f' => 12,
        'r' => 13,
        letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => letter.into(),
        _ => return (None, rest),
    };
    (Some(code), rest)
}

/// Up to three octal digits. One digit alone would be a reference to a group, which Go refuses,
/// unless it is zero.
fn octal(digits: &str) -> (Option<u32>, &str) {
    let bytes = digits.bytes().take(3);
    let length = bytes
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .count();
    let (digits, rest) = digits.split_at(length);
    let is_code = length > 1 || digits == "0";
    (
        u32::from_str_radix(digits, 8).ok().filter(|_| is_code),
        rest,
    )
}

/// `\pL` or `\p{Name}`, whose backslash has been read.
fn named_class<'p>(out: &mut String, escape: &'p str) -> &'p str {
    let end = match escape[1..].strip_prefix('{') {
        Some(_) => escape.find('}').map_or(escape.len(), |at| at + 1),
        None => escape
            .char_indices()
            .nth(2)
            .map_or(escape.len(), |(at, _)| at),
    };
    // Go also negates with a caret in the braces.
    match (&escape[..1], escape[1..end].strip_prefix("{^")) {
        ("p", Some(name)) => out.push_str(&format!("\\P{{{name}")),
        (_, Some(name)) => out.push_str(&format!("\\p{{{name}")),
        _ => out.push_str(&format!("\\{}", &escape[..end])),
    }
    &escape[end..]
}

fn escaped<'p>(out: &mut String, after: &'p str) -> &'p str {
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    if let Some(perl) = perl_class(letter) {
        out.push_str(perl);
        return rest;
    }
    match letter {
        'b' => out.push_str("(?-u:\\b)"),
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        '0'..='7' => {
            let (code, rest) = octal(after);
            match code {
                Some(code) => out.push_str(&format!("\\x{{{code:x}}}")),
                None => out.push_str(INVALID),
            }
            return rest;
        }
        'p' | 'P' => return named_class(out, after),
        // What stands in the braces of a code is its number.
        'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |at| at + 1);
            out.push_str("\\x");
            out.push_str(&rest[..end]);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.27 answers to `regexp.MatchString`.
    #[test]
    fn classes_mean_what_they_mean_to_go() {
        let cases = [
            (r"^[\w-\.]+$", "my-master.1", Some(true)),
            (r"^[\w-\.]+$", "a b", Some(false)),
            (r"^[a-c-e]+$", "a-e", Some(true)),
            (r"^[a-c-e]+$", "d", Some(false)),
            (r"^[]a]+$", "]a", Some(true)),
            (r"^[^]a]+$", "b", Some(true)),
            (r"^[a&&b]+$", "&", Some(true)),
            (r"^[[:alpha:]-]+$", "a-b", Some(true)),
            (r"^[\d\-_]+$", "1-_", Some(true)),
            (r"^[+--]+$", ",", Some(true)),
            (r"^[[a]+$", "[a", Some(true)),
            (r"^[^()\[\]?={} \t]+$", "a[b", Some(false)),
            (r"^[^()[\]]+$", "abc", Some(true)),
            (r"^[[:alpha:]_]+$", "a1", Some(false)),
            (r"^\[[0-9]\]$", "[1]", Some(true)),
            (r"^[\x41-\x{43}]+$", "ABC", Some(true)),
            (r"^[\pL]+$", "é", Some(true)),
            (r"^[[:]+$", "[:", Some(true)),
            (r"[[:]", "a", Some(false)),
            (r"[b-a]", "a", None),
            (r"[\b]", "a", None),
            (r"[a", "a", None),
        ];
        for (pattern, text, expected) in cases {
            let found = compile(pattern, 1 << 20).ok();
            let found = found.map(|regex| regex.is_match(text));
            assert_eq!(found, expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_in_what_was_written() {
        let error = compile("[b-a]", 1 << 20).expect_err("the range is backwards");
        assert!(error.to_string().contains("[b-a]"), "{error}");
        assert!(compile("a{1000}{1000}", 1 << 20).is_err());
    }
}
