//! What commands ask of the control plane's API, with errors that say what to do. It must not know
//! any command.

use anyhow::Context as _;
use holdfast_api::native::deeds;
use holdfast_model::Value;
use holdfast_model::deed::{Action, Deed};
use holdfast_model::percent::encode;
use http::{Method, Request};
use kube::Client;
use serde_json::{Map, json};

use super::Global;
use super::show::{Tone, tone_of};
use crate::wiring;

/// The control plane as commands use it.
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// Who asks, where that is not the user of the client: somebody who has signed in to the page.
    pub(crate) acting: Option<String>,
}

/// The manager that commands write as.
const MANAGER: &str = "holdfast-cli";

impl Api {
    pub(crate) async fn connect(global: &Global) -> anyhow::Result<Self> {
        let connected = wiring::connect(&global.connection()).await?;
        Ok(Self {
            client: connected.client,
            namespace: global.namespace.clone().unwrap_or(connected.namespace),
            acting: None,
        })
    }

    pub(crate) async fn send(
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
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) if is_undefined(&status.message, path) => {
                anyhow::bail!(
                    "this cluster has no Stacks yet; run: holdfast crds | kubectl apply -f -"
                )
            }
            Err(kube::Error::Api(status)) => anyhow::bail!("{}", status.message),
            Err(error) => Err(error).context("the control plane could not be reached"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, "application/json", None).await
    }

    /// The path of all Stacks of the namespace, or of all namespaces.
    pub(crate) fn stacks_path(&self, all: All) -> String {
        match all {
            All::Namespaces => "/apis/holdfast.dev/v1alpha1/stacks".to_owned(),
            All::OfOne => {
                format!(
                    "/apis/holdfast.dev/v1alpha1/namespaces/{}/stacks",
                    self.namespace
                )
            }
        }
    }

    pub(crate) fn stack_path(&self, name: &str) -> String {
        format!("{}/{name}", self.stacks_path(All::OfOne))
    }

    pub(crate) async fn stack(&self, name: &str) -> anyhow::Result<Value> {
        self.get(&self.stack_path(name)).await
    }

    /// Merges into a Stack.
    pub(crate) async fn change(&self, name: &str, patch: &Value) -> anyhow::Result<Value> {
        let path = format!("{}?fieldManager={MANAGER}", self.stack_path(name));
        self.send(
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            Some(patch),
        )
        .await
    }

    /// Merges into a Stack as it was read; nothing is written where somebody else wrote in between,
    /// and the answer is false.
    pub(crate) async fn change_unchanged(
        &self,
        stack: &Value,
        mut patch: Value,
    ) -> anyhow::Result<bool> {
        let path = self.stack_path(text(stack, "/metadata/name"));
        patch["metadata"]["resourceVersion"] = text(stack, "/metadata/resourceVersion").into();
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("{path}?fieldManager={MANAGER}"))
            .header("content-type", "application/merge-patch+json")
            .body(serde_json::to_vec(&patch)?)?;
        match self.client.request::<Value>(request).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(kube::Error::Api(status)) => anyhow::bail!("{}", status.message),
            Err(error) => Err(error).context("the control plane could not be reached"),
        }
    }

    /// Who asks: whoever has signed in to the page, or who the API server takes the person for; nothing where it
    /// does not say.
    pub(crate) async fn person(&self) -> Option<String> {
        if self.acting.is_some() {
            return self.acting.clone();
        }
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
        });
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let answer = self
            .send(Method::POST, path, "application/json", Some(&review))
            .await
            .ok()?;
        let name = text(&answer, "/status/userInfo/username");
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The annotations that say who asks for an action, of what just, when and why.
    pub(crate) async fn deed(
        &self,
        action: Action,
        of: &str,
        reason: Option<&str>,
    ) -> Map<String, Value> {
        let by = self.person().await;
        let deed = by.map(|by| Deed {
            by,
            of: of.to_owned(),
            at: Some(wiring::now()),
            reason: reason.map(str::to_owned),
        });
        deeds::write(action, deed.as_ref())
    }

    /// Sets an annotation of a Stack, or takes it away.
    pub(crate) async fn annotate(
        &self,
        name: &str,
        annotation: &str,
        text: Option<&str>,
    ) -> anyhow::Result<Value> {
        let patch = json!({"metadata": {"annotations": {annotation: text}}});
        self.change(name, &patch).await
    }
}

/// Which namespaces a list is of.
#[derive(Clone, Copy)]
pub(crate) enum All {
    Namespaces,
    OfOne,
}

impl All {
    /// Those of all namespaces, or of one.
    pub(crate) fn of(all_namespaces: bool) -> Self {
        match all_namespaces {
            true => Self::Namespaces,
            false => Self::OfOne,
        }
    }
}

/// The path of a list, of those alone that have these labels where some are named.
pub(crate) fn selected(path: String, labels: Option<&str>) -> String {
    match labels {
        Some(labels) => format!("{path}?labelSelector={}", encode(labels)),
        None => path,
    }
}

fn is_undefined(message: &str, path: &str) -> bool {
    path.starts_with("/apis/holdfast.dev/")
        && (message.contains("the server could not find the requested resource")
            || message.contains("404 page not found"))
}

/// A text inside a value; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A list inside a value; empty where there is none.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Whether the source of a Stack cannot be read, whatever is in place.
pub(crate) fn is_unread(stack: &Value) -> bool {
    condition(stack, "SourceReady", "status") == "False"
}

/// The tone of whether a Stack is ready: one that cannot read its source is not all well.
pub(crate) fn ready_tone(stack: &Value) -> Tone {
    match condition(stack, "Ready", "status") {
        "True" if is_unread(stack) => Tone::Warning,
        status => tone_of(status),
    }
}

/// The reason and the message of `Ready`, also before the Stack was reconciled first.
pub(crate) fn ready_words(stack: &Value) -> (&str, &str) {
    match condition(stack, "Ready", "reason") {
        "" => ("Pending", "not reconciled yet; does an engine run?"),
        reason => (reason, condition(stack, "Ready", "message")),
    }
}

/// A field of a condition of a Stack.
pub(crate) fn condition<'a>(stack: &'a Value, kind: &str, field: &str) -> &'a str {
    items(stack, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == kind)
        .and_then(|condition| condition.get(field)?.as_str())
        .unwrap_or_default()
}
