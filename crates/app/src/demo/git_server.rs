//! The demo's repository over http on loopback. A push makes the engine look at once, as a webhook
//! does. For the demo only.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_engine::Engine;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::git_http;

/// A listener that serves the repositories of a folder.
pub(super) struct GitServer {
    listener: TcpListener,
    root: PathBuf,
    engine: Engine,
    port: u16,
}

impl GitServer {
    pub(super) async fn start(root: &Path, engine: Engine) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            root: root.to_owned(),
            engine,
            port,
        })
    }

    /// The address of the demo's repository.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/shop.git", self.port)
    }

    pub(super) async fn serve(self) {
        while let Ok((stream, _)) = self.listener.accept().await {
            let (root, engine) = (self.root.clone(), self.engine.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let (root, engine) = (root.clone(), engine.clone());
                    async move { Ok::<_, std::convert::Infallible>(answer(root, engine, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                let _ = connection.await;
            });
        }
    }
}

async fn answer(
    root: PathBuf,
    engine: Engine,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let is_push = request.uri().path().ends_with("/git-receive-pack");
    let response = git_http::answer(&root, request)
        .await
        .unwrap_or_else(|error| {
            let mut response = Response::new(Full::from(error.to_string()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
    if is_push {
        engine.look_at_sources();
    }
    response
}
