//! `replacements`: the value of one field is written into others, also into fields of YAML and
//! JSON texts.

mod path;

use holdfast_model::Value;
use holdfast_model::object::split_api_version;
use holdfast_yaml::{HtmlEscape, Limits, Node, NodeValue, Style, Tree, read_first_node};
use holdfast_yaml::{to_json, to_json_indent, to_yaml_v3};

use crate::config::Gvk;
use crate::decode::{Fields, Scalars};
use crate::file::{Selector, each, optional, read_selector};
use crate::node::{Tag, is_empty, tag_of};
use crate::resource::{Resource, effective};
use crate::resources::{Matcher, Resources};
use crate::selector::matches_labels;
use crate::value::to_value;
use path::{at_steps, find, look_up, split_smart};

/// A replacement that was read.
pub(crate) struct Replacement {
    source: Option<Source>,
    source_value: Option<String>,
    targets: Option<Vec<Target>>,
}

struct Source {
    gvk: Gvk,
    name: String,
    namespace: String,
    field_path: String,
    options: Option<FieldOptions>,
}

struct Target {
    select: Option<Selector>,
    reject: Vec<Selector>,
    field_paths: Vec<String>,
    options: Option<FieldOptions>,
}

#[derive(Clone, Default)]
struct FieldOptions {
    delimiter: String,
    index: i64,
    create: bool,
}

/// Reads a replacement; unknown fields are refused only where the kustomization holds it itself.
pub(crate) fn read_replacement(fields: &mut Fields<'_>) -> Result<Replacement, String> {
    let source = optional(fields, "source", |fields| {
        Ok(Source {
            gvk: Gvk::decode(fields)?,
            name: fields.strict_text("name")?,
            namespace: fields.strict_text("namespace")?,
            field_path: fields.text("fieldPath")?,
            options: optional(fields, "options", read_options)?,
        })
    })?;
    let targets = if fields.has("targets") {
        Some(each(fields, "targets", |fields| {
            Ok(Target {
                select: optional(fields, "select", read_selector)?,
                reject: each(fields, "reject", read_selector)?,
                field_paths: fields.texts("fieldPaths")?,
                options: optional(fields, "options", read_options)?,
            })
        })?)
    } else {
        None
    };
    Ok(Replacement {
        source,
        source_value: fields.optional_text("sourceValue")?,
        targets,
    })
}

fn read_options(fields: &mut Fields<'_>) -> Result<FieldOptions, String> {
    fields.text("encoding")?;
    Ok(FieldOptions {
        delimiter: fields.text("delimiter")?,
        index: fields.integer("index")?,
        create: fields.flag("create")?,
    })
}

/// Applies replacements one after the other.
pub(crate) fn replace(resources: &mut Resources, all: &[Replacement]) -> Result<(), String> {
    for replacement in all {
        let missing = replacement.source.is_none() && replacement.source_value.is_none();
        let Some(targets) = replacement.targets.as_ref().filter(|_| !missing) else {
            return Err("replacements must specify a source and at least one target".to_owned());
        };
        let value = source_value(resources, replacement)?;
        for target in targets {
            apply(resources, &value, target)?;
        }
    }
    Ok(())
}

fn source_value(resources: &Resources, replacement: &Replacement) -> Result<Node, String> {
    let source = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => {
            return Err("value and resource selectors are mutually exclusive".to_owned());
        }
        (None, value) => {
            let text = value.as_deref().unwrap_or_default();
            return Ok(Node::scalar(text, Style::Plain));
        }
        (Some(source), None) => source,
    };
    let shown = format!(
        "{}.{}.{}/{}.{}",
        source.gvk.kind, source.gvk.version, source.gvk.group, source.name, source.namespace
    );
    let found = resources.positions(|resource| is_source(resource, source));
    let at = match found[..] {
        [at] => at,
        [] => return Err(format!("nothing selected by {shown}")),
        _ => return Err(format!("multiple matches for selector {shown}")),
    };
    let field_path = or_name(&source.field_path);
    let node = look_up(&resources.list[at].node, &split_smart(field_path))
        .map_err(|error| format!("error looking up replacement source: {error}"))?;
    let Some(node) = node.filter(|node| !is_empty(node)) else {
        return Err(format!(
            "fieldPath `{field_path}` is missing for replacement source {shown}"
        ));
    };
    let Some(options) = source
        .options
        .as_ref()
        .filter(|options| !options.delimiter.is_empty())
    else {
        return Ok(unplaced(node.clone()));
    };
    let Some(text) = node.text() else {
        return Err("delimiter option can only be used with scalar nodes".to_owned());
    };
    let parts: Vec<&str> = text.split(&options.delimiter).collect();
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|index| parts.get(index));
    let Some(part) = part else {
        return Err(format!("options.index {} is out of bounds", options.index));
    };
    let mut node = unplaced(node.clone());
    set_text_of(&mut node, part);
    Ok(node)
}

