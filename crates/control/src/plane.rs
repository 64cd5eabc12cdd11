//! [`Plane`]: what is read from and written to the control plane's API. It must not decide when.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_api::native::{FINALIZER, status, target, tenant};
use holdfast_model::Value;
use holdfast_model::percent::encode;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{SecretReference, StackKey, TargetName};
use holdfast_model::status::Status;
use holdfast_model::tenant::Tenant;
use holdfast_model::time::Time;
use http::Method;
use kube::Client;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, channel};
use zeroize::Zeroizing;

use crate::credentials::{self, GitCredentials, TargetAccess};
use crate::events::{Counts, Sent};
use crate::inventory::Stored;
use crate::outbox::Outbox;
use crate::rest::{self, Call, Error, ErrorKind, JSON, MERGE_PATCH};
use crate::watch::{self, Following, StackChange, TenantChange};

/// The control plane's objects behind a client. Clones share everything.
#[derive(Clone)]
pub struct Plane {
    pub(crate) client: Client,
    shared: Arc<Mutex<Shared>>,
    /// That an Event waits to be written.
    pub(crate) added: Arc<Notify>,
    /// What inventories are sealed with; without it they are read as they are, and none is written.
    pub(crate) seal: Option<DigestKey>,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Stacks as they were last seen or written.
    seen: HashMap<StackKey, Seen>,
    /// How each inventory is stored.
    pub(crate) stored: HashMap<StackKey, Stored>,
    /// How often each Event is known to have happened, by its path.
    pub(crate) events: Counts,
    /// Events that the server has not taken yet.
    pub(crate) outbox: Outbox<Sent>,
}

/// A Stack as it was last seen or written.
struct Seen {
    finalizers: Vec<String>,
    version: String,
    /// Its status: conditions keep their times.
    status: Value,
    /// What the server made of the status that was last written here.
    written: Option<Value>,
}

impl Seen {
    fn of(object: &Value) -> Self {
        let finalizers = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let finalizers = finalizers
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned));
        let version = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        Self {
            finalizers: finalizers.collect(),
            version: version.unwrap_or_default().to_owned(),
            status: object.get("status").cloned().unwrap_or(Value::Null),
            written: None,
        }
    }

    /// Whether this is from before another. Versions of one kind of object are numbers that grow
    /// (Kubernetes 1.35, KEP-5504); what is none is taken as newer.
    fn is_older_than(&self, other: &Self) -> bool {
        let number = |seen: &Self| seen.version.parse::<u64>().ok();
        matches!((number(self), number(other)), (Some(own), Some(other)) if own < other)
    }
}

/// The Secret that holds the installation's secret.
const ENTROPY: &str = "holdfast-entropy";
const READ_ENTROPY: &str = "read the installation's secret";

fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets", encode(namespace))
}

/// How often a write over what was last seen is tried, each time after it was read again.
pub(crate) const ATTEMPTS: usize = 5;

pub(crate) fn others_write(action: String) -> Error {
    Error {
        action,
        message: "others keep writing to it".to_owned(),
        kind: ErrorKind::Conflict,
    }
}

fn stack_path(key: &StackKey) -> String {
    let (namespace, name) = (encode(&key.namespace), encode(&key.name));
    format!("/apis/holdfast.dev/v1alpha1/namespaces/{namespace}/stacks/{name}")
}

