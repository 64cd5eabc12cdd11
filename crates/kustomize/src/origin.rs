//! `buildMetadata`: annotations that say where an object comes from and what changed it.

use holdfast_yaml::{Node, Style, to_yaml_v3};

use crate::node::{mapping_field, string};

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
    // Kustomize makes the metadata of what has none here.
    if resource.node.get("metadata").is_none() {
        mapping_field(&mut resource.node, "metadata")?;
    }
    let mut annotations = resource.metadata_map("annotations");
    annotations.retain(|(name, _)| {
        !INTERNAL.contains(&name.as_str()) && name != ORIGIN && name != TRANSFORMATIONS
    });
    if let Some(origin) = resource.origin.as_ref().filter(|_| show_origin) {
        annotations.push((ORIGIN.to_owned(), to_yaml_v3(&note(origin))));
    }
    if show_transformations && !resource.transformations.is_empty() {
        let notes = Node::sequence(resource.transformations.iter().map(note).collect());
        annotations.push((TRANSFORMATIONS.to_owned(), to_yaml_v3(&notes)));
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

/// The fields of a note that say something, in Kustomize's order.
fn note(origin: &OriginNote) -> Node {
    let mut fields = texts(&[
        ("path", &origin.path),
        ("repo", &origin.repo),
        ("ref", &origin.reference),
        ("configuredIn", &origin.configured_in),
    ]);
    if let Some((api_version, kind, name, namespace)) = &origin.configured_by {
        let parts = texts(&[
            ("apiVersion", api_version),
            ("kind", kind),
            ("name", name),
            ("namespace", namespace),
        ]);
        let key = Node::scalar("configuredBy", Style::Plain);
        fields.push((key, Node::mapping(parts)));
    }
    Node::mapping(fields)
}

fn texts(fields: &[(&str, &String)]) -> Vec<(Node, Node)> {
    let said = fields.iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| (Node::scalar(*name, Style::Plain), string(text.as_str())))
        .collect()
}
