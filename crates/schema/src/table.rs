//! Decodes the committed table of built-in types. It must not know custom resources.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::kind::{Kind, Subresource};
use crate::shape::{Field, List, ListRelation, Map, Patch, Scalar, Shape, Struct, TypeRef};

const TABLE: &str = include_str!("../data/kubernetes.txt");
const PREFIXES: [&str; 4] = [
    "io.k8s.api.",
    "io.k8s.apimachinery.pkg.apis.",
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
];

/// The built-in types and kinds of one Kubernetes release.
pub struct Schema {
    names: HashMap<&'static str, u32>,
    types: Vec<Entry>,
    kinds: Vec<Kind>,
    by_kind: HashMap<(String, String, String), usize>,
    by_resource: HashMap<(String, String, String), usize>,
}

struct Entry {
    home: &'static str,
    name: &'static str,
    atomic: bool,
    lines: &'static str,
    shape: OnceLock<Shape>,
}

impl Schema {
    /// The types that the API server of this release has built in.
    pub fn builtin() -> &'static Schema {
        static BUILT_IN: OnceLock<Schema> = OnceLock::new();
        BUILT_IN.get_or_init(|| Schema::read(TABLE))
    }

    /// The release that the tables were made from, such as `1.37.2`.
    pub fn release(&self) -> &'static str {
        let first = TABLE.lines().next().unwrap_or_default();
        first
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
    }

    /// A kind by group, version and kind.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Kind> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        self.by_kind.get(&key).map(|index| &self.kinds[*index])
    }

    /// A kind by group, version and the resource's plural name.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Kind> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.by_resource.get(&key).map(|index| &self.kinds[*index])
    }

    /// Every kind, by group, version and kind.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// A type by its short name, such as `core.v1.PodSpec`, or by its full OpenAPI name.
    pub fn type_named(&self, name: &str) -> Option<TypeRef> {
        let short = PREFIXES
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .unwrap_or(name);
        let index = self.names.get(short)?;
        Some(TypeRef::built_in(*index, None))
    }

    /// The full OpenAPI name of a type, given its short one.
    pub fn full_name(&self, short: &str) -> Option<String> {
        let entry = &self.types[*self.names.get(short)? as usize];
        Some(format!("{}{}", entry.home, entry.name))
    }

    /// The short names of all types.
    pub fn type_names(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().map(|entry| entry.name)
    }

    pub(crate) fn shape(&self, index: u32) -> &Shape {
        let entry = &self.types[index as usize];
        entry.shape.get_or_init(|| self.decode(entry))
    }

    fn read(table: &'static str) -> Schema {
        let mut schema = Schema {
            names: HashMap::new(),
            types: Vec::new(),
            kinds: Vec::new(),
            by_kind: HashMap::new(),
            by_resource: HashMap::new(),
        };
        let types_start = table.find("\nT").map_or(table.len(), |at| at + 1);
        let (kinds, types) = table.split_at(types_start);
        let mut rest = types;
        while !rest.is_empty() {
            let end = rest.find("\nT").map_or(rest.len(), |at| at + 1);
            let (block, next) = rest.split_at(end);
            rest = next;
            let (head, lines) = block.split_once('\n').unwrap_or((block, ""));
            let mut words = head.split(' ');
            let mark = words
                .next()
                .and_then(|word| word.as_bytes().get(1).copied());
            let home = mark
                .and_then(|mark| PREFIXES.get(usize::from(mark.wrapping_sub(b'0'))))
                .copied();
            let name = words.next().unwrap_or_default();
            schema.names.insert(name, schema.types.len() as u32);
            schema.types.push(Entry {
                home: home.unwrap_or(""),
                name,
                atomic: words.next() == Some("a"),
                lines,
                shape: OnceLock::new(),
            });
        }
        for line in kinds.lines().filter(|line| line.starts_with("K ")) {
            schema.add_kind(line);
        }
        schema
    }

    fn add_kind(&mut self, line: &str) {
        let mut words = line.split(' ').skip(1);
        let mut next = || words.next().unwrap_or_default();
        let group = if_set(next());
        let (version, kind, plural, singular) = (next(), next(), next(), next());
        let namespaced = next() == "N";
        let (short_names, categories, verbs) = (list(next()), list(next()), list(next()));
        let index = self.names.get(next()).copied().unwrap_or_default();
        let kind = Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: singular.to_owned(),
            namespaced,
            short_names,
            categories,
            verbs,
            subresources: words.filter_map(subresource).collect(),
            type_ref: TypeRef::built_in(index, None),
        };
        let at = self.kinds.len();
        let home = (kind.group.clone(), kind.version.clone());
        self.by_kind
            .insert((home.0.clone(), home.1.clone(), kind.kind.clone()), at);
        self.by_resource
            .insert((home.0, home.1, kind.plural.clone()), at);
        self.kinds.push(kind);
    }

    fn decode(&self, entry: &Entry) -> Shape {
        let mut fields: Vec<Field> = entry
            .lines
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| self.field(line))
            .collect();
        fields.sort_by(|left, right| left.name.cmp(&right.name));
        Shape::Struct(Struct {
            name: entry.name.to_owned(),
            fields,
            atomic: entry.atomic,
            rest: None,
            keeps_unknown: false,
            embedded: false,
        })
    }

    fn field(&self, line: &str) -> Field {
        let mut words = line.splitn(3, ' ');
        let name = words.next().unwrap_or_default();
        let type_ref = self.expression(words.next().unwrap_or_default());
        let attributes = words.next().unwrap_or_default();
        let (attributes, default) = match attributes.split_once('=') {
            Some((before, json)) => (before, serde_json::from_str(json).ok()),
            None => (attributes, None),
        };
        let mut field = Field {
            name: name.to_owned(),
            type_ref,
            required: false,
            pointer: false,
            omit_empty: true,
            nullable: false,
            patch: Patch::default(),
            merge_key: None,
            default,
        };
        for word in attributes.split(' ') {
            match word {
                "r" => field.required = true,
                "p" => field.pointer = true,
                "n" => field.omit_empty = false,
                "M" => field.patch.merge = true,
                "R" => field.patch.retain_keys = true,
                "MR" => {
                    field.patch.merge = true;
                    field.patch.retain_keys = true;
                }
                "P" => field.patch.replace = true,
                _ => {
                    if let Some(key) = word.strip_prefix("k:") {
                        field.merge_key = Some(key.to_owned());
                    }
                }
            }
        }
        field
    }

    fn expression(&self, text: &str) -> TypeRef {
        let scalar = |scalar| TypeRef::own(Shape::Scalar(scalar));
        match text {
            "s" => return scalar(Scalar::String),
            "y" => return scalar(Scalar::Bytes),
            "i" => return scalar(Scalar::Int32),
            "l" => return scalar(Scalar::Int64),
            "d" => return scalar(Scalar::Double),
            "b" => return scalar(Scalar::Boolean),
            "q" => return scalar(Scalar::Quantity),
            "t" => return scalar(Scalar::Time),
            "u" => return scalar(Scalar::MicroTime),
            "x" => return scalar(Scalar::IntOrString),
            "e" => return TypeRef::own(Shape::Any { atomic: true }),
            _ => {}
        }
        if let Some((relation, item)) = bracketed(text, '[', ']') {
            let relation = match relation {
                "s" => ListRelation::Set,
                "a" | "" => ListRelation::Atomic,
                keys => ListRelation::Map(list(keys.trim_start_matches("m:"))),
            };
            let item = self.expression(item);
            return TypeRef::own(Shape::List(List { item, relation }));
        }
        if let Some((relation, item)) = bracketed(text, '{', '}') {
            let item = self.expression(item);
            let atomic = relation == "a";
            return TypeRef::own(Shape::Map(Map { item, atomic }));
        }
        let Some(name) = text.strip_prefix('@') else {
            return TypeRef::any();
        };
        let (atomic, name) = match name.strip_prefix('!') {
            Some(name) => (Some(true), name),
            None => match name.strip_prefix('+') {
                Some(name) => (Some(false), name),
                None => (None, name),
            },
        };
        match self.names.get(name) {
            Some(index) => TypeRef::built_in(*index, atomic),
            None => TypeRef::any(),
        }
    }
}

fn bracketed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    text.strip_prefix(open)?.split_once(close)
}

fn if_set(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

fn list(words: &str) -> Vec<String> {
    let words = if_set(words).split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn subresource(word: &str) -> Option<Subresource> {
    let mut parts = word.split(':');
    let name = parts.next()?.to_owned();
    let (group, version) = parts.next()?.split_once('/')?;
    Some(Subresource {
        name,
        group: group.to_owned(),
        version: version.to_owned(),
        kind: parts.next()?.to_owned(),
        verbs: list(parts.next()?),
    })
}
