//! Gathers what a plan is made of, without an engine: what the engine holds in memory is read from what it
//! keeps in the cluster, worked out anew, or asked of the server. What cannot be known is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_engine::{
    Known, Others, Question, Review, Standing, desired_keys, makes_namespace, plain_secrets,
    propose, review,
};
use holdfast_model::digest::Digest;
use holdfast_model::object::{Key, Object};
use holdfast_model::plan::{Plan, counted};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::time::Time;
use holdfast_target::Snapshot;

use super::failed;
use super::others::{Neighbourhood, Own};
use super::permitted::Permission;
use crate::cli::api::{Api, items, text};
use crate::cli::progress::waiting_for;
use crate::cli::rendering::{For, Rendered, Rendering, digests};
use crate::cli::revisions::{self, Of};
use crate::cli::sources::LocalSources;
use crate::cli::subject::Subject;
use crate::wiring;

/// What is planned for.
pub(super) enum Wanted {
    /// What the engine would carry out: what holds the Stack, or else what it follows.
    Now,
    /// What it follows, be it held at something else.
    Followed,
    /// A revision that is named.
    Named(String),
    /// A folder of this machine.
    Folder(PathBuf),
}

/// A plan, and all that was found out on the way.
pub(super) struct Gathered {
    pub(super) stack: Stack,
    pub(super) plan: Plan,
    /// What the Stack owns.
    pub(super) owned: BTreeSet<Key>,
    /// All Stacks that can be read.
    pub(super) stacks: Vec<StackKey>,
    /// What the server says of it; nothing where it was not asked.
    pub(super) review: Option<Review>,
    /// What cannot be known, and what else is to be said.
    pub(super) notes: Vec<String>,
    /// Whether it is what the engine would carry out now.
    pub(super) is_now: bool,
}

/// Whether the server is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Server,
    Nobody,
}

/// That Secrets are not sealed; the first of them are named.
fn plain(rendered: &Rendered) -> Option<String> {
    let plain = plain_secrets(&rendered.objects, rendered.is_chart);
    let first = plain.first()?;
    let more = match plain.len() {
        1 => String::new(),
        count => format!(", and so are {} more", count - 1),
    };
    Some(format!(
        "{}: {}{more}; seal it with `holdfast secret seal`",
        first.origin,
        first.message()
    ))
}

/// Gathers what a plan for a Stack is made of, and makes it.
pub(super) async fn gather(
    api: &Api,
    name: &str,
    wanted: Wanted,
    (local, asking): (&LocalSources, Asking),
) -> anyhow::Result<Gathered> {
    let rendering = Rendering::begin(api).await;
    let gathered = gather_by(&rendering, (api, name), wanted, (local, asking)).await;
    rendering.end().await;
    gathered
}

async fn gather_by(
    rendering: &Rendering,
    (api, name): (&Api, &str),
    wanted: Wanted,
    (local, asking): (&LocalSources, Asking),
) -> anyhow::Result<Gathered> {
    let waiting = waiting_for(format!("reads what is known of {name}"));
    let subject = Subject::read(api, &rendering.plane, name).await?;
    anyhow::ensure!(!subject.stack.deleting, "Stack {name} is being deleted");
    let permission = Permission::read(&rendering.plane, &subject.stack).await?;
    let of = For {
        tenant: permission.tenant.as_ref(),
        ..subject.rendered_for(local)
    };
    let mut notes = subject.notes();
    notes.extend(permission.note.clone());
    drop(waiting);
    let url = &subject.stack.source.repository.url;
    let waiting = waiting_for(format!("fetches {url} and renders it"));
    let (rendered, named) = subject.render(api, rendering, of, &wanted).await?;
    notes.extend(rendering.doubts(&rendered));
    notes.extend(plain(&rendered));
    let desired = subject.place(&rendered.objects).await?;
    permission.check(&subject.stack, &desired)?;
    let applied = subject.applied(rendering, of, &rendered, &desired).await;
    if applied.is_none() {
        notes.push(
            "what was applied before cannot be rendered any more: drift shows as new in Git"
                .to_owned(),
        );
    }
    drop(waiting);
    let target = &subject.stack.destination.target;
    let _waiting = waiting_for(format!("asks target {target} and the other Stacks"));
    let keys = desired_keys(&desired, subject.inventory.keys());
    let snapshot = subject.target.read(&keys).await.map_err(failed)?;
    let standing = subject.standing(&desired, &snapshot);
    let mut neighbourhood = Neighbourhood::read(api, rendering).await?;
    let own = Own {
        of,
        standing,
        revision: named.as_ref(),
    };
    let others = neighbourhood.others(rendering, own).await;
    notes.append(&mut neighbourhood.notes);
    let question = Question {
        stack: &subject.stack,
        revision: &rendered.revision,
        desired: &desired,
        snapshot: &snapshot,
    };
    let applied = applied.unwrap_or_default();
    let (plan, review) = subject.propose(question, &applied, &others, asking).await;
    notes.extend(subject.makes_namespace(&plan).await);
    Ok(Gathered {
        plan,
        review,
        notes,
        is_now: named.is_none() && !matches!(wanted, Wanted::Folder(_)),
        stacks: neighbourhood.keys,
        owned: subject.inventory.entries.into_keys().collect(),
        stack: subject.stack,
    })
}

