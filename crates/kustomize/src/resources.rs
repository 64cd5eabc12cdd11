//! The resources of a build in order, with what can be asked of all of them together.

use std::collections::HashSet;

use holdfast_go::regexp::{self, Regex};

use crate::file::Selector;
use crate::resource::{Behavior, Id, Resource};
use crate::selector::matches_labels;
use crate::tables::Types;

/// Bytes that a compiled expression may take.
const EXPRESSION_SIZE: usize = 4 << 20;

/// Resources in order; no two are called the same.
#[derive(Clone, Default)]
pub(crate) struct Resources {
    pub(crate) list: Vec<Resource>,
}

/// The parts of a selector as regular expressions; `None` where anything will do.
pub(crate) struct Matcher {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
}

impl Matcher {
    pub(crate) fn new(selector: &Selector) -> Result<Self, String> {
        Ok(Self {
            group: anchored(&selector.gvk.group)?,
            version: anchored(&selector.gvk.version)?,
            kind: anchored(&selector.gvk.kind)?,
            name: anchored(&selector.name)?,
            namespace: anchored(&selector.namespace)?,
        })
    }

    pub(crate) fn matches_gvk(&self, group: &str, version: &str, kind: &str) -> bool {
        fits(self.group.as_ref(), group)
            && fits(self.version.as_ref(), version)
            && fits(self.kind.as_ref(), kind)
    }

    pub(crate) fn matches_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    pub(crate) fn matches_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }
}

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

fn anchored(pattern: &str) -> Result<Option<Regex>, String> {
    if pattern.is_empty() {
        return Ok(None);
    }
    match go_regex(&format!("^(?:{pattern})$")) {
        Some(regex) => Ok(Some(regex)),
        None => Err(format!("`{pattern}` is no regular expression")),
    }
}

/// A regular expression as Go takes it.
pub(crate) fn go_regex(pattern: &str) -> Option<Regex> {
    regexp::compile(pattern, EXPRESSION_SIZE).ok()
}

impl Resources {
    /// Adds resources behind the others.
    ///
    /// # Errors
    /// One that is called as another one is.
    pub(crate) fn append_all(&mut self, more: Vec<Resource>, types: &Types) -> Result<(), String> {
        if more.is_empty() {
            return Ok(());
        }
        let mut ids: HashSet<Id> = self.list.iter().map(|known| known.id(types)).collect();
        for resource in more {
            let id = resource.id(types);
            if ids.contains(&id) {
                return Err(format!(
                    "may not add resource with an already registered id: {id}"
                ));
            }
            ids.insert(id);
            self.list.push(resource);
        }
        Ok(())
    }

    /// Adds a generated resource, or lets it replace or merge into the one it is called after.
    pub(crate) fn absorb(&mut self, mut resource: Resource, types: &Types) -> Result<(), String> {
        let id = resource.id(types);
        let known = self.positions(|known| !known.is_gone() && known.was_called(&id, types));
        match (&known[..], resource.behavior) {
            ([], Behavior::Merge | Behavior::Replace) => {
                Err(format!("id {id} does not exist; cannot merge or replace"))
            }
            ([], _) => self.append_all(vec![resource], types),
            ([at], Behavior::Merge | Behavior::Replace) => {
                let old = &self.list[*at];
                crate::generate::take_over(&mut resource, old)?;
                let matches = self.positions(|known| known.id(types) == resource.id(types));
                if matches != [*at] {
                    return Err(format!("id {id} cannot be replaced"));
                }
                self.list[*at] = resource;
                Ok(())
            }
            ([_], _) => Err(format!("id {id} exists; behavior must be merge or replace")),
            _ => Err(format!(
                "found multiple objects that could accept merge of {id}"
            )),
        }
    }

    pub(crate) fn positions(&self, wanted: impl Fn(&Resource) -> bool) -> Vec<usize> {
        let list = self.list.iter().enumerate();
        list.filter(|(_, resource)| wanted(resource))
            .map(|(at, _)| at)
            .collect()
    }

    /// The one resource that is or was called so.
    pub(crate) fn one_called(&self, id: &Id, types: &Types) -> Result<usize, String> {
        let found = self.positions(|known| !known.is_gone() && known.was_called(id, types));
        match found[..] {
            [at] => Ok(at),
            [] => Err(format!(
                "no matches for Id {id}; failed to find unique target for patch {id}"
            )),
            _ => Err(format!(
                "multiple matches for Id {id}; failed to find unique target for patch {id}"
            )),
        }
    }

    /// The resources that a selector is about: names and namespaces as they are or were first.
    pub(crate) fn select(&self, selector: &Selector, types: &Types) -> Result<Vec<usize>, String> {
        let matcher = Matcher::new(selector)?;
        let mut selected = Vec::new();
        for (at, resource) in self.list.iter().enumerate() {
            let (current, original) = (resource.id(types), resource.original_id(types));
            let fits = (matcher.matches_namespace(&original.namespace)
                || matcher.matches_namespace(&current.namespace))
                && (matcher.matches_name(&original.name) || matcher.matches_name(&current.name))
                && matcher.matches_gvk(&current.group, &current.version, &current.kind)
                && matches_labels(&selector.labels, &resource.metadata_map("labels"))?
                && matches_labels(&selector.annotations, &resource.metadata_map("annotations"))?;
            if fits {
                selected.push(at);
            }
        }
        Ok(selected)
    }
}
