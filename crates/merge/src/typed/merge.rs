//! Merges an applied value into a live one. It must not know owners.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdfast_model::Value;
use holdfast_schema::{List, Shape, TypeRef};
use serde_json::Map;

use super::{Form, form, item_element};
use crate::fields::Element;

/// The live value with everything that the applied one says.
pub fn merge(live: &Value, applied: &Value, type_ref: &TypeRef) -> Value {
    both(Some(live), Some(applied), type_ref).unwrap_or(Value::Null)
}

fn both(live: Option<&Value>, applied: Option<&Value>, type_ref: &TypeRef) -> Option<Value> {
    let decider = applied.or(live)?;
    let form = form(type_ref, decider);
    let live_fits = live.filter(|live| applied.is_none() || self::form(type_ref, live) == form);
    let live = if form == Form::Leaf { live } else { live_fits };
    match form {
        Form::Leaf => applied.or(live).cloned(),
        Form::List => {
            let live_items = live.and_then(Value::as_array);
            let applied_items = applied.and_then(Value::as_array);
            let empty = |items: Option<&Vec<Value>>| items.is_none_or(Vec::is_empty);
            let Shape::List(list) = type_ref.shape() else {
                return applied.or(live).cloned();
            };
            if empty(live_items) && empty(applied_items) {
                return applied.or(live).cloned();
            }
            let none = Vec::new();
            Some(Value::Array(merge_items(
                live_items.unwrap_or(&none),
                applied_items.unwrap_or(&none),
                list,
            )))
        }
        Form::Map => {
            let empty = Map::new();
            let live_fields = live.and_then(Value::as_object).unwrap_or(&empty);
            let applied_fields = applied.and_then(Value::as_object).unwrap_or(&empty);
            if live_fields.is_empty() && applied_fields.is_empty() {
                return applied.or(live).cloned();
            }
            let mut merged = Map::new();
            let names: BTreeSet<&String> =
                live_fields.keys().chain(applied_fields.keys()).collect();
            for name in names {
                let child = type_ref.child(name).unwrap_or_else(TypeRef::any);
                if let Some(value) = both(live_fields.get(name), applied_fields.get(name), &child) {
                    merged.insert(name.clone(), value);
                }
            }
            Some(Value::Object(merged))
        }
    }
}

/// The items of both, in the order of the applied ones, with live ones kept where they stood
/// relative to those that both have.
fn merge_items(live: &[Value], applied: &[Value], list: &List) -> Vec<Value> {
    let elements = |items: &[Value]| -> Vec<(Element, Value)> {
        let found = items.iter().filter_map(|item| {
            let element = item_element(list, item).ok()?;
            Some((element, item.clone()))
        });
        found.collect()
    };
    let (live, applied) = (elements(live), elements(applied));
    // An item that the live list has twice is not merged with: the applied one stands alone.
    let mut live_by_element: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, item) in &live {
        live_by_element
            .entry(element)
            .and_modify(|found| *found = None)
            .or_insert(Some(item));
    }
    let applied_elements: BTreeSet<&Element> = applied.iter().map(|(element, _)| element).collect();
    let mut shared: VecDeque<&Element> = applied
        .iter()
        .map(|(element, _)| element)
        .filter(|element| live_by_element.contains_key(element))
        .collect();
    let mut next_shared = shared.pop_front();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::new();
    let (mut at_live, mut at_applied) = (0, 0);
    while at_live < live.len() || at_applied < applied.len() {
        if let Some((element, item)) = live.get(at_live) {
            let same = applied
                .get(at_applied)
                .is_some_and(|(other, _)| other == element);
            let is_shared = applied_elements.contains(element);
            if !same && at_applied < applied.len() {
                let other_turn = next_shared.is_some_and(|next| next != element);
                if is_shared && other_turn {
                    at_live += 1;
                    continue;
                }
            }
            if !same && !is_shared {
                out.extend(both(Some(item), None, &list.item));
                at_live += 1;
                continue;
            }
            if same || done.contains(element) {
                at_live += 1;
            }
        }
        if let Some((element, item)) = applied.get(at_applied) {
            done.insert(element);
            let live_item = live_by_element.get(element).copied().flatten();
            out.extend(both(live_item, Some(item), &list.item));
            at_applied += 1;
            if next_shared == Some(element) {
                next_shared = shared.pop_front();
            }
        }
    }
    out
}
