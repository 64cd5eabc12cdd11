//! What charts look up in a cluster: the questions, who answers them, and what was asked.
//!
//! It must not know how a cluster is read. Answers may be secret: of them a digest is kept, keyed by
//! the entropy of the render.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::Value;
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::lookup::Lookup;

/// The most different questions that one render asks.
const QUESTIONS: usize = 1_000;

/// The kind as Kubernetes writes it in errors.
fn version_and_kind(question: &Lookup) -> String {
    let api_version = &question.api_version;
    let core = if api_version.contains('/') { "" } else { "/" };
    format!("{core}{api_version}, Kind={}", question.kind)
}

/// Who answers what charts look up. It is asked on a thread where it may wait, once for each
/// question of a render.
pub trait Live: Send + Sync {
    /// The object with a name, or a list of all objects of a kind, sorted by namespace and name;
    /// nothing where there is no such object. A kind that the cluster does not have in a version that
    /// it has is nothing, too, as for Helm.
    ///
    /// # Errors
    /// [`Unanswered`].
    fn look_up(&self, question: &Lookup) -> Result<Option<Value>, Unanswered>;

    /// Whether the words of a render that failed may be shown although it has looked up a Secret,
    /// since whoever reads them gave the Secret.
    fn is_open(&self) -> bool {
        false
    }
}

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The cluster does not have the API version.
    NoVersion,
    /// The cluster could not be asked, or refused to answer. Trying again may help.
    Failed {
        /// What happened, without values of objects.
        message: String,
    },
}

/// Who answers the lookups of a render; nobody by default, and then nothing is found.
#[derive(Clone, Default)]
pub struct LookupSource(Option<Arc<dyn Live>>);

impl LookupSource {
    /// Lookups are answered by `live`.
    pub fn of(live: Arc<dyn Live>) -> Self {
        Self(Some(live))
    }
}

impl PartialEq for LookupSource {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for LookupSource {}

/// The digest of an answer. Without the entropy nobody can guess a secret from it.
fn digest(answer: &Result<Option<Value>, Unanswered>, entropy: &[u8; 32]) -> Digest {
    let mut hasher = Hasher::new("lookup");
    hasher.field(entropy);
    match answer {
        Ok(None) => hasher.field(b"nothing"),
        Ok(Some(value)) => {
            hasher.field(b"object");
            hasher.field(Digest::of_value(value).as_bytes())
        }
        Err(_) => hasher.field(b"no answer"),
    };
    hasher.finish()
}

/// What a render has looked up, with a digest of each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LookedUp {
    pub(crate) answers: BTreeMap<Lookup, Digest>,
}

impl LookedUp {
    /// Whether everything would be answered as it was.
    pub(crate) fn holds(&self, lookups: &LookupSource, entropy: &[u8; 32]) -> bool {
        let Some(live) = &lookups.0 else {
            return self.answers.is_empty();
        };
        let mut answers = self.answers.iter();
        answers.all(|(question, known)| digest(&live.look_up(question), entropy) == *known)
    }

    /// Whether an answer must not be shown.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.answers.keys().any(Lookup::is_sensitive)
    }
}

/// The lookups of one render: each question is asked once.
pub(crate) struct Asking<'a> {
    live: &'a dyn Live,
    entropy: &'a [u8; 32],
    state: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    answers: BTreeMap<Lookup, Result<Option<Value>, Unanswered>>,
    /// Why the cluster could not be asked.
    failure: Option<String>,
}

impl<'a> Asking<'a> {
    /// Begins to ask; nothing where nobody answers.
    pub(crate) fn begin(lookups: &'a LookupSource, entropy: &'a [u8; 32]) -> Option<Self> {
        let live = lookups.0.as_deref()?;
        Some(Self {
            live,
            entropy,
            state: Mutex::default(),
        })
    }

    /// Answers `lookup` in Helm's words.
    pub(crate) fn answer(&self, question: Lookup) -> Result<Option<Value>, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.answers.contains_key(&question) && state.answers.len() == QUESTIONS {
            return Err(format!("more than {QUESTIONS} different lookups"));
        }
        let kind = version_and_kind(&question);
        let live = self.live;
        let answer = state
            .answers
            .entry(question)
            .or_insert_with_key(|question| live.look_up(question))
            .clone();
        match answer {
            Ok(found) => Ok(found),
            Err(Unanswered::NoVersion) => Err(format!(
                "unable to get apiresource from unstructured: {kind}: the server could not find \
                 the requested resource"
            )),
            Err(Unanswered::Failed { message }) => {
                state.failure = Some(message.clone());
                Err(message)
            }
        }
    }

    /// Why the cluster could not be asked, where it could not.
    pub(crate) fn failure(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failure.clone()
    }

    /// Whether what went wrong must not be told in the words of the chart.
    pub(crate) fn withholds(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !self.live.is_open() && state.answers.keys().any(Lookup::is_sensitive)
    }

    /// What was asked.
    pub(crate) fn finish(&self) -> LookedUp {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = state.answers.iter();
        let answers =
            answers.map(|(question, answer)| (question.clone(), digest(answer, self.entropy)));
        LookedUp {
            answers: answers.collect(),
        }
    }
}

