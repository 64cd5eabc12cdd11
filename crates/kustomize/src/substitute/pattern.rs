//! Shell patterns for taking off the beginning or the end of a value: `*`, `?`, `[a-z]`, and a
//! backslash before what is meant as it is.

/// A part of a pattern, each for one character but the star.
enum Part {
    Star,
    Any,
    Letter(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

fn parse(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => Part::Star,
            '?' => Part::Any,
            '\\' => Part::Letter(letters.next()?),
            '[' => {
                let negated = letters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && letters.next_if_eq(&']').is_some() {
                        break;
                    }
                    let low = class_letter(&mut letters)?;
                    let mut high = low;
                    if letters.next_if_eq(&'-').is_some() {
                        high = class_letter(&mut letters)?;
                    }
                    ranges.push((low, high));
                }
                Part::Class { negated, ranges }
            }
            letter => Part::Letter(letter),
        });
    }
    Some(parts)
}

fn class_letter(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '-' | ']' => None,
        '\\' => letters.next(),
        letter => Some(letter),
    }
}

/// The ends, in bytes, of all beginnings of a value that a pattern matches, but the empty one.
fn matched_ends(value: &str, pattern: &[Part]) -> Vec<usize> {
    let mut states = vec![false; pattern.len() + 1];
    states[0] = true;
    let pass_stars = |states: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if states[at] && matches!(pattern[at], Part::Star) {
                states[at + 1] = true;
            }
        }
    };
    pass_stars(&mut states);
    let mut ends = Vec::new();
    for (at, letter) in value.char_indices() {
        let mut next = vec![false; states.len()];
        for (state, part) in pattern
            .iter()
            .enumerate()
            .filter(|(state, _)| states[*state])
        {
            let (stays, moves) = match part {
                Part::Star => (true, false),
                Part::Any => (false, true),
                Part::Letter(wanted) => (false, *wanted == letter),
                Part::Class { negated, ranges } => {
                    let within = |(low, high): &(char, char)| (*low..=*high).contains(&letter);
                    (false, ranges.iter().any(within) != *negated)
                }
            };
            next[state] |= stays;
            next[state + 1] |= moves;
        }
        states = next;
        pass_stars(&mut states);
        if states[pattern.len()] {
            ends.push(at + letter.len_utf8());
        }
    }
    ends
}

/// Takes the shortest or longest beginning off that a pattern matches.
pub(super) fn trim_prefix(value: &str, pattern: &str, longest: bool) -> String {
    let ends = match parse(pattern) {
        Some(pattern) => matched_ends(value, &pattern),
        None => Vec::new(),
    };
    let end = if longest { ends.last() } else { ends.first() };
    value[end.copied().unwrap_or(0)..].to_owned()
}

/// Takes the shortest or longest end off that a pattern matches.
pub(super) fn trim_suffix(value: &str, pattern: &str, longest: bool) -> String {
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    reversed(&trim_prefix(&reversed(value), &reversed(pattern), longest))
}
