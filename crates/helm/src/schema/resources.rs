//! Documents of schemas: which parts of them have identifiers and anchors, by which draft each part
//! is read, and where references lead. Documents are never fetched.
//!
//! It must not know what keywords ask for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use holdfast_go::quote::quoted;
use holdfast_go::url::Address;
use holdfast_model::Value as Json;

use super::address::{Reference, join, place, split, split_fragment, untoken};
use super::draft::{self, Dialect, Draft};

/// A place in a document: its address and a pointer.
pub(super) type Place = (String, String);

/// A part of a document with an identifier; the root is always one.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    /// Its address.
    pub(super) id: String,
    /// The rules that it is read by.
    pub(super) dialect: Dialect,
    /// Pointers of its anchors.
    pub(super) anchors: BTreeMap<String, String>,
    /// Those of them that are dynamic.
    pub(super) dynamic_anchors: BTreeSet<String>,
}

/// A document, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Root<'d> {
    url: String,
    /// Its content.
    pub(super) document: &'d Json,
    /// Its resources, by their pointers. The root is there from the start.
    pub(super) resources: BTreeMap<String, Resource>,
    /// The schemas in it that have been looked through.
    seen: HashSet<String>,
}

impl Root<'_> {
    /// The resource that a schema is part of, and its pointer.
    pub(super) fn resource(&self, pointer: &str) -> (&str, &Resource) {
        let mut pointer = match self.resources.len() {
            1 => "",
            _ => pointer,
        };
        loop {
            if let Some((found, resource)) = self.resources.get_key_value(pointer) {
                return (found, resource);
            }
            pointer = pointer.rfind('/').map_or("", |slash| &pointer[..slash]);
        }
    }

    /// Where a reference leads in this document; nothing when it leads to another.
    ///
    /// # Errors
    /// The library's words for an anchor that is not there.
    pub(super) fn resolve(&self, reference: &Reference) -> Result<Option<Place>, String> {
        let found = match reference.url == self.url {
            true => self.resources.get_key_value(""),
            false => {
                let mut resources = self.resources.iter();
                resources.find(|(_, resource)| resource.id == reference.url)
            }
        };
        let Some((pointer, resource)) = found else {
            return Ok(None);
        };
        let fragment = &reference.fragment;
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(Some((self.url.clone(), format!("{pointer}{fragment}"))));
        }
        match resource.anchors.get(fragment) {
            Some(anchored) => Ok(Some((self.url.clone(), anchored.clone()))),
            None => {
                let reference = Reference {
                    url: resource.id.clone(),
                    fragment: fragment.clone(),
                };
                Err(format!(
                    "anchor in {} not found in schema {}",
                    quoted(&reference.to_string()),
                    quoted(&self.url)
                ))
            }
        }
    }

    fn add_anchor(&mut self, owner: &str, anchor: &str, pointer: &str) -> Result<(), String> {
        let Some(resource) = self.resources.get_mut(owner) else {
            return Ok(());
        };
        match resource.anchors.get(anchor) {
            Some(known) if known == pointer => Ok(()),
            Some(known) => Err(format!(
                "duplicate anchor {} in {} at {} and {}",
                quoted(anchor),
                quoted(&self.url),
                quoted(known),
                quoted(pointer)
            )),
            None => {
                resource
                    .anchors
                    .insert(anchor.to_owned(), pointer.to_owned());
                Ok(())
            }
        }
    }

    /// Notes the anchors of a schema, which belong to the resource at `owner`.
    fn collect_anchors(&mut self, schema: &Json, pointer: &str, owner: &str) -> Result<(), String> {
        let draft = match self.resources.get(owner) {
            Some(resource) => resource.dialect.draft,
            None => return Ok(()),
        };
        let text = |key: &str| schema.get(key).and_then(Json::as_str);
        if draft < Draft::Y2019 {
            if schema.get("$ref").is_some() {
                return Ok(());
            }
            if let Some(id) = text(draft.id_key()) {
                let here = place(&self.url, pointer);
                let fragment = split_fragment(id).map(|(_, fragment)| fragment);
                let fragment = fragment
                    .map_err(|_| format!("error in parsing anchor at {}", quoted(&here)))?;
                if !fragment.is_empty() && !fragment.starts_with('/') {
                    self.add_anchor(owner, &fragment, pointer)?;
                }
            }
            return Ok(());
        }
        if let Some(anchor) = text("$anchor") {
            self.add_anchor(owner, anchor, pointer)?;
        }
        if draft >= Draft::Y2020
            && let Some(anchor) = text("$dynamicAnchor")
        {
            self.add_anchor(owner, anchor, pointer)?;
            if let Some(resource) = self.resources.get_mut(owner) {
                resource.dynamic_anchors.insert(anchor.to_owned());
            }
        }
        Ok(())
    }
}

