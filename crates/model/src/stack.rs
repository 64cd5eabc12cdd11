//! A Stack as the engine sees it, whatever dialect it was written in: everything is resolved and
//! has a value. It must not know the wire form of any dialect.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Value;
use crate::artifact::TreePath;
use crate::deed::Deeds;
use crate::digest::Digest;
use crate::object::Key;
use crate::pin::Pin;
use crate::revision::CommitId;
use crate::vault::VaultChoice;

/// Namespace and name of a Stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StackKey {
    /// The Stack's namespace in the control plane.
    pub namespace: String,
    /// The Stack's name.
    pub name: String,
}

impl fmt::Display for StackKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The control plane's id of one Stack; a Stack deleted and made again has another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackUid(pub String);

/// Something in Git kept equal on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Its name.
    pub key: StackKey,
    /// Its id.
    pub uid: StackUid,
    /// The generation of the intent that this was resolved from.
    pub generation: i64,
    /// What is in Git.
    pub source: Source,
    /// Other sources, which a render reads below `$NAME`.
    pub others: Vec<OtherSource>,
    /// How it becomes objects.
    pub render: RenderChoice,
    /// What is done about what is sealed.
    pub secrets: SecretsChoice,
    /// Where it goes.
    pub destination: Destination,
    /// How it is carried out.
    pub sync: SyncPolicy,
    /// Stacks that must be ready first.
    pub depends_on: Vec<StackKey>,
    /// Fields that are left to others.
    pub ignore: Vec<IgnoreRule>,
    /// What happens to the objects when the Stack is deleted.
    pub deletion: Deletion,
    /// Whether nothing is applied for now.
    pub suspended: bool,
    /// The revision it is held at, after a rollback.
    pub pin: Option<Pin>,
    /// The newest request to look again, whatever its text; a change wakes the Stack.
    pub requested: Option<String>,
    /// The newest request to look at Git, without applying anything that was not asked for.
    pub refresh: Option<String>,
    /// The newest request to end the operation that is under way, and not to try it again by itself.
    pub terminate: Option<String>,
    /// The newest request to take back what was left to others.
    pub take_back: Option<TakeBack>,
    /// The plan that a person has confirmed.
    pub approved: Option<Digest>,
    /// Who has asked for what.
    pub deeds: Deeds,
    /// Since when the Stack itself is being deleted.
    pub deleting: bool,
}

impl Stack {
    /// All its sources by name; the one that is rendered comes first and has an empty name.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        let others = self.others.iter();
        let others = others.map(|other| (other.name.as_str(), &other.source));
        std::iter::once(("", &self.source)).chain(others)
    }

    /// The JSON pointers of an object that are left to others.
    pub fn ignored(&self, key: &Key) -> Vec<&str> {
        let rules = self.ignore.iter().filter(|rule| rule.covers(key));
        rules
            .flat_map(|rule| rule.fields.iter().map(String::as_str))
            .collect()
    }
}

/// Where a Stack's files come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The repository.
    pub repository: Repository,
    /// What to follow in it.
    pub reference: Reference,
    /// The folder that is rendered.
    pub path: TreePath,
}

/// A source beside the one that is rendered, such as one that holds values for many charts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherSource {
    /// What it is called: its files are read below `$NAME`.
    pub name: String,
    /// Where the files come from; its path is the folder that `$NAME` stands for.
    pub source: Source,
}

/// A Git repository, and how to get in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// `https://`, `http://`, `ssh://`, `file://` or `user@host:path`; never with a password.
    pub url: String,
    /// The Secret of the Stack's own namespace that holds credentials.
    pub credentials: Option<SecretReference>,
    /// How often it is asked for news.
    pub interval: Duration,
}

impl Repository {
    /// The address, however it is spelled: without what git adds or leaves out.
    pub fn address(&self) -> &str {
        let url = self.url.trim_end_matches('/');
        url.strip_suffix(".git").unwrap_or(url)
    }
}

