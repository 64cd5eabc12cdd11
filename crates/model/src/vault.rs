//! What a Stack says of Vault or OpenBao, where values lie that are only named in Git. It must not know how
//! anything is read there.

use std::fmt;
use std::time::Duration;

use crate::stack::SecretReference;

/// Vault or OpenBao, and how to log in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultChoice {
    /// The address.
    pub address: String,
    /// The namespace there; the root where none is named.
    pub namespace: Option<String>,
    /// Certificates of authorities in PEM that count for it, instead of the machine's.
    pub ca: Option<String>,
    /// How often it is asked whether there are newer versions.
    pub interval: Duration,
    /// How to log in.
    pub auth: VaultAuth,
}

/// How to log in to Vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VaultAuth {
    /// By a token that a mount of the kinds `kubernetes` or `jwt` checks.
    Proof {
        /// The mount.
        mount: String,
        /// The role.
        role: String,
        /// Where the token comes from.
        proof: VaultProof,
    },
    /// By an AppRole, whose `roleId` and `secretId` are in a Secret.
    AppRole {
        /// The mount.
        mount: String,
        /// The Secret.
        secret: SecretReference,
    },
    /// By a token of Vault itself, which is in a Secret as `token`.
    Token {
        /// The Secret.
        secret: SecretReference,
    },
}

/// Where the token comes from that proves who logs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VaultProof {
    /// It is issued for a ServiceAccount.
    Account {
        /// The namespace, which is that of the Stack.
        namespace: String,
        /// The ServiceAccount.
        name: String,
        /// For whom it counts; the API server's own default where nobody is named.
        audience: Option<String>,
    },
    /// It is in a Secret as `token` or `jwt`.
    Secret(SecretReference),
}

impl fmt::Display for VaultAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof { mount, role, proof } => {
                write!(formatter, "role {role} of auth/{mount} for {proof}")
            }
            Self::AppRole { mount, secret } => {
                let SecretReference { namespace, name } = secret;
                write!(formatter, "auth/{mount} with Secret {namespace}/{name}")
            }
            Self::Token { secret } => {
                let SecretReference { namespace, name } = secret;
                write!(formatter, "the token in Secret {namespace}/{name}")
            }
        }
    }
}

impl fmt::Display for VaultProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account {
                namespace, name, ..
            } => write!(formatter, "ServiceAccount {namespace}/{name}"),
            Self::Secret(SecretReference { namespace, name }) => {
                write!(formatter, "Secret {namespace}/{name}")
            }
        }
    }
}
