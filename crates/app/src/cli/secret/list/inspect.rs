//! Looks at what is sealed while it is rendered, and leaves it sealed, so that it can be found again in what
//! it becomes. It must not open anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_render::Unseal;
use holdfast_secrets::sops::{Format, describe, is_sealed};
use holdfast_secrets::vault::placeholders;

/// What a value that SOPS has sealed begins with.
const SEALED: &str = "ENC[";

/// A file that SOPS has sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SealedFile {
    pub(super) path: TreePath,
    /// Whom it is sealed for.
    pub(super) recipients: Vec<String>,
    pub(super) last_modified: String,
}

/// The sealed values of all files that were read: their file, and their line there.
#[derive(Clone, Default)]
pub(super) struct Found {
    values: HashMap<String, (Arc<SealedFile>, usize)>,
}

/// Leaves everything as it is, and takes note of it.
pub(super) struct Inspector {
    names_vault: bool,
    found: Mutex<Found>,
}

impl Inspector {
    pub(super) fn new(names_vault: bool) -> Self {
        Self {
            names_vault,
            found: Mutex::default(),
        }
    }

    pub(super) fn found(&self) -> Found {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone()
    }
}

impl Found {
    /// The file and line of the sealed values in a text.
    pub(super) fn sources(&self, text: &str) -> Vec<(Arc<SealedFile>, usize)> {
        let found = sealed_values(text).filter_map(|(value, _)| self.values.get(value).cloned());
        found.collect()
    }
}

/// The sealed values in a text, each with its line.
fn sealed_values(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.match_indices(SEALED).filter_map(|(at, _)| {
        let length = text[at..].find(']')?;
        let line = 1 + text[..at].matches('\n').count();
        Some((&text[at..=at + length], line))
    })
}

impl Unseal for Inspector {
    fn file(&self, path: &TreePath, bytes: &[u8]) -> Option<Result<Arc<[u8]>, String>> {
        if !is_sealed(path.name(), bytes) {
            return None;
        }
        let said = describe(bytes, Format::of_name(path.name())).ok();
        let (recipients, last_modified) = match said {
            Some(said) => (said.groups.concat(), said.last_modified),
            None => (Vec::new(), String::new()),
        };
        let file = Arc::new(SealedFile {
            path: path.clone(),
            recipients,
            last_modified,
        });
        let text = String::from_utf8_lossy(bytes);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = text.lines().enumerate();
        // The code over the file is sealed as well, and is no value.
        let values = lines.by_ref().flat_map(|(index, line)| {
            sealed_values(line).map(move |(value, _)| (value.to_owned(), index + 1))
        });
        for (value, line) in values {
            found.values.insert(value, (Arc::clone(&file), line));
        }
        None
    }

    fn opens_files(&self) -> bool {
        false
    }

    fn object(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }

    fn references(&self, _: &Value) -> Option<Result<Value, String>> {
        None
    }

    fn values(&self, file: &Value) -> Option<Result<Value, String>> {
        placeholders(file).filter(|_| self.names_vault).map(Ok)
    }

    fn waits(&self) -> bool {
        false
    }

    fn found_in(&self, _: &Value) -> Vec<String> {
        Vec::new()
    }

    fn hide(&self, text: &str) -> String {
        text.to_owned()
    }
}
