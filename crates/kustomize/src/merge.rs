//! Strategic merge as Kustomize's `kyaml` does it: mappings merge field by field, lists by their
//! merge keys where the schema names some, `$patch` directives and nulls take away.
//!
//! The order of merged lists comes out of a sequence of set and append steps on shared nodes, and
//! people rely on it. Nodes are therefore kept in an arena while they merge, so that the same node
//! can stand in several lists at once, as it does there.

mod list;

use std::collections::HashMap;

use holdfast_yaml::{Node, NodeValue, Style};

use crate::node::{is_null, kind_name, restyle, string};
use crate::tables::{Field, Types};

/// A node in the arena.
type Index = usize;

/// The field that holds a directive.
const DIRECTIVE: &str = "$patch";

/// What a node holds; scalars stay YAML nodes, so that tag and style stay with them.
#[derive(Clone)]
enum Content {
    Scalar(Node),
    Sequence(Vec<Index>),
    Mapping(Vec<(Node, Index)>),
}

struct Slot {
    content: Content,
    style: Style,
    tag: Option<Box<str>>,
    place: (u32, u32),
    /// A null that was written in full and not mentioned by the patch stays.
    kept_null: bool,
}

pub(super) struct Merger<'a> {
    types: &'a Types,
    slots: Vec<Slot>,
    /// Scalars that stand in several places of the target; see `Resource::shared`.
    shared: HashMap<u32, Index>,
}

/// What a directive says.
#[derive(Clone, Copy, PartialEq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// What is known about the type of a node.
#[derive(Clone, Copy, Default)]
struct Schema<'a> {
    /// Whether anything is known.
    known: bool,
    type_index: Option<usize>,
    merge_keys: Option<&'a [String]>,
}

/// Merges a patch into a node. `None` when nothing is left.
pub(crate) fn merge(target: Node, patch: Node, types: &Types) -> Result<Option<Node>, String> {
    let mut merger = Merger {
        types,
        slots: Vec::new(),
        shared: HashMap::new(),
    };
    let target = merger.insert(target);
    let patch = merger.insert(patch);
    let merged = merger.walk(Some(target), Some(patch), Schema::default())?;
    // A patch that replaces the whole object changes nothing in Kustomize.
    if merged.is_none() {
        return Ok(None);
    }
    let mut counts = vec![0; merger.slots.len()];
    merger.count(target, &mut counts);
    Ok(Some(merger.take(target, &counts)))
}

