//! A proxy between the engine and an API server that fails as networks and servers do: refusals,
//! errors, connections that are reset, answers that break off or are late, watches that end or are too
//! old. The same faults are there without a network, for clusters in this process. It must not know what
//! requests are for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// By how much a slow server is late.
const LATE: Duration = Duration::from_millis(100);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `429` with `Retry-After: 1`; the server never sees it.
    Busy,
    /// `500`; the server never sees it.
    ServerError,
    /// The connection is closed without an answer; the server never sees it.
    Reset,
    /// The server carries it out, and half of its answer comes.
    HalfAnswer,
    /// The server carries it out, and the connection is closed without an answer.
    LostAnswer,
    /// A watch is told that it is too old; other requests pass.
    Gone,
    /// `503`; the server never sees it.
    Unavailable,
    /// The server sees it a tenth of a second late.
    Slow,
}

/// A proxy that runs until its runtime ends.
#[derive(Clone)]
pub struct FaultProxy {
    address: SocketAddr,
    faults: Faults,
}

/// What goes wrong between clients and a server.
#[derive(Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    dropped: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Every how many requests one fails; never when 0.
    every: u64,
    faults: Vec<Fault>,
    requests: u64,
    met: BTreeMap<Fault, u64>,
    /// As whom requests are sent on, where not as the client's own account.
    user: Option<String>,
    /// What is refused to whom: writes below paths that hold these words.
    refused: Option<(String, StatusCode)>,
    refusals: u64,
}

impl FaultProxy {
    /// Starts a proxy in front of the server behind a client.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(server: Client) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let proxy = Self {
            address: listener.local_addr()?,
            faults: Faults::default(),
        };
        let serving = proxy.faults.clone();
        serve(listener, move |request| {
            let (faults, server) = (serving.clone(), server.clone());
            async move { faults.answer(&server, request).await }
        });
        Ok(proxy)
    }

    /// A client of the server through the proxy.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> anyhow::Result<Client> {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse()?);
        config.default_retry = false;
        config.read_timeout = None;
        Ok(Client::try_from(config)?)
    }
}

impl Deref for FaultProxy {
    type Target = Faults;

    fn deref(&self) -> &Faults {
        &self.faults
    }
}

impl Faults {
    /// A client whose requests meet them on the way to the server behind another one.
    pub fn client(&self, server: Client) -> Client {
        let faults = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (faults, server) = (faults.clone(), server.clone());
            async move { faults.answer(&server, request).await }
        });
        Client::new(service, "default")
    }

    /// From now on every `every`th request meets the next of these faults; none when it is 0.
    pub fn fail(&self, every: u64, faults: &[Fault]) {
        let mut state = self.lock();
        state.every = every;
        state.faults = faults.to_vec();
    }

    /// From now on requests are those of another account.
    pub fn act_as(&self, user: &str) {
        self.lock().user = Some(user.to_owned());
    }

    /// From now on writes to paths that hold these words are refused with a status, by a server that sees
    /// none of them; `None` for none.
    pub fn refuse(&self, writes: Option<(&str, StatusCode)>) {
        let mut state = self.lock();
        state.refused = writes.map(|(words, status)| (words.to_owned(), status));
        state.refusals = 0;
    }

    /// How many writes were refused since that was asked for.
    pub fn refusals(&self) -> u64 {
        self.lock().refusals
    }

    fn refusal(&self, method: &Method, path: &str) -> Option<StatusCode> {
        let mut state = self.lock();
        let (words, status) = state.refused.as_ref()?;
        if *method == Method::GET || !path.contains(words.as_str()) {
            return None;
        }
        let status = *status;
        state.refusals += 1;
        Some(status)
    }

    /// Ends all watches that are open.
    pub fn drop_watches(&self) {
        self.dropped.notify_waiters();
    }

    /// How often each fault has happened.
    pub fn met(&self) -> BTreeMap<Fault, u64> {
        self.lock().met.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to the next request.
    fn next(&self, is_watch: bool) -> Option<Fault> {
        let mut state = self.lock();
        state.requests += 1;
        if state.every == 0
            || !state.requests.is_multiple_of(state.every)
            || state.faults.is_empty()
        {
            return None;
        }
        let turn = usize::try_from(state.requests / state.every).unwrap_or_default();
        let fault = state.faults[turn % state.faults.len()];
        if fault == Fault::Gone && !is_watch {
            return None;
        }
        *state.met.entry(fault).or_default() += 1;
        Some(fault)
    }

    async fn answer<B>(
        &self,
        server: &Client,
        request: Request<B>,
    ) -> Result<Response<Answer>, Closed>
    where
        B: Body<Data = Bytes>,
    {
        if let Some(status) = self.refusal(request.method(), request.uri().path()) {
            return Ok(refusal(status));
        }
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.contains("watch=true") || query.contains("watch=1");
        let fault = self.next(is_watch);
        match fault {
            Some(Fault::Busy) => return Ok(refusal(StatusCode::TOO_MANY_REQUESTS)),
            Some(Fault::ServerError) => return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR)),
            Some(Fault::Unavailable) => return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE)),
            Some(Fault::Slow) => tokio::time::sleep(LATE).await,
            Some(Fault::Reset) => return Err(Closed),
            Some(Fault::Gone) => {
                let event = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1",
                    "metadata":{},"status":"Failure","message":"too old resource version",
                    "reason":"Expired","code":410}}"#;
                let text: String = String::from_utf8_lossy(event).replace('\n', " ") + "\n";
                return Ok(Response::new(Answer::whole(text.into())));
            }
            Some(Fault::HalfAnswer | Fault::LostAnswer) | None => {}
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let path = parts.uri.path_and_query().map(|path| path.as_str());
        let mut forwarded = Request::builder()
            .method(parts.method)
            .uri(path.unwrap_or("/"));
        for name in [http::header::ACCEPT, http::header::CONTENT_TYPE] {
            if let Some(value) = parts.headers.get(&name) {
                forwarded = forwarded.header(name, value);
            }
        }
        if let Some(user) = self.lock().user.as_deref() {
            forwarded = forwarded.header("Impersonate-User", user);
        }
        let forwarded = forwarded.body(body.into()).map_err(|_| Closed)?;
        let answer = server.send(forwarded).await.map_err(|_| Closed)?;
        let (head, body) = answer.into_parts();
        match fault {
            Some(Fault::LostAnswer) => Err(Closed),
            Some(Fault::HalfAnswer) if !is_watch => {
                let whole = body.collect().await.map_err(|_| Closed)?.to_bytes();
                let half = whole.slice(..whole.len() / 2);
                Ok(Response::from_parts(head, Answer::half(half, whole.len())))
            }
            // A watch ends after its first part.
            Some(Fault::HalfAnswer) => Ok(Response::from_parts(head, Answer::first(body))),
            _ => {
                let mut answer = Answer::all(body);
                if is_watch {
                    let dropped = Arc::clone(&self.dropped);
                    answer.ends = Some(Box::pin(async move { dropped.notified().await }));
                }
                Ok(Response::from_parts(head, answer))
            }
        }
    }
}

