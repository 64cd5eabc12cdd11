//! What renders read from outside of their sources, fetched once for all Stacks: charts of
//! repositories and registries, remote bases and files. It must not know what is done with them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::external::{External, is_web};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Lookups, Reference, Remotes, RenderChoice, SecretReference, Stack};
use holdfast_model::status::Problem;
use holdfast_model::tenant::Tenant;
use holdfast_render::{
    self as render, Error, Fetched, FetchedFiles, Kept, Rendered, RepositoryFolder, Setting,
    Supplies,
};
use holdfast_source::{ChartVersion, Credentials, Sources};
use tokio::sync::Semaphore;

use crate::ports::Connections;
use crate::repositories::SourceFailure;

/// How often a render may find that something else is missing (design: at most 8 times).
const ROUNDS: usize = 8;
/// How long a failure counts, so that a thousand Stacks do not ask for the same thing in vain.
const FAILURE_AGE: Duration = Duration::from_secs(10);
/// How many answers are kept.
const KEPT: usize = 512;

/// What is rendered, and with what.
pub struct Job {
    /// The files.
    pub tree: Arc<dyn Blobs>,
    /// The folder in them.
    pub folder: TreePath,
    /// How it is rendered.
    pub choice: RenderChoice,
    /// What it is told of the world.
    pub setting: Setting,
    /// The versions that ranges of charts mean, by their labels; the newest where it names none.
    pub charts: BTreeMap<String, String>,
    /// What decides from where something may be fetched; nothing where the engine's own rules do.
    pub tenant: Option<Arc<Tenant>>,
}

impl Job {
    /// A revision as a Stack wants it.
    pub(crate) fn of(
        stack: &Stack,
        tree: Arc<dyn Blobs>,
        setting: Setting,
        revision: &Revision,
        tenant: Option<Arc<Tenant>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tree,
            folder: stack.source.path.clone(),
            choice: stack.render.clone(),
            setting,
            charts: revision.charts.clone(),
            tenant,
        })
    }

    /// Whether something may be fetched, by its own address or by that of the repository that it is in.
    fn permit(&self, external: &External) -> Result<(), RenderFailure> {
        let Some(tenant) = &self.tenant else {
            return Ok(());
        };
        match refusal(tenant, external) {
            None => Ok(()),
            Some(problem) => Err(RenderFailure::Refused(Box::new(problem))),
        }
    }
}

/// Why a Tenant does not let something be fetched.
pub(crate) fn refusal(tenant: &Tenant, external: &External) -> Option<Problem> {
    let what = external.to_string();
    let own = tenant.refuses_address(external.address(), &what)?;
    let folder = match external {
        External::Remote { url } => render::repository_folder(url),
        External::Chart { .. } => None,
    };
    let is_allowed =
        |folder: &RepositoryFolder| tenant.refuses_address(&folder.url, &what).is_none();
    (!folder.as_ref().is_some_and(is_allowed)).then_some(own)
}

/// Why nothing was rendered.
#[derive(Debug)]
pub enum RenderFailure {
    /// The files cannot be used.
    Render {
        /// What is wrong with them.
        error: Error,
        /// What was fetched for the render that failed.
        used: Used,
    },
    /// Something that they name could not be fetched.
    Fetch {
        /// What happened.
        message: String,
        /// What a person can do.
        hint: Option<String>,
    },
    /// Something that they name may not be fetched for the Stack.
    Refused(Box<Problem>),
}

impl From<SourceFailure> for RenderFailure {
    fn from(failure: SourceFailure) -> Self {
        Self::Fetch {
            message: failure.message,
            hint: failure.hint,
        }
    }
}

/// The digest of each thing that was fetched.
pub type Digests = BTreeMap<External, Digest>;

/// What was fetched for a render.
#[derive(Debug, Default)]
pub struct Used {
    /// The things.
    pub digests: Digests,
    /// The versions that ranges of charts meant, by their labels.
    pub charts: BTreeMap<String, String>,
}

/// Everything outside of sources that some render has read.
pub struct Externals {
    sources: Sources,
    kept: Arc<Kept>,
    known: Mutex<HashMap<Id, Entry>>,
    /// One for each processor: more renders at once are done no earlier, and hold more memory.
    processors: Semaphore,
}

/// Something as one set of credentials sees it.
type Id = (External, Option<SecretReference>);
/// What is known of it; locked while somebody asks, so that it is fetched once however many wait.
type Entry = Arc<tokio::sync::Mutex<Option<Known>>>;
type Found = Result<(Digest, Fetched), SourceFailure>;

struct Known {
    at: Instant,
    found: Found,
}

fn failure(message: String, hint: Option<&str>) -> SourceFailure {
    SourceFailure {
        message,
        hint: hint.map(str::to_owned),
    }
}

/// Whether something may be another thing tomorrow although nobody asks for it: a range of
/// versions. A remote base counts as it was read with the commit that names it.
pub(crate) fn is_moving(external: &External) -> bool {
    matches!(external, External::Chart { version, .. } if !render::is_exact(version))
}

