//! Git over http on loopback: requests are handed to the machine's own `git http-backend`. A push
//! makes the engine look at once, as a webhook does. For the demo only.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use bytes::Bytes;
use holdfast_engine::Engine;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

/// The most bytes of one request: a push of the demo's files.
const REQUEST_LIMIT: usize = 64 << 20;

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
    let response = backend(&root, request).await.unwrap_or_else(|error| {
        let mut response = Response::new(Full::from(error.to_string()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    if is_push {
        engine.look_at_sources();
    }
    response
}

/// One request by `git http-backend`, which speaks CGI (RFC 3875).
async fn backend(root: &Path, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_LIMIT).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    let header = |name: &str| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("git http-backend could not be started")?;
    let mut input = child.stdin.take().context("it has no input")?;
    let writing = async move {
        let _ = input.write_all(&body).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), writing);
    respond(&output?.stdout)
}

/// Reads headers, an empty line, and a body.
fn respond(output: &[u8]) -> anyhow::Result<Response<Full<Bytes>>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.context("git http-backend gave no answer")?;
    let mut response = Response::builder();
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        response = if name.eq_ignore_ascii_case("status") {
            response.status(value.split(' ').next().unwrap_or("500").parse::<u16>()?)
        } else {
            response.header(name, value)
        };
    }
    Ok(response.body(Full::from(Bytes::copy_from_slice(&output[end + 4..])))?)
}
