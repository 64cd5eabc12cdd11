//! What schemas ask of values by their types, of values as several schemas at once, and of what no
//! other keyword is about.
//!
//! It must not know how schemas are read.

use std::collections::BTreeMap;

use holdfast_model::Value as Json;

use super::check::{Look, Shown};
use super::node::{Additional, Arrays, Dependency, Numbers, Objects, Texts};
use super::number::{Decimal, count, float};
use super::problem::{Problem, listed, quoted};

type Table = serde_json::Map<String, Json>;

/// A count of things in memory, as messages write it.
fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is asked of values of this type.
pub(super) fn by_type(look: &mut Look<'_, '_>) {
    let (check, id) = (look.check, look.id());
    let node = check.node(id);
    match look.value {
        Json::Object(table) => {
            if let Some(objects) = node.objects.as_deref() {
                object(look, objects, table);
            }
        }
        Json::Array(list) => {
            if let Some(arrays) = node.arrays.as_deref() {
                array(look, arrays, list);
            }
        }
        Json::String(text) => {
            if let Some(texts) = node.texts.as_deref() {
                self::text(look, texts, text);
            }
        }
        Json::Number(_) => {
            if let Some(numbers) = node.numbers.as_deref() {
                number(look, numbers);
            }
        }
        _ => {}
    }
}

/// Bounds of a number of things.
fn bounds(look: &mut Look<'_, '_>, got: usize, min: (&str, Option<i64>), max: (&str, Option<i64>)) {
    let got = size(got);
    let words = |name: &str, want: i64| format!("{name}: got {}, want {}", count(got), count(want));
    if let (name, Some(want)) = min
        && got < want
    {
        look.add(|| words(name, want));
    }
    if let (name, Some(want)) = max
        && got > want
    {
        look.add(|| words(name, want));
    }
}

/// The properties of a list that are not there.
fn missing<'n>(table: &Table, wanted: &'n [String]) -> Vec<&'n str> {
    let names = wanted.iter().map(String::as_str);
    names.filter(|name| !table.contains_key(*name)).collect()
}

fn object<'v>(look: &mut Look<'_, 'v>, objects: &Objects, table: &'v Table) {
    let (min, max) = (objects.min, objects.max);
    bounds(
        look,
        table.len(),
        ("minProperties", min),
        ("maxProperties", max),
    );
    let absent = missing(table, &objects.required);
    match absent.as_slice() {
        [] => {}
        [one] => look.add(|| format!("missing property {}", quoted(one))),
        many => look.add(|| format!("missing properties {}", listed(many.iter().copied()))),
    }
    if look.only_verdict && !look.problems.is_empty() {
        return;
    }
    for (name, wanted) in &objects.dependencies {
        if table.contains_key(name) {
            match wanted {
                Dependency::Names(wanted) => required_with(look, table, name, wanted),
                Dependency::Schema(id) => {
                    let outcome = look.same(*id, false);
                    look.note(outcome);
                }
            }
        }
    }
    properties(look, objects, table);
    if let Some(id) = objects.names {
        for name in table.keys() {
            property_name(look, id, name);
        }
    }
    for (name, id) in &objects.dependent_schemas {
        if table.contains_key(name) {
            let outcome = look.same(*id, false);
            look.note(outcome);
        }
    }
    for (name, wanted) in &objects.dependent_required {
        if table.contains_key(name) {
            required_with(look, table, name, wanted);
        }
    }
}

fn required_with(look: &mut Look<'_, '_>, table: &Table, name: &str, wanted: &[String]) {
    let absent = missing(table, wanted);
    if !absent.is_empty() {
        look.add(|| {
            let absent = listed(absent.iter().copied());
            format!("properties {absent} required, if {} exists", quoted(name))
        });
    }
}

fn properties<'v>(look: &mut Look<'_, 'v>, objects: &Objects, table: &'v Table) {
    let mut refused = Vec::new();
    for (name, value) in table {
        if look.only_verdict && !look.problems.is_empty() {
            return;
        }
        let own = objects.properties.get(name).copied();
        let patterns = objects.patterns.iter();
        let matching = patterns.filter(|(regex, _)| regex.is_match(name));
        let mut is_seen = false;
        for id in own.into_iter().chain(matching.map(|(_, id)| *id)) {
            is_seen = true;
            let outcome = look.part(id, value, name);
            look.note(outcome);
        }
        if !is_seen {
            match objects.additional {
                None => continue,
                Some(Additional::Allowed) => {}
                Some(Additional::Refused) => refused.push(name.as_str()),
                Some(Additional::Schema(id)) => {
                    let outcome = look.part(id, value, name);
                    look.note(outcome);
                }
            }
        }
        look.unseen.names.remove(name.as_str());
    }
    if !refused.is_empty() {
        let refused = refused.into_iter();
        look.add(|| format!("additional properties {} not allowed", listed(refused)));
    }
}