/// A Secret in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretReference {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// What a Stack follows in its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// What `HEAD` points to.
    Head,
    /// A branch's newest commit.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A tag or a branch, the tag where there are both.
    Short(String),
    /// The newest tag in a semantic version range.
    Semver(String),
    /// A full reference name, such as `refs/pull/7/head`.
    Name(String),
    /// One commit.
    Commit(CommitId),
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => formatter.write_str("HEAD"),
            Self::Branch(text)
            | Self::Tag(text)
            | Self::Short(text)
            | Self::Semver(text)
            | Self::Name(text) => formatter.write_str(text),
            Self::Commit(commit) => formatter.write_str(commit.short()),
        }
    }
}

/// How files become objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RenderChoice {
    /// Globs of files to read, relative to the folder; all of a renderer's files when empty.
    pub include: Vec<String>,
    /// Globs of files to leave out.
    pub exclude: Vec<String>,
    /// How a chart is rendered; its defaults when the folder holds one and nothing is said.
    pub helm: HelmChoice,
    /// How an overlay is built, where more is said than its files say.
    pub kustomize: Option<KustomizeChoice>,
    /// Whether files from outside of the source may be read.
    pub remotes: Remotes,
    /// Secrets for what is fetched from outside of the source, by address.
    pub credentials: Vec<RemoteCredentials>,
    /// Any text; another one gives charts other random values.
    pub seed: String,
}

/// What is done about secrets that are sealed in Git, and about workloads that use Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecretsChoice {
    /// The Secrets of the Stack's own namespace that hold keys which open what is sealed.
    pub keys: Vec<SecretReference>,
    /// Files that SOPS has sealed.
    pub sops: SealedFiles,
    /// SealedSecrets.
    pub sealed: SealedObjects,
    /// Secrets that are not sealed in Git.
    pub plain: PlainSecrets,
    /// Whether workloads restart when a Secret or ConfigMap of the Stack that they use has changed.
    pub restart: bool,
    /// Where values lie that are only named in Git; references are not followed where nothing is said.
    pub vault: Option<Arc<VaultChoice>>,
}

/// What is done about files that SOPS has sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SealedFiles {
    /// They are opened when they are read. One that does not open is an error.
    #[default]
    Open,
    /// They are read as they are, for something on the target that opens them.
    Leave,
}

/// What is done about Secrets that are not sealed in Git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlainSecrets {
    /// They are applied, and a plan that is shown says so.
    #[default]
    Warn,
    /// Nothing is applied.
    Refuse,
}

/// What is done about SealedSecrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SealedObjects {
    /// They are applied, for their controller on the target.
    #[default]
    Leave,
    /// The Secrets that are sealed in them are applied instead.
    Open,
}

/// Whether a render may read what is not in its source: charts of repositories, remote bases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Remotes {
    /// It is fetched.
    #[default]
    Allow,
    /// It is an error.
    Refuse,
}

/// What a chart may look up in its target while it is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lookups {
    /// Nothing: each lookup finds nothing, as with `helm template`.
    #[default]
    None,
    /// Objects of the destination's namespace, and those that live in no namespace.
    Namespace,
    /// Everything that the engine may read there.
    Cluster,
}

/// A Secret for everything below an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteCredentials {
    /// The address, or the beginning of it up to a `/`.
    pub url: String,
    /// The Secret.
    pub secret: SecretReference,
}

impl RenderChoice {
    /// The Secret for an address: that of the longest address which it is or lies below.
    pub fn credentials_for(&self, address: &str) -> Option<&SecretReference> {
        let below = |url: &str| {
            let url = url.trim_end_matches('/');
            let rest = address.strip_prefix(url);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let fitting = self.credentials.iter().filter(|given| below(&given.url));
        let longest = fitting.max_by_key(|given| given.url.len());
        longest.map(|given| &given.secret)
    }
}

/// A chart of a repository or registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChartSource {
    /// `https://` or `http://` for a repository, `oci://` for a registry.
    pub repository: String,
    /// The chart's name.
    pub name: String,
    /// A version or a range; the newest when empty.
    pub version: String,
}

