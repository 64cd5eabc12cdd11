//! Which of a repository's references a Stack means. It must not know how they are listed.

use holdfast_model::stack::Reference;
use semver::{Version, VersionReq};

/// Whether a text is a range of versions.
pub(crate) fn parse_range(range: &str) -> Result<Vec<VersionReq>, String> {
    range
        .split("||")
        .map(|alternative| {
            let alternative = alternative.trim();
            // Between comparators a space is as good as a comma to people who know npm or Go.
            let mut words: Vec<String> = Vec::new();
            for word in alternative
                .split([' ', ','])
                .filter(|word| !word.is_empty())
            {
                match words.last_mut() {
                    Some(last) if last.chars().all(|letter| "<>=~^".contains(letter)) => {
                        last.push_str(word);
                    }
                    _ => words.push(word.to_owned()),
                }
            }
            let text = words.join(", ").replace(['x', 'X'], "*");
            // A version alone means just this one, as everywhere but in Cargo.
            let exact = text.split('.').count() == 3
                && text.starts_with(|letter: char| letter.is_ascii_digit())
                && !text.contains('*');
            let text = if exact { format!("={text}") } else { text };
            VersionReq::parse(&text).map_err(|error| error.to_string())
        })
        .collect()
}

/// The newest tag whose version is in a range; tags may begin with `v`.
pub(crate) fn newest<'a>(
    ranges: &[VersionReq],
    tags: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    tags.filter_map(|tag| {
        let version = Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
        ranges
            .iter()
            .any(|range| range.matches(&version))
            .then_some((version, tag))
    })
    .max()
    .map(|(_, tag)| tag)
}

/// What has to be listed to find a reference, in the order in which it counts; nothing for a
/// commit, which needs no finding.
pub(crate) fn listed(reference: &Reference) -> Vec<String> {
    match reference {
        Reference::Head => vec!["HEAD".to_owned()],
        Reference::Branch(branch) => vec![format!("refs/heads/{branch}")],
        Reference::Tag(tag) => vec![format!("refs/tags/{tag}")],
        // The order of git itself (gitrevisions(7)).
        Reference::Short(name) => vec![format!("refs/tags/{name}"), format!("refs/heads/{name}")],
        Reference::Semver(_) => vec!["refs/tags/*".to_owned()],
        Reference::Name(name) => vec![name.clone()],
        Reference::Commit(_) => Vec::new(),
    }
}

/// A reference in words, for errors.
pub(crate) fn describe(reference: &Reference) -> String {
    match reference {
        Reference::Head => "default branch".to_owned(),
        Reference::Branch(branch) => format!("branch `{branch}`"),
        Reference::Tag(tag) => format!("tag `{tag}`"),
        Reference::Short(name) => format!("tag or branch `{name}`"),
        Reference::Semver(range) => format!("tag in the range `{range}`"),
        Reference::Name(name) => format!("reference `{name}`"),
        Reference::Commit(commit) => format!("commit `{commit}`"),
    }
}
