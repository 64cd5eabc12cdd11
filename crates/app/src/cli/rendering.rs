//! Renders a Stack as the engine would, for commands that have no engine. It must not know what is done
//! with the objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_control::Plane;
use holdfast_engine::{
    Chance, Connections, Externals, Job, Opening, Vault, Vaults, digest_key, entropy, lookups,
    marked,
};
use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::object::Object;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{OtherSource, Reference, Stack};
use holdfast_model::tenant::Tenant;
use holdfast_render::{Renderer, Setting, Unsealer, detect, join};
use holdfast_source::{SourceLimits, Sources};
use holdfast_target::Target as _;
use holdfast_target_kube::{KubeTarget, Limits};

use super::api::{Api, items, text};
use super::plan::failed;
use super::render;
use super::sources::{self, LocalSources};
use crate::plane::EnginePlane;
use crate::wiring;

/// What is needed to render Stacks.
pub(super) struct Rendering {
    pub(super) plane: Plane,
    adapter: Arc<EnginePlane>,
    vaults: Arc<Vaults>,
    sources: Sources,
    externals: Externals,
    /// What charts' random values are derived from, where it may be read.
    secret: Option<[u8; 32]>,
}

/// What a revision renders to.
pub(super) struct Rendered {
    pub(super) objects: Vec<Object>,
    pub(super) revision: Revision,
    pub(super) digest: Digest,
    /// Whether it is a chart, which may make values up at random.
    pub(super) is_chart: bool,
    /// Whether there are values of Secrets in it.
    pub(super) is_sensitive: bool,
}

/// For whom something is rendered.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub(super) stack: &'a Stack,
    pub(super) target: &'a KubeTarget,
    pub(super) local: &'a LocalSources,
    /// What decides from where something may be fetched.
    pub(super) tenant: Option<&'a Arc<Tenant>>,
    /// Whether nothing has been applied.
    pub(super) is_install: bool,
}

impl Rendering {
    pub(super) async fn begin(api: &Api) -> Self {
        let bare = Plane::new(api.client.clone());
        let sources = Sources::new(wiring::default_data_dir(), SourceLimits::default());
        let secret = bare.known_entropy(&lease_namespace(api).await).await;
        let secret = secret.ok().flatten();
        // Who may read the secret believes what the engine believes.
        let plane = match &secret {
            Some(secret) => bare.sealed(secret),
            None => bare,
        };
        Self {
            adapter: Arc::new(EnginePlane::new(
                plane.clone(),
                api.client.clone(),
                Limits::default(),
            )),
            vaults: Vaults::new(&sources, &digest_key(&secret.unwrap_or_default())),
            externals: Externals::new(sources.clone()),
            plane,
            sources,
            secret,
        }
    }

    /// Ends the logins that were needed.
    pub(super) async fn end(&self) {
        self.vaults.close().await;
    }

    /// What is not as the engine has it, where its secret may not be read.
    pub(super) fn doubts(&self, rendered: &Rendered) -> Option<String> {
        let what = match (self.secret, rendered.is_chart, rendered.is_sensitive) {
            (None, _, true) => {
                "Secrets cannot be compared with what was applied before, and the digest of a plan that \
                 changes them is not the engine's"
            }
            (None, true, _) => "what the chart makes up at random shows as changed",
            _ => return None,
        };
        Some(format!(
            "the Secret holdfast-entropy may not be read: {what}"
        ))
    }

    /// Objects with the digests that the engine gives them.
    fn sealed(
        &self,
        rendered: holdfast_render::Rendered,
        stack: &Stack,
    ) -> holdfast_render::Rendered {
        match &self.secret {
            Some(secret) => marked(rendered, stack, &Arc::new(digest_key(secret))),
            None => rendered,
        }
    }

    /// What a Stack follows is at.
    pub(super) async fn follow(&self, stack: &Stack) -> anyhow::Result<Revision> {
        let source = &stack.source;
        let (repository, reference) = (&source.repository, &source.reference);
        sources::follow(&self.sources, repository, reference, &*self.adapter).await
    }

    /// What a revision renders to; sources that it says nothing of are as they are followed.
    pub(super) async fn render(&self, of: For<'_>, wanted: &Revision) -> anyhow::Result<Rendered> {
        let unsealer = self.unsealer(of.stack).await?;
        self.render_by(of, wanted, unsealer).await
    }

