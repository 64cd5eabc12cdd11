//! YAML and JSON files as they are: folders below, many documents in a file, Lists expanded. It
//! must not know Kustomize or Helm.

use holdfast_model::Value;
use holdfast_model::artifact::{BlobError, Blobs, EntryKind, TreePath};
use holdfast_model::object::{Object, Origin};
use holdfast_model::stack::RenderChoice;
use holdfast_yaml::Limits;

use crate::{BYTE_LIMIT, Error, Fault, OBJECT_LIMIT};

/// How deep folders may lie in each other.
const DEPTH_LIMIT: usize = 64;

/// Reads every file that the Stack asks for; `blobs` show no others.
pub(crate) fn render(
    blobs: &dyn Blobs,
    folder: &TreePath,
    choice: &RenderChoice,
) -> Result<Vec<Object>, Error> {
    let mut files = Vec::new();
    find(blobs, folder, 0, &mut files)?;
    let mut reading = Reading::default();
    for path in files {
        if !choice.include.is_empty() || is_manifest(path.name()) {
            reading.file(blobs, &path)?;
        }
    }
    if reading.faults.is_empty() {
        return Ok(reading.objects);
    }
    Err(Error::Faults {
        faults: reading.faults,
    })
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Files below a folder, in the order of their paths. Names that begin with a dot are for tools.
fn find(
    blobs: &dyn Blobs,
    folder: &TreePath,
    depth: usize,
    files: &mut Vec<TreePath>,
) -> Result<(), Error> {
    if depth > DEPTH_LIMIT {
        return Err(Error::TooMuch {
            what: "levels of folders",
            limit: DEPTH_LIMIT,
        });
    }
    for entry in blobs.list(folder).map_err(Error::Storage)? {
        if entry.name.starts_with('.') {
            continue;
        }
        let path = folder.join(&entry.name).unwrap_or_default();
        match entry.kind {
            EntryKind::Folder => find(blobs, &path, depth + 1, files)?,
            EntryKind::File => files.push(path),
        }
    }
    Ok(())
}

#[derive(Default)]
struct Reading {
    objects: Vec<Object>,
    faults: Vec<Fault>,
    bytes: usize,
}

impl Reading {
    fn file(&mut self, blobs: &dyn Blobs, path: &TreePath) -> Result<(), Error> {
        let bytes = match blobs.read(path) {
            Ok(bytes) => bytes,
            Err(error @ BlobError::Storage { .. }) => return Err(Error::Storage(error)),
            Err(error) => {
                let hint = match error {
                    BlobError::Sealed { .. } => None,
                    _ => Some("mend it, or leave it out with spec.render.exclude"),
                };
                self.fault(path, 0, &error.to_string(), hint);
                return Ok(());
            }
        };
        self.bytes += bytes.len();
        if self.bytes > BYTE_LIMIT {
            return Err(Error::TooMuch {
                what: "bytes",
                limit: BYTE_LIMIT,
            });
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            self.fault(path, line_of_bad_text(&bytes), "it is not UTF-8", None);
            return Ok(());
        };
        if let Err(error) = self.documents(path, text) {
            self.fault(path, error.line, &error.message, None);
        }
        if self.objects.len() > OBJECT_LIMIT {
            return Err(Error::TooMuch {
                what: "objects",
                limit: OBJECT_LIMIT,
            });
        }
        Ok(())
    }

    /// Takes all documents of a file, one after the other: a tree takes many times its text.
    fn documents(&mut self, path: &TreePath, text: &str) -> Result<(), holdfast_yaml::Error> {
        for document in holdfast_yaml::values(text, &Limits::strict())? {
            let (line, value) = document?;
            self.document(path, line, value);
        }
        Ok(())
    }

    /// Takes a document: nothing, an object, or a List of objects.
    fn document(&mut self, path: &TreePath, line: u32, mut value: Value) {
        let kind = value
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_list = kind.ends_with("List") && value.get("items").is_some_and(Value::is_array);
        if is_list {
            if let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) {
                for item in items {
                    self.document(path, line, item);
                }
            }
            return;
        }
        if value.is_null() {
            return;
        }
        let origin = Origin {
            path: path.clone(),
            line,
        };
        match Object::new(value, origin) {
            Ok(object) => self.objects.push(object),
            Err(error) => {
                let hint = "a file that holds no Kubernetes objects is left out with \
                            spec.render.exclude";
                self.fault(path, line, &error.to_string(), Some(hint));
            }
        }
    }

    fn fault(&mut self, path: &TreePath, line: u32, message: &str, hint: Option<&str>) {
        self.faults.push(Fault {
            origin: Origin {
                path: path.clone(),
                line,
            },
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        });
    }
}

fn line_of_bad_text(bytes: &[u8]) -> u32 {
    let valid = std::str::from_utf8(bytes)
        .err()
        .map_or(0, |error| error.valid_up_to());
    let lines = bytes[..valid].iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(lines + 1).unwrap_or(u32::MAX)
}
