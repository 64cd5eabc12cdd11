//! The lease that lets one engine at a time work on a control plane.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use holdfast::wiring::{self, EngineSettings};
use holdfast_control::Lease;
use holdfast_model::Value;
use holdfast_model::time::Time;
use holdfast_testbed::bed::{Stage, config};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::time::Instant;
use tower::{BoxError, Service};

use crate::on_embedded;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast";

fn text(lease: Option<&Value>, field: &str) -> String {
    let found = lease.and_then(|lease| lease.pointer(&format!("/spec/{field}"))?.as_str());
    found.unwrap_or_default().to_owned()
}

/// What counts is how long the record has not changed, by one's own clock.
#[test]
fn a_holder_whose_clock_is_an_hour_late_keeps_the_lease_until_it_releases_it() {
    on_embedded(|bed| async move {
        let client = bed.client().await?;
        let late = || Time::from_millis(wiring::now().millis - 3_600_000);
        let holder = Lease::new(client.clone(), "default", "holder", late);
        let other = Lease::new(client, "default", "other", wiring::now);
        holder.acquire().await?;
        let first = bed.api.get(LEASE).await?;
        let renewals = async {
            let mut last = text(Some(&first), "renewTime");
            for what in ["renewed", "renewed again"] {
                let is_new = |lease: Option<&Value>| text(lease, "renewTime") != last;
                let lease = bed.api.wait(LEASE, what, is_new).await?;
                last = text(Some(&lease), "renewTime");
            }
            anyhow::Ok(())
        };
        tokio::select! {
            () = holder.keep() => anyhow::bail!("the holder lost it"),
            _ = other.acquire() => anyhow::bail!("it was taken from who renews it"),
            renewed = renewals => renewed?,
        }
        holder.release().await;
        assert_eq!(text(Some(&bed.api.get(LEASE).await?), "holderIdentity"), "");
        other.acquire().await?;
        // Who does not hold it any more gives nothing up.
        holder.release().await;
        let holder = text(Some(&bed.api.get(LEASE).await?), "holderIdentity");
        assert_eq!(holder, "other");
        Ok(())
    });
}

/// What a machine that slept finds: its own clock has gone on, and nobody has renewed the lease.
#[test]
fn an_engine_that_could_not_renew_its_lease_writes_nothing_until_it_has() {
    on_embedded(|bed| async move {
        let mut stage = Stage::new(&bed, "fenced").await?;
        stage.stop_engine();
        let slept = Arc::new(AtomicI64::new(0));
        let ahead = Arc::clone(&slept);
        let clock = move || Time::from_millis(wiring::now().millis + ahead.load(Ordering::SeqCst));
        let client = bed.client().await?;
        let lease = Lease::new(client.clone(), "default", "engine", clock);
        let data = tempfile::tempdir()?;
        let mut settings = EngineSettings::new(data.path().to_owned());
        settings.fence = Some(lease.fence());
        lease.acquire().await?;
        let (engine, plane) = wiring::engine(client, &settings);
        tokio::spawn(wiring::run(engine.clone(), plane, settings));
        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        let commit = stage.repository.commit("one")?;
        stage.stack("s", json!({})).await?;
        let ready = stage.wait_ready("s", &commit).await?;

        slept.store(3_600_000, Ordering::SeqCst);
        stage.repository.write("app/a.yaml", &config("a", "two"))?;
        let commit = stage.repository.commit("two")?;
        // It sees the commit, and that somebody changes what is in place.
        let hand = json!({"data": {"text": "hand"}});
        stage
            .api
            .merge(&stage.config_path("a"), "alice", &hand)
            .await?;
        for word in ["once", "twice"] {
            let before = engine.telemetry().looks;
            stage.ask("s", word).await?;
            while engine.telemetry().looks == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        stage.wait_config("a", "hand").await?;
        let stack = stage.api.get(&stage.stack_path("s")).await?;
        assert_eq!(stack["status"], ready["status"]);

        // Renewed, it goes on with what there is to do.
        tokio::select! {
            () = lease.keep() => anyhow::bail!("the lease was lost"),
            ready = stage.wait_ready("s", &commit) => ready.map(drop)?,
        }
        stage.wait_config("a", "two").await?;
        Ok(())
    });
}

/// A server that takes requests and never answers them, as long as it is told to.
#[derive(Clone)]
struct Silent {
    client: Client,
    is_silent: Arc<AtomicBool>,
}

impl Service<Request<Body>> for Silent {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { client, is_silent } = self.clone();
        Box::pin(async move {
            if is_silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            client.send(request).await.map_err(BoxError::from)
        })
    }
}

/// It takes as long as a lease lasts, in which nobody does anything.
#[test]
fn a_holder_whose_renewals_hang_has_ended_before_another_begins() {
    on_embedded(|bed| async move {
        let client = bed.client().await?;
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = Silent {
            client: client.clone(),
            is_silent: Arc::clone(&is_silent),
        };
        let silent = Client::new(silent, "default");
        let holder = Lease::new(silent, "default", "holder", wiring::now);
        let other = Lease::new(client.clone(), "default", "other", wiring::now);
        holder.acquire().await?;
        let guarded = holder.fence().guard(client);
        let write = async || {
            let request = Request::post("/api/v1/namespaces")
                .header("content-type", "application/json")
                .body(br#"{"metadata": {"generateName": "a-"}}"#.to_vec())?;
            anyhow::Ok(guarded.request::<Value>(request).await.is_ok())
        };
        assert!(write().await?);

        is_silent.store(true, Ordering::SeqCst);
        let ended = async {
            holder.keep().await;
            Instant::now()
        };
        let begun = async {
            other.acquire().await?;
            anyhow::Ok((Instant::now(), write().await?))
        };
        let (ended, begun) = tokio::join!(ended, begun);
        let (begun, is_written) = begun?;
        assert!(ended < begun);
        assert!(!is_written);
        Ok(())
    });
}
