//! Lists that merge by key. The steps and their order are Kustomize's, also where they surprise:
//! what the patch touches comes first, a key that the patch leaves out matches anything.

use super::{Content, Index, Merger, Schema, Slot};
use holdfast_yaml::{Node, Style};

/// The values of a list's merge keys in one element, empty where one is absent.
type Values = Vec<String>;

impl<'a> Merger<'a> {
    pub(super) fn walk_list(
        &mut self,
        target: Option<Index>,
        patch: Option<Index>,
        keys: &'a [String],
        schema: Schema<'a>,
    ) -> Result<Option<Index>, String> {
        let Some(list) = self.visit_list(target, patch)? else {
            return Ok(None);
        };
        let sources = [Some(list), patch];
        let item_schema = Schema {
            known: schema.type_index.is_some(),
            type_index: schema.type_index,
            merge_keys: None,
        };
        let primitive = [String::new()];
        let (keys, values) = if keys.is_empty() {
            (&primitive[..], self.primitive_values(sources))
        } else {
            (keys, self.element_values(sources, keys))
        };
        self.merge_elements(sources, keys, values, item_schema)
    }

    fn visit_list(
        &mut self,
        target: Option<Index>,
        patch: Option<Index>,
    ) -> Result<Option<Index>, String> {
        if self.is_missing(target) {
            return Ok(patch);
        }
        if patch.is_some_and(|patch| self.is_null(patch)) {
            return Ok(None);
        }
        Ok(match self.directive(patch)? {
            super::Directive::Delete => None,
            super::Directive::Replace => patch,
            super::Directive::Merge => target,
        })
    }

    /// The key values of all elements, those of the patch first.
    fn element_values(&self, sources: [Option<Index>; 2], keys: &[String]) -> Vec<Values> {
        let mut all: Vec<Values> = Vec::new();
        for source in [sources[1], sources[0]].into_iter().flatten() {
            for item in self.items(source) {
                let value = |key: &String| match self.field(item, key) {
                    Some(field) if !self.is_null(field) => self.text(field).to_owned(),
                    _ => String::new(),
                };
                let values: Values = keys.iter().map(value).collect();
                if !all.contains(&values) {
                    all.push(values);
                }
            }
        }
        all
    }

    fn primitive_values(&self, sources: [Option<Index>; 2]) -> Vec<Values> {
        let mut all: Vec<Values> = Vec::new();
        for source in [sources[1], sources[0]].into_iter().flatten() {
            for item in self.items(source) {
                let values = vec![self.text(item).to_owned()];
                if !all.contains(&values) {
                    all.push(values);
                }
            }
        }
        all
    }

    fn merge_elements(
        &mut self,
        sources: [Option<Index>; 2],
        keys: &[String],
        mut all: Vec<Values>,
        schema: Schema<'a>,
    ) -> Result<Option<Index>, String> {
        let [Some(list), _] = sources else {
            return Ok(None);
        };
        if all.is_empty() {
            return Ok(Some(list));
        }
        if keys.len() > 1 {
            fill_in(&mut all);
        }
        let added = self.made_list();
        let mut last_keys = keys.to_vec();
        for values in &all {
            let (used_keys, used_values) = usable(&all, values, keys);
            let elements = sources.map(|source| {
                let (keys, values) =
                    usable(std::slice::from_ref(&used_values), &used_values, &used_keys);
                self.find_element(source?, &keys, &values)
            });
            let merged = self.walk(elements[0], elements[1], schema)?;
            last_keys.clone_from(&used_keys);
            let Some(merged) = merged.filter(|&merged| !self.is_gone(merged)) else {
                self.set_element(list, None, &used_keys, &used_values);
                continue;
            };
            self.complete_keys(merged, &used_keys, &used_values)?;
            self.set_element(added, Some(merged), &used_keys, &used_values);
        }
        self.append_rest(added, list, &last_keys)?;
        Ok(Some(added))
    }

    fn is_gone(&self, index: Index) -> bool {
        self.is_null(index)
            || matches!(&self.slots[index].content, Content::Mapping(entries) if entries.is_empty())
    }

    /// Writes the key values into an element that lacks them.
    fn complete_keys(
        &mut self,
        element: Index,
        keys: &[String],
        values: &[String],
    ) -> Result<(), String> {
        if !matches!(self.slots[element].content, Content::Mapping(_)) {
            return Ok(());
        }
        for (key, value) in keys.iter().zip(values) {
            if self.field(element, key).is_none() && !value.is_empty() {
                let made = self.made_scalar_as_written(value);
                self.set_field(element, key, Some(made))?;
            }
        }
        Ok(())
    }

    /// A scalar that means what its text says.
    fn made_scalar_as_written(&mut self, text: &str) -> Index {
        let made = self.made_scalar(text);
        self.slots[made].content = Content::Scalar(Node::scalar(text, Style::Plain));
        made
    }

    fn made_list(&mut self) -> Index {
        self.slots.push(Slot {
            content: Content::Sequence(Vec::new()),
            style: Style::Block,
            tag: None,
            place: (0, 0),
            kept_null: false,
        });
        self.slots.len() - 1
    }

