//! Credentials in Secrets. Values go to whoever asked and nowhere else; it must not log them.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_model::{Value, base64};
use zeroize::Zeroizing;

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
    let refused = |message: String| Error {
        action: format!("read credentials from Secret {name}"),
        message,
        kind: ErrorKind::Refused,
    };
    if let Some(identity) = text("identity") {
        let known_hosts = text("known_hosts");
        let known_hosts = known_hosts.ok_or_else(|| refused(missing(secret, "known_hosts")))?;
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
        (Some(_), None) => Err(refused(missing(secret, "password"))),
        (None, Some(_)) => Err(refused(missing(secret, "username"))),
        (None, None) => Err(refused(format!(
            "it needs username and password, bearerToken, or identity and known_hosts; {}",
            keys(secret)
        ))),
    }
}

/// That a key is missing, or is no text.
fn missing(secret: &Value, key: &str) -> String {
    let is_there = secret
        .get("data")
        .is_some_and(|data| data.get(key).is_some());
    match is_there {
        true => format!("its `{key}` is no text"),
        false => format!("it has no `{key}`; {}", keys(secret)),
    }
}

/// The names of a Secret's keys, and none of its values.
fn keys(secret: &Value) -> String {
    let data = secret.get("data").and_then(Value::as_object);
    let names: Vec<&str> = data
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .take(10)
        .collect();
    match names.is_empty() {
        true => "it is empty".to_owned(),
        false => format!("it has {}", names.join(", ")),
    }
}

/// All entries of a Secret; what is no base64 is left out, since no server takes it.
pub(crate) fn entries(secret: &Value) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
    let data = secret.get("data").and_then(Value::as_object);
    let entries = data.into_iter().flatten().filter_map(|(name, encoded)| {
        let bytes = base64::decode(encoded.as_str()?)?;
        Some((name.clone(), Zeroizing::new(bytes)))
    });
    entries.collect()
}

/// A value of a Secret's data as text.
pub(crate) fn text(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(base64::decode(encoded)?).ok()
}
