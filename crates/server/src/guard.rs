//! What holds for every request and every answer: who may be asked by which name, how long it may take,
//! what a browser may do with it, and that it is packed. It must not know what is asked.

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

use crate::respond::{self, Unpacked};
use crate::site::Site;

/// How long an answer may take; a preview asks a repository and a target.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is shorter is not worth packing.
const SHORT: usize = 1_024;

/// Nothing but what this server serves, no script but the one that it serves, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers a request within what holds for all of them.
pub(crate) async fn answer(site: &Site, router: Router, request: Request<Body>) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let mut response = if is_meant(site, &request) {
        let answer = tokio::time::timeout(PATIENCE, router.oneshot(request)).await;
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => respond::problem(
                StatusCode::GATEWAY_TIMEOUT,
                "it took too long; try again, and see the log of the engine",
            ),
        }
    } else {
        let detail = "this name is not one of this server; ask for localhost, or allow the name";
        respond::problem(StatusCode::MISDIRECTED_REQUEST, detail)
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

/// Whether a request is meant for this server. A name that somebody else has, and that leads here, is how
/// a page from elsewhere would read this one.
fn is_meant(site: &Site, request: &Request<Body>) -> bool {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let mut named = request.headers().get_all(HOST).iter();
    let host = authority.or_else(|| named.next()?.to_str().ok());
    host.is_some_and(|host| named.next().is_none() && is_ours(site, host))
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
    host == "localhost"
        || address.is_some_and(crate::site::is_loopback)
        || site
            .page
            .hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(&host))
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
