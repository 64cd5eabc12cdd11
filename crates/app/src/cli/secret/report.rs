//! Findings as people and programs read them, and the ones that are accepted. A baseline names files and
//! places, not values: a digest of a value could be guessed.

use std::collections::BTreeSet;

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_secrets::scan::{Finding, Kind};
use serde_json::json;

use super::scan::Found;

/// The most findings that are printed as text.
const MOST_LINES: usize = 200;

/// The file, kind and place of a finding, which stay when lines move.
pub(super) type Place = (String, String, String);

pub(super) fn place(path: &str, finding: &Finding) -> Place {
    let kind = finding.kind.name().to_owned();
    (path.to_owned(), kind, finding.place.clone())
}

pub(super) fn text(found: &Found) -> String {
    let mut out = String::new();
    for (path, finding) in found.iter().take(MOST_LINES) {
        let Finding {
            line, kind, what, ..
        } = finding;
        out.push_str(&format!("{path}:{line}: {what} ({kind})\n"));
    }
    match found.len() {
        0 => out.push_str("nothing was found\n"),
        1 => out.push_str("1 finding; seal it with `holdfast secret seal`, and change what others may have seen\n"),
        count => out.push_str(&format!(
            "{count} findings; seal them with `holdfast secret seal`, and change what others may have seen\n"
        )),
    }
    out
}

pub(super) fn json(found: &Found) -> String {
    let one = |(path, finding): &(String, Finding)| {
        json!({
            "path": path,
            "line": finding.line,
            "kind": finding.kind.name(),
            "what": finding.what,
            "place": finding.place,
        })
    };
    format!(
        "{:#}\n",
        json!({ "findings": found.iter().map(one).collect::<Vec<_>>() })
    )
}

/// SARIF 2.1.0, as code hosts show it beside the lines.
pub(super) fn sarif(found: &Found) -> String {
    let rule =
        |kind: Kind| json!({ "id": kind.name(), "shortDescription": { "text": kind.about() } });
    let result = |(path, finding): &(String, Finding)| {
        json!({
            "ruleId": finding.kind.name(),
            "level": "error",
            "message": { "text": finding.what },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": path },
                "region": { "startLine": finding.line },
            } }],
            "partialFingerprints": { "place/v1": format!("{path} {}", finding.place) },
        })
    };
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "holdfast",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Kind::ALL.map(rule),
            } },
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

/// A baseline that accepts these findings.
pub(super) fn baseline(found: &Found) -> String {
    let places: BTreeSet<Place> = found
        .iter()
        .map(|(path, finding)| place(path, finding))
        .collect();
    let one = |(path, kind, place): &Place| json!({ "path": path, "kind": kind, "place": place });
    let accepted: Vec<Value> = places.iter().map(one).collect();
    format!("{:#}\n", json!({ "version": 1, "accepted": accepted }))
}

/// The places that a baseline accepts.
pub(super) fn accepted(text: &str) -> anyhow::Result<BTreeSet<Place>> {
    let baseline: Value = serde_json::from_str(text).context("the baseline is no JSON")?;
    anyhow::ensure!(
        baseline["version"] == 1,
        "the baseline is of another version than 1"
    );
    let accepted = baseline["accepted"].as_array();
    let accepted = accepted.context("the baseline has no `accepted`")?;
    let one = |entry: &Value| {
        let part = |name: &str| entry[name].as_str().map(str::to_owned);
        part("path")
            .zip(part("kind"))
            .zip(part("place"))
            .map(|((path, kind), place)| (path, kind, place))
    };
    let places: Option<BTreeSet<Place>> = accepted.iter().map(one).collect();
    places.context("an entry of the baseline has no `path`, `kind` and `place`")
}
