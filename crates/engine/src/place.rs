//! Puts rendered objects where the Stack wants them: a namespace for those that live in one and
//! name none, no namespace for the others, each object once. It must not apply anything.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, Key, Object, Origin};
use holdfast_target::Scope;

/// Two objects that are one.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key} is written twice, at {first} and at {second}")]
pub struct PlaceError {
    /// The object.
    pub key: Key,
    /// Where it is written first.
    pub first: Origin,
    /// Where it is written again.
    pub second: Origin,
}

/// The kinds among these objects.
pub fn kinds(objects: &[Object]) -> BTreeSet<GroupKind> {
    let kinds: BTreeSet<&GroupKind> = objects.iter().map(|object| &*object.key().kind).collect();
    kinds.into_iter().cloned().collect()
}

/// Puts objects into their namespaces. A kind that the target does not have is where the
/// CustomResourceDefinition among the objects says; where there is none, it is left as written.
///
/// # Errors
/// Every object that is written twice.
pub fn place(
    objects: &[Object],
    scopes: &BTreeMap<GroupKind, Scope>,
    namespace: &str,
) -> Result<Vec<Object>, Vec<PlaceError>> {
    let brought = brought_scopes(objects.iter());
    let mut seen: BTreeMap<Key, Origin> = BTreeMap::new();
    let mut placed = Vec::with_capacity(objects.len());
    let mut twice = Vec::new();
    for object in objects {
        let kind = &object.key().kind;
        let object = match scopes.get(kind).or_else(|| brought.get(kind)) {
            Some(Scope::Cluster) if object.key().namespace.is_some() => {
                object.clone().with_namespace(None)
            }
            Some(Scope::Namespaced) if object.key().namespace.is_none() => {
                object.clone().with_namespace(Some(namespace))
            }
            _ => object.clone(),
        };
        match seen.get(object.key()) {
            Some(first) => twice.push(PlaceError {
                key: object.key().clone(),
                first: first.clone(),
                second: object.origin.clone(),
            }),
            None => {
                seen.insert(object.key().clone(), object.origin.clone());
                placed.push(object);
            }
        }
    }
    if twice.is_empty() {
        Ok(placed)
    } else {
        Err(twice)
    }
}

/// The kinds that definitions among some objects bring.
pub(crate) fn brought_scopes<'a>(
    objects: impl Iterator<Item = &'a Object>,
) -> BTreeMap<GroupKind, Scope> {
    let definitions = objects.filter(|object| {
        object
            .key()
            .kind
            .is("apiextensions.k8s.io", "CustomResourceDefinition")
    });
    definitions
        .filter_map(|definition| {
            let value = definition.value();
            let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
            let kind = GroupKind::new(text("/spec/group")?, text("/spec/names/kind")?);
            let scope = match text("/spec/scope")? {
                "Cluster" => Scope::Cluster,
                _ => Scope::Namespaced,
            };
            Some((kind, scope))
        })
        .collect()
}
