//! What Kustomize knows about the Kubernetes 1.21 types that it carries: which kinds live in no
//! namespace, and which lists are merged by key. The tables beside this file were written out from
//! Kustomize 5.8.1's own data; `openapi` fields replace them for a build.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use holdfast_model::Value;

static SCOPES: &str = include_str!("tables/cluster-scoped.txt");
static TYPES: &str = include_str!("tables/types.txt");

static BUILT_IN: LazyLock<Types> = LazyLock::new(built_in);

/// Types and how their fields merge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types {
    cluster_scoped: HashSet<(String, String)>,
    by_kind: HashMap<(String, String), usize>,
    types: Vec<HashMap<String, Field>>,
}

/// A field of a type, as far as merging has to know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Field {
    /// The type of the field, or of its items where it is a list.
    pub(crate) type_index: Option<usize>,
    /// The keys by which a list merges: no key where items are scalars, `None` where it is replaced.
    pub(crate) merge_keys: Option<Vec<String>>,
}

impl Types {
    /// The types that come with Kustomize.
    pub(crate) fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Whether objects of this kind are known to live in no namespace.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        // The built-in scopes stay known with every other schema.
        let key = (api_version.to_owned(), kind.to_owned());
        self.cluster_scoped.contains(&key) || BUILT_IN.cluster_scoped.contains(&key)
    }

    /// The type of an object.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        let key = (api_version.to_owned(), kind.to_owned());
        self.by_kind.get(&key).copied()
    }

    /// A field of a type.
    pub(crate) fn field(&self, type_index: usize, name: &str) -> Option<&Field> {
        self.types.get(type_index)?.get(name)
    }
}

fn built_in() -> Types {
    let mut types = Types::default();
    for line in SCOPES.lines() {
        if let Some((api_version, kind)) = line.split_once(' ') {
            types
                .cluster_scoped
                .insert((api_version.to_owned(), kind.to_owned()));
        }
    }
    for line in TYPES.lines() {
        let mut words = line.split(' ');
        let Some(first) = words.next() else {
            continue;
        };
        if first == "type" {
            types.types.push(HashMap::new());
            let index = types.types.len() - 1;
            for kind in words.skip(1) {
                if let Some((api_version, kind)) = kind.split_once(':') {
                    types
                        .by_kind
                        .insert((api_version.to_owned(), kind.to_owned()), index);
                }
            }
        } else if let Some(fields) = types.types.last_mut() {
            let type_index = words.next().and_then(|word| word.parse().ok());
            let merge_keys = words
                .next()
                .filter(|word| *word != "[")
                .map(|word| match word {
                    "=" => Vec::new(),
                    keys => keys.split(',').map(str::to_owned).collect(),
                });
            fields.insert(
                first.to_owned(),
                Field {
                    type_index,
                    merge_keys,
                },
            );
        }
    }
    types
}

/// Reads an OpenAPI document (`openapi.path`), which replaces the built-in types.
pub(crate) fn from_openapi(document: &Value) -> Types {
    let mut types = Types::default();
    let Some(definitions) = document["definitions"].as_object() else {
        return types;
    };
    let indices: HashMap<&str, usize> = definitions
        .keys()
        .enumerate()
        .map(|(index, name)| (name.as_str(), index))
        .collect();
    for (index, definition) in definitions.values().enumerate() {
        let mut fields = HashMap::new();
        read_properties(
            definition,
            &indices,
            &mut types,
            definitions.len(),
            &mut fields,
        );
        let extensions = definition["x-kubernetes-group-version-kind"].as_array();
        for extension in extensions.into_iter().flatten() {
            let text = |field: &str| extension[field].as_str().unwrap_or_default();
            let api_version =
                holdfast_model::object::join_api_version(text("group"), text("version"));
            types
                .by_kind
                .insert((api_version, text("kind").to_owned()), index);
        }
        types
            .types
            .resize_with(types.types.len().max(definitions.len()), HashMap::new);
        types.types[index] = fields;
    }
    read_scopes(document, &mut types);
    types
}

/// Reads the properties of a schema; schemas written in place get a type of their own behind the
/// named ones.
fn read_properties(
    schema: &Value,
    indices: &HashMap<&str, usize>,
    types: &mut Types,
    named: usize,
    fields: &mut HashMap<String, Field>,
) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_list = property["type"] == "array";
        let target = if is_list {
            &property["items"]
        } else {
            property
        };
        let reference = target["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix("#/definitions/"));
        let type_index = match reference {
            Some(name) => indices.get(name).copied(),
            None if target["properties"].is_object() => {
                let mut inner = HashMap::new();
                read_properties(target, indices, types, named, &mut inner);
                types
                    .types
                    .resize_with(types.types.len().max(named), HashMap::new);
                types.types.push(inner);
                Some(types.types.len() - 1)
            }
            None => None,
        };
        let strategy = property["x-kubernetes-patch-strategy"]
            .as_str()
            .unwrap_or_default();
        let merges = strategy.split(',').any(|word| word == "merge");
        let list_keys = property["x-kubernetes-list-map-keys"].as_array();
        let keys = match (list_keys, property["x-kubernetes-patch-merge-key"].as_str()) {
            (Some(keys), _) => keys
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            (None, Some(key)) => vec![key.to_owned()],
            (None, None) => Vec::new(),
        };
        let merge_keys = merges.then_some(keys);
        fields.insert(
            name.clone(),
            Field {
                type_index,
                merge_keys,
            },
        );
    }
}

/// Finds the kinds without namespace by their paths, as far as the document has paths.
fn read_scopes(document: &Value, types: &mut Types) {
    let mut namespaced = HashSet::new();
    let mut seen = HashSet::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let kind = &item["get"]["x-kubernetes-group-version-kind"];
        let (Some(version), Some(name)) = (kind["version"].as_str(), kind["kind"].as_str()) else {
            continue;
        };
        let group = kind["group"].as_str().unwrap_or_default();
        let api_version = holdfast_model::object::join_api_version(group, version);
        let key = (api_version, name.to_owned());
        if path.contains("namespaces/{namespace}") {
            namespaced.insert(key.clone());
        }
        if path.ends_with("/{name}") {
            seen.insert(key);
        }
    }
    types.cluster_scoped = seen.difference(&namespaced).cloned().collect();
}
