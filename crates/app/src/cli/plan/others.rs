//! What other Stacks mean for a plan, by their inventories, and by what those of the same repository want
//! where an object may pass from one to another. It must not know the plan.

use std::collections::BTreeMap;

use holdfast_api::native::stack::{ReadStack, read};
use holdfast_engine::{Others, Owners, Standing};
use holdfast_model::inventory::Inventory;
use holdfast_model::object::Object;
use holdfast_model::revision::Revision;
use holdfast_model::stack::{Stack, StackKey, StackUid};
use holdfast_target::Snapshot;

use crate::cli::api::{All, Api, items};
use crate::cli::rendering::{For, Rendering};
use crate::cli::sources::LocalSources;
use crate::cli::subject::placed;

/// The most Stacks of one repository that are rendered to find out what they want.
const NEIGHBOURS: usize = 50;

/// All Stacks that can be read, and what they own.
pub(super) struct Neighbourhood {
    /// The keys of all, also of those that cannot be used.
    pub(super) keys: Vec<StackKey>,
    stacks: Vec<Stack>,
    inventories: BTreeMap<(StackKey, StackUid), Inventory>,
    owners: Owners,
    pub(super) notes: Vec<String>,
}

/// The Stack that is planned for.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) of: For<'a>,
    pub(super) standing: Standing<'a>,
    /// A revision that others of the same repository and reference are taken to be at too.
    pub(super) revision: Option<&'a Revision>,
}

impl Neighbourhood {
    pub(super) async fn read(api: &Api, rendering: &Rendering) -> anyhow::Result<Self> {
        let mut notes = Vec::new();
        let plane = &rendering.plane;
        let all = api.get(&api.stacks_path(All::Namespaces)).await;
        let (list, inventories) = match (all, plane.inventories(None).await) {
            (Ok(list), Ok((inventories, _))) => (list, inventories),
            _ => {
                notes.push(format!(
                    "what Stacks outside of namespace {} have may not be read; an object of theirs would \
                     be left to them",
                    api.namespace
                ));
                let (inventories, _) = plane.inventories(Some(&api.namespace)).await?;
                (api.get(&api.stacks_path(All::OfOne)).await?, inventories)
            }
        };
        let read: Vec<ReadStack> = items(&list, "/items").iter().map(read).collect();
        let usable = read.iter().filter(|read| read.problems.is_empty());
        let known = Self {
            stacks: usable.map(|read| read.stack.clone()).collect(),
            keys: read.into_iter().map(|read| read.stack.key).collect(),
            inventories,
            owners: Owners::default(),
            notes,
        };
        for stack in &known.stacks {
            if let Some(inventory) = known.inventory(stack) {
                let target = &stack.destination.target;
                known.owners.take(&stack.key, target, inventory);
            }
        }
        Ok(known)
    }

    fn inventory(&self, stack: &Stack) -> Option<&Inventory> {
        self.inventories
            .get(&(stack.key.clone(), stack.uid.clone()))
    }

    /// What the others mean for one Stack.
    pub(super) async fn others(&mut self, rendering: &Rendering, own: Own<'_>) -> Others {
        let standing = own.standing;
        let target = &own.of.stack.destination.target;
        self.owners.learn(target, standing.cluster);
        let others = self.owners.others(standing);
        let keys = standing.inventory.entries.keys();
        let mut wanted = standing.desired.iter().map(Object::key);
        let drops = keys.clone().any(|key| !wanted.any(|wanted| wanted == key));
        if !drops && others.claimed.is_empty() {
            return others;
        }
        let near: Vec<Stack> = self.near(own).cloned().collect();
        if near.len() > NEIGHBOURS {
            self.notes.push(format!(
                "what {} other Stacks of the repository want is not known",
                near.len() - NEIGHBOURS
            ));
        }
        for stack in near.iter().take(NEIGHBOURS) {
            if let Err(error) = self.want(rendering, own, stack).await {
                self.notes.push(format!(
                    "what Stack {} wants is not known, so that objects may pass between the two: {error:#}",
                    stack.key
                ));
            }
        }
        self.owners.others(standing)
    }

    /// Other Stacks of the same repository on the same target.
    fn near<'a>(&'a self, own: Own<'a>) -> impl Iterator<Item = &'a Stack> {
        let stack = own.of.stack;
        self.stacks.iter().filter(move |other| {
            other.key != stack.key
                && !other.suspended
                && !other.deleting
                && other.destination.target == stack.destination.target
                && shares_a_repository(other, stack)
        })
    }

    /// Has another Stack want what its files say, and offer what they do not.
    async fn want(&self, rendering: &Rendering, own: Own<'_>, stack: &Stack) -> anyhow::Result<()> {
        let source = &own.of.stack.source;
        let is_along = stack.source.repository.address() == source.repository.address()
            && stack.source.reference == source.reference;
        let revision = match (&stack.pin, own.revision.filter(|_| is_along)) {
            (Some(pin), _) => pin.revision.clone(),
            (None, Some(revision)) => revision.clone(),
            (None, None) => rendering.follow(stack).await?,
        };
        let inventory = self.inventory(stack).cloned().unwrap_or_default();
        let of = For {
            stack,
            target: own.of.target,
            tenant: None,
            local: &LocalSources::default(),
            is_install: false,
        };
        let rendered = rendering.render(of, &revision).await?;
        let desired = placed(own.of.target, stack, &rendered.objects).await?;
        self.owners.others(Standing {
            stack: &stack.key,
            cluster: own.standing.cluster,
            desired: &desired,
            inventory: &inventory,
            snapshot: &Snapshot::default(),
        });
        Ok(())
    }
}

fn shares_a_repository(one: &Stack, other: &Stack) -> bool {
    one.sources().any(|(_, source)| {
        let mut sources = other.sources();
        sources.any(|(_, theirs)| theirs.repository.address() == source.repository.address())
    })
}
