//! Objects and what names them. It must not know how an object was rendered or where it is applied.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Value;
use crate::artifact::TreePath;
use crate::digest::Digest;
use crate::packed::{self, Packed};
use crate::secret::DigestKey;

/// A kind within an API group, without a version; `core` has the empty group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// The API group, such as `apps`; empty for the core group.
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
}

impl GroupKind {
    /// A kind within a group.
    pub fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// Whether this is `kind` of `group`.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            formatter.write_str(&self.kind)
        } else {
            write!(formatter, "{}.{}", self.kind, self.group)
        }
    }
}

/// What an object is called on its target, whatever version it is written in. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Key(Arc<Names>);

/// The parts of a [`Key`]. Objects of one kind or namespace share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Names {
    /// Group and kind.
    pub kind: Arc<GroupKind>,
    /// The namespace; `None` for what lives in none.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of these parts.
    pub fn new(kind: &GroupKind, namespace: Option<&str>, name: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Names {
            kind: shared(&KINDS, kind, || Arc::new(kind.clone())),
            namespace: namespace.map(shared_namespace),
            name: name.into(),
        }))
    }

    /// The same object in another namespace, or in none.
    pub fn moved_to(&self, namespace: Option<&str>) -> Self {
        Self(Arc::new(Names {
            kind: Arc::clone(&self.kind),
            namespace: namespace.map(shared_namespace),
            name: Arc::clone(&self.name),
        }))
    }
}

impl Deref for Key {
    type Target = Names;

    fn deref(&self) -> &Names {
        &self.0
    }
}

/// How many kinds, and how many namespaces, are shared; a cluster has some hundreds of either.
const SHARED: usize = 1 << 12;

type Shared<T> = LazyLock<Mutex<HashSet<Arc<T>>>>;
static KINDS: Shared<GroupKind> = LazyLock::new(Mutex::default);
static NAMESPACES: Shared<str> = LazyLock::new(Mutex::default);

/// What others have too, as one of them has it.
fn shared<T: Eq + Hash + ?Sized>(
    known: &Shared<T>,
    wanted: &T,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(wanted) {
        return Arc::clone(known);
    }
    let made = make();
    if known.len() < SHARED {
        known.insert(Arc::clone(&made));
    }
    made
}

fn shared_namespace(namespace: &str) -> Arc<str> {
    shared(&NAMESPACES, namespace, || namespace.into())
}

/// A [`Key`] as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    kind: GroupKind,
    namespace: Option<String>,
    name: String,
}

impl From<Written> for Key {
    fn from(written: Written) -> Self {
        Self::new(&written.kind, written.namespace.as_deref(), written.name)
    }
}

impl From<Key> for Written {
    fn from(key: Key) -> Self {
        Self {
            kind: GroupKind::clone(&key.kind),
            namespace: key.namespace.as_deref().map(str::to_owned),
            name: key.name.to_string(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{}/{}/{}", self.kind, namespace, self.name),
            None => write!(formatter, "{}/{}", self.kind, self.name),
        }
    }
}

/// A key with the API version under which it was last written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionedKey {
    /// What the object is called.
    pub key: Key,
    /// The version within the group, such as `v1`.
    pub version: Arc<str>,
}

/// Where an object was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file inside its source.
    pub path: TreePath,
    /// The line of the object's first character, from 1; 0 when it has none.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}", self.path),
            line => write!(formatter, "{}:{line}", self.path),
        }
    }
}

/// An object that somebody wants, with where it was written. It is held packed; clones share it.
/// `Debug` shows no field values.
#[derive(Clone, PartialEq)]
pub struct Object {
    written: Packed,
    key: Key,
    version: Arc<str>,
    digest: Digest,
    /// What the digest is keyed by, where it could be guessed otherwise.
    seal: Option<Arc<DigestKey>>,
    /// Whether the key's namespace counts, and not what is written.
    is_moved: bool,
    /// JSON pointers of values that were sealed in Git and are clear here.
    opened: Arc<[String]>,
    /// Where it was written.
    pub origin: Origin,
}

/// Why a value is no object.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectError {
    /// It is a list, a text, a number or nothing.
    #[error("it is not a mapping")]
    NotAMapping,
    /// A field that every object has is absent, empty or of another type.
    #[error("`{field}` is missing or is not a text")]
    Missing {
        /// The field's path, such as `metadata.name`.
        field: &'static str,
    },
}

