//! The values that templates work on: Go's kinds, with Go's sharing.
//!
//! Maps and lists are references, so that `set` in one place is seen in another; a value lives
//! inside one render on one thread. Nothing here knows templates, functions or Kubernetes.

use std::any::Any;
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use holdfast_go::semver::Version;

use crate::moment::Moment;

/// A value of a template.
#[derive(Clone)]
pub enum Value {
    /// No value at all: what a pipeline gives for something absent.
    Invalid,
    /// A nil interface: what a map gives for a missing key, and YAML's null.
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any integer type; unsigned 64-bit ones keep their bits.
    Int(IntKind, i64),
    /// `float64`.
    Float(f64),
    /// `string` that is valid UTF-8.
    Text(Rc<str>),
    /// `string` that is not.
    Raw(Rc<[u8]>),
    /// `[]uint8`.
    Bytes(Rc<[u8]>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// `time.Time`.
    Time(Moment),
    /// `*semver.Version`.
    Version(Rc<Version>),
    /// Anything else, with fields and methods of its own.
    Object(Rc<dyn Object>),
}

/// Which of Go's integer types an integer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntKind {
    /// `int`.
    Int,
    /// `int64`.
    Int64,
    /// `uint8`.
    Uint8,
    /// `uint64`.
    Uint64,
    /// `time.Duration`.
    Duration,
    /// `time.Month`.
    Month,
    /// `time.Weekday`.
    Weekday,
}

/// What a list holds, as its Go type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `[]interface {}`.
    Any,
    /// `[]string`.
    Text,
    /// `[]int`.
    Int,
    /// `[][]interface {}`.
    List,
    /// `[]map[string]interface {}`.
    Map,
    /// `common.VersionSet`, a list of strings with a method.
    VersionSet,
}

/// What a map holds, as its Go type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `map[string]interface {}`.
    Any,
    /// `map[string]string`.
    Text,
    /// `common.Values`.
    Values,
}

/// An opaque value with methods, such as `.Files`.
pub trait Object {
    /// Go's name of its type.
    fn type_name(&self) -> &str;
    /// Go's name of its kind: `struct`, `ptr`, `map` or `slice`.
    fn kind(&self) -> &'static str;
    /// The field or entry of that name.
    fn field(&self, name: &str) -> Option<Value>;
    /// Calls a method; `None` when there is none of that name.
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>>;
    /// What its `String` method gives, where every function sees it.
    fn text(&self) -> Option<String> {
        None
    }
    /// What an action prints of it where that is something else: Go finds methods of a pointer
    /// only there.
    fn printed(&self) -> Option<String> {
        None
    }
    /// Its fields in order, for printing, ranging and serialising.
    fn entries(&self) -> Vec<(Rc<str>, Value)> {
        Vec::new()
    }
    /// Its entries as JSON and YAML have them, where those differ.
    fn serial(&self) -> Vec<(Rc<str>, Value)> {
        self.entries()
    }
    /// Itself, for functions that take objects of one kind only.
    fn as_any(&self) -> &dyn Any;
}

/// A slice. Its items never change; only what they refer to does.
#[derive(Clone)]
pub struct List(Rc<ListData>);

struct ListData {
    element: Element,
    items: Vec<Value>,
    is_nil: bool,
}

/// A map, shared by reference. The same entries may be known by different Go types.
#[derive(Clone)]
pub struct Map {
    shape: Shape,
    data: Rc<MapData>,
}

struct MapData {
    entries: RefCell<Entries>,
    is_nil: bool,
}

/// The entries of a map, sorted by key.
pub type Entries = BTreeMap<Rc<str>, Value>;

impl List {
    /// A list of the given Go type.
    pub fn new(element: Element, items: Vec<Value>) -> Self {
        Self(Rc::new(ListData {
            element,
            items,
            is_nil: false,
        }))
    }

    /// A nil slice: as empty as an empty one, and `null` in JSON and YAML.
    pub fn nil(element: Element) -> Self {
        Self(Rc::new(ListData {
            element,
            items: Vec::new(),
            is_nil: true,
        }))
    }

    /// Whether it is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.0.is_nil
    }

    /// What its Go type says it holds.
    pub fn element(&self) -> Element {
        self.0.element
    }

    /// Its items.
    pub fn items(&self) -> &[Value] {
        &self.0.items
    }
}

impl Map {
    /// A map of the given Go type.
    pub fn new(shape: Shape, entries: Entries) -> Self {
        Self {
            shape,
            data: Rc::new(MapData {
                entries: RefCell::new(entries),
                is_nil: false,
            }),
        }
    }

    /// A nil map: as empty as an empty one, and `null` in JSON and YAML.
    pub fn nil(shape: Shape) -> Self {
        Self {
            shape,
            data: Rc::new(MapData {
                entries: RefCell::new(Entries::new()),
                is_nil: true,
            }),
        }
    }

    /// Whether it is a nil map.
    pub fn is_nil(&self) -> bool {
        self.data.is_nil
    }

    /// The same entries under another Go type.
    pub fn shaped(&self, shape: Shape) -> Self {
        Self {
            shape,
            data: Rc::clone(&self.data),
        }
    }

    /// What its Go type says it holds.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its entries as they are now. The borrow must end before anything is set.
    pub fn entries(&self) -> Ref<'_, Entries> {
        self.data.entries.borrow()
    }

    /// Its entries for changing. The borrow must end before anything else is done.
    pub fn entries_mut(&self) -> RefMut<'_, Entries> {
        self.data.entries.borrow_mut()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.data.entries.borrow().get(key).cloned()
    }

    /// Sets a key.
    pub fn set(&self, key: impl Into<Rc<str>>, value: Value) {
        // The old value is dropped after the borrow has ended: it may be this very map.
        let old = self.data.entries.borrow_mut().insert(key.into(), value);
        drop(old);
    }

    /// Whether both are the same map, not merely equal ones.
    pub fn is(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }

    /// Takes everything out, which is how circles of maps are broken at the end of a render.
    pub fn clear(&self) {
        let entries = std::mem::take(&mut *self.data.entries.borrow_mut());
        drop(entries);
    }
}

