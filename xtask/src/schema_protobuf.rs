//! Reads the numbers of fields from the protobuf definitions that lie beside the Go types.
//! It must not know what the numbers are used for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{PREFIXES, short};

/// A field of a message: its name, and the type where that is a message of the same package.
struct Field {
    number: String,
    name: String,
    kind: String,
}

/// The table of messages: `M name`, then a line for each field; `>` names the message that it
/// is, where that is one of the same package: Go may have embedded it.
pub(super) fn read(modules: &Path, version: &str, wanted: &BTreeSet<String>) -> Result<String> {
    let minor = version.strip_prefix("1.").context("version is 1.x.y")?;
    let packages: BTreeSet<&str> = wanted
        .iter()
        .filter_map(|name| Some(name.rsplit_once('.')?.0))
        .collect();
    let mut messages = BTreeMap::new();
    for package in packages {
        let Some((prefix, module, below)) = PREFIXES
            .iter()
            .find(|(prefix, _, _)| package.starts_with(prefix))
        else {
            continue;
        };
        let folder = package.trim_start_matches(prefix).replace('.', "/");
        let path = modules
            .join(format!("{module}@v0.{minor}"))
            .join(below)
            .join(folder)
            .join("generated.proto");
        if let Ok(text) = fs::read_to_string(&path) {
            read_file(&text, package, &mut messages);
        }
    }
    let mut table = String::from("# Written by `cargo xtask schema`.\n");
    for (name, fields) in &messages {
        if name.ends_with("List") {
            continue;
        }
        writeln!(table, "M {}", short(name))?;
        for field in fields {
            write!(table, "{} {}", field.number, field.name)?;
            let package = name.rsplit_once('.').map_or("", |(package, _)| package);
            let inner = format!("{package}.{}", field.kind);
            if messages.contains_key(&inner) {
                write!(table, " >{}", short(&inner))?;
            }
            table.push('\n');
        }
    }
    Ok(table)
}

fn read_file(text: &str, package: &str, messages: &mut BTreeMap<String, Vec<Field>>) {
    let mut current: Option<(String, Vec<Field>)> = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("message ") {
            let name = name.trim_end_matches(" {");
            current = Some((format!("{package}.{name}"), Vec::new()));
        } else if line == "}" {
            if let Some((name, fields)) = current.take() {
                messages.insert(name, fields);
            }
        } else if let Some((_, fields)) = current.as_mut() {
            fields.extend(read_field(line.trim()));
        }
    }
}

fn read_field(line: &str) -> Option<Field> {
    if line.starts_with("//") {
        return None;
    }
    let (head, number) = line.strip_suffix(';')?.split_once(" = ")?;
    let number = number.split(' ').next()?;
    number.parse::<u32>().ok()?;
    let words: Vec<&str> = head.split(' ').collect();
    let name = words.last()?;
    let kind = words.get(words.len().checked_sub(2)?)?;
    Some(Field {
        number: number.to_owned(),
        name: (*name).to_owned(),
        kind: kind.rsplit('.').next().unwrap_or(kind).to_owned(),
    })
}
