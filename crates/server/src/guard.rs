//! What holds for every request and every answer: by which name the server may be asked, who asks, how long it
//! may take, what a browser may do with it, and that it is packed. It must not know what is asked.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::access::{Entry, Viewer};
use crate::respond::{self, Unpacked};
use crate::site::Site;
use crate::{audit, sign_in, texts};

/// How long an answer may take; a preview asks a repository and a target.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is shorter is not worth packing.
const SHORT: usize = 1_024;

/// Nothing but what this server serves, no script but the one that it serves, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers a request within what holds for all of them.
pub(crate) async fn answer(site: &Site, router: Router, mut request: Request<Body>) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    name_host(&mut request);
    let mut response = match admit(site, &mut request) {
        Ok(()) => answered(router, request).await,
        Err(refused) => *refused,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (HeaderName::from_static("content-security-policy"), POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // A form has to say where it comes from, and nobody else has to know.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (VARY, "accept-encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match takes_gzip {
        true => packed(response).await,
        false => response,
    }
}

async fn answered(router: Router, request: Request<Body>) -> Response {
    match tokio::time::timeout(PATIENCE, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => respond::problem(
            StatusCode::GATEWAY_TIMEOUT,
            "it took too long; try again, and see the log of the engine",
        ),
    }
}

/// HTTP/2 names the host elsewhere; forms are compared with it in one place.
fn name_host(request: &mut Request<Body>) {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = authority.and_then(|authority| HeaderValue::from_str(authority).ok());
    if let Some(host) = host.filter(|_| !request.headers().contains_key(HOST)) {
        request.headers_mut().insert(HOST, host);
    }
}

/// Lets a request in, with who makes it; or what is answered instead.
fn admit(site: &Site, request: &mut Request<Body>) -> Result<(), Box<Response>> {
    if !is_meant(site, request) {
        let detail =
            "this name is not one of this server; ask for localhost, or for the one of --page-url";
        let refused = respond::problem(StatusCode::MISDIRECTED_REQUEST, detail);
        return Err(Box::new(refused));
    }
    let Some(access) = &site.access else {
        request.extensions_mut().insert(Viewer::of_this_machine());
        return Ok(());
    };
    let from = From::of(site, request);
    let now = site.now();
    let path = request.uri().path();
    let entry = access.enter(request.headers(), site.session_cookie(), now);
    let viewer = match entry {
        Entry::Viewer(viewer) => viewer,
        _ if is_for_strangers(path) => Viewer::stranger(),
        Entry::Forged if !access.may_come(&from.0, now) => {
            let refused = respond::problem(StatusCode::TOO_MANY_REQUESTS, texts::TRIED);
            return Err(Box::new(refused));
        }
        Entry::Forged => {
            audit::forged(&from.0);
            return Err(Box::new(respond::unauthorized(texts::NO_TOKEN)));
        }
        Entry::Nobody if is_for_programs(path) => {
            return Err(Box::new(respond::unauthorized(texts::NOT_IN)));
        }
        Entry::Nobody => return Err(Box::new(sign_in::first(request))),
    };
    request.extensions_mut().insert(viewer);
    request.extensions_mut().insert(from);
    Ok(())
}

/// The address that a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address that a request comes from, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct From(pub(crate) String);

impl From {
    /// A proxy says for whom it asks, at the end of what others may have written.
    fn of(site: &Site, request: &Request<Body>) -> Self {
        let forwarded = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .next_back();
        let forwarded = forwarded.and_then(|all| all.to_str().ok()?.rsplit(',').next());
        let forwarded = forwarded.and_then(|one| one.trim().parse::<IpAddr>().ok());
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let address = forwarded.filter(|_| site.is_behind_proxy).or(peer);
        Self(address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()))
    }
}

/// What everybody gets: the way in, what it looks like, and that there is something.
fn is_for_strangers(path: &str) -> bool {
    path == sign_in::SIGN_IN || path == "/healthz" || path.starts_with("/assets/")
}

/// Whether nobody reads the answer who could sign in.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/events" || path.starts_with("/events/")
}

/// Whether a request is meant for this server. A name that somebody else has, and that leads here, is how
/// a page from elsewhere would read this one.
fn is_meant(site: &Site, request: &Request<Body>) -> bool {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let mut named = request.headers().get_all(HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok());
    let is_one = host.is_some() && named.next().is_none();
    is_one
        && authority
            .iter()
            .chain(&host)
            .all(|host| is_ours(site, host))
}

fn is_ours(site: &Site, authority: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else {
        return false;
    };
    let host = authority
        .host()
        .trim_matches(['[', ']'])
        .to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    let is_known = site.host.as_ref().is_some_and(|known| {
        let bare = known
            .rsplit_once(':')
            .map_or(known.as_str(), |(bare, _)| bare);
        known.eq_ignore_ascii_case(&host) || bare.eq_ignore_ascii_case(&host)
    });
    host == "localhost" || address.is_some_and(crate::site::is_loopback) || is_known
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING);
    let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|accepted| {
        let (name, weight) = accepted.split_once(';').unwrap_or((accepted, ""));
        let refused = weight.trim().trim_start_matches("q=").parse::<f32>() == Ok(0.0);
        name.trim() == "gzip" && !refused
    })
}

/// The same answer, packed where that is worth it. A stream goes on as it is.
async fn packed(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_whole = !kind.starts_with("text/event-stream") && !kind.is_empty();
    if !is_whole || response.extensions().get::<Unpacked>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = body.collect().await else {
        return Response::from_parts(parts, Body::empty());
    };
    let whole = whole.to_bytes();
    if whole.len() < SHORT {
        return Response::from_parts(parts, Body::from(whole));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(&whole).and_then(|()| encoder.finish());
    let Ok(small) = written else {
        return Response::from_parts(parts, Body::from(whole));
    };
    let gzip = HeaderValue::from_static("gzip");
    parts.headers.insert(CONTENT_ENCODING, gzip);
    // It says how long the whole one was.
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(small))
}