// A chain of maps can be as deep as a template cares to build it, so dropping must not recurse.
impl Drop for MapData {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut());
        if entries.values().any(Value::is_nested) {
            drop_flat(entries.into_values().collect());
        }
    }
}

impl Drop for ListData {
    fn drop(&mut self) {
        if self.items.iter().any(Value::is_nested) {
            drop_flat(std::mem::take(&mut self.items));
        }
    }
}

fn drop_flat(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::Map(Map { mut data, .. }) => {
                if let Some(data) = Rc::get_mut(&mut data) {
                    let entries = std::mem::take(data.entries.get_mut());
                    pending.extend(entries.into_values().filter(Value::is_nested));
                }
            }
            Value::List(List(mut data)) => {
                if let Some(data) = Rc::get_mut(&mut data) {
                    pending.extend(std::mem::take(&mut data.items));
                }
            }
            _ => {}
        }
    }
}

impl Value {
    /// A string.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }

    /// A string of any bytes.
    pub fn string(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(Rc::from(text)),
            Err(error) => Self::Raw(Rc::from(error.into_bytes())),
        }
    }

    /// An `int`.
    pub fn int(number: i64) -> Self {
        Self::Int(IntKind::Int, number)
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(List::new(Element::Any, items))
    }

    /// A `[]string`.
    pub fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(List::new(
            Element::Text,
            items.into_iter().map(Value::text).collect(),
        ))
    }

    /// A `map[string]interface {}`.
    pub fn map(entries: Entries) -> Self {
        Self::Map(Map::new(Shape::Any, entries))
    }

    /// A `map[string]interface {}` of these entries.
    pub fn map_of<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::map(
            entries
                .into_iter()
                .map(|(key, value)| (Rc::from(key), value))
                .collect(),
        )
    }

    /// What JSON says, as Go reads it into an interface: every number is a `float64`.
    pub fn from_json_floats(json: &holdfast_model::Value) -> Self {
        Self::convert(json, &|number| Self::Float(number.as_f64().unwrap_or(0.0)))
    }

    /// What JSON says, with whole numbers as `int64`, as `--set` makes them.
    pub fn from_json(json: &holdfast_model::Value) -> Self {
        Self::convert(json, &|number| match number.as_i64() {
            Some(number) => Self::Int(IntKind::Int64, number),
            None => Self::Float(number.as_f64().unwrap_or(0.0)),
        })
    }

    fn convert(json: &holdfast_model::Value, number: &dyn Fn(&serde_json::Number) -> Self) -> Self {
        use holdfast_model::Value as Json;
        match json {
            Json::Null => Self::Nil,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(found) => number(found),
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(
                items
                    .iter()
                    .map(|item| Self::convert(item, number))
                    .collect(),
            ),
            Json::Object(entries) => Self::map(
                entries
                    .iter()
                    .map(|(key, value)| (Rc::from(key.as_str()), Self::convert(value, number)))
                    .collect(),
            ),
        }
    }

    /// Whether it holds others.
    fn is_nested(&self) -> bool {
        matches!(self, Self::Map(_) | Self::List(_))
    }

    /// Whether there is nothing: no value, or a nil interface.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Invalid | Self::Nil)
    }

    /// The bytes of a string; `None` for what is none.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Raw(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Go's name of its type, as `%T` prints it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Invalid | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(kind, _) => kind.type_name(),
            Self::Float(_) => "float64",
            Self::Text(_) | Self::Raw(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(list) => match list.element() {
                Element::Any => "[]interface {}",
                Element::Text => "[]string",
                Element::Int => "[]int",
                Element::List => "[][]interface {}",
                Element::Map => "[]map[string]interface {}",
                Element::VersionSet => "common.VersionSet",
            },
            Self::Map(map) => match map.shape() {
                Shape::Any => "map[string]interface {}",
                Shape::Text => "map[string]string",
                Shape::Values => "common.Values",
            },
            Self::Time(_) => "time.Time",
            Self::Version(_) => "*semver.Version",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Go's name of its kind, as `kindOf` gives it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid | Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(kind, _) => kind.kind(),
            Self::Float(_) => "float64",
            Self::Text(_) | Self::Raw(_) => "string",
            Self::Bytes(_) | Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Version(_) => "ptr",
            Self::Object(object) => object.kind(),
        }
    }

    /// Whether it is true in a condition: not the zero value of its kind and not empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Invalid | Self::Nil => false,
            Self::Bool(flag) => *flag,
            Self::Int(_, number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Raw(bytes) | Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Time(_) | Self::Version(_) => true,
            Self::Object(object) => match object.kind() {
                "map" | "slice" => !object.entries().is_empty(),
                _ => true,
            },
        }
    }
}

impl IntKind {
    /// Go's name of the type.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    /// Go's name of the kind beneath the type.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Int | Self::Month | Self::Weekday => "int",
            Self::Int64 | Self::Duration => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
        }
    }

    /// Whether the bits are those of an unsigned number.
    pub fn is_unsigned(self) -> bool {
        matches!(self, Self::Uint8 | Self::Uint64)
    }
}

// What a value says may be a secret, so only its type is shown.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.type_name())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Rc::from(text))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