impl Subject {
    fn standing<'a>(&'a self, desired: &'a [Object], snapshot: &'a Snapshot) -> Standing<'a> {
        Standing {
            stack: &self.stack.key,
            cluster: &self.cluster,
            desired,
            inventory: &self.inventory,
            snapshot,
        }
    }

    fn notes(&self) -> Vec<String> {
        let left = self.inventory.left.iter().map(|left| {
            format!(
                "{} on {} to be removed when everything is in place here",
                counted(left.entries.len(), "object"),
                left.place
            )
        });
        left.collect()
    }

    /// What is made before anything else.
    async fn makes_namespace(&self, plan: &Plan) -> Option<String> {
        let is_made = makes_namespace(&self.target, &self.stack, plan).await;
        let namespace = &self.stack.destination.namespace;
        let said = || format!("namespace {namespace} is made first; it is not owned by the Stack");
        is_made.unwrap_or(false).then(said)
    }

    /// What is wanted, and the revision where one was named.
    async fn render(
        &self,
        api: &Api,
        rendering: &Rendering,
        of: For<'_>,
        wanted: &Wanted,
    ) -> anyhow::Result<(Rendered, Option<Revision>)> {
        let now = wiring::now();
        let held = self.stack.pin.as_ref().filter(|pin| !pin.is_expired(now));
        let (revision, is_named) = match (wanted, held) {
            (Wanted::Folder(folder), _) => {
                return Ok((rendering.render_folder(of, folder).await?, None));
            }
            (Wanted::Named(text), _) => {
                let of = Of {
                    stack: &self.stack,
                    known: &self.known,
                    held,
                };
                (revisions::choose(api, of, text).await?.revision, true)
            }
            (Wanted::Now, Some(pin)) => (pin.revision.clone(), false),
            _ => (rendering.follow(&self.stack).await?, false),
        };
        let mut rendered = self.as_kept(rendering, of, &revision).await?;
        let is_held = held.is_some() && matches!(wanted, Wanted::Now);
        let followed = self.known.followed.as_ref();
        // A commit that changes nothing that is read goes by the name of the one before it.
        if let Some(followed) = followed.filter(|_| !is_named && !is_held)
            && followed.rendered == Some(rendered.digest)
        {
            rendered.revision = followed.revision.clone();
        }
        Ok((rendered, is_named.then_some(revision)))
    }

    /// Digests of the objects as they were last applied; nothing where that cannot be found out.
    async fn applied(
        &self,
        rendering: &Rendering,
        of: For<'_>,
        rendered: &Rendered,
        desired: &[Object],
    ) -> Option<BTreeMap<Key, Digest>> {
        let (Some(revision), Some(digest)) = (&self.known.applied, self.known.rendered) else {
            return Some(BTreeMap::new());
        };
        let mut applied = if digest == rendered.digest {
            digests(desired)
        } else {
            let before = self.as_kept(rendering, of, revision).await.ok()?;
            if before.digest != digest {
                return None;
            }
            digests(&self.place(&before.objects).await.ok()?)
        };
        applied.retain(|key, _| self.inventory.entries.contains_key(key));
        Some(applied)
    }

    /// Fields that are left to others of objects that are still as they were applied, by the status.
    fn contended(
        &self,
        desired: &[Object],
        applied: &BTreeMap<Key, Digest>,
    ) -> BTreeMap<Key, BTreeMap<String, String>> {
        let now = wiring::now();
        let mut contended: BTreeMap<Key, BTreeMap<String, String>> = BTreeMap::new();
        for left in items(&self.object, "/status/leftAlone") {
            let is_over = Time::parse(text(left, "/until")).is_none_or(|until| until <= now);
            let named = |object: &&Object| object.key().to_string() == text(left, "/object");
            let Some(object) = desired.iter().find(named).filter(|_| !is_over) else {
                continue;
            };
            if applied.get(object.key()) == Some(&object.digest()) {
                let fields = contended.entry(object.key().clone()).or_default();
                let (field, by) = (text(left, "/field"), text(left, "/by"));
                fields.insert(field.to_owned(), by.to_owned());
            }
        }
        contended
    }

    /// The plan; what the server would leave as it is, is left.
    async fn propose(
        &self,
        question: Question<'_>,
        applied: &BTreeMap<Key, Digest>,
        others: &Others,
        asking: Asking,
    ) -> (Plan, Option<Review>) {
        let snapshot: &Snapshot = question.snapshot;
        let none = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let known = Known {
            is_install: self.known.applied.is_none(),
            inventory: &self.inventory,
            applied,
            learned: &none.0,
            settled: &none.1,
            contended: self.contended(question.desired, applied),
            immutable: &none.2,
        };
        let plan = propose(&self.target, question, &known, others).await;
        if asking == Asking::Nobody {
            return (plan, None);
        }
        let review = review(&self.target, &self.stack, &plan, &snapshot.typings).await;
        if review.settled.is_empty() {
            return (plan, Some(review));
        }
        let known = Known {
            settled: &review.settled,
            ..known
        };
        let plan = propose(&self.target, question, &known, others).await;
        (plan, Some(review))
    }
}
