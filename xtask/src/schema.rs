//! `cargo xtask schema`: writes the tables of crate `schema` from what Kubernetes publishes.
//!
//! It reads the OpenAPI v3 documents and the discovery document of one release, and the Go
//! sources of the API types for what OpenAPI does not say: which fields are pointers and which
//! are left out when empty. It must not know how the tables are used.

#[path = "schema_protobuf.rs"]
mod protobuf;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Prefixes that the tables leave out, and the Go folder (below the module folder) that holds
/// the types of each.
const PREFIXES: [(&str, &str, &str); 4] = [
    ("io.k8s.api.", "api", ""),
    ("io.k8s.apimachinery.pkg.apis.", "apimachinery", "pkg/apis"),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.",
        "apiextensions-apiserver",
        "pkg/apis",
    ),
    (
        "io.k8s.kube-aggregator.pkg.apis.",
        "kube-aggregator",
        "pkg/apis",
    ),
];

/// Kinds whose name in the table is a letter of their own.
const SCALARS: [(&str, &str); 9] = [
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "q"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "t"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "u"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "x"),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", "e"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "e"),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
        "*",
    ),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
        "*",
    ),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
        "*",
    ),
];

/// How Go writes a field.
#[derive(Clone, Copy, Default)]
struct GoField {
    pointer: bool,
    omit_empty: bool,
    omit_zero: bool,
}

#[derive(Default)]
struct GoStruct {
    fields: BTreeMap<String, GoField>,
    inline: Vec<String>,
}

/// Writes `kubernetes.txt` and `protobuf.txt` into `out`.
///
/// `spec` is the folder `api` of the Kubernetes sources; `modules` is the folder that holds the
/// modules `api@VERSION`, `apimachinery@VERSION` and so on.
pub(crate) fn generate(spec: &Path, modules: &Path, version: &str, out: &Path) -> Result<()> {
    let types = read_types(&spec.join("openapi-spec/v3"))?;
    let go = read_go(modules, version)?;
    let mut table = format!("# Written by `cargo xtask schema`. Kubernetes {version}.\n");
    let kinds = write_kinds(spec, &types, &mut table)?;
    let wanted = reachable(&types, kinds);
    for name in &wanted {
        let schema = &types[name];
        write_type(name, schema, &go, &mut table)?;
    }
    fs::write(out.join("kubernetes.txt"), &table)?;
    let protobuf = protobuf::read(modules, version, &wanted)?;
    fs::write(out.join("protobuf.txt"), protobuf)?;
    Ok(())
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))
}

fn read_types(folder: &Path) -> Result<BTreeMap<String, Value>> {
    let mut types = BTreeMap::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        let document = read_json(&path)?;
        let Some(schemas) = document
            .pointer("/components/schemas")
            .and_then(Value::as_object)
        else {
            continue;
        };
        for (name, schema) in schemas {
            types.insert(name.clone(), schema.clone());
        }
    }
    Ok(types)
}

/// Generally available versions: what a server serves when nobody asks for more.
fn is_stable(version: &str) -> bool {
    version
        .strip_prefix('v')
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn type_of_kind<'a>(types: &'a BTreeMap<String, Value>, wanted: &Value) -> Option<&'a str> {
    let text = |field: &str| wanted.get(field).and_then(Value::as_str).unwrap_or("");
    let wanted = [text("group"), text("version"), text("kind")];
    let found = types.iter().find(|(_, schema)| {
        let kinds = schema.get("x-kubernetes-group-version-kind");
        let kinds = kinds.and_then(Value::as_array);
        kinds.is_some_and(|kinds| {
            kinds.len() == 1
                && kinds.iter().any(|kind| {
                    let text = |field: &str| kind.get(field).and_then(Value::as_str).unwrap_or("");
                    [text("group"), text("version"), text("kind")] == wanted
                })
        })
    });
    found.map(|(name, _)| name.as_str())
}

fn words(value: Option<&Value>) -> String {
    let words: Vec<&str> = value
        .and_then(Value::as_array)
        .map(|words| words.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(",")
    }
}

