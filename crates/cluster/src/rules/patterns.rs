//! Regular expressions of schemas: written for RE2, read by another library. It must not know what
//! they are matched with.

use regex::{Error, Regex, RegexBuilder};

/// The largest automaton that a pattern may need.
const MAX_SIZE: usize = 1 << 20;

/// Reads a pattern.
///
/// # Errors
/// Why it is none.
pub(super) fn pattern(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(&plain(text)).size_limit(MAX_SIZE).build()
}

/// The pattern with the signs escaped that mean nothing to RE2 inside of a class: an opening
/// bracket, and the doubled signs of set operations.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let (mut inside, mut at_start) = (false, false);
    let mut last = ' ';
    while let Some(letter) = letters.next() {
        let before = std::mem::replace(&mut last, letter);
        let was_start = std::mem::take(&mut at_start);
        match letter {
            '\\' => {
                plain.push(letter);
                plain.extend(letters.next());
                last = ' ';
                continue;
            }
            '[' if !inside => {
                (inside, at_start) = (true, true);
            }
            '[' if letters.peek() == Some(&':') => {
                // A named class, such as `[:alpha:]`, up to its end.
                plain.push(letter);
                for inner in letters.by_ref() {
                    plain.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                continue;
            }
            '[' => plain.push('\\'),
            '^' if was_start => at_start = true,
            ']' if inside && !was_start => inside = false,
            '&' | '~' | '-' if inside && before == letter => plain.push('\\'),
            _ => {}
        }
        plain.push(letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn classes_are_read_as_by_re2() {
        for (text, fits, misses) in [
            (r"^[^()\[\]?={} \t]+$", "abc", "a[b"),
            (r"^[^()[\]]+$", "abc", "a[b"),
            (r"^[[:alpha:]_]+$", "a_b", "a1"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[+--]+$", "+,-", "."),
            (r"^\[[0-9]\]$", "[1]", "1"),
        ] {
            let read = pattern(text).expect(text);
            assert!(read.is_match(fits) && !read.is_match(misses), "{text}");
        }
    }
}
