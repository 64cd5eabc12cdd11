//! Which version of a chart a range means, as Helm 4.3.1 chooses it. It must not know where
//! versions are listed.

use holdfast_go::semver::{Constraint, Error, Version};

/// The index of the version that is meant: the one that is written just so, else the newest in the
/// range; the newest that is no pre-release when the range is empty. What is no version is passed
/// over. `None` when nothing fits.
///
/// # Errors
/// When the range is none.
pub fn newest<'a>(
    range: &str,
    versions: impl Iterator<Item = &'a str> + Clone,
) -> Result<Option<usize>, Error> {
    if !range.is_empty()
        && let Some(index) = versions.clone().position(|version| version == range)
    {
        return Ok(Some(index));
    }
    let constraint = Constraint::parse(if range.is_empty() { "*" } else { range })?;
    let fitting = versions.enumerate().filter_map(|(index, text)| {
        let version = Version::parse(text).ok()?;
        constraint.allows(&version).then_some((version, index))
    });
    let newest = fitting.max_by(|(left, _), (right, _)| left.compare(right));
    Ok(newest.map(|(_, index)| index))
}

/// Whether a text means one version and no other, whatever is published later.
pub fn is_exact(range: &str) -> bool {
    let numbers = range.split(['-', '+']).next().unwrap_or_default();
    numbers.split('.').count() == 3 && Version::parse(range).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_in_a_range_is_chosen_and_a_pre_release_only_where_it_is_named() {
        let versions = [
            "1.0.0",
            "2.1.0-rc.1",
            "2.0.9",
            "no version",
            "1.10.2",
            "v1.9.0",
        ];
        let chosen = |range: &str| {
            let found = newest(range, versions.iter().copied());
            found.map(|index| index.map(|index| versions[index]))
        };
        assert_eq!(chosen(""), Ok(Some("2.0.9")));
        assert_eq!(chosen("^1.2"), Ok(Some("1.10.2")));
        assert_eq!(chosen(">=2.1.0-0"), Ok(Some("2.1.0-rc.1")));
        assert_eq!(chosen("2.1.0-rc.1"), Ok(Some("2.1.0-rc.1")));
        assert_eq!(chosen("1.9.0"), Ok(Some("v1.9.0")));
        assert_eq!(chosen(">3"), Ok(None));
        assert!(chosen("not a range").is_err());
    }

    #[test]
    fn an_exact_version_has_all_its_numbers() {
        for exact in ["1.2.3", "v1.2.3", "1.2.3-rc.1+build.5"] {
            assert!(is_exact(exact), "{exact}");
        }
        for open in [
            "",
            "1.2",
            "1.2.x",
            "^1.2.3",
            ">=1.0.0 <2.0.0",
            "1.2.3 || 2.0.0",
        ] {
            assert!(!is_exact(open), "{open}");
        }
    }
}
