//! Reads a schema and all that it refers to, after holding it against the schema of its draft.
//!
//! It must not know values.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use holdfast_go::quote::quoted;
use holdfast_model::Value as Json;

use super::address::{self, join, place};
use super::check::{Check, Shown};
use super::draft::{DRAFTS, Dialect, Draft};
use super::keywords::Reading;
use super::node::{Combined, Dynamic, Id, Node};
use super::problem;
use super::resources::{Place, Root, Roots, find};

/// How many schemas one may be made of.
const MAX_SCHEMAS: usize = 200_000;

/// What a schema was read to.
#[derive(Debug)]
pub(super) struct Compiled {
    /// All schemas that were read.
    pub(super) nodes: Vec<Node>,
    /// The one that was asked for.
    pub(super) top: Id,
}

/// Reads the schema in a document.
///
/// # Errors
/// Helm's words for why it cannot be used.
pub(super) fn compile(url: &str, document: &Json) -> Result<Compiled, String> {
    let mut compiler = Compiler {
        roots: Roots::new(url, document),
        places: HashMap::new(),
        standing: Vec::new(),
        nodes: Vec::new(),
        asserts_formats: false,
        drafts: Some(Drafts::all()),
    };
    let top = compiler.read_all((url.to_owned(), String::new()))?;
    Ok(Compiled {
        nodes: compiler.nodes,
        top,
    })
}

/// The schemas of the drafts' schemas, read.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) nodes: Vec<Node>,
    /// The schema of a draft, and those of its vocabularies by their names.
    tops: BTreeMap<(Draft, String), Id>,
}

impl Drafts {
    fn all() -> &'static Self {
        static READ: OnceLock<Drafts> = OnceLock::new();
        READ.get_or_init(Self::read)
    }

    fn read() -> Self {
        let mut compiler = Compiler {
            roots: Roots::default(),
            places: HashMap::new(),
            standing: Vec::new(),
            nodes: Vec::new(),
            asserts_formats: true,
            drafts: None,
        };
        let mut tops = BTreeMap::new();
        for draft in DRAFTS {
            let address = draft.address();
            let folder = address.strip_suffix("schema").unwrap_or(address);
            let names = draft.vocabularies().iter();
            let vocabularies = names.map(|name| (*name, format!("{folder}meta/{name}")));
            let own = std::iter::once(("", address.to_owned()));
            for (name, address) in own.chain(vocabularies) {
                // The test `every_draft_can_be_read` holds that none is left out.
                if let Ok(top) = compiler.read_all((address, String::new())) {
                    tops.insert((draft, name.to_owned()), top);
                }
            }
        }
        Self {
            nodes: compiler.nodes,
            tops,
        }
    }

    /// The schema for schemas of a dialect. Where the dialect has vocabularies of its own, it is
    /// added to `nodes`.
    fn schema_for(&self, dialect: &Dialect, nodes: &mut Vec<Node>) -> Id {
        let top = |name: &str| self.tops.get(&(dialect.draft, name.to_owned())).copied();
        let Some(vocabularies) = &dialect.vocabularies else {
            return top("").unwrap_or_default();
        };
        let id = self.nodes.len() + nodes.len();
        let all = vocabularies.iter().filter_map(|name| top(name)).collect();
        let dynamic = Dynamic {
            dynamic_anchor: "meta".to_owned(),
            anchors: BTreeMap::from([("meta".to_owned(), id)]),
            ..Dynamic::default()
        };
        nodes.push(Node {
            location: "urn:mem:metaschema".to_owned(),
            draft: dialect.draft.number(),
            resource: id,
            dynamic: (dialect.draft >= Draft::Y2020).then(|| Box::new(dynamic)),
            combined: Some(Box::new(Combined {
                all,
                ..Combined::default()
            })),
            ..Node::default()
        });
        id
    }
}

struct Compiler<'d> {
    roots: Roots<'d>,
    places: HashMap<Place, Id>,
    /// Where each schema stands.
    standing: Vec<Place>,
    /// Schemas in the order in which they were met; what has been read so far comes first.
    nodes: Vec<Node>,
    asserts_formats: bool,
    /// What schemas are held against; nothing for the schemas of the drafts themselves.
    drafts: Option<&'static Drafts>,
}

impl<'d> Compiler<'d> {
    fn read_all(&mut self, top: Place) -> Result<Id, String> {
        self.ensure_root(&top.0)?;
        let mut done = self.nodes.len();
        let top = self.meet(top);
        while done < self.nodes.len() {
            if done > MAX_SCHEMAS {
                return Err(format!(
                    "the schema is made of more than {MAX_SCHEMAS} schemas"
                ));
            }
            self.read_one(done)?;
            done += 1;
        }
        Ok(top)
    }

    /// The schema at a place, which is read later if it has not been.
    fn meet(&mut self, place: Place) -> Id {
        if let Some(known) = self.places.get(&place) {
            return *known;
        }
        let id = self.nodes.len();
        self.nodes.push(Node {
            location: address::place(&place.0, &place.1),
            ..Node::default()
        });
        self.standing.push(place.clone());
        self.places.insert(place, id);
        id
    }