fn write_kinds(
    spec: &Path,
    types: &BTreeMap<String, Value>,
    table: &mut String,
) -> Result<BTreeSet<String>> {
    let discovery = read_json(&spec.join("discovery/aggregated_v2.json"))?;
    let mut roots = BTreeSet::new();
    let empty = Vec::new();
    let list = |value: &Value, field: &str| -> Vec<Value> {
        value
            .get(field)
            .and_then(Value::as_array)
            .unwrap_or(&empty)
            .clone()
    };
    let mut lines = BTreeSet::new();
    for group in list(&discovery, "items") {
        let group_name = group.pointer("/metadata/name").and_then(Value::as_str);
        let group_name = group_name.unwrap_or("");
        for version in list(&group, "versions") {
            let version_name = version["version"].as_str().unwrap_or("");
            if !is_stable(version_name) {
                continue;
            }
            for resource in list(&version, "resources") {
                let mut line = kind_line(group_name, version_name, &resource, types, &mut roots)?;
                for sub in list(&resource, "subresources") {
                    line.push(' ');
                    line.push_str(&subresource_word(
                        (group_name, version_name),
                        &sub,
                        types,
                        &mut roots,
                    ));
                }
                lines.insert(line);
            }
        }
    }
    for core in core_lines(spec, types, &mut roots)? {
        lines.insert(core);
    }
    for line in lines {
        table.push_str(&line);
        table.push('\n');
    }
    // Read by name, not through a kind.
    for name in [
        "DeleteOptions",
        "Status",
        "APIResourceList",
        "APIGroupList",
        "LabelSelector",
    ] {
        roots.insert(format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"));
    }
    Ok(roots)
}

fn kind_line(
    group: &str,
    version: &str,
    resource: &Value,
    types: &BTreeMap<String, Value>,
    roots: &mut BTreeSet<String>,
) -> Result<String> {
    let mut kind = resource["responseKind"].clone();
    if kind["group"].as_str().unwrap_or("").is_empty() {
        kind["group"] = group.into();
    }
    if kind["version"].as_str().unwrap_or("").is_empty() {
        kind["version"] = version.into();
    }
    let name = type_of_kind(types, &kind).with_context(|| format!("no type for {kind}"))?;
    roots.insert(name.to_owned());
    Ok(format!(
        "K {} {version} {} {} {} {} {} {} {} {}",
        if group.is_empty() { "-" } else { group },
        kind["kind"].as_str().unwrap_or(""),
        resource["resource"].as_str().unwrap_or(""),
        resource["singularResource"].as_str().unwrap_or(""),
        if resource["scope"] == "Namespaced" {
            "N"
        } else {
            "C"
        },
        words(resource.get("shortNames")),
        words(resource.get("categories")),
        words(resource.get("verbs")),
        short(name),
    ))
}

fn subresource_word(
    home: (&str, &str),
    sub: &Value,
    types: &BTreeMap<String, Value>,
    roots: &mut BTreeSet<String>,
) -> String {
    let mut kind = sub["responseKind"].clone();
    if kind["group"].as_str().unwrap_or("").is_empty() && kind["version"].as_str() != Some("v1") {
        kind["group"] = home.0.into();
    }
    if kind["version"].as_str().unwrap_or("").is_empty() {
        kind["version"] = home.1.into();
    }
    if let Some(name) = type_of_kind(types, &kind) {
        roots.insert(name.to_owned());
    }
    format!(
        "{}:{}/{}:{}:{}",
        sub["subresource"].as_str().unwrap_or(""),
        kind["group"].as_str().unwrap_or(""),
        kind["version"].as_str().unwrap_or(""),
        kind["kind"].as_str().unwrap_or(""),
        words(sub.get("verbs")),
    )
}

/// The core group, which the aggregated document keeps elsewhere.
fn core_lines(
    spec: &Path,
    types: &BTreeMap<String, Value>,
    roots: &mut BTreeSet<String>,
) -> Result<Vec<String>> {
    let document = read_json(&spec.join("discovery/api__v1.json"))?;
    let resources = document["resources"].as_array().cloned();
    let resources = resources.unwrap_or_default();
    let mut lines = BTreeMap::new();
    let mut subs: Vec<(String, Value)> = Vec::new();
    for resource in &resources {
        let name = resource["name"].as_str().unwrap_or("");
        let mut shaped = resource.clone();
        shaped["responseKind"] = serde_json::json!({
            "group": resource.get("group").cloned().unwrap_or_default(),
            "version": resource.get("version").cloned().unwrap_or_default(),
            "kind": resource["kind"],
        });
        if let Some((parent, sub)) = name.split_once('/') {
            shaped["subresource"] = sub.into();
            subs.push((parent.to_owned(), shaped));
            continue;
        }
        shaped["resource"] = name.into();
        shaped["singularResource"] = resource["singularName"].clone();
        shaped["scope"] = if resource["namespaced"] == true {
            "Namespaced".into()
        } else {
            "Cluster".into()
        };
        lines.insert(name.to_owned(), kind_line("", "v1", &shaped, types, roots)?);
    }
    for (parent, sub) in subs {
        let word = subresource_word(("", "v1"), &sub, types, roots);
        if let Some(line) = lines.get_mut(&parent) {
            line.push(' ');
            line.push_str(&word);
        }
    }
    Ok(lines.into_values().collect())
}

fn reference(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref").and_then(Value::as_str);
    let inner = || schema.pointer("/allOf/0/$ref").and_then(Value::as_str);
    direct
        .or_else(inner)
        .map(|text| text.rsplit('/').next().unwrap_or(text))
}

fn reachable(types: &BTreeMap<String, Value>, roots: BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if SCALARS.iter().any(|(scalar, _)| *scalar == name) || !types.contains_key(&name) {
            continue;
        }
        if !found.insert(name.clone()) {
            continue;
        }
        collect_references(&types[&name], &mut open);
    }
    found
}