/// What a pointer leads to.
///
/// # Errors
/// The library's words for a pointer that is none, or leads nowhere.
pub(super) fn find<'d>(document: &'d Json, url: &str, pointer: &str) -> Result<&'d Json, String> {
    let mut found = document;
    for token in pointer.split('/').skip(1) {
        let here = || quoted(&place(url, pointer));
        let key = untoken(token).ok_or_else(|| format!("invalid json-pointer {}", here()))?;
        let next = match found {
            Json::Object(table) => table.get(&key),
            Json::Array(list) => key.parse().ok().and_then(|at: usize| list.get(at)),
            _ => None,
        };
        found = next.ok_or_else(|| format!("json-pointer in {} not found", here()))?;
    }
    Ok(found)
}

/// All documents that a schema leads to.
#[derive(Debug, Default)]
pub(super) struct Roots<'d> {
    given: BTreeMap<String, &'d Json>,
    roots: BTreeMap<String, Root<'d>>,
}

/// What a name without a place stands for, as Helm has it: anything fits.
static ANYTHING: Json = Json::Bool(true);

impl<'d> Roots<'d> {
    /// With one document that is given.
    pub(super) fn new(url: &str, document: &'d Json) -> Self {
        Self {
            given: BTreeMap::from([(url.to_owned(), document)]),
            roots: BTreeMap::new(),
        }
    }

