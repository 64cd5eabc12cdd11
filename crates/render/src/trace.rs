//! What a render read: blobs opened, names listed, paths looked for and absent, and objects looked up
//! in a cluster. As long as a later commit and the cluster answer all of these in the same way, it
//! renders to the same. It must not know what was made of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::lookup::Lookup;

use crate::filter::Filter;
use crate::lookup::{LookedUp, LookupSource};
use crate::unseal::Unseal;

/// What was asked of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Kind,
    Read,
    List,
}

/// What a render read, with a digest of each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    answers: BTreeMap<(TreePath, Question), Digest>,
    /// Whether a symlink was met, so that an answer may be that of a path which is not noted.
    linked: bool,
    looked_up: LookedUp,
    /// A digest of what a chart that asks was told of its target.
    told: Option<Digest>,
    /// Whether something was opened that is sealed.
    opened: bool,
}

/// A digest of what charts are told of a target.
pub fn told(version: &str, api_versions: &[String]) -> Digest {
    let mut hasher = Hasher::new("target");
    hasher.field(version.as_bytes());
    for api_version in api_versions {
        hasher.field(api_version.as_bytes());
    }
    hasher.finish()
}

impl Trace {
    /// A digest of what a chart was told of its target; nothing where none asks. See [`told`].
    pub fn told(&self) -> Option<Digest> {
        self.told
    }

    /// What was looked up in a cluster.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.looked_up.answers.keys()
    }

    /// Whether what was looked up is answered as it was. `entropy` is that of the render. To be called
    /// where the thread may wait.
    pub fn lookups_hold(&self, lookups: &LookupSource, entropy: &[u8; 32]) -> bool {
        self.looked_up.holds(lookups, entropy)
    }

    /// Whether something was looked up or opened that must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.looked_up.is_sensitive() || self.opened
    }

    /// Whether something was opened that is sealed.
    pub fn has_opened(&self) -> bool {
        self.opened
    }

    /// Whether these files answer as those did that the trace was taken of. What was looked up in a
    /// cluster is another question: [`Trace::lookups_hold`].
    pub fn holds(&self, blobs: &dyn Blobs) -> bool {
        self.answers.iter().all(|((path, question), digest)| {
            let answer = match question {
                Question::Kind => kind_digest(&blobs.kind(path)),
                Question::Read => read_digest(&blobs.identity(path)),
                Question::List => list_digest(&blobs.list(path)),
            };
            answer == *digest
        })
    }

    /// The paths that were asked for; `None` where answers came from other places too.
    pub fn paths(&self) -> Option<impl Iterator<Item = &TreePath>> {
        (!self.linked).then(|| self.answers.keys().map(|(path, _)| path))
    }

    /// Adds what another render read of the same files.
    pub(crate) fn include(&mut self, other: &Trace) {
        let answers = other.answers.iter();
        self.answers
            .extend(answers.map(|(asked, digest)| (asked.clone(), *digest)));
        self.linked |= other.linked;
        self.told = self.told.or(other.told);
        self.opened |= other.opened;
        let looked_up = other.looked_up.answers.iter();
        self.looked_up
            .answers
            .extend(looked_up.map(|(asked, digest)| (asked.clone(), *digest)));
    }

    /// How many questions were asked of the files.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing was asked of the files.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// A reader that notes what is read through it, may hide files, and may open what is sealed. What it
/// notes is what the files answer, hidden or not, sealed or not.
pub struct Traced<'a> {
    blobs: &'a dyn Blobs,
    filter: Option<Filter>,
    unseal: Option<&'a dyn Unseal>,
    trace: Mutex<Trace>,
}

impl<'a> Traced<'a> {
    /// Reads through `blobs`.
    pub fn new(blobs: &'a dyn Blobs) -> Self {
        Self::filtered(blobs, None)
    }

    /// Reads through `blobs` what the filter does not hide.
    pub(crate) fn filtered(blobs: &'a dyn Blobs, filter: Option<Filter>) -> Self {
        Self {
            blobs,
            filter,
            unseal: None,
            trace: Mutex::default(),
        }
    }

    /// The same, which opens what is sealed.
    #[must_use]
    pub(crate) fn opening(mut self, unseal: Option<&'a dyn Unseal>) -> Self {
        self.unseal = unseal;
        self
    }

