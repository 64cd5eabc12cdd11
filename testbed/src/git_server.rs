//! A git server over http that fails as servers do: refusals, silence, answers that break off or are
//! no git. The real git answers behind it. It must not know who asks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::proxy::{Answer, Closed, serve};

/// What happens to every request from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GitFault {
    /// The answer comes after a second.
    Slow,
    /// No answer comes until the fault is another or none; then the connection is closed.
    Silent,
    /// The connection is closed without an answer.
    Reset,
    /// `503`.
    Unavailable,
    /// A page for people with `200`, as portals and proxies show it.
    Portal,
    /// Half of every answer of more than a few bytes comes.
    Half,
}

/// A server that runs until its runtime ends.
#[derive(Clone)]
pub struct GitServer {
    address: SocketAddr,
    root: PathBuf,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    fault: Option<GitFault>,
    met: BTreeMap<GitFault, u64>,
    /// The `Authorization` without which nothing is answered.
    guard: Option<String>,
}

impl GitServer {
    /// Serves the repositories of a folder.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(root: &Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = Self {
            address: listener.local_addr()?,
            root: root.to_owned(),
            state: Arc::default(),
            changed: Arc::default(),
        };
        let serving = server.clone();
        serve(listener, move |request| {
            let server = serving.clone();
            async move { server.answer(request).await }
        });
        Ok(server)
    }

    /// The address of a folder below the root.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// From now on every request meets this fault, and none where it is `None`.
    pub fn fail(&self, fault: Option<GitFault>) {
        self.lock().fault = fault;
        self.changed.notify_waiters();
    }

    /// From now on only who sends this `Authorization` is answered.
    pub fn guard(&self, authorization: &str) {
        self.lock().guard = Some(authorization.to_owned());
    }

    /// How often a fault has happened.
    pub fn met(&self, fault: GitFault) -> u64 {
        self.lock().met.get(&fault).copied().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Answer>, Closed> {
        let given = request.headers().get(AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        // Registered before the fault is read, so that no change of it is missed.
        let changed = self.changed.notified();
        let fault = {
            let mut state = self.lock();
            if state.guard.is_some() && state.guard.as_deref() != given {
                return Ok(refusal(StatusCode::UNAUTHORIZED));
            }
            if let Some(fault) = state.fault {
                *state.met.entry(fault).or_default() += 1;
            }
            state.fault
        };
        match fault {
            Some(GitFault::Slow) => tokio::time::sleep(Duration::from_secs(1)).await,
            Some(GitFault::Silent) => {
                changed.await;
                return Err(Closed);
            }
            Some(GitFault::Reset) => return Err(Closed),
            Some(GitFault::Unavailable) => return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE)),
            Some(GitFault::Portal) => return Ok(portal()),
            Some(GitFault::Half) | None => {}
        }
        let answer = holdfast::git_http::answer(&self.root, request).await;
        let (head, body) = answer.map_err(|_| Closed)?.into_parts();
        let Ok(collected) = body.collect().await;
        let whole = collected.to_bytes();
        let answer = match fault {
            Some(GitFault::Half) => Answer::half(whole.slice(..whole.len() / 2), whole.len()),
            _ => Answer::whole(whole),
        };
        Ok(Response::from_parts(head, answer))
    }
}

fn refusal(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(Bytes::new()));
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"the test bed\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    }
    response
}

fn portal() -> Response<Answer> {
    let page = "<html><body>Please sign in to the network.</body></html>";
    let mut response = Response::new(Answer::whole(Bytes::from_static(page.as_bytes())));
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}
