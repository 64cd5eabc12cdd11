//! Go's `filepath.Match`: shell patterns without `**`.
//!
//! It must not know what patterns are used for.

/// Whether a name matches a pattern; `None` for a malformed pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> Option<bool> {
    check(pattern)?;
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    Some(matches_from(&pattern, &name))
}

/// Whether every bracket and escape of a pattern is complete.
fn check(pattern: &str) -> Option<()> {
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                letters.next()?;
            }
            '[' => {
                letters.next_if_eq(&'^');
                let mut count = 0;
                loop {
                    if letters.peek() == Some(&']') && count > 0 {
                        letters.next();
                        break;
                    }
                    bound(&mut letters)?;
                    if letters.next_if_eq(&'-').is_some() {
                        bound(&mut letters)?;
                    }
                    count += 1;
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn bound(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '-' | ']' => None,
        '\\' => letters.next(),
        letter => Some(letter),
    }
}

/// Matches with one place to return to: the last star that was passed.
fn matches_from(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if at == pattern.len() && here == name.len() {
            return true;
        }
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, here));
            at += 1;
            continue;
        }
        let step = name
            .get(here)
            .and_then(|letter| one(&pattern[at..], *letter));
        if let Some(length) = step {
            at += length;
            here += 1;
            continue;
        }
        // The star takes one letter more, but never a slash.
        match star {
            Some((after, from)) if from < name.len() && name[from] != '/' => {
                star = Some((after, from + 1));
                at = after;
                here = from + 1;
            }
            _ => return false,
        }
    }
}

/// How much of the pattern one letter takes; `None` when it does not match.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => (letter != '/').then_some(1),
        '\\' => (pattern.get(1) == Some(&letter)).then_some(2),
        '[' => class(pattern, letter),
        other => (*other == letter).then_some(1),
    }
}

fn class(pattern: &[char], letter: char) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    let take = |at: &mut usize| {
        if pattern.get(*at) == Some(&'\\') {
            *at += 1;
        }
        let letter = pattern.get(*at).copied();
        *at += 1;
        letter
    };
    while pattern.get(at) != Some(&']') || at == first {
        let low = take(&mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = take(&mut at)?;
        }
        found |= (low..=high).contains(&letter);
    }
    (found != negated).then_some(at + 1)
}
