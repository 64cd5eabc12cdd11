//! The names that types and paths have in all documents. It must not know their contents.

use holdfast_admit::Served;
use holdfast_schema::{Patch, Schema, Shape};

pub(super) fn group_path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// The words of a strategic merge patch, where there are any.
pub(super) fn patch_strategy(patch: Patch) -> Option<String> {
    let words = [
        (patch.merge, "merge"),
        (patch.retain_keys, "retainKeys"),
        (patch.replace, "replace"),
    ];
    let words = words.iter().filter(|(set, _)| *set).map(|(_, word)| *word);
    let words: Vec<&str> = words.collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// The name under which the type of a kind stands in the document.
pub(super) fn schema_name(served: &Served) -> String {
    if served.custom.is_some() {
        let mut parts: Vec<&str> = served.kind.group.split('.').collect();
        parts.reverse();
        return format!(
            "{}.{}.{}",
            parts.join("."),
            served.kind.version,
            served.kind.kind
        );
    }
    match served.kind.type_ref.shape() {
        Shape::Struct(object) => full_name(&object.name),
        _ => served.kind.kind.clone(),
    }
}

pub(super) fn full_name(short: &str) -> String {
    Schema::builtin()
        .full_name(short)
        .unwrap_or_else(|| short.to_owned())
}

/// The name of the list type of a kind.
pub(super) fn list_name(served: &Served) -> String {
    let own = schema_name(served);
    let home = own.strip_suffix(&served.kind.kind).unwrap_or(&own);
    format!("{home}{}", served.kind.list_kind)
}

/// The name of a type of a group and version that need not be a kind with a path of its own.
pub(super) fn name_of_kind(group: &str, version: &str, kind: &str) -> String {
    let short = match (group.split('.').next().unwrap_or(""), kind) {
        ("", _) => format!("core.{version}.{kind}"),
        (group, _) => format!("{group}.{version}.{kind}"),
    };
    full_name(&short)
}
