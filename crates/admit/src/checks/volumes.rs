//! Checks of the volumes of pods. It must not know who mounts them.

use std::collections::BTreeSet;

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::one_of;
use crate::names;

/// The greatest mode of a file, 0777.
const MAX_MODE: i64 = 511;
/// The shortest life of a token, in seconds.
const MIN_TOKEN_LIFE: i64 = 600;
/// Fields that have to be there, by kind of volume.
const NEEDED: [(&str, &str); 5] = [
    ("configMap", "name"),
    ("csi", "driver"),
    ("nfs", "server"),
    ("persistentVolumeClaim", "claimName"),
    ("secret", "secretName"),
];

/// Checks the volumes of a pod; their names.
pub(super) fn volumes(spec: &Value, path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let place = format!("{path}.volumes[{index}]");
        let name = text(volume, "name");
        let field = format!("{place}.name");
        let kinds = volume.as_object().into_iter().flatten();
        let kinds = kinds.map(|(kind, _)| kind).filter(|kind| *kind != "name");
        for kind in kinds.skip(1) {
            errors.push(FieldError::forbidden(
                format!("{place}.{kind}"),
                "may not specify more than 1 volume type",
            ));
        }
        source(volume, &place, errors);
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if let Some(problem) = names::dns_label_problem(name) {
            errors.push(FieldError::invalid(field, &json!(name), &problem));
        } else if !known.insert(name.to_owned()) {
            errors.push(FieldError::duplicate(field, &json!(name)));
        }
    }
    known
}

fn source(volume: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for (kind, name) in NEEDED {
        if volume[kind].is_object() && text(&volume[kind], name).is_empty() {
            errors.push(FieldError::required(format!("{place}.{kind}.{name}"), ""));
        }
    }
    for kind in ["configMap", "secret", "downwardAPI", "projected"] {
        mode(&volume[kind], &format!("{place}.{kind}"), errors);
    }
    for kind in ["configMap", "secret"] {
        keys(&volume[kind], &format!("{place}.{kind}"), errors);
    }
    if volume["hostPath"].is_object() {
        host_path(&volume["hostPath"], &format!("{place}.hostPath"), errors);
    }
    let path = text(&volume["nfs"], "path");
    if volume["nfs"].is_object() && !path.starts_with('/') {
        let field = format!("{place}.nfs.path");
        errors.push(FieldError::invalid(
            field,
            &json!(path),
            "must be an absolute path",
        ));
    }
    let limit = volume["emptyDir"]["sizeLimit"].as_str();
    if limit
        .and_then(Quantity::parse)
        .is_some_and(|limit| limit.nanos < 0)
    {
        let problem = "SizeLimit field must be a valid resource quantity";
        errors.push(FieldError::forbidden(
            format!("{place}.emptyDir.sizeLimit"),
            problem,
        ));
    }
    downward(
        &volume["downwardAPI"],
        &format!("{place}.downwardAPI"),
        errors,
    );
    let claim = &volume["ephemeral"]["volumeClaimTemplate"];
    if volume["ephemeral"].is_object() && claim.is_null() {
        let field = format!("{place}.ephemeral.volumeClaimTemplate");
        errors.push(FieldError::required(field, ""));
    }
    for (index, source) in items(&volume["projected"], "sources").iter().enumerate() {
        let place = format!("{place}.projected");
        projected(source, &place, index, errors);
    }
}

fn projected(source: &Value, place: &str, index: usize, errors: &mut Vec<FieldError>) {
    let token = &source["serviceAccountToken"];
    if token.is_object() {
        let life = &token["expirationSeconds"];
        if life.as_i64().is_some_and(|life| life < MIN_TOKEN_LIFE) {
            let field = format!("{place}.sources[{index}].serviceAccountToken.expirationSeconds");
            let problem = "may not specify a duration less than 10 minutes";
            errors.push(FieldError::invalid(field, life, problem));
        }
        if text(token, "path").is_empty() {
            errors.push(FieldError::required(format!("{place}.path"), ""));
        }
    }
    for kind in ["configMap", "secret"] {
        let field = format!("{place}.sources[{index}].{kind}");
        if source[kind].is_object() && text(&source[kind], "name").is_empty() {
            errors.push(FieldError::required(format!("{field}.name"), ""));
        }
        keys(&source[kind], &field, errors);
    }
}

fn mode(source: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let mode = &source["defaultMode"];
    if mode
        .as_i64()
        .is_some_and(|mode| !(0..=MAX_MODE).contains(&mode))
    {
        let problem = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(
            format!("{place}.defaultMode"),
            mode,
            problem,
        ));
    }
}

fn keys(source: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for (index, item) in items(source, "items").iter().enumerate() {
        let place = format!("{place}.items[{index}]");
        if text(item, "key").is_empty() {
            errors.push(FieldError::required(format!("{place}.key"), ""));
        }
        if text(item, "path").is_empty() {
            errors.push(FieldError::required(format!("{place}.path"), ""));
        }
        relative(&item["path"], &format!("{place}.path"), errors);
    }
}

fn downward(source: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for item in items(source, "items") {
        if text(item, "path").is_empty() {
            errors.push(FieldError::required(format!("{place}.path"), ""));
        }
        relative(&item["path"], &format!("{place}.path"), errors);
        let field = &item["fieldRef"]["fieldPath"];
        if field.is_string() {
            let place = format!("{place}.fieldRef.fieldPath");
            field_path(field, &place, &["labels", "annotations"], errors);
        }
    }
}

/// Refuses a field of a pod that nothing can be taken from.
pub(super) fn field_path(found: &Value, field: &str, maps: &[&str], errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    let path = found.as_str().unwrap_or("");
    let in_map = path.strip_prefix("metadata.").is_some_and(|rest| {
        let (map, key) = rest.split_once('[').unwrap_or((rest, ""));
        // A single label may be named everywhere, all of them only in files.
        matches!(map, "labels" | "annotations") && (!key.is_empty() || maps.contains(&map))
    });
    if path.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if !in_map && !KNOWN.contains(&path) {
        let problem = format!("error converting fieldPath: field label not supported: {path}");
        errors.push(FieldError::invalid(field, found, &problem));
    }
}

/// Refuses a path that leaves the folder that it starts in.
pub(super) fn relative(path: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let found = path.as_str().unwrap_or("");
    if found.starts_with('/') {
        errors.push(FieldError::invalid(field, path, "must be a relative path"));
    }
    if climbs(found) {
        errors.push(FieldError::invalid(field, path, "must not contain '..'"));
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// Checks a path of the machine.
pub(super) fn host_path(source: &Value, place: &str, errors: &mut Vec<FieldError>) {
    const KINDS: [&str; 8] = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let path = text(source, "path");
    if path.is_empty() {
        errors.push(FieldError::required(format!("{place}.path"), ""));
    } else if climbs(path) {
        let field = format!("{place}.path");
        errors.push(FieldError::invalid(
            field,
            &source["path"],
            "must not contain '..'",
        ));
    }
    one_of(&source["type"], &format!("{place}.type"), &KINDS, errors);
}
