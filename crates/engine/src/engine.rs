//! The engine's handle: intents in, Stacks reconciled target by target, statuses out. It must not know
//! what a reconciliation does.

mod announce;
mod caught;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use holdfast_model::inventory::Inventory;
use holdfast_model::object::Key;
use holdfast_model::operation::{End, Failure};
use holdfast_model::pin::Pin;
use holdfast_model::plan::counted;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{ClusterId, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::{Reason, Status, Truth};
use holdfast_model::tenant::Untenanted;
use holdfast_model::time::Time;
use holdfast_source::Sources;
use holdfast_target::{Capabilities, Target};
use tokio::task::JoinSet;
use tracing::{Instrument as _, debug_span, warn};

use crate::awaiting::Awaiting;
use crate::breaker::Breakers;
use crate::claims::Claims;
use crate::defects::{Defect, Defects};
use crate::entropy::{digest_key, entropy};
use crate::externals::Externals;
use crate::intents::Intents;
use crate::look::{Course, Halt};
use crate::moving::{Removal, remove};
use crate::ports::{Intent, Ports, Unpinned};
use crate::queue::Queue;
use crate::reconcile::reconcile;
use crate::repositories::Repositories;
use crate::state::StackState;
use crate::telemetry::{Counters, Telemetry};
use crate::tenancy::Tenancy;
use crate::vaults::Vaults;
use crate::view::{Seen, View};
use crate::{approval, fold, happened};

mod conclude;
mod next;
mod places;

/// How an engine works.
#[derive(Clone, Copy)]
pub struct Options {
    /// How many Stacks of one target are reconciled at once; 32 by default.
    pub workers: usize,
    /// The installation's secret: what charts make up at random is derived from it, so that it stays
    /// the same for as long as the secret does and nobody can guess it, and digests of sensitive
    /// values are keyed by it.
    pub entropy: [u8; 32],
    /// What Stacks may do whose namespace is in no Tenant; anything by default.
    pub untenanted: Untenanted,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 32,
            entropy: [0; 32],
            untenanted: Untenanted::Anything,
        }
    }
}

/// How long a new Stack waits for its repository's first answer before its status says so.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many Stacks are reconciled at once on all targets: most of them wait for an answer.
const AT_ONCE: usize = 1024;

/// How long it counts what a target is: definitions come and go, and clusters are upgraded.
const CAPABILITIES_AGE: Duration = Duration::from_secs(5);

/// The current time.
pub(crate) type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Keeps Stacks equal to what Git says. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// Which cluster a target leads to; whoever wants to know waits for who asked first.
type Identity = Arc<tokio::sync::OnceCell<Option<ClusterId>>>;

