//! Tenants: which Stacks may deploy what, from where, to where, and as whom. It must not know how a
//! Tenant is written, nor who asks.

mod address;
mod patterns;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::object::{Key, Object};
use crate::stack::{Destination, Lookups, Stack, TargetName};
use crate::status::Problem;
use crate::vault::{VaultAuth, VaultChoice, VaultProof};

pub use address::{Ambiguous, spelled, spelled_pattern};
pub use patterns::{PatternError, Patterns};

/// The reason of a [`Problem`] that a Tenant is the cause of.
pub const NOT_PERMITTED: &str = "NotPermitted";

/// What the Stacks of some namespaces may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// The namespaces of the control plane whose Stacks are its own.
    pub namespaces: Patterns,
    /// The addresses that its Stacks read: repositories, charts, remote bases and files, as
    /// [`spelled`] writes them.
    pub sources: Patterns,
    /// Where its Stacks go; an object has to be in one of these.
    pub destinations: Vec<Destinations>,
    /// Kinds that live in a namespace, as `KIND` or `KIND.GROUP`.
    pub kinds: Patterns,
    /// Kinds that live in no namespace, with or without a name behind: `KIND.GROUP/NAME`.
    pub cluster_kinds: Patterns,
    /// The ServiceAccount of a Stack's own namespace that it acts as; the engine itself where there is
    /// none.
    pub service_account: Option<String>,
    /// What is wrong with the Tenant. Its Stacks are not acted on then.
    pub problems: Vec<String>,
}

/// Namespaces on some targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    /// Names of Targets.
    pub targets: Patterns,
    /// Names of namespaces there.
    pub namespaces: Patterns,
}

impl Destinations {
    fn allow(&self, target: &TargetName, namespace: &str) -> bool {
        self.targets.allow(&target.0) && self.namespaces.allow(namespace)
    }
}

impl Tenant {
    /// Whether objects may be in a namespace of a target.
    fn allows_namespace(&self, target: &TargetName, namespace: &str) -> bool {
        let mut destinations = self.destinations.iter();
        destinations.any(|allowed| allowed.allow(target, namespace))
    }

    /// What a Stack asks for that it may not have, before anything is read for it.
    pub fn refusals(&self, stack: &Stack) -> Vec<Problem> {
        let mut found = Vec::new();
        for (name, source) in stack.sources() {
            let what = match name {
                "" => "spec.source.git".to_owned(),
                name => format!("spec.sources, {name}"),
            };
            found.extend(self.refuses_address(&source.repository.url, &what));
        }
        if let Some(chart) = &stack.render.helm.chart {
            found.extend(self.refuses_address(&chart.repository, "spec.render.helm.chart"));
        }
        if let Some(vault) = &stack.secrets.vault {
            found.extend(self.refuses_vault(vault));
        }
        found.extend(self.refuses_destination(&stack.destination));
        let others = stack.depends_on.iter();
        found.extend(
            others
                .filter(|other| !self.namespaces.allow(&other.namespace))
                .map(|other| {
                    self.refusal(
                        format!(
                            "spec.dependsOn names Stack {other}, whose namespace is not its own"
                        ),
                        "depend on Stacks of the same Tenant",
                    )
                }),
        );
        if stack.render.helm.lookups == Lookups::Cluster && self.service_account.is_none() {
            found.push(self.refusal(
                "spec.render.helm.lookup: cluster reads everything with the engine's own rights".to_owned(),
                "look up in the namespace, or give the Tenant a serviceAccount",
            ));
        }
        found
    }

    /// Vault is a source, and whoever acts as one ServiceAccount logs in as no other one.
    fn refuses_vault(&self, vault: &VaultChoice) -> Vec<Problem> {
        let address = self.refuses_address(&vault.address, "spec.secrets.vault.address");
        let VaultAuth::Proof {
            proof: VaultProof::Account { name, .. },
            ..
        } = &vault.auth
        else {
            return address.into_iter().collect();
        };
        // A token of another account may do on the cluster what its Stacks may not.
        let account = (self.service_account.as_ref() != Some(name)).then(|| {
            let message = format!("spec.secrets.vault.auth logs in as ServiceAccount {name}");
            let hint = match &self.service_account {
                Some(own) => {
                    format!("the Tenant's Stacks act as {own}; set serviceAccount to that")
                }
                None => "give the Tenant that serviceAccount, or log in by a Secret".to_owned(),
            };
            self.refusal(message, &hint)
        });
        address.into_iter().chain(account).collect()
    }

    fn refuses_destination(&self, destination: &Destination) -> Option<Problem> {
        let Destination {
            target, namespace, ..
        } = destination;
        (!self.allows_namespace(target, namespace)).then(|| {
            self.refusal(
                format!("spec.target is namespace {namespace} of Target {target}, which is not among its destinations"),
                &format!("the Tenant allows {}", self.places()),
            )
        })
    }

