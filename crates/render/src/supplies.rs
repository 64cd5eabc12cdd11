//! What a render uses beside the files of its source: what was fetched for it, and charts that are
//! kept parsed and shared by all Stacks. It must not fetch.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_helm::{Chart, Error as HelmError, load_archive};
use holdfast_kustomize::{Fetched as FetchedFiles, Remotes};
use holdfast_model::artifact::{BlobError, Blobs as _, TreePath};
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::external::{External, is_chart_repository};

use crate::Error;
use crate::bases::Bases;
use crate::trace::{AsTheyAre, Trace, Traced};
use crate::unseal::Unseal;

/// Something that was fetched.
#[derive(Clone)]
pub enum Fetched {
    /// A chart, parsed.
    Chart(Arc<Chart>),
    /// A file, or a folder of another repository.
    Files(FetchedFiles),
}

/// What was fetched for a render, and what it shares with others.
#[derive(Clone, Default)]
pub struct Supplies {
    fetched: BTreeMap<External, (Digest, Fetched)>,
    kept: Arc<Kept>,
}

/// What renders keep for others: all Stacks and commits of an engine share one.
#[derive(Default)]
pub struct Kept {
    /// Parsed charts of folders.
    pub charts: Charts,
    /// Parsed charts of archives.
    pub archives: Charts,
    /// Bases as they were built.
    pub bases: Bases,
}

impl Supplies {
    /// Nothing fetched yet; charts and bases are shared with whoever has the same `kept`.
    pub fn sharing(kept: Arc<Kept>) -> Self {
        Self {
            fetched: BTreeMap::new(),
            kept,
        }
    }

    /// Bases that were built before.
    pub(crate) fn bases(&self) -> &Bases {
        &self.kept.bases
    }

    /// Adds what was fetched; the digest changes when what is behind it does.
    pub fn add(&mut self, external: External, digest: Digest, fetched: Fetched) {
        self.fetched.insert(external, (digest, fetched));
    }

    /// What was added, with the digest of each.
    pub fn digests(&self) -> BTreeMap<External, Digest> {
        let all = self.fetched.iter();
        all.map(|(external, (digest, _))| (external.clone(), *digest))
            .collect()
    }

    pub(crate) fn chart(&self, external: &External) -> Option<(Digest, Arc<Chart>)> {
        match self.fetched.get(external)? {
            (digest, Fetched::Chart(chart)) => Some((*digest, Arc::clone(chart))),
            (_, Fetched::Files(_)) => None,
        }
    }

    /// What a file by an address holds; `None` before it was fetched.
    pub(crate) fn file(&self, external: &External) -> Option<Result<Arc<[u8]>, String>> {
        match self.fetched.get(external)? {
            (_, Fetched::Files(FetchedFiles::File(bytes))) => Some(Ok(Arc::clone(bytes))),
            _ => Some(Err("is no file".to_owned())),
        }
    }

    /// What overlays may read, by the address as they write it.
    pub(crate) fn remotes(&self) -> Remotes {
        let all = self.fetched.iter();
        all.filter_map(|(external, (_, fetched))| match (external, fetched) {
            (External::Remote { url }, Fetched::Files(files)) => Some((url.clone(), files.clone())),
            _ => None,
        })
        .collect()
    }

    /// The chart in a folder, with the dependencies that it has from repositories.
    pub(crate) fn folder_chart(
        &self,
        blobs: &Traced<'_>,
        folder: &TreePath,
        refused: &dyn Fn(HelmError) -> Error,
    ) -> Result<Arc<Chart>, Error> {
        let chart = self.kept.charts.load(blobs, folder, &[]).map_err(refused)?;
        let wanted: Vec<External> = chart
            .missing()
            .into_iter()
            // `@name` is an alias of somebody's machine, and `file://` was looked for already.
            .filter(|wanted| is_chart_repository(&wanted.repository))
            .map(|wanted| External::Chart {
                repository: wanted.repository,
                name: wanted.name,
                version: wanted.version,
            })
            .collect();
        if wanted.is_empty() {
            return Ok(chart);
        }
        let found: Vec<_> = wanted.iter().map(|wanted| self.chart(wanted)).collect();
        if found.iter().any(Option::is_none) {
            let missing = wanted.into_iter().zip(&found);
            let missing = missing.filter(|(_, found)| found.is_none());
            return Err(Error::Missing(missing.map(|(wanted, _)| wanted).collect()));
        }
        let found: Vec<_> = found.into_iter().flatten().collect();
        self.kept
            .charts
            .load(blobs, folder, &found)
            .map_err(refused)
    }
}

