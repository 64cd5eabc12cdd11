//! What is sealed in Git, opened while it is read: who opens it, and what becomes of what was opened.
//! It must not know keys or formats.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::object::{OPENED_ANNOTATION, Object, Origin};

use crate::{Error, Fault};

/// Who opens what is sealed, for one render. It remembers what it has opened, so that it can tell where
/// that went.
pub trait Unseal: Send + Sync {
    /// The clear bytes of a file that is sealed; nothing for any other file.
    ///
    /// # Errors
    /// Why it does not open, without values.
    fn file(&self, path: &TreePath, bytes: &[u8]) -> Option<Result<Arc<[u8]>, String>>;

    /// Whether files are opened, so that none may be left sealed.
    fn opens_files(&self) -> bool;

    /// The object that is sealed in another one; nothing for any other object.
    ///
    /// # Errors
    /// Why it does not open, without values.
    fn object(&self, object: &Value) -> Option<Result<Value, String>>;

    /// An object whose references to values that are kept elsewhere are followed; nothing for one that has
    /// none.
    ///
    /// # Errors
    /// Why one of them cannot be followed, without values.
    fn references(&self, object: &Value) -> Option<Result<Value, String>>;

    /// The values of a chart that are kept elsewhere, as a layer over a values file that names them;
    /// nothing for one that names none.
    ///
    /// # Errors
    /// Why one of them cannot be had, without values.
    fn values(&self, file: &Value) -> Option<Result<Value, String>>;

    /// Whether it may have to wait for somebody's answer.
    fn waits(&self) -> bool;

    /// JSON pointers of what in an object was opened before, or holds such a value.
    fn found_in(&self, object: &Value) -> Vec<String>;

    /// A text without the values that were opened before.
    fn hide(&self, text: &str) -> String;
}

/// Who opens what is sealed; nobody by default, and then it is read as it is.
#[derive(Clone, Default)]
pub struct Unsealer(Option<Arc<dyn Unseal>>);

impl Unsealer {
    /// What is sealed is opened by `unseal`.
    pub fn of(unseal: Arc<dyn Unseal>) -> Self {
        Self(Some(unseal))
    }

    /// Who opens, where somebody does.
    pub(crate) fn get(&self) -> Option<&dyn Unseal> {
        self.0.as_deref()
    }

    /// Whether a render may have to wait for somebody's answer.
    pub fn waits(&self) -> bool {
        self.0.as_ref().is_some_and(|unseal| unseal.waits())
    }
}

impl PartialEq for Unsealer {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Unsealer {}

/// Opens the objects that are sealed as such, follows their references to values that are kept elsewhere,
/// and refuses what is still sealed although everything is to be opened. Whether something was opened.
pub(crate) fn finish(
    unseal: &dyn Unseal,
    objects: &mut [Object],
    namespace: &str,
) -> Result<bool, Error> {
    let mut faults = Vec::new();
    let mut has_opened = false;
    for object in &mut *objects {
        let origin = object.origin.clone();
        let found = match is_left_sealed(unseal, object) {
            true => Some(Err(left_sealed(object))),
            false if is_sealed(object) => opened(unseal, object, namespace),
            false => None,
        };
        match found {
            None => {}
            Some(Ok(found)) => {
                has_opened = true;
                *object = found;
            }
            Some(Err(message)) => {
                faults.push(fault(origin, message));
                continue;
            }
        }
        match followed(unseal, object) {
            None => {}
            Some(Ok(found)) => {
                has_opened = true;
                *object = found;
            }
            Some(Err(message)) => faults.push(fault(object.origin.clone(), message)),
        }
    }
    match faults.is_empty() {
        true => Ok(has_opened),
        false => Err(Error::Faults { faults }),
    }
}

fn is_sealed(object: &Object) -> bool {
    object.key().kind.is("bitnami.com", "SealedSecret")
}

/// Whether an object was read from a file that should have been opened and was not.
fn is_left_sealed(unseal: &dyn Unseal, object: &Object) -> bool {
    unseal.opens_files() && object.text(&["sops", "mac"]).is_some()
}

fn left_sealed(object: &Object) -> String {
    format!(
        "{} is sealed by SOPS and was read from a place whose files are not opened, such as an \
         address; commit the file beside what names it, or set spec.secrets.sops to leave if \
         something on the target opens it",
        object.key()
    )
}

fn opened(unseal: &dyn Unseal, object: &Object, namespace: &str) -> Option<Result<Object, String>> {
    let mut value = object.value();
    if object.key().namespace.is_none() {
        value["metadata"]["namespace"] = namespace.into();
    }
    let opened = unseal.object(&value)?;
    Some(opened.and_then(|opened| {
        let made = Object::new(opened, object.origin.clone());
        made.map_err(|error| format!("what is sealed in {} is no object: {error}", object.key()))
    }))
}

fn followed(unseal: &dyn Unseal, object: &Object) -> Option<Result<Object, String>> {
    let followed = unseal.references(&object.value())?;
    let key = object.key();
    Some(match followed {
        Ok(value) => Object::new(value, object.origin.clone())
            .map_err(|error| format!("with its values from Vault {key} is no object: {error}")),
        Err(message) => Err(format!("{key}: {message}")),
    })
}

/// Marks what was opened in objects; those that are no Secrets say it themselves, too.
pub(crate) fn mark(unseal: &dyn Unseal, objects: Vec<Object>) -> Vec<Object> {
    let marked = objects.into_iter().map(|object| {
        let value = object.value();
        let found = unseal.found_in(&value);
        if found.is_empty() {
            return object;
        }
        let annotated = match object.is_sensitive() {
            true => None,
            false => annotated(value, &found, &object.origin),
        };
        annotated.unwrap_or(object).with_opened(found)
    });
    marked.collect()
}

fn annotated(mut value: Value, found: &[String], origin: &Origin) -> Option<Object> {
    let metadata = value.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.entry("annotations").or_insert(Value::Null);
    if annotations.is_null() {
        *annotations = Value::Object(serde_json::Map::new());
    }
    let text = Value::from(found).to_string();
    let annotations = annotations.as_object_mut()?;
    annotations.insert(OPENED_ANNOTATION.to_owned(), text.into());
    Object::new(value, origin.clone()).ok()
}

/// An error without the values that were opened before it.
pub(crate) fn hide(unseal: &dyn Unseal, error: Error) -> Error {
    let clean = |faults: Vec<Fault>| {
        let faults = faults.into_iter().map(|fault| Fault {
            message: unseal.hide(&fault.message),
            ..fault
        });
        faults.collect()
    };
    match error {
        Error::Faults { faults } => Error::Faults {
            faults: clean(faults),
        },
        Error::Unsettled { faults, looked_up } => Error::Unsettled {
            faults: clean(faults),
            looked_up,
        },
        Error::Unanswered { message } => Error::Unanswered {
            message: unseal.hide(&message),
        },
        other => other,
    }
}

fn fault(origin: Origin, message: String) -> Fault {
    Fault {
        origin,
        message,
        hint: None,
    }
}