    /// Why nothing is read from an address, which people know as `what`.
    pub fn refuses_address(&self, address: &str, what: &str) -> Option<Problem> {
        let message = match spelled(address) {
            Ok(address) if self.sources.allow(&address) => return None,
            Ok(address) => format!("{what}: {address} is not among its sources"),
            Err(why) => format!("{what}: {why}"),
        };
        Some(self.refusal(message, &format!("the Tenant allows {}", self.sources)))
    }

    /// The objects, each where it is wanted, that a Stack may not have on a target.
    pub fn refused_objects<'a>(
        &'a self,
        target: &'a TargetName,
        objects: impl IntoIterator<Item = &'a Object> + 'a,
    ) -> impl Iterator<Item = Problem> + 'a {
        objects.into_iter().filter_map(move |object| {
            let problem = self.refuses_object(target, object.key())?;
            Some(Problem {
                object: Some(object.key().clone()),
                origin: Some(object.origin.clone()),
                ..problem
            })
        })
    }

    fn refuses_object(&self, target: &TargetName, key: &Key) -> Option<Problem> {
        let kind = key.kind.to_string();
        let Some(namespace) = key.namespace.as_deref() else {
            let named = format!("{kind}/{}", key.name);
            let is_allowed = self.cluster_kinds.allow_either(&kind, &named);
            return (!is_allowed).then(|| {
                self.refusal(
                    format!(
                        "{kind} lives in no namespace, and spec.kinds.cluster does not name it"
                    ),
                    &format!("the Tenant allows {}", self.cluster_kinds),
                )
            });
        };
        if !self.kinds.allow(&kind) {
            return Some(self.refusal(
                format!("{kind} is not among its kinds"),
                &format!("the Tenant allows {}", self.kinds),
            ));
        }
        (!self.allows_namespace(target, namespace)).then(|| {
            self.refusal(
                format!("namespace {namespace} of Target {target} is not among its destinations"),
                &format!("the Tenant allows {}", self.places()),
            )
        })
    }

    fn refusal(&self, message: String, hint: &str) -> Problem {
        Problem {
            reason: NOT_PERMITTED.to_owned(),
            object: None,
            origin: None,
            message: format!("Tenant {} does not allow this: {message}", self.name),
            hint: Some(hint.to_owned()),
        }
    }

    fn places(&self) -> String {
        let places = self.destinations.iter();
        let places: Vec<String> = places
            .map(|place| format!("{} on Target {}", place.namespaces, place.targets))
            .collect();
        match places.is_empty() {
            true => "nothing".to_owned(),
            false => places.join("; "),
        }
    }

    /// The user that a Stack acts as on its target, in the form that Kubernetes gives ServiceAccounts.
    pub fn acts_as(&self, stack: &Stack) -> Option<String> {
        let account = self.service_account.as_ref()?;
        Some(format!(
            "system:serviceaccount:{}:{account}",
            stack.key.namespace
        ))
    }
}

/// What Stacks of namespaces may do that are in no Tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untenanted {
    /// Whatever the engine may do.
    #[default]
    Anything,
    /// Nothing.
    Nothing,
}

/// All Tenants of a control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenants {
    /// The Tenants, in the order of their names.
    pub all: Vec<Arc<Tenant>>,
    /// What counts for the others.
    pub untenanted: Untenanted,
}

/// What the Stacks of a namespace may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Whatever the engine may do.
    Free,
    /// What a Tenant says.
    Of(Arc<Tenant>),
    /// Nothing.
    Refused {
        /// Why.
        message: String,
        /// What a person can do.
        hint: &'static str,
    },
}

impl Tenants {
    /// What counts for the Stacks of a namespace. One that several Tenants name is nobody's, since which
    /// of them was meant cannot be known.
    pub fn standing(&self, namespace: &str) -> Standing {
        let naming = |tenant: &&Arc<Tenant>| tenant.namespaces.allow(namespace);
        let found: Vec<&Arc<Tenant>> = self.all.iter().filter(naming).collect();
        match (found.as_slice(), self.untenanted) {
            ([], Untenanted::Anything) => Standing::Free,
            ([], Untenanted::Nothing) => Standing::Refused {
                message: format!(
                    "namespace {namespace} is in no Tenant, and this engine keeps none such"
                ),
                hint: "have a Tenant name the namespace in spec.namespaces",
            },
            ([tenant], _) if tenant.problems.is_empty() => Standing::Of(Arc::clone(tenant)),
            ([tenant], _) => Standing::Refused {
                message: format!(
                    "Tenant {} cannot be read: {}",
                    tenant.name,
                    tenant.problems.join("; ")
                ),
                hint: "correct the Tenant",
            },
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|tenant| tenant.name.as_str()).collect();
                Standing::Refused {
                    message: format!(
                        "namespace {namespace} is in Tenants {}",
                        names.join(" and ")
                    ),
                    hint: "have one of them name the namespace, and no other",
                }
            }
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => formatter.write_str("in no Tenant"),
            Self::Of(tenant) => write!(formatter, "in Tenant {}", tenant.name),
            Self::Refused { message, .. } => formatter.write_str(message),
        }
    }
}
