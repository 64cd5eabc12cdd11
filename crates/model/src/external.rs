//! What a render reads from outside of its own source: charts of chart repositories and registries,
//! and what overlays name by an address. It must not know how any of it is fetched.

use std::fmt;

/// Something outside of a Stack's source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum External {
    /// A packed chart.
    Chart {
        /// `https://` or `http://` for a repository with an `index.yaml`, `oci://` for a registry.
        repository: String,
        /// The chart's name; for a registry, the last part of its path.
        name: String,
        /// A version, or a range by the rules of `Masterminds/semver`; the newest when empty.
        version: String,
    },
    /// A file or a folder of another Git repository, as an overlay writes it.
    Remote {
        /// The address.
        url: String,
    },
}

/// Whether charts can be fetched from an address: a repository by https or http, a registry by oci.
pub fn is_chart_repository(address: &str) -> bool {
    is_web(address) || address.starts_with("oci://")
}

/// Whether something is an address of the web, as `https://` or `http://` says.
pub fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

impl External {
    /// What a chart is known by whatever version its range means: its repository, name and range.
    pub fn label(&self) -> Option<String> {
        match self {
            Self::Chart {
                repository,
                name,
                version,
            } => Some(format!(
                "{}/{name}@{version}",
                repository.trim_end_matches('/')
            )),
            Self::Remote { .. } => None,
        }
    }

    /// The address that it is fetched from, by which credentials are chosen.
    pub fn address(&self) -> &str {
        match self {
            Self::Chart { repository, .. } => repository,
            Self::Remote { url } => url,
        }
    }
}

impl fmt::Display for External {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chart {
                repository,
                name,
                version,
            } if version.is_empty() => write!(formatter, "chart {name} of {repository}"),
            Self::Chart {
                repository,
                name,
                version,
            } => write!(formatter, "chart {name} {version} of {repository}"),
            Self::Remote { url } => formatter.write_str(url),
        }
    }
}
