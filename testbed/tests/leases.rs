//! The lease that lets one engine at a time work on a control plane.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast::wiring::{self, EngineSettings};
use holdfast_control::Lease;
use holdfast_model::Value;
use holdfast_model::time::Time;
use holdfast_testbed::bed::{Stage, config};
use serde_json::json;

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
