//! [`Plane`]: what is read from and written to the control plane's API. It must not decide when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_api::native::{FINALIZER, status, target};
use holdfast_model::Value;
use holdfast_model::inventory::Inventory;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{SecretReference, StackKey, StackUid, TargetName};
use holdfast_model::status::Status;
use holdfast_model::time::Time;
use http::Method;
use kube::Client;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, channel};

use crate::credentials::{self, GitCredentials, TargetAccess};
use crate::events::Counts;
use crate::inventory::{self, Distrusted, LABEL, Owner, Write};
use crate::rest::{self, APPLY_PATCH, Call, Error, ErrorKind, JSON, MERGE_PATCH, encode};
use crate::watch::{self, StackChange};

/// The control plane's objects behind a client. Clones share everything.
#[derive(Clone)]
pub struct Plane {
    pub(crate) client: Client,
    shared: Arc<Mutex<Shared>>,
    /// What inventories are sealed with; without it they are read as they are, and none is written.
    seal: Option<DigestKey>,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// The status that each Stack was last seen or written with: conditions keep their times.
    statuses: HashMap<StackKey, Value>,
    /// The finalizers and the version that each Stack was last seen with.
    holds: HashMap<StackKey, (Vec<String>, String)>,
    /// The names of the ConfigMaps that each inventory has or may have.
    chunks: HashMap<StackKey, BTreeSet<String>>,
    /// How often each Event is known to have happened, by its path.
    pub(crate) events: Counts,
}

/// The Secret that holds the installation's secret.
const ENTROPY: &str = "holdfast-entropy";
const READ_ENTROPY: &str = "read the installation's secret";

fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets", encode(namespace))
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
        let path = watch::path(namespace);
        tokio::spawn(watch::stacks(self.client.clone(), path, sender));
        receiver
    }

    /// Takes note of a Stack as it was seen.
    pub fn see(&self, key: &StackKey, object: &Value) {
        let finalizers = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let finalizers: Vec<String> = finalizers
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let version = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let status = object.get("status").cloned().unwrap_or(Value::Null);
        let mut shared = self.lock();
        let version = version.unwrap_or_default().to_owned();
        shared.holds.insert(key.clone(), (finalizers, version));
        shared.statuses.insert(key.clone(), status);
    }

    /// Takes note that a Stack is gone.
    pub fn unsee(&self, key: &StackKey) {
        let mut shared = self.lock();
        shared.holds.remove(key);
        shared.statuses.remove(key);
        shared.chunks.remove(key);
    }

    /// Every inventory that is there, in one namespace or in all, by Stack and its id; and what is not
    /// believed.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn inventories(
        &self,
        namespace: Option<&str>,
    ) -> Result<(BTreeMap<(StackKey, StackUid), Inventory>, Vec<Distrusted>), Error> {
        let within = namespace
            .map(|namespace| format!("namespaces/{}/", encode(namespace)))
            .unwrap_or_default();
        let path = format!("/api/v1/{within}configmaps?labelSelector={}", encode(LABEL));
        let (items, _) = rest::list(&self.client, "list inventories", &path).await?;
        let joined = inventory::join(&items, self.seal.as_ref());
        self.lock().chunks.extend(joined.names);
        Ok((joined.inventories, joined.distrusted))
    }

    /// What one Stack owns, as far as its ConfigMaps are believed.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn inventory(&self, stack: &StackKey, uid: &StackUid) -> Result<Inventory, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps?labelSelector={}%3D{}",
            encode(&stack.namespace),
            encode(LABEL),
            encode(&stack.name)
        );
        let action = format!("read the inventory of {stack}");
        let (items, _) = rest::list(&self.client, &action, &path).await?;
        let joined = inventory::join(&items, self.seal.as_ref());
        let mut found = joined.inventories;
        Ok(found
            .remove(&(stack.clone(), uid.clone()))
            .unwrap_or_default())
    }

    /// Makes an inventory durable. Wherever this ends, no key is lost that the old inventory and the
    /// new one have.
    ///
    /// # Errors
    /// When any chunk could not be written, or there is no key to seal it with.
    pub async fn save_inventory(
        &self,
        stack: &StackKey,
        uid: &StackUid,
        inventory: &Inventory,
    ) -> Result<(), Error> {
        let action = format!("write the inventory of {stack}");
        let Some(key) = &self.seal else {
            return Err(Error {
                action,
                message: "only an engine seals inventories".to_owned(),
                kind: ErrorKind::Refused,
            });
        };
        let namespace = encode(&stack.namespace);
        let path =
            |name: &str| format!("/api/v1/namespaces/{namespace}/configmaps/{}", encode(name));
        let existing = self.lock().chunks.get(stack).cloned();
        let owner = Owner { stack, uid, key };
        let writes = inventory::writes(owner, &existing.unwrap_or_default(), inventory);
        for write in &writes {
            let (method, name, body) = match write {
                Write::Apply(chunk) => (Method::PATCH, &chunk.name, Some(&chunk.body)),
                Write::Delete(name) => (Method::DELETE, name, None),
            };
            let (suffix, content_type) = match body {
                Some(_) => ("?fieldManager=holdfast&force=true", APPLY_PATCH),
                None => ("", JSON),
            };
            // It may be there from here on, whatever becomes of the answer.
            let known = |change: fn(&mut BTreeSet<String>, String) -> bool| {
                let mut shared = self.lock();
                change(
                    shared.chunks.entry(stack.clone()).or_default(),
                    name.clone(),
                );
            };
            if body.is_some() {
                known(BTreeSet::insert);
            }
            let call = Call {
                method,
                path: format!("{}{suffix}", path(name)),
                content_type,
                body,
            };
            match rest::send(&self.client, &action, call).await {
                Err(error) if body.is_some() || error.kind != ErrorKind::NotFound => {
                    return Err(error);
                }
                _ if body.is_none() => known(|names, name| names.remove(&name)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Shows a status. What the previous one had and this one has not is taken away.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses; a Stack that is gone is no error.
    pub async fn write_status(
        &self,
        key: &StackKey,
        status: &Status,
        now: Time,
    ) -> Result<(), Error> {
        let previous = self
            .lock()
            .statuses
            .get(key)
            .cloned()
            .unwrap_or(Value::Null);
        let mut next = status::write(status, &previous, now);
        let shown = next.clone();
        // After a start most Stacks are as their status says already.
        if shown == previous {
            return Ok(());
        }
        if let (Some(next), Some(previous)) = (next.as_object_mut(), previous.as_object()) {
            for name in previous.keys() {
                next.entry(name).or_insert(Value::Null);
            }
        }
        let patch = json!({"status": next});
        let call = Call {
            method: Method::PATCH,
            path: format!("{}/status?fieldManager=holdfast", stack_path(key)),
            content_type: MERGE_PATCH,
            body: Some(&patch),
        };
        let action = format!("write the status of {key}");
        match rest::send(&self.client, &action, call).await {
            Ok(object) => {
                self.see(key, &object);
                self.lock().statuses.insert(key.clone(), shown);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
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
        for _ in 0..5 {
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
        Err(Error {
            action,
            message: "others keep writing to it".to_owned(),
            kind: ErrorKind::Conflict,
        })
    }

    /// Changes the finalizers as they were last seen, guarded by the version that they were seen
    /// at; looks again when somebody wrote in between.
    async fn change_finalizers(
        &self,
        key: &StackKey,
        change: impl Fn(&mut Vec<String>),
    ) -> Result<(), Error> {
        let action = format!("change the finalizers of {key}");
        for _ in 0..5 {
            let known = self.lock().holds.get(key).cloned();
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
                    self.lock().holds.remove(key);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error {
            action,
            message: "others keep writing to it".to_owned(),
            kind: ErrorKind::Conflict,
        })
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
            "look at the definition of Stacks",
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
        let action = format!("look at Target {name}");
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
