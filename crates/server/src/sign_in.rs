//! The way in and out: a name and a password for a session. It must not know what is there inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Extension, Form, Query};
use axum::response::Response;
use holdfast_model::digest::Digest;
use holdfast_model::percent::encode;
use holdfast_model::time::Time;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use zeroize::Zeroizing;

use crate::access::sessions::{LENGTH_MILLIS, Session};
use crate::access::{Access, Person, accounts};
use crate::asker::Asker;
use crate::forms::{self, Sent};
use crate::guard::From;
use crate::shell::{self, Asked, Shell, When};
use crate::{audit, respond, texts};

/// Where people sign in and out, and see who they are.
pub(crate) const SIGN_IN: &str = "/sign-in";
pub(crate) const SIGN_OUT: &str = "/sign-out";
pub(crate) const ACCOUNT: &str = "/account";
/// The most bytes of where somebody wanted to go.
const FARTHEST: usize = 2_000;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    shell: Shell,
    path: &'static str,
    then: String,
    name: String,
    form: String,
    token: String,
    /// Why it did not work, and what to do.
    refused: &'static str,
    nobody: &'static str,
}

/// Leads somebody who has not signed in to where they can, and back afterwards.
pub(crate) fn first(request: &Request<Body>) -> Response {
    let wanted = request.uri().path_and_query();
    let wanted = wanted.map_or("/", |wanted| wanted.as_str());
    let is_page = request.method() == Method::GET && wanted.len() <= FARTHEST;
    let then = if is_page { wanted } else { "/" };
    respond::see_other(&format!("{SIGN_IN}?then={}", encode(then)))
}

/// Where somebody is led who has signed in: a path of this page, whatever was sent.
fn path_of(then: &str) -> &str {
    let is_path = then.starts_with('/')
        && !then.starts_with("//")
        && !then.starts_with("/sign-")
        && then.len() <= FARTHEST
        && then
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path { then } else { "/" }
}

pub(crate) async fn question(site: Asker, Query(asked): Asked, headers: HeaderMap) -> Response {
    let then = asked.get("then").map(String::as_str).unwrap_or_default();
    let then = path_of(then);
    if site.access.is_none() || site.viewer.person.is_some() {
        return respond::see_other(then);
    }
    show(&site, &headers, StatusCode::OK, (then, "", ""))
}

