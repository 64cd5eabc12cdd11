//! The functions and operators of rules with the types that they take and give, as the real
//! server declares them in the environment of its rules. Those that cannot be run here are left
//! out of the list, so that rules that call them are refused. It must not know expressions.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::kinds::Type;

/// A way to call a function.
pub(crate) struct Signature {
    /// Whether it is called with a target, which is the first of what it takes.
    pub(crate) is_method: bool,
    pub(crate) args: Vec<Type<'static>>,
    pub(super) result: Type<'static>,
    /// How many variables its types have.
    pub(super) variables: u32,
}

/// A function a line: its name, what it takes, with a target before the dot, and what it gives.
const LIST: &str = include_str!("signatures.txt");

static SIGNATURES: LazyLock<BTreeMap<&str, Vec<Signature>>> = LazyLock::new(|| {
    let mut found: BTreeMap<&str, Vec<Signature>> = BTreeMap::new();
    for line in LIST.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, signature)) = line.split_once(' ') {
            let signature = Signature::read(signature);
            found.entry(name).or_default().extend(signature);
        }
    }
    found
});

/// The names of types, which are values too, and the types.
const NAMES: [(&str, &str); 11] = [
    ("bool", "bool"),
    ("bytes", "bytes"),
    ("double", "double"),
    ("google.protobuf.Duration", "duration"),
    ("google.protobuf.Timestamp", "timestamp"),
    ("int", "int"),
    ("list", "list(dyn)"),
    ("map", "map(dyn, dyn)"),
    ("null_type", "null"),
    ("string", "string"),
    ("uint", "uint"),
];

/// Whether something is the name of a function or an operator.
pub(crate) fn is_function(name: &str) -> bool {
    SIGNATURES.contains_key(name)
}

/// Whether something is the name of a type.
pub(crate) fn is_type(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name)
}

/// The ways to call a function.
pub(super) fn overloads(name: &str) -> Option<&'static [Signature]> {
    SIGNATURES.get(name).map(Vec::as_slice)
}

/// The type of the name of a type.
pub(super) fn named(name: &str) -> Option<Type<'static>> {
    let (_, text) = NAMES.iter().find(|(known, _)| *known == name)?;
    let (found, _) = read(text, &mut Vec::new())?;
    Some(Type::Named(Arc::new(found)))
}

impl Signature {
    fn read(text: &'static str) -> Option<Self> {
        let mut variables = Vec::new();
        let (target, rest) = match text.split_once(".(") {
            Some((target, rest)) => (Some(read(target, &mut variables)?.0), rest),
            None => (None, text.strip_prefix('(')?),
        };
        let mut args: Vec<Type<'static>> = Vec::new();
        let is_method = target.is_some();
        args.extend(target);
        let mut rest = rest;
        while let Some((found, after)) = read(rest, &mut variables) {
            args.push(found);
            rest = after.strip_prefix(", ").unwrap_or(after);
        }
        let rest = rest.strip_prefix(") ")?;
        let (result, _) = read(rest, &mut variables)?;
        let variables = u32::try_from(variables.len()).ok()?;
        Some(Self {
            is_method,
            args,
            result,
            variables,
        })
    }
}

/// The type at the beginning of a text, and what follows. Single capitals are variables.
fn read(
    text: &'static str,
    variables: &mut Vec<&'static str>,
) -> Option<(Type<'static>, &'static str)> {
    let end = text.find(['(', ')', ',', ' ']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(inner) = rest.strip_prefix('(') {
        rest = inner;
        while let Some((found, after)) = read(rest, variables) {
            parts.push(found);
            rest = after.strip_prefix(", ").unwrap_or(after);
        }
        rest = rest.strip_prefix(')')?;
    }
    let mut parts = parts.into_iter();
    let found = match name {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "list" => parts.next()?.list(),
        "map" => Type::map(parts.next()?, parts.next()?),
        "type" => Type::Named(Arc::new(parts.next().unwrap_or(Type::Dyn))),
        "bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint"
        | "any" => Type::Plain(name),
        _ if name.len() == 1 => Type::Variable(number(name, variables)?),
        _ => Type::Opaque(name, parts.collect()),
    };
    Some((found, rest))
}

fn number(name: &'static str, variables: &mut Vec<&'static str>) -> Option<u32> {
    let index = variables.iter().position(|known| *known == name);
    let index = index.unwrap_or_else(|| {
        variables.push(name);
        variables.len() - 1
    });
    u32::try_from(index).ok()
}