impl Plane {
    /// The control plane behind a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            shared: Arc::default(),
            added: Arc::default(),
            seal: None,
        }
    }

    /// Believes only inventories that were sealed with the installation's secret, and writes such.
    #[must_use]
    pub fn sealed(self, secret: &[u8; 32]) -> Self {
        Self {
            seal: Some(DigestKey::derive(secret, "inventories")),
            ..self
        }
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the Stacks of a namespace, or of all, for as long as the receiver is there.
    pub fn follow_stacks(&self, namespace: Option<&str>) -> Receiver<StackChange> {
        let (sender, receiver) = channel(256);
        let following = Following {
            what: "Stacks",
            path: watch::path(namespace),
            make: StackChange::of,
            changes: sender,
        };
        tokio::spawn(watch::objects(self.client.clone(), following));
        receiver
    }

    /// Tells of all Tenants for as long as the receiver is there.
    pub fn follow_tenants(&self) -> Receiver<TenantChange> {
        let (sender, receiver) = channel(256);
        let following = Following {
            what: "Tenants",
            path: watch::TENANTS.to_owned(),
            make: TenantChange::of,
            changes: sender,
        };
        tokio::spawn(watch::objects(self.client.clone(), following));
        receiver
    }

    /// All Tenants as they are now; none where the API has no such kind.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        match rest::list(&self.client, "list Tenants", watch::TENANTS).await {
            Ok((items, _)) => Ok(items.iter().map(tenant::read).collect()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Takes note of a Stack as it was seen, unless something newer is known of it; whether somebody
    /// else has written its status since it was written here.
    pub fn see(&self, key: &StackKey, object: &Value) -> bool {
        let mut seen = Seen::of(object);
        let mut shared = self.lock();
        if let Some(known) = shared.seen.get_mut(key) {
            if seen.is_older_than(known) {
                return false;
            }
            seen.written = known.written.take();
        }
        let written = seen.written.as_ref();
        let is_overwritten = written.is_some_and(|written| *written != seen.status);
        shared.seen.insert(key.clone(), seen);
        is_overwritten
    }

    /// Takes note that a Stack is gone.
    pub fn unsee(&self, key: &StackKey) {
        let mut shared = self.lock();
        shared.seen.remove(key);
        shared.stored.remove(key);
    }

    /// Shows a status. What the previous one had and this one has not is taken away. It is written over
    /// what was last seen: a write that arrives late, when another engine has shown something newer, is
    /// refused.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses; a Stack that is gone is no error.
    pub async fn write_status(
        &self,
        key: &StackKey,
        status: &Status,
        now: Time,
    ) -> Result<(), Error> {
        let action = format!("write the status of {key}");
        for _ in 0..ATTEMPTS {
            let seen = self.lock().seen.get(key).map(|seen| {
                let version = seen.version.clone();
                (seen.status.clone(), version)
            });
            let (previous, version) = seen.unwrap_or_default();
            let mut next = status::write(status, &previous, now);
            let shown = next.clone();
            // After a start most Stacks are as their status says already.
            if shown == previous {
                return Ok(());
            }
            take_away(&mut next, &previous);
            let mut patch = json!({"status": next});
            if !version.is_empty() {
                patch["metadata"] = json!({"resourceVersion": version});
            }
            let call = Call {
                method: Method::PATCH,
                path: format!("{}/status?fieldManager=holdfast", stack_path(key)),
                content_type: MERGE_PATCH,
                body: Some(&patch),
            };
            match rest::send(&self.client, &action, call).await {
                Ok(object) => {
                    let mut written = Seen::of(&object);
                    written.written = Some(std::mem::replace(&mut written.status, shown));
                    self.lock().seen.insert(key.clone(), written);
                    return Ok(());
                }
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind == ErrorKind::Conflict => {
                    match rest::get(&self.client, &action, stack_path(key)).await {
                        Ok(object) => drop(self.see(key, &object)),
                        Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(others_write(action))
    }

    /// Sees to it that a Stack waits for its objects when it is deleted; costs nothing where it
    /// does already.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses.
    pub async fn hold(&self, key: &StackKey) -> Result<(), Error> {
        self.change_finalizers(key, |finalizers| {
            if !finalizers.iter().any(|name| name == FINALIZER) {
                finalizers.push(FINALIZER.to_owned());
            }
        })
        .await
    }

    /// Lets a Stack go.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses.
    pub async fn release(&self, key: &StackKey) -> Result<(), Error> {
        self.change_finalizers(key, |finalizers| {
            finalizers.retain(|name| name != FINALIZER)
        })
        .await
    }

    /// Takes an annotation away from a Stack as long as it says this; whether it is gone now. The
    /// write is guarded by the version that was read.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses.
    pub async fn remove_annotation(
        &self,
        key: &StackKey,
        name: &str,
        text: &str,
    ) -> Result<bool, Error> {
        let action = format!("take annotation {name} away from {key}");
        for _ in 0..ATTEMPTS {
            let object = match rest::get(&self.client, &action, stack_path(key)).await {
                Ok(object) => object,
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(error),
            };
            let metadata = &object["metadata"];
            match metadata["annotations"].get(name) {
                None => return Ok(true),
                Some(found) if found.as_str() != Some(text) => return Ok(false),
                Some(_) => {}
            }
            let version = &metadata["resourceVersion"];
            let patch =
                json!({"metadata": {"annotations": {name: null}, "resourceVersion": version}});
            let call = Call {
                method: Method::PATCH,
                path: format!("{}?fieldManager=holdfast", stack_path(key)),
                content_type: MERGE_PATCH,
                body: Some(&patch),
            };
            match rest::send(&self.client, &action, call).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(true),
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(others_write(action))
    }

    /// Changes the finalizers as they were last seen, guarded by the version that they were seen
    /// at; looks again when somebody wrote in between.
    async fn change_finalizers(
        &self,
        key: &StackKey,
        change: impl Fn(&mut Vec<String>),
    ) -> Result<(), Error> {
        let action = format!("change the finalizers of {key}");
        for _ in 0..ATTEMPTS {
            let known = self.lock().seen.get(key).map(|seen| {
                let version = seen.version.clone();
                (seen.finalizers.clone(), version)
            });
            let (before, version) = match known {
                Some(known) => known,
                None => match rest::get(&self.client, &action, stack_path(key)).await {
                    Ok(object) => {
                        self.see(key, &object);
                        continue;
                    }
                    Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                },
            };
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(());
            }
            let patch = json!({"metadata": {"finalizers": after, "resourceVersion": version}});
            let call = Call {
                method: Method::PATCH,
                path: format!("{}?fieldManager=holdfast", stack_path(key)),
                content_type: MERGE_PATCH,
                body: Some(&patch),
            };
            match rest::send(&self.client, &action, call).await {
                Ok(object) => {
                    self.see(key, &object);
                    return Ok(());
                }
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind == ErrorKind::Conflict => {
                    self.lock().seen.remove(key);
                }
                Err(error) => return Err(error),
            }
        }
        Err(others_write(action))
    }

    /// Whether the definition of Stacks is itself being deleted: then Stacks go because Holdfast
    /// is uninstalled, and nobody is to lose workloads by that.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn is_being_uninstalled(&self) -> Result<bool, Error> {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/stacks.holdfast.dev";
        match rest::get(
            &self.client,
            "read the definition of Stacks",
            path.to_owned(),
        )
        .await
        {
            Ok(definition) => {
                let time = definition.pointer("/metadata/deletionTimestamp");
                Ok(time.is_some_and(|time| !time.is_null()))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The installation's secret, where an engine has made it.
    ///
    /// # Errors
    /// When the API cannot be asked, or the Secret holds something else.
    pub async fn known_entropy(&self, namespace: &str) -> Result<Option<[u8; 32]>, Error> {
        let path = format!("{}/{ENTROPY}", secrets_path(namespace));
        let secret = match rest::get(&self.client, READ_ENTROPY, path).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let text = credentials::text(&secret, "entropy").unwrap_or_default();
        let secret = unhex(&text).ok_or_else(|| Error {
            action: READ_ENTROPY.to_owned(),
            message: format!("Secret {namespace}/{ENTROPY} does not hold 64 hex digits"),
            kind: ErrorKind::Refused,
        })?;
        Ok(Some(secret))
    }

    /// The installation's secret, from which charts' random values, seals of inventories and digests
    /// of sensitive values are derived: kept in Secret `holdfast-entropy` of a namespace, made from
    /// `chance` the first time.
    ///
    /// # Errors
    /// When the API cannot be asked, or the Secret holds something else.
    pub async fn entropy(&self, namespace: &str, chance: [u8; 32]) -> Result<[u8; 32], Error> {
        if let Some(known) = self.known_entropy(namespace).await? {
            return Ok(known);
        }
        let made = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": ENTROPY},
            "stringData": {"entropy": hex(&chance)},
        });
        let call = Call {
            method: Method::POST,
            path: secrets_path(namespace),
            content_type: JSON,
            body: Some(&made),
        };
        match rest::send(&self.client, READ_ENTROPY, call).await {
            Ok(_) => Ok(chance),
            // Another engine was faster.
            Err(error) if error.kind == ErrorKind::Conflict => {
                self.known_entropy(namespace).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The credentials for a repository in a Secret.
    ///
    /// # Errors
    /// When the Secret cannot be read or holds none.
    pub async fn git_credentials(&self, secret: &SecretReference) -> Result<GitCredentials, Error> {
        let value = self.secret(secret).await?;
        credentials::git(&value, &format!("{}/{}", secret.namespace, secret.name))
    }

    /// All entries of a Secret.
    ///
    /// # Errors
    /// When the Secret cannot be read.
    pub async fn secret_entries(
        &self,
        secret: &SecretReference,
    ) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>, Error> {
        let value = self.secret(secret).await?;
        Ok(credentials::entries(&value))
    }

    /// A token that the API issues for a ServiceAccount, for ten minutes.
    ///
    /// # Errors
    /// When there is no such ServiceAccount, or the API issues none.
    pub async fn account_token(
        &self,
        namespace: &str,
        account: &str,
        audience: Option<&str>,
    ) -> Result<Zeroizing<String>, Error> {
        let action = format!("request a token for ServiceAccount {namespace}/{account}");
        let audiences: Vec<&str> = audience.into_iter().collect();
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": audiences, "expirationSeconds": 600},
        });
        let call = Call {
            method: Method::POST,
            path: format!(
                "/api/v1/namespaces/{}/serviceaccounts/{}/token",
                encode(namespace),
                encode(account)
            ),
            content_type: JSON,
            body: Some(&body),
        };
        let answer = rest::send(&self.client, &action, call).await?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        let token = token.map(|token| Zeroizing::new(token.to_owned()));
        token.ok_or_else(|| Error {
            action,
            message: "the answer holds no token".to_owned(),
            kind: ErrorKind::Refused,
        })
    }

    async fn secret(&self, secret: &SecretReference) -> Result<Value, Error> {
        let action = format!("read Secret {}/{}", secret.namespace, secret.name);
        let path = format!(
            "{}/{}",
            secrets_path(&secret.namespace),
            encode(&secret.name)
        );
        rest::get(&self.client, &action, path).await
    }

    /// How to get into a target. `in-cluster` needs no Target object.
    ///
    /// # Errors
    /// When there is no such Target, or it cannot be read.
    pub async fn target_access(&self, name: &TargetName) -> Result<TargetAccess, Error> {
        if *name == TargetName::in_cluster() {
            return Ok(TargetAccess::Own);
        }
        let action = format!("read Target {name}");
        let path = format!("/apis/holdfast.dev/v1alpha1/targets/{}", encode(&name.0));
        let object = rest::get(&self.client, &action, path).await?;
        let (target, problems) = target::read(&object);
        let refuse = |message: String| Error {
            action: action.clone(),
            message,
            kind: ErrorKind::Refused,
        };
        if let Some(problem) = problems.first() {
            return Err(refuse(problem.to_string()));
        }
        let Some(kubeconfig) = target.kubeconfig else {
            return Ok(TargetAccess::Own);
        };
        let secret = self.secret(&kubeconfig.secret).await?;
        let text = credentials::text(&secret, &kubeconfig.key).ok_or_else(|| {
            refuse(format!(
                "Secret {}/{} has no text under `{}`",
                kubeconfig.secret.namespace, kubeconfig.secret.name, kubeconfig.key
            ))
        })?;
        Ok(TargetAccess::Kubeconfig(text))
    }
}

/// Makes a merge patch of what is to be there: what was there before, at any depth, and is no longer,
/// becomes null.
pub(crate) fn take_away(next: &mut Value, previous: &Value) {
    let (Some(next), Some(previous)) = (next.as_object_mut(), previous.as_object()) else {
        return;
    };
    for (name, before) in previous {
        match next.get_mut(name) {
            Some(now) => take_away(now, before),
            None => {
                next.insert(name.clone(), Value::Null);
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
