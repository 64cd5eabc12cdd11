//! Who asks: bearer tokens, and those who may act as somebody else.
//! It must not know what anybody may do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

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

    fn user_of(&self, token: &str) -> Option<User> {
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
        Ok(impersonated(user, headers))
    }
}

/// Whom the request acts as.
fn impersonated(user: User, headers: &HeaderMap) -> User {
    let name = headers
        .get("impersonate-user")
        .and_then(|value| value.to_str().ok());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return user;
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