    /// Who opens what is sealed.
    pub(crate) fn unseal(&self) -> Option<&'a dyn Unseal> {
        self.unseal
    }

    /// What is hidden; nothing where no file is.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    fn hides(&self, path: &TreePath) -> bool {
        let filter = self.filter.as_ref();
        filter.is_some_and(|filter| filter.hides(path))
            && self.blobs.kind(path) == Ok(Some(EntryKind::File))
    }

    /// A file as it is, sealed or not.
    fn read_noting(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        let answer = self.blobs.read(path);
        if matches!(answer, Err(BlobError::Absent { .. })) {
            // Not what is in a folder, only that it is no file.
            let kind = self.blobs.kind(path);
            self.note(path, Question::Kind, kind_digest(&kind));
        } else {
            let identity = self.blobs.identity(path);
            self.note(path, Question::Read, read_digest(&identity));
        }
        answer
    }

    /// A file that the Stack names, which is seen although others like it are hidden.
    pub(crate) fn read_named(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        self.opened(path, self.read_noting(path)?)
    }

    /// The clear bytes of a file, where it is sealed and that is to be opened.
    pub(crate) fn opened(&self, path: &TreePath, bytes: Arc<[u8]>) -> Result<Arc<[u8]>, BlobError> {
        let Some(opened) = self.unseal.and_then(|unseal| unseal.file(path, &bytes)) else {
            return Ok(bytes);
        };
        self.note_opened();
        opened.map_err(|problem| BlobError::Sealed {
            path: path.clone(),
            problem,
        })
    }

    /// Notes that something was opened.
    pub(crate) fn note_opened(&self) {
        let mut own = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        own.opened = true;
    }

    /// What was read.
    pub fn finish(self) -> Trace {
        self.trace
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what another render read, where these files answer in the same way.
    pub(crate) fn adopt(&self, trace: &Trace) -> bool {
        if !trace.holds(self.blobs) {
            return false;
        }
        self.include(trace);
        true
    }

    /// Notes what was read of these files without this reader.
    pub(crate) fn include(&self, trace: &Trace) {
        let mut own = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        own.include(trace);
    }

    /// Notes what was looked up in a cluster.
    pub(crate) fn looked_up(&self, looked_up: LookedUp) {
        let mut own = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        own.looked_up.answers.extend(looked_up.answers);
    }

    /// Notes what a chart that asks was told of its target.
    pub(crate) fn told(&self, digest: Digest) {
        let mut own = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        own.told = Some(digest);
    }

    /// The files, read without a note.
    pub(crate) fn untraced(&self) -> &'a dyn Blobs {
        self.blobs
    }

    /// A file that is not hidden, as it is.
    fn read_seen(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        if self.hides(path) {
            self.note(path, Question::Kind, kind_digest(&self.blobs.kind(path)));
            return Err(BlobError::Absent { path: path.clone() });
        }
        self.read_noting(path)
    }

    fn note(&self, path: &TreePath, question: Question, digest: Digest) {
        let is_direct = self.blobs.is_direct(path);
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.linked |= !is_direct;
        trace.answers.insert((path.clone(), question), digest);
    }
}

fn kind_digest(answer: &Result<Option<EntryKind>, BlobError>) -> Digest {
    digest("kind", &format!("{answer:?}"))
}

fn read_digest(identity: &Result<Option<Digest>, BlobError>) -> Digest {
    digest("read", &format!("{identity:?}"))
}

fn list_digest(answer: &Result<Vec<Entry>, BlobError>) -> Digest {
    digest("list", &format!("{answer:?}"))
}

fn digest(question: &str, answer: &str) -> Digest {
    let mut hasher = Hasher::new(question);
    hasher.field(answer.as_bytes());
    hasher.finish()
}

/// The files of a reader as they are: nothing that is sealed is opened.
pub(crate) struct AsTheyAre<'a>(pub(crate) &'a Traced<'a>);

impl Blobs for AsTheyAre<'_> {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        self.0.read_seen(path)
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        self.0.list(path)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<Digest>, BlobError> {
        self.0.identity(path)
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        self.0.kind(path)
    }

    fn is_direct(&self, path: &TreePath) -> bool {
        self.0.is_direct(path)
    }
}

impl Blobs for Traced<'_> {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        self.opened(path, self.read_seen(path)?)
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        let answer = self.blobs.list(path);
        self.note(path, Question::List, list_digest(&answer));
        let Some(filter) = &self.filter else {
            return answer;
        };
        let is_seen = |entry: &Entry| {
            let child = path.join(&entry.name).unwrap_or_default();
            entry.kind == EntryKind::Folder || !filter.hides(&child)
        };
        answer.map(|entries| entries.into_iter().filter(is_seen).collect())
    }

    fn identity(&self, path: &TreePath) -> Result<Option<Digest>, BlobError> {
        let identity = self.blobs.identity(path);
        self.note(path, Question::Read, read_digest(&identity));
        identity
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        let answer = self.blobs.kind(path);
        self.note(path, Question::Kind, kind_digest(&answer));
        match self.hides(path) {
            true => Ok(None),
            false => answer,
        }
    }

    fn is_direct(&self, path: &TreePath) -> bool {
        self.blobs.is_direct(path)
    }
}