/// What is fetched for something, where it is known what its range means.
fn meant(external: &External, charts: &BTreeMap<String, String>) -> External {
    let mut meant = external.clone();
    let known = external.label().and_then(|label| charts.get(&label));
    if let (External::Chart { version, .. }, Some(known)) = (&mut meant, known) {
        version.clone_from(known);
    }
    meant
}

impl Externals {
    /// Nothing is known yet; what is fetched is kept by `sources`.
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            kept: Arc::default(),
            known: Mutex::default(),
            processors: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// Renders a folder, fetching what it names. What is known already and may move counts unless it
    /// is older than `oldest`. Secrets are asked of the connections, where there are any.
    ///
    /// # Errors
    /// [`RenderFailure`].
    pub async fn render(
        &self,
        job: &Arc<Job>,
        connections: Option<&dyn Connections>,
        oldest: Option<Instant>,
    ) -> Result<(Rendered, Used), RenderFailure> {
        let mut supplies = Supplies::sharing(Arc::clone(&self.kept));
        let mut charts = BTreeMap::new();
        for _ in 0..ROUNDS {
            let (task, given) = (Arc::clone(job), supplies.clone());
            let work = move || {
                let Job {
                    tree,
                    folder,
                    choice,
                    setting,
                    ..
                } = &*task;
                render::render(&**tree, folder, choice, setting, &given)
            };
            // What asks a target while it renders may wait there, and must hold nobody up.
            let asks = job.choice.helm.lookups != Lookups::None;
            let waits = asks || job.setting.unsealer.waits();
            let permit = match waits {
                true => None,
                false => self.processors.acquire().await.ok(),
            };
            let rendered = tokio::task::spawn_blocking(work).await;
            drop(permit);
            let rendered = rendered
                .map_err(|_| failure("rendering broke off unexpectedly".to_owned(), None))?;
            let missing = match rendered {
                Ok(rendered) => {
                    let digests = supplies.digests();
                    return Ok((rendered, Used { digests, charts }));
                }
                Err(Error::Missing(missing)) if job.choice.remotes == Remotes::Allow => missing,
                Err(error) => {
                    let digests = supplies.digests();
                    let used = Used { digests, charts };
                    return Err(RenderFailure::Render { error, used });
                }
            };
            for external in missing {
                job.permit(&external)?;
                let meant = meant(&external, &job.charts);
                let (digest, fetched) = self.get(&meant, &job.choice, connections, oldest).await?;
                if let (true, Fetched::Chart(chart)) = (is_moving(&external), &fetched) {
                    let version = chart.metadata.version.clone();
                    charts.extend(external.label().map(|label| (label, version)));
                }
                supplies.add(external, digest, fetched);
            }
        }
        Err(failure(
            format!("what it reads names further things, more than {ROUNDS} times in a row"),
            Some("name bases and charts directly instead of through each other"),
        )
        .into())
    }

