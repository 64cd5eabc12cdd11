//! How two values of one type differ, as sets of fields. It must not know owners.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_schema::{List, Shape, TypeRef};

use super::{Form, form, item_element, same};
use crate::fields::{Element, FieldSet};

/// The difference of two values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Fields that only the first has.
    pub removed: FieldSet,
    /// Fields that both have, with different values.
    pub modified: FieldSet,
    /// Fields that only the second has.
    pub added: FieldSet,
}

impl Comparison {
    /// Without the fields of the set and all below them.
    #[must_use]
    pub fn without(self, ignored: &FieldSet) -> Self {
        Self {
            removed: self.removed.difference_below(ignored),
            modified: self.modified.difference_below(ignored),
            added: self.added.difference_below(ignored),
        }
    }
}

/// How `new` differs from `old`.
pub fn compare(old: &Value, new: &Value, type_ref: &TypeRef) -> Comparison {
    let mut walk = Walk::default();
    walk.visit(Some(old), Some(new), type_ref);
    walk.found
}

#[derive(Default)]
struct Walk {
    path: Vec<Element>,
    found: Comparison,
}

impl Walk {
    fn visit(&mut self, old: Option<&Value>, new: Option<&Value>, type_ref: &TypeRef) {
        let old_form = old.map(|value| form(type_ref, value));
        let new_form = new.map(|value| form(type_ref, value));
        let leaf = match (old_form, new_form) {
            (Some(old_form), Some(new_form)) if old_form != new_form => {
                self.handle(old_form, (old, new), type_ref);
                self.handle(new_form, (old, new), type_ref)
            }
            (_, Some(form)) | (Some(form), None) => self.handle(form, (old, new), type_ref),
            (None, None) => return,
        };
        if !leaf {
            match (old, new) {
                (None, _) => self.found.added.insert(&self.path),
                (_, None) => self.found.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    /// Returns whether the values were taken as one.
    fn handle(
        &mut self,
        form: Form,
        (old, new): (Option<&Value>, Option<&Value>),
        type_ref: &TypeRef,
    ) -> bool {
        match form {
            Form::Leaf => {
                self.leaf(old, new);
                true
            }
            Form::List => {
                let items = |value: Option<&Value>| -> Vec<Value> {
                    value.and_then(Value::as_array).cloned().unwrap_or_default()
                };
                let (old_items, new_items) = (items(old), items(new));
                if old_items.is_empty() && new_items.is_empty() {
                    self.leaf(old, new);
                    return true;
                }
                if let Shape::List(list) = type_ref.shape() {
                    self.items(&old_items, &new_items, list);
                }
                false
            }
            Form::Map => {
                let empty = serde_json::Map::new();
                let old_fields = old.and_then(Value::as_object).unwrap_or(&empty);
                let new_fields = new.and_then(Value::as_object).unwrap_or(&empty);
                if old_fields.is_empty() && new_fields.is_empty() {
                    self.leaf(old, new);
                    return true;
                }
                let only_new = new_fields
                    .keys()
                    .filter(|name| !old_fields.contains_key(*name));
                for name in old_fields.keys().chain(only_new) {
                    let Some(child) = type_ref.child(name) else {
                        continue;
                    };
                    self.path.push(Element::field(name));
                    self.visit(old_fields.get(name), new_fields.get(name), &child);
                    self.path.pop();
                }
                false
            }
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if !same(old, new) => self.found.modified.insert(&self.path),
            _ => {}
        }
    }

    fn items(&mut self, old: &[Value], new: &[Value], list: &List) {
        let (old, new) = (by_element(old, list), by_element(new, list));
        let only_new = new.keys().filter(|element| !old.contains_key(*element));
        let none = Vec::new();
        for element in old.keys().chain(only_new) {
            let old_items = old.get(element).unwrap_or(&none);
            let new_items = new.get(element).unwrap_or(&none);
            self.path.push(element.clone());
            match (old_items.len(), new_items.len()) {
                (0 | 1, 0 | 1) => {
                    let (old, new) = (old_items.first(), new_items.first());
                    self.visit(old.copied(), new.copied(), &list.item);
                }
                (2.., 2..) => {
                    let equal = old_items.len() == new_items.len()
                        && old_items
                            .iter()
                            .zip(new_items)
                            .all(|(old, new)| same(old, new));
                    if !equal {
                        self.found.modified.insert(&self.path);
                    }
                }
                (2.., _) => {
                    if let Some(item) = new_items.first() {
                        self.visit(None, Some(item), &list.item);
                    }
                    self.found.removed.insert(&self.path);
                }
                (_, 2..) => {
                    if let Some(item) = old_items.first() {
                        self.visit(Some(item), None, &list.item);
                    }
                    self.found.added.insert(&self.path);
                }
            }
            self.path.pop();
        }
    }
}

fn by_element<'a>(items: &'a [Value], list: &List) -> BTreeMap<Element, Vec<&'a Value>> {
    let mut found: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(element) = item_element(list, item) {
            found.entry(element).or_default().push(item);
        }
    }
    found
}
