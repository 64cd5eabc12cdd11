//! What is done once, at the end of a build: what is local is dropped, objects are printed.

use holdfast_model::object::Origin;
use holdfast_yaml::{Node, NodeValue, Style};

use super::{Outcome, Target};
use crate::config::FieldSpec;
use crate::node::text_at;
use crate::origin::finish_annotations;
use crate::resources::Resources;
use crate::transform::set_entries;
use crate::value::to_value;
use crate::{Built, BuiltObject};

/// Drops what is only there for the build, and refuses what has lost its kind or name.
pub(super) fn drop_local(resources: &mut Resources) -> Result<(), String> {
    resources.list.retain(|resource| !resource.is_gone());
    for resource in &resources.list {
        let kind = resource.kind();
        if kind.is_empty() {
            return Err("missing kind in object".to_owned());
        }
        if resource.name().is_empty() && !kind.ends_with("List") {
            return Err(format!("missing metadata.name in object of kind {kind}"));
        }
    }
    resources.list.retain(|resource| {
        let local = resource.annotation("config.kubernetes.io/local-config");
        local.is_none_or(|local| local == "false")
    });
    Ok(())
}

/// Pointers to the texts below a node that were read in quotes, or as a block, and hold a `$`; in what a
/// generator made, to all texts. What a patch in JSON made has no quotes of its own.
fn find_quoted(node: &Node, is_generated: bool, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match &node.value {
        NodeValue::Scalar(text) => {
            let is_text = !matches!(node.style, Style::Plain | Style::Flow | Style::Block);
            let is_kept = is_generated || is_text && node.line > 0;
            if is_kept && text.contains('$') {
                found.push(path.clone());
            }
        }
        NodeValue::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                find_quoted(item, is_generated, path, found);
                path.truncate(length);
            }
        }
        NodeValue::Mapping(entries) => {
            for (key, value) in entries {
                let Some(key) = key.text() else { continue };
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                find_quoted(value, is_generated, path, found);
                path.truncate(length);
            }
        }
    }
}

pub(super) fn print(target: &Target<'_>, resources: Resources) -> Outcome<Built> {
    let shows = |option: &str| {
        target
            .file
            .build_metadata
            .iter()
            .any(|known| known == option)
    };
    let (origins, transformations) = (shows("originAnnotations"), shows("transformerAnnotations"));
    let mut resources = resources;
    if shows("managedByLabel") {
        let label = (
            "app.kubernetes.io/managed-by".to_owned(),
            "kustomize-v5.8.1".to_owned(),
        );
        let spec = FieldSpec::new("metadata/labels", true);
        set_entries(&mut resources, &[label], &[spec])
            .map_err(|error| target.error("buildMetadata", error))?;
    }
    let mut objects = Vec::new();
    for mut resource in resources.list {
        let finished = finish_annotations(&mut resource, origins, transformations);
        let value = finished
            .and_then(|()| to_value(&resource.node))
            .map_err(|error| {
                let kind = text_at(&resource.node, &["kind"]).unwrap_or_default();
                let name = text_at(&resource.node, &["metadata", "name"]).unwrap_or_default();
                target.error(
                    "resources",
                    format!("{}: {kind} {name}: {error}", resource.file),
                )
            })?;
        let origin = Origin {
            path: resource.file,
            line: resource.line,
        };
        let mut quoted = Vec::new();
        let is_generated = resource.is_generated;
        find_quoted(
            &resource.node,
            is_generated,
            &mut String::new(),
            &mut quoted,
        );
        objects.push(BuiltObject {
            value,
            origin,
            quoted,
        });
    }
    Ok(Built { objects })
}
