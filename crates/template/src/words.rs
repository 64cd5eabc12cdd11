//! Splits names into words as the Go library `xstrings` does, for snake, kebab and Pascal case.
//!
//! It must not know templates.

use crate::functions::letters::{lower_letter, upper_letter};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    End,
    Number,
    /// A word that begins with a capital.
    Capital,
    Small,
    Connector,
    Punctuation,
    Other,
}

fn is_connector(letter: char) -> bool {
    letter == '-' || letter == '_' || letter.is_whitespace()
}

fn is_punctuation(letter: char) -> bool {
    if letter.is_ascii() {
        // Go's category P leaves out the symbols `$+<=>^`|~`.
        return letter.is_ascii_punctuation() && !"$+<=>^`|~".contains(letter);
    }
    matches!(
        letter,
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
    ) || ('\u{2010}'..='\u{2027}').contains(&letter)
        || ('\u{2030}'..='\u{205e}').contains(&letter)
        || ('\u{3001}'..='\u{3003}').contains(&letter)
        || ('\u{3008}'..='\u{3011}').contains(&letter)
}

/// Letters of scripts that have words; ideographs stand alone.
fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() && !('\u{2e80}'..='\u{d7ff}').contains(&letter)
}

/// Where a run of letters that belong together ends.
fn run(text: &str, start: usize, belongs: &dyn Fn(char) -> bool) -> usize {
    let rest = &text[start..];
    start + rest.find(|letter| !belongs(letter)).unwrap_or(rest.len())
}

/// The next word of a text: its kind and length.
fn next_word(text: &str) -> (Kind, usize) {
    let Some(first) = text.chars().next() else {
        return (Kind::End, 0);
    };
    let size = first.len_utf8();
    let is_small = |letter: char| is_letter(letter) && !letter.is_uppercase();
    if is_connector(first) {
        (Kind::Connector, run(text, size, &is_connector))
    } else if is_punctuation(first) {
        (Kind::Punctuation, run(text, size, &is_punctuation))
    } else if first.is_uppercase() {
        (Kind::Capital, capital_word(text, size))
    } else if is_letter(first) {
        (Kind::Small, run(text, size, &is_small))
    } else if first.is_numeric() {
        (Kind::Number, run(text, size, &char::is_numeric))
    } else {
        let belongs = |letter: char| {
            !(is_connector(letter)
                || is_letter(letter)
                || letter.is_numeric()
                || is_punctuation(letter))
        };
        (Kind::Other, run(text, size, &belongs))
    }
}

fn capital_word(text: &str, size: usize) -> usize {
    let Some(second) = text[size..].chars().next() else {
        return size;
    };
    if second.is_uppercase() {
        let end = run(text, size, &char::is_uppercase);
        // In `HTTPStatus` the last capital begins the next word.
        return match text[end..].chars().next() {
            Some(next) if is_letter(next) => {
                end - text[..end].chars().next_back().map_or(0, char::len_utf8)
            }
            _ => end,
        };
    }
    if is_letter(second) {
        return run(text, size, &|letter| {
            is_letter(letter) && !letter.is_uppercase()
        });
    }
    size
}

struct Words<'t> {
    out: String,
    rest: &'t str,
    kind: Kind,
    word: &'t str,
    mark: char,
}

impl<'t> Words<'t> {
    fn advance(&mut self) {
        let (kind, length) = next_word(self.rest);
        self.kind = kind;
        self.word = &self.rest[..length];
        self.rest = &self.rest[length..];
    }

    fn push(&mut self, kind: Kind, word: &'t str) {
        if kind != Kind::Capital && kind != Kind::Connector {
            self.out.push_str(word);
            return;
        }
        for letter in word.chars() {
            if is_connector(letter) {
                self.out.push(self.mark);
            } else {
                self.out.push(lower_letter(letter));
            }
        }
    }

    fn push_current(&mut self) {
        self.push(self.kind, self.word);
    }

    /// Letters and digits that follow each other stay together.
    fn push_small(&mut self) {
        while matches!(self.kind, Kind::Small | Kind::Number) {
            self.push_current();
            self.advance();
        }
    }

    fn is_at(&self, kinds: &[Kind]) -> bool {
        kinds.contains(&self.kind)
    }

    fn step(&mut self) {
        if self.kind != Kind::Connector {
            self.push_current();
        }
        let (previous, last) = (self.kind, self.word);
        self.advance();
        let stops = [Kind::End, Kind::Connector, Kind::Punctuation];
        match previous {
            Kind::Number => {
                self.push_small();
                if !self.is_at(&stops) {
                    self.out.push(self.mark);
                }
            }
            Kind::Connector => self.push(previous, last),
            Kind::Punctuation => {}
            _ if self.kind != Kind::Number => {
                if !self.is_at(&stops[1..]) {
                    self.out.push(self.mark);
                }
            }
            _ if self.rest.is_empty() => {}
            _ => self.number_after_word(&stops),
        }
    }

    fn number_after_word(&mut self, stops: &[Kind]) {
        let number = self.word;
        self.advance();
        if self.kind != Kind::Small {
            // The number belongs to the word before it, as in `Bld4Floor`.
            self.push(Kind::Number, number);
            if !self.is_at(&stops[1..]) {
                self.out.push(self.mark);
            }
            return;
        }
        // Small letters behind it make it a word of its own, as in `HTTP2xx`.
        self.out.push(self.mark);
        self.push(Kind::Number, number);
        self.push_small();
        if !self.is_at(stops) {
            self.out.push(self.mark);
        }
    }
}

/// Words in small letters with a mark between them.
pub(crate) fn connect(text: &str, mark: char) -> String {
    let mut words = Words {
        out: String::with_capacity(text.len() + 4),
        rest: text,
        kind: Kind::End,
        word: "",
        mark,
    };
    words.advance();
    while !words.rest.is_empty() {
        words.step();
    }
    words.push_current();
    words.out
}

/// Words with capitals and nothing between them; connectors in front stay.
pub(crate) fn pascal(text: &str) -> String {
    let start = text
        .find(|letter| !is_connector(letter))
        .unwrap_or(text.len());
    let mut out = text[..start].to_owned();
    let mut letters = text[start..].chars();
    let Some(first) = letters.next() else {
        return out;
    };
    let mut was_upper = first.is_uppercase();
    let mut current = upper_letter(first);
    for letter in letters {
        let previous = std::mem::replace(&mut current, letter);
        if is_connector(letter) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            was_upper = letter.is_uppercase();
            current = upper_letter(letter);
            continue;
        }
        // Of capitals in a row only the first stays one.
        if was_upper {
            if letter.is_uppercase() {
                current = lower_letter(letter);
            } else {
                was_upper = false;
            }
        }
        out.push(previous);
    }
    out.push(current);
    out
}
