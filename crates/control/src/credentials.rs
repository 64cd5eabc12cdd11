//! Credentials in Secrets. Values go to whoever asked and nowhere else; it must not log them.

use std::fmt;

use holdfast_model::{Value, base64};

use crate::rest::{Error, ErrorKind};

/// How to get into a repository, as a Secret has it.
#[derive(Clone, PartialEq, Eq)]
pub enum GitCredentials {
    /// `username` and `password`.
    Basic {
        /// The user.
        username: String,
        /// The password or token.
        password: String,
    },
    /// `bearerToken`.
    Bearer {
        /// The token.
        token: String,
    },
    /// `identity` and `known_hosts`.
    Ssh {
        /// The private key.
        identity: String,
        /// The hosts that are known.
        known_hosts: String,
    },
}

impl fmt::Debug for GitCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GitCredentials(…)")
    }
}

/// How to get into a target.
#[derive(Clone, PartialEq, Eq)]
pub enum TargetAccess {
    /// It is the cluster of the control plane itself.
    Own,
    /// By this kubeconfig.
    Kubeconfig(String),
}

impl fmt::Debug for TargetAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Own => "Own",
            Self::Kubeconfig(_) => "Kubeconfig(…)",
        })
    }
}

/// Reads git credentials from a Secret's data, in the keys that Flux uses too.
pub(crate) fn git(secret: &Value, name: &str) -> Result<GitCredentials, Error> {
    let text = |key: &str| text(secret, key);
    if let Some(identity) = text("identity") {
        let known_hosts = text("known_hosts").unwrap_or_default();
        return Ok(GitCredentials::Ssh {
            identity,
            known_hosts,
        });
    }
    if let Some(token) = text("bearerToken") {
        return Ok(GitCredentials::Bearer { token });
    }
    match (text("username"), text("password")) {
        (Some(username), Some(password)) => Ok(GitCredentials::Basic { username, password }),
        _ => Err(Error {
            action: format!("read credentials from Secret {name}"),
            message: "it needs username and password, bearerToken, or identity and known_hosts"
                .to_owned(),
            kind: ErrorKind::Refused,
        }),
    }
}

/// A value of a Secret's data as text.
pub(crate) fn text(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(base64::decode(encoded)?).ok()
}