/// A node without the places by which a resource knows its shared ones.
fn unplaced(mut node: Node) -> Node {
    (node.line, node.column) = (0, 0);
    match &mut node.value {
        NodeValue::Scalar(_) => {}
        NodeValue::Sequence(items) => {
            for item in items {
                *item = unplaced(std::mem::replace(item, Node::sequence(Vec::new())));
            }
        }
        NodeValue::Mapping(entries) => {
            for (_, value) in entries {
                *value = unplaced(std::mem::replace(value, Node::sequence(Vec::new())));
            }
        }
    }
    node
}

fn or_name(path: &str) -> &str {
    if path.is_empty() {
        "metadata.name"
    } else {
        path
    }
}

/// The name and namespace as written, now and before, with the kind that goes with them.
fn written_ids(resource: &Resource) -> Vec<(&str, &str, &str)> {
    let mut ids = vec![(resource.kind(), resource.name(), resource.namespace())];
    for past in &resource.history {
        ids.push((&past.kind, &past.name, &past.namespace));
    }
    ids
}

fn is_source(resource: &Resource, source: &Source) -> bool {
    let (group, version) = split_api_version(resource.api_version());
    written_ids(resource).iter().any(|(kind, name, namespace)| {
        (source.name.is_empty() || source.name == *name)
            && (source.namespace.is_empty() || effective(&source.namespace) == effective(namespace))
            && source.gvk.selects(group, version, kind)
    })
}

fn apply(resources: &mut Resources, value: &Node, target: &Target) -> Result<(), String> {
    let Some(select) = &target.select else {
        return Err("target must specify resources to select".to_owned());
    };
    let matcher = Matcher::new(select)?;
    let rejects: Result<Vec<Matcher>, String> = target.reject.iter().map(Matcher::new).collect();
    let rejects = rejects?;
    for resource in &mut resources.list {
        if !fits_labels(resource, target, select)? {
            continue;
        }
        let (group, version) = split_api_version(resource.api_version());
        let ids = written_ids(resource);
        let matches = |matcher: &Matcher| {
            ids.iter().any(|(kind, name, namespace)| {
                matcher.matches_gvk(group, version, kind)
                    && matcher.matches_name(name)
                    && matcher.matches_namespace(namespace)
            })
        };
        let rejected = target
            .reject
            .iter()
            .zip(&rejects)
            .any(|(selector, matcher)| {
                let names_something = selector.gvk != Gvk::default()
                    || !selector.name.is_empty()
                    || !selector.namespace.is_empty();
                names_something && matches(matcher)
            });
        if !rejected && matches(&matcher) {
            copy_value(&mut resource.node, value, target)?;
        }
    }
    Ok(())
}

fn fits_labels(resource: &Resource, target: &Target, select: &Selector) -> Result<bool, String> {
    let (labels, annotations) = (
        resource.metadata_map("labels"),
        resource.metadata_map("annotations"),
    );
    let fits = |selector: &Selector| -> Result<bool, String> {
        Ok(matches_labels(&selector.annotations, &annotations)?
            && matches_labels(&selector.labels, &labels)?)
    };
    if !fits(select)? {
        return Ok(false);
    }
    for reject in &target.reject {
        if (!reject.annotations.is_empty() || !reject.labels.is_empty()) && fits(reject)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_value(node: &mut Node, value: &Node, target: &Target) -> Result<(), String> {
    let default = [String::new()];
    let paths = if target.field_paths.is_empty() {
        &default[..]
    } else {
        &target.field_paths
    };
    let options = target.options.clone().unwrap_or_default();
    for path in paths {
        let path = or_name(path);
        let parts = split_smart(path);
        let create = options.create.then_some(value);
        if set_in_text(node, value, &parts, create).is_some() {
            continue;
        }
        let verb = if options.create {
            "find or create"
        } else {
            "find"
        };
        let missing = || format!("unable to {verb} field \"{path}\" in replacement target");
        let found =
            find(node, &parts, create).map_err(|error| format!("{}: {error}", missing()))?;
        if found.is_empty() {
            return Err(missing());
        }
        for steps in found {
            if let Some(field) = at_steps(node, &steps) {
                set_value(field, value, &options)?;
            }
        }
    }
    Ok(())
}

fn set_value(field: &mut Node, value: &Node, options: &FieldOptions) -> Result<(), String> {
    let mut value = value.clone();
    if !options.delimiter.is_empty() {
        let Some(text) = field.text() else {
            return Err("delimiter option can only be used with scalar nodes".to_owned());
        };
        let new = value.text().unwrap_or_default();
        let mut parts: Vec<&str> = text.split(&options.delimiter).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, new),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = new,
                None => parts.push(new),
            },
        }
        let joined = parts.join(&options.delimiter);
        if value.text().is_some() {
            set_text_of(&mut value, &joined);
        }
    }
    write_value(field, &value);
    Ok(())
}