/// Serves http on a listener until the runtime ends.
pub(crate) fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Result<Response<Answer>, Closed>> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(answer.clone());
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                let _ = connection.await;
            });
        }
    });
}

fn refusal(status: StatusCode) -> Response<Answer> {
    let reason = match status {
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::FORBIDDEN => "Forbidden",
        _ => "InternalError",
    };
    let text = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "message": "the test bed fails this request", "code": status.as_u16(),
        "details": {"retryAfterSeconds": 1},
    });
    let mut response = Response::new(Answer::whole(text.to_string().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from(1));
    response
}

/// The connection is closed.
#[derive(Debug)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the test bed closes the connection")
    }
}

impl std::error::Error for Closed {}

/// The body of an answer, perhaps one that breaks off.
pub(crate) struct Answer {
    body: Pin<Box<dyn Body<Data = Bytes, Error = kube::Error> + Send>>,
    /// How many bytes are promised.
    promised: Option<u64>,
    /// Whether the connection is closed after the first part.
    breaks: bool,
    is_over: bool,
    /// What ends it although there may be more.
    ends: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Answer {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::all(Full::new(bytes))
    }

    fn all<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        Self {
            promised: body.size_hint().exact(),
            body: Box::pin(body.map_err(|error| kube::Error::Service(error.to_string().into()))),
            breaks: false,
            is_over: false,
            ends: None,
        }
    }

    pub(crate) fn half(bytes: Bytes, promised: usize) -> Self {
        Self {
            promised: u64::try_from(promised).ok(),
            breaks: true,
            ..Self::whole(bytes)
        }
    }

    fn first(body: kube::client::Body) -> Self {
        Self {
            promised: None,
            breaks: true,
            ..Self::all(body)
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if self.is_over {
            return Poll::Ready(Some(Err(Closed)));
        }
        if let Some(ends) = &mut self.ends
            && ends.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(Err(Closed)));
        }
        let frame = std::task::ready!(self.body.as_mut().poll_frame(context));
        self.is_over = self.breaks;
        Poll::Ready(frame.map(|frame| frame.map_err(|_| Closed)))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self.promised {
            Some(promised) => hyper::body::SizeHint::with_exact(promised),
            None => hyper::body::SizeHint::default(),
        }
    }
}
