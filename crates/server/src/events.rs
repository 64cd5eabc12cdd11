//! The stream of changes that an open page listens to: a line says that something has changed, and the page
//! reads anew. It must not say what has changed. Changes that come together are one line, and whoever
//! reads slowly gets fewer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use holdfast_model::stack::StackKey;
use holdfast_model::view::Change;
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::respond;
use crate::site::Site;

/// How long a stream says nothing before it says that it is there.
const QUIET: Duration = Duration::from_secs(15);
/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(50);

struct Stream {
    changes: Receiver<Change>,
    only: Option<StackKey>,
    first: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

/// A stream of what changes, of one Stack or of all.
pub(crate) fn answer(site: &Arc<Site>, only: Option<StackKey>) -> Response {
    let Ok(permit) = Arc::clone(&site.streams).try_acquire_owned() else {
        let detail =
            "too many pages listen at once; this one shows what was known when it was loaded";
        return respond::problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    };
    // Listening comes first, so that nothing falls between the two.
    let changes = site.page.views.changes();
    let number = match &only {
        Some(key) => site.page.views.stack(key).map_or(0, |view| view.number),
        None => site.page.views.fleet().number,
    };
    let stream = Stream {
        changes,
        only,
        first: Some(number),
        _permit: permit,
    };
    let body = stream::unfold(stream, async |mut stream| {
        let line = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), stream))
    });
    let kind = "text/event-stream";
    let response = respond::text(StatusCode::OK, kind, "no-store", String::new());
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::from_stream(body))
}

impl Stream {
    /// The next line; nothing where there is nobody left to say something.
    async fn next(&mut self) -> Option<String> {
        if let Some(number) = self.first.take() {
            return Some(format!("retry: 2000\nevent: at\ndata: {number}\n\n"));
        }
        loop {
            let change = match timeout(QUIET, self.changes.recv()).await {
                Err(_) => return Some(": still here\n\n".to_owned()),
                Ok(Ok(change)) => change,
                Ok(Err(RecvError::Lagged(_))) => return Some(line(None)),
                Ok(Err(RecvError::Closed)) => return None,
            };
            if !self.is_meant(&change) {
                continue;
            }
            tokio::time::sleep(GATHER).await;
            let mut newest = change;
            while let Ok(change) = self.changes.try_recv() {
                if self.is_meant(&change) {
                    newest = change;
                }
            }
            return Some(line(Some(&newest)));
        }
    }

    fn is_meant(&self, change: &Change) -> bool {
        match (&self.only, &change.stack) {
            (Some(only), Some(stack)) => only == stack,
            _ => true,
        }
    }
}

fn line(change: Option<&Change>) -> String {
    let stack = change.and_then(|change| change.stack.as_ref());
    let data = serde_json::json!({
        "number": change.map(|change| change.number),
        "stack": stack.map(ToString::to_string),
    });
    format!("event: change\ndata: {data}\n\n")
}
