//! What a revision of a command line means: whatever Holdfast itself prints, and what Git has. It must not
//! know what is done with it.

use anyhow::Context as _;
use holdfast_control::Plane;
use holdfast_model::pin::Pin;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Reference, Stack};
use holdfast_model::status::Remembered;
use holdfast_model::undo::{self, Choice};
use holdfast_source::{SourceLimits, Sources};
use holdfast_target_kube::Limits;

use super::api::Api;
use super::sources;
use crate::plane::EnginePlane;
use crate::wiring;

/// What is known of the Stack whose revisions are meant.
pub(super) struct Of<'a> {
    pub(super) stack: &'a Stack,
    pub(super) known: &'a Remembered,
    /// What holds it at an older revision.
    pub(super) held: Option<&'a Pin>,
}

/// The revision that a text names: -1, -2 and so on for how far back among those that became healthy; the
/// first digits of a commit, also as `main@1234567`; the version of a chart that a range meant; a tag, a
/// branch or a whole reference.
pub(super) async fn choose(api: &Api, of: Of<'_>, wanted: &str) -> anyhow::Result<Choice> {
    let steps = wanted.strip_prefix('-');
    if let Some(steps) = steps.and_then(|count| count.parse().ok()) {
        return Ok(undo::choose_back(of.known, of.held, steps)?);
    }
    // A tag may have an @ in its name, so what is before one is left out only where digits are after it.
    let digits = wanted
        .rsplit_once('@')
        .map(|(_, digits)| digits)
        .filter(|digits| is_hex(digits))
        .unwrap_or(wanted);
    if let Some(choice) = undo::find(of.known, digits)? {
        return Ok(choice);
    }
    let revision = if digits.len() == 40 && is_hex(digits) {
        Revision::new(CommitId(digits.to_lowercase()), "")
    } else {
        named(api, of.stack, wanted).await.with_context(|| {
            format!(
                "no revision that is known of {} begins with {wanted}, and no tag or branch of that \
                 name could be had; give all 40 digits of a commit",
                of.stack.key.name
            )
        })?
    };
    Ok(Choice {
        revision,
        why: "as asked for".to_owned(),
        skipped: Vec::new(),
    })
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a tag, a branch or a whole reference is at.
async fn named(api: &Api, stack: &Stack, name: &str) -> anyhow::Result<Revision> {
    let plane = Plane::new(api.client.clone());
    let plane = EnginePlane::new(plane, api.client.clone(), Limits::default());
    let local = Sources::new(wiring::default_data_dir(), SourceLimits::default());
    let reference = match name.starts_with("refs/") {
        true => Reference::Name(name.to_owned()),
        false => Reference::Short(name.to_owned()),
    };
    sources::follow(&local, &stack.source.repository, &reference, &plane).await
}
