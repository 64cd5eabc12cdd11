//! The drafts of JSON Schema: what names them, where a draft's schemas hold other schemas, and the
//! vocabularies that switch keywords on.
//!
//! It must not know how keywords are read.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use holdfast_model::Value as Json;

use super::address::{split, token};

/// A draft, named by its year or number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Four,
    Six,
    Seven,
    Y2019,
    /// The one that a schema has that names none, as for Helm.
    #[default]
    Y2020,
}

/// All of them.
pub(super) const DRAFTS: [Draft; 5] = [
    Draft::Four,
    Draft::Six,
    Draft::Seven,
    Draft::Y2019,
    Draft::Y2020,
];

/// How a keyword holds schemas.
#[derive(Clone, Copy)]
enum Holds {
    One,
    List,
    Table,
}

/// The keywords that hold schemas, and the first draft in which they do. Older names are still read
/// in newer drafts, as by the library that Helm has.
const HOLDERS: [(&str, Holds, Draft); 23] = [
    ("definitions", Holds::Table, Draft::Four),
    ("not", Holds::One, Draft::Four),
    ("allOf", Holds::List, Draft::Four),
    ("anyOf", Holds::List, Draft::Four),
    ("oneOf", Holds::List, Draft::Four),
    ("properties", Holds::Table, Draft::Four),
    ("additionalProperties", Holds::One, Draft::Four),
    ("patternProperties", Holds::Table, Draft::Four),
    ("items", Holds::One, Draft::Four),
    ("items", Holds::List, Draft::Four),
    ("additionalItems", Holds::One, Draft::Four),
    ("dependencies", Holds::Table, Draft::Four),
    ("propertyNames", Holds::One, Draft::Six),
    ("contains", Holds::One, Draft::Six),
    ("if", Holds::One, Draft::Seven),
    ("then", Holds::One, Draft::Seven),
    ("else", Holds::One, Draft::Seven),
    ("$defs", Holds::Table, Draft::Y2019),
    ("dependentSchemas", Holds::Table, Draft::Y2019),
    ("unevaluatedProperties", Holds::One, Draft::Y2019),
    ("unevaluatedItems", Holds::One, Draft::Y2019),
    ("contentSchema", Holds::One, Draft::Y2019),
    ("prefixItems", Holds::List, Draft::Y2020),
];

const VOCABULARIES_2019: [&str; 6] = [
    "core",
    "applicator",
    "validation",
    "meta-data",
    "format",
    "content",
];

const VOCABULARIES_2020: [&str; 8] = [
    "core",
    "applicator",
    "unevaluated",
    "validation",
    "meta-data",
    "format-annotation",
    "format-assertion",
    "content",
];

impl Draft {
    /// The draft that an address is of. Whether it is spoken of with http or https is the same.
    pub(super) fn of_address(address: &str) -> Option<Self> {
        let (address, fragment) = split(address);
        if !fragment.is_empty() {
            return None;
        }
        let name = address
            .strip_prefix("http://")
            .or(address.strip_prefix("https://"))
            .unwrap_or(address);
        Some(match name {
            "json-schema.org/schema" | "json-schema.org/draft/2020-12/schema" => Self::Y2020,
            "json-schema.org/draft/2019-09/schema" => Self::Y2019,
            "json-schema.org/draft-07/schema" => Self::Seven,
            "json-schema.org/draft-06/schema" => Self::Six,
            "json-schema.org/draft-04/schema" => Self::Four,
            _ => return None,
        })
    }

