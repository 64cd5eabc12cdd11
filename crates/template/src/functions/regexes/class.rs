//! Character classes of Go's regular expressions, written out so that they mean the same to the
//! crate. It must not know what stands around them.

use super::INVALID;

/// The ASCII classes that Go knows by name.
const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Writes the class whose opening bracket was just read and returns what is behind it.
pub(super) fn class<'p>(out: &mut String, inside: &'p str) -> &'p str {
    out.push('[');
    let mut rest = inside;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut is_first = true;
    loop {
        // A bracket right behind the opening one means itself.
        if let Some(behind) = rest.strip_prefix(']').filter(|_| !is_first) {
            out.push(']');
            return behind;
        }
        is_first = false;
        match named(out, rest).or_else(|| range(out, rest)) {
            Some(behind) => rest = behind,
            None => {
                out.push_str(INVALID);
                return "";
            }
        }
    }
}

/// A class within the class, such as `[:alpha:]`, `\d` or `\p{Greek}`. A hyphen behind it means
/// itself, hence the brackets around what it stands for.
fn named<'p>(out: &mut String, rest: &'p str) -> Option<&'p str> {
    if let Some((name, behind)) = rest
        .strip_prefix("[:")
        .and_then(|rest| rest.split_once(":]"))
    {
        let is_known = NAMES.contains(&name.strip_prefix('^').unwrap_or(name));
        out.push_str(&if is_known {
            format!("[:{name}:]")
        } else {
            INVALID.to_owned()
        });
        return Some(behind);
    }
    let after = rest.strip_prefix('\\')?;
    let letter = after.chars().next()?;
    let behind = &after[letter.len_utf8()..];
    if let Some(set) = perl(letter) {
        out.push_str(&set);
        return Some(behind);
    }
    if !matches!(letter, 'p' | 'P') {
        return None;
    }
    let length = match behind.strip_prefix('{') {
        Some(name) => name.find('}')? + 2,
        None => behind.chars().next()?.len_utf8(),
    };
    out.push_str(&property(letter, &behind[..length]));
    Some(&behind[length..])
}

/// A Unicode property; Go also negates it with a caret in the braces.
pub(super) fn property(letter: char, name: &str) -> String {
    match (letter, name.strip_prefix("{^")) {
        ('p', Some(name)) => format!("\\P{{{name}"),
        ('P', Some(name)) => format!("\\p{{{name}"),
        _ => format!("\\{letter}{name}"),
    }
}

/// Go's `\d`, `\s` and `\w` are ASCII; only `\p` speaks of Unicode.
pub(super) fn perl(letter: char) -> Option<String> {
    let set = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\x0c\\r ",
        _ => return None,
    };
    let negation = if letter.is_ascii_uppercase() { "^" } else { "" };
    Some(format!("[{negation}{set}]"))
}

/// One character, or two with a hyphen between them.
fn range<'p>(out: &mut String, rest: &'p str) -> Option<&'p str> {
    let (low, mut behind) = character(rest)?;
    let mut high = low;
    if let Some(upper) = behind
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with(']'))
    {
        (high, behind) = character(upper)?;
    }
    if high < low {
        return None;
    }
    out.push_str(&format!("\\x{{{:x}}}", u32::from(low)));
    if high > low {
        out.push_str(&format!("-\\x{{{:x}}}", u32::from(high)));
    }
    Some(behind)
}

/// A character that stands for itself or is escaped, and what is behind it.
fn character(rest: &str) -> Option<(char, &str)> {
    let letter = rest.chars().next()?;
    let after = &rest[letter.len_utf8()..];
    if letter != '\\' {
        return Some((letter, after));
    }
    let letter = after.chars().next()?;
    let behind = &after[letter.len_utf8()..];
    let plain = match letter {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => return hexadecimal(behind),
        '0'..='7' => {
            let is_octal = |byte: &u8| (b'0'..=b'7').contains(byte);
            let more = behind.bytes().take(2).take_while(is_octal).count();
            // One digit alone would be a reference to a group, which neither knows.
            let code = u32::from_str_radix(&after[..1 + more], 8).ok();
            let code = code.filter(|_| letter == '0' || more > 0)?;
            return Some((char::from_u32(code)?, &behind[more..]));
        }
        _ if letter.is_ascii_punctuation() || letter.is_ascii_control() || letter == ' ' => letter,
        _ => return None,
    };
    Some((plain, behind))
}

fn hexadecimal(rest: &str) -> Option<(char, &str)> {
    let (digits, behind) = match rest.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => rest.split_at_checked(2)?,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some((char::from_u32(code)?, behind))
}
