//! The tower service. It must not know what requests mean.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use holdfast_admit::ApiError;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower::Service;

use crate::body::{Reply, ResponseBody};
use crate::call::{Call, MAX_BODY, Query, decode};
use crate::identity::Identity;
use crate::state::State;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The API of a cluster as a service; `kube::Client::new(service, "default")` takes it.
#[derive(Clone)]
pub struct ApiService {
    state: Arc<State>,
    identity: Identity,
}

impl ApiService {
    pub(crate) fn new(state: Arc<State>, identity: Identity) -> Self {
        Self { state, identity }
    }
}

impl fmt::Debug for ApiService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiService")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for ApiService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (state, identity) = (self.state.clone(), self.identity.clone());
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Ok(respond(ApiError::too_large(MAX_BODY).into()));
                }
                Err(error) => return Err(error),
            };
            let user = match state.tokens().identify(
                &identity,
                &head.headers,
                (state.store(), state.now()),
            ) {
                Ok(user) => user,
                Err(error) => return Ok(respond(error.into())),
            };
            let call = Call {
                method: head.method,
                path: decode(head.uri.path(), false),
                query: Query::read(head.uri.query().unwrap_or("")),
                headers: head.headers,
                body,
                user,
                choice: OnceLock::new(),
            };
            if matches!(call.method, Method::GET | Method::HEAD) {
                return Ok(respond(state.answer(&call)));
            }
            let failures = match state.store().failures() {
                Ok(failures) => failures,
                Err((_, problem)) => return Ok(respond(not_on_disk(&problem))),
            };
            let reply = state.answer(&call);
            match state.store().settled_since(failures).await {
                Ok(()) => Ok(respond(reply)),
                Err(problem) => Ok(respond(not_on_disk(&problem))),
            }
        })
    }
}

/// The answer to a change that the disk did not take, and that is therefore none.
fn not_on_disk(problem: &str) -> Reply {
    ApiError::internal(format!("the change is not on the disk: {problem}")).into()
}

fn respond(reply: Reply) -> Response<ResponseBody> {
    let mut response = Response::new(reply.body);
    *response.status_mut() =
        http::StatusCode::from_u16(reply.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(reply.content_type),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    if let Some(tag) = reply.tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        headers.insert(header::ETAG, tag);
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    }
    for warning in reply.warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            headers.append(header::WARNING, value);
        }
    }
    response
}
