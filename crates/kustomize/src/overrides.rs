//! What Argo CD and Flux change about a kustomization before they build it, as a layer over the
//! file that was read: nothing is written anywhere. Also the kustomization that Flux makes for a
//! folder that has none.

use holdfast_model::artifact::{Blobs, EntryKind, TreePath};

use crate::file::{Image, Kustomization, Label, Patch, Replica, Selector};
use crate::read::read_resources;

/// Changes to the kustomization that is built, in the way of `kustomize edit`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Takes the place of `namePrefix`.
    pub name_prefix: Option<String>,
    /// Takes the place of `nameSuffix`.
    pub name_suffix: Option<String>,
    /// Takes the place of `namespace`.
    pub namespace: Option<String>,
    /// Each takes the place of the entry of `images` with its name, or is added.
    pub images: Vec<ImageOverride>,
    /// Name and count; each takes the place of the entry of `replicas` with its name, or is added.
    pub replicas: Vec<(String, i64)>,
    /// Labels to add.
    pub labels: Vec<(String, String)>,
    /// Where the labels go.
    pub label_scope: LabelScope,
    /// Annotations to add.
    pub annotations: Vec<(String, String)>,
    /// What a label or annotation means that the kustomization sets already.
    pub existing: Existing,
    /// Patches that come behind those of the kustomization.
    pub patches: Vec<PatchOverride>,
    /// Components that come behind those of the kustomization.
    pub components: Vec<String>,
    /// Whether components that do not exist are left out.
    pub skip_missing_components: bool,
}

/// A change to an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOverride {
    /// The image to change.
    pub name: String,
    /// The new name; empty leaves it, `*` keeps what the kustomization says.
    pub new_name: String,
    /// The new tag; empty leaves it, `*` keeps what the kustomization says.
    pub new_tag: String,
    /// The new digest; empty leaves it, `*` keeps what the kustomization says.
    pub digest: String,
}

/// Where labels go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelScope {
    /// To metadata, templates and selectors, as `commonLabels` does.
    #[default]
    Selectors,
    /// To metadata and templates.
    Templates,
    /// To metadata alone.
    Metadata,
}

/// What a label or annotation means that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    #[default]
    Refused,
    /// It is replaced.
    Replaced,
}

/// A patch to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchOverride {
    /// The patch itself; empty when it is in a file.
    pub patch: String,
    /// The file that holds it, relative to the kustomization.
    pub path: String,
    /// What it is for; nothing when it says so itself.
    pub target: Option<PatchTarget>,
    /// Whether it may change names.
    pub allow_name_change: bool,
    /// Whether it may change kinds.
    pub allow_kind_change: bool,
}

/// What a patch is for; an empty field means anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchTarget {
    /// The API group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// A label selector.
    pub label_selector: String,
    /// A selector for annotations.
    pub annotation_selector: String,
}

impl ImageOverride {
    /// Reads `name=newname:tag@digest`, `name:tag` or `name@digest`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Some(key), value),
            None => (None, text),
        };
        let (name, tag, digest) = crate::images::split_image(value);
        if name == text {
            return None;
        }
        let own = |text: &str| text.to_owned();
        Some(Self {
            name: own(key.unwrap_or(name)),
            new_name: own(if key.is_some() { name } else { "" }),
            new_tag: own(tag),
            digest: own(digest),
        })
    }
}

