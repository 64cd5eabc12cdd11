//! What a text holds that decides in which styles it can be written. It must not know where the
//! text is written.

use crate::node::Style;
use crate::resolve::{Rules, Scalar, old_bool, resolve_plain};

/// The styles that a text can be written in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Analysis {
    pub(crate) multiline: bool,
    pub(crate) flow_plain: bool,
    pub(crate) block_plain: bool,
    pub(crate) single_quoted: bool,
    pub(crate) block: bool,
}

/// What was met in a text.
#[derive(Default)]
struct Met {
    block_indicators: bool,
    flow_indicators: bool,
    breaks: bool,
    special: bool,
    tabs: bool,
    leading: bool,
    trailing_space: bool,
    trailing_break: bool,
    break_space: bool,
    space_break: bool,
}

pub(crate) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether Go writes a character as it is.
pub(crate) fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && character != '\u{feff}'
}

pub(crate) fn analyze(text: &str, rules: Rules) -> Analysis {
    if text.is_empty() {
        return Analysis {
            multiline: false,
            flow_plain: false,
            block_plain: true,
            single_quoted: true,
            block: false,
        };
    }
    let met = meet(text, rules);
    let edges = met.leading || met.trailing_space || met.trailing_break;
    let unquotable = met.space_break || met.special;
    let plain = !edges && !met.break_space && !unquotable && !met.tabs && !met.breaks;
    Analysis {
        multiline: met.breaks,
        flow_plain: plain && !met.flow_indicators,
        block_plain: plain && !met.block_indicators,
        single_quoted: !met.break_space && !unquotable && !met.tabs,
        block: !met.trailing_space && !unquotable,
    }
}

fn meet(text: &str, rules: Rules) -> Met {
    let mut met = Met::default();
    if text.starts_with("---") || text.starts_with("...") {
        met.block_indicators = true;
        met.flow_indicators = true;
    }
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        meet_indicator(&mut met, before, character, next);
        if character == '\t' && rules == Rules::V3 {
            met.tabs = true;
        } else if !is_printable(character) {
            met.special = true;
        }
        if character == ' ' {
            met.leading |= before.is_none();
            met.trailing_space |= next.is_none();
            met.break_space |= before.is_some_and(is_break);
        } else if is_break(character) {
            met.breaks = true;
            met.leading |= before.is_none();
            met.trailing_break |= next.is_none();
            met.space_break |= before == Some(' ');
        }
        before = Some(character);
    }
    met
}

fn meet_indicator(met: &mut Met, before: Option<char>, character: char, next: Option<char>) {
    let followed = next.is_none_or(|next| matches!(next, ' ' | '\t'));
    let (flow, block) = match (before, character) {
        (
            None,
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`',
        ) => (true, true),
        (None, '?') | (_, ':') => (true, followed),
        (None, '-') => (followed, followed),
        (Some(_), ',' | '?' | '[' | ']' | '{' | '}') => (true, false),
        (Some(before), '#') => {
            let apart = matches!(before, ' ' | '\t' | '\0') || is_break(before);
            (apart, apart)
        }
        _ => (false, false),
    };
    met.flow_indicators |= flow;
    met.block_indicators |= block;
}

/// The style in which Go writes a text that it knows no style for.
pub fn default_style(text: &str, rules: Rules) -> Style {
    let analysis = analyze(text, rules);
    match wanted_style(text, rules) {
        Style::Plain if analysis.block_plain => Style::Plain,
        Style::Plain if analysis.single_quoted => Style::SingleQuoted,
        Style::Literal if analysis.block => Style::Literal,
        _ => Style::DoubleQuoted,
    }
}

/// The style that Go asks for when it writes a text without knowing a style for it.
pub(crate) fn wanted_style(text: &str, rules: Rules) -> Style {
    if text.contains('\n') {
        return Style::Literal;
    }
    let is_text = matches!(resolve_plain(text, rules), Scalar::Str(_) | Scalar::Merge);
    let is_old = is_base_60(text) || rules == Rules::V3 && old_bool(text).is_some();
    if is_text && !is_old {
        Style::Plain
    } else {
        Style::DoubleQuoted
    }
}

/// Whether a text is a number in base 60 as YAML 1.1 has it, such as `12:30`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some((head, rest)) = unsigned.split_once(':') else {
        return false;
    };
    let word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    if !head.starts_with(|letter: char| letter.is_ascii_digit()) || !word(head) {
        return false;
    }
    let (places, fraction) = match rest.split_once('.') {
        Some((places, fraction)) => (places, fraction),
        None => (rest, ""),
    };
    word(fraction) && places.split(':').all(is_sixtieth)
}

fn is_sixtieth(place: &str) -> bool {
    match place.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => matches!(tens, b'0'..=b'5') && digit.is_ascii_digit(),
        _ => false,
    }
}