/// Whose rules count where versions of Helm differ, such as in what null takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelmLevel {
    /// Helm 3.
    Helm3,
    /// Helm 4.0 and 4.1.
    Helm41,
    /// Helm 4.2 and later.
    #[default]
    Helm42,
}

/// A parameter over all values, in the grammar of one of Helm's flags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HelmParameter {
    /// `--set-json`: what follows `=` is JSON.
    Json(String),
    /// `--set`: what looks like a number or a truth is one.
    Typed(String),
    /// `--set-string`: what follows `=` is a text, up to a comma.
    Text(String),
    /// `--set-file`: the text is that of a file.
    File {
        /// The path of the value.
        path: String,
        /// The file, as a values file is named.
        file: String,
    },
    /// `--set-literal`: all that follows `=` is a text.
    Literal(String),
}

/// How a Helm chart is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HelmChoice {
    /// The chart, where it is not in the source; values files are then looked for in the source.
    pub chart: Option<ChartSource>,
    /// The release's name; that of the Stack when left out.
    pub release: Option<String>,
    /// Values files, relative to the chart's folder, later ones over earlier ones.
    pub value_files: Vec<String>,
    /// Values over those of the files.
    pub values: Option<Value>,
    /// Parameters over all values. Helm's order holds: that of [`HelmParameter`]'s forms, and within
    /// each that of the list.
    pub parameters: Vec<HelmParameter>,
    /// Whose rules count where versions of Helm differ.
    pub level: HelmLevel,
    /// Whether the files in `crds/` are left out.
    pub skip_crds: bool,
    /// Whether tests are left out; they are never run.
    pub skip_tests: bool,
    /// Whether values are not checked against the chart's schemas.
    pub skip_schema: bool,
    /// What it may look up.
    pub lookups: Lookups,
    /// The Kubernetes version that the chart is told; the target's when left out.
    pub kube_version: Option<String>,
    /// Further API versions that the chart is told of.
    pub api_versions: Vec<String>,
}

/// What is changed about an overlay before it is built, in the way of `kustomize edit`, and about its
/// objects afterwards. A folder without a kustomization is built from all its YAML files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KustomizeChoice {
    /// Takes the place of `namePrefix`.
    pub name_prefix: Option<String>,
    /// Takes the place of `nameSuffix`.
    pub name_suffix: Option<String>,
    /// Takes the place of `namespace`.
    pub namespace: Option<String>,
    /// `name=newname:tag`, `name:tag` or `name@digest`.
    pub images: Vec<String>,
    /// Names and counts.
    pub replicas: Vec<(String, i64)>,
    /// Labels to add or to set anew.
    pub labels: BTreeMap<String, String>,
    /// Where the labels go.
    pub label_scope: LabelScope,
    /// Annotations to add or to set anew.
    pub annotations: BTreeMap<String, String>,
    /// Patches behind those of the files.
    pub patches: Vec<KustomizePatch>,
    /// Components behind those of the files.
    pub components: Vec<String>,
    /// What takes the place of `${NAME}` in the objects; nothing is replaced when it is empty.
    pub variables: BTreeMap<String, String>,
    /// Whether a variable that has no value and no default is an error.
    pub is_strict: bool,
}

/// Where labels go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LabelScope {
    /// To metadata alone.
    #[default]
    Metadata,
    /// To metadata and templates.
    Templates,
    /// To metadata, templates and selectors.
    Selectors,
}

/// A patch of an overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KustomizePatch {
    /// The patch itself; empty when it is in a file.
    pub patch: String,
    /// The file that holds it, relative to the folder.
    pub path: String,
    /// What it is for, by field of a kustomization's target; nothing when it says so itself.
    pub target: BTreeMap<String, String>,
    /// Whether it may change names.
    pub allow_name_change: bool,
    /// Whether it may change kinds.
    pub allow_kind_change: bool,
}