/// Objects that lookups are answered from, such as those of a file.
#[derive(Default)]
pub struct Snapshot {
    /// By API version and kind, then by namespace and name.
    kinds: BTreeMap<(String, String), BTreeMap<(String, String), Value>>,
    api_versions: Vec<String>,
}

impl Snapshot {
    /// A snapshot of these objects; a list among them counts as what is in it. `api_versions` are
    /// those of a cluster that has no object of theirs here.
    ///
    /// # Errors
    /// What is no object: `apiVersion`, `kind` or `metadata.name` is missing.
    pub fn new(objects: Vec<Value>, api_versions: Vec<String>) -> Result<Self, String> {
        let mut snapshot = Self {
            kinds: BTreeMap::new(),
            api_versions,
        };
        for object in objects {
            snapshot.add(object)?;
        }
        Ok(snapshot)
    }

    fn add(&mut self, mut object: Value) -> Result<(), String> {
        let kind = text(&object, "/kind");
        if kind.ends_with("List")
            && let Some(Value::Array(items)) = object.get_mut("items")
        {
            return items.drain(..).try_for_each(|item| self.add(item));
        }
        let api_version = text(&object, "/apiVersion");
        let name = text(&object, "/metadata/name");
        for (field, value) in [
            ("kind", &kind),
            ("apiVersion", &api_version),
            ("metadata.name", &name),
        ] {
            if value.is_empty() {
                return Err(format!("an object has no {field}"));
            }
        }
        let namespace = text(&object, "/metadata/namespace");
        let objects = self.kinds.entry((api_version, kind)).or_default();
        objects.insert((namespace, name), object);
        Ok(())
    }
}

fn text(object: &Value, pointer: &str) -> String {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

impl Live for Snapshot {
    /// A kind is one of the whole cluster where none of its objects has a namespace. In a kind of
    /// namespaces, an object without one is in `default`.
    fn look_up(&self, question: &Lookup) -> Result<Option<Value>, Unanswered> {
        let key = (question.api_version.clone(), question.kind.clone());
        let Some(objects) = self.kinds.get(&key) else {
            let mut known = self.kinds.keys().map(|(version, _)| version);
            let is_known = known.any(|version| *version == question.api_version)
                || self.api_versions.contains(&question.api_version);
            return match (is_known, question.name.is_empty()) {
                (false, _) => Err(Unanswered::NoVersion),
                (true, true) => Ok(Some(list(question, Vec::new()))),
                (true, false) => Ok(None),
            };
        };
        let has_namespaces = objects.keys().any(|(namespace, _)| !namespace.is_empty());
        let namespace_of = |namespace: &str| match (has_namespaces, namespace) {
            (true, "") => "default".to_owned(),
            (_, namespace) => namespace.to_owned(),
        };
        if question.name.is_empty() {
            let is_wanted = |namespace: &str| {
                !has_namespaces
                    || question.namespace.is_empty()
                    || namespace_of(namespace) == question.namespace
            };
            let found = objects.iter();
            let found = found.filter(|((namespace, _), _)| is_wanted(namespace));
            // In the order in which a server keeps them.
            let mut found: Vec<(String, &Value)> = found
                .map(|((namespace, name), object)| {
                    (format!("{}/{name}", namespace_of(namespace)), object)
                })
                .collect();
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            let found = found.into_iter().map(|(_, object)| object.clone());
            return Ok(Some(list(question, found.collect())));
        }
        let found = objects.iter().find(|((namespace, name), _)| {
            *name == question.name
                && (!has_namespaces || namespace_of(namespace) == question.namespace)
        });
        Ok(found.map(|(_, object)| object.clone()))
    }

    /// Whoever gave the objects may read what comes of them.
    fn is_open(&self) -> bool {
        true
    }
}

/// Objects as a server lists them.
fn list(question: &Lookup, items: Vec<Value>) -> Value {
    serde_json::json!({
        "apiVersion": question.api_version,
        "kind": format!("{}List", question.kind),
        "metadata": {"resourceVersion": ""},
        "items": items,
    })
}
