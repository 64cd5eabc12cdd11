//! Makes ConfigMaps and Secrets from literals, files and env files.

use holdfast_go::base64;
use holdfast_yaml::{Node, Style};

use crate::file::{GeneratorArgs, GeneratorOptions};
use crate::load::{LoadError, Loader};
use crate::node::{clear_field, is_null, set_field, string};
use crate::resource::{Behavior, Resource};

/// What is generated.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Generated {
    ConfigMap,
    Secret,
}

/// A key and its value; values may be binary.
type Pair = (String, Vec<u8>);

/// Lines longer than this end an env file in Kustomize.
const LONGEST_ENV_LINE: usize = 64 * 1024;

/// Makes the resource that a generator entry describes.
pub(crate) fn generate(
    loader: &Loader<'_>,
    kind: Generated,
    args: &GeneratorArgs,
    global: Option<&GeneratorOptions>,
) -> Result<Resource, LoadError> {
    if args.name.is_empty() {
        return Err(LoadError::Message(
            "a configmap must have a name".to_owned(),
        ));
    }
    let options = merge_options(args.options.as_ref(), global);
    let mut pairs = load_pairs(loader, args)?;
    pairs.sort();
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LoadError::Message(format!(
            "configmap {} illegally repeats the key `{}`",
            args.name, twice[0].0
        )));
    }
    let mut node = base_node(kind, args);
    match kind {
        Generated::ConfigMap => load_config_map(&mut node, pairs)?,
        Generated::Secret => {
            let kind = if args.secret_type.is_empty() {
                "Opaque"
            } else {
                &args.secret_type
            };
            set_field(&mut node, "type", string(kind))?;
            let data = pairs
                .into_iter()
                .map(|(key, value)| (key, encode_base64(&value)));
            let entries = data.map(|(key, value)| (Node::scalar(key, Style::Plain), string(value)));
            // A Secret has its data also when there is none.
            set_field(&mut node, "data", Node::mapping(entries.collect()))?;
        }
    }
    let mut resource = Resource::new(node, &loader.root, 0);
    if let Some(options) = &options {
        for (field, map) in [
            ("labels", &options.labels),
            ("annotations", &options.annotations),
        ] {
            if !map.is_empty() {
                resource.set_metadata_map(field, map.clone())?;
            }
        }
        if options.immutable {
            set_field(
                &mut resource.node,
                "immutable",
                Node::scalar("true", Style::Plain),
            )?;
        }
    }
    resource.is_generated = true;
    resource.needs_hash = resource.asks_for_hash()
        || !options.is_some_and(|options| options.disable_name_suffix_hash);
    resource.behavior = match args.behavior.as_str() {
        "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => Behavior::Unspecified,
    };
    Ok(resource)
}

/// The options of one generator under those for all: its own entries win, either's flags count.
fn merge_options(
    local: Option<&GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> Option<GeneratorOptions> {
    let (Some(global), local) = (global, local) else {
        return local.cloned();
    };
    let mut merged = local.cloned().unwrap_or_default();
    let add = |own: &mut Vec<(String, String)>, more: &[(String, String)]| {
        for (key, value) in more {
            if !own.iter().any(|(known, _)| known == key) {
                own.push((key.clone(), value.clone()));
            }
        }
    };
    add(&mut merged.labels, &global.labels);
    add(&mut merged.annotations, &global.annotations);
    merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    merged.immutable |= global.immutable;
    Some(merged)
}

fn base_node(kind: Generated, args: &GeneratorArgs) -> Node {
    let plain = |text: &str| Node::scalar(text, Style::Plain);
    let kind = if kind == Generated::ConfigMap {
        "ConfigMap"
    } else {
        "Secret"
    };
    let mut metadata = vec![(plain("name"), string(args.name.as_str()))];
    if !args.namespace.is_empty() {
        metadata.push((plain("namespace"), string(args.namespace.as_str())));
    }
    Node::mapping(vec![
        (plain("apiVersion"), plain("v1")),
        (plain("kind"), plain(kind)),
        (plain("metadata"), Node::mapping(metadata)),
    ])
}

fn load_config_map(node: &mut Node, pairs: Vec<Pair>) -> Result<(), String> {
    let (mut data, mut binary) = (Vec::new(), Vec::new());
    for (key, value) in pairs {
        match String::from_utf8(value) {
            Ok(text) => data.push((key, text)),
            Err(error) => binary.push((key, encode_base64(error.as_bytes()))),
        }
    }
    set_data(node, "data", data)?;
    set_data(node, "binaryData", binary)
}

fn set_data(node: &mut Node, field: &str, data: Vec<(String, String)>) -> Result<(), String> {
    if data.is_empty() {
        return Ok(());
    }
    let entries = data
        .into_iter()
        .map(|(key, value)| (Node::scalar(key, Style::Plain), string(value)));
    set_field(node, field, Node::mapping(entries.collect()))
}

/// Encodes as base64, in lines of 70 characters where it is longer, as Kustomize does.
fn encode_base64(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = base64::encode(bytes);
    if text.len() / LINE == 0 {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(LINE.min(rest.len()));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}

/// All pairs: from env files, then literals, then files.
fn load_pairs(loader: &Loader<'_>, args: &GeneratorArgs) -> Result<Vec<Pair>, LoadError> {
    let mut pairs = Vec::new();
    for path in &args.envs {
        read_env_file(&loader.load(path)?, &mut pairs)?;
    }
    for literal in &args.literals {
        pairs.push(read_literal(literal)?);
    }
    for source in &args.files {
        let (key, path) = read_file_source(source)?;
        pairs.push((key, loader.load(&path)?.to_vec()));
    }
    Ok(pairs)
}

fn read_literal(literal: &str) -> Result<Pair, String> {
    match literal.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok((key.to_owned(), without_quotes(value).as_bytes().to_vec()))
        }
        _ => Err("invalid literal source, expected key=value".to_owned()),
    }
}