    /// A document that has been opened.
    pub(super) fn get(&self, url: &str) -> Option<&Root<'d>> {
        self.roots.get(url)
    }

    /// Puts a document back, or in.
    pub(super) fn put(&mut self, root: Root<'d>) {
        self.roots.insert(root.url.clone(), root);
    }

    /// A document, looked through for resources, that has not been put in.
    ///
    /// # Errors
    /// The library's words for one that cannot be had, or whose identifiers or anchors are wrong.
    pub(super) fn open(&self, url: &str) -> Result<Root<'d>, String> {
        let document = self.load(url)?;
        let mut root = Root {
            url: url.to_owned(),
            document,
            resources: BTreeMap::from([(String::new(), Resource::default())]),
            seen: HashSet::new(),
        };
        self.collect(&mut root, document, (url, ""), &Dialect::default())?;
        Ok(root)
    }

    /// A copy of a document with a schema in a place looked through where no keyword holds one;
    /// nothing when it was.
    ///
    /// # Errors
    /// As [`Roots::open`].
    pub(super) fn widened(
        &self,
        root: &Root<'d>,
        pointer: &str,
    ) -> Result<Option<Root<'d>>, String> {
        if root.seen.contains(pointer) {
            return Ok(None);
        }
        let schema = find(root.document, &root.url, pointer)?;
        let mut wider = root.clone();
        let (_, resource) = root.resource(pointer);
        self.collect(
            &mut wider,
            schema,
            (&resource.id, pointer),
            &resource.dialect,
        )?;
        if !wider.resources.contains_key(pointer) {
            let owner = wider.resource(pointer).0.to_owned();
            wider.collect_anchors(schema, pointer, &owner)?;
        }
        Ok(Some(wider))
    }

    fn load(&self, url: &str) -> Result<&'d Json, String> {
        if let Some(given) = self.given.get(url) {
            return Ok(given);
        }
        if let Some(document) = draft::document(url) {
            return Ok(document);
        }
        let problem = match Address::parse(url) {
            Err(refused) => refused.to_string(),
            Ok(address) => match address.scheme.as_str() {
                "urn" => return Ok(&ANYTHING),
                // Files of the machine are none of a chart's business.
                "file" => format!("open {}: no such file or directory", address.path),
                "http" | "https" => "schemas are read offline".to_owned(),
                _ => format!("no URLLoader registered for {}", quoted(url)),
            },
        };
        Err(format!("failing loading {}: {problem}", quoted(url)))
    }

    /// Looks through a schema and those in it. `base` is the address that its references are
    /// relative to, and its pointer.
    fn collect(
        &self,
        root: &mut Root<'d>,
        schema: &'d Json,
        (base, pointer): (&str, &str),
        fallback: &Dialect,
    ) -> Result<(), String> {
        if root.seen.contains(pointer) {
            return Ok(());
        }
        if let Json::Object(table) = schema {
            self.collect_table(root, (schema, table), (base, pointer), fallback)?;
        } else if pointer.is_empty() {
            let resource = Resource {
                id: base.to_owned(),
                dialect: fallback.clone(),
                ..Resource::default()
            };
            root.resources.insert(String::new(), resource);
        }
        root.seen.insert(pointer.to_owned());
        Ok(())
    }

    fn collect_table(
        &self,
        root: &mut Root<'d>,
        (schema, table): (&'d Json, &'d serde_json::Map<String, Json>),
        (base, pointer): (&str, &str),
        fallback: &Dialect,
    ) -> Result<(), String> {
        let mut has_draft = table.get("$schema").is_some_and(Json::is_string);
        let here = place(&root.url, pointer);
        let mut draft = self.draft_of(schema, (&root.url, pointer), fallback.draft)?;
        let mut id = draft.id_of(table);
        if id.is_empty() && !pointer.is_empty() {
            // Only a part with an identifier may say which draft it is of.
            draft = fallback.draft;
            has_draft = false;
            id = draft.id_of(table);
        }
        let is_resource = !id.is_empty() || pointer.is_empty();
        let base = match id {
            "" => base.to_owned(),
            id => {
                let joined = join(base, id);
                let joined =
                    joined.map_err(|_| format!("error in parsing id at {}", quoted(&here)))?;
                joined.url
            }
        };
        if is_resource {
            let dialect = match has_draft {
                true => Dialect {
                    draft,
                    vocabularies: self.vocabularies_of(schema, draft)?,
                },
                false => fallback.clone(),
            };
            add_resource(root, &base, pointer, dialect)?;
        }
        let owner = root.resources.iter().find(|(_, known)| known.id == base);
        let Some((owner, resource)) = owner else {
            return Ok(());
        };
        let (owner, dialect) = (owner.clone(), resource.dialect.clone());
        root.collect_anchors(schema, pointer, &owner)?;
        for (pointer, held) in draft.schemas_in(table, pointer) {
            self.collect(root, held, (&base, &pointer), &dialect)?;
        }
        Ok(())
    }

    /// The draft that a schema names, itself or by the schema of schemas that it names.
    fn draft_of(
        &self,
        schema: &Json,
        (url, pointer): (&str, &str),
        fallback: Draft,
    ) -> Result<Draft, String> {
        let mut schema = schema;
        let mut here = (url.to_owned(), pointer.to_owned());
        let mut passed = BTreeSet::new();
        loop {
            let Some(named) = schema.get("$schema").and_then(Json::as_str) else {
                return Ok(fallback);
            };
            if let Some(draft) = Draft::of_address(named) {
                return Ok(draft);
            }
            let named = split(named).0;
            if let Err(refused) = Address::parse(named) {
                let here = quoted(&place(&here.0, &here.1));
                return Err(format!("invalid $schema in {here}: {refused}"));
            }
            if here.1.is_empty() && named == here.0 {
                return Err(format!("draft {} is not supported", quoted(named)));
            }
            if !passed.insert(named.to_owned()) {
                return Err(format!("cycle in resolving $schema in {}", quoted(named)));
            }
            schema = self.load(named)?;
            here = (named.to_owned(), String::new());
        }
    }

    fn vocabularies_of(&self, schema: &Json, draft: Draft) -> Result<Option<Vec<String>>, String> {
        let named = schema.get("$schema").and_then(Json::as_str);
        let Some(named) = named.filter(|named| Draft::of_address(named).is_none()) else {
            return Ok(None);
        };
        let named = split(named).0;
        let asked = draft.asked_vocabularies(self.load(named)?);
        asked.map_err(|unknown| {
            format!(
                "unsupported vocabulary {} in {}",
                quoted(&unknown),
                quoted(named)
            )
        })
    }
}

fn add_resource(
    root: &mut Root<'_>,
    id: &str,
    pointer: &str,
    dialect: Dialect,
) -> Result<(), String> {
    let known = root.resources.iter().find(|(_, known)| known.id == id);
    match known {
        Some((at, _)) if at == pointer => Ok(()),
        Some((at, _)) => Err(format!(
            "duplicate id {} in {} at {} and {}",
            quoted(id),
            quoted(&root.url),
            quoted(pointer),
            quoted(at)
        )),
        None => {
            let resource = Resource {
                id: id.to_owned(),
                dialect,
                ..Resource::default()
            };
            root.resources.insert(pointer.to_owned(), resource);
            Ok(())
        }
    }
}
