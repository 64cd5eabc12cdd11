//! Connections, and how much of each is bounded. It must not know what is asked.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::guard::{self, Peer};
use crate::router::router;
use crate::site::{Page, Site};
use crate::tls::Certificate;

/// How many connections are served at once; others wait in the queue of the system.
const CONNECTIONS: usize = 512;
/// How long a connection may say nothing before its next request is complete.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a connection is served, whatever it does; an open page connects again.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long is waited when no connection can be taken, as when the process has no files left.
const PAUSE: Duration = Duration::from_millis(500);
/// The most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// The most requests at once on a connection.
const AT_ONCE: u32 = 32;

/// How long a connection may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves a page until the future is dropped, over TLS where there is a certificate; every connection ends
/// with it.
pub async fn serve(listener: TcpListener, page: Page, certificate: Option<Certificate>) {
    let certificate = certificate.map(Arc::new);
    let site = Site::new(page);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let (site, certificate) = (Arc::clone(&site), certificate.clone());
                let serving = async move {
                    let peer = Peer(address.ip().to_canonical());
                    match certificate {
                        None => serve_one(stream, site, peer).await,
                        Some(certificate) => serve_tls(stream, &certificate, site, peer).await,
                    }
                };
                connections.spawn(async move {
                    let _ = tokio::time::timeout(LONGEST, serving).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "A connection to the page could not be taken.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_tls(stream: TcpStream, certificate: &Certificate, site: Arc<Site>, peer: Peer) {
    let accepted = certificate.acceptor().accept(stream);
    match tokio::time::timeout(HANDSHAKE, accepted).await {
        Ok(Ok(stream)) => serve_one(stream, site, peer).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "A connection to the page did not get through TLS.")
        }
        Err(_) => {}
    }
}

async fn serve_one<S>(stream: S, site: Arc<Site>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router(Arc::clone(&site));
    let answer = service_fn(move |request: Request<Incoming>| {
        let (site, router) = (Arc::clone(&site), router.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            Ok::<_, Infallible>(guard::answer(&site, router, request).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(16 << 10)
        .max_concurrent_streams(AT_ONCE)
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE);
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}