fn collect_references(schema: &Value, open: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) = reference(schema) {
                open.push(name.to_owned());
            }
            fields
                .values()
                .for_each(|value| collect_references(value, open));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|value| collect_references(value, open)),
        _ => {}
    }
}

/// The name without the prefix that its home gives it.
fn short(name: &str) -> &str {
    for (prefix, _, _) in PREFIXES {
        if let Some(rest) = name.strip_prefix(prefix) {
            return rest;
        }
    }
    name
}

fn write_type(
    name: &str,
    schema: &Value,
    go: &BTreeMap<String, GoStruct>,
    table: &mut String,
) -> Result<()> {
    let prefix = name.strip_suffix(short(name)).unwrap_or("");
    let mark = PREFIXES.iter().position(|(known, _, _)| *known == prefix);
    let mark = mark.map_or('-', |index| char::from(b'0' + index as u8));
    let map_type = schema.get("x-kubernetes-map-type").and_then(Value::as_str);
    let atomic = match map_type {
        Some("atomic") => " a",
        _ => "",
    };
    writeln!(table, "T{mark} {}{atomic}", short(name))?;
    let required = words(schema.get("required"));
    let required: BTreeSet<&str> = required.split(',').collect();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    for (field, property) in properties {
        let expression = expression(property)?;
        write!(table, "{field} {expression}")?;
        if required.contains(field.as_str()) {
            table.push_str(" r");
        }
        if let Some(go) = go_field(go, name, field) {
            if go.pointer {
                table.push_str(" p");
            }
            // Go's `omitempty` never leaves out a struct, and these are structs in Go.
            let is_struct = expression.starts_with(['@', 't', 'u', 'q', 'x', 'e']);
            let omits = go.omit_zero || go.omit_empty && (go.pointer || !is_struct);
            if !omits {
                table.push_str(" n");
            }
        }
        match property
            .get("x-kubernetes-patch-strategy")
            .and_then(Value::as_str)
        {
            Some("merge") => table.push_str(" M"),
            Some("merge,retainKeys") => table.push_str(" MR"),
            Some("retainKeys") => table.push_str(" R"),
            Some("replace") => table.push_str(" P"),
            Some(other) => bail!("unknown patch strategy {other}"),
            None => {}
        }
        if let Some(key) = property
            .get("x-kubernetes-patch-merge-key")
            .and_then(Value::as_str)
        {
            write!(table, " k:{key}")?;
        }
        if let Some(default) = property.get("default") {
            write!(table, " ={}", serde_json::to_string(default)?)?;
        }
        table.push('\n');
    }
    Ok(())
}

