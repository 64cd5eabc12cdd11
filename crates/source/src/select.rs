//! Which of a repository's references a Stack means. It must not know how they are listed.

use holdfast_go::semver::{Constraint, Version};
use holdfast_model::stack::Reference;

/// The newest tag whose version is in a range; tags may begin with `v`.
pub(crate) fn newest<'a>(
    range: &Constraint,
    tags: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    tags.filter_map(|tag| {
        let version = Version::parse_strict(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
        range.allows(&version).then_some((version, tag))
    })
    .max_by(|(left, one), (right, other)| left.compare(right).then_with(|| one.cmp(other)))
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