/// Where a Stack's objects go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The target.
    pub target: TargetName,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Whether the namespace is made where it is not there. It is not owned by the Stack for that.
    pub create_namespace: bool,
}

/// The name of a Target; `in-cluster` is the cluster of the control plane itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetName(pub String);

impl TargetName {
    /// The cluster of the control plane itself.
    pub fn in_cluster() -> Self {
        Self("in-cluster".to_owned())
    }
}

/// The identity that a cluster has of itself, whatever leads there: the uid of its namespace
/// `kube-system`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub String);

impl fmt::Display for ClusterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where the objects of a Stack are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The cluster; `None` where it may not be asked which one it is.
    pub cluster: Option<ClusterId>,
    /// The target that led there last.
    pub target: TargetName,
    /// The namespace of objects that name none.
    pub namespace: String,
}

impl Place {
    /// Whether both are on one cluster. Where one of the clusters is not known, the names of the
    /// targets count.
    pub fn is_on_cluster_of(&self, other: &Self) -> bool {
        match (&self.cluster, &other.cluster) {
            (Some(own), Some(theirs)) => own == theirs,
            _ => self.target == other.target,
        }
    }

    /// The cluster in a word; that of its target's name where it is not known.
    pub fn cluster_or_target(&self) -> ClusterId {
        let of_target = || ClusterId::of_target(&self.target);
        self.cluster.clone().unwrap_or_else(of_target)
    }
}

impl ClusterId {
    /// Stands for a cluster that is known by the name of a target alone.
    pub fn of_target(target: &TargetName) -> Self {
        Self(format!("target:{target}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "target {}", self.target)?;
        let cluster = self.cluster.as_ref();
        cluster.map_or(Ok(()), |cluster| write!(formatter, " (cluster {cluster})"))
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How a plan is carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncPolicy {
    /// Whether a new revision is applied without being asked.
    pub automatic: bool,
    /// Whether objects that Git no longer names are deleted.
    pub prune: bool,
    /// Whether drift is put back.
    pub heal: bool,
    /// How much must be certain before the first step, and what stops the rest.
    pub mode: Mode,
    /// Whether an object is deleted and made again where a field of it cannot change.
    pub replace: bool,
    /// How many objects of an inventory of two or more may be pruned unasked, in percent.
    pub prune_limit: u8,
    /// How long an operation may take, waiting included.
    pub timeout: Duration,
    /// How often a failed operation is tried again before it waits for the next change.
    pub retries: u32,
    /// Whether the failure of a hook shows the last lines that its pods have logged.
    pub hook_logs: bool,
}

/// How much must be certain before the first step, and what stops the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything that the server can dry-run passes before anything is applied.
    Atomic,
    /// A failure ends the operation with its wave.
    Wave,
    /// Each object is on its own.
    Object,
}

/// Fields of some objects that are left to others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IgnoreRule {
    /// The API group; any when `None`.
    pub group: Option<String>,
    /// The kind; any when `None`.
    pub kind: Option<String>,
    /// The namespace; any when `None`.
    pub namespace: Option<String>,
    /// The name; any when `None`.
    pub name: Option<String>,
    /// JSON pointers (RFC 6901).
    pub fields: Vec<String>,
}

impl IgnoreRule {
    /// Whether this rule speaks of that object.
    pub fn covers(&self, key: &Key) -> bool {
        let fits = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|text| text == given)
        };
        fits(&self.group, &key.kind.group)
            && fits(&self.kind, &key.kind.kind)
            && fits(
                &self.namespace,
                key.namespace.as_deref().unwrap_or_default(),
            )
            && fits(&self.name, &key.name)
    }
}

/// What happens to the objects when their Stack is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deletion {
    /// They are deleted, in reverse order.
    Delete,
    /// They stay.
    Orphan,
}

/// A request to take back fields that were left to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeBack {
    /// The request, another text each time.
    pub request: String,
    /// The object, as people read its key; all when `None`.
    pub object: Option<String>,
    /// The JSON pointer of the field; all of the object when `None`.
    pub field: Option<String>,
}
