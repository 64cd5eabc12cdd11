//! What discovery says about a kind. It must not know whether the kind is built in or custom.

use crate::shape::TypeRef;

/// A kind in one version, with the resource that serves it.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The kind of its lists, such as `DeploymentList`.
    pub list_kind: String,
    /// The resource's name in paths, such as `deployments`.
    pub plural: String,
    /// The name for one of them, such as `deployment`.
    pub singular: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Short names, such as `deploy`.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// What may be done with it, in discovery's order.
    pub verbs: Vec<String>,
    /// Its subresources, in discovery's order.
    pub subresources: Vec<Subresource>,
    /// The type of its objects.
    pub type_ref: TypeRef,
}

/// A subresource such as `status` or `scale`.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// Its name in paths.
    pub name: String,
    /// The group of what it answers with.
    pub group: String,
    /// The version of what it answers with.
    pub version: String,
    /// The kind of what it answers with.
    pub kind: String,
    /// What may be done with it.
    pub verbs: Vec<String>,
}

impl Kind {
    /// Whether discovery lists this verb.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        holdfast_model::object::join_api_version(&self.group, &self.version)
    }

    /// The resource with its group, as error messages have it: `deployments.apps`.
    pub fn qualified_plural(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}
