//! What a Stack changes about an overlay, in the words of crate kustomize. It must not build.

use std::collections::BTreeMap;

use holdfast_kustomize::{
    Existing, ImageOverride, LabelScope, Overrides, PatchOverride, PatchTarget, Unset, substitute,
};
use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::object::Origin;
use holdfast_model::stack::{self, KustomizeChoice, KustomizePatch};

use crate::{Error, Fault};

/// An object with its variables replaced.
pub(crate) fn replaced(
    choice: Option<&KustomizeChoice>,
    value: Value,
    quoted: &[String],
) -> Result<Value, String> {
    let Some(choice) = choice.filter(|choice| !choice.variables.is_empty()) else {
        return Ok(value);
    };
    let unset = match choice.is_strict {
        true => Unset::Refused,
        false => Unset::Empty,
    };
    substitute(&value, quoted, &choice.variables, unset).map_err(|error| error.to_string())
}

/// What a Stack changes about an overlay.
pub(crate) fn overrides(choice: &KustomizeChoice, folder: &TreePath) -> Result<Overrides, Error> {
    let mut images = Vec::new();
    for image in &choice.images {
        let parsed = ImageOverride::parse(image).ok_or_else(|| Error::Faults {
            faults: vec![Fault {
                origin: Origin {
                    path: folder.clone(),
                    line: 0,
                },
                message: format!("image `{image}` says nothing new"),
                hint: Some("write NAME=NEWNAME:TAG, NAME:TAG or NAME@DIGEST".to_owned()),
            }],
        })?;
        images.push(parsed);
    }
    let pairs = |map: &BTreeMap<String, String>| {
        let pairs = map.iter();
        pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    Ok(Overrides {
        name_prefix: choice.name_prefix.clone(),
        name_suffix: choice.name_suffix.clone(),
        namespace: choice.namespace.clone(),
        images,
        replicas: choice.replicas.clone(),
        labels: pairs(&choice.labels),
        label_scope: match choice.label_scope {
            stack::LabelScope::Metadata => LabelScope::Metadata,
            stack::LabelScope::Templates => LabelScope::Templates,
            stack::LabelScope::Selectors => LabelScope::Selectors,
        },
        annotations: pairs(&choice.annotations),
        existing: Existing::Replaced,
        patches: choice.patches.iter().map(patch).collect(),
        components: choice.components.clone(),
        skip_missing_components: false,
    })
}

fn patch(choice: &KustomizePatch) -> PatchOverride {
    let field = |name: &str| choice.target.get(name).cloned().unwrap_or_default();
    let target = PatchTarget {
        group: field("group"),
        version: field("version"),
        kind: field("kind"),
        name: field("name"),
        namespace: field("namespace"),
        label_selector: field("labelSelector"),
        annotation_selector: field("annotationSelector"),
    };
    PatchOverride {
        patch: choice.patch.clone(),
        path: choice.path.clone(),
        target: (!choice.target.is_empty()).then_some(target),
        allow_name_change: choice.allow_name_change,
        allow_kind_change: choice.allow_kind_change,
    }
}
