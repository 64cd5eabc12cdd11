//! Fits the control plane's objects to what the engine asks for. It must not decide anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_api::native::{APPROVE_ANNOTATION, PIN_ANNOTATION};
use holdfast_control::{
    Error, ErrorKind, EventLosses, EventRecord, Fence, GitCredentials, Plane, TargetAccess,
};
use holdfast_engine::{Connections, Entries, Ledger, Reporter, Unpinned, Unread, Unsaved};
use holdfast_model::digest::Digest;
use holdfast_model::event::StackEvent;
use holdfast_model::inventory::Inventory;
use holdfast_model::operation::{Class, Failure};
use holdfast_model::pin::Pin;
use holdfast_model::stack::{SecretReference, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::Status;
use holdfast_source::Credentials;
use holdfast_target::{BoxFuture, Listener, Target};
use holdfast_target_kube::{KubeTarget, Limits};
use kube::Client;
use zeroize::Zeroizing;

use crate::kubeconfigs::KubeconfigRules;
use crate::wiring;

/// The control plane as the engine sees it.
pub struct EnginePlane {
    /// The control plane's objects.
    pub plane: Plane,
    /// The cluster of the control plane, which is the target `in-cluster`.
    pub client: Client,
    /// How much is asked of each target.
    pub limits: Limits,
    /// What kubeconfigs of Targets may hold.
    pub kubeconfigs: KubeconfigRules,
    /// What writes to targets pass; `client` passes it already.
    pub fence: Option<Fence>,
    /// The targets that were connected to, and how.
    connected: Mutex<Connected>,
}

/// Targets that are connected to, each with the access that it was connected by.
type Connected = HashMap<TargetName, (TargetAccess, Arc<dyn Target>)>;

impl EnginePlane {
    /// A control plane whose own cluster `client` reaches.
    pub fn new(plane: Plane, client: Client, limits: Limits) -> Self {
        Self {
            plane,
            client,
            limits,
            kubeconfigs: KubeconfigRules::default(),
            fence: None,
            connected: Mutex::default(),
        }
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure(error: Error) -> Failure {
    let (class, reason) = match error.kind {
        ErrorKind::NotFound => (Class::Waiting, "NotFound"),
        ErrorKind::Conflict => (Class::Transient, "Conflict"),
        ErrorKind::Gone | ErrorKind::Unreachable => (Class::Transient, "Unreachable"),
        ErrorKind::Refused => (Class::Transient, "Refused"),
    };
    Failure {
        class,
        reason,
        message: error.to_string(),
        hint: None,
    }
}

impl Ledger for EnginePlane {
    fn save_inventory<'a>(
        &'a self,
        stack: &'a StackKey,
        uid: &'a StackUid,
        inventory: &'a Inventory,
    ) -> BoxFuture<'a, Result<(), Unsaved>> {
        Box::pin(async move {
            match self.plane.save_inventory(stack, uid, inventory).await {
                Ok(None) => Ok(()),
                Ok(Some(found)) => Err(Unsaved::Changed(Box::new(found))),
                Err(error) => Err(Unsaved::Failed(failure(error))),
            }
        })
    }

    fn hold<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.plane.hold(stack).await.map_err(failure) })
    }

    fn release<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.plane.release(stack).await.map_err(failure) })
    }

    fn unpin<'a>(
        &'a self,
        stack: &'a StackKey,
        pin: &'a Pin,
    ) -> BoxFuture<'a, Result<Unpinned, Failure>> {
        Box::pin(async move {
            let removed = self
                .plane
                .remove_annotation(stack, PIN_ANNOTATION, &pin.written);
            match removed.await.map_err(failure)? {
                true => Ok(Unpinned::Gone),
                false => Ok(Unpinned::Replaced),
            }
        })
    }

    fn unapprove<'a>(
        &'a self,
        stack: &'a StackKey,
        plan: Digest,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let text = plan.to_string();
            let removed = self
                .plane
                .remove_annotation(stack, APPROVE_ANNOTATION, &text);
            removed.await.map(|_| ()).map_err(failure)
        })
    }
}

impl Reporter for EnginePlane {
    fn publish<'a>(
        &'a self,
        stack: &'a StackKey,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.plane
                .write_status(stack, status, wiring::now())
                .await
                .map_err(failure)
        })
    }

    fn notify<'a>(&'a self, stack: &'a Stack, event: &'a StackEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let record = EventRecord {
                stack: &stack.key,
                uid: &stack.uid,
                reason: event.reason(),
                message: &event.to_string(),
                identity: &event.identity(),
                is_warning: event.is_warning(),
                now: wiring::now(),
            };
            self.plane.write_event(&record).await;
        })
    }

    fn unread(&self) -> Unread {
        let EventLosses { waiting, lost } = self.plane.event_losses();
        Unread { waiting, lost }
    }
}

impl Connections for EnginePlane {
    fn credentials<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(async move {
            let found = self.plane.git_credentials(secret).await.map_err(failure)?;
            Ok(source_credentials(found))
        })
    }

    fn entries<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Entries, Failure>> {
        Box::pin(async move { self.plane.secret_entries(secret).await.map_err(failure) })
    }

    fn account_token<'a>(
        &'a self,
        namespace: &'a str,
        account: &'a str,
        audience: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Zeroizing<String>, Failure>> {
        Box::pin(async move {
            let token = self.plane.account_token(namespace, account, audience);
            token.await.map_err(|error| {
                let hint = (error.kind == ErrorKind::NotFound)
                    .then(|| "make the ServiceAccount, or name a Secret as `secret`".to_owned());
                Failure {
                    hint,
                    ..failure(error)
                }
            })
        })
    }

    fn target<'a>(
        &'a self,
        name: &'a TargetName,
        listener: Listener,
    ) -> BoxFuture<'a, Result<Arc<dyn Target>, Failure>> {
        Box::pin(async move {
            let access = self.plane.target_access(name).await.map_err(failure)?;
            // Whoever asks again wants to know whether the way to it is another one now.
            if let Some((known, target)) = self.connected().get(name)
                && *known == access
            {
                return Ok(Arc::clone(target));
            }
            let client = match &access {
                TargetAccess::Own => self.client.clone(),
                TargetAccess::Kubeconfig(text) => {
                    let client = wiring::client_of_kubeconfig(text, &self.kubeconfigs)
                        .await
                        .map_err(|error| Failure {
                            class: Class::Transient,
                            reason: "BadKubeconfig",
                            message: format!(
                                "the kubeconfig of Target {name} cannot be used: {error}"
                            ),
                            hint: Some("renew the Secret that the Target names".to_owned()),
                        })?;
                    match &self.fence {
                        Some(fence) => fence.guard(client),
                        None => client,
                    }
                }
            };
            let target: Arc<dyn Target> = Arc::new(KubeTarget::new(client, self.limits, listener));
            let mut connected = self.connected();
            match connected.get(name) {
                // Somebody else was faster.
                Some((known, target)) if *known == access => Ok(Arc::clone(target)),
                _ => {
                    connected.insert(name.clone(), (access, Arc::clone(&target)));
                    Ok(target)
                }
            }
        })
    }
}

/// Credentials as the sources take them.
pub fn source_credentials(found: GitCredentials) -> Credentials {
    match found {
        GitCredentials::Basic { username, password } => Credentials::Basic { username, password },
        GitCredentials::Bearer { token } => Credentials::Bearer { token },
        GitCredentials::Ssh {
            identity,
            known_hosts,
        } => Credentials::Ssh {
            identity,
            known_hosts,
        },
    }
}