/// A type in the table's letters.
fn expression(schema: &Value) -> Result<String> {
    let text = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or("");
    if let Some(name) = reference(schema) {
        if let Some((_, letter)) = SCALARS.iter().find(|(scalar, _)| *scalar == name) {
            return Ok((*letter).to_owned());
        }
        let relation = match text("x-kubernetes-map-type") {
            "atomic" => "!",
            "granular" => "+",
            _ => "",
        };
        return Ok(format!("@{relation}{}", short(name)));
    }
    Ok(match (text("type"), text("format")) {
        ("string", "byte") => "y".to_owned(),
        ("string", "") => "s".to_owned(),
        ("integer", "int32") => "i".to_owned(),
        ("integer", "int64") => "l".to_owned(),
        ("integer", "") => "l".to_owned(),
        ("number", _) => "d".to_owned(),
        ("boolean", _) => "b".to_owned(),
        ("array", _) => {
            let relation = match text("x-kubernetes-list-type") {
                "atomic" => "a".to_owned(),
                "set" => "s".to_owned(),
                "map" => format!("m:{}", words(schema.get("x-kubernetes-list-map-keys"))),
                _ => String::new(),
            };
            let items = schema.get("items").context("array without items")?;
            format!("[{relation}]{}", expression(items)?)
        }
        ("object", _) => match schema.get("additionalProperties") {
            Some(items) => {
                let relation = match text("x-kubernetes-map-type") {
                    "atomic" => "a",
                    _ => "",
                };
                format!("{{{relation}}}{}", expression(items)?)
            }
            None => "e".to_owned(),
        },
        ("", _) => "*".to_owned(),
        other => bail!("unknown type {other:?}"),
    })
}

fn go_field(go: &BTreeMap<String, GoStruct>, name: &str, field: &str) -> Option<GoField> {
    let found = go.get(name)?;
    if let Some(found) = found.fields.get(field) {
        return Some(*found);
    }
    let package = name.rsplit_once('.').map_or("", |(package, _)| package);
    found.inline.iter().find_map(|inner| {
        let inner = inner.rsplit('.').next().unwrap_or(inner);
        go_field(go, &format!("{package}.{inner}"), field)
    })
}

fn read_go(modules: &Path, version: &str) -> Result<BTreeMap<String, GoStruct>> {
    let minor = version.strip_prefix("1.").context("version is 1.x.y")?;
    let mut structs = BTreeMap::new();
    for (prefix, module, below) in PREFIXES {
        let root = modules.join(format!("{module}@v0.{minor}")).join(below);
        let groups = fs::read_dir(&root).with_context(|| format!("no {}", root.display()))?;
        for group in groups {
            let group = group?.path();
            if !group.is_dir() {
                continue;
            }
            for folder in fs::read_dir(&group)? {
                let folder = folder?.path();
                if !folder.is_dir() {
                    continue;
                }
                let home = format!(
                    "{prefix}{}.{}",
                    group.file_name().unwrap_or_default().to_string_lossy(),
                    folder.file_name().unwrap_or_default().to_string_lossy()
                );
                for file in fs::read_dir(&folder)? {
                    let file = file?.path();
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    if name.starts_with("types") && name.ends_with(".go") {
                        read_go_file(&fs::read_to_string(&file)?, &home, &mut structs);
                    }
                }
            }
        }
    }
    Ok(structs)
}

fn read_go_file(text: &str, home: &str, structs: &mut BTreeMap<String, GoStruct>) {
    let mut current: Option<(String, GoStruct)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            if let Some(name) = rest.strip_suffix(" struct {") {
                current = Some((format!("{home}.{name}"), GoStruct::default()));
            }
            continue;
        }
        if line == "}" {
            if let Some((name, found)) = current.take() {
                structs.insert(name, found);
            }
            continue;
        }
        let Some((_, found)) = current.as_mut() else {
            continue;
        };
        let Some((before, tags)) = line.split_once("`json:\"") else {
            continue;
        };
        let tag = tags.split('"').next().unwrap_or("");
        let mut parts = tag.split(',');
        let name = parts.next().unwrap_or("");
        let options: Vec<&str> = parts.collect();
        let words: Vec<&str> = before.split_whitespace().collect();
        let last = words.last().copied().unwrap_or("");
        if options.contains(&"inline") || (name.is_empty() && words.len() == 1) {
            found.inline.push(last.to_owned());
            continue;
        }
        found.fields.insert(
            name.to_owned(),
            GoField {
                pointer: last.starts_with('*'),
                omit_empty: options.contains(&"omitempty"),
                omit_zero: options.contains(&"omitzero"),
            },
        );
    }
}