    /// Whether these are still what a render would get.
    pub(crate) async fn holds(
        &self,
        used: &Digests,
        choice: &RenderChoice,
        connections: &dyn Connections,
        oldest: Instant,
    ) -> Result<bool, SourceFailure> {
        for (external, digest) in used {
            let found = self
                .get(external, choice, Some(connections), Some(oldest))
                .await?;
            if found.0 != *digest {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn get(
        &self,
        external: &External,
        choice: &RenderChoice,
        connections: Option<&dyn Connections>,
        oldest: Option<Instant>,
    ) -> Found {
        let secret = choice.credentials_for(external.address());
        let entry = self.entry((external.clone(), secret.cloned()));
        let mut known = entry.lock().await;
        if let Some(known) = &*known {
            let stands = match &known.found {
                Ok(_) => match external {
                    External::Chart { .. } if !is_moving(external) => true,
                    _ => oldest.is_none_or(|oldest| oldest <= known.at),
                },
                Err(_) => known.at.elapsed() < FAILURE_AGE,
            };
            if stands {
                return known.found.clone();
            }
        }
        let at = Instant::now();
        let found = match credentials(secret, connections).await {
            Ok(credentials) => self.fetch(external, credentials.as_ref()).await,
            Err(failure) => Err(failure),
        };
        *known = Some(Known {
            at,
            found: found.clone(),
        });
        found
    }

    fn entry(&self, id: Id) -> Entry {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT && !known.contains_key(&id) {
            // Those that nobody waits for; they are fetched again when somebody does.
            known.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(known.entry(id).or_default())
    }

    async fn fetch(&self, external: &External, credentials: Option<&Credentials>) -> Found {
        match external {
            External::Chart {
                repository,
                name,
                version,
            } => {
                let version = self.choose(repository, name, version, credentials).await?;
                self.chart(repository, name, &version, credentials).await
            }
            External::Remote { url } => self.remote(url, credentials).await,
        }
    }

    /// The version that a range means. A registry is not asked for its tags where there is but one.
    async fn choose(
        &self,
        repository: &str,
        name: &str,
        range: &str,
        credentials: Option<&Credentials>,
    ) -> Result<ChartVersion, SourceFailure> {
        if repository.starts_with("oci://") && render::is_exact(range) {
            return Ok(ChartVersion::tag(range));
        }
        let versions = self.sources.chart_versions(repository, name, credentials);
        let versions = versions
            .await
            .map_err(|error| SourceFailure::from(&error))?;
        let texts = versions.iter().map(|version| version.version.as_str());
        let index = render::newest(range, texts).map_err(|error| {
            let message = format!("`{range}` is no range of versions for chart {name}: {error}");
            failure(message, Some("write a range such as 1.x or >=2.1 <3"))
        })?;
        let chosen = index.and_then(|index| versions.get(index).cloned());
        chosen.ok_or_else(|| {
            let message = format!(
                "{repository} has {} versions of chart {name}, and none in the range `{range}`",
                versions.len()
            );
            failure(message, Some("check the version where the chart is named"))
        })
    }

    async fn chart(
        &self,
        repository: &str,
        name: &str,
        version: &ChartVersion,
        credentials: Option<&Credentials>,
    ) -> Found {
        let archive = self
            .sources
            .chart_archive(repository, name, version, credentials)
            .await
            .map_err(|error| SourceFailure::from(&error))?;
        let digest = archive.digest;
        let kept = Arc::clone(&self.kept);
        let work = move || kept.archives.unpack(digest, &archive.bytes);
        let unpacked = tokio::task::spawn_blocking(work).await;
        let unpacked =
            unpacked.map_err(|_| failure("reading a chart broke off".to_owned(), None))?;
        let chart = unpacked.map_err(|error| {
            let message = format!("chart {name} {} of {repository}: {error}", version.version);
            failure(message, None)
        })?;
        Ok((digest, Fetched::Chart(chart)))
    }

    /// A file where the server has one, else a folder of a repository: the order of Kustomize.
    async fn remote(&self, url: &str, credentials: Option<&Credentials>) -> Found {
        let folder = render::repository_folder(url);
        let says_git = url.contains(".git") || url.contains("_git/") || url.contains("?ref=");
        if is_web(url) && !(says_git && folder.is_some()) {
            match (self.sources.file(url, credentials).await, &folder) {
                (Ok(bytes), _) => {
                    let digest = Digest::of_bytes(&bytes);
                    return Ok((digest, Fetched::Files(FetchedFiles::File(bytes))));
                }
                (Err(error), None) => return Err(SourceFailure::from(&error)),
                (Err(_), Some(_)) => {}
            }
        }
        let Some(folder) = folder else {
            let message = format!("`{url}` names neither a file nor a folder of a repository");
            return Err(failure(message, None));
        };
        self.folder(folder, credentials).await
    }

    async fn folder(&self, folder: RepositoryFolder, credentials: Option<&Credentials>) -> Found {
        let failed = |error: &holdfast_source::Error| SourceFailure::from(error);
        let admitted = self.sources.admit(&folder.url).await;
        admitted.map_err(|error| failed(&error))?;
        let reference = reference(folder.reference.as_deref());
        let wanted = [reference.clone()].into();
        let resolved = self
            .sources
            .resolve(&folder.url, credentials, &wanted)
            .await;
        let mut resolved = resolved.map_err(|error| failed(&error))?;
        let revision = resolved.remove(&reference).ok_or_else(|| {
            let message = format!("{} did not say what {reference} is", folder.url);
            failure(message, None)
        })?;
        let revision = revision.map_err(|error| failed(&error))?;
        let tree = self
            .sources
            .open(&folder.url, credentials, &revision.commit)
            .await
            .map_err(|error| failed(&error))?;
        let mut hasher = Hasher::new("remote folder");
        hasher.field(revision.commit.0.as_bytes());
        hasher.field(folder.path.as_str().as_bytes());
        let files = FetchedFiles::Folder {
            blobs: Arc::new(tree),
            folder: folder.path,
        };
        Ok((hasher.finish(), Fetched::Files(files)))
    }
}

/// What a remote base's `ref` means: 40 hex digits are a commit.
fn reference(text: Option<&str>) -> Reference {
    match text {
        None | Some("HEAD") => Reference::Head,
        Some(name) if name.starts_with("refs/") => Reference::Name(name.to_owned()),
        Some(name) if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Reference::Commit(CommitId(name.to_lowercase()))
        }
        Some(name) => Reference::Short(name.to_owned()),
    }
}

async fn credentials(
    secret: Option<&SecretReference>,
    connections: Option<&dyn Connections>,
) -> Result<Option<Credentials>, SourceFailure> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let Some(connections) = connections else {
        let message = format!("Secret {} is in a cluster, and none is asked", secret.name);
        return Err(failure(message, None));
    };
    let found = connections.credentials(secret).await;
    found.map(Some).map_err(|error| SourceFailure {
        message: error.message,
        hint: error.hint,
    })
}
