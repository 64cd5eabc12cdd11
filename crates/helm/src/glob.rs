//! Patterns of `.Files.Glob`, as the Go library `gobwas/glob` has them with `/` as separator.
//!
//! It must not know files.

/// A compiled pattern.
pub(crate) struct Glob {
    parts: Vec<Part>,
}

enum Part {
    Letter(char),
    /// `?`: any letter but the separator.
    One,
    /// `*`: any letters but the separator.
    Many,
    /// `**`: any letters.
    All,
    /// `[a-z]`, `[abc]` and their negations.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// `{a,b}`.
    Choice(Vec<Vec<Part>>),
}

/// How deep alternatives may nest.
const MAX_DEPTH: usize = 8;

/// How many steps a match may take before it is given up.
const MAX_STEPS: usize = 1_000_000;

impl Glob {
    /// Reads a pattern; `None` where it is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let letters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let parts = parse_parts(&letters, &mut at, 0)?;
        (at == letters.len()).then_some(Self { parts })
    }

    /// A pattern that everything matches.
    pub(crate) fn everything() -> Self {
        Self {
            parts: vec![Part::All],
        }
    }

    /// Whether a path matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let letters: Vec<char> = path.chars().collect();
        let parts: Vec<&Part> = self.parts.iter().collect();
        let mut steps = 0;
        matches_parts(&parts, &letters, &mut steps)
    }
}

fn parse_parts(letters: &[char], at: &mut usize, depth: usize) -> Option<Vec<Part>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut parts = Vec::new();
    while let Some(&letter) = letters.get(*at) {
        *at += 1;
        match letter {
            '*' => {
                let mut stars = 1;
                while letters.get(*at) == Some(&'*') {
                    *at += 1;
                    stars += 1;
                }
                parts.push(if stars > 1 { Part::All } else { Part::Many });
            }
            '?' => parts.push(Part::One),
            '\\' => {
                parts.push(Part::Letter(*letters.get(*at)?));
                *at += 1;
            }
            '[' => parts.push(parse_class(letters, at)?),
            '{' => parts.push(parse_choice(letters, at, depth)?),
            ',' | '}' if depth > 0 => {
                *at -= 1;
                return Some(parts);
            }
            letter => parts.push(Part::Letter(letter)),
        }
    }
    (depth == 0).then_some(parts)
}

fn parse_choice(letters: &[char], at: &mut usize, depth: usize) -> Option<Part> {
    let mut choices = Vec::new();
    loop {
        choices.push(parse_parts(letters, at, depth + 1)?);
        let stop = *letters.get(*at)?;
        *at += 1;
        if stop == '}' {
            return Some(Part::Choice(choices));
        }
    }
}

fn parse_class(letters: &[char], at: &mut usize) -> Option<Part> {
    let negated = letters.get(*at) == Some(&'!');
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    while let Some(&letter) = letters.get(*at) {
        *at += 1;
        let letter = match letter {
            ']' if !ranges.is_empty() => return Some(Part::Class { ranges, negated }),
            ']' => return None,
            '\\' => {
                *at += 1;
                *letters.get(*at - 1)?
            }
            letter => letter,
        };
        if letters.get(*at) == Some(&'-') && letters.get(*at + 1).is_some_and(|next| *next != ']') {
            let high = *letters.get(*at + 1)?;
            *at += 2;
            if high < letter {
                return None;
            }
            ranges.push((letter, high));
        } else {
            ranges.push((letter, letter));
        }
    }
    None
}

fn matches_parts(parts: &[&Part], letters: &[char], steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    let Some((first, rest)) = parts.split_first() else {
        return letters.is_empty();
    };
    let one = |fits: bool, steps: &mut usize| fits && matches_parts(rest, &letters[1..], steps);
    match first {
        Part::Letter(wanted) => one(letters.first() == Some(wanted), steps),
        Part::One => one(letters.first().is_some_and(|letter| *letter != '/'), steps),
        Part::Class { ranges, negated } => {
            let fits = letters.first().is_some_and(|letter| {
                ranges
                    .iter()
                    .any(|(low, high)| (low..=high).contains(&letter))
                    != *negated
            });
            one(fits, steps)
        }
        Part::Many | Part::All => {
            let crosses = matches!(first, Part::All);
            for end in 0..=letters.len() {
                if matches_parts(rest, &letters[end..], steps) {
                    return true;
                }
                if letters.get(end) == Some(&'/') && !crosses {
                    return false;
                }
            }
            false
        }
        Part::Choice(choices) => choices.iter().any(|choice| {
            let parts: Vec<&Part> = choice.iter().chain(rest.iter().copied()).collect();
            matches_parts(&parts, letters, steps)
        }),
    }
}
