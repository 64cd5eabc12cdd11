//! Names the steps of a plan that are there because a secret in Vault has a new version, and not because of
//! anything in Git. It must not know how versions are read.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::object::{OPENED_ANNOTATION, Object};
use holdfast_model::plan::{Plan, Step, Why};
use holdfast_render::CONTENT_ANNOTATION;
use holdfast_secrets::vault::VERSIONS_ANNOTATION;

/// A secret that has a new version.
#[derive(Clone)]
struct Rotation {
    path: String,
    from: String,
    to: String,
}

/// Gives steps their reason that a rotation has made: of objects with values of Vault in which nothing else
/// has changed, and of workloads that restart because of such an object.
pub(crate) fn name(plan: &mut Plan) {
    let found: Vec<Option<Rotation>> = plan.steps.iter().map(rotation).collect();
    let Some(first) = found.iter().flatten().next().cloned() else {
        return;
    };
    let is_changed = |step: &Step| matches!(step.why, Why::NewRevision { .. });
    // What restarts may do so because of something else that has changed.
    let is_all = plan
        .steps
        .iter()
        .zip(&found)
        .all(|(step, found)| !is_changed(step) || found.is_some() || restarts(step));
    for (step, found) in plan.steps.iter_mut().zip(found) {
        let found = found.or_else(|| (is_all && restarts(step)).then(|| first.clone()));
        let (Some(found), Why::NewRevision { fields }) = (found, &step.why) else {
            continue;
        };
        step.why = Why::SecretRotated {
            fields: fields.clone(),
            path: found.path,
            from: found.from,
            to: found.to,
        };
    }
}

fn restarts(step: &Step) -> bool {
    let content = format!(
        "/spec/template/metadata/annotations/{}",
        CONTENT_ANNOTATION.replace('/', "~1")
    );
    matches!(&step.why, Why::NewRevision { fields } if *fields == [content])
}

/// What was rotated, where nothing else of an object has changed.
fn rotation(step: &Step) -> Option<Rotation> {
    let (Why::NewRevision { fields }, Some(desired), Some(live)) =
        (&step.why, &step.desired, &step.live)
    else {
        return None;
    };
    let after = versions(desired.annotation(VERSIONS_ANNOTATION))?;
    let before = versions(live.annotation(VERSIONS_ANNOTATION))?;
    let is_only_that = !fields.is_empty() && fields.iter().all(|field| is_value(desired, field));
    if !is_only_that || before.len() != after.len() {
        return None;
    }
    after.into_iter().find_map(|(path, to)| {
        let from = before.get(&path).filter(|from| **from != to)?.clone();
        Some(Rotation { path, from, to })
    })
}

fn versions(text: Option<String>) -> Option<BTreeMap<String, String>> {
    let value: Value = text?.parse().ok()?;
    let versions = value.as_object()?.iter();
    let versions =
        versions.filter_map(|(path, version)| Some((path.clone(), version.as_str()?.to_owned())));
    Some(versions.collect())
}

/// Whether a field is one of those that a value of Vault is in, or says so.
fn is_value(desired: &Object, field: &str) -> bool {
    let annotation = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
    let is_data = field == "/data" || field.starts_with("/data/");
    field == annotation(VERSIONS_ANNOTATION)
        || field == annotation(OPENED_ANNOTATION)
        || (is_data && desired.key().kind.is("", "Secret"))
        || desired.opened().iter().any(|opened| opened == field)
}