/// The form, with where it leads, the name that was typed, and why it did not work.
fn show(
    site: &Asker,
    headers: &HeaderMap,
    status: StatusCode,
    (then, name, refused): (&str, &str, &'static str),
) -> Response {
    let cookie = forms::cookie(headers).unwrap_or_else(|| site.forms.fresh("cookie"));
    let form = site.forms.fresh("form");
    let is_nobody = site
        .access
        .as_ref()
        .is_some_and(|access| access.known().accounts.is_empty());
    let page = SignIn {
        shell: Shell::still(site, "Sign in"),
        path: SIGN_IN,
        then: then.to_owned(),
        name: name.to_owned(),
        token: site.forms.token(&cookie, &form, None),
        form,
        refused,
        nobody: if is_nobody { texts::NOBODY } else { "" },
    };
    forms::with_cookie(site, respond::page(status, &page), &cookie)
}

pub(crate) async fn answer(
    site: Asker,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    Form(mut sent): Form<BTreeMap<String, String>>,
) -> Response {
    let password = Zeroizing::new(sent.remove("password").unwrap_or_default());
    let text = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let Some(access) = &site.access else {
        return respond::see_other("/");
    };
    let (name, then) = (text("name").trim(), path_of(text("then")));
    let is_known = access.known().accounts.contains_key(name);
    let refuse = |status: StatusCode, words: &'static str| {
        audit::not_signed_in(name, is_known, &from.0, words);
        let name = if accounts::is_name(name) { name } else { "" };
        show(&site, &headers, status, (then, name, words))
    };
    let form = Sent {
        form: text("form"),
        token: text("token"),
        by: None,
    };
    if !site.forms.is_ours(&headers, form) {
        return refuse(StatusCode::FORBIDDEN, texts::FORGED);
    }
    if !access.may_try(name, &from.0, site.now()) {
        return refuse(StatusCode::TOO_MANY_REQUESTS, texts::TRIED);
    }
    let Some(account) = verified(access, name, password).await else {
        return refuse(StatusCode::UNAUTHORIZED, texts::WRONG);
    };
    match begin(&site, access, name, account.stamp).await {
        Ok(cookie) => {
            audit::signed_in(name, &from.0);
            let mut response = respond::see_other(then);
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        Err(error) => {
            tracing::warn!(%error, "A session of the page could not be kept.");
            refuse(StatusCode::SERVICE_UNAVAILABLE, texts::NOT_KEPT)
        }
    }
}

/// The account of a name and its password. It takes as long where there is none.
async fn verified(
    access: &Access,
    name: &str,
    password: Zeroizing<String>,
) -> Option<accounts::Account> {
    let _permit = access.verifying.acquire().await.ok()?;
    let account = access.known().accounts.get(name).cloned();
    let work = tokio::task::spawn_blocking(move || {
        accounts::verify(account.as_ref(), &password)
            .then_some(account)
            .flatten()
    });
    work.await.ok().flatten()
}

/// Begins a session; its cookie.
async fn begin(
    site: &Asker,
    access: &Access,
    name: &str,
    stamp: String,
) -> Result<HeaderValue, String> {
    let id: String = site.forms.fresh("session id").chars().take(16).collect();
    let secret = Zeroizing::new(site.forms.fresh("session"));
    let now = site.now();
    let session = Session {
        digest: Digest::of_bytes(secret.as_bytes()),
        name: name.to_owned(),
        groups: Vec::new(),
        stamp,
        since: now,
        until: Time::from_millis(now.millis + LENGTH_MILLIS),
    };
    access.begin(&id, session).await?;
    let seconds = LENGTH_MILLIS / 1_000;
    cookie(site, &format!("{id}.{}", *secret), seconds)
}

/// A cookie that comes along with links from elsewhere, and not with forms from there.
fn cookie(site: &Asker, value: &str, seconds: i64) -> Result<HeaderValue, String> {
    let name = site.session_cookie();
    let secure = if site.is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).map_err(|error| error.to_string())
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    sign_out: &'static str,
    name: String,
    groups: String,
    until: When,
    sessions: usize,
    rights: Vec<String>,
    fault: String,
    form: String,
    token: String,
    is_session: bool,
}

/// Who somebody is here, and what they may do.
pub(crate) async fn account(site: Asker, headers: HeaderMap) -> Response {
    let (Some(access), Some(person)) = (&site.access, &site.viewer.person) else {
        return shell::missing(&site, texts::NO_ACCOUNT);
    };
    let known = access.known();
    let cookie = forms::cookie(&headers).unwrap_or_else(|| site.forms.fresh("cookie"));
    let form = site.forms.fresh("form");
    let subject = &person.subject;
    let page = AccountPage {
        shell: Shell::still(&site, &subject.name),
        sign_out: SIGN_OUT,
        name: subject.name.clone(),
        groups: subject.groups.join(", "),
        until: When::new(person.until, site.now()),
        sessions: known.sessions_of(&subject.name, site.now()),
        rights: site.viewer.rights.words(),
        fault: known.fault.clone().unwrap_or_default(),
        token: site.forms.token(&cookie, &form, Some(&subject.name)),
        form,
        is_session: person.session.is_some(),
    };
    forms::with_cookie(&site, respond::page(StatusCode::OK, &page), &cookie)
}

pub(crate) async fn end(
    site: Asker,
    headers: HeaderMap,
    Form(sent): Form<BTreeMap<String, String>>,
) -> Response {
    let (Some(access), Some(person)) = (&site.access, &site.viewer.person) else {
        return respond::see_other("/");
    };
    let person: Arc<Person> = Arc::clone(person);
    let text = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let form = Sent {
        form: text("form"),
        token: text("token"),
        by: Some(&person.subject.name),
    };
    let refuse = |status: StatusCode, words: &str| {
        shell::message(&site, status, "You are still signed in", words, ACCOUNT)
    };
    if !site.forms.is_ours(&headers, form) {
        return refuse(StatusCode::FORBIDDEN, texts::FORGED);
    }
    let everywhere = text("everywhere") == "yes";
    if let Err(error) = access.end(&person, everywhere).await {
        tracing::warn!(%error, "A session of the page could not be ended.");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, texts::NOT_KEPT);
    }
    audit::signed_out(&person.subject.name, everywhere);
    let mut response = respond::see_other(SIGN_IN);
    if let Ok(gone) = cookie(&site, "", 0) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}