    fn ensure_root(&mut self, url: &str) -> Result<(), String> {
        if self.roots.get(url).is_some() {
            return Ok(());
        }
        let root = self.roots.open(url)?;
        let is_of_draft = ["http://", "https://"].iter().any(|scheme| {
            let host = url.strip_prefix(scheme);
            host.is_some_and(|host| host.starts_with("json-schema.org/"))
        });
        if !is_of_draft {
            self.hold_against_draft(&root, (url, ""), root.document)?;
        }
        self.roots.put(root);
        Ok(())
    }

    /// Looks through a schema that stands where no keyword holds one, which a reference may do.
    fn ensure_schema(&mut self, (url, pointer): (&str, &str)) -> Result<(), String> {
        self.ensure_root(url)?;
        let Some(root) = self.roots.get(url) else {
            return Ok(());
        };
        let Some(wider) = self.roots.widened(root, pointer)? else {
            return Ok(());
        };
        let schema = find(wider.document, url, pointer)?;
        self.hold_against_draft(&wider, (url, pointer), schema)?;
        self.roots.put(wider);
        Ok(())
    }

    fn hold_against_draft(
        &self,
        root: &Root<'d>,
        (url, pointer): (&str, &str),
        schema: &Json,
    ) -> Result<(), String> {
        let Some(drafts) = self.drafts else {
            return Ok(());
        };
        let mut added = Vec::new();
        let mut tops = BTreeMap::new();
        for (pointer, resource) in &root.resources {
            let top = drafts.schema_for(&resource.dialect, &mut added);
            tops.insert(pointer.clone(), top);
        }
        let top = drafts.schema_for(&root.resource(pointer).1.dialect, &mut added);
        let check = Check {
            nodes: &drafts.nodes,
            added: &added,
            resources: Some(&tops),
            ..Check::default()
        };
        check
            .lines(top, schema, Shown::Everything)
            .map_err(|lines| {
                let place = quoted(&place(url, pointer));
                let location = problem::quoted(&check.node(top).location);
                format!(
                    "{place} is not valid against metaschema: \
                jsonschema validation failed with {location}\n{lines}"
                )
            })
    }

    fn read_one(&mut self, id: Id) -> Result<(), String> {
        let (url, pointer) = self.standing[id].clone();
        self.ensure_schema((&url, &pointer))?;
        let Some(root) = self.roots.get(&url) else {
            return Ok(());
        };
        let schema = find(root.document, &url, &pointer)?;
        let (owner, resource) = root.resource(&pointer);
        let dialect = resource.dialect.clone();
        let base = resource.id.clone();
        let is_owner = owner == pointer;
        let owner = owner.to_owned();
        let anchored: Vec<(String, String)> = match is_owner && dialect.draft >= Draft::Y2020 {
            true => {
                let anchors = resource.anchors.iter();
                let dynamic = anchors.filter(|(name, _)| resource.dynamic_anchors.contains(*name));
                dynamic
                    .map(|(name, at)| (name.clone(), at.clone()))
                    .collect()
            }
            false => Vec::new(),
        };
        let mut node = Node {
            location: std::mem::take(&mut self.nodes[id].location),
            draft: dialect.draft.number(),
            resource: self.meet((url.clone(), owner)),
            ..Node::default()
        };
        if !anchored.is_empty() {
            let dynamic = node.dynamic.get_or_insert_default();
            for (name, at) in anchored {
                dynamic.anchors.insert(name, self.meet((url.clone(), at)));
            }
        }
        match schema {
            Json::Bool(verdict) => node.verdict = Some(*verdict),
            Json::Object(table) if table.is_empty() => node.verdict = Some(true),
            Json::Object(table) => {
                let mut reading = Reading {
                    table,
                    dialect: &dialect,
                    asserts_formats: self.asserts_formats || dialect.asserts_formats(),
                    here: (&url, &pointer),
                    base: &base,
                    schemas: self,
                };
                reading.read(&mut node)?;
            }
            _ => {}
        }
        self.nodes[id] = node;
        Ok(())
    }
}

/// Who answers where schemas are, while one is read.
pub(super) trait Schemas {
    /// The schema at a place.
    fn at(&mut self, url: &str, pointer: String) -> Id;

    /// The schema that a reference in a document leads to.
    ///
    /// # Errors
    /// The library's words for one that leads nowhere.
    fn referred(&mut self, url: &str, base: &str, reference: &str) -> Result<Id, String>;
}

impl Schemas for Compiler<'_> {
    fn at(&mut self, url: &str, pointer: String) -> Id {
        self.meet((url.to_owned(), pointer))
    }

    fn referred(&mut self, url: &str, base: &str, reference: &str) -> Result<Id, String> {
        let reference = join(base, reference)?;
        if let Some(root) = self.roots.get(url)
            && let Some(place) = root.resolve(&reference)?
        {
            return Ok(self.meet(place));
        }
        self.ensure_root(&reference.url)?;
        let Some(root) = self.roots.get(&reference.url) else {
            return Ok(0);
        };
        match root.resolve(&reference)? {
            Some(place) => Ok(self.meet(place)),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draft_can_be_read() {
        let drafts = Drafts::all();
        assert_eq!(drafts.tops.len(), 5 + 6 + 8);
        for draft in DRAFTS {
            for name in draft.vocabularies() {
                assert!(drafts.tops.contains_key(&(draft, (*name).to_owned())));
            }
        }
    }
}
