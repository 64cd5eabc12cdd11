//! What an engine writes while it holds the lease, and only then: a client whose writes are refused
//! when the lease was not renewed lately. It must not know what is written.
//!
//! A process that was stopped, or a machine that slept, goes on as if no time had passed, while another
//! engine may have begun. So it is not enough that a task watches over the lease: each write asks, at
//! the last moment, whether the lease still holds. Both clocks count: the monotonic one may stand still
//! while a machine sleeps, and the other one may be set back.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use holdfast_model::time::Time;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

/// Whether an engine may write. Clones share it.
#[derive(Clone)]
pub struct Fence {
    clock: Arc<dyn Fn() -> Time + Send + Sync>,
    open: Arc<Mutex<Option<Until>>>,
}

/// Until when it may, by both clocks.
#[derive(Clone, Copy)]
struct Until {
    instant: Instant,
    time: Time,
}

/// A write that was not sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "the lease on being the engine was not renewed in time, so another engine may have begun; nothing \
     is written before it is renewed"
)]
struct Closed;

impl Fence {
    /// A fence that is closed.
    pub(crate) fn new(clock: Arc<dyn Fn() -> Time + Send + Sync>) -> Self {
        Self {
            clock,
            open: Arc::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Until>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes pass for so long from what is now `instant` and `time`.
    pub(crate) fn open(&self, (instant, time): (Instant, Time), lasts: Duration) {
        *self.lock() = Some(Until {
            instant: instant + lasts,
            time: time + lasts,
        });
    }

    /// No write passes any more.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    /// The present by both clocks.
    pub(crate) fn now(&self) -> (Instant, Time) {
        (Instant::now(), (self.clock)())
    }

    /// Whether a write passes now.
    pub fn is_open(&self) -> bool {
        let (instant, time) = self.now();
        let open = *self.lock();
        open.is_some_and(|until| instant < until.instant && time < until.time)
    }

    /// The same server for who may write only while the fence is open. What is read always passes.
    pub fn guard(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let fence = self.clone();
        Client::new(Guarded { fence, client }, namespace)
    }
}

#[derive(Clone)]
struct Guarded {
    fence: Fence,
    client: Client,
}

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { fence, client } = self.clone();
        Box::pin(async move {
            let reads = [Method::GET, Method::HEAD].contains(request.method());
            if reads || fence.is_open() {
                return client.send(request).await.map_err(BoxError::from);
            }
            Err(Closed.into())
        })
    }
}