    /// The address of the schema of its schemas.
    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Four => "http://json-schema.org/draft-04/schema",
            Self::Six => "http://json-schema.org/draft-06/schema",
            Self::Seven => "http://json-schema.org/draft-07/schema",
            Self::Y2019 => "https://json-schema.org/draft/2019-09/schema",
            Self::Y2020 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// Its number or year.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Four => 4,
            Self::Six => 6,
            Self::Seven => 7,
            Self::Y2019 => 2019,
            Self::Y2020 => 2020,
        }
    }

    /// The key of an identifier.
    pub(super) fn id_key(self) -> &'static str {
        match self {
            Self::Four => "id",
            _ => "$id",
        }
    }

    /// The identifier of a schema without its fragment; empty for none.
    pub(super) fn id_of(self, schema: &serde_json::Map<String, Json>) -> &str {
        // Beside a reference everything else is passed over in older drafts.
        if self < Self::Y2019 && schema.contains_key("$ref") {
            return "";
        }
        let id = schema.get(self.id_key()).and_then(Json::as_str);
        split(id.unwrap_or_default()).0
    }

    /// The schemas that a schema holds, with pointers to them.
    pub(super) fn schemas_in<'s>(
        self,
        schema: &'s serde_json::Map<String, Json>,
        pointer: &str,
    ) -> Vec<(String, &'s Json)> {
        let mut found = Vec::new();
        for (key, holds, since) in HOLDERS {
            if since > self {
                continue;
            }
            match (holds, schema.get(key)) {
                (Holds::One, Some(held)) => found.push((format!("{pointer}/{key}"), held)),
                (Holds::List, Some(Json::Array(list))) => {
                    let list = list.iter().enumerate();
                    found.extend(list.map(|(at, held)| (format!("{pointer}/{key}/{at}"), held)));
                }
                (Holds::Table, Some(Json::Object(table))) => {
                    let table = table.iter();
                    found
                        .extend(table.map(|(name, held)| {
                            (format!("{pointer}/{key}/{}", token(name)), held)
                        }));
                }
                _ => {}
            }
        }
        found
    }

    /// The vocabularies that it knows.
    pub(super) fn vocabularies(self) -> &'static [&'static str] {
        match self {
            Self::Y2019 => &VOCABULARIES_2019,
            Self::Y2020 => &VOCABULARIES_2020,
            _ => &[],
        }
    }

    /// What precedes the name of one of its vocabularies.
    fn vocabulary_prefix(self) -> &'static str {
        match self {
            Self::Y2019 => "https://json-schema.org/draft/2019-09/vocab/",
            Self::Y2020 => "https://json-schema.org/draft/2020-12/vocab/",
            _ => "",
        }
    }

    /// The vocabularies that a schema of schemas asks for; nothing where it does not say.
    ///
    /// # Errors
    /// The name of one that is not known.
    pub(super) fn asked_vocabularies(self, schema: &Json) -> Result<Option<Vec<String>>, String> {
        let asked = schema.get("$vocabulary").and_then(Json::as_object);
        let Some(asked) = asked.filter(|_| self >= Self::Y2019) else {
            return Ok(None);
        };
        let mut names = Vec::new();
        for (address, is_required) in asked {
            if *is_required != Json::Bool(true) {
                continue;
            }
            let name = address.strip_prefix(self.vocabulary_prefix());
            match name.filter(|name| self.vocabularies().contains(name)) {
                Some(name) => names.push(name.to_owned()),
                None => return Err(address.clone()),
            }
        }
        if !names.iter().any(|name| name == "core") {
            names.push("core".to_owned());
        }
        Ok(Some(names))
    }
}

/// The rules that a schema is read by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dialect {
    /// The draft.
    pub(super) draft: Draft,
    /// The vocabularies, where a schema of schemas names them.
    pub(super) vocabularies: Option<Vec<String>>,
}

impl Dialect {
    /// Whether the keywords of a vocabulary count.
    pub(super) fn has(&self, vocabulary: &str) -> bool {
        if vocabulary == "core" || self.draft < Draft::Y2019 {
            return true;
        }
        match &self.vocabularies {
            Some(names) => names.iter().any(|name| name == vocabulary),
            None => match vocabulary {
                "applicator" | "validation" => true,
                "unevaluated" => self.draft == Draft::Y2020,
                _ => false,
            },
        }
    }

    /// Whether `format` is more than a remark.
    pub(super) fn asserts_formats(&self) -> bool {
        match self.draft {
            Draft::Y2019 => self.has("format"),
            Draft::Y2020 => self.has("format-assertion"),
            _ => true,
        }
    }
}

/// The schemas of the drafts' schemas, by what follows `json-schema.org/`, without their remarks.
/// They are the specification's own (AFL or BSD), as github.com/santhosh-tekuri/jsonschema has them.
const DOCUMENTS: &str = include_str!("drafts.json");

/// The document that a draft has at an address; nothing for another address.
pub(super) fn document(address: &str) -> Option<&'static Json> {
    static READ: OnceLock<BTreeMap<String, Json>> = OnceLock::new();
    let name = address
        .strip_prefix("http://json-schema.org/")
        .or(address.strip_prefix("https://json-schema.org/"))?;
    let name = match name {
        "schema" => "draft/2020-12/schema",
        name => name,
    };
    let read = || serde_json::from_str(DOCUMENTS).unwrap_or_default();
    READ.get_or_init(read).get(name)
}