    /// As [`Rendering::render`], with what is sealed opened by somebody else.
    pub(super) async fn render_by(
        &self,
        of: For<'_>,
        wanted: &Revision,
        unsealer: Unsealer,
    ) -> anyhow::Result<Rendered> {
        let For { stack, local, .. } = of;
        let repository = &stack.source.repository;
        let credentials = sources::credentials(repository, Some(&*self.adapter)).await?;
        let tree = self
            .sources
            .open(&repository.url, credentials.as_ref(), &wanted.commit)
            .await
            .with_context(|| wanted.to_string())?;
        let others: Vec<OtherSource> = stack
            .others
            .iter()
            .map(|other| at(other, wanted.others.get(&other.name)))
            .collect();
        let opened = local
            .open(&others, Some(&self.sources), Some(&*self.adapter))
            .await?;
        let mut revision = wanted.clone();
        revision.others = opened.commits;
        let tree = join(Arc::new(tree), opened.mounts);
        let is_chart = is_chart(&*tree, stack);
        let job = Arc::new(Job {
            tree,
            folder: stack.source.path.clone(),
            choice: stack.render.clone(),
            setting: Setting {
                unsealer,
                ..self.setting(of).await?
            },
            charts: wanted.charts.clone(),
            tenant: of.tenant.cloned(),
        });
        let rendered = self
            .externals
            .render(&job, Some(&*self.adapter), None)
            .await;
        let (rendered, used) = rendered
            .map_err(render::broken)
            .with_context(|| revision.to_string())?;
        revision.charts = used.charts;
        let rendered = self.sealed(rendered, stack);
        Ok(Rendered {
            digest: holdfast_render::digest(&rendered.objects),
            objects: rendered.objects,
            revision,
            is_chart,
            is_sensitive: rendered.sensitive,
        })
    }

    /// What a folder of this machine renders to.
    pub(super) async fn render_folder(
        &self,
        of: For<'_>,
        folder: &std::path::Path,
    ) -> anyhow::Result<Rendered> {
        let subject = render::Subject {
            path: folder.to_owned(),
            root: None,
            choice: of.stack.render.clone(),
            secrets: of.stack.secrets.clone(),
            others: of.stack.others.clone(),
            local: of.local.clone(),
            setting: Setting {
                unsealer: self.unsealer(of.stack).await?,
                ..self.setting(of).await?
            },
            packed: None,
        };
        let rendered = self.sealed(subject.render(Some(&*self.adapter)).await?, of.stack);
        Ok(Rendered {
            digest: holdfast_render::digest(&rendered.objects),
            objects: rendered.objects,
            revision: Revision::new(CommitId::default(), folder.display().to_string()),
            is_chart: false,
            is_sensitive: rendered.sensitive,
        })
    }

    /// What opens what is sealed, with the keys that the Stack names.
    async fn unsealer(&self, stack: &Stack) -> anyhow::Result<Unsealer> {
        let secret = self.secret.unwrap_or_default();
        let digests = digest_key(&secret);
        let chance = Chance {
            digests: &digests,
            entropy: entropy(&secret, &stack.uid, &stack.render.seed),
            now: wiring::now(),
        };
        let vault = Vault {
            vaults: Arc::clone(&self.vaults),
            connections: Arc::clone(&self.adapter) as Arc<dyn Connections>,
        };
        let opening = Opening::of(&stack.secrets, vault, chance).await;
        Ok(opening.map_err(failed)?.unsealer)
    }

    async fn setting(&self, of: For<'_>) -> anyhow::Result<Setting> {
        let capabilities = of.target.capabilities().await.map_err(failed)?;
        let stack = of.stack;
        let secret = self.secret.as_ref();
        let derived = secret.map(|secret| entropy(secret, &stack.uid, &stack.render.seed));
        Ok(Setting {
            name: stack.key.name.clone(),
            namespace: stack.destination.namespace.clone(),
            is_install: of.is_install,
            now: wiring::now(),
            entropy: derived.unwrap_or_default(),
            kube_version: Some(capabilities.version),
            api_versions: capabilities.api_versions,
            lookups: lookups(
                Arc::new(of.target.clone()),
                &stack.destination.namespace,
                stack.render.helm.lookups,
            ),
            unsealer: Unsealer::default(),
        })
    }
}

/// Another source, at a commit where that is known.
fn at(other: &OtherSource, commit: Option<&CommitId>) -> OtherSource {
    let mut other = other.clone();
    if let Some(commit) = commit {
        other.source.reference = Reference::Commit(commit.clone());
    }
    other
}

fn is_chart(tree: &dyn holdfast_model::artifact::Blobs, stack: &Stack) -> bool {
    detect(tree, &stack.source.path, &stack.render) == Ok(Renderer::Helm)
}

/// The namespace in which the engine keeps what is its own: that of its lease.
async fn lease_namespace(api: &Api) -> String {
    let path = "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%3Dholdfast";
    let leases = api.get(path).await.unwrap_or(Value::Null);
    let found = items(&leases, "/items").first();
    match found.map(|lease| text(lease, "/metadata/namespace")) {
        None | Some("") => "default".to_owned(),
        Some(namespace) => namespace.to_owned(),
    }
}

/// Digest of each object, by key.
pub(super) fn digests(objects: &[Object]) -> BTreeMap<holdfast_model::object::Key, Digest> {
    let digests = objects.iter();
    digests
        .map(|object| (object.key().clone(), object.digest()))
        .collect()
}
