//! Every function that a template can call, by name, with the types it takes.
//!
//! It must not know charts. What a function needs beyond its arguments it gets from [`Run`].

mod arguments;
mod builtin;
mod crypto;
mod dates;
mod dicts;
mod encode;
pub(crate) mod letters;
mod lists;
mod math;
mod paths;
mod random;
mod reflect;
mod regexes;
mod render;
mod serial;
mod strings;
mod table;
mod urls;
mod versions;

pub(crate) use arguments::string_form;
pub(crate) use dates::round_to;
pub(crate) use regexes::compile as compile_regex;

use crate::exec::{Outcome, Run};
use crate::value::{Element, IntKind, Shape, Value};

/// A function: its name, the types it takes, and what it does.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// A letter for each parameter, see [`Param`]; `*` repeats the one before it.
    signature: &'static str,
    pub(crate) body: Body,
}

/// What a function does.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// A function of its arguments.
    Plain(fn(&[Value]) -> Outcome),
    /// A function that uses the render it runs in.
    Run(fn(&mut Run<'_>, &[Value]) -> Outcome),
    /// `and` and `or`: arguments are evaluated until one has this truth.
    Until(bool),
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    /// `interface {}`, written `a`.
    Any,
    /// `reflect.Value`, which even no value at all is; written `r`.
    Reflect,
    /// `string`, written `s`.
    Text,
    /// `int`, written `i`.
    Int,
    /// `float64`, written `f`.
    Float,
    /// `bool`, written `b`.
    Bool,
    /// `map[string]interface {}`, written `m`.
    Map,
    /// `[]interface {}`, written `l`.
    List,
    /// `time.Time`, written `t`.
    Time,
    /// A certificate made by another function, written `c`.
    Certificate,
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let first = usize::from(*name.as_bytes().first()?);
    let alike = &table::FUNCTIONS[*FIRST.get(first)?..*FIRST.get(first + 1)?];
    let found = alike.binary_search_by(|function| function.name.cmp(name));
    found.ok().map(|index| &alike[index])
}

/// How many functions have a name that begins with an earlier letter.
const FIRST: [usize; 129] = {
    let mut first = [0; 129];
    let mut place = 0;
    while place < table::FUNCTIONS.len() {
        first[table::FUNCTIONS[place].name.as_bytes()[0] as usize + 1] += 1;
        place += 1;
    }
    let mut letter = 1;
    while letter < first.len() {
        first[letter] += first[letter - 1];
        letter += 1;
    }
    first
};

/// The names of all functions, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::FUNCTIONS.iter().map(|function| function.name)
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Function {
    fn is_variadic(&self) -> bool {
        self.signature.ends_with('*')
    }

    /// Whether it takes that many arguments.
    pub(crate) fn check_count(&self, count: usize) -> Result<(), String> {
        let name = self.name;
        if self.is_variadic() {
            let least = self.signature.len() - 2;
            if count < least {
                return Err(format!(
                    "wrong number of args for {name}: want at least {least} got {count}"
                ));
            }
        } else if count != self.signature.len() {
            let wanted = self.signature.len();
            return Err(format!(
                "wrong number of args for {name}: want {wanted} got {count}"
            ));
        }
        Ok(())
    }

    /// The type of the argument at an index.
    pub(crate) fn param(&self, index: usize) -> Param {
        let letters = self.signature.trim_end_matches('*').as_bytes();
        let letter = letters.get(index).or(letters.last());
        letter.copied().map_or(Param::Any, Param::of)
    }
}

impl Param {
    fn of(letter: u8) -> Self {
        match letter {
            b'r' => Self::Reflect,
            b's' => Self::Text,
            b'i' => Self::Int,
            b'f' => Self::Float,
            b'b' => Self::Bool,
            b'm' => Self::Map,
            b'l' => Self::List,
            b't' => Self::Time,
            b'c' => Self::Certificate,
            _ => Self::Any,
        }
    }

    /// Go's name of the type.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Text => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Certificate => "sprig.certificate",
        }
    }

    /// What an error calls the literal that was expected.
    pub(crate) fn literal_name(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Float => "float",
            other => other.type_name(),
        }
    }

    pub(crate) fn can_be_nil(self) -> bool {
        matches!(self, Self::Any | Self::Reflect | Self::Map | Self::List)
    }

    /// The value as this type takes it; nil maps and lists are [`Value::Nil`].
    pub(crate) fn accept(self, value: Value) -> Result<Value, String> {
        let fits = match (self, &value) {
            (Self::Reflect, _) => true,
            (_, Value::Invalid) => {
                return if self.can_be_nil() {
                    Ok(Value::Nil)
                } else {
                    Err(format!("invalid value; expected {}", self.type_name()))
                };
            }
            (Self::Any, _)
            | (Self::Text, Value::Text(_) | Value::Raw(_))
            | (Self::Int, Value::Int(IntKind::Int, _))
            | (Self::Float, Value::Float(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Time, Value::Time(_)) => true,
            (Self::Map, Value::Map(map)) => matches!(map.shape(), Shape::Any | Shape::Values),
            (Self::List, Value::List(list)) => list.element() == Element::Any,
            (Self::Certificate, Value::Object(object)) => {
                object.type_name() == Self::Certificate.type_name()
            }
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        let found = match &value {
            Value::Nil => "interface {}",
            value => value.type_name(),
        };
        Err(format!(
            "wrong type for value; expected {}; got {found}",
            self.type_name()
        ))
    }
}
