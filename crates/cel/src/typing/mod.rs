//! Types of CEL, and whether the parts of an expression fit together: the rules are those of
//! cel-go's checker. It must not know definitions, values or costs.
//!
//! ```text
//! schema ─shape─▶ type of self ─check, with signatures and bindings─▶ problems, or the result's type
//! ```

mod bindings;
mod check;
mod literals;
mod shape;
mod signatures;

use std::fmt;
use std::sync::Arc;

use holdfast_model::Value;

pub(super) use check::{Typed, check};
pub(super) use shape::{member, shape};
pub(super) use signatures::Signature;
pub(super) use signatures::{is_function, is_type};

/// A type.
#[derive(Clone, Debug)]
pub(super) enum Type<'a> {
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
pub(super) struct Object<'a> {
    name: String,
    schema: &'a Value,
    /// Whether it is an object of the API, which has a kind and a name.
    is_root: bool,
}

/// The name of the types of optional values.
const OPTIONAL: &str = "optional_type";

pub(super) const BOOL: Type<'_> = Type::Plain("bool");
const INT: Type<'_> = Type::Plain("int");
pub(super) const STRING: Type<'_> = Type::Plain("string");

impl<'a> Type<'a> {
    pub(super) fn optional(self) -> Self {
        Self::Opaque(OPTIONAL, Arc::new([self]))
    }

    fn list(self) -> Self {
        Self::List(Arc::new(self))
    }

    fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// What an optional value holds.
    pub(super) fn held(&self) -> Option<&Self> {
        match self {
            Self::Opaque(OPTIONAL, parts) => parts.first(),
            _ => None,
        }
    }

    /// Whether values of the type have fields that can be selected.
    pub(super) fn has_fields(&self) -> bool {
        match self {
            Self::Map(_) | Self::Object(_) => true,
            Self::Opaque(name, _) => name.starts_with("kubernetes."),
            _ => false,
        }
    }

    pub(super) fn is(&self, plain: &Type<'_>) -> bool {
        matches!((self, plain), (Self::Plain(own), Type::Plain(other)) if own == other)
    }

    fn is_dyn(&self) -> bool {
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
