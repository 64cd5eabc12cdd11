//! What the engine holds of one Stack between looks. All of it can be found again by looking,
//! except what `Intent` brings back from the status, and the inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use holdfast_assess::diff::Learned;
use holdfast_model::deed::{Deed, Deeds};
use holdfast_model::digest::Digest;
use holdfast_model::event::StackEvent;
use holdfast_model::external::External;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{GroupKind, Key, Object};
use holdfast_model::operation::{Operation, Outcome};
use holdfast_model::pin::Pin;
use holdfast_model::plan::{Plan, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Destination, Place, Stack, StackUid, TakeBack};
use holdfast_model::status::{Followed, Past, Status, Terminated, UnderWay, Worked};
use holdfast_model::time::Time;
use holdfast_plan::Settled;
use holdfast_render::Rendered;
use holdfast_target::Scope;

use crate::externals::Digests;
use crate::journal::Journal;
use crate::ports::Intent;
use crate::references::Watched;
use crate::rivals::Rivals;
use crate::source::SourceState;
use crate::tenancy::Permitted;

/// What is held of a Stack.
pub(crate) struct StackState {
    pub(crate) uid: StackUid,
    /// Whether the Stack waits for its objects when it is deleted.
    pub(crate) is_held: bool,
    pub(crate) inventory: Inventory,
    /// Whether it could not be written when the Stack was last reconciled: a larger one stands, which
    /// nobody but the next reconciliation makes smaller.
    pub(crate) is_unsaved: bool,
    pub(crate) applied: Option<Revision>,
    pub(crate) attempted: Option<Revision>,
    /// Digest of what `applied` rendered to.
    pub(crate) rendered: Option<Digest>,
    pub(crate) handled: Option<String>,
    pub(crate) refreshed: Option<String>,
    /// Whether the sources can be read.
    pub(crate) source: SourceState,
    /// The newest confirmation of a plan, and the newest request, that were told of.
    pub(crate) approval: Option<Digest>,
    pub(crate) heard: Option<String>,
    /// A confirmation that what it confirms has come of, until it is seen to be gone, with who gave
    /// it: what was seen of a Stack may be older than that.
    pub(crate) spent: Option<(Digest, Option<Deed>)>,
    /// Who has asked for the operation that is under way, or comes next.
    pub(crate) asked_by: Vec<String>,
    /// Who has asked for what.
    pub(crate) deeds: Deeds,
    pub(crate) history: Vec<Past>,
    /// The last revisions that became healthy, newest first.
    pub(crate) worked: Vec<Worked>,
    /// What Git is at, under the name of the commit that last changed something that is read.
    pub(crate) followed: Option<Followed>,
    /// The render of what Git is at; none after a start, and where it cannot be rendered.
    pub(crate) newest: Option<Arc<Render>>,
    /// The pin that was last told of.
    pub(crate) pin: Option<Pin>,
    /// What has happened that is no operation.
    pub(crate) news: Vec<StackEvent>,
    /// What has been said of the Stack.
    pub(crate) journal: Journal,
    /// What was applied and was not healthy then.
    pub(crate) unfinished: Option<StackEvent>,
    /// The newest renders, newest first; two while a Stack is pinned, three when that may end.
    pub(crate) renders: Vec<Arc<Render>>,
    /// Where the objects of the newest look's render belong.
    pub(crate) placed: Option<Placed>,
    /// What was found to be permitted last.
    pub(crate) permitted: Option<Permitted>,
    /// What could not be rendered last, and why: trying again gives the same.
    pub(crate) refused: Option<Refused>,
    /// When the target was last asked for what its renders look up.
    pub(crate) looked_up: Option<Instant>,
    /// Objects that were changed since others were told of it.
    pub(crate) written: BTreeSet<Key>,
    /// Digest of each object as it was last applied.
    pub(crate) applied_objects: BTreeMap<Key, Digest>,
    pub(crate) learned: BTreeMap<Key, Learned>,
    /// Objects of which it is known that an apply changes nothing.
    pub(crate) settled: BTreeMap<Key, Settled>,
    pub(crate) rivals: Rivals,
    /// The newest request to take back what was left to others.
    pub(crate) taken_back: Option<TakeBack>,
    pub(crate) immutable: BTreeSet<Key>,
    /// Where the Stack was to go, and whether it was suspended, when it was last reconciled.
    pub(crate) seen: Option<(Destination, bool)>,
    /// Whether what is known of its sources is from before it was resumed or sent elsewhere.
    pub(crate) is_stale: bool,
    /// Since when objects that are not wanted any more wait for other Stacks.
    pub(crate) graces: BTreeMap<Key, Time>,
    /// An operation that waits for health.
    pub(crate) operation: Option<Operation>,
    /// The operation that waited when the engine was started, until one begins.
    pub(crate) before: Option<UnderWay>,
    /// The newest request to end an operation that was followed.
    pub(crate) terminated: Option<Terminated>,
    pub(crate) failed: Option<Failed>,
    /// Since when a repository has been asked that has not answered yet.
    pub(crate) asking: Option<Time>,
    pub(crate) published: Option<(Arc<Status>, Time)>,
    /// When what is unhealthy was last asked why.
    pub(crate) explained: BTreeMap<Key, Explained>,
}