/// Refuses a chart whose own values are sealed where files are to be opened: they would be taken as they
/// are.
fn refuse_sealed_defaults(
    blobs: &Traced<'_>,
    files: &Traced<'_>,
    folder: &TreePath,
) -> Result<(), HelmError> {
    let path = folder.join("values.yaml").unwrap_or_default();
    let Some(unseal) = blobs.unseal().filter(|unseal| unseal.opens_files()) else {
        return Ok(());
    };
    let sealed = files
        .read(&path)
        .ok()
        .and_then(|bytes| unseal.file(&path, &bytes));
    match sealed {
        None => Ok(()),
        Some(_) => Err(HelmError::Read(BlobError::Sealed {
            path,
            problem:
                "a chart's own values are not opened; move what is sealed to a file of its own, \
                      and name that in spec.render.helm.valueFiles"
                    .to_owned(),
        })),
    }
}

/// How many parsed charts are kept.
const CHARTS: usize = 128;

/// Charts, kept parsed for as long as their files are the same, and shared by all Stacks and commits
/// that use them.
#[derive(Default)]
pub struct Charts {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    charts: HashMap<Digest, Arc<Loaded>>,
    /// The oldest first.
    order: VecDeque<Digest>,
}

/// A chart, and what was read for it, which may lie outside of its folder.
struct Loaded {
    chart: Arc<Chart>,
    trace: Trace,
}

impl Charts {
    /// The chart in an archive with this digest.
    ///
    /// # Errors
    /// As [`load_archive`].
    pub fn unpack(&self, digest: Digest, bytes: &[u8]) -> Result<Arc<Chart>, HelmError> {
        if let Some(loaded) = self.get(&digest) {
            return Ok(Arc::clone(&loaded.chart));
        }
        let chart = load_archive(bytes)?;
        Ok(self.keep(digest, chart, Trace::default()))
    }

    fn load(
        &self,
        blobs: &Traced<'_>,
        folder: &TreePath,
        dependencies: &[(Digest, Arc<Chart>)],
    ) -> Result<Arc<Chart>, HelmError> {
        let mut hasher = Hasher::new("chart");
        hasher.field(folder.as_str().as_bytes());
        let identity = blobs.untraced().identity(folder)?;
        hasher.field(identity.unwrap_or_default().as_bytes());
        for (digest, _) in dependencies {
            hasher.field(digest.as_bytes());
        }
        if let Some(filter) = blobs.filter() {
            hasher.field(filter.digest().as_bytes());
        }
        let opens_files = blobs.unseal().is_some_and(Unseal::opens_files);
        hasher.field(&[u8::from(opens_files)]);
        let key = hasher.finish();
        let held = self.get(&key);
        if let Some(loaded) = held.filter(|loaded| blobs.adopt(&loaded.trace)) {
            return Ok(Arc::clone(&loaded.chart));
        }
        // Charts are shared with other Stacks, so that nothing in them may be opened.
        let files = AsTheyAre(blobs);
        let inner = Traced::new(&files);
        refuse_sealed_defaults(blobs, &inner, folder)?;
        let mut chart = holdfast_helm::load(&inner, folder)?;
        for (_, dependency) in dependencies {
            chart.add_dependency(Arc::clone(dependency));
        }
        Ok(self.keep(key, chart, inner.finish()))
    }

    fn get(&self, key: &Digest) -> Option<Arc<Loaded>> {
        self.lock().charts.get(key).cloned()
    }

    fn keep(&self, key: Digest, chart: Chart, trace: Trace) -> Arc<Chart> {
        let chart = Arc::new(chart);
        let loaded = Loaded {
            chart: Arc::clone(&chart),
            trace,
        };
        let mut held = self.lock();
        if held.charts.insert(key, Arc::new(loaded)).is_none() {
            held.order.push_back(key);
        }
        while held.order.len() > CHARTS {
            if let Some(oldest) = held.order.pop_front() {
                held.charts.remove(&oldest);
            }
        }
        chart
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
