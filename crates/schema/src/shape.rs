//! The shape of a type: what a walk over an object asks at every step.
//! It must not know where a type was read from.

use std::fmt;
use std::sync::Arc;

use holdfast_model::Value;

use crate::table::Schema;

/// A type, cheap to clone. Built-in types are decoded when they are first looked at.
#[derive(Clone)]
pub struct TypeRef {
    target: Target,
    atomic: Option<bool>,
}

#[derive(Clone)]
enum Target {
    Own(Arc<Shape>),
    BuiltIn(u32),
}

/// What values of a type look like.
#[derive(Debug)]
pub enum Shape {
    /// Anything at all. Not atomic: maps in it merge by key, lists in it are one value.
    Any {
        /// Whether the whole value is one, maps included.
        atomic: bool,
    },
    /// A text, number or truth value.
    Scalar(Scalar),
    /// A list.
    List(List),
    /// A map with keys of the user's choice.
    Map(Map),
    /// An object with known fields.
    Struct(Struct),
}

/// The scalar types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    String,
    /// Base64 text.
    Bytes,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A number with a fraction.
    Double,
    /// `true` or `false`.
    Boolean,
    /// A resource quantity such as `100m`.
    Quantity,
    /// A time to the second.
    Time,
    /// A time to the microsecond.
    MicroTime,
    /// A 32-bit integer or a text.
    IntOrString,
}

/// A list type.
#[derive(Debug)]
pub struct List {
    /// What its items are.
    pub item: TypeRef,
    /// How two of them merge.
    pub relation: ListRelation,
}

/// How the items of a list relate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListRelation {
    /// The list is one value.
    Atomic,
    /// Each item is its own key.
    Set,
    /// These fields of an item are its key.
    Map(Vec<String>),
}

/// A map type.
#[derive(Debug)]
pub struct Map {
    /// What its values are.
    pub item: TypeRef,
    /// Whether the map is one value.
    pub atomic: bool,
}

/// An object type.
#[derive(Debug)]
pub struct Struct {
    /// Its name, such as `core.v1.PodSpec`; empty for types of custom resources.
    pub name: String,
    /// Its fields, sorted by name.
    pub fields: Vec<Field>,
    /// Whether the object is one value.
    pub atomic: bool,
    /// What fields that are not listed are taken for in merges; `None` where there are none.
    pub rest: Option<TypeRef>,
    /// Whether fields that are not listed are kept in storage.
    pub keeps_unknown: bool,
    /// Whether it is an object in an object, with `apiVersion`, `kind` and `metadata`.
    pub embedded: bool,
}

/// A field of an object type.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_ref: TypeRef,
    /// Whether it has to be there.
    pub required: bool,
    /// Whether an explicit zero is told from an absent value.
    pub pointer: bool,
    /// Whether an empty value is left out when written.
    pub omit_empty: bool,
    /// Whether an explicit null is kept.
    pub nullable: bool,
    /// How a strategic merge patch treats it.
    pub patch: Patch,
    /// The field that names an item in a strategic merge patch.
    pub merge_key: Option<String>,
    /// What an absent value stands for.
    pub default: Option<Value>,
}

/// The strategy of a strategic merge patch for one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// `merge`: the items of a list are merged, not replaced.
    pub merge: bool,
    /// `retainKeys`: fields that the patch does not list are dropped.
    pub retain_keys: bool,
    /// `replace`: an object is replaced, not merged.
    pub replace: bool,
}

impl TypeRef {
    /// A type of one's own.
    pub fn own(shape: Shape) -> Self {
        Self {
            target: Target::Own(Arc::new(shape)),
            atomic: None,
        }
    }

    /// A type that takes anything.
    pub fn any() -> Self {
        Self::own(Shape::Any { atomic: false })
    }

    pub(crate) fn built_in(index: u32, atomic: Option<bool>) -> Self {
        Self {
            target: Target::BuiltIn(index),
            atomic,
        }
    }

    /// What its values look like.
    pub fn shape(&self) -> &Shape {
        match &self.target {
            Target::Own(shape) => shape,
            Target::BuiltIn(index) => Schema::builtin().shape(*index),
        }
    }

    /// Whether a value of it is owned and replaced as a whole.
    pub fn is_atomic(&self) -> bool {
        match self.shape() {
            Shape::Any { atomic } => *atomic,
            Shape::Scalar(_) => true,
            Shape::List(list) => list.relation == ListRelation::Atomic,
            Shape::Map(map) => self.atomic.unwrap_or(map.atomic),
            Shape::Struct(object) => self.atomic.unwrap_or(object.atomic),
        }
    }

    /// A listed field of an object type.
    pub fn field(&self, name: &str) -> Option<&Field> {
        match self.shape() {
            Shape::Struct(object) => object.field(name),
            _ => None,
        }
    }

    /// The type of a field of an object or of a value of a map.
    pub fn child(&self, name: &str) -> Option<TypeRef> {
        match self.shape() {
            Shape::Any { .. } => Some(self.clone()),
            Shape::Map(map) => Some(map.item.clone()),
            Shape::Struct(object) => object
                .field(name)
                .map(|field| field.type_ref.clone())
                .or_else(|| object.rest.clone()),
            _ => None,
        }
    }

    /// The type of a list's items.
    pub fn item(&self) -> Option<TypeRef> {
        match self.shape() {
            Shape::Any { .. } => Some(self.clone()),
            Shape::List(list) => Some(list.item.clone()),
            _ => None,
        }
    }

    /// The key fields of a list whose items are merged by key.
    pub fn list_keys(&self) -> Option<&[String]> {
        match self.shape() {
            Shape::List(List {
                relation: ListRelation::Map(keys),
                ..
            }) => Some(keys),
            _ => None,
        }
    }
}

impl Struct {
    /// The listed field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let found = self
            .fields
            .binary_search_by(|field| field.name.as_str().cmp(name));
        found.ok().map(|index| &self.fields[index])
    }
}

impl fmt::Debug for TypeRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Types may contain themselves, so only the name of an object type is shown.
        match self.shape() {
            Shape::Struct(object) => write!(formatter, "@{}", object.name),
            Shape::Scalar(scalar) => write!(formatter, "{scalar:?}"),
            Shape::List(list) => write!(formatter, "[{:?}]", list.item),
            Shape::Map(map) => write!(formatter, "{{{:?}}}", map.item),
            Shape::Any { .. } => formatter.write_str("Any"),
        }
    }
}
