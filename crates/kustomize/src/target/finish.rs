//! What is done once, at the end of a build: what is local is dropped, objects are printed.

use holdfast_model::object::Origin;

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
        objects.push(BuiltObject { value, origin });
    }
    Ok(Built { objects })
}