/// A render, and what it was made from.
pub(crate) struct Render {
    pub(crate) revision: Revision,
    pub(crate) stack: RenderedFor,
    pub(crate) rendered: Rendered,
    /// What it read from outside of the source.
    pub(crate) used: Digests,
    /// What it has from Vault, at its newest version then.
    pub(crate) watched: Vec<Watched>,
    pub(crate) digest: Digest,
}

impl Render {
    /// Whether something of the target was looked up for it, or it was told what the target is.
    pub(crate) fn looks_up(&self) -> bool {
        let trace = &self.rendered.trace;
        trace.lookups().next().is_some() || trace.told().is_some()
    }
}

/// The objects of a render in the namespaces where a Stack wants them.
pub(crate) struct Placed {
    pub(crate) render: Arc<Render>,
    pub(crate) scopes: BTreeMap<GroupKind, Scope>,
    pub(crate) namespace: String,
    pub(crate) objects: Arc<[Object]>,
}

/// A revision whose files cannot be rendered as a Stack wants it.
pub(crate) struct Refused {
    pub(crate) revision: Revision,
    pub(crate) stack: RenderedFor,
    /// What it read from outside of the source.
    pub(crate) used: Digests,
    pub(crate) error: holdfast_render::Error,
    /// A digest of the keys, where something that is sealed did not open with them.
    pub(crate) unopened: Option<Digest>,
    /// Whether values of Vault could not be had.
    pub(crate) lacks_values: bool,
}

/// The choices of a Stack that its render depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RenderedFor {
    pub(crate) repository: String,
    pub(crate) others: Vec<holdfast_model::stack::OtherSource>,
    pub(crate) path: holdfast_model::artifact::TreePath,
    pub(crate) choice: holdfast_model::stack::RenderChoice,
    pub(crate) secrets: holdfast_model::stack::SecretsChoice,
    pub(crate) namespace: String,
    pub(crate) is_install: bool,
}

impl RenderedFor {
    pub(crate) fn of(stack: &Stack, is_install: bool) -> Self {
        Self {
            repository: stack.source.repository.url.clone(),
            others: stack.others.clone(),
            path: stack.source.path.clone(),
            choice: stack.render.clone(),
            secrets: stack.secrets.clone(),
            namespace: stack.destination.namespace.clone(),
            is_install,
        }
    }
}

/// The last operation, where it failed.
pub(crate) struct Failed {
    pub(crate) plan: Digest,
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u32,
    /// When it may be tried again; `None` when only a change helps.
    pub(crate) next: Option<Time>,
    pub(crate) generation: i64,
}

/// What the parts of an unhealthy object said.
pub(crate) struct Explained {
    pub(crate) at: Time,
    pub(crate) times: u32,
    pub(crate) said: Vec<String>,
}

impl StackState {
    pub(crate) fn new(intent: &Intent, inventory: Inventory) -> Self {
        let remembered = intent.remembered.clone();
        Self {
            uid: intent.stack.uid.clone(),
            is_held: false,
            inventory,
            is_unsaved: false,
            attempted: remembered.attempted,
            applied: remembered.applied,
            rendered: remembered.rendered,
            handled: remembered.handled,
            refreshed: remembered.refreshed,
            source: SourceState::remembered(intent),
            approval: remembered.approval,
            heard: None,
            spent: None,
            asked_by: Vec::new(),
            deeds: Deeds::new(),
            history: remembered.history,
            worked: remembered.worked,
            followed: remembered.followed,
            newest: None,
            pin: remembered.pin,
            news: Vec::new(),
            journal: Journal::default(),
            unfinished: None,
            renders: Vec::new(),
            placed: None,
            permitted: None,
            refused: None,
            looked_up: None,
            written: BTreeSet::new(),
            applied_objects: BTreeMap::new(),
            learned: BTreeMap::new(),
            settled: BTreeMap::new(),
            rivals: Rivals::default(),
            taken_back: None,
            immutable: BTreeSet::new(),
            seen: None,
            is_stale: false,
            graces: BTreeMap::new(),
            operation: None,
            before: remembered.operation,
            terminated: remembered.terminated,
            failed: None,
            asking: None,
            published: None,
            explained: BTreeMap::new(),
        }
    }

