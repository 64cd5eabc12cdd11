//! Reads the keywords of one schema.
//!
//! It must not know documents: whoever asks for a schema to be read answers where others are.

use std::collections::BTreeMap;

use holdfast_go::quote::quoted;
use holdfast_model::Value as Json;
use holdfast_template::compile_regex;

use super::address::{encode, place, split_fragment, token};
use super::compile::Schemas;
use super::draft::{Dialect, Draft};
use super::expressions::problem_of;
use super::formats::format;
use super::node::{
    Additional, Arrays, Combined, Dependency, Dynamic, Id, Node, Numbers, Objects, Texts, Types,
};
use super::number::Decimal;

/// A schema that is being read.
pub(super) struct Reading<'r> {
    /// Its keywords.
    pub(super) table: &'r serde_json::Map<String, Json>,
    /// The rules that it is read by.
    pub(super) dialect: &'r Dialect,
    /// Whether `format` is more than a remark.
    pub(super) asserts_formats: bool,
    /// Where it stands: the address of its document and a pointer.
    pub(super) here: (&'r str, &'r str),
    /// What its references are relative to.
    pub(super) base: &'r str,
    /// Who knows where schemas are.
    pub(super) schemas: &'r mut dyn Schemas,
}

impl<'r> Reading<'r> {
    /// Reads everything that counts in its dialect.
    ///
    /// # Errors
    /// The library's words for a reference that leads nowhere, and an expression that is none.
    pub(super) fn read(&mut self, node: &mut Node) -> Result<(), String> {
        let draft = self.dialect.draft;
        node.reference = self.reference("$ref")?;
        // In older drafts what stands beside a reference is passed over. Keywords that came with
        // drafts 6 and 7 are read all the same, as the library does it.
        let is_alone = draft < Draft::Y2019 && node.reference.is_some();
        if self.dialect.has("applicator") {
            self.read_objects(node, is_alone)?;
            self.read_arrays(node, is_alone);
            self.read_combined(node, is_alone);
        }
        if self.dialect.has("validation") {
            self.read_validation(node, is_alone)?;
            self.read_object_bounds(node, is_alone);
            self.read_array_bounds(node, is_alone);
        }
        let unevaluated = match draft {
            Draft::Y2019 => self.dialect.has("applicator"),
            _ => draft > Draft::Y2019 && self.dialect.has("unevaluated"),
        };
        if unevaluated {
            if let Some(id) = self.one("unevaluatedProperties") {
                node.objects.get_or_insert_default().unevaluated = Some(id);
            }
            if let Some(id) = self.one("unevaluatedItems") {
                node.arrays.get_or_insert_default().unevaluated = Some(id);
            }
        }
        if !is_alone && self.asserts_formats {
            node.format = self.text("format").and_then(format);
        }
        self.read_dynamic(node)
    }

    fn read_dynamic(&mut self, node: &mut Node) -> Result<(), String> {
        let draft = self.dialect.draft;
        if draft < Draft::Y2019 {
            return Ok(());
        }
        let mut dynamic = Dynamic {
            recursive_reference: self.reference("$recursiveRef")?,
            recursive_anchor: self.flag("$recursiveAnchor"),
            ..Dynamic::default()
        };
        if draft >= Draft::Y2020 {
            if let Some(target) = self.reference("$dynamicRef")? {
                let (_, fragment) = split_fragment(self.text("$dynamicRef").unwrap_or_default())?;
                let anchor = match fragment.starts_with('/') {
                    true => String::new(),
                    false => fragment,
                };
                dynamic.dynamic_reference = Some((target, anchor));
            }
            let anchor = self.text("$dynamicAnchor").unwrap_or_default();
            anchor.clone_into(&mut dynamic.dynamic_anchor);
        }
        let is_needed = dynamic.recursive_reference.is_some()
            || dynamic.recursive_anchor
            || dynamic.dynamic_reference.is_some()
            || !dynamic.dynamic_anchor.is_empty();
        if let Some(known) = &mut node.dynamic {
            dynamic.anchors = std::mem::take(&mut known.anchors);
        } else if !is_needed {
            return Ok(());
        }
        node.dynamic = Some(Box::new(dynamic));
        Ok(())
    }