/// What workers share.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) externals: Externals,
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) claims: Claims,
    pub(crate) awaiting: Awaiting,
    pub(crate) clock: Clock,
    pub(crate) queue: Arc<Queue>,
    intents: Mutex<Intents>,
    /// Inventories from before the engine was started, until their Stacks are reconciled first.
    owned: Mutex<HashMap<(StackKey, StackUid), Inventory>>,
    /// What is said of inventories from before that are not believed, until then.
    distrusted: Mutex<HashMap<(StackKey, StackUid), Vec<String>>>,
    states: Mutex<HashMap<StackKey, Arc<tokio::sync::Mutex<StackState>>>>,
    statuses: Mutex<HashMap<StackKey, Arc<Status>>>,
    /// Pins that have ended, by their text, until they are seen to be gone: what was seen of a Stack
    /// may be older than that.
    ended: Mutex<HashMap<StackKey, String>>,
    /// Stacks whose status is no longer the one that was shown.
    unshown: Mutex<HashSet<StackKey>>,
    targets: tokio::sync::Mutex<HashMap<TargetName, Arc<dyn Target>>>,
    capabilities: Mutex<HashMap<TargetName, (Instant, Arc<Capabilities>)>>,
    /// Which cluster each target leads to, as soon as it was asked.
    identities: Mutex<HashMap<TargetName, Identity>>,
    pub(crate) counters: Counters,
    defects: Defects,
    pub(crate) breakers: Breakers,
    pub(crate) view: View,
    pub(crate) tenancy: Tenancy,
    /// What digests of sensitive values are keyed by.
    pub(crate) digests: Arc<DigestKey>,
    options: Options,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// An engine that has no Stacks yet.
    pub fn new(
        ports: Ports,
        sources: Sources,
        clock: Arc<dyn Fn() -> Time + Send + Sync>,
        options: Options,
    ) -> Self {
        let queue = Arc::new(Queue::new(options.workers));
        let digests = Arc::new(digest_key(&options.entropy));
        Self {
            shared: Arc::new(Shared {
                externals: Externals::new(sources.clone()),
                vaults: Vaults::new(&sources, &digests),
                repositories: Repositories::new(
                    sources,
                    Arc::clone(&queue),
                    Arc::clone(&ports.connections),
                ),
                ports,
                claims: Claims::default(),
                awaiting: Awaiting::default(),
                clock,
                queue,
                intents: Mutex::default(),
                owned: Mutex::default(),
                distrusted: Mutex::default(),
                states: Mutex::default(),
                statuses: Mutex::default(),
                ended: Mutex::default(),
                unshown: Mutex::default(),
                targets: tokio::sync::Mutex::default(),
                capabilities: Mutex::default(),
                identities: Mutex::default(),
                counters: Counters::default(),
                defects: Defects::default(),
                breakers: Breakers::default(),
                view: View::default(),
                tenancy: Tenancy::new(options.untenanted),
                digests,
                options,
            }),
        }
    }

    /// Takes up what Stacks own, as it was made durable before the engine was started; before the
    /// first [`Engine::upsert`]. It stays until a Stack is reconciled first, however often the Stack
    /// changes until then.
    pub fn take_up(
        &self,
        inventories: impl IntoIterator<Item = ((StackKey, StackUid), Inventory)>,
    ) {
        lock(&self.shared.owned).extend(inventories);
    }

    /// Takes a Stack as somebody wants it now. What it owns is claimed for it at once, so that no
    /// other Stack that is looked at earlier takes it.
    pub fn upsert(&self, intent: Intent) {
        let shared = &self.shared;
        let stack = Arc::clone(&intent.stack);
        let before = shared.replace_intent(&stack.key, Some(Arc::new(intent.clone())));
        if stack.pin.is_none() {
            lock(&shared.ended).remove(&stack.key);
        }
        shared.view.want(&stack, shared.now());
        let target = &stack.destination.target;
        if before.is_none() {
            let owned = lock(&shared.owned);
            let inventory = owned.get(&(stack.key.clone(), stack.uid.clone()));
            if let Some(inventory) = inventory {
                shared.claims.take_inventory(&stack.key, target, inventory);
            }
        }
        let asked = before.is_some_and(|before| {
            before.stack.requested != stack.requested || before.stack.refresh != stack.refresh
        });
        if asked {
            shared.repositories.poke(&stack);
        }
        shared.queue.assign(&stack.key, target);
        shared.queue.wake(&stack.key);
    }

    /// Somebody else has written the status of a Stack: what was last shown is shown again when it is
    /// reconciled next.
    pub fn show_again(&self, key: &StackKey) {
        lock(&self.shared.unshown).insert(key.clone());
    }

    /// A Stack is gone from the control plane.
    pub fn forget(&self, key: &StackKey) {
        self.shared.replace_intent(key, None);
        lock(&self.shared.ended).remove(key);
        self.shared.queue.wake(key);
    }

    /// Asks the repository of every Stack for news now, as a webhook does.
    pub fn look_at_sources(&self) {
        for intent in self.shared.intents() {
            self.shared.repositories.poke(&intent.stack);
        }
    }

    /// What was last shown of a Stack.
    pub fn status(&self, key: &StackKey) -> Option<Arc<Status>> {
        self.shared.status(key)
    }

    /// What was last shown of every Stack.
    pub fn statuses(&self) -> Vec<(StackKey, Arc<Status>)> {
        let statuses = lock(&self.shared.statuses);
        statuses
            .iter()
            .map(|(key, status)| (key.clone(), Arc::clone(status)))
            .collect()
    }

    /// What is published of all Stacks, for as long as somebody reads it.
    pub fn view(&self) -> View {
        self.shared.view.clone()
    }

    /// Whether the control plane says what happens: all Stacks are known, or nothing is heard any more.
    pub fn note_sight(&self, sees: bool) {
        let shared = &self.shared;
        shared.view.note_hearing(sees, shared.now());
    }

    /// What was done so far, as numbers.
    pub fn telemetry(&self) -> Telemetry {
        Telemetry {
            unread: self.shared.ports.reporter.unread(),
            ..self.shared.counters.read()
        }
    }

    /// The Stacks whose last reconciliation has broken off, each a defect of the engine itself.
    pub fn defects(&self) -> Vec<Defect> {
        self.shared.defects.list()
    }

    /// How many Stacks there are.
    pub fn len(&self) -> usize {
        lock(&self.shared.intents).len()
    }

    /// Whether there are no Stacks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends what the engine has begun elsewhere, after it has stopped: its logins to Vault.
    pub async fn close(&self) {
        self.shared.vaults.close().await;
    }

    /// Reconciles Stacks until the future is dropped.
    pub async fn run(&self) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                key = self.shared.queue.next(), if running.len() < AT_ONCE => {
                    let shared = Arc::clone(&self.shared);
                    running.spawn(async move {
                        shared.process_caught(&key).await;
                        shared.queue.done(&key);
                    });
                }
                Some(_) = running.join_next() => {}
            }
        }
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Time {
        (self.clock)()
    }

    /// What was last shown of a Stack.
    pub(crate) fn status(&self, key: &StackKey) -> Option<Arc<Status>> {
        lock(&self.statuses).get(key).cloned()
    }

    /// Does something with all Stacks as they are wanted.
    pub(crate) fn with_intents<T>(&self, work: impl FnOnce(&Intents) -> T) -> T {
        work(&lock(&self.intents))
    }

    /// What holds a Stack at an older revision, unless it has ended.
    pub(crate) fn pin(&self, stack: &Stack) -> Option<Pin> {
        let pin = stack.pin.as_ref()?;
        let has_ended = lock(&self.ended).get(&stack.key) == Some(&pin.written);
        (!has_ended).then(|| pin.clone())
    }

    /// Takes a pin that has ended away. One that somebody writes meanwhile stays, and wakes the Stack.
    pub(crate) async fn end_pin(&self, stack: &Stack, pin: &Pin) -> Result<(), Halt> {
        lock(&self.ended).insert(stack.key.clone(), pin.written.clone());
        let failure = match self.ports.ledger.unpin(&stack.key, pin).await {
            Ok(Unpinned::Gone) => return Ok(()),
            Ok(Unpinned::Replaced) => return Err(Halt::pending("the Stack was pinned anew")),
            Err(failure) => failure,
        };
        lock(&self.ended).remove(&stack.key);
        let message = format!(
            "a pin that has ended could not be taken away: {}",
            failure.message
        );
        Err(Halt {
            again: Some(Duration::from_secs(5)),
            ..Halt::new(Reason::Pinned, message)
        })
    }

    /// What a Stack's render derives everything random from.
    pub(crate) fn entropy(&self, uid: &StackUid, seed: &str) -> [u8; 32] {
        entropy(&self.options.entropy, uid, seed)
    }

    /// What a target is, asked for once in a while however many Stacks want to know.
    pub(crate) async fn capabilities(
        &self,
        name: &TargetName,
    ) -> Result<Arc<Capabilities>, Failure> {
        if let Some((at, known)) = lock(&self.capabilities).get(name)
            && at.elapsed() < CAPABILITIES_AGE
        {
            return Ok(Arc::clone(known));
        }
        let at = Instant::now();
        let found = Arc::new(self.target(name).await?.capabilities().await?);
        lock(&self.capabilities).insert(name.clone(), (at, Arc::clone(&found)));
        Ok(found)
    }

    /// A target, connected to once, until [`Shared::reconnect`]. Nobody waits for another target.
    pub(crate) async fn target(
        self: &Shared,
        name: &TargetName,
    ) -> Result<Arc<dyn Target>, Failure> {
        if let Some(target) = self.targets.lock().await.get(name) {
            return Ok(Arc::clone(target));
        }
        let listener = listener(
            name.clone(),
            Arc::downgrade(&self.queue),
            self.claims.handle(),
        );
        let target = self.ports.connections.target(name, listener).await?;
        let mut targets = self.targets.lock().await;
        Ok(Arc::clone(targets.entry(name.clone()).or_insert(target)))
    }

    /// Has the way to a target found out again the next time that it is wanted, since it did not answer
    /// on the one that is known: its address or its credentials may have changed.
    async fn reconnect(&self, name: &TargetName) {
        self.targets.lock().await.remove(name);
        lock(&self.capabilities).remove(name);
    }

    pub(crate) async fn process(&self, key: &StackKey) {
        let intent = lock(&self.intents).get(key).cloned();
        let Some(intent) = intent else {
            self.drop_state(key).await;
            return;
        };
        let state = {
            let mut states = lock(&self.states);
            let entry = states.entry(key.clone());
            let state = entry
                .or_insert_with(|| Arc::new(tokio::sync::Mutex::new(self.first_state(&intent))));
            Arc::clone(state)
        };
        let mut state = state.lock().await;
        if state.uid != intent.stack.uid {
            *state = self.first_state(&intent);
        }
        let counted = approval::without_spent(&intent, &mut state);
        if intent.stack.deleting {
            self.process_deletion(&counted, &mut state).await;
        } else {
            self.process_sync(&counted, &intent.stack, &mut state).await;
        }
    }

    async fn process_sync(&self, intent: &Intent, written: &Stack, state: &mut StackState) {
        let stack = &intent.stack;
        if intent.problems.is_empty() && !self.hold(stack, state).await {
            return;
        }
        self.counters.look();
        state.is_unsaved = false;
        self.awaiting.begin(&stack.key);
        let span = debug_span!("reconcile", stack = %stack.key);
        let look = match self.may_ask(intent) {
            Ok(()) => {
                let look = reconcile(self, intent, state).instrument(span).await;
                self.judge_target(stack, look.as_ref().err()).await;
                look
            }
            Err(halt) => Err(halt),
        };
        self.announce_news(stack, state).await;
        self.wake_former(stack, state);
        self.wake(self.awaiting.end(&stack.key));
        self.wake(
            self.claims
                .settle(&stack.key, |cluster, key| state.owns(stack, cluster, key)),
        );
        let looked = match &look {
            Ok(look) => Some(look),
            Err(halt) => halt.kept.as_deref(),
        };
        if let Some(looked) = looked {
            self.tell(stack, state, looked).await;
            approval::spend(self, written, state, looked).await;
        }
        if matches!(&look, Err(halt) if halt.reason == Reason::Pending) {
            // What was said last stands until there is an answer; the Stack is woken then. That it
            // waits is worth a write only when it takes long.
            let since = *state.asking.get_or_insert_with(|| self.now());
            let waited = self.now().since(since);
            if state.published.is_some() || waited < PATIENCE {
                if state.published.is_none() {
                    self.queue.wake_after(&stack.key, PATIENCE);
                }
                return;
            }
        } else {
            state.asking = None;
        }
        let status = match &look {
            Ok(look) => self.conclude(stack, state, look),
            Err(halt) => self.conclude_halt(stack, state, halt),
        };
        let wake = self.plan_next_look(stack, state, &look);
        self.say_standing(stack, state, &look, &status).await;
        let seen = Seen {
            look: looked,
            wake,
            ..Seen::default()
        };
        self.show(stack, state, status, seen).await;
    }

    async fn process_deletion(&self, intent: &Intent, state: &mut StackState) {
        let stack = &intent.stack;
        let removed = remove(self, intent, state).await;
        self.announce_news(stack, state).await;
        self.wake_former(stack, state);
        match removed {
            Ok(Removal::Over(events)) => {
                for event in events {
                    self.announce(stack, &mut state.journal, &event).await;
                }
                if let Err(error) = self.ports.ledger.release(&stack.key).await {
                    warn!(stack = %stack.key, %error, "The Stack could not be let go.");
                    self.queue.wake_after(&stack.key, Duration::from_secs(5));
                }
            }
            Ok(Removal::Going(look)) => {
                if let Course::Ended(outcome) = &look.course
                    && outcome.end != End::Succeeded
                {
                    let event = happened::failed(&look, outcome);
                    self.announce(stack, &mut state.journal, &event).await;
                }
                let mut status = fold::status(stack, state, &look);
                status.ready.reason = Reason::Deleting;
                status.ready.holds = Truth::False;
                status.ready.message =
                    format!("{} still to go", counted(state.inventory.len(), "object"));
                // Objects that go slowly are told of by their watch; this is for what failed.
                let wake = self.plan_next_ask(stack, Duration::from_secs(5));
                let look = Some(&*look);
                self.show(
                    stack,
                    state,
                    status,
                    Seen {
                        look,
                        wake,
                        ..Seen::default()
                    },
                )
                .await;
            }
            Err(halt) => {
                if halt.reason == Reason::TargetFailed {
                    self.reconnect(&stack.destination.target).await;
                }
                let status = fold::halted(stack, state, &halt, self.now());
                let pause = halt.again.unwrap_or(Duration::from_secs(30));
                let halted = Err(halt);
                self.say_standing(stack, state, &halted, &status).await;
                let wake = self.plan_next_ask(stack, pause);
                let seen = Seen {
                    wake,
                    ..Seen::default()
                };
                self.show(stack, state, status, seen).await;
            }
        }
    }

    async fn drop_state(&self, key: &StackKey) {
        let state = lock(&self.states).remove(key);
        self.view.leave(key);
        lock(&self.statuses).remove(key);
        lock(&self.unshown).remove(key);
        lock(&self.owned).retain(|(stack, _), _| stack != key);
        lock(&self.distrusted).retain(|(stack, _), _| stack != key);
        self.queue.unassign(key);
        self.repositories.leave(key);
        self.counters.forget(key);
        self.wake(self.claims.leave(key));
        self.wake(self.awaiting.leave(key));
        if state.is_some() {
            let targets: Vec<_> = self.targets.lock().await.values().cloned().collect();
            for target in targets {
                let _ = target.observe(key, &[]).await;
            }
        }
        self.wake_dependants(key);
    }
}

/// Wakes the Stacks that an object concerns which has changed.
fn listener(
    target: TargetName,
    queue: Weak<Queue>,
    concerned: impl Fn(&TargetName, &Key) -> Vec<StackKey> + Send + Sync + 'static,
) -> holdfast_target::Listener {
    Arc::new(move |key: &Key| {
        if let Some(queue) = queue.upgrade() {
            for stack in concerned(&target, key) {
                queue.wake(&stack);
            }
        }
    })
}
