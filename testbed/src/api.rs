//! A few words for tests to speak to an API with.

use std::path::Path;
use std::time::{Duration, Instant};

use holdfast::wiring::{self, Connection};
use holdfast_model::Value;
use http::{Method, Request};
use kube::Client;

/// An API behind a client.
#[derive(Clone)]
pub struct Api {
    /// The client.
    pub client: Client,
}

/// How long a test waits for something to become so.
const PATIENCE: Duration = Duration::from_secs(30);

impl Api {
    /// Connects by a kubeconfig as soon as it is there and a path is answered.
    ///
    /// # Errors
    /// When that does not come to pass.
    pub async fn connect(kubeconfig: &Path, path: &str) -> anyhow::Result<Self> {
        let connection = Connection {
            kubeconfig: Some(kubeconfig.to_owned()),
            context: None,
        };
        let start = Instant::now();
        loop {
            if let Ok(connected) = wiring::connect(&connection).await {
                let api = Self {
                    client: connected.client,
                };
                if api.get(path).await.is_ok() {
                    return Ok(api);
                }
            }
            let kubeconfig = kubeconfig.display();
            anyhow::ensure!(start.elapsed() < PATIENCE, "{kubeconfig} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a request with a JSON body or none.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()?
            .unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(body)?;
        Ok(self.client.request(request).await?)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, "application/json", None).await
    }

    /// Creates an object below a path.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, "application/json", Some(object))
            .await
    }

    /// Merges into an object, as a manager of that name.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn merge(&self, path: &str, manager: &str, patch: &Value) -> anyhow::Result<Value> {
        let path = format!("{path}?fieldManager={manager}");
        self.send(
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            Some(patch),
        )
        .await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::DELETE, path, "application/json", None)
            .await
    }

    /// Waits until an object is as `holds` says; the object. What it was last is in the error.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn wait(
        &self,
        path: &str,
        what: &str,
        holds: impl Fn(Option<&Value>) -> bool,
    ) -> anyhow::Result<Value> {
        let start = Instant::now();
        loop {
            let now = self.get(path).await.ok();
            if holds(now.as_ref()) {
                return Ok(now.unwrap_or(Value::Null));
            }
            let last = now.map(|value| format!("{value:#}")).unwrap_or_default();
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "{path} is not {what}; it is {last}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
