//! The lease that lets one engine at a time work on a control plane.

use holdfast::wiring;
use holdfast_control::Lease;
use holdfast_model::Value;
use holdfast_model::time::Time;

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
