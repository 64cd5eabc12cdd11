//! `.helmignore`: which files of a folder are no part of the chart.
//!
//! It must not read files. The rules have Helm's own meaning, odd negation included.

use crate::error::Error;
use crate::pattern;

/// The rules of one chart.
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

struct Rule {
    pattern: String,
    negated: bool,
    only_folders: bool,
    whole_path: bool,
}

impl Rules {
    /// Reads the rules of a file, and adds what Helm always ignores.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut rules = Self { rules: Vec::new() };
        let text = text.trim_start_matches('\u{feff}');
        for line in text.lines().chain(["templates/.?*"]) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            rules.rules.push(Rule::parse(line)?);
        }
        Ok(rules)
    }

    /// Whether a path within the chart is left out.
    pub(crate) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        for rule in &self.rules {
            if rule.negated {
                if rule.only_folders && !is_folder || !rule.matches(path) {
                    return true;
                }
                continue;
            }
            if rule.only_folders && !is_folder {
                continue;
            }
            if rule.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, Error> {
        if line.contains("**") {
            return Err(Error::Load(
                "double-star (**) syntax is not supported".to_owned(),
            ));
        }
        if pattern::matches(line, "abc").is_none() {
            return Err(Error::Load("syntax error in pattern".to_owned()));
        }
        let (negated, rest) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (only_folders, rest) = match rest.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let anchored = rest.strip_prefix('/');
        Ok(Self {
            pattern: anchored.unwrap_or(rest).to_owned(),
            negated,
            only_folders,
            whole_path: anchored.is_some() || rest.contains('/'),
        })
    }

    fn matches(&self, path: &str) -> bool {
        let name = if self.whole_path {
            path
        } else {
            path.rsplit('/').next().unwrap_or(path)
        };
        pattern::matches(&self.pattern, name).unwrap_or(false)
    }
}
