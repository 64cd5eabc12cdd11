//! `buildMetadata`: annotations that say where an object comes from and what changed it.

use holdfast_yaml::{Dialect, Tree, tree_to_yaml};

use crate::resource::{OriginNote, Resource};

const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// Annotations that Kustomize keeps for itself while it builds, and takes away in the end.
const INTERNAL: &[&str] = &[
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

/// Writes the annotations as they are printed: texts, in order, without what is internal.
pub(crate) fn finish_annotations(
    resource: &mut Resource,
    show_origin: bool,
    show_transformations: bool,
) -> Result<(), String> {
    let mut annotations = resource.metadata_map("annotations");
    annotations.retain(|(name, _)| {
        !INTERNAL.contains(&name.as_str()) && name != ORIGIN && name != TRANSFORMATIONS
    });
    if let Some(origin) = resource.origin.as_ref().filter(|_| show_origin) {
        annotations.push((
            ORIGIN.to_owned(),
            tree_to_yaml(&note(origin), Dialect::KYAML),
        ));
    }
    if show_transformations && !resource.transformations.is_empty() {
        let notes = Tree::Seq(resource.transformations.iter().map(note).collect());
        annotations.push((
            TRANSFORMATIONS.to_owned(),
            tree_to_yaml(&notes, Dialect::KYAML),
        ));
    }
    let has_field = resource
        .node
        .get("metadata")
        .is_some_and(|metadata| metadata.get("annotations").is_some());
    if has_field || !annotations.is_empty() {
        resource.set_metadata_map("annotations", annotations)?;
    }
    Ok(())
}

/// The fields of a note that say something.
fn note(origin: &OriginNote) -> Tree {
    let mut fields = Vec::new();
    let mut add = |name: &str, text: &str| {
        if !text.is_empty() {
            fields.push((name.to_owned(), Tree::Str(text.to_owned())));
        }
    };
    add("path", &origin.path);
    add("repo", &origin.repo);
    add("ref", &origin.reference);
    add("configuredIn", &origin.configured_in);
    if let Some((api_version, kind, name, namespace)) = &origin.configured_by {
        let parts = [
            ("apiVersion", api_version),
            ("kind", kind),
            ("name", name),
            ("namespace", namespace),
        ];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        let parts = parts.map(|(name, text)| (name.to_owned(), Tree::Str(text.clone())));
        fields.push(("configuredBy".to_owned(), Tree::Map(parts.collect())));
    }
    Tree::Map(fields)
}
