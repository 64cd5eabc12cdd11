//! Who asks: bearer tokens, and those who may act as somebody else.
//! It must not know what anybody may do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_admit::{ApiError, ObjectName, ResourceId, Result};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::time::Time;
use http::HeaderMap;
use serde_json::json;

use crate::access::{Wish, check};
use crate::call::User;
use crate::chance::random;
use crate::store::{Expected, Store};

/// Who asks through a service.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Always the same.
    Fixed(User),
    /// Whoever the bearer token of a request belongs to.
    Bearer,
}

/// The tokens that are known, and whose they are. A token is known by its digest, so that neither
/// the memory nor the file tells one.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<BTreeMap<String, Holder>>);

/// Whose a token is, and for how long.
struct Holder {
    user: User,
    /// Nothing for one that stays for as long as the listener that it was made for.
    until: Option<Time>,
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows a token that does not run out.
    pub(crate) fn know(&self, token: &str, user: User) {
        let holder = Holder { user, until: None };
        self.lock().insert(digest_of(token), holder);
    }

    /// Whose a token is.
    pub(crate) fn user_of(&self, token: &str, now: Time) -> Option<User> {
        let tokens = self.lock();
        let holder = tokens.get(&digest_of(token))?;
        let is_valid = holder.until.is_none_or(|until| until > now);
        is_valid.then(|| holder.user.clone())
    }
}

fn digest_of(token: &str) -> String {
    Digest::of_bytes(token.as_bytes()).hex()
}

/// A new token.
pub(crate) fn new_token() -> String {
    let bytes = random::<24>();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where tokens are kept beside the objects. No group of the API has this name.
fn kept_tokens() -> ResourceId {
    ResourceId::new("-", "tokens")
}

fn place_of(digest: &str) -> ObjectName {
    ObjectName {
        namespace: String::new(),
        name: digest.to_owned(),
    }
}

impl Tokens {
    /// Gives somebody a token, which outlives the process where the cluster does. Those that have
    /// run out by now are forgotten.
    pub(crate) fn issue(&self, store: &Store, user: User, lasts: (Time, Time)) -> String {
        let (now, until) = lasts;
        let token = new_token();
        let mut kept = json!({
            "metadata": {}, "user": user.name, "groups": user.groups, "until": until.to_string(),
        });
        let digest = digest_of(&token);
        let resource = kept_tokens();
        let put = store.put(&resource, &place_of(&digest), Expected::Absent, &mut kept);
        if put.is_err() {
            // The disk takes nothing, which whoever asks is told.
            return token;
        }
        let mut tokens = self.lock();
        let is_over = |holder: &Holder| holder.until.is_some_and(|until| until <= now);
        for (digest, _) in tokens.extract_if(.., |_, holder| is_over(holder)) {
            let place = place_of(&digest);
            if let Some(stored) = store.get(&resource, &place) {
                // Whoever was faster has removed it too.
                let _ = store.remove(&resource, &place, stored.revision);
            }
        }
        let until = Some(until);
        tokens.insert(digest, Holder { user, until });
        token
    }

    /// Knows the tokens that the cluster's file has, and no others that run out.
    pub(crate) fn recall(&self, store: &Store) {
        let page = store.list(&kept_tokens(), None, None);
        let stored = page.map(|page| page.objects).unwrap_or_default();
        let mut tokens = self.lock();
        tokens.retain(|_, holder| holder.until.is_none());
        for stored in stored {
            let kept = stored.value();
            let groups = items(&kept, "groups").iter().filter_map(Value::as_str);
            let user = User {
                name: text(&kept, "user").to_owned(),
                groups: groups.map(str::to_owned).collect(),
            };
            // What cannot be read has run out.
            let until = Time::parse(text(&kept, "until")).unwrap_or(Time::from_millis(0));
            let until = Some(until);
            tokens.insert(stored.name.name.clone(), Holder { user, until });
        }
    }

    /// Who sends a request with these headers now.
    pub(crate) fn identify(
        &self,
        identity: &Identity,
        headers: &HeaderMap,
        (store, now): (&Store, Time),
    ) -> Result<User> {
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
                        .and_then(|token| self.user_of(token.trim(), now))
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
            check(store, &user, &wish)?;
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
