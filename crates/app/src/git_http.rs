//! Git over http: requests are handed to the machine's own `git http-backend`. For the demo and for
//! tests; it must not know who asks, nor guard anything.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The most bytes of one request: a push of a small repository.
const REQUEST_LIMIT: usize = 64 << 20;

/// Answers one request for a repository of the folder `root` by `git http-backend`, which speaks CGI
/// (RFC 3875). A request has at most 64 MiB; the answer is held in memory.
///
/// # Errors
/// When the request breaks off or is too large, and when git cannot be run or gives no answer.
pub async fn answer(
    root: &Path,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
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
