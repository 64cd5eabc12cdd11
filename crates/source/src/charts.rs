//! Charts from repositories and registries, and single files: versions that are there, archives by
//! digest, each kept on disk once. It must not choose versions or read what is in an archive.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use holdfast_model::digest::{Digest, Hasher};
use reqwest::{StatusCode, Url};

use crate::copies;
use crate::guard::Sort;
use crate::index::{self, ChartVersion, INDEX_LIMIT, Index};
use crate::registry::Registry;
use crate::repository::{Credentials, Error};
use crate::sources::Sources;
use crate::web::{self, Ask};

/// The largest archive that is taken, in bytes: 64 MiB.
const ARCHIVE_LIMIT: u64 = 64 << 20;
/// How many archives are kept on disk.
const ARCHIVES: usize = 512;
/// How long an index counts as read just now, however many ask.
const INDEX_AGE: Duration = Duration::from_secs(10);
/// How many indices are held in memory.
const INDICES: usize = 64;

/// An index as it was last read by one set of credentials.
#[derive(Clone)]
pub(crate) struct HeldIndex {
    read: Instant,
    etag: Option<String>,
    index: Arc<Index>,
}

/// Indices by address and credentials.
pub(crate) type HeldIndices = HashMap<(String, Option<String>), HeldIndex>;

/// A chart's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// A gzipped tar file.
    pub bytes: Arc<[u8]>,
}

