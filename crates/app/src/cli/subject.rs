//! A Stack as commands need it that look at its target too: as the engine would find it when it begins. It
//! must not know what is done with it.

use std::sync::Arc;

use holdfast_api::native::stack::read;
use holdfast_api::native::status;
use holdfast_control::{Plane, TargetAccess};
use holdfast_engine::{kinds, place};
use holdfast_model::Value;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::Object;
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Place, Stack};
use holdfast_model::status::Remembered;
use holdfast_target::Target as _;
use holdfast_target_kube::{KubeTarget, Limits};
use kube::Client;

use super::api::Api;
use super::plan::failed;
use super::rendering::{For, Rendered, Rendering};
use super::sources::LocalSources;
use crate::kubeconfigs::KubeconfigRules;
use crate::wiring;

/// A Stack, what is known of it, and the cluster that it goes to.
pub(super) struct Subject {
    pub(super) object: Value,
    pub(super) stack: Stack,
    pub(super) known: Remembered,
    pub(super) target: KubeTarget,
    pub(super) client: Client,
    pub(super) inventory: Inventory,
    pub(super) cluster: ClusterId,
}

impl Subject {
    pub(super) async fn read(api: &Api, plane: &Plane, name: &str) -> anyhow::Result<Self> {
        let object = api.stack(name).await?;
        let read = read(&object);
        if let Some(problem) = read.problems.first() {
            anyhow::bail!("Stack {name} cannot be used: {problem}");
        }
        let stack = read.stack;
        let client = match plane.target_access(&stack.destination.target).await? {
            TargetAccess::Own => api.client.clone(),
            TargetAccess::Kubeconfig(text) => {
                wiring::client_of_kubeconfig(&text, &KubeconfigRules::default()).await?
            }
        };
        let target = KubeTarget::new(client.clone(), Limits::default(), Arc::new(|_| {}));
        let place = Place {
            cluster: target.identity().await.map_err(failed)?,
            target: stack.destination.target.clone(),
            namespace: stack.destination.namespace.clone(),
        };
        let cluster = place.cluster_or_target();
        let inventory = plane.inventory(&stack.key, &stack.uid).await?;
        let (inventory, is_elsewhere) = inventory.at(place);
        let mut known = status::read(object.get("status").unwrap_or(&Value::Null));
        if is_elsewhere {
            (known.applied, known.rendered) = (None, None);
        }
        let known_place = inventory.place.as_ref().map(Place::cluster_or_target);
        Ok(Self {
            cluster: known_place.unwrap_or(cluster),
            known,
            object,
            stack,
            target,
            client,
            inventory,
        })
    }

    pub(super) fn rendered_for<'a>(&'a self, local: &'a LocalSources) -> For<'a> {
        For {
            stack: &self.stack,
            target: &self.target,
            local,
            tenant: None,
            is_install: self.known.applied.is_none(),
        }
    }

    /// A revision as the engine renders it: what is in place of a chart was rendered as it was installed,
    /// and is kept so until it changes.
    pub(super) async fn as_kept(
        &self,
        rendering: &Rendering,
        of: For<'_>,
        revision: &Revision,
    ) -> anyhow::Result<Rendered> {
        let rendered = rendering.render(of, revision).await?;
        let is_in_place = Some(rendered.digest) == self.known.rendered;
        if of.is_install || is_in_place || !rendered.is_chart {
            return Ok(rendered);
        }
        let installed = For {
            is_install: true,
            ..of
        };
        let installed = rendering.render(installed, revision).await?;
        let is_in_place = Some(installed.digest) == self.known.rendered;
        Ok(if is_in_place { installed } else { rendered })
    }

    /// Its objects where it wants them.
    pub(super) async fn place(&self, objects: &[Object]) -> anyhow::Result<Vec<Object>> {
        placed(&self.target, &self.stack, objects).await
    }
}

/// Objects where a Stack wants them on a target.
pub(super) async fn placed(
    target: &KubeTarget,
    stack: &Stack,
    objects: &[Object],
) -> anyhow::Result<Vec<Object>> {
    let scopes = target.scopes(&kinds(objects)).await.map_err(failed)?;
    place(objects, &scopes, &stack.destination.namespace)
        .map_err(|twice| anyhow::anyhow!("{}", twice[0]))
}
