//! Requests to an API server: paths, bounds, retries. It must not know what a request is for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::object::GroupKind;
use holdfast_model::operation::Failure;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;

use crate::failure;

/// How much is asked of an API server, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long one request may take; 30 s by default.
    pub timeout: Duration,
    /// How often a request that met a busy server or a broken connection is sent again; 4.
    pub retries: u32,
    /// The most bytes that are read of one answer; 256 MiB.
    pub answer: usize,
    /// How many steps of all Stacks are under way on this target at once; 16.
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retries: 4,
            answer: 256 << 20,
            concurrency: 16,
        }
    }
}

/// One request as it is sent, and sent again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) body: Bytes,
}

pub(crate) const JSON: &str = "application/json";

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self::new(Method::GET, path, JSON, Bytes::new())
    }

    pub(crate) fn new(
        method: Method,
        path: String,
        content_type: &'static str,
        body: Bytes,
    ) -> Self {
        Self {
            method,
            path,
            content_type,
            accept: JSON,
            body,
        }
    }
}

/// A client of one API server with its limits.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    /// The user that is impersonated; nobody where the client's own rights count.
    pub(crate) user: Option<Arc<str>>,
}

impl Api {
    /// Sends a request and reads the whole answer; refusals of the server become failures that
    /// speak of `kind`.
    pub(crate) async fn call(&self, call: &Call, kind: &GroupKind) -> Result<Bytes, Failure> {
        let mut attempt = 0;
        loop {
            let (failure, pause) = match self.attempt(call, kind).await {
                Ok(bytes) => return Ok(bytes),
                Err(refusal) => refusal,
            };
            attempt += 1;
            let again = is_worth_another(&failure) && attempt <= self.limits.retries;
            if !again {
                return Err(failure);
            }
            let backoff = Duration::from_millis(100) * 2_u32.pow(attempt.min(5));
            tokio::time::sleep(pause.unwrap_or(backoff).min(Duration::from_secs(10))).await;
        }
    }

    /// Sends a request once and reads at most so many bytes of the answer.
    pub(crate) async fn call_once(
        &self,
        call: &Call,
        kind: &GroupKind,
        answer: usize,
    ) -> Result<Bytes, Failure> {
        let limits = Limits {
            answer,
            ..self.limits
        };
        let api = Self {
            limits,
            ..self.clone()
        };
        let result = api.attempt(call, kind).await;
        result.map_err(|(failure, _)| failure)
    }

    async fn attempt(
        &self,
        call: &Call,
        kind: &GroupKind,
    ) -> Result<Bytes, (Failure, Option<Duration>)> {
        let whole = async {
            let response = self.open(call).await.map_err(|failure| (failure, None))?;
            let (status, pause) = (response.status(), retry_after(&response));
            let body = Limited::new(response.into_body(), self.limits.answer);
            let bytes = body
                .collect()
                .await
                .map_err(|error| (failure::unreadable("the answer broke off", &error), None))?
                .to_bytes();
            if status.is_success() {
                return Ok(bytes);
            }
            Err((failure::of_status(status.as_u16(), &bytes, kind), pause))
        };
        match tokio::time::timeout(self.limits.timeout, whole).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = self.limits.timeout.as_secs();
                let message = format!("the API server did not answer within {seconds} s");
                Err((failure::unreachable(message), None))
            }
        }
    }

    /// Sends a request and leaves the answer's body to be read.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(header::ACCEPT, call.accept);
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        if let Some(user) = &self.user {
            // For a ServiceAccount the API server adds the groups that it is in (Kubernetes docs, user
            // impersonation).
            request = request.header("Impersonate-User", &**user);
        }
        let request = request
            .body(Body::from(call.body.clone()))
            .map_err(|error| failure::unreadable("the request could not be made", &error))?;
        self.client
            .send(request)
            .await
            .map_err(|error| failure::unreachable(chain(&error)))
    }
}

fn is_worth_another(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        "TooManyRequests" | "ServerError" | "Unreachable" | "UnreadableAnswer"
    )
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    busy.then(|| text.parse().ok().map(Duration::from_secs))
        .flatten()
}

/// An error and its causes, each once.
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
