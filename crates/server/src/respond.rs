//! Answers in their forms: HTML, JSON, problems. It must not know what they say.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use holdfast_model::Value;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

/// That an answer is not packed: it holds what must not be guessed from its length.
#[derive(Clone)]
pub(crate) struct Unpacked;

pub(crate) fn text(
    status: StatusCode,
    kind: &'static str,
    kept: &'static str,
    text: String,
) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}

/// A page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => text(status, "text/html; charset=utf-8", "no-store", html),
        Err(error) => {
            tracing::error!(%error, "A page could not be rendered.");
            let words =
                "the page could not be rendered, which is a defect of Holdfast\n".to_owned();
            let kind = "text/plain; charset=utf-8";
            text(StatusCode::INTERNAL_SERVER_ERROR, kind, "no-store", words)
        }
    }
}

/// JSON, and whether the one who asks has it already.
pub(crate) fn json(headers: &HeaderMap, tag: &str, value: &Value) -> Response {
    let tag = format!("\"{tag}\"");
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| {
        let known = known.to_str().unwrap_or_default();
        known
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = match is_known {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        false => text(
            StatusCode::OK,
            "application/json",
            "no-cache",
            value.to_string(),
        ),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Why a program does not get what it asks for (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let value = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    text(
        status,
        "application/problem+json",
        "no-store",
        value.to_string(),
    )
}

/// That somebody has to say who they are.
pub(crate) fn unauthorized(detail: &str) -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED, detail);
    let bearer = HeaderValue::from_static("Bearer realm=\"Holdfast\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    response
}

/// Elsewhere, after something was sent.
pub(crate) fn see_other(path: &str) -> Response {
    let mut response = text(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        "no-store",
        String::new(),
    );
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}