/// Takes one pair of quotes off.
fn without_quotes(text: &str) -> &str {
    let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

fn read_file_source(source: &str) -> Result<(String, String), String> {
    let parts: Vec<&str> = source.split('=').collect();
    match parts[..] {
        [path] => {
            let name = path
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            Ok((name.to_owned(), path.to_owned()))
        }
        ["", path] => Err(format!(
            "missing key name for file path \"{path}\" in source \"{source}\""
        )),
        [key, ""] => Err(format!(
            "missing file path for key name \"{key}\" in source \"{source}\""
        )),
        [key, path] => Ok((key.to_owned(), path.to_owned())),
        _ => Err(format!(
            "source \"{source}\" key name or file path contains '='"
        )),
    }
}

fn read_env_file(bytes: &[u8], pairs: &mut Vec<Pair>) -> Result<(), String> {
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.len() > LONGEST_ENV_LINE {
            return Ok(());
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(format!("line {} of an env file is not UTF-8", number + 1));
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 0 {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            pairs.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// Gives a generated resource the name and history of the one that it replaces or merges into.
pub(crate) fn take_over(resource: &mut Resource, old: &Resource) -> Result<(), String> {
    let merges = resource.behavior == Behavior::Merge;
    for field in ["labels", "annotations"] {
        let mut map = old.metadata_map(field);
        overlay(&mut map, resource.metadata_map(field));
        resource.set_metadata_map(field, map)?;
    }
    resource.set_name(old.name())?;
    resource.set_namespace(old.namespace())?;
    resource.history.clone_from(&old.history);
    resource.prefixes.clone_from(&old.prefixes);
    resource.suffixes.clone_from(&old.suffixes);
    resource.var_names.clone_from(&old.var_names);
    resource.behavior = old.behavior;
    resource.is_generated = true;
    resource.needs_hash = resource.needs_hash && old.needs_hash;
    if merges {
        for field in ["data", "binaryData"] {
            let mut map = text_map(&old.node, field);
            overlay(&mut map, text_map(&resource.node, field));
            clear_field(&mut resource.node, field);
            set_data(&mut resource.node, field, map)?;
        }
        if old.origin.is_some() {
            resource.origin.clone_from(&old.origin);
        }
    }
    Ok(())
}

fn overlay(map: &mut Vec<(String, String)>, more: Vec<(String, String)>) {
    for (key, value) in more {
        match map.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => map.push((key, value)),
        }
    }
}

fn text_map(node: &Node, field: &str) -> Vec<(String, String)> {
    let entries = node.get(field).and_then(Node::entries).unwrap_or_default();
    let text = |node: &Node| match node.text() {
        Some(text) if !is_null(node) => text.to_owned(),
        _ => String::new(),
    };
    entries
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect()
}
