//! Patches: which resources each is for, and which of the two kinds it is.

use crate::file::{Patch, Selector};
use crate::jsonpatch::{self, JsonPatch};
use crate::load::{LoadError, Loader};
use crate::merge::merge;
use crate::node::{mapping_field, set_text};
use crate::read::read_resources;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::tables::Types;
use crate::value::{Through, to_node, to_value};

/// Reads the patches of a text as resources.
fn read_strategic(loader: &Loader<'_>, text: &[u8]) -> Result<Vec<Resource>, String> {
    let read = read_resources(text)?;
    Ok(read
        .into_iter()
        .map(|(node, line)| Resource::new(node, &loader.root, line))
        .collect())
}

/// Applies an entry of `patchesStrategicMerge`: a patch written in place, or the path of one.
pub(crate) fn read_strategic_entry(
    loader: &Loader<'_>,
    entry: &str,
) -> Result<Vec<Resource>, LoadError> {
    match read_strategic(loader, entry.as_bytes()) {
        Ok(patches) => Ok(patches),
        Err(_) => {
            let bytes = loader.load(entry)?;
            read_strategic(loader, &bytes)
                .map_err(|error| LoadError::Message(format!("{entry}: {error}")))
        }
    }
}

/// Applies patches to the resources that they name.
pub(crate) fn apply_strategic(
    resources: &mut Resources,
    patches: &[Resource],
    types: &Types,
) -> Result<(), String> {
    for patch in patches {
        let at = resources.one_called(&patch.original_id(types), types)?;
        apply_to_all(resources, &[at], patch, types)?;
    }
    Ok(())
}

/// A patch that was read, with what it is for.
pub(crate) struct ReadPatch {
    kind: PatchKind,
    target: Option<Selector>,
    source: String,
}