    fn read_validation(&mut self, node: &mut Node, is_alone: bool) -> Result<(), String> {
        if self.dialect.draft >= Draft::Six {
            node.constant = self.table.get("const").cloned();
        }
        if is_alone {
            return Ok(());
        }
        node.types = self.table.get("type").map(Types::read).unwrap_or_default();
        node.choices = self.list("enum").cloned();
        self.read_numbers(node);
        let pattern = self.text("pattern");
        let texts = Texts {
            min: self.whole("minLength"),
            max: self.whole("maxLength"),
            pattern: match pattern {
                Some(pattern) => {
                    let regex = compile_regex(pattern);
                    let regex = regex.ok_or_else(|| self.no_expression("pattern", pattern))?;
                    Some((pattern.to_owned(), regex))
                }
                None => None,
            },
        };
        if texts.min.is_some() || texts.max.is_some() || texts.pattern.is_some() {
            node.texts = Some(Box::new(texts));
        }
        Ok(())
    }

    fn read_numbers(&mut self, node: &mut Node) {
        let mut numbers = Numbers {
            min: self.number("minimum"),
            max: self.number("maximum"),
            above: self.number("exclusiveMinimum"),
            below: self.number("exclusiveMaximum"),
            multiple_of: self.number("multipleOf"),
        };
        // Draft 4 says with a flag that a bound itself is too small or too large.
        if self.flag("exclusiveMinimum") {
            numbers.above = numbers.min.take();
        }
        if self.flag("exclusiveMaximum") {
            numbers.below = numbers.max.take();
        }
        let bounds = [
            &numbers.min,
            &numbers.max,
            &numbers.above,
            &numbers.below,
            &numbers.multiple_of,
        ];
        if bounds.into_iter().any(Option::is_some) {
            node.numbers = Some(Box::new(numbers));
        }
    }

    fn read_objects(&mut self, node: &mut Node, is_alone: bool) -> Result<(), String> {
        let draft = self.dialect.draft;
        let mut objects = Objects::default();
        if draft >= Draft::Six {
            objects.names = self.one("propertyNames");
        }
        if draft >= Draft::Y2019 {
            objects.dependent_schemas = self.named("dependentSchemas");
        }
        if !is_alone {
            objects.properties = self
                .named("properties")
                .into_iter()
                .collect::<BTreeMap<_, _>>();
            for (pattern, id) in self.named("patternProperties") {
                let regex = compile_regex(&pattern);
                let regex =
                    regex.ok_or_else(|| self.no_expression("patternProperties", &pattern))?;
                objects.patterns.push((regex, id));
            }
            objects.additional = self.additional("additionalProperties");
            objects.dependencies = self.dependencies();
        }
        let is_needed = objects.names.is_some()
            || objects.additional.is_some()
            || !objects.dependent_schemas.is_empty()
            || !objects.properties.is_empty()
            || !objects.patterns.is_empty()
            || !objects.dependencies.is_empty();
        if is_needed {
            node.objects = Some(Box::new(objects));
        }
        Ok(())
    }

    fn read_object_bounds(&mut self, node: &mut Node, is_alone: bool) {
        let (mut min, mut max, mut required) = (None, None, Vec::new());
        if !is_alone {
            min = self.whole("minProperties");
            max = self.whole("maxProperties");
            required = self
                .list("required")
                .map(|list| names(list))
                .unwrap_or_default();
        }
        let mut dependent = Vec::new();
        if self.dialect.draft >= Draft::Y2019
            && let Some(Json::Object(table)) = self.table.get("dependentRequired")
        {
            let lists = table.iter();
            let lists =
                lists.filter_map(|(name, list)| Some((name.clone(), names(list.as_array()?))));
            dependent = lists.collect();
        }
        if min.is_some() || max.is_some() || !required.is_empty() || !dependent.is_empty() {
            let objects = node.objects.get_or_insert_default();
            objects.min = min;
            objects.max = max;
            objects.required = required;
            objects.dependent_required = dependent;
        }
    }

    fn read_arrays(&mut self, node: &mut Node, is_alone: bool) {
        let draft = self.dialect.draft;
        let mut arrays = Arrays::default();
        if draft >= Draft::Y2020 {
            arrays.first = self.each("prefixItems");
            arrays.rest = self.one("items").map(Additional::Schema);
        } else if !is_alone {
            if self.list("items").is_some() {
                arrays.first = self.each("items");
                arrays.rest = self.additional("additionalItems");
            } else {
                arrays.rest = self.one("items").map(Additional::Schema);
            }
        }
        if draft >= Draft::Six {
            arrays.contains = self.one("contains");
        }
        if !arrays.first.is_empty() || arrays.rest.is_some() || arrays.contains.is_some() {
            node.arrays = Some(Box::new(arrays));
        }
    }

