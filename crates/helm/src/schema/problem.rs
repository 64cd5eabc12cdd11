//! What is wrong with values, in the words of the library that Helm has for it, which people search
//! for: github.com/santhosh-tekuri/jsonschema/v6.
//!
//! It must not know schemas.

use holdfast_go::quote::quoted as go_quoted;

/// One thing that is wrong, and what it follows from.
#[derive(Debug)]
pub(super) struct Problem {
    /// A pointer to the value.
    pub(super) at: String,
    /// What is wrong.
    pub(super) what: What,
    /// What it follows from.
    pub(super) causes: Vec<Problem>,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum What {
    /// Several things; they are the causes.
    Several,
    /// Something in a schema that was referred to. It has no line of its own where that is one
    /// thing.
    Referred,
    /// This.
    Words(String),
}

/// The words for several things.
const SEVERAL: &str = "validation failed";

impl Problem {
    /// Writes a line, and those of the causes below it.
    pub(super) fn write(&self, out: &mut String, depth: usize) {
        let is_passed_on = matches!(self.what, What::Referred) && self.causes.len() == 1;
        let mut below = depth;
        if !is_passed_on {
            if !out.is_empty() {
                out.push('\n');
            }
            for _ in 0..depth {
                out.push_str("  ");
            }
            let words = match &self.what {
                What::Words(words) => words,
                What::Several | What::Referred => SEVERAL,
            };
            out.push_str(&format!("- at {}: {words}", quoted(&self.at)));
            below += 1;
        }
        for cause in &self.causes {
            cause.write(out, below);
        }
    }

    /// The causes of something that is only several things, or the thing itself.
    pub(super) fn parts(self) -> Vec<Self> {
        match self.what {
            What::Several => self.causes,
            _ => vec![self],
        }
    }
}

/// A text in single quotes.
pub(super) fn quoted(text: &str) -> String {
    let text = go_quoted(text);
    let inside = text.get(1..text.len() - 1).unwrap_or_default();
    let inside = inside.replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{inside}'")
}

/// Texts in single quotes with commas.
pub(super) fn listed<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.map(quoted).collect();
    texts.join(", ")
}

/// A letter in Go's single quotes, as its messages show it.
pub(super) fn quoted_letter(letter: char) -> String {
    if letter == '\'' {
        return "'\\''".to_owned();
    }
    let text = go_quoted(&letter.to_string());
    let inside = text.get(1..text.len() - 1).unwrap_or_default();
    format!("'{}'", inside.replace("\\\"", "\""))
}