/// A name is held against a schema as a value of its own, and what is wrong with it is told of the
/// object that has it. Names are always shown.
fn property_name(look: &mut Look<'_, '_>, id: usize, name: &str) {
    let value = Json::String(name.to_owned());
    let outcome = look.check.problems(id, &value, Shown::Everything);
    if let Err(causes) = outcome {
        look.add_all(causes, || format!("invalid propertyName {}", quoted(name)));
    }
}

fn array<'v>(look: &mut Look<'_, 'v>, arrays: &Arrays, list: &'v [Json]) {
    bounds(
        look,
        list.len(),
        ("minItems", arrays.min),
        ("maxItems", arrays.max),
    );
    if arrays.is_unique
        && let Some((first, second)) = duplicates(list)
    {
        look.add(|| {
            let (first, second) = (count(size(first)), count(size(second)));
            format!("items at {first} and {second} are equal")
        });
    }
    for (at, (item, id)) in list.iter().zip(&arrays.first).enumerate() {
        let outcome = look.part(*id, item, &at.to_string());
        look.note(outcome);
    }
    let seen = arrays.first.len().min(list.len());
    match arrays.rest {
        Some(Additional::Refused) if seen < list.len() => look.add(|| {
            let rest = count(size(list.len() - seen));
            format!("last {rest} additionalItem(s) not allowed")
        }),
        Some(Additional::Schema(id)) => {
            for (at, item) in list.iter().enumerate().skip(seen) {
                let outcome = look.part(id, item, &at.to_string());
                look.note(outcome);
            }
        }
        _ => {}
    }
    contains(look, arrays, list);
}