    /// The cluster that the Stack goes to.
    pub(crate) fn cluster(&self, stack: &Stack) -> ClusterId {
        let place = self.inventory.place.as_ref();
        let of_target = || ClusterId::of_target(&stack.destination.target);
        place.map_or_else(of_target, Place::cluster_or_target)
    }

    /// Whether an object of a cluster is in the Stack's inventory, also where the Stack is about to
    /// leave.
    pub(crate) fn owns(&self, stack: &Stack, cluster: &ClusterId, key: &Key) -> bool {
        let is_here = *cluster == self.cluster(stack) && self.inventory.entries.contains_key(key);
        is_here
            || self.inventory.left.iter().any(|left| {
                left.entries.contains_key(key) && left.place.cluster_or_target() == *cluster
            })
    }

    /// The Stack goes to a place now. On another cluster than before nothing is applied yet, and
    /// what was found out about objects speaks of others; whether it is another.
    pub(crate) fn go_to(&mut self, place: Place) -> bool {
        let (inventory, is_elsewhere) = std::mem::take(&mut self.inventory).at(place);
        self.inventory = inventory;
        if !is_elsewhere {
            return false;
        }
        (self.applied, self.rendered) = (None, None);
        (self.placed, self.looked_up) = (None, None);
        (self.operation, self.failed) = (None, None);
        self.applied_objects.clear();
        self.learned.clear();
        self.immutable.clear();
        self.settled.clear();
        self.rivals = Rivals::default();
        self.explained.clear();
        self.renders.clear();
        self.refused = None;
        true
    }

    /// Whether a person has asked for a look that has not been taken yet.
    pub(crate) fn is_asked(&self, stack: &Stack) -> bool {
        stack.requested.is_some() && stack.requested != self.handled
    }

    /// Takes back what was left to others, where a person has asked for it anew. After a start nothing
    /// is left to anybody.
    pub(crate) fn take_back(&mut self, stack: &Stack) {
        if self.taken_back == stack.take_back {
            return;
        }
        self.taken_back.clone_from(&stack.take_back);
        if let Some(asked) = &self.taken_back {
            self.rivals.take_back(asked);
        }
    }

    /// Whether a person has asked to look at Git, with or without what follows from that.
    pub(crate) fn wants_news(&self, stack: &Stack) -> bool {
        let is_new = stack.refresh.is_some() && stack.refresh != self.refreshed;
        is_new || self.is_asked(stack)
    }

    /// What its renders read from outside of the source, and what the one that was refused read.
    pub(crate) fn used(&self) -> impl Iterator<Item = &External> {
        let renders = self.renders.iter().map(|render| &render.used);
        let refused = self.refused.iter().map(|refused| &refused.used);
        renders.chain(refused).flat_map(Digests::keys)
    }

    /// Remembers which objects an apply would not change, so that nobody works that out again before
    /// one of the two changes.
    pub(crate) fn note_settled(&mut self, stack: &Stack, plan: &Plan) {
        for step in plan.steps.iter().filter(|step| step.why == Why::Unchanged) {
            let (Some(desired), Some(live)) = (&step.desired, &step.live) else {
                continue;
            };
            let key = &step.key.key;
            let settled = Settled::of(desired, live, stack.generation);
            if self.settled.get(key) != Some(&settled) {
                self.settled.insert(key.clone(), settled);
            }
        }
    }

    /// Notes what Git is at, and what that renders to. A commit that changes nothing that is read is
    /// no news, so that a thousand Stacks are not written to because of it; when a person asks, it is
    /// told all the same.
    pub(crate) fn note_followed(
        &mut self,
        stack: &Stack,
        revision: &Revision,
        newest: Option<&Arc<Render>>,
    ) {
        let is_known = match (&self.newest, newest, &self.followed) {
            (Some(known), Some(newest), Some(_)) => Arc::ptr_eq(known, newest),
            // After a start, nothing but what it renders to is known of what was read.
            (None, Some(newest), Some(followed)) => followed.rendered == Some(newest.digest),
            _ => false,
        };
        self.newest = newest.cloned();
        if is_known && !self.wants_news(stack) {
            return;
        }
        let mut revision = revision.clone();
        if let Some(newest) = newest {
            revision.charts.clone_from(&newest.revision.charts);
        }
        self.followed = Some(Followed {
            revision,
            rendered: newest.map(|render| render.digest),
        });
    }

    /// After a start, what the status says was applied counts as applied, object by object: a
    /// difference from it is drift and not a new revision. What another Stack has was not applied.
    pub(crate) fn remember_applied(&mut self, digest: Digest, desired: &[Object]) {
        if self.rendered == Some(digest) && self.applied_objects.is_empty() {
            let owned = &self.inventory.entries;
            self.applied_objects = desired
                .iter()
                .filter(|object| owned.contains_key(object.key()))
                .map(|object| (object.key().clone(), object.digest()))
                .collect();
        }
    }
}
