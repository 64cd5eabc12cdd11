//! Follows the references of one render to values in Vault, each path asked for once. It must not know
//! renderers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::Value;
use holdfast_model::vault::VaultChoice;
use holdfast_secrets::vault::{
    Answers, Data, Error, Location, Problem, Reference, Version, overlay, resolve,
};
use tokio::runtime::Handle;

use crate::ports::Connections;
use crate::vaults::{Session, Vaults};

/// The most paths that one render may read.
const MOST_PATHS: usize = 1000;

/// A secret whose newest version was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The path.
    pub path: String,
    /// The version.
    pub version: Version,
}

/// What a render needs to follow references.
#[derive(Clone)]
pub struct Vault {
    /// The logins of all Stacks.
    pub vaults: Arc<Vaults>,
    /// Where their credentials come from.
    pub connections: Arc<dyn Connections>,
}

/// Reads for one render, on threads that may wait.
pub(crate) struct Reader {
    vault: Vault,
    choice: Arc<VaultChoice>,
    runtime: Handle,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    data: BTreeMap<Location, Result<Arc<Data>, Error>>,
    away: Option<Error>,
    has_failed: bool,
}

impl Reader {
    /// To be called on a tokio runtime, which the requests are then made on.
    pub(crate) fn new(vault: Vault, choice: Arc<VaultChoice>) -> Self {
        Self {
            vault,
            choice,
            runtime: Handle::current(),
            read: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why values could not be had, where nothing but time has to pass.
    pub(crate) fn away(&self) -> Option<Error> {
        self.lock().away.clone()
    }

    /// Whether something could not be had.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// What was read at its newest version.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let read = self.lock();
        let newest = read
            .data
            .iter()
            .filter(|(place, _)| place.version.is_none());
        let watched = newest.filter_map(|(place, data)| {
            Some(Watched {
                path: place.path.clone(),
                version: data.as_ref().ok()?.version.clone(),
            })
        });
        watched.collect()
    }

    fn fetch(&self, location: &Location) -> Result<Arc<Data>, Error> {
        {
            let read = self.lock();
            // A server that is away is waited for once.
            if let Some(away) = &read.away {
                return Err(away.clone());
            }
            if let Some(known) = read.data.get(location) {
                return known.clone();
            }
            if read.data.len() >= MOST_PATHS {
                return Err(Error::TooMany { limit: MOST_PATHS });
            }
        }
        let fetched = self.fetch_anew(location);
        let mut read = self.lock();
        if let Err(error) = &fetched
            && error.is_away()
        {
            read.away = Some(error.clone());
        }
        read.data.insert(location.clone(), fetched.clone());
        fetched
    }

    fn fetch_anew(&self, location: &Location) -> Result<Arc<Data>, Error> {
        let session: Arc<Session> = self.vault.vaults.session(&self.choice)?;
        let connections = &*self.vault.connections;
        let data = self.runtime.block_on(session.read(connections, location))?;
        Ok(Arc::new(data))
    }

    /// An object with what its references name; `note` is given each value.
    pub(crate) fn object(
        &self,
        object: &Value,
        note: &dyn Fn(&str),
    ) -> Option<Result<Value, String>> {
        let mut answers = Following { reader: self, note };
        self.said(resolve(object, &mut answers))
    }

    /// The values of a chart with what their references name, as a layer.
    pub(crate) fn values(
        &self,
        values: &Value,
        note: &dyn Fn(&str),
    ) -> Option<Result<Value, String>> {
        let mut answers = Following { reader: self, note };
        self.said(overlay(values, &mut answers))
    }

    fn said(&self, made: Result<Option<Value>, Vec<Problem>>) -> Option<Result<Value, String>> {
        let problems = match made {
            Ok(made) => return made.map(Ok),
            Err(problems) => problems,
        };
        self.lock().has_failed = true;
        Some(Err(words(&problems)))
    }
}

/// What is wrong, each thing once, with what can be done about it.
fn words(problems: &[Problem]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for problem in problems {
        let hint = problem.hint.map(|hint| format!("; {hint}"));
        let hint = hint.unwrap_or_default();
        let text = format!("{}: {}{hint}", problem.pointer, problem.message);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = texts.len().saturating_sub(3);
    texts.truncate(3);
    let text = texts.join("; ");
    match more {
        0 => text,
        _ => format!("{text}; and {more} more"),
    }
}

struct Following<'a> {
    reader: &'a Reader,
    note: &'a dyn Fn(&str),
}

impl Answers for Following<'_> {
    fn value(&mut self, reference: &Reference) -> Result<Value, Error> {
        let data = self.reader.fetch(&reference.location)?;
        data.value(&reference.location, &reference.key)
    }

    fn note(&mut self, text: &str) {
        (self.note)(text);
    }

    fn version(&self, path: &str) -> Option<String> {
        let location = Location {
            path: path.to_owned(),
            version: None,
        };
        let read = self.reader.lock();
        let data = read.data.get(&location)?.as_ref().ok()?;
        Some(data.version.to_string())
    }
}