    fn read_array_bounds(&mut self, node: &mut Node, is_alone: bool) {
        if self.dialect.draft >= Draft::Y2019
            && let Some(arrays) = node.arrays.as_deref_mut()
            && arrays.contains.is_some()
        {
            arrays.min_contains = self.whole("minContains");
            arrays.max_contains = self.whole("maxContains");
        }
        if is_alone {
            return;
        }
        let (min, max) = (self.whole("minItems"), self.whole("maxItems"));
        let is_unique = self.flag("uniqueItems");
        if min.is_some() || max.is_some() || is_unique {
            let arrays = node.arrays.get_or_insert_default();
            arrays.min = min;
            arrays.max = max;
            arrays.is_unique = is_unique;
        }
    }

    fn read_combined(&mut self, node: &mut Node, is_alone: bool) {
        let mut combined = Combined::default();
        if !is_alone {
            combined.not = self.one("not");
            combined.all = self.each("allOf");
            combined.any = self.each("anyOf");
            combined.one = self.each("oneOf");
        }
        if self.dialect.draft >= Draft::Seven {
            combined.condition = self.one("if");
            // What a condition that is always the same leaves out is not read.
            let always = self.table.get("if").and_then(Json::as_bool);
            if combined.condition.is_some() {
                combined.then = match always {
                    Some(false) => None,
                    _ => self.one("then"),
                };
                combined.otherwise = match always {
                    Some(true) => None,
                    _ => self.one("else"),
                };
            }
        }
        let is_needed = combined.not.is_some()
            || combined.condition.is_some()
            || [&combined.all, &combined.any, &combined.one]
                .into_iter()
                .any(|list| !list.is_empty());
        if is_needed {
            node.combined = Some(Box::new(combined));
        }
    }

    fn dependencies(&mut self) -> Vec<(String, Dependency)> {
        let Some(Json::Object(table)) = self.table.get("dependencies") else {
            return Vec::new();
        };
        let mut found = Vec::with_capacity(table.len());
        for (name, wanted) in table {
            let wanted = match wanted {
                Json::Array(list) => Dependency::Names(names(list)),
                _ => Dependency::Schema(self.below(&["dependencies", name])),
            };
            found.push((name.clone(), wanted));
        }
        found
    }

    fn no_expression(&self, key: &str, pattern: &str) -> String {
        let (url, pointer) = self.here;
        format!(
            "invalid regex {} at {}: {}",
            quoted(pattern),
            quoted(&format!("{}/{}", place(url, pointer), encode(key))),
            problem_of(pattern)
        )
    }

    fn reference(&mut self, key: &str) -> Result<Option<Id>, String> {
        match self.text(key) {
            None => Ok(None),
            Some(reference) => {
                let found = self.schemas.referred(self.here.0, self.base, reference);
                found.map(Some)
            }
        }
    }

    fn below(&mut self, tokens: &[&str]) -> Id {
        let (url, pointer) = self.here;
        let mut pointer = pointer.to_owned();
        for step in tokens {
            pointer.push('/');
            pointer.push_str(&token(step));
        }
        self.schemas.at(url, pointer)
    }

    fn one(&mut self, key: &str) -> Option<Id> {
        self.table.contains_key(key).then(|| self.below(&[key]))
    }

    fn each(&mut self, key: &str) -> Vec<Id> {
        let count = self.list(key).map_or(0, Vec::len);
        let places = (0..count).map(|at| self.below(&[key, &at.to_string()]));
        places.collect()
    }

    fn named(&mut self, key: &str) -> Vec<(String, Id)> {
        let Some(Json::Object(table)) = self.table.get(key) else {
            return Vec::new();
        };
        let names = table.keys();
        names
            .map(|name| (name.clone(), self.below(&[key, name])))
            .collect()
    }

    fn additional(&mut self, key: &str) -> Option<Additional> {
        match self.table.get(key) {
            Some(Json::Bool(true)) => Some(Additional::Allowed),
            Some(Json::Bool(false)) => Some(Additional::Refused),
            _ => self.one(key).map(Additional::Schema),
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.table.get(key) == Some(&Json::Bool(true))
    }

    fn text(&self, key: &str) -> Option<&'r str> {
        self.table.get(key).and_then(Json::as_str)
    }

    fn list(&self, key: &str) -> Option<&'r Vec<Json>> {
        self.table.get(key).and_then(Json::as_array)
    }

    fn number(&self, key: &str) -> Option<(Json, Decimal)> {
        let number = self.table.get(key)?;
        Some((number.clone(), Decimal::of(number)?))
    }

    fn whole(&self, key: &str) -> Option<i64> {
        self.number(key)?.1.whole()
    }
}

fn names(list: &[Json]) -> Vec<String> {
    let texts = list.iter().filter_map(Json::as_str);
    texts.map(str::to_owned).collect()
}