impl Sources {
    /// The versions of a chart that a repository or registry has, in no order.
    ///
    /// # Errors
    /// When it does not answer, refuses, or does not have the chart.
    pub async fn chart_versions(
        &self,
        repository: &str,
        name: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<ChartVersion>, Error> {
        self.timed(repository, async {
            if repository.starts_with("oci://") {
                let mut registry = Registry::of(self.web(), repository, name, credentials)?;
                return registry.versions().await;
            }
            let index = self.index(repository, credentials).await?;
            let versions = index.get(name).cloned();
            versions.ok_or_else(|| Error::Fetch {
                url: repository.to_owned(),
                message: format!("the repository has no chart `{name}`"),
            })
        })
        .await
    }

    /// The archive of a version of a chart, from disk where it is there already.
    ///
    /// # Errors
    /// When it cannot be had, or is not what its digest says.
    pub async fn chart_archive(
        &self,
        repository: &str,
        name: &str,
        version: &ChartVersion,
        credentials: Option<&Credentials>,
    ) -> Result<Archive, Error> {
        self.timed(repository, async {
            if repository.starts_with("oci://") {
                let mut registry = Registry::of(self.web(), repository, name, credentials)?;
                let digest = registry.archive_digest(&version.version).await?;
                let folder = self.archives();
                if let Some(bytes) = kept(&folder, &digest.hex(), Some(&digest)) {
                    return Ok(Archive { digest, bytes });
                }
                let bytes = registry.blob(&digest, ARCHIVE_LIMIT).await?;
                return Ok(keep(&folder, &digest.hex(), bytes));
            }
            self.repository_archive(repository, name, version, credentials)
                .await
        })
        .await
    }

    /// A single file over http or https.
    ///
    /// # Errors
    /// When it cannot be had, or is larger than files may be. A page for people is no file.
    pub async fn file(
        &self,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Arc<[u8]>, Error> {
        self.timed(url, async {
            let authorization = web::authorization(credentials);
            let ask = Ask {
                authorization: authorization.as_deref(),
                sort: Sort::File,
                ..Ask::new(url, self.file_limit())
            };
            let answer = self.web().ask(ask).await?.accepted(url, credentials)?;
            let kind = answer.content_type.unwrap_or_default();
            if kind.starts_with("text/html") {
                return Err(Error::Fetch {
                    url: url.to_owned(),
                    message: "it is a page for people, no file".to_owned(),
                });
            }
            Ok(answer.bytes.into())
        })
        .await
    }

    async fn repository_archive(
        &self,
        repository: &str,
        name: &str,
        version: &ChartVersion,
        credentials: Option<&Credentials>,
    ) -> Result<Archive, Error> {
        let failed = |message: String| Error::Fetch {
            url: repository.to_owned(),
            message,
        };
        let first = version.urls.first().map(String::as_str).unwrap_or_default();
        let base = Url::parse(&format!("{}/", repository.trim_end_matches('/')));
        let base = base.map_err(|error| failed(error.to_string()))?;
        let url = base
            .join(first)
            .map_err(|error| failed(error.to_string()))?;
        // A version is published once; where it is published anew, its digest tells. Who may read it
        // is part of the name, since any index may name the archive of another repository.
        let mut hasher = Hasher::new("chart archive");
        if let Some(authorization) = web::authorization(credentials) {
            hasher.field(&copies::key(self.root()));
            hasher.field(authorization.as_bytes());
        }
        for part in [url.as_str(), name, &version.version] {
            hasher.field(part.as_bytes());
        }
        let said = version.digest;
        hasher.field(said.unwrap_or_default().as_bytes());
        let (folder, key) = (self.archives(), hasher.finish().hex());
        if let Some(bytes) = kept(&folder, &key, said.as_ref()) {
            let digest = Digest::of_bytes(&bytes);
            return Ok(Archive { digest, bytes });
        }
        // As in Helm, credentials of a repository are not for the hosts that it names.
        let own = url.origin() == base.origin();
        let authorization = web::authorization(credentials).filter(|_| own);
        let ask = Ask {
            authorization: authorization.as_deref(),
            ..Ask::new(url.as_str(), ARCHIVE_LIMIT)
        };
        let bytes = self
            .web()
            .ask(ask)
            .await?
            .accepted(url.as_str(), credentials)?
            .bytes;
        if said.is_some_and(|said| said != Digest::of_bytes(&bytes)) {
            return Err(failed(format!(
                "the archive of {name} {} does not have the digest that the index names",
                version.version
            )));
        }
        Ok(keep(&folder, &key, bytes))
    }

    async fn index(
        &self,
        repository: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Arc<Index>, Error> {
        let authorization = web::authorization(credentials);
        let key = (repository.to_owned(), authorization.clone());
        let turn = self.turn(&format!("index of {repository}"));
        let _turn = turn.lock().await;
        let held = self.indices().get(&key).cloned();
        if let Some(held) = &held
            && held.read.elapsed() < INDEX_AGE
        {
            return Ok(Arc::clone(&held.index));
        }
        let url = format!("{}/index.yaml", repository.trim_end_matches('/'));
        let ask = Ask {
            authorization: authorization.as_deref(),
            etag: held.as_ref().and_then(|held| held.etag.as_deref()),
            ..Ask::new(&url, INDEX_LIMIT)
        };
        let answer = self.web().ask(ask).await?;
        let (etag, index) = match held {
            Some(held) if answer.status == StatusCode::NOT_MODIFIED => (held.etag, held.index),
            _ => {
                let answer = answer.accepted(&url, credentials)?;
                let bytes = answer.bytes;
                let parse = move || index::read(&String::from_utf8_lossy(&bytes));
                let parsed = tokio::task::spawn_blocking(parse).await;
                let parsed = parsed.unwrap_or_else(|_| Err("reading it broke off".to_owned()));
                let index = parsed.map_err(|message| Error::Fetch {
                    url: url.clone(),
                    message,
                })?;
                (answer.etag, Arc::new(index))
            }
        };
        let mut indices = self.indices();
        if indices.len() >= INDICES {
            indices.clear();
        }
        let held = HeldIndex {
            read: Instant::now(),
            etag,
            index: Arc::clone(&index),
        };
        indices.insert(key, held);
        Ok(index)
    }

    fn indices(&self) -> std::sync::MutexGuard<'_, HeldIndices> {
        let indices = self.held_indices();
        indices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn archives(&self) -> PathBuf {
        self.root().join("charts")
    }
}

/// An archive that is on disk and whole.
fn kept(folder: &Path, key: &str, digest: Option<&Digest>) -> Option<Arc<[u8]>> {
    let bytes = std::fs::read(folder.join(key)).ok()?;
    let is_whole = digest.is_none_or(|digest| Digest::of_bytes(&bytes) == *digest);
    is_whole.then(|| bytes.into())
}

/// Keeps an archive on disk. A disk that is full only means that it is fetched again.
fn keep(folder: &Path, key: &str, bytes: Vec<u8>) -> Archive {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        make_room(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, &bytes)?;
        file.persist(folder.join(key))?;
        Ok(())
    };
    if let Err(error) = write() {
        tracing::warn!(%error, "A chart's archive could not be kept.");
    }
    Archive {
        digest: Digest::of_bytes(&bytes),
        bytes: bytes.into(),
    }
}

/// Removes the oldest archive where there are as many as are kept.
fn make_room(folder: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    if files.len() >= ARCHIVES
        && let Some((_, oldest)) = files.iter().min()
    {
        std::fs::remove_file(oldest)?;
    }
    Ok(())
}
