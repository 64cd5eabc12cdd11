//! Who asks: bearer tokens, and those who may act as somebody else.
//! It must not know what anybody may do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

use crate::access::{Wish, check};
use crate::call::User;
use crate::cluster::{Cluster, random};
use crate::error::{ApiError, Result};
use crate::service::Identity;

/// The tokens that are known, and whose they are.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<BTreeMap<String, User>>);

impl Tokens {
    /// A new token for somebody.
    pub(crate) fn issue(&self, user: User) -> String {
        let bytes = random::<24>();
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.clone(), user);
        token
    }

    /// Whose a token is.
    pub(crate) fn user_of(&self, token: &str) -> Option<User> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).cloned()
    }
}

impl Cluster {
    /// Who sends a request with these headers.
    pub(crate) fn identify(&self, identity: &Identity, headers: &HeaderMap) -> Result<User> {
        let user = match identity {
            Identity::Fixed(user) => user.clone(),
            Identity::Bearer => {
                let header = headers.get(http::header::AUTHORIZATION);
                let header = header.and_then(|value| value.to_str().ok());
                match header {
                    None => User {
                        name: "system:anonymous".to_owned(),
                        groups: vec!["system:unauthenticated".to_owned()],
                    },
                    Some(header) => header
                        .strip_prefix("Bearer ")
                        .and_then(|token| self.tokens().user_of(token.trim()))
                        .ok_or_else(ApiError::unauthorized)?,
                }
            }
        };
        let target = impersonated(&user, headers);
        for (resource, name) in impersonation(&user, &target) {
            let wish = Wish {
                verb: "impersonate",
                resource,
                name: &name,
                ..Wish::default()
            };
            check(self, &user, &wish)?;
        }
        Ok(target)
    }
}

/// What somebody has to be allowed to act as somebody else.
fn impersonation(user: &User, target: &User) -> Vec<(&'static str, String)> {
    if user == target {
        return Vec::new();
    }
    let mut needed = match target.name.strip_prefix("system:serviceaccount:") {
        Some(account) => {
            let name = account.rsplit(':').next().unwrap_or_default();
            vec![("serviceaccounts", name.to_owned())]
        }
        None => vec![("users", target.name.clone())],
    };
    let implied = |group: &&String| group.starts_with("system:serviceaccounts");
    let groups = target.groups.iter().filter(|group| {
        *group != "system:authenticated" && !(implied(group) && needed[0].0 == "serviceaccounts")
    });
    let groups: Vec<(&'static str, String)> =
        groups.map(|group| ("groups", group.clone())).collect();
    needed.extend(groups);
    needed
}

/// Whom the request acts as.
fn impersonated(user: &User, headers: &HeaderMap) -> User {
    let name = headers
        .get("impersonate-user")
        .and_then(|value| value.to_str().ok());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return user.clone();
    };
    let mut groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    if let Some(account) = name.strip_prefix("system:serviceaccount:") {
        let namespace = account.split(':').next().unwrap_or_default();
        if groups.is_empty() {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
    }
    if !groups.iter().any(|group| group == "system:authenticated") {
        groups.push("system:authenticated".to_owned());
    }
    User {
        name: name.to_owned(),
        groups,
    }
}
