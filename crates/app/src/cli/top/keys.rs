//! What the bytes that a terminal sends mean. It must not know what a key does.

/// A key that somebody has pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Enter,
    Escape,
    Backspace,
    /// Control and C.
    Interrupt,
    Letter(char),
}

/// The keys of what a terminal has sent at once.
pub(super) fn read(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest: &str = &text;
    let mut keys = Vec::new();
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = after;
        keys.push(match letter {
            '\u{1b}' => {
                let Some(sequence) = after.strip_prefix(['[', 'O']) else {
                    keys.push(Key::Escape);
                    continue;
                };
                let end = sequence.find(|letter: char| matches!(letter, '@'..='~'));
                let end = end.map_or(sequence.len(), |end| end + 1);
                rest = &sequence[end..];
                match &sequence[..end] {
                    "A" => Key::Up,
                    "B" => Key::Down,
                    "5~" => Key::PageUp,
                    "6~" => Key::PageDown,
                    _ => continue,
                }
            }
            '\u{3}' => Key::Interrupt,
            '\r' | '\n' => Key::Enter,
            '\u{7f}' | '\u{8}' => Key::Backspace,
            letter if letter.is_control() => continue,
            letter => Key::Letter(letter),
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &[Key]) {
        assert_eq!(read(bytes), expected);
    }

    #[test]
    fn arrows_letters_and_escape_are_told_apart() {
        check(b"\x1b[A\x1bOBj", &[Key::Up, Key::Down, Key::Letter('j')]);
        check(b"\x1b", &[Key::Escape]);
        check(b"\x1bq", &[Key::Escape, Key::Letter('q')]);
        check(
            b"\x1b[5~\x1b[6~\x1b[1;5C\x1b[",
            &[Key::PageUp, Key::PageDown],
        );
        check(b"\r\x7f\x03", &[Key::Enter, Key::Backspace, Key::Interrupt]);
        check("ä\u{7}".as_bytes(), &[Key::Letter('ä')]);
    }
}
