//! What makes a form one of this page, sent once and not too often. It must not know what a form is for.
//!
//! A browser gets a random cookie, and each form a token that is made of the cookie and of a key that this
//! process alone has: who can write a cookie of this name, as another program on this machine can, cannot
//! make a token for it, and who has a token cannot read the cookie.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use holdfast_model::secret::DigestKey;
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::access::limits::Pace;
use crate::respond::Unpacked;
use crate::site::Site;

/// The cookie's name.
pub(crate) const NAME: &str = "holdfast-form";
/// How many results are remembered, so that a form that is sent twice does its work once.
const RESULTS: usize = 256;
/// How many forms somebody may send at once, and how long it takes until there may be one more.
pub(crate) const PACE: Pace = Pace {
    burst: 30,
    pause_millis: 1_000,
};

/// What came of a form.
#[derive(Clone, Debug)]
pub(crate) struct Result_ {
    pub(crate) id: String,
    pub(crate) stack: (String, String),
    /// Who sent it.
    pub(crate) by: Option<String>,
    pub(crate) verb: &'static str,
    /// What is said; nothing while it is being worked on.
    pub(crate) said: Option<Result<String, String>>,
}

/// A form as it comes back.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) form: &'a str,
    pub(crate) token: &'a str,
    pub(crate) by: Option<&'a str>,
}

pub(crate) struct Forms {
    chance: DigestKey,
    tokens: DigestKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    made: u64,
    results: VecDeque<Result_>,
}

impl Forms {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            chance: DigestKey::derive(secret, "page-chance"),
            tokens: DigestKey::derive(secret, "page-tokens"),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that nobody can guess, the same for the same purpose.
    pub(crate) fn name(&self, purpose: &str) -> String {
        self.chance.digest(purpose.as_bytes()).hex()
    }

    /// A name that nobody can guess and nobody had before.
    pub(crate) fn fresh(&self, purpose: &str) -> String {
        let mut state = self.lock();
        state.made += 1;
        let number = state.made;
        drop(state);
        self.name(&format!("{purpose} {number}"))
    }

    /// The token of a cookie for one form, of whoever is shown it.
    pub(crate) fn token(&self, cookie: &str, form: &str, by: Option<&str>) -> String {
        let by = by.unwrap_or_default();
        self.tokens
            .digest(format!("{cookie} {form} {by}").as_bytes())
            .hex()
    }

    /// Whether a form was made here for whoever sends it, and is sent by a page from here.
    pub(crate) fn is_ours(&self, headers: &HeaderMap, sent: Sent<'_>) -> bool {
        let Some(cookie) = cookie(headers) else {
            return false;
        };
        let Sent { form, token, by } = sent;
        let expected = self.token(&cookie, form, by);
        // Digests of both are compared, so that how long it takes tells nothing of the token.
        let (own, theirs) = (self.tokens.digest(expected.as_bytes()), token.as_bytes());
        self.tokens.is_digest_of(&own, theirs) && is_from_here(headers)
    }

    /// Takes a form up, unless it was taken up before.
    pub(crate) fn begin(&self, result: Result_) -> bool {
        let mut state = self.lock();
        if state.results.iter().any(|known| known.id == result.id) {
            return false;
        }
        state.results.push_front(result);
        state.results.truncate(RESULTS);
        true
    }

    /// Notes what came of it.
    pub(crate) fn end(&self, id: &str, said: Result<String, String>) {
        let mut state = self.lock();
        if let Some(known) = state.results.iter_mut().find(|known| known.id == id) {
            known.said = Some(said);
        }
    }

    pub(crate) fn result(&self, id: &str) -> Option<Result_> {
        let state = self.lock();
        state.results.iter().find(|known| known.id == id).cloned()
    }
}

/// The same answer with the cookie that its form belongs to; it is not packed, so that its length says nothing
/// of the token.
pub(crate) fn with_cookie(site: &Site, mut response: Response, cookie: &str) -> Response {
    let secure = if site.is_secure { "; Secure" } else { "" };
    let set = format!("{NAME}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}");
    if let Ok(set) = HeaderValue::from_str(&set) {
        response.headers_mut().append(SET_COOKIE, set);
    }
    response.extensions_mut().insert(Unpacked);
    response
}

/// The cookie that came with a request, where it looks like one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).iter();
    let mut all = all.flat_map(|line| line.to_str().unwrap_or_default().split(';'));
    all.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let is_whole = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (name == NAME && is_whole).then(|| value.to_owned())
    })
}

/// Whether a browser says that a request comes from a page of this server. A program says nothing, and
/// has to have cookie and token all the same.
fn is_from_here(headers: &HeaderMap) -> bool {
    let origin = header(headers, ORIGIN.as_str());
    let host = header(headers, HOST.as_str());
    let site = header(headers, "sec-fetch-site");
    let is_own = origin.is_empty()
        || ["http://", "https://"]
            .iter()
            .any(|scheme| origin.strip_prefix(scheme) == Some(host));
    is_own && matches!(site, "" | "same-origin")
}

/// A header as text; empty where there is none.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}
