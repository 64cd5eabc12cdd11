//! The stream of changes that an open page listens to: a line says that something has changed, and the page
//! reads anew. It must not say what has changed. Changes that come together are one line, and whoever
//! reads slowly gets fewer. It ends when whoever listens has to sign in again.

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
use tokio::sync::watch;
use tokio::time::timeout;

use crate::asker::{Asker, Heard};
use crate::port::Kept;
use crate::respond;

/// How long a stream says nothing before it says that it is there.
const QUIET: Duration = Duration::from_secs(15);
/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(50);

struct Stream {
    asker: Asker,
    changes: Receiver<Change>,
    /// What is kept of people, where they sign in.
    kept: Option<watch::Receiver<Arc<Kept>>>,
    only: Option<StackKey>,
    first: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

/// A stream of what changes, of one Stack or of all.
pub(crate) fn answer(site: &Asker, only: Option<StackKey>) -> Response {
    let Ok(permit) = Arc::clone(&site.streams).try_acquire_owned() else {
        let detail =
            "too many pages listen at once; this one shows what was known when it was loaded";
        return respond::problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    };
    // Listening comes first, so that nothing falls between the two.
    let changes = site.views().changes();
    let kept = site.access.as_ref().map(|access| access.changes());
    let number = match &only {
        Some(key) => site.stack(key).map_or(0, |view| view.number),
        None => site.fleet().number,
    };
    let stream = Stream {
        asker: site.clone(),
        changes,
        kept,
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

/// What there is to say.
enum News {
    Change(Result<Change, RecvError>),
    /// Accounts, sessions or rules are not as they were.
    People,
    Nothing,
}

impl Stream {
    /// The next line; nothing where there is nobody left to say something, or to hear it.
    async fn next(&mut self) -> Option<String> {
        if let Some(number) = self.first.take() {
            return Some(format!("retry: 2000\nevent: at\ndata: {number}\n\n"));
        }
        loop {
            let news = self.news().await;
            let change = match news {
                News::Change(Err(RecvError::Closed)) => return None,
                News::Change(Err(RecvError::Lagged(_))) => None,
                News::Change(Ok(change)) => match self.meant(&change) {
                    Heard::Nothing => continue,
                    heard => Some((change, heard)),
                },
                News::Nothing => {
                    self.asker = self.asker.again()?;
                    return Some(": still here\n\n".to_owned());
                }
                News::People => {
                    let before = Arc::clone(&self.asker.viewer.rights);
                    self.asker = self.asker.again()?;
                    match self.asker.viewer.rights == before {
                        true => continue,
                        false => return Some(line(None)),
                    }
                }
            };
            let Some(first) = change else {
                return Some(line(None));
            };
            tokio::time::sleep(GATHER).await;
            let mut newest = first;
            while let Ok(change) = self.changes.try_recv() {
                match self.meant(&change) {
                    Heard::Nothing => {}
                    heard => newest = (change, heard),
                }
            }
            return Some(line(Some(&newest)));
        }
    }

    async fn news(&mut self) -> News {
        let Some(kept) = &mut self.kept else {
            return match timeout(QUIET, self.changes.recv()).await {
                Ok(change) => News::Change(change),
                Err(_) => News::Nothing,
            };
        };
        let either = async {
            tokio::select! {
                change = self.changes.recv() => News::Change(change),
                // Whoever has gone says nothing more.
                Ok(()) = kept.changed() => News::People,
            }
        };
        timeout(QUIET, either).await.unwrap_or(News::Nothing)
    }

    fn meant(&self, change: &Change) -> Heard {
        match (&self.only, &change.stack) {
            (Some(only), Some(stack)) if only != stack => Heard::Nothing,
            _ => self.asker.hears(change),
        }
    }
}

fn line(change: Option<&(Change, Heard)>) -> String {
    let change = change.filter(|(_, heard)| *heard == Heard::Named);
    let stack = change.and_then(|(change, _)| change.stack.as_ref());
    let data = serde_json::json!({"stack": stack.map(ToString::to_string)});
    format!("event: change\ndata: {data}\n\n")
}
