//! Requests to the API that holds the control plane's objects. It must not know what they are for.

use std::time::Duration;

use futures::{Stream, StreamExt};
use holdfast_model::Value;
use holdfast_model::percent::encode;
use http::{Method, Request};
use kube::Client;
use kube::api::WatchEvent;

/// Why a request to the control plane failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{action}: {message}")]
pub struct Error {
    /// What was tried, such as `write the status of team-a/shop`.
    pub action: String,
    /// What the API said.
    pub message: String,
    /// What kind of failure it was.
    pub kind: ErrorKind,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object is not there.
    NotFound,
    /// Somebody else wrote in between, or it is there already.
    Conflict,
    /// The resource version is too old to follow from.
    Gone,
    /// It is not allowed, or not valid.
    Refused,
    /// The API could not be reached, or has trouble of its own.
    Unreachable,
}

impl Error {
    pub(crate) fn of(action: &str, error: &kube::Error) -> Self {
        let (message, kind) = match error {
            kube::Error::Api(status) => {
                let kind = match status.code {
                    404 => ErrorKind::NotFound,
                    409 => ErrorKind::Conflict,
                    410 => ErrorKind::Gone,
                    429 => ErrorKind::Unreachable,
                    400..500 => ErrorKind::Refused,
                    _ => ErrorKind::Unreachable,
                };
                (status.message.clone(), kind)
            }
            other => (chain(other), ErrorKind::Unreachable),
        };
        Self {
            action: action.to_owned(),
            message,
            kind,
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a server that is too busy is asked again.
const RETRIES: u64 = 4;

/// A request's parts.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Option<&'a Value>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Sends a request; `action` says what it is for.
pub(crate) async fn send(client: &Client, action: &str, call: Call<'_>) -> Result<Value, Error> {
    let failed = |message: String| Error {
        action: action.to_owned(),
        message,
        kind: ErrorKind::Unreachable,
    };
    let body = match call.body {
        Some(body) => serde_json::to_vec(body).map_err(|error| failed(error.to_string()))?,
        None => Vec::new(),
    };
    for attempt in 0_u64.. {
        let request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(http::header::ACCEPT, JSON)
            .header(http::header::CONTENT_TYPE, call.content_type)
            .body(body.clone())
            .map_err(|error| failed(error.to_string()))?;
        let answer = tokio::time::timeout(TIMEOUT, client.request::<Value>(request)).await;
        match answer {
            Ok(Err(error)) => match busy(&error) {
                Some(pause) if attempt < RETRIES => tokio::time::sleep(pause).await,
                _ => return Err(Error::of(action, &error)),
            },
            Ok(Ok(value)) => return Ok(value),
            Err(_) => break,
        }
    }
    Err(failed(format!("no answer within {} s", TIMEOUT.as_secs())))
}

/// How long a server that is too busy wants to be left alone. It has not done what was asked, so
/// asking again is safe; what came of other failures is not known, and whoever asked looks again.
fn busy(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    let seconds = status
        .details
        .as_ref()
        .map_or(1, |details| details.retry_after_seconds);
    (status.code == 429).then(|| Duration::from_secs(u64::from(seconds).clamp(1, 10)))
}

pub(crate) async fn get(client: &Client, action: &str, path: String) -> Result<Value, Error> {
    let call = Call {
        method: Method::GET,
        path,
        content_type: JSON,
        body: None,
    };
    send(client, action, call).await
}

/// All objects below a path, page by page, with the version to follow from.
pub(crate) async fn list(
    client: &Client,
    action: &str,
    path: &str,
) -> Result<(Vec<Value>, String), Error> {
    let mut items = Vec::new();
    let mut next = String::new();
    let separator = if path.contains('?') { '&' } else { '?' };
    loop {
        let mut page_path = format!("{path}{separator}limit=500");
        if !next.is_empty() {
            page_path = format!("{page_path}&continue={next}");
        }
        let mut page = get(client, action, page_path).await?;
        if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
            items.extend(found);
        }
        let text = |pointer: &str| page.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        next = encode(text("/metadata/continue"));
        if next.is_empty() {
            return Ok((items, text("/metadata/resourceVersion").to_owned()));
        }
    }
}

/// Follows the objects below a path from a version.
pub(crate) async fn follow(
    client: &Client,
    action: &str,
    path: &str,
    version: &str,
) -> Result<impl Stream<Item = Result<WatchEvent<Value>, Error>> + use<>, Error> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!(
        "{path}{separator}watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion={version}"
    );
    let request = Request::get(path).body(Vec::new()).map_err(|error| Error {
        action: action.to_owned(),
        message: error.to_string(),
        kind: ErrorKind::Unreachable,
    })?;
    let events = client.request_events::<Value>(request).await;
    let events = events.map_err(|error| Error::of(action, &error))?;
    let action = action.to_owned();
    Ok(events.map(move |event| event.map_err(|error| Error::of(&action, &error))))
}
