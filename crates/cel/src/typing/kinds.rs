//! The types that values have. It must not know which of them fit together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use holdfast_model::Value;

/// A type.
#[derive(Clone, Debug)]
pub(crate) enum Type<'a> {
    /// Anything: what it is shows when the rule runs.
    Dyn,
    /// What is wrong already, and not told again.
    Error,
    Null,
    /// One that has a name and no parts.
    Plain(&'static str),
    List(Arc<Type<'a>>),
    /// Keys and values.
    Map(Arc<(Type<'a>, Type<'a>)>),
    /// One of a library, with its parts: an optional value, a quantity.
    Opaque(&'static str, Arc<[Type<'a>]>),
    /// An object with fields.
    Object(Arc<Object<'a>>),
    /// The type of a type.
    Named(Arc<Type<'a>>),
    /// One that is found out on the way.
    Variable(u32),
}

/// What fields an object has. Two with the same name are the same.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    pub(super) name: String,
    pub(super) schema: &'a Value,
    /// Whether it is an object of the API, which has a kind and a name.
    pub(super) is_root: bool,
    /// Its fields, where no schema has them.
    pub(super) own: Option<BTreeMap<String, Type<'a>>>,
}

/// The schema of what has none.
static NO_SCHEMA: Value = Value::Null;

/// The name of the types of optional values.
const OPTIONAL: &str = "optional_type";

pub(crate) const BOOL: Type<'_> = Type::Plain("bool");

pub(crate) const INT: Type<'_> = Type::Plain("int");

pub(crate) const STRING: Type<'_> = Type::Plain("string");

impl<'a> Type<'a> {
    /// An object with these fields and no others.
    pub(crate) fn object(name: &str, fields: BTreeMap<String, Type<'a>>) -> Self {
        Self::Object(Arc::new(Object {
            name: name.to_owned(),
            schema: &NO_SCHEMA,
            is_root: false,
            own: Some(fields),
        }))
    }

    pub(crate) fn optional(self) -> Self {
        Self::Opaque(OPTIONAL, Arc::new([self]))
    }

    pub(crate) fn list(self) -> Self {
        Self::List(Arc::new(self))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// What an optional value holds.
    pub(crate) fn held(&self) -> Option<&Self> {
        match self {
            Self::Opaque(OPTIONAL, parts) => parts.first(),
            _ => None,
        }
    }

    /// Whether values of the type have fields that can be selected.
    pub(crate) fn has_fields(&self) -> bool {
        match self {
            Self::Map(_) | Self::Object(_) => true,
            Self::Opaque(name, _) => name.starts_with("kubernetes."),
            _ => false,
        }
    }

    pub(crate) fn is(&self, plain: &Type<'_>) -> bool {
        matches!((self, plain), (Self::Plain(own), Type::Plain(other)) if own == other)
    }

    pub(crate) fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Plain("any"))
    }
}

/// How much of a type is shown.
const SHOWN: usize = 4096;

/// As the real server shows it.
impl fmt::Display for Type<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        show(self, &mut text);
        formatter.write_str(&text)
    }
}

fn show(found: &Type<'_>, text: &mut String) {
    // A type may be told in a few words and be endless when it is written out.
    if text.len() > SHOWN {
        return;
    }
    let mut of = |name: &str, parts: &[&Type<'_>]| {
        text.push_str(name);
        text.push('(');
        for (index, part) in parts.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            show(part, text);
        }
        text.push(')');
    };
    match found {
        Type::Dyn => text.push_str("dyn"),
        Type::Error => text.push_str("!error!"),
        Type::Null => text.push_str("null"),
        Type::Plain(name) => text.push_str(name),
        Type::List(item) => of("list", &[item]),
        Type::Map(parts) => of("map", &[&parts.0, &parts.1]),
        Type::Opaque(name, parts) if parts.is_empty() => text.push_str(name),
        Type::Opaque(name, parts) => of(name, &parts.iter().collect::<Vec<_>>()),
        Type::Object(object) => text.push_str(&object.name),
        Type::Named(inner) => of("type", &[inner]),
        Type::Variable(number) => text.push_str(&format!("_var{number}")),
    }
}
