//! Why something could not be read from Vault. No error holds a value, a token or a part of one.

use thiserror::Error as ThisError;

/// Why something could not be read from Vault.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The address, the certificate or another setting cannot be used.
    #[error("spec.secrets.vault cannot be used: {problem}")]
    Settings {
        /// What is wrong.
        problem: String,
    },
    /// The engine may not ask this address.
    #[error("Vault at {address} may not be asked: {problem}")]
    Refused {
        /// The address.
        address: String,
        /// Why not.
        problem: String,
    },
    /// No connection came about, or it broke off.
    #[error("Vault at {address} cannot be reached: {problem}")]
    Unreachable {
        /// The address.
        address: String,
        /// What happened.
        problem: String,
    },
    /// It did not answer in time.
    #[error("Vault at {address} did not answer within {seconds} s")]
    Slow {
        /// The address.
        address: String,
        /// For how long it was waited.
        seconds: u64,
    },
    /// It is sealed, or not initialised.
    #[error("Vault at {address} is sealed")]
    Sealed {
        /// The address.
        address: String,
    },
    /// It has trouble of its own.
    #[error("Vault at {address} answered with {status}")]
    Trouble {
        /// The address.
        address: String,
        /// The status of its answer.
        status: u16,
    },
    /// It sends whoever asks elsewhere.
    #[error("Vault at {address} redirects to another address, which is not followed")]
    Redirected {
        /// The address.
        address: String,
    },
    /// What it answered is not what Vault answers.
    #[error("Vault at {address} gave no answer that can be read: {problem}")]
    Answer {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A login was refused.
    #[error("Vault at {address} refused the login by {method} ({status}): {said}")]
    Login {
        /// The address.
        address: String,
        /// How it was tried to log in.
        method: String,
        /// The status of its answer.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The token is not valid any more.
    #[error("Vault at {address} does not accept the token")]
    Token {
        /// The address.
        address: String,
    },
    /// The policies do not allow it.
    #[error("the policies of Vault do not let this login read `{path}` (403)")]
    Denied {
        /// The path.
        path: String,
    },
    /// There is nothing at the path.
    #[error("there is no secret at `{path}` in Vault (404)")]
    Absent {
        /// The path.
        path: String,
    },
    /// The version is not there, or was deleted.
    #[error("version {version} of `{path}` is not there any more, or was never")]
    NoVersion {
        /// The path.
        path: String,
        /// The version; `newest` where none is named.
        version: String,
    },
    /// The engine has no versions to choose from.
    #[error("`{path}` is in a KV engine of version 1, which keeps no versions")]
    Unversioned {
        /// The path.
        path: String,
    },
    /// There is no such entry.
    #[error("`{path}` has no key `{key}` (it has {others})")]
    NoKey {
        /// The path.
        path: String,
        /// The key.
        key: String,
        /// How many there are.
        others: usize,
    },
    /// A value is not what a modifier needs.
    #[error("`{modifier}` cannot be done with the value of `{path}#{key}`: {problem}")]
    Modifier {
        /// The path.
        path: String,
        /// The key.
        key: String,
        /// The modifier.
        modifier: &'static str,
        /// Why not, without the value.
        problem: &'static str,
    },
    /// More is asked for than one Stack may.
    #[error("more than {limit} paths of Vault are named")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// The credentials for the login cannot be had.
    #[error("{message}")]
    Credentials {
        /// What is missing.
        message: String,
        /// Whether time may help.
        may_pass: bool,
    },
}

impl Error {
    /// Whether nothing but time has to pass: the server is away, and what is in place can stay.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Sealed { .. }
            | Self::Trouble { .. }
            | Self::Answer { .. } => true,
            Self::Credentials { may_pass, .. } => *may_pass,
            _ => false,
        }
    }

    /// A word for the reason that never changes.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "VaultSettings",
            Self::Refused { .. } => "VaultRefused",
            Self::Unreachable { .. } => "VaultUnreachable",
            Self::Slow { .. } => "VaultSlow",
            Self::Sealed { .. } => "VaultSealed",
            Self::Trouble { .. } => "VaultTrouble",
            Self::Redirected { .. } => "VaultRedirected",
            Self::Answer { .. } => "VaultAnswer",
            Self::Login { .. } => "VaultLogin",
            Self::Token { .. } => "VaultToken",
            Self::Denied { .. } => "VaultDenied",
            Self::Absent { .. } => "VaultAbsent",
            Self::NoVersion { .. } => "VaultNoVersion",
            Self::Unversioned { .. } => "VaultUnversioned",
            Self::NoKey { .. } => "VaultNoKey",
            Self::Modifier { .. } => "VaultModifier",
            Self::TooMany { .. } => "VaultTooMany",
            Self::Credentials { .. } => "VaultCredentials",
        }
    }

    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "correct spec.secrets.vault",
            Self::Refused { .. } => "name another address, or allow the host with --allow-host",
            Self::Unreachable { .. } | Self::Slow { .. } => {
                "see that it runs and that the engine's network leads to it; it is asked again by itself"
            }
            Self::Sealed { .. } => "unseal it; it is asked again by itself",
            Self::Trouble { .. } => "see its log; it is asked again by itself",
            Self::Redirected { .. } => {
                "name the address of the active node, or of what balances the load, in \
                 spec.secrets.vault.address"
            }
            Self::Answer { .. } => "see that spec.secrets.vault.address leads to Vault or OpenBao",
            Self::Login { .. } => "compare spec.secrets.vault.auth with the role in Vault",
            Self::Token { .. } => "renew the token that spec.secrets.vault.auth names",
            Self::Denied { .. } => {
                "allow `read` on the path to the role that spec.secrets.vault.auth names"
            }
            Self::Absent { .. } => "write it with `vault kv put`, or correct the path in Git",
            Self::NoVersion { .. } => "name another version, or write the secret anew",
            Self::Unversioned { .. } => "leave the version out",
            Self::NoKey { .. } => "correct the key in Git, or add it with `vault kv patch`",
            Self::Modifier { .. } => "correct the modifier in Git, or the value in Vault",
            Self::TooMany { .. } => "divide the Stack into several",
            Self::Credentials { .. } => "see spec.secrets.vault.auth",
        }
    }
}
