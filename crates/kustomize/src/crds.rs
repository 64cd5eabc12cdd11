//! `crds`: OpenAPI definitions whose extensions say which fields of custom kinds name other
//! objects or hold labels.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_yaml::{Limits, read_value};

use crate::config::{BackReference, Config, FieldSpec, Gvk, merge_specs};

/// How deep definitions may refer to others; circles are cut off here.
const DEEPEST: usize = 32;

/// Reads one file of definitions.
pub(crate) fn read_definitions(bytes: &[u8]) -> Result<Arc<Config>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let value = read_value(text, &Limits::default())
        .map_err(|error| format!("unable to parse open API definition: {error}"))?;
    let Some(definitions) = value.as_object() else {
        return Err("unable to parse open API definition: it is no mapping".to_owned());
    };
    let mut config = Config::default();
    for (name, definition) in definitions {
        let properties = &definition["Schema"]["properties"];
        let properties = if properties.is_object() {
            properties
        } else {
            &definition["schema"]["properties"]
        };
        let is_kind = ["kind", "apiVersion", "metadata"]
            .iter()
            .all(|field| !properties[field].is_null());
        if is_kind {
            let kind = name.rsplit('.').next().unwrap_or_default();
            read_type(&value, name, kind, &mut Vec::new(), &mut config)?;
        }
    }
    Ok(Arc::new(config))
}

fn read_type(
    all: &Value,
    name: &str,
    kind: &str,
    path: &mut Vec<String>,
    config: &mut Config,
) -> Result<(), String> {
    if path.len() > DEEPEST {
        return Ok(());
    }
    let schema = &all[name]["Schema"];
    let schema = if schema.is_object() {
        schema
    } else {
        &all[name]["schema"]
    };
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(field.clone());
        let has = |extension: &str| property[extension].is_string();
        let spec = |path: &[String]| FieldSpec {
            gvk: Gvk {
                kind: kind.to_owned(),
                ..Gvk::default()
            },
            path: path.join("/"),
            create: false,
        };
        if has("x-kubernetes-annotation") {
            merge_specs(&mut config.common_annotations, &[spec(path)])?;
        }
        if has("x-kubernetes-label-selector") {
            merge_specs(&mut config.common_labels, &[spec(path)])?;
        }
        if has("x-kubernetes-identity") {
            merge_specs(&mut config.name_prefix, &[spec(path)])?;
        }
        let version = property["x-kubernetes-object-ref-api-version"].as_str();
        let target = property["x-kubernetes-object-ref-kind"].as_str();
        if let (Some(version), Some(target)) = (version, target) {
            let key = property["x-kubernetes-object-ref-name-key"].as_str();
            path.push(key.unwrap_or("name").to_owned());
            add_reference(config, version, target, spec(path))?;
            path.pop();
        }
        if let Some(reference) = property["$ref"].as_str() {
            read_type(all, reference, kind, path, config)?;
        }
        path.pop();
    }
    Ok(())
}

fn add_reference(
    config: &mut Config,
    version: &str,
    kind: &str,
    spec: FieldSpec,
) -> Result<(), String> {
    let target = Gvk {
        group: String::new(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    };
    let known = config
        .name_reference
        .iter_mut()
        .find(|known| known.target == target);
    match known {
        Some(known) => merge_specs(&mut known.referrers, &[spec]),
        None => {
            config.name_reference.push(BackReference {
                target,
                referrers: vec![spec],
            });
            Ok(())
        }
    }
}
