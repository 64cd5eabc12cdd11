//! The other sources of a Stack, for commands that render on their own: from Git, or from folders of
//! this machine that stand for them. It must not know what is read of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use holdfast_engine::Connections;
use holdfast_model::artifact::Blobs;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{OtherSource, Reference, Repository};
use holdfast_render::Mount;
use holdfast_source::{Credentials, Sources, WorkingCopy};

use super::render::FILE_LIMIT;

/// Folders that stand for other sources.
#[derive(Args, Clone, Default)]
pub(crate) struct LocalSources {
    /// A folder of this machine for a source of spec.sources, NAME=DIR, instead of what Git has; may
    /// be given several times.
    #[arg(long = "source", value_name = "NAME=DIR")]
    given: Vec<String>,
}

/// Other sources, opened.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) mounts: Vec<Mount>,
    /// The commits of those that come from Git.
    pub(crate) commits: BTreeMap<String, CommitId>,
}

impl LocalSources {
    /// The folders by the names of the sources that they stand for, which have to be there.
    fn folders(&self, others: &[OtherSource]) -> anyhow::Result<BTreeMap<&str, PathBuf>> {
        let mut folders = BTreeMap::new();
        for given in &self.given {
            let (name, folder) = given
                .split_once('=')
                .with_context(|| format!("--source {given} is not NAME=DIR"))?;
            anyhow::ensure!(
                others.iter().any(|other| other.name == name),
                "--source {given}: the Stack has no source `{name}` in spec.sources"
            );
            folders.insert(name, PathBuf::from(folder));
        }
        Ok(folders)
    }

    /// Opens the other sources of a Stack: from the folders that are given, and else from Git, which
    /// is not asked where there are no `sources`.
    pub(crate) async fn open(
        &self,
        others: &[OtherSource],
        sources: Option<&Sources>,
        plane: Option<&dyn Connections>,
    ) -> anyhow::Result<Opened> {
        let folders = self.folders(others)?;
        let mut opened = Opened::default();
        for OtherSource { name, source } in others {
            let blobs: Arc<dyn Blobs> = match (folders.get(name.as_str()), sources) {
                (Some(folder), _) => {
                    let copy = WorkingCopy::open(folder, FILE_LIMIT);
                    Arc::new(copy.with_context(|| folder.display().to_string())?)
                }
                (None, None) => anyhow::bail!(
                    "source `{name}` is in {}, and nothing is to be fetched\n  hint: give a folder \
                     for it with --source {name}=DIR",
                    source.repository.url
                ),
                (None, Some(sources)) => {
                    let credentials = credentials(&source.repository, plane).await?;
                    let (repository, reference) = (&source.repository, &source.reference);
                    let found = resolve(sources, repository, credentials.as_ref(), reference);
                    let revision = found.await.with_context(|| format!("source `{name}`"))?;
                    let tree = sources
                        .open(
                            &source.repository.url,
                            credentials.as_ref(),
                            &revision.commit,
                        )
                        .await?;
                    opened.commits.insert(name.clone(), revision.commit);
                    Arc::new(tree)
                }
            };
            opened.mounts.push(Mount {
                name: name.clone(),
                blobs,
                folder: source.path.clone(),
            });
        }
        Ok(opened)
    }
}

/// What is needed to read a repository.
pub(crate) async fn credentials(
    repository: &Repository,
    plane: Option<&dyn Connections>,
) -> anyhow::Result<Option<Credentials>> {
    let Some(secret) = &repository.credentials else {
        return Ok(None);
    };
    let Some(plane) = plane else {
        // Without a cluster there is no Secret; what git itself may read is read.
        return Ok(None);
    };
    let found = plane.credentials(secret).await;
    found.map(Some).map_err(super::plan::failed)
}

/// What a reference is at.
pub(crate) async fn follow(
    sources: &Sources,
    repository: &Repository,
    reference: &Reference,
    plane: &dyn Connections,
) -> anyhow::Result<Revision> {
    let credentials = credentials(repository, Some(plane)).await?;
    resolve(sources, repository, credentials.as_ref(), reference).await
}

async fn resolve(
    sources: &Sources,
    repository: &Repository,
    credentials: Option<&Credentials>,
    reference: &Reference,
) -> anyhow::Result<Revision> {
    let wanted = BTreeSet::from([reference.clone()]);
    let mut found = sources
        .resolve(&repository.url, credentials, &wanted)
        .await?;
    let found = found.remove(reference).context("nothing was answered")?;
    Ok(found?)
}