/// Applies the overrides to a kustomization that was read.
pub(crate) fn apply(
    file: &mut Kustomization,
    overrides: &Overrides,
    exists: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    let parts = [
        (&mut file.name_prefix, &overrides.name_prefix),
        (&mut file.name_suffix, &overrides.name_suffix),
        (&mut file.namespace, &overrides.namespace),
    ];
    for (field, value) in parts {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    for image in &overrides.images {
        set_image(&mut file.images, image);
    }
    for (name, count) in &overrides.replicas {
        let (name, count) = (name.clone(), *count);
        match file.replicas.iter_mut().find(|known| known.name == name) {
            Some(known) => known.count = count,
            None => file.replicas.push(Replica { name, count }),
        }
    }
    add_labels(file, overrides)?;
    for (key, value) in &overrides.annotations {
        set_entry(
            &mut file.common_annotations,
            (key, value),
            overrides.existing,
        )
        .map_err(|error| format!("annotation {error}"))?;
    }
    file.patches.extend(overrides.patches.iter().map(patch));
    for component in &overrides.components {
        let is_wanted = !overrides.skip_missing_components || exists(component);
        if is_wanted && !file.components.contains(component) {
            file.components.push(component.clone());
        }
    }
    Ok(())
}

fn set_image(images: &mut Vec<Image>, image: &ImageOverride) {
    let known = images.iter_mut().find(|known| known.name == image.name);
    let part = |new: &str, old: &str| match new {
        "*" => old.to_owned(),
        new => new.to_owned(),
    };
    let old = known.as_deref();
    let old = |pick: fn(&Image) -> &String| old.map(pick).cloned().unwrap_or_default();
    let made = Image {
        name: image.name.clone(),
        new_name: part(&image.new_name, &old(|image| &image.new_name)),
        tag_suffix: String::new(),
        new_tag: part(&image.new_tag, &old(|image| &image.new_tag)),
        digest: part(&image.digest, &old(|image| &image.digest)),
    };
    match known {
        Some(known) => *known = made,
        None => images.push(made),
    }
}

fn add_labels(file: &mut Kustomization, overrides: &Overrides) -> Result<(), String> {
    let templates = match overrides.label_scope {
        LabelScope::Selectors => {
            for (key, value) in &overrides.labels {
                set_entry(&mut file.common_labels, (key, value), overrides.existing)
                    .map_err(|error| format!("label {error}"))?;
            }
            return Ok(());
        }
        LabelScope::Templates => true,
        LabelScope::Metadata => false,
    };
    for (key, value) in &overrides.labels {
        let same = |label: &Label| !label.include_selectors && label.include_templates == templates;
        let at = match file.labels.iter().position(same) {
            Some(at) => at,
            None => {
                file.labels.push(Label {
                    pairs: Vec::new(),
                    include_selectors: false,
                    include_templates: templates,
                    fields: Vec::new(),
                });
                file.labels.len() - 1
            }
        };
        set_entry(&mut file.labels[at].pairs, (key, value), overrides.existing)
            .map_err(|error| format!("label {error}"))?;
    }
    Ok(())
}

fn set_entry(
    entries: &mut Vec<(String, String)>,
    (key, value): (&str, &str),
    existing: Existing,
) -> Result<(), String> {
    match entries.iter_mut().find(|(known, _)| known == key) {
        Some(_) if existing == Existing::Refused => {
            Err(format!("{key} already in kustomization file"))
        }
        Some(entry) => {
            value.clone_into(&mut entry.1);
            Ok(())
        }
        None => {
            entries.push((key.to_owned(), value.to_owned()));
            Ok(())
        }
    }
}

fn patch(given: &PatchOverride) -> Patch {
    Patch {
        path: given.path.clone(),
        patch: given.patch.clone(),
        target: given.target.as_ref().map(|target| Selector {
            gvk: crate::config::Gvk {
                group: target.group.clone(),
                version: target.version.clone(),
                kind: target.kind.clone(),
            },
            name: target.name.clone(),
            namespace: target.namespace.clone(),
            annotations: target.annotation_selector.clone(),
            labels: target.label_selector.clone(),
        }),
        allow_name_change: given.allow_name_change,
        allow_kind_change: given.allow_kind_change,
    }
}

/// The names of a kustomization file.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How deep folders are searched for resources.
const DEEPEST: usize = 64;

/// The kustomization that Flux makes for a folder without one: all YAML files below it, and the
/// folders that have a kustomization.
pub(crate) fn generated(blobs: &dyn Blobs, folder: &TreePath) -> Result<Kustomization, String> {
    let mut file = Kustomization::default();
    scan(blobs, folder, "", &mut file.resources)?;
    Ok(file)
}

fn scan(
    blobs: &dyn Blobs,
    folder: &TreePath,
    prefix: &str,
    found: &mut Vec<String>,
) -> Result<(), String> {
    if prefix.matches('/').count() > DEEPEST {
        return Err(format!("`{folder}` lies more than {DEEPEST} folders deep"));
    }
    for entry in blobs.list(folder).map_err(|error| error.to_string())? {
        let Some(path) = folder.join(&entry.name) else {
            continue;
        };
        let relative = format!("{prefix}{}", entry.name);
        if entry.kind == EntryKind::Folder {
            let names = blobs.list(&path).map_err(|error| error.to_string())?;
            if names
                .iter()
                .any(|entry| FILE_NAMES.contains(&entry.name.as_str()))
            {
                found.push(relative);
            } else {
                scan(blobs, &path, &format!("{relative}/"), found)?;
            }
        } else if entry.name.ends_with(".yaml") || entry.name.ends_with(".yml") {
            let bytes = blobs.read(&path).map_err(|error| error.to_string())?;
            read_resources(&bytes).map_err(|error| {
                format!("failed to decode Kubernetes YAML from {path}: {error}")
            })?;
            found.push(relative);
        }
    }
    Ok(())
}