fn contains(look: &mut Look<'_, '_>, arrays: &Arrays, list: &[Json]) {
    let Some(id) = arrays.contains else {
        return;
    };
    let mut matching = Vec::new();
    let mut problems = Vec::new();
    let is_newest = look.check.node(look.id()).draft >= 2020;
    for (at, item) in list.iter().enumerate() {
        match look.part(id, item, &at.to_string()) {
            Ok(()) => {
                matching.push(at.to_string());
                if is_newest {
                    look.unseen.items.remove(&at);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    let got = size(matching.len());
    let words = |bound: &str, want: i64| {
        format!(
            "{bound} {} items required to match contains schema, but matched {} items at {}",
            count(want),
            count(got),
            matching.join(" ")
        )
    };
    match arrays.min_contains {
        Some(want) if got < want => look.add_all(problems, || match got {
            0 => format!(
                "min {} items required to match contains schema, but none matched",
                count(want)
            ),
            _ => words("min", want),
        }),
        None if got == 0 => {
            look.add_all(problems, || "no items match contains schema".to_owned());
        }
        _ => {}
    }
    if let Some(want) = arrays.max_contains
        && got > want
    {
        look.add(|| words("max", want));
    }
}

/// The first item that is there before, and where.
fn duplicates(list: &[Json]) -> Option<(usize, usize)> {
    let mut seen = BTreeMap::new();
    for (at, item) in list.iter().enumerate() {
        let mut key = String::new();
        canonical(item, &mut key);
        if let Some(before) = seen.insert(key, at) {
            return Some((before, at));
        }
    }
    None
}

/// A text that is the same for equal values.
fn canonical(value: &Json, out: &mut String) {
    match value {
        Json::Array(list) => {
            out.push('[');
            for item in list {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Json::Object(table) => {
            let mut entries: Vec<(&String, &Json)> = table.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, item) in entries {
                out.push_str(&format!("{key:?}:"));
                canonical(item, out);
                out.push(',');
            }
            out.push('}');
        }
        Json::Number(_) => out.push_str(&format!("{:?}", Decimal::of(value))),
        other => out.push_str(&other.to_string()),
    }
}

fn text(look: &mut Look<'_, '_>, texts: &Texts, text: &str) {
    if texts.min.is_some() || texts.max.is_some() {
        let letters = text.chars().count();
        bounds(
            look,
            letters,
            ("minLength", texts.min),
            ("maxLength", texts.max),
        );
    }
    if let Some((pattern, regex)) = &texts.pattern
        && !regex.is_match(text)
    {
        let shown = look.shown;
        look.add(|| {
            let value = match shown {
                Shown::Everything => quoted(text),
                Shown::Names => "value".to_owned(),
            };
            format!("{value} does not match pattern {}", quoted(pattern))
        });
    }
}

fn number(look: &mut Look<'_, '_>, numbers: &Numbers) {
    let value = look.value;
    let Some(got) = Decimal::of(value) else {
        return;
    };
    type Fails = fn(&Decimal, &Decimal) -> bool;
    let rules: [(&str, _, Fails); 5] = [
        ("minimum", &numbers.min, |got, want| got < want),
        ("maximum", &numbers.max, |got, want| got > want),
        ("exclusiveMinimum", &numbers.above, |got, want| got <= want),
        ("exclusiveMaximum", &numbers.below, |got, want| got >= want),
        ("multipleOf", &numbers.multiple_of, |got, want| {
            !got.is_multiple_of(want)
        }),
    ];
    for (name, bound, fails) in rules {
        if let Some((shown, want)) = bound
            && fails(&got, want)
        {
            look.add(|| format!("{name}: got {}, want {}", float(value), float(shown)));
        }
    }
}

/// What is asked of a value by the schemas that one is made of.
pub(super) fn combined(look: &mut Look<'_, '_>) {
    let check = look.check;
    let Some(combined) = check.node(look.id()).combined.as_deref() else {
        return;
    };
    if let Some(id) = combined.not
        && look.same(id, true).is_ok()
    {
        look.add(|| "'not' failed".to_owned());
    }
    let mut problems = Vec::new();
    for id in &combined.all {
        if let Err(problem) = look.same(*id, false) {
            problems.push(problem);
            if look.only_verdict {
                break;
            }
        }
    }
    if !problems.is_empty() {
        look.add_all(problems, || "'allOf' failed".to_owned());
    }
    any(look, &combined.any);
    one(look, &combined.one);
    if let Some(condition) = combined.condition {
        let branch = match look.same(condition, true) {
            Ok(()) => combined.then,
            Err(_) => combined.otherwise,
        };
        if let Some(id) = branch {
            let outcome = look.same(id, false);
            look.note(outcome);
        }
    }
}

fn any(look: &mut Look<'_, '_>, ids: &[usize]) {
    let mut problems = Vec::new();
    let mut fits = ids.is_empty();
    for id in ids {
        match look.same(*id, false) {
            Ok(()) => {
                fits = true;
                // Others may still have seen what is left to be seen.
                if look.unseen.is_empty() {
                    break;
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !fits {
        look.add_all(problems, || "'anyOf' failed".to_owned());
    }
}

fn one(look: &mut Look<'_, '_>, ids: &[usize]) {
    let mut problems: Vec<Problem> = Vec::new();
    let mut first = None;
    for (at, id) in ids.iter().enumerate() {
        match (look.same(*id, first.is_some()), first) {
            (Ok(()), None) => first = Some(at),
            (Ok(()), Some(first)) => {
                look.add(|| {
                    let (first, at) = (count(size(first)), count(size(at)));
                    format!("'oneOf' failed, subschemas {first}, {at} matched")
                });
                break;
            }
            (Err(problem), None) => problems.push(problem),
            (Err(_), Some(_)) => {}
        }
    }
    if first.is_none() && !ids.is_empty() {
        look.add_all(problems, || "'oneOf' failed, none matched".to_owned());
    }
}

/// What is asked of what no other keyword is about.
pub(super) fn unevaluated(look: &mut Look<'_, '_>) {
    let check = look.check;
    let node = check.node(look.id());
    if let (Json::Object(table), Some(objects)) = (look.value, node.objects.as_deref())
        && let Some(id) = objects.unevaluated
    {
        for name in std::mem::take(&mut look.unseen.names) {
            if let Some(value) = table.get(name) {
                let outcome = look.part(id, value, name);
                look.note(outcome);
            }
        }
    }
    if let (Json::Array(list), Some(arrays)) = (look.value, node.arrays.as_deref())
        && let Some(id) = arrays.unevaluated
    {
        for at in std::mem::take(&mut look.unseen.items) {
            if let Some(value) = list.get(at) {
                let outcome = look.part(id, value, &at.to_string());
                look.note(outcome);
            }
        }
    }
}
