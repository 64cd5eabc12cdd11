//! A lease on being the engine of a control plane: two engines at once would undo each other's
//! bookkeeping. It must not know what its holder does.
//!
//! As client-go's leader election has it, no clock of another host counts: whoever waits times how long
//! it has itself seen the record unchanged. The holder stops when it could not renew for a time that is
//! shorter than that by more than a request may take, so that it has stopped before another begins; and
//! what it writes passes a [`Fence`], which is open for as long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::percent::encode;
use holdfast_model::time::Time;
use http::Method;
use kube::Client;
use serde_json::json;
use tokio::time::Instant;

use crate::fence::Fence;
use crate::rest::{self, Call, Error, ErrorKind, JSON};

/// How long a lease lasts without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How long it is tried to renew it, before its holder stops.
const RENEWAL_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(5);
/// How often it is tried again to take it, or to renew it when that has failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long its release may take: the process is on its way out.
const RELEASE: Duration = Duration::from_secs(3);

/// A lease on being the engine.
pub struct Lease {
    client: Client,
    namespace: String,
    holder: String,
    clock: Arc<dyn Fn() -> Time + Send + Sync>,
    fence: Fence,
    /// The record as it was last seen to change, and when that was by our own clock.
    seen: Mutex<Option<(Value, Instant)>>,
}

impl Lease {
    /// The lease `holdfast` in a namespace, wanted by `holder`, a name that nobody else has.
    pub fn new(
        client: Client,
        namespace: &str,
        holder: &str,
        clock: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Self {
        let clock: Arc<dyn Fn() -> Time + Send + Sync> = Arc::new(clock);
        Self {
            client,
            namespace: namespace.to_owned(),
            holder: holder.to_owned(),
            fence: Fence::new(Arc::clone(&clock)),
            clock,
            seen: Mutex::default(),
        }
    }

    /// What is open for as long as the lease is known to be ours.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Waits until the lease is ours.
    ///
    /// # Errors
    /// When the API refuses; that it cannot be reached is waited out.
    pub async fn acquire(&self) -> Result<(), Error> {
        loop {
            match self.try_once().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind == ErrorKind::Refused => return Err(error),
                Err(error) => tracing::debug!(%error, "The lease could not be taken."),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews the lease until it is lost: somebody else has it, or it could not be renewed for so long
    /// that somebody else may soon take it.
    pub async fn keep(&self) {
        let mut renewed = Instant::now();
        let mut pause = RENEWAL;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let answer = tokio::time::timeout_at(renewed + RENEWAL_DEADLINE, self.try_once()).await;
            match answer {
                Ok(Ok(true)) => {
                    renewed = asked;
                    pause = RENEWAL;
                }
                Ok(Ok(false)) => {
                    self.fence.close();
                    return;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "The lease could not be renewed.");
                    pause = RETRY;
                }
                Err(_) => {
                    tracing::warn!("The lease could not be renewed in time.");
                    return;
                }
            }
        }
    }

    /// Gives the lease up, so that another engine need not wait for its end. To be called when nothing
    /// is done any more under it.
    pub async fn release(&self) {
        self.fence.close();
        let release = async {
            let held = rest::get(&self.client, "release the lease", self.path()).await?;
            let holder = held.pointer("/spec/holderIdentity").and_then(Value::as_str);
            if holder != Some(&self.holder) {
                return Ok(());
            }
            self.write("", Some(&held)).await.map(drop)
        };
        match tokio::time::timeout(RELEASE, release).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "The lease was not released."),
            Err(_) => tracing::debug!("The lease was not released in time."),
        }
    }

    fn path(&self) -> String {
        format!("{}/holdfast", self.leases())
    }

    fn leases(&self) -> String {
        format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            encode(&self.namespace)
        )
    }

    /// As [`Lease::take`], within the time that a renewal may take.
    async fn try_once(&self) -> Result<bool, Error> {
        // What was asked for before it was answered counts: it may have been taken up then.
        let asked = self.fence.now();
        let taken = tokio::time::timeout(RENEWAL, self.take()).await;
        if matches!(taken, Ok(Ok(true))) {
            self.fence.open(asked, RENEWAL_DEADLINE);
        }
        taken.unwrap_or_else(|_| {
            Err(Error {
                action: "take the lease".to_owned(),
                message: format!("no answer within {} s", RENEWAL.as_secs()),
                kind: ErrorKind::Unreachable,
            })
        })
    }

    /// Takes or renews the lease; whether it is ours now.
    async fn take(&self) -> Result<bool, Error> {
        let current = match rest::get(&self.client, "take the lease", self.path()).await {
            Ok(lease) => Some(lease),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if current.as_ref().is_some_and(|lease| self.is_held(lease)) {
            return Ok(false);
        }
        self.write(&self.holder, current.as_ref()).await
    }

    /// Writes the lease over the one that was read; whether nobody else has written in between.
    async fn write(&self, holder: &str, current: Option<&Value>) -> Result<bool, Error> {
        // As by client-go, one that is given up lasts for a second.
        let lasts = if holder.is_empty() {
            1
        } else {
            DURATION.as_secs()
        };
        let now = micro_time((self.clock)());
        let before = current.map(|lease| &lease["spec"]);
        let held = before.and_then(|spec| spec["holderIdentity"].as_str());
        let begun = before.map(|spec| &spec["acquireTime"]);
        let transitions = before.and_then(|spec| spec["leaseTransitions"].as_i64());
        let (begun, transitions) = match (held, begun) {
            (Some(held), Some(begun)) if held == holder => {
                (begun.clone(), transitions.unwrap_or(0))
            }
            _ => (
                now.clone().into(),
                transitions.map_or(0, |before| before + 1),
            ),
        };
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "holdfast", "namespace": self.namespace},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": lasts,
                "acquireTime": begun,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        });
        let (method, path) = match current {
            Some(current) => {
                lease["metadata"]["resourceVersion"] =
                    current["metadata"]["resourceVersion"].clone();
                (Method::PUT, self.path())
            }
            None => (Method::POST, self.leases()),
        };
        let call = Call {
            method,
            path,
            content_type: JSON,
            body: Some(&lease),
        };
        match rest::send(&self.client, "take the lease", call).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody else has it: the record has changed within the time that it lasts, by our own
    /// clock and since we first saw it.
    fn is_held(&self, lease: &Value) -> bool {
        let record = lease.get("spec").cloned().unwrap_or_default();
        let holder = record.get("holderIdentity").and_then(Value::as_str);
        let is_other = holder.is_some_and(|holder| !holder.is_empty() && holder != self.holder);
        if !is_other {
            return false;
        }
        let seconds = record.get("leaseDurationSeconds").and_then(Value::as_u64);
        let lasts = Duration::from_secs(seconds.unwrap_or_default());
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((known, since)) if *known == record => now.duration_since(*since) < lasts,
            _ => {
                *seen = Some((record, now));
                !lasts.is_zero()
            }
        }
    }
}

/// A time in the form that Leases want: RFC 3339 with microseconds.
fn micro_time(time: Time) -> String {
    let whole = time.to_string();
    let millis = time.millis.rem_euclid(1_000);
    format!("{}.{millis:03}000Z", whole.trim_end_matches('Z'))
}
