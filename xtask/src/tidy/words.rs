//! Words that were retired: one word per idea, in what people read. The glossary in STYLE.md has what
//! stands for them.

/// What is no longer said, and what is said in its place.
const RETIRED: [(&str, &str); 22] = [
    ("told", "shown, reported, or what happens instead"),
    ("comes to pass", "happens, or occurs"),
    ("come to pass", "happen, or occur"),
    ("look at", "reconcile, or read"),
    ("looks at", "reconciles, or reads"),
    ("looked at", "reconciled, or read"),
    ("look again", "reconcile again"),
    ("looks again", "reconciles again"),
    ("look anew", "reconcile again"),
    ("a look", "a reconciliation"),
    ("the look", "the reconciliation"),
    ("each look", "each reconciliation"),
    ("next look", "next reconciliation"),
    ("two looks", "two reconciliations"),
    ("rival", "contended, or another writer"),
    ("rivals", "contended fields, or other writers"),
    ("halt", "blocked"),
    ("halts", "is blocked"),
    ("halted", "blocked"),
    ("plan is drawn", "plan is made"),
    ("draws a plan", "makes a plan"),
    ("draw a plan", "make a plan"),
];

/// The retired words in a page of the documentation.
pub(super) fn check_page(path: &str, text: &str) -> Vec<String> {
    found(text)
        .map(|(word, instead)| format!("{path}: `{word}` is retired; say {instead}"))
        .collect()
}

/// The retired words in the texts of a file of the program: what it prints, logs and answers.
pub(super) fn check_code(path: &str, text: &str) -> Vec<String> {
    let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
    if is_test || !path.starts_with("crates/") {
        return Vec::new();
    }
    let shown = text.split("#[cfg(test)]").next().unwrap_or_default();
    let literals = literals(shown);
    found(&literals)
        .map(|(word, instead)| {
            format!("{path}: a text says `{word}`, which is retired; say {instead}")
        })
        .collect()
}

fn found(text: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let plain: String = text
        .chars()
        .map(|letter| match letter.is_alphanumeric() || letter == '_' {
            true => letter.to_ascii_lowercase(),
            false => ' ',
        })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let plain = format!(" {} ", words.join(" "));
    RETIRED
        .into_iter()
        .filter(move |(word, _)| plain.contains(&format!(" {word} ")))
}

/// The texts between quotes, a line each, without comments.
fn literals(text: &str) -> String {
    let mut literals = String::new();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut is_inside = false;
    for line in lines {
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (letter, is_inside) {
                ('\'', false) => {
                    // A quote as a letter opens nothing.
                    let mut ahead = letters.clone();
                    if ahead.next() == Some('"') && ahead.next() == Some('\'') {
                        letters = ahead;
                    }
                }
                ('"', _) => {
                    is_inside = !is_inside;
                    literals.push('\n');
                }
                ('\\', true) => {
                    letters.next();
                    literals.push(' ');
                }
                (letter, true) => literals.push(letter),
                _ => {}
            }
        }
        literals.push(' ');
    }
    literals
}

#[cfg(test)]
mod tests {
    use super::{check_code, check_page};

    #[test]
    fn retired_words_are_found_in_pages_and_in_what_the_program_says() {
        assert_eq!(
            check_page("a.md", "It is\ntold. Charts look things up.").len(),
            1
        );
        let code = "// Nobody is told.\nfn look_at() { say(\"it looks \\\n    at Git\", '\"'); }\n";
        assert_eq!(check_code("crates/a/src/b.rs", code).len(), 1);
        assert!(check_code("crates/a/src/b.rs", "fn told() { say(\"shown\") }").is_empty());
        assert!(check_code("crates/a/src/tests.rs", code).is_empty());
    }
}
