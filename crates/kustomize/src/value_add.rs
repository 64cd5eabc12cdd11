//! `ValueAddTransformer`: one value is put into fields of many resources, or into the file paths that
//! they hold. As Kustomize 5.8.1 has it.

use holdfast_model::Value;
use holdfast_yaml::{Limits, Node, Style, read_value};

use crate::config::Gvk;
use crate::decode::{Fields, Scalars};
use crate::fields::split_path;
use crate::file::{Selector, read_selector};
use crate::load::{LoadError, Loader};
use crate::replacement::change_at;
use crate::resources::Resources;
use crate::tables::Types;
use crate::transform::{NamespaceChange, Subjects, set_namespace};

/// Where the value goes.
struct Target {
    /// All resources when there is none.
    selector: Option<Selector>,
    path: String,
    /// 1 for the first place of a file path; the whole text is replaced when 0.
    position: usize,
}

/// Runs the transformer on all resources.
pub(crate) fn run_value_add(
    loader: &Loader<'_>,
    fields: &mut Fields<'_>,
    resources: &mut Resources,
    types: &Types,
) -> Result<(), LoadError> {
    let value = match fields.text("value")?.trim() {
        "" => match loader.root.name() {
            "" => ".".to_owned(),
            name => name.to_owned(),
        },
        value => value.to_owned(),
    };
    let mut targets = read_targets(&fields.list("targets")?)?;
    let file = fields.text("targetFilePath")?;
    if !file.is_empty() {
        let bytes = loader.load(&file)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{file} is not UTF-8"))?;
        let value = read_value(text, &Limits::default());
        let value = value.map_err(|error| format!("{file}: {error}"))?;
        let mut fields = Fields::of(&value, Scalars::AsTexts)?;
        targets.extend(read_targets(&fields.list("targets")?)?);
    }
    if targets.is_empty() {
        let message = "must specify at least one target";
        return Err(LoadError::Message(message.to_owned()));
    }
    for target in &targets {
        add(&value, target, resources, types)?;
    }
    Ok(())
}

fn read_targets(entries: &[Value]) -> Result<Vec<Target>, String> {
    let read = |entry: &Value| {
        let mut fields = Fields::of(entry, Scalars::AsTexts)?;
        let selector = match fields.take("selector") {
            Some(value) => Some(read_selector(&mut fields.within(value)?)?),
            None => None,
        };
        let path = fields.text("fieldPath")?;
        if path.is_empty() {
            return Err("fieldPath cannot be empty".to_owned());
        }
        let position = fields.integer("filePathPosition")?;
        let position = usize::try_from(position)
            .map_err(|_| format!("value of FilePathPosition ({position}) cannot be negative"))?;
        Ok(Target {
            selector,
            path,
            position,
        })
    };
    entries.iter().map(read).collect()
}

fn add(
    value: &str,
    target: &Target,
    resources: &mut Resources,
    types: &Types,
) -> Result<(), String> {
    let all = Selector {
        gvk: Gvk::default(),
        name: String::new(),
        namespace: String::new(),
        annotations: String::new(),
        labels: String::new(),
    };
    let selected = resources.select(target.selector.as_ref().unwrap_or(&all), types)?;
    for at in selected {
        let resource = &mut resources.list[at];
        if target.path == "metadata/namespace" {
            let change = NamespaceChange {
                namespace: value,
                specs: &[],
                subjects: Subjects::Default,
                unset_only: false,
            };
            set_namespace(resource, types, &change)?;
            continue;
        }
        let parts = split_path(&target.path);
        if parts.iter().any(|part| part == "*") {
            return Err("wildcard is not supported in PathGetter".to_owned());
        }
        change_at(&mut resource.node, &parts, &mut |field| {
            let Some(old) = field.text() else {
                return Err("wrong node kind: expected ScalarNode".to_owned());
            };
            let new = match target.position {
                0 => value.to_owned(),
                position => insert_part(old, position - 1, value),
            };
            *field = Node::scalar(new, Style::Plain);
            Ok(())
        })?;
    }
    Ok(())
}

/// Puts a part into a file path; a leading `/` stays where it is, and positions behind the end mean
/// the end.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    let (root, rest) = match path.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", path),
    };
    let mut parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}
