//! Rules for one file: its opening, its length, its name, and what a pure crate may not do.

use super::arrows::PURE;

/// The most lines of a file that is no list of alike items.
const LINES: usize = 600;

/// Lists of alike items, which may be longer: the file and what it lists.
const LISTS: [(&str, &str); 1] = [("crates/plan/src/tests.rs", "tests of one crate")];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "util", "common", "helpers", "manager", "types", "misc",
];

/// What reads the world: not for a crate whose values come in. Tests may.
const WORLDLY: [&str; 10] = [
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env::",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "std::io::stdin",
];

/// Exceptions: the file, the word, and why it reads nothing of the world all the same.
const ALLOWED: [(&str, &str, &str); 1] = [(
    "crates/helm/src/stack.rs",
    "std::thread",
    "templates nest deeper than a caller's stack may allow; the thread is joined at once",
)];

/// What is wrong with a file.
pub(crate) fn check(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(format!("{path} does not open with a //! paragraph"));
    }
    let lines = text.lines().count();
    if lines > LINES && !LISTS.iter().any(|(list, _)| *list == path) {
        problems.push(format!("{path} has {lines} lines; the ceiling is {LINES}"));
    }
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs");
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    let name = if stem == "mod" { folder } else { stem };
    if EMPTY_NAMES.contains(&name) {
        problems.push(format!("{path} has a name that says nothing"));
    }
    let pure = PURE
        .iter()
        .any(|name| path.starts_with(&format!("crates/{name}/src/")));
    if pure && !path.contains("/tests") {
        for (number, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            let allowed = |word: &str| {
                ALLOWED
                    .iter()
                    .any(|(file, allowed, _)| *file == path && *allowed == word)
            };
            let found = WORLDLY
                .iter()
                .find(|word| line.contains(*word) && !allowed(word));
            if let Some(word) = found.filter(|_| !is_comment) {
                let place = format!("{path}:{}", number + 1);
                problems.push(format!("{place}: a pure crate must not use {word}"));
            }
        }
    }
    problems
}
