//! A lease on being the engine of a control plane: two engines at once would undo each other's
//! bookkeeping. It must not know what its holder does.

use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::time::Time;
use http::Method;
use kube::Client;
use serde_json::json;

use crate::rest::{self, Call, Error, ErrorKind, JSON};

/// How long a lease lasts without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(5);

/// A lease on being the engine.
pub struct Lease {
    client: Client,
    namespace: String,
    holder: String,
    clock: Box<dyn Fn() -> Time + Send + Sync>,
}

impl Lease {
    /// The lease `holdfast` in a namespace, wanted by `holder`, a name that nobody else has.
    pub fn new(
        client: Client,
        namespace: &str,
        holder: &str,
        clock: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            holder: holder.to_owned(),
            clock: Box::new(clock),
        }
    }

    /// Waits until the lease is ours.
    ///
    /// # Errors
    /// When the API refuses; that it cannot be reached is waited out.
    pub async fn acquire(&self) -> Result<(), Error> {
        loop {
            match self.take().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind == ErrorKind::Refused => return Err(error),
                Err(error) => tracing::debug!(%error, "The lease could not be taken."),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Renews the lease until it is lost: somebody else has it, or it could not be renewed for as
    /// long as it lasts.
    pub async fn keep(&self) {
        let mut renewed = (self.clock)();
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.take().await {
                Ok(true) => renewed = (self.clock)(),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "The lease could not be renewed.");
                    if (self.clock)().since(renewed) > DURATION {
                        return;
                    }
                }
            }
        }
    }

    /// Takes or renews the lease; whether it is ours now.
    async fn take(&self) -> Result<bool, Error> {
        let action = "take the lease";
        let leases = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            rest::encode(&self.namespace)
        );
        let path = format!("{leases}/holdfast");
        let now = (self.clock)();
        let current = match rest::get(&self.client, action, path.clone()).await {
            Ok(lease) => Some(lease),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let held_by_other = current
            .as_ref()
            .is_some_and(|lease| self.is_held(lease, now));
        if held_by_other {
            return Ok(false);
        }
        let version = current
            .as_ref()
            .and_then(|lease| lease.pointer("/metadata/resourceVersion"))
            .cloned();
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "holdfast", "namespace": self.namespace},
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": DURATION.as_secs(),
                "renewTime": micro_time(now),
            },
        });
        let (method, path) = match version {
            Some(version) => {
                lease["metadata"]["resourceVersion"] = version;
                (Method::PUT, path)
            }
            None => (Method::POST, leases),
        };
        let call = Call {
            method,
            path,
            content_type: JSON,
            body: Some(&lease),
        };
        match rest::send(&self.client, action, call).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_held(&self, lease: &Value, now: Time) -> bool {
        let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let holder = text("/spec/holderIdentity");
        let renewed = Time::parse(text("/spec/renewTime")).unwrap_or_default();
        let seconds = lease
            .pointer("/spec/leaseDurationSeconds")
            .and_then(Value::as_u64);
        let lasts = Duration::from_secs(seconds.unwrap_or_default());
        !holder.is_empty() && holder != self.holder && now.since(renewed) < lasts
    }
}

/// A time in the form that Leases want: RFC 3339 with microseconds.
fn micro_time(time: Time) -> String {
    let whole = time.to_string();
    let millis = time.millis.rem_euclid(1_000);
    format!("{}.{millis:03}000Z", whole.trim_end_matches('Z'))
}