impl<'a> Merger<'a> {
    fn insert(&mut self, node: Node) -> Index {
        let place = (node.line, node.column);
        if let Some(&shared) = self.shared.get(&place.1).filter(|_| place.0 == 0) {
            return shared;
        }
        let (style, tag) = (node.style, node.tag.clone());
        let content = match node.value {
            NodeValue::Scalar(_) => Content::Scalar(node),
            NodeValue::Sequence(items) => {
                Content::Sequence(items.into_iter().map(|item| self.insert(item)).collect())
            }
            NodeValue::Mapping(entries) => Content::Mapping(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, self.insert(value)))
                    .collect(),
            ),
        };
        self.slots.push(Slot {
            content,
            style,
            tag,
            place,
            kept_null: false,
        });
        let index = self.slots.len() - 1;
        if place.0 == 0 && place.1 > 0 {
            self.shared.insert(place.1, index);
        }
        index
    }

    /// Counts how often each node stands below this one.
    fn count(&self, index: Index, counts: &mut [u32]) {
        counts[index] += 1;
        match &self.slots[index].content {
            Content::Scalar(_) => {}
            Content::Sequence(items) => items.iter().for_each(|&item| self.count(item, counts)),
            Content::Mapping(entries) => {
                for &(_, value) in entries {
                    self.count(value, counts);
                }
            }
        }
    }

    /// Takes a node out of the arena; what stands in several places is copied.
    fn take(&mut self, index: Index, counts: &[u32]) -> Node {
        let gone = Content::Sequence(Vec::new());
        let content = if counts[index] > 1 {
            self.slots[index].content.clone()
        } else {
            std::mem::replace(&mut self.slots[index].content, gone)
        };
        let value = match content {
            Content::Scalar(node) => return node,
            Content::Sequence(items) => {
                let items = items.into_iter().map(|item| self.take(item, counts));
                NodeValue::Sequence(items.collect())
            }
            Content::Mapping(entries) => {
                let entries = entries.into_iter();
                let entries = entries.map(|(key, value)| (key, self.take(value, counts)));
                NodeValue::Mapping(entries.collect())
            }
        };
        let slot = &self.slots[index];
        Node {
            value,
            tag: slot.tag.clone(),
            style: slot.style,
            line: slot.place.0,
            column: slot.place.1,
        }
    }

    fn is_null(&self, index: Index) -> bool {
        matches!(&self.slots[index].content, Content::Scalar(node) if is_null(node))
    }

    fn is_missing(&self, index: Option<Index>) -> bool {
        index.is_none_or(|index| self.is_null(index))
    }

    fn field(&self, index: Index, name: &str) -> Option<Index> {
        let Content::Mapping(entries) = &self.slots[index].content else {
            return None;
        };
        let found = entries.iter().find(|(key, _)| key.text() == Some(name));
        found.map(|&(_, value)| value)
    }

    fn text(&self, index: Index) -> &str {
        match &self.slots[index].content {
            Content::Scalar(node) => node.text().unwrap_or_default(),
            _ => "",
        }
    }

    fn items(&self, index: Index) -> Vec<Index> {
        match &self.slots[index].content {
            Content::Sequence(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn kind(&self, index: Index) -> &'static str {
        match &self.slots[index].content {
            Content::Scalar(node) => kind_name(node),
            Content::Sequence(_) => "a sequence",
            Content::Mapping(_) => "a mapping",
        }
    }

    fn remove_field(&mut self, index: Index, name: &str) {
        if let Content::Mapping(entries) = &mut self.slots[index].content
            && let Some(at) = entries.iter().position(|(key, _)| key.text() == Some(name))
        {
            entries.remove(at);
        }
    }

    /// Sets a field to a node; nulls and nothing take it away.
    fn set_field(&mut self, index: Index, name: &str, value: Option<Index>) -> Result<(), String> {
        let Some(value) =
            value.filter(|&value| !self.is_null(value) || self.slots[value].kept_null)
        else {
            self.remove_field(index, name);
            return Ok(());
        };
        if let Some(old) = self.field(index, name) {
            self.overwrite(old, value);
            return Ok(());
        }
        match &mut self.slots[index].content {
            Content::Mapping(entries) => {
                entries.push((Node::scalar(name, Style::Plain), value));
                Ok(())
            }
            _ => Err(format!("expected a mapping, found {}", self.kind(index))),
        }
    }

    /// Makes a node what another one is; scalars keep the style of the place.
    fn overwrite(&mut self, old: Index, value: Index) {
        if old == value {
            return;
        }
        let style = self.slots[old].style;
        let content = match &self.slots[value].content {
            Content::Scalar(node) => {
                let mut node = restyle(node.clone(), style);
                (node.line, node.column) = self.slots[old].place;
                Content::Scalar(node)
            }
            content => content.clone(),
        };
        let (tag, kept_null) = (self.slots[value].tag.clone(), self.slots[value].kept_null);
        let new_style = match &content {
            Content::Scalar(node) => node.style,
            _ => self.slots[value].style,
        };
        let slot = &mut self.slots[old];
        slot.content = content;
        slot.tag = tag;
        slot.style = new_style;
        slot.kept_null = kept_null;
    }

    /// Merges what stands at the same place of target and patch. The result is one of the two, or
    /// nothing.
    fn walk(
        &mut self,
        target: Option<Index>,
        patch: Option<Index>,
        schema: Schema<'a>,
    ) -> Result<Option<Index>, String> {
        let schema = self.schema_for(target, patch, schema);
        let leading = [target, patch]
            .into_iter()
            .flatten()
            .find(|&index| !self.is_null(index));
        let Some(leading) = leading else {
            return self.walk_mapping(target, patch, schema);
        };
        let kind = self.kind(leading);
        for other in [target, patch].into_iter().flatten() {
            if !self.is_null(other) && self.kind(other) != kind {
                let found = self.kind(other);
                return Err(format!("wrong node kind: expected {kind} but got {found}"));
            }
        }
        match &self.slots[leading].content {
            Content::Mapping(_) => self.walk_mapping(target, patch, schema),
            Content::Sequence(_) => match schema.merge_keys {
                Some(keys) => self.walk_list(target, patch, keys, schema),
                None => Ok(patch.or(target)),
            },
            Content::Scalar(_) => Ok(patch.or(target)),
        }
    }

    /// Where nothing is known by the place, a nested object may say itself what it is.
    fn schema_for(
        &self,
        target: Option<Index>,
        patch: Option<Index>,
        schema: Schema<'a>,
    ) -> Schema<'a> {
        if schema.known {
            return schema;
        }
        for index in [target, patch].into_iter().flatten() {
            let text = |name: &str| {
                let field = self
                    .field(index, name)
                    .filter(|&field| !self.is_null(field));
                field.map(|field| self.text(field)).unwrap_or_default()
            };
            let (kind, api_version) = (text("kind"), text("apiVersion"));
            if let Some(type_index) = self.types.of_kind(api_version, kind) {
                return Schema {
                    known: true,
                    type_index: Some(type_index),
                    merge_keys: None,
                };
            }
        }
        schema
    }

    fn field_schema(&self, schema: Schema<'a>, name: &str) -> Schema<'a> {
        let Some(type_index) = schema.type_index else {
            return Schema::default();
        };
        match self.types.field(type_index, name) {
            Some(Field {
                type_index,
                merge_keys,
            }) => Schema {
                known: true,
                type_index: *type_index,
                merge_keys: merge_keys.as_deref(),
            },
            None => Schema::default(),
        }
    }

    fn walk_mapping(
        &mut self,
        target: Option<Index>,
        patch: Option<Index>,
        schema: Schema<'a>,
    ) -> Result<Option<Index>, String> {
        let Some(result) = self.visit_mapping(target, patch)? else {
            return Ok(None);
        };
        let mut names = self.field_names(Some(result));
        names.extend(self.field_names(patch));
        names.sort();
        names.dedup();
        for name in names {
            let field = self.field_schema(schema, &name);
            let ours = self.field(result, &name);
            let theirs = patch.and_then(|patch| self.field(patch, &name));
            let merged = self
                .walk(ours, theirs, field)
                .map_err(|error| format!("{name}: {error}"))?;
            self.set_field(result, &name, merged)?;
        }
        Ok(Some(result))
    }

    fn field_names(&self, index: Option<Index>) -> Vec<String> {
        let Some(Content::Mapping(entries)) = index.map(|index| &self.slots[index].content) else {
            return Vec::new();
        };
        let text = |(key, _): &(Node, Index)| key.text().unwrap_or_default().to_owned();
        entries.iter().map(text).collect()
    }

    /// Which of the two mappings the result is written into; nothing when it is to go.
    fn visit_mapping(
        &mut self,
        target: Option<Index>,
        patch: Option<Index>,
    ) -> Result<Option<Index>, String> {
        let Some(target) = target.filter(|&target| !self.is_null(target)) else {
            if self.directive(patch).unwrap_or(Directive::Merge) == Directive::Delete {
                return Ok(None);
            }
            if let (None, Some(target)) = (patch, target)
                && !self.text(target).is_empty()
            {
                self.slots[target].kept_null = true;
                return Ok(Some(target));
            }
            return Ok(patch);
        };
        if patch.is_some_and(|patch| self.is_null(patch)) {
            return Ok(None);
        }
        match self.directive(patch)? {
            Directive::Delete => Ok(None),
            Directive::Replace => Ok(patch),
            Directive::Merge => Ok(Some(target)),
        }
    }

    /// Reads a directive and takes it out of the patch.
    fn directive(&mut self, patch: Option<Index>) -> Result<Directive, String> {
        let Some(patch) = patch else {
            return Ok(Directive::Merge);
        };
        match &self.slots[patch].content {
            Content::Mapping(_) => {
                let Some(field) = self.field(patch, DIRECTIVE) else {
                    return Ok(Directive::Merge);
                };
                let directive = directive_of(self.text(field))?;
                self.remove_field(patch, DIRECTIVE);
                Ok(directive)
            }
            Content::Sequence(items) => {
                let holds = |&&item: &&Index| self.field(item, DIRECTIVE).is_some();
                let Some(&item) = items.iter().find(holds) else {
                    return Ok(Directive::Merge);
                };
                let alone = matches!(&self.slots[item].content, Content::Mapping(entries) if entries.len() == 1);
                let Some(field) = self.field(item, DIRECTIVE).filter(|_| alone) else {
                    return Ok(Directive::Merge);
                };
                let word = self.text(field).to_owned();
                let directive = directive_of(&word)?;
                self.set_element(patch, None, &[DIRECTIVE.to_owned()], &[word]);
                Ok(directive)
            }
            Content::Scalar(_) => Err("no strategic merge patch directive for a scalar".to_owned()),
        }
    }

    /// A scalar made for a key's value.
    fn made_scalar(&mut self, text: &str) -> Index {
        let node = string(text);
        self.slots.push(Slot {
            style: Style::Plain,
            tag: None,
            place: (0, 0),
            kept_null: false,
            content: Content::Scalar(node),
        });
        self.slots.len() - 1
    }
}

fn directive_of(word: &str) -> Result<Directive, String> {
    match word {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        word => Err(format!("unknown patch strategy '{word}'")),
    }
}