enum PatchKind {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// Reads an entry of `patches` and finds out what it is.
pub(crate) fn read_patch_entry(loader: &Loader<'_>, patch: &Patch) -> Result<ReadPatch, LoadError> {
    let text = patch.patch.trim();
    let (text, source) = match (text.is_empty(), patch.path.is_empty()) {
        (true, true) => {
            return Err(LoadError::Message(
                "must specify one of patch and path".to_owned(),
            ));
        }
        (false, false) => {
            let message = "patch and path can't be set at the same time";
            return Err(LoadError::Message(message.to_owned()));
        }
        (false, true) => (text.as_bytes().to_vec(), "the patch in place".to_owned()),
        (true, false) => {
            let bytes = loader.load(&patch.path)?;
            (bytes.to_vec(), format!("`{}`", patch.path))
        }
    };
    let strategic = read_strategic(loader, &text);
    let json = match std::str::from_utf8(&text) {
        Ok(text) => jsonpatch::read_patch(text),
        Err(_) => Err("the patch is not UTF-8".to_owned()),
    };
    let kind = match (strategic, json) {
        (Ok(strategic), Ok(json)) if !strategic.is_empty() && !json.operations.is_empty() => {
            return Err(LoadError::Message(format!(
                "illegally qualifies as both an SM and JSON patch: {source}"
            )));
        }
        (Ok(mut patches), _) => {
            for one in &mut patches {
                one.allow_name_change = patch.allow_name_change;
                one.allow_kind_change = patch.allow_kind_change;
                if patch.allow_name_change || patch.allow_kind_change {
                    // Kustomize notes this in the patch's annotations, and writes them anew.
                    let annotations = one.metadata_map("annotations");
                    one.set_metadata_map("annotations", annotations)?;
                }
            }
            PatchKind::Strategic(patches)
        }
        (Err(_), Ok(json)) => PatchKind::Json(json),
        (Err(strategic), Err(json)) => {
            return Err(LoadError::Message(format!(
                "unable to parse SM or JSON patch from {source}: as a strategic merge patch: {strategic}; as a JSON patch: {json}"
            )));
        }
    };
    Ok(ReadPatch {
        kind,
        target: patch.target.clone(),
        source,
    })
}

/// Applies an entry of `patches`.
pub(crate) fn apply_patch(
    resources: &mut Resources,
    patch: &ReadPatch,
    types: &Types,
) -> Result<(), String> {
    match (&patch.kind, &patch.target) {
        (PatchKind::Strategic(patches), Some(target)) => match &patches[..] {
            [] => Ok(()),
            [one] => {
                let selected = resources.select(target, types)?;
                apply_to_all(resources, &selected, one, types)
            }
            _ => Err(format!(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                patch.source
            )),
        },
        (PatchKind::Strategic(patches), None) => {
            for one in patches {
                let id = one.original_id(types);
                let at = resources.one_called(&id, types).map_err(|error| {
                    format!("no resource matches strategic merge patch {id}: {error}")
                })?;
                merge_into(&mut resources.list[at], one, types)?;
            }
            Ok(())
        }
        (PatchKind::Json(json), Some(target)) => {
            for at in resources.select(target, types)? {
                resources.list[at].remember(types);
                apply_json(&mut resources.list[at], json)?;
            }
            Ok(())
        }
        (PatchKind::Json(json), None) if json.operations.is_empty() => Ok(()),
        (PatchKind::Json(_), None) => Err(format!(
            "must specify a target for JSON patch {}",
            patch.source
        )),
    }
}

/// Reads an entry of `patchesJson6902`.
pub(crate) fn read_json_entry(
    loader: &Loader<'_>,
    patch: &Patch,
) -> Result<(Selector, JsonPatch), LoadError> {
    let refuse = |message: &str| Err(LoadError::Message(message.to_owned()));
    let Some(target) = patch
        .target
        .clone()
        .filter(|target| !target.name.is_empty())
    else {
        return refuse("must specify the target name");
    };
    let bytes;
    let text = match (patch.path.is_empty(), patch.patch.is_empty()) {
        (true, true) => return refuse("empty file path and empty jsonOp"),
        (false, false) => return refuse("must specify a file path or jsonOp, not both"),
        (true, false) => patch.patch.as_str(),
        (false, true) => {
            bytes = loader.load(&patch.path)?;
            std::str::from_utf8(&bytes).map_err(|_| "the patch is not UTF-8".to_owned())?
        }
    };
    let json = jsonpatch::read_patch(text)?;
    if json.operations.is_empty() {
        return refuse("patch appears to be empty");
    }
    Ok((target, json))
}

/// Applies an entry of `patchesJson6902`.
pub(crate) fn apply_json_entry(
    resources: &mut Resources,
    target: &Selector,
    patch: &JsonPatch,
    types: &Types,
) -> Result<(), String> {
    for at in resources.select(target, types)? {
        apply_json(&mut resources.list[at], patch)?;
    }
    Ok(())
}

fn apply_json(resource: &mut Resource, patch: &JsonPatch) -> Result<(), String> {
    if resource.has_notes() {
        let metadata = mapping_field(&mut resource.node, "metadata")?;
        mapping_field(metadata, "annotations")?;
    }
    let mut value = to_value(&resource.node)?;
    jsonpatch::apply(&mut value, patch)?;
    if !value.is_object() {
        return Err("the patched object is no mapping".to_owned());
    }
    resource.node = to_node(&value, Through::Go);
    let annotations = resource.metadata_map("annotations");
    resource.set_metadata_map("annotations", annotations)
}

/// Merges a patch into each of some resources, whatever it is called itself.
fn apply_to_all(
    resources: &mut Resources,
    selected: &[usize],
    patch: &Resource,
    types: &Types,
) -> Result<(), String> {
    let mut patch = patch.clone();
    // Kustomize writes labels and annotations of such a patch anew, as texts.
    for field in ["labels", "annotations"] {
        let map = patch.metadata_map(field);
        patch.set_metadata_map(field, map)?;
    }
    for &at in selected {
        let resource = &mut resources.list[at];
        let mut patch = patch.clone();
        set_text(&mut patch.node, "apiVersion", resource.api_version())?;
        merge_into(resource, &patch, types)?;
    }
    let list = std::mem::take(&mut resources.list);
    let left = list
        .into_iter()
        .filter(|resource| !resource.is_gone())
        .collect();
    resources.append_all(left, types)
}

fn merge_into(resource: &mut Resource, patch: &Resource, types: &Types) -> Result<(), String> {
    let (name, namespace, kind) = (
        resource.name().to_owned(),
        resource.namespace().to_owned(),
        resource.kind().to_owned(),
    );
    if patch.allow_name_change || patch.allow_kind_change {
        resource.remember(types);
    }
    let empty = holdfast_yaml::Node::mapping(Vec::new());
    let node = std::mem::replace(&mut resource.node, empty);
    let Some(merged) = merge(node, patch.node.clone(), types)? else {
        return Ok(());
    };
    resource.node = merged;
    if resource.is_gone() {
        return Ok(());
    }
    if !patch.allow_kind_change {
        resource.set_kind(&kind)?;
    }
    if !patch.allow_name_change {
        resource.set_name(&name)?;
    }
    resource.set_namespace(&namespace)
}