    /// The first element whose keys have these values.
    fn find_element(&self, list: Index, keys: &[String], values: &[String]) -> Option<Index> {
        let items = self.items(list);
        if keys.first().is_none_or(String::is_empty) {
            let wanted = values.first().map(String::as_str).unwrap_or_default();
            return items.into_iter().find(|&item| self.text(item) == wanted);
        }
        items.into_iter().find(|&item| {
            matches!(self.slots[item].content, Content::Mapping(_))
                && keys.iter().zip(values).all(|(key, value)| {
                    self.field(item, key)
                        .is_some_and(|field| self.text(field) == value)
                })
        })
    }

    /// Puts an element in the place of every one that has these key values, or behind all when
    /// there is none; without an element they are taken away.
    pub(super) fn set_element(
        &mut self,
        list: Index,
        element: Option<Index>,
        keys: &[String],
        values: &[String],
    ) {
        let by_key = keys.first().is_some_and(|key| !key.is_empty())
            && values.first().is_some_and(|value| !value.is_empty());
        let mut kept = Vec::new();
        let mut found = false;
        for item in self.items(list) {
            if self.is_gone(item) {
                continue;
            }
            let is_mapping = matches!(self.slots[item].content, Content::Mapping(_));
            if !is_mapping && by_key {
                kept.push(item);
            } else if self.has_values(item, keys, values) {
                found = true;
                kept.extend(element);
            } else if !values.is_empty() {
                kept.push(item);
            }
        }
        if let Some(element) = element.filter(|&element| !found && !self.is_null(element)) {
            kept.push(element);
        }
        if let Content::Sequence(items) = &mut self.slots[list].content {
            *items = kept;
        }
    }

    /// Whether an element has these key values; an empty value only asks for the key.
    fn has_values(&self, item: Index, keys: &[String], values: &[String]) -> bool {
        let mut found = false;
        for (at, key) in keys.iter().enumerate() {
            // Keys without a value are judged like the one before them.
            if let Some(value) = values.get(at) {
                found = if key.is_empty() {
                    self.text(item) == value
                } else {
                    self.field(item, key)
                        .is_some_and(|field| value.is_empty() || self.text(field) == value)
                };
            }
            if !found {
                return false;
            }
        }
        found
    }

    /// Puts the elements of a list behind those that were merged, each over the one with its keys.
    fn append_rest(&mut self, merged: Index, list: Index, keys: &[String]) -> Result<(), String> {
        for item in self.items(list) {
            if keys.first().is_none_or(String::is_empty) {
                let values = [self.text(item).to_owned()];
                self.set_element(merged, Some(item), &[String::new()], &values);
                continue;
            }
            let mut values = Vec::new();
            for key in keys {
                match &self.slots[item].content {
                    Content::Mapping(_) => {}
                    _ => return Err(format!("expected a mapping, found {}", self.kind(item))),
                }
                match self.field(item, key) {
                    Some(field) => values.push(self.text(field).to_owned()),
                    None => {
                        if let Content::Sequence(items) = &mut self.slots[merged].content {
                            items.push(item);
                        }
                    }
                }
            }
            if keys.len() > 1 {
                self.set_element(merged, None, keys, &values);
            }
            self.set_element(merged, Some(item), keys, &values);
        }
        Ok(())
    }
}

/// The keys that any element has a value for, and this element's values for them; all keys where
/// no element has any value.
fn usable(all: &[Values], values: &[String], keys: &[String]) -> (Vec<String>, Values) {
    let used: Vec<bool> = (0..keys.len())
        .map(|at| {
            all.iter()
                .any(|values| values.get(at).is_some_and(|value| !value.is_empty()))
        })
        .collect();
    if !used.contains(&true) {
        return (keys.to_vec(), values.to_vec());
    }
    let pick = |list: &[String]| -> Vec<String> {
        let pairs = list.iter().zip(&used);
        pairs
            .filter(|(_, used)| **used)
            .map(|(text, _)| text.clone())
            .collect()
    };
    (pick(keys), pick(values))
}

/// Lets elements that agree in at least one key, and differ in none that both have, share their
/// values: what one leaves out it takes from the other.
fn fill_in(all: &mut [Values]) {
    for first in 0..all.len() {
        let values = all[first].clone();
        for second in 0..all.len() {
            if let Some(shared) = shared_values(&values, &all[second]) {
                all[first].clone_from(&shared);
                all[second] = shared;
            }
        }
    }
}

fn shared_values(first: &[String], second: &[String]) -> Option<Values> {
    if first.len() != second.len() {
        return None;
    }
    let mut agree = false;
    let mut shared = Values::new();
    for (first, second) in first.iter().zip(second) {
        if first == second {
            agree = true;
        } else if !first.is_empty() && !second.is_empty() {
            return None;
        }
        shared.push(if first.is_empty() { second } else { first }.clone());
    }
    agree.then_some(shared)
}
