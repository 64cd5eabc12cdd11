//! `/metrics`, `/healthz` and `/readyz` over http. It must not act on anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use holdfast_engine::{Engine, Telemetry};
use holdfast_model::status::Truth;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

mod stacks;

/// How many connections are served at once; others wait in the queue of the system.
const CONNECTIONS: usize = 64;
/// How long a connection may say nothing before its next request is complete.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a connection is served, whatever it does.
const LONGEST: Duration = Duration::from_secs(300);
/// How long is waited when no connection can be taken, as when the process has no files left.
const PAUSE: Duration = Duration::from_millis(500);
/// The most bytes of a request's head.
const HEAD: usize = 16 << 10;

/// What is told about an engine.
#[derive(Clone)]
pub struct Observed {
    /// The engine.
    pub engine: Engine,
    /// Whether it works: it has the lease and knows the Stacks.
    pub ready: Arc<AtomicBool>,
}

/// Serves on an address until the future is dropped.
///
/// # Errors
/// When the address cannot be had.
pub async fn serve(address: SocketAddr, observed: Observed) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}; choose another with --listen"))?;
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be taken.");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let observed = observed.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LONGEST, serve_one(stream, observed)).await;
            drop(permit);
        });
    }
}

async fn serve_one(stream: TcpStream, observed: Observed) {
    let answer = service_fn(move |request| {
        let response = answer(&observed, &request);
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
}

fn answer(observed: &Observed, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, health(&observed.engine)),
        "/readyz" if observed.ready.load(Ordering::Relaxed) => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => {
            let text = "waits for the lease and for the list of Stacks\n";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        "/metrics" => (StatusCode::OK, metrics(&observed.engine)),
        _ => (
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz and /readyz\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// That the process works; and which Stacks it could not reconcile for a defect of its own. The code
/// stays 200: to start the process anew would help none of them, and stop all others.
fn health(engine: &Engine) -> String {
    let defects = engine.defects();
    if defects.is_empty() {
        return "ok\n".to_owned();
    }
    let mut out = "reconciliations broke off; the log says more about each report\n".to_owned();
    for defect in defects {
        let _ = writeln!(
            out,
            "{}: report {}, {} times in a row",
            defect.stack, defect.report, defect.times
        );
    }
    out
}

/// The engine's numbers in the text format of Prometheus 0.0.4.
fn metrics(engine: &Engine) -> String {
    let telemetry = engine.telemetry();
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    work(&telemetry, &mut family);
    family(
        "holdfast_events_waiting",
        "gauge",
        "Events that the API server has not taken yet, and that are tried again.",
        &plain(telemetry.unread.waiting),
    );
    family(
        "holdfast_events_lost_total",
        "counter",
        "Events that the API server never took; the log has them.",
        &plain(telemetry.unread.lost),
    );
    let defects = u64::try_from(engine.defects().len()).unwrap_or(u64::MAX);
    family(
        "holdfast_defects",
        "gauge",
        "Stacks whose last reconciliation broke off, each a defect of Holdfast.",
        &plain(defects),
    );
    family(
        "holdfast_stacks",
        "gauge",
        "Stacks, by whether they are ready.",
        &readiness(engine),
    );
    stacks::write(&engine.statuses(), &telemetry, &mut family);
    out
}

fn plain(value: u64) -> Vec<(String, u64)> {
    vec![(String::new(), value)]
}

fn labelled(label: &str, counts: &BTreeMap<&'static str, u64>) -> Vec<(String, u64)> {
    let sample = |(word, count): (&&str, &u64)| (format!("{{{label}=\"{word}\"}}"), *count);
    counts.iter().map(sample).collect()
}

/// What the engine has done, and what has happened.
fn work(telemetry: &Telemetry, family: &mut stacks::Family<'_>) {
    let mut counter = |name: &str, help: &str, samples: Vec<(String, u64)>| {
        family(name, "counter", help, &samples);
    };
    counter(
        "holdfast_looks_total",
        "Reconciliations of Stacks.",
        plain(telemetry.looks),
    );
    counter(
        "holdfast_renders_total",
        "Renders of Stacks whose inputs had changed.",
        plain(telemetry.renders),
    );
    counter(
        "holdfast_operations_total",
        "Operations that did something or failed to, by how they ended.",
        labelled("end", &telemetry.operations),
    );
    counter(
        "holdfast_steps_total",
        "Steps that changed a target.",
        labelled("verb", &telemetry.steps),
    );
    counter(
        "holdfast_drift_healed_total",
        "Steps that put drift back.",
        plain(telemetry.healed),
    );
    counter(
        "holdfast_events_total",
        "What happened to Stacks, by reason.",
        labelled("reason", &telemetry.events),
    );
}

/// How many Stacks are ready, are not, and may be.
fn readiness(engine: &Engine) -> Vec<(String, u64)> {
    let statuses = engine.statuses();
    let count = |truth: Truth| {
        let matching = statuses
            .iter()
            .filter(|(_, status)| status.ready.holds == truth);
        u64::try_from(matching.count()).unwrap_or(u64::MAX)
    };
    vec![
        ("{ready=\"true\"}".to_owned(), count(Truth::True)),
        ("{ready=\"false\"}".to_owned(), count(Truth::False)),
        ("{ready=\"unknown\"}".to_owned(), count(Truth::Unknown)),
    ]
}
