//! The index of a chart repository: which versions of which charts it has, and where. It must not
//! choose among them.

use std::collections::HashMap;

use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_yaml::Limits;

/// The largest index that is read, in bytes. The largest public ones have some 30 MB.
pub(crate) const INDEX_LIMIT: u64 = 64 << 20;

/// One version of a chart that a repository or registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartVersion {
    /// The version as it is written there.
    pub version: String,
    /// Where its archive is, relative to the index or in full; empty in a registry.
    pub(crate) urls: Vec<String>,
    /// The archive's digest, where the index says it.
    pub(crate) digest: Option<Digest>,
}

impl ChartVersion {
    /// A version of a registry, which need not be listed.
    pub fn tag(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            urls: Vec::new(),
            digest: None,
        }
    }
}

/// What an index says, as far as it is used.
pub(crate) type Index = HashMap<String, Vec<ChartVersion>>;

/// Reads an index.
pub(crate) fn read(text: &str) -> Result<Index, String> {
    let value =
        holdfast_yaml::read_value(text, &Limits::default()).map_err(|error| error.to_string())?;
    let entries = value.get("entries").and_then(Value::as_object);
    let entries = entries.ok_or("it has no `entries`: is this the address of a repository?")?;
    Ok(entries
        .iter()
        .map(|(name, versions)| {
            let versions = versions.as_array().map(Vec::as_slice).unwrap_or_default();
            (name.clone(), versions.iter().filter_map(version).collect())
        })
        .collect())
}

/// One entry; those without a version or an address are no use to anybody, and Helm skips them too.
fn version(entry: &Value) -> Option<ChartVersion> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let urls: Vec<String> = entry
        .get("urls")?
        .as_array()?
        .iter()
        .filter_map(|url| url.as_str().map(str::to_owned))
        .collect();
    (!urls.is_empty()).then_some(ChartVersion {
        version: text("version")?.to_owned(),
        digest: text("digest").and_then(|digest| {
            let digest = digest.trim_start_matches("sha256:").to_lowercase();
            format!("sha256:{digest}").parse().ok()
        }),
        urls,
    })
}
