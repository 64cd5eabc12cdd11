//! A collection as a watch tells of it, so that a bench sees what becomes of it at once and sends no
//! requests that would be counted with the engine's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt as _;
use holdfast_model::Value;
use http::Request;
use kube::Client;
use kube::api::WatchEvent;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Objects by name.
pub(crate) type Objects = BTreeMap<String, Value>;

/// What is there of a collection now.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    objects: Arc<Mutex<Objects>>,
    changed: Arc<Notify>,
}

impl Seen {
    /// Watches a collection for as long as the runtime lives.
    pub(crate) fn watch(client: Client, path: &str) -> Self {
        let seen = Self::default();
        let (watching, path) = (seen.clone(), format!("{path}?watch=1"));
        tokio::spawn(async move {
            loop {
                // A watch ends when the server wants; the next one begins with what is there.
                let _ = watching.follow(&client, &path).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        seen
    }

    async fn follow(&self, client: &Client, path: &str) -> anyhow::Result<()> {
        let request = Request::get(path).body(Vec::new())?;
        let events = client.request_events::<Value>(request).await?;
        let mut events = std::pin::pin!(events);
        self.lock().clear();
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.lock().insert(name(&object), object);
                }
                WatchEvent::Deleted(object) => {
                    self.lock().remove(&name(&object));
                }
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
            }
            self.changed.notify_waiters();
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something holds of what is there.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub(crate) async fn wait(
        &self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&Objects) -> bool,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + patience;
        loop {
            // Registered before it is looked, so that no change is missed.
            let changed = self.changed.notified();
            if holds(&self.lock()) {
                return Ok(());
            }
            let in_time = tokio::time::timeout_at(end, changed).await;
            anyhow::ensure!(in_time.is_ok(), "not {what} in {} s", patience.as_secs());
        }
    }
}

fn name(object: &Value) -> String {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}