/// Changes the fields at a path, which is made where it is absent.
pub(crate) fn change_at(
    node: &mut Node,
    path: &[String],
    change: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<(), String> {
    let scalar = made("");
    for steps in find(node, path, Some(&scalar))? {
        if let Some(field) = at_steps(node, &steps) {
            change(field)?;
        }
    }
    Ok(())
}

/// Scalars keep what they were read as and only change their text; anything else is replaced.
fn write_value(field: &mut Node, value: &Node) {
    if field.text().is_some() {
        set_text_of(field, value.text().unwrap_or_default());
    } else {
        *field = value.clone();
    }
}

fn set_text_of(node: &mut Node, text: &str) {
    let is_new = node.tag.as_deref() == Some("!");
    let tag = match tag_of(node) {
        Tag::Null => "!!null",
        Tag::Bool => "!!bool",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Str => "!!str",
        Tag::Other => "",
    };
    node.value = NodeValue::Scalar(text.to_owned());
    if is_new {
        node.tag = None;
    } else if node.style == Style::Plain && !tag.is_empty() {
        node.tag = Some(tag.into());
    }
}

/// Where the path goes on below a scalar that holds YAML or JSON, sets the field in there.
fn set_in_text(
    node: &mut Node,
    value: &Node,
    parts: &[String],
    create: Option<&Node>,
) -> Option<()> {
    let length = (1..parts.len()).find(|&length| {
        let scalar = look_up(node, &parts[..length]).ok().flatten();
        let text = scalar.and_then(Node::text);
        text.is_some_and(|text| read_first_node(text, &Limits::default()).is_ok())
    })?;
    let steps = find(node, &parts[..length], None)
        .ok()?
        .into_iter()
        .next()?;
    let scalar = at_steps(node, &steps)?;
    let text = scalar.text()?.to_owned();
    let mut inner = read_first_node(&text, &Limits::default()).ok()??.node;
    let found = find(&mut inner, &parts[length..], create).ok()?;
    if found.is_empty() {
        return None;
    }
    for steps in found {
        write_value(at_steps(&mut inner, &steps)?, value);
    }
    let first = text.trim_start().chars().next()?;
    let written = if matches!(first, '{' | '[') {
        let tree = Tree::from(&to_value(&inner).ok()?);
        if text.contains('\n') && text.contains("  ") {
            to_json_indent(&tree, HtmlEscape::On, "  ")
        } else {
            to_json(&tree, HtmlEscape::On)
        }
    } else {
        to_yaml_v3(&inner).trim().to_owned()
    };
    set_text_of(scalar, &written);
    Some(())
}

/// What `kyaml` writes for a scalar, quotes and all; list selectors are matched against that.
fn written(node: &Node) -> String {
    match &node.value {
        NodeValue::Scalar(text) if node.style == Style::Plain && tag_of(node) != Tag::Str => {
            text.clone()
        }
        _ => to_yaml_v3(node).trim().to_owned(),
    }
}

/// Reads a file of replacements: one or a list of them.
pub(crate) fn read_file(value: &Value) -> Result<Vec<Replacement>, String> {
    let read = |value: &Value| {
        let mut fields = Fields::of(value, Scalars::AsTexts)?;
        let replacement = read_replacement(&mut fields)?;
        fields.ignore_rest();
        Ok(replacement)
    };
    match value {
        Value::Array(items) => items.iter().map(read).collect(),
        Value::Object(_) => Ok(vec![read(value)?]),
        _ => Err("unsupported replacement type encountered within replacement path".to_owned()),
    }
}

/// A scalar that is made for a path; it means whatever its text means.
fn made(text: &str) -> Node {
    Node::scalar(text, Style::Plain)
}
