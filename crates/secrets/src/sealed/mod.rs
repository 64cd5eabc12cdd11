//! SealedSecrets, opened as their controller does and sealed as `kubeseal` does. A value is sealed with a
//! key of its own, which RSA-OAEP seals with the Secret's name and namespace as the label, as far as the
//! scope says.

mod hybrid;
mod keys;
mod open;
mod seal;

pub use keys::{Certificate, SealingKeys};
pub use open::{Chances, is_sealed, open};
pub use seal::seal;

use holdfast_model::Value;

/// The API version of SealedSecrets.
const API_VERSION: &str = "bitnami.com/v1alpha1";

/// What may be renamed without the values being lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: name and namespace are part of what is sealed.
    #[default]
    Strict,
    /// The name.
    NamespaceWide,
    /// Name and namespace.
    ClusterWide,
}

/// The annotations that say the scope, the wider one first, which wins.
const SCOPES: [(&str, Scope); 2] = [
    ("sealedsecrets.bitnami.com/cluster-wide", Scope::ClusterWide),
    (
        "sealedsecrets.bitnami.com/namespace-wide",
        Scope::NamespaceWide,
    ),
];

/// The scope that a SealedSecret says.
pub fn scope(object: &Value) -> Scope {
    Scope::of(object)
}

impl Scope {
    /// Its name, as `kubeseal --scope` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::NamespaceWide => "namespace-wide",
            Self::ClusterWide => "cluster-wide",
        }
    }

    /// The scope that the annotations of an object say.
    fn of(object: &Value) -> Self {
        let annotations = &object["metadata"]["annotations"];
        let mut scopes = SCOPES.iter();
        let said = scopes.find(|(name, _)| annotations[*name] == "true");
        said.map_or(Self::Strict, |(_, scope)| *scope)
    }

    /// What is sealed along with each value.
    fn label(self, namespace: &str, name: &str) -> String {
        match self {
            Self::Strict => format!("{namespace}/{name}"),
            Self::NamespaceWide => namespace.to_owned(),
            Self::ClusterWide => String::new(),
        }
    }
}