impl Object {
    /// Takes a value that has `apiVersion`, `kind` and `metadata.name`.
    ///
    /// # Errors
    /// [`ObjectError`] names what is missing.
    pub fn new(value: Value, origin: Origin) -> Result<Self, ObjectError> {
        if !value.is_object() {
            return Err(ObjectError::NotAMapping);
        }
        let text = |pointer: &str, field: &'static str| match value.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(ObjectError::Missing { field }),
        };
        let api_version = text("/apiVersion", "apiVersion")?;
        let kind = text("/kind", "kind")?;
        let name = text("/metadata/name", "metadata.name")?;
        let (group, version) = split_api_version(&api_version);
        let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.filter(|text| !text.is_empty());
        let kind = GroupKind {
            group: group.to_owned(),
            kind,
        };
        Ok(Self {
            written: Packed::new(&value).squeezed(),
            key: Key::new(&kind, namespace, name),
            version: packed::word(version),
            digest: Digest::of_value(&value),
            seal: None,
            is_moved: false,
            opened: NOTHING_OPENED.clone(),
            origin,
        })
    }

    /// What it is called.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The version within its group.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Key and version together.
    pub fn versioned_key(&self) -> VersionedKey {
        VersionedKey {
            key: self.key.clone(),
            version: Arc::clone(&self.version),
        }
    }

    /// The whole value, unpacked.
    pub fn value(&self) -> Value {
        let mut value = self.written.unpack();
        if self.is_moved {
            set_namespace(&mut value, self.key.namespace.as_deref());
        }
        value
    }

    /// The whole value, packed.
    pub fn packed(&self) -> Packed {
        if self.is_moved {
            Packed::new(&self.value())
        } else {
            self.written.clone()
        }
    }

    /// The digest of the value, by the key of [`Object::sealed`] where that was asked for; where it was
    /// written does not count.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The same object, whose digest tells nothing of its value to who has not the key.
    #[must_use]
    pub fn sealed(mut self, key: &Arc<DigestKey>) -> Self {
        if self.seal.is_none() {
            self.digest = key.digest(self.digest.as_bytes());
            self.seal = Some(Arc::clone(key));
        }
        self
    }

    /// The same object in another namespace, or in none.
    pub fn with_namespace(self, namespace: Option<&str>) -> Self {
        let mut value = self.written.unpack();
        set_namespace(&mut value, namespace);
        let digest = Digest::of_value(&value);
        let keyed = self.seal.as_ref().map(|key| key.digest(digest.as_bytes()));
        Self {
            key: self.key.moved_to(namespace),
            digest: keyed.unwrap_or(digest),
            is_moved: true,
            ..self
        }
    }

    /// An annotation's text.
    pub fn annotation(&self, name: &str) -> Option<String> {
        self.written.text(&["metadata", "annotations", name])
    }

    /// A text within it, by the names that lead there.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        self.written.text(names)
    }

    /// The same object, in which what these JSON pointers lead to was sealed in Git.
    #[must_use]
    pub fn with_opened(mut self, pointers: Vec<String>) -> Self {
        self.opened = pointers.into();
        self
    }

    /// JSON pointers of values that were sealed in Git and are clear here; of a Secret all values count
    /// anyway.
    pub fn opened(&self) -> &[String] {
        &self.opened
    }

    /// Whether it has values that must not be shown.
    pub fn is_sensitive(&self) -> bool {
        is_sensitive(&self.key.kind) || !self.opened.is_empty()
    }
}

/// The annotation of an object that is no Secret and holds values which were sealed in Git: the JSON
/// pointers of those values, as a JSON list. It says what must not be shown of the object to whoever sees
/// it later, when nothing is known any more of how it was made.
pub const OPENED_ANNOTATION: &str = "holdfast.dev/opened";

/// What most objects share.
static NOTHING_OPENED: LazyLock<Arc<[String]>> = LazyLock::new(|| Arc::from([]));

fn set_namespace(value: &mut Value, namespace: Option<&str>) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        match namespace {
            Some(namespace) => metadata.insert("namespace".to_owned(), namespace.into()),
            None => metadata.remove("namespace"),
        };
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Object({} from {})", self.key, self.origin)
    }
}

/// Takes away from an object's metadata what only a server writes there.
pub fn strip_server_metadata(value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
        ] {
            metadata.remove(name);
        }
    }
}

/// Whether the values of this kind's objects must not be shown.
pub fn is_sensitive(kind: &GroupKind) -> bool {
    kind.is("", "Secret")
}

/// Splits `apps/v1` into group and version; `v1` has the empty group.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Joins group and version as `apiVersion` has them.
pub fn join_api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// An object as a target has it. It is held packed; clones share it. `Debug` shows no field values.
#[derive(Clone)]
pub struct LiveObject {
    /// Key and version that the value is written in.
    pub key: VersionedKey,
    /// The value, without `metadata.managedFields`.
    pub value: Packed,
    /// Who wrote which fields.
    pub managers: Arc<[Manager]>,
}

impl LiveObject {
    /// The server's id of this very object; empty where it has none.
    pub fn uid(&self) -> String {
        self.metadata("uid")
    }

    /// The server's version of the object's state; empty where it has none.
    pub fn resource_version(&self) -> String {
        self.metadata("resourceVersion")
    }

    fn metadata(&self, name: &str) -> String {
        self.value.text(&["metadata", name]).unwrap_or_default()
    }

    /// Whether somebody has asked for its deletion.
    pub fn is_deleting(&self) -> bool {
        let time = self.value.find(&["metadata", "deletionTimestamp"]);
        time.is_some_and(|time| !time.is_null())
    }

    /// An annotation's text.
    pub fn annotation(&self, name: &str) -> Option<String> {
        self.value.text(&["metadata", "annotations", name])
    }

    /// JSON pointers of its values that were sealed in Git, as [`OPENED_ANNOTATION`] says; of a Secret
    /// all values count anyway.
    pub fn opened(&self) -> Vec<String> {
        let written = self.annotation(OPENED_ANNOTATION);
        let read = written.and_then(|text| serde_json::from_str(&text).ok());
        read.unwrap_or_default()
    }
}

impl fmt::Debug for LiveObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "LiveObject({} at {})",
            self.key.key,
            self.resource_version()
        )
    }
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub struct Manager {
    /// The manager's name, such as `kubectl-edit`.
    pub name: Arc<str>,
    /// Whether it applies or updates.
    pub operation: ManagerOperation,
    /// The API version whose names the fields have, such as `apps/v1`.
    pub api_version: Arc<str>,
    /// The subresource that it wrote through, such as `scale`; empty for the object itself.
    pub subresource: Arc<str>,
    /// When it last wrote, RFC 3339; empty where the server did not say.
    pub time: Arc<str>,
    /// The fields, in the `fieldsV1` form.
    pub fields: Packed,
}

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerOperation {
    /// Server-side apply.
    Apply,
    /// Any other write.
    Update,
}
