//! A schema as it is applied to values: what each keyword asks for, by kinds of values.
//!
//! It must not know how schemas are read or applied.

use std::collections::BTreeMap;

use holdfast_model::Value as Json;
use holdfast_template::Regex;

use super::formats::Format;
use super::number::Decimal;

/// The place of a schema among all that were read with it.
pub(super) type Id = usize;

/// A schema. Parts that few schemas have are kept apart, so that most are small.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Where it stands, as messages say it.
    pub(super) location: String,
    /// The draft that it is read by: 4, 6, 7, 2019 or 2020.
    pub(super) draft: u16,
    /// The schema with an identifier that it is part of.
    pub(super) resource: Id,
    /// What it says to every value, where it is no more than `true` or `false`.
    pub(super) verdict: Option<bool>,
    /// `$ref`.
    pub(super) reference: Option<Id>,
    /// The other kinds of references, and what they find.
    pub(super) dynamic: Option<Box<Dynamic>>,
    /// `type`.
    pub(super) types: Types,
    /// `enum`.
    pub(super) choices: Option<Vec<Json>>,
    /// `const`.
    pub(super) constant: Option<Json>,
    /// `format`, where it is more than a remark.
    pub(super) format: Option<Format>,
    /// What it asks of objects.
    pub(super) objects: Option<Box<Objects>>,
    /// What it asks of arrays.
    pub(super) arrays: Option<Box<Arrays>>,
    /// What it asks of texts.
    pub(super) texts: Option<Box<Texts>>,
    /// What it asks of numbers.
    pub(super) numbers: Option<Box<Numbers>>,
    /// The schemas that it is made of.
    pub(super) combined: Option<Box<Combined>>,
}

/// References whose target depends on where the schema is referred to from.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    /// `$recursiveRef`.
    pub(super) recursive_reference: Option<Id>,
    /// `$recursiveAnchor`.
    pub(super) recursive_anchor: bool,
    /// `$dynamicRef`: the first target, and the anchor that it names.
    pub(super) dynamic_reference: Option<(Id, String)>,
    /// `$dynamicAnchor`; empty for none.
    pub(super) dynamic_anchor: String,
    /// The dynamic anchors of a schema with an identifier.
    pub(super) anchors: BTreeMap<String, Id>,
}

/// What is asked of objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) required: Vec<String>,
    pub(super) names: Option<Id>,
    pub(super) properties: BTreeMap<String, Id>,
    pub(super) patterns: Vec<(Regex, Id)>,
    pub(super) additional: Option<Additional>,
    pub(super) dependencies: Vec<(String, Dependency)>,
    pub(super) dependent_required: Vec<(String, Vec<String>)>,
    pub(super) dependent_schemas: Vec<(String, Id)>,
    pub(super) unevaluated: Option<Id>,
}

/// What is asked of arrays.
#[derive(Debug, Default)]
pub(super) struct Arrays {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) is_unique: bool,
    pub(super) contains: Option<Id>,
    pub(super) min_contains: Option<i64>,
    pub(super) max_contains: Option<i64>,
    /// The schemas of the first items: `prefixItems`, or `items` of older drafts as a list.
    pub(super) first: Vec<Id>,
    /// What is asked of the items behind them.
    pub(super) rest: Option<Additional>,
    pub(super) unevaluated: Option<Id>,
}

/// What is asked of texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    /// The expression as it is written, and compiled.
    pub(super) pattern: Option<(String, Regex)>,
}

/// What is asked of numbers: as messages write it, and exactly.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) min: Option<(Json, Decimal)>,
    pub(super) max: Option<(Json, Decimal)>,
    pub(super) above: Option<(Json, Decimal)>,
    pub(super) below: Option<(Json, Decimal)>,
    pub(super) multiple_of: Option<(Json, Decimal)>,
}

/// The schemas that one is made of.
#[derive(Debug, Default)]
pub(super) struct Combined {
    pub(super) not: Option<Id>,
    pub(super) all: Vec<Id>,
    pub(super) any: Vec<Id>,
    pub(super) one: Vec<Id>,
    pub(super) condition: Option<Id>,
    pub(super) then: Option<Id>,
    pub(super) otherwise: Option<Id>,
}

/// What is asked of what no other keyword is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Additional {
    /// Nothing.
    Allowed,
    /// That there is none.
    Refused,
    /// This.
    Schema(Id),
}

/// What has to be there with a property.
#[derive(Debug)]
pub(super) enum Dependency {
    /// These properties.
    Names(Vec<String>),
    /// What fits this schema.
    Schema(Id),
}

/// The types that a value may have; any where none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

/// The names of types, in the order in which messages list them.
const TYPES: [&str; 7] = [
    "null", "boolean", "number", "integer", "string", "array", "object",
];

impl Types {
    /// The types that `type` names. What is none is passed over.
    pub(super) fn read(json: &Json) -> Self {
        let mut types = Self::default();
        match json {
            Json::String(name) => types.add(name),
            Json::Array(names) => names
                .iter()
                .filter_map(Json::as_str)
                .for_each(|name| types.add(name)),
            _ => {}
        }
        types
    }

    fn add(&mut self, name: &str) {
        if let Some(bit) = TYPES.iter().position(|known| *known == name) {
            self.0 |= 1 << bit;
        }
    }

    fn has(self, name: &str) -> bool {
        let mut one = Self::default();
        one.add(name);
        self.0 & one.0 != 0
    }

    /// Whether a value has one of them. A number without a fraction is an integer in every draft.
    pub(super) fn allow(self, value: &Json) -> bool {
        self.0 == 0
            || self.has(type_name(value))
            || self.has("integer") && Decimal::of(value).is_some_and(|number| number.is_whole())
    }

    /// Their names.
    pub(super) fn names(self) -> String {
        let names: Vec<&str> = TYPES.into_iter().filter(|name| self.has(name)).collect();
        names.join(" or ")
    }
}

/// The type of a value.
pub(super) fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
