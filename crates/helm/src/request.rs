//! What a chart is rendered for: release, values, parameters, capabilities, time and chance.
//!
//! It must not know where any of it comes from.

use holdfast_model::Value as Json;
pub use holdfast_model::stack::HelmLevel as Level;
use holdfast_model::time::Time;
use holdfast_template::{Limits, Lookup};

/// One layer of values, later ones over earlier ones.
#[derive(Clone, PartialEq)]
pub enum Layer {
    /// The text of a values file, and the name that errors give it.
    File {
        /// Its name.
        name: String,
        /// Its text.
        text: String,
    },
    /// A table of values.
    Inline(Json),
}

/// A parameter of the `--set` family. Each kind is applied after the kinds before it here.
#[derive(Clone, PartialEq, Eq)]
pub enum Parameter {
    /// `--set-json`.
    Json(String),
    /// `--set`.
    Typed(String),
    /// `--set-string`.
    Text(String),
    /// `--set-file`, the file already read: the path of the value, and the content.
    File {
        /// The path of the value.
        path: String,
        /// The content of the file.
        content: String,
    },
    /// `--set-literal`.
    Literal(String),
}

/// The cluster that a chart is rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The Kubernetes version, such as `v1.33.0`.
    pub kube_version: String,
    /// Group versions, and group versions with a kind.
    pub api_versions: Vec<String>,
    /// The Helm whose output is matched, such as `v4.3.1`.
    pub helm_version: String,
}

/// The API groups that Helm 4.3 takes for granted without a cluster.
const DEFAULT_API_VERSIONS: &str = "v1 admissionregistration.k8s.io/v1 \
    admissionregistration.k8s.io/v1alpha1 admissionregistration.k8s.io/v1beta1 \
    internal.apiserver.k8s.io/v1alpha1 apps/v1 apps/v1beta1 apps/v1beta2 \
    authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1 \
    authorization.k8s.io/v1 authorization.k8s.io/v1beta1 autoscaling/v1 autoscaling/v2 batch/v1 \
    batch/v1beta1 certificates.k8s.io/v1 certificates.k8s.io/v1beta1 \
    certificates.k8s.io/v1alpha1 coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1 \
    coordination.k8s.io/v1 discovery.k8s.io/v1 discovery.k8s.io/v1beta1 events.k8s.io/v1 \
    events.k8s.io/v1beta1 extensions/v1beta1 flowcontrol.apiserver.k8s.io/v1 \
    flowcontrol.apiserver.k8s.io/v1beta1 flowcontrol.apiserver.k8s.io/v1beta2 \
    flowcontrol.apiserver.k8s.io/v1beta3 lifecycle.k8s.io/v1alpha1 networking.k8s.io/v1 \
    networking.k8s.io/v1beta1 node.k8s.io/v1 node.k8s.io/v1alpha1 node.k8s.io/v1beta1 policy/v1 \
    policy/v1beta1 rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 \
    rbac.authorization.k8s.io/v1alpha1 resource.k8s.io/v1 resource.k8s.io/v1beta2 \
    resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3 scheduling.k8s.io/v1alpha3 \
    scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1 storage.k8s.io/v1beta1 storage.k8s.io/v1 \
    storage.k8s.io/v1alpha1 storagemigration.k8s.io/v1 storagemigration.k8s.io/v1beta1 \
    apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1";

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            kube_version: "v1.37.0".to_owned(),
            api_versions: DEFAULT_API_VERSIONS
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            helm_version: "v4.3.1".to_owned(),
        }
    }
}

/// What a chart is rendered for.
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the request"
)]
pub struct Request<'r> {
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// What `.Release.IsInstall` says.
    pub is_install: bool,
    /// What `.Release.IsUpgrade` says.
    pub is_upgrade: bool,
    /// What `.Release.Revision` says.
    pub revision: i64,
    /// Values, later ones over earlier ones.
    pub values: Vec<Layer>,
    /// Parameters over them.
    pub parameters: Vec<Parameter>,
    /// The cluster.
    pub capabilities: Capabilities,
    /// What `now` gives.
    pub now: Time,
    /// What everything random is derived from.
    pub entropy: [u8; 32],
    /// Whose rules hold.
    pub level: Level,
    /// Whether the files in `crds/` come with the manifests.
    pub include_crds: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
    /// Whether values are not checked against schemas.
    pub skip_schema: bool,
    /// Whether a missing key is an error.
    pub strict: bool,
    /// Answers `lookup`; empty when there is none.
    pub lookup: Option<Lookup<'r>>,
    /// Bounds.
    pub limits: Limits,
}

impl Request<'_> {
    /// A request for the first install of a release, with defaults for everything else.
    pub fn new(name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            is_install: true,
            is_upgrade: false,
            revision: 1,
            values: Vec::new(),
            parameters: Vec::new(),
            capabilities: Capabilities::default(),
            now: Time::default(),
            entropy: [0; 32],
            level: Level::default(),
            include_crds: false,
            skip_tests: false,
            skip_schema: false,
            strict: false,
            lookup: None,
            limits: Limits::default(),
        }
    }
}
