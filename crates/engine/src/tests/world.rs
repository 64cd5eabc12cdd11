//! A world for the engine without a network: a real repository in a folder, and a control plane
//! and targets that keep what they are told, fail when they are told to, and note each effect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_model::digest::Digest;
use holdfast_model::event::StackEvent;
use holdfast_model::inventory::Inventory;
use holdfast_model::operation::{Class, Failure};
use holdfast_model::pin::Pin;
use holdfast_model::stack::{
    Deletion, Destination, Mode, Reference, RenderChoice, Repository, SecretReference, Source,
    Stack, StackKey, StackUid, SyncPolicy, TargetName,
};
use holdfast_model::status::{Remembered, SourceTrouble, Status, Truth};
use holdfast_model::tenant::Untenanted;
use holdfast_model::time::Time;
use holdfast_source::{Credentials, SourceLimits, Sources};
use holdfast_target::{BoxFuture, Found, Listener, Target};

use super::target::{FakeTarget, Fuse, down};
use crate::engine::{Engine, Options};
use crate::ports::{Connections, Entries, Intent, Ledger, Ports, Reporter, Unpinned, Unsaved};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test's future.
pub(super) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let result = runtime.block_on(test);
    runtime.shutdown_background();
    result
}

/// A folder that goes when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("holdfast-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder is made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A control plane in memory.
#[derive(Default)]
pub(super) struct FakePlane {
    pub(super) inventories: Mutex<BTreeMap<(StackKey, StackUid), Inventory>>,
    pub(super) statuses: Mutex<BTreeMap<StackKey, Status>>,
    pub(super) notices: Mutex<Vec<String>>,
    pub(super) released: Mutex<BTreeSet<StackKey>>,
    pub(super) targets: Mutex<BTreeMap<TargetName, Arc<FakeTarget>>>,
    /// Whether inventories can be written.
    pub(super) takes_inventories: Mutex<Option<Failure>>,
    /// What another engine writes just before the next write.
    pub(super) rival: Mutex<Option<Inventory>>,
    effects: Arc<Mutex<Vec<String>>>,
    /// Confirmations that were taken away.
    pub(super) unapproved: Mutex<Vec<Digest>>,
    pub(super) fuse: Arc<Fuse>,
}

impl Ledger for FakePlane {
    fn save_inventory<'a>(
        &'a self,
        stack: &'a StackKey,
        uid: &'a StackUid,
        inventory: &'a Inventory,
    ) -> BoxFuture<'a, Result<(), Unsaved>> {
        Box::pin(async move {
            if let Some(failure) = &*lock(&self.takes_inventories) {
                return Err(Unsaved::Failed(failure.clone()));
            }
            if let Some(written) = lock(&self.rival).take() {
                lock(&self.inventories).insert((stack.clone(), uid.clone()), written.clone());
                return Err(Unsaved::Changed(Box::new(written)));
            }
            let names: Vec<&str> = inventory.entries.keys().map(|key| &*key.name).collect();
            let saved = || {
                lock(&self.effects).push(format!("{} owns {}", stack.name, names.join(" ")));
                let id = (stack.clone(), uid.clone());
                lock(&self.inventories).insert(id, inventory.clone());
            };
            self.fuse.pass(saved).await;
            Ok(())
        })
    }

    fn hold<'a>(&'a self, _stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            lock(&self.released).insert(stack.clone());
            Ok(())
        })
    }

    fn unpin<'a>(
        &'a self,
        _stack: &'a StackKey,
        _pin: &'a Pin,
    ) -> BoxFuture<'a, Result<Unpinned, Failure>> {
        Box::pin(async { Err(down()) })
    }

    fn unapprove<'a>(
        &'a self,
        _stack: &'a StackKey,
        plan: Digest,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.pass(move || {
            lock(&self.unapproved).push(plan);
            Ok(())
        }))
    }
}

impl Reporter for FakePlane {
    fn publish<'a>(
        &'a self,
        stack: &'a StackKey,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            lock(&self.statuses).insert(stack.clone(), status.clone());
            Ok(())
        })
    }

    fn notify<'a>(&'a self, stack: &'a Stack, event: &'a StackEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let name = &stack.key.name;
            let line = format!("{name} {}: {event}", event.reason());
            lock(&self.notices).push(line);
        })
    }
}

impl Connections for FakePlane {
    fn credentials<'a>(
        &'a self,
        _secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(async { Err(down()) })
    }

    fn entries<'a>(
        &'a self,
        _secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Entries, Failure>> {
        Box::pin(async { Err(down()) })
    }

    fn account_token<'a>(
        &'a self,
        _namespace: &'a str,
        _account: &'a str,
        _audience: Option<&'a str>,
    ) -> BoxFuture<'a, Result<zeroize::Zeroizing<String>, Failure>> {
        Box::pin(async { Err(down()) })
    }

    fn target<'a>(
        &'a self,
        name: &'a TargetName,
        listener: Listener,
    ) -> BoxFuture<'a, Result<Arc<dyn Target>, Failure>> {
        Box::pin(async move {
            let found = lock(&self.targets).get(name).cloned();
            let target = found.ok_or_else(|| Failure {
                class: Class::Waiting,
                reason: "NotFound",
                message: format!("there is no Target {name}"),
                hint: None,
            })?;
            *lock(&target.listener) = Some(listener);
            let target: Arc<dyn Target> = target;
            Ok(target)
        })
    }
}

/// A repository, a control plane and targets, and an engine that does what a test asks for and
/// nothing by itself.
pub(super) struct World {
    pub(super) plane: Arc<FakePlane>,
    pub(super) engine: Engine,
    pub(super) stacks: BTreeMap<String, Stack>,
    /// Whether an engine that is started reads what statuses say.
    pub(super) remembers: bool,
    repository: Folder,
    data: Folder,
    clock: Arc<AtomicU64>,
    /// The installation's secret, for the next engine that starts.
    pub(super) entropy: [u8; 32],
    /// What counts for who is in no Tenant, for the next engine that starts.
    pub(super) untenanted: Untenanted,
}

impl World {
    /// An empty repository, and the target `in-cluster`.
    pub(super) fn new() -> Self {
        let plane = Arc::new(FakePlane::default());
        let (repository, data) = (Folder::new("git"), Folder::new("data"));
        let clock = Arc::new(AtomicU64::new(0));
        let entropy = [0; 32];
        let engine = engine(&plane, &data, &clock, (entropy, Untenanted::Anything));
        let world = Self {
            plane,
            engine,
            stacks: BTreeMap::new(),
            remembers: false,
            repository,
            data,
            clock,
            entropy,
            untenanted: Untenanted::Anything,
        };
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        world.add_target("in-cluster");
        world
    }

    /// Another target.
    pub(super) fn add_target(&self, name: &'static str) -> Arc<FakeTarget> {
        let target = Arc::new(FakeTarget {
            objects: Mutex::default(),
            effects: Arc::clone(&self.plane.effects),
            fuse: Arc::clone(&self.plane.fuse),
            name,
            number: AtomicU64::new(1),
            is_up: Mutex::new(true),
            asked: AtomicU64::new(0),
            users: Mutex::default(),
            refuses: Mutex::default(),
            says: Mutex::default(),
            wrote: Mutex::default(),
            looks_up: Mutex::new(Ok(Found::Nothing)),
            listener: Mutex::default(),
        });
        self.lead(name, &target);
        target
    }

    /// Has a target's name lead to a cluster.
    pub(super) fn lead(&self, name: &str, target: &Arc<FakeTarget>) {
        let name = TargetName(name.to_owned());
        lock(&self.plane.targets).insert(name, Arc::clone(target));
    }

    /// Nothing leads by that name anywhere any more.
    pub(super) fn remove_target(&self, name: &str) {
        lock(&self.plane.targets).remove(&TargetName(name.to_owned()));
    }

    pub(super) fn target(&self, name: &str) -> Arc<FakeTarget> {
        let targets = lock(&self.plane.targets);
        Arc::clone(&targets[&TargetName(name.to_owned())])
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(&self.repository.0)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
            .args(arguments)
            .output()
            .expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The repository is away, or is there again.
    pub(super) fn set_away(&self, is_away: bool) {
        let (there, aside) = (
            self.repository.0.join(".git"),
            self.repository.0.join("aside"),
        );
        let (from, to) = if is_away {
            (there, aside)
        } else {
            (aside, there)
        };
        std::fs::rename(from, to).expect("the repository is moved");
    }

    /// Writes files, an empty text for none, and commits them.
    pub(super) fn commit(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let place = self.repository.0.join(path);
            if text.is_empty() {
                std::fs::remove_file(&place).expect("the file was there");
                continue;
            }
            let folder = place.parent().expect("a file is in a folder");
            std::fs::create_dir_all(folder).expect("the folder is made");
            std::fs::write(&place, text).expect("the file is written");
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "change"]);
    }

    /// A Stack that follows a folder; the engine hears of it with [`World::upsert`].
    pub(super) fn stack(&mut self, name: &str, path: &str) -> &mut Stack {
        let stack = stack(
            name,
            path,
            format!("file://{}", self.repository.0.display()),
        );
        self.stacks.entry(name.to_owned()).or_insert(stack)
    }

    /// Tells the engine of a Stack that cannot be understood.
    pub(super) fn upsert_broken(&self, name: &str, problem: &str) {
        self.engine.upsert(Intent {
            stack: Arc::new(self.stacks[name].clone()),
            problems: vec![problem.to_owned()],
            remembered: Remembered::default(),
        });
    }

    /// Tells the engine of a Stack as it is now.
    pub(super) fn upsert(&self, name: &str) {
        self.engine.upsert(Intent {
            stack: Arc::new(self.stacks[name].clone()),
            problems: Vec::new(),
            remembered: self.remembered(name),
        });
    }

    /// What an engine that is started finds in the status of a Stack.
    fn remembered(&self, name: &str) -> Remembered {
        let statuses = lock(&self.plane.statuses);
        let Some(status) = statuses
            .get(&self.stacks[name].key)
            .filter(|_| self.remembers)
        else {
            return Remembered::default();
        };
        let is_ready = status.ready.holds == Truth::True;
        let trouble = SourceTrouble {
            since: Time::from_millis(0),
            message: status.source.message.clone(),
        };
        Remembered {
            applied: status.applied.clone(),
            attempted: status.attempted.clone(),
            rendered: status.rendered,
            ready_generation: is_ready.then_some(status.generation),
            is_source_known: status.source.holds != Truth::Unknown,
            source_trouble: (status.source.holds == Truth::False).then_some(trouble),
            followed: status.followed.clone(),
            history: status.history.clone(),
            operation: status.operation.clone(),
            terminated: status.terminated.clone(),
            handled: status.handled.clone(),
            ..Remembered::default()
        }
    }

    /// Reconciles a Stack once, after its repository has been asked for news.
    pub(super) async fn reconcile(&self, name: &str) {
        let stack = &self.stacks[name];
        let shared = &self.engine.shared;
        if !shared.repositories.is_asked(stack) {
            shared.process(&stack.key).await;
        }
        shared.repositories.poke(stack);
        shared.repositories.answered(stack).await;
        shared.queue.take(&stack.key);
        shared.process(&stack.key).await;
        if shared.is_stale(&stack.key).await {
            shared.repositories.answered(stack).await;
            shared.process(&stack.key).await;
        }
    }

    /// Waits until a Stack's repository has answered.
    pub(super) async fn answered(&self, name: &str) {
        let repositories = &self.engine.shared.repositories;
        repositories.answered(&self.stacks[name]).await;
    }

    /// Lets Stacks be reconciled, one at a time and whoever is woken, until nobody is.
    pub(super) async fn settle(&self) {
        let queue = &self.engine.shared.queue;
        for _ in 0..200 {
            if !queue.has_next() {
                return;
            }
            let key = queue.next().await;
            self.engine.shared.process(&key).await;
            queue.done(&key);
        }
        panic!("Stacks wake each other for ever");
    }

    /// Lets the engine do what it has to do until it is stopped at an effect; whether it was.
    pub(super) async fn stopped_at(&self, effect: usize, work: impl Future<Output = ()>) -> bool {
        *lock(&self.plane.fuse.left) = Some(effect);
        let was_stopped = tokio::select! {
            () = self.plane.fuse.burnt.notified() => true,
            () = work => false,
        };
        *lock(&self.plane.fuse.left) = None;
        was_stopped
    }

    /// Ends the engine as a kill does, and starts another one on what is durable.
    pub(super) fn restart(&mut self) {
        let chosen = (self.entropy, self.untenanted);
        self.engine = engine(&self.plane, &self.data, &self.clock, chosen);
        self.engine.take_up(lock(&self.plane.inventories).clone());
        for name in self.stacks.keys() {
            self.upsert(name);
        }
    }

    /// A Stack is gone from the control plane.
    pub(super) fn forget(&mut self, name: &str) {
        let stack = self.stacks.remove(name).expect("it was there");
        self.engine.forget(&stack.key);
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    /// What happened since this was last asked for.
    pub(super) fn effects(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.plane.effects))
    }

    /// A Stack's durable inventory.
    pub(super) fn inventory(&self, name: &str) -> Inventory {
        let stack = &self.stacks[name];
        let inventories = lock(&self.plane.inventories);
        let inventory = inventories.get(&(stack.key.clone(), stack.uid.clone()));
        inventory.cloned().unwrap_or_default()
    }

    /// The names that a Stack's durable inventory has.
    pub(super) fn owned(&self, name: &str) -> Vec<String> {
        let inventory = self.inventory(name);
        let keys = inventory.entries.keys();
        keys.map(|key| key.name.to_string()).collect()
    }

    pub(super) fn status(&self, name: &str) -> Status {
        let statuses = lock(&self.plane.statuses);
        statuses
            .get(&self.stacks[name].key)
            .cloned()
            .unwrap_or_default()
    }

    /// Confirmations that were taken away since this was asked last.
    pub(super) fn unapproved(&self) -> Vec<Digest> {
        std::mem::take(&mut *lock(&self.plane.unapproved))
    }

    pub(super) fn is_released(&self, name: &str) -> bool {
        lock(&self.plane.released).contains(&self.stacks[name].key)
    }

    /// What people were told since this was last asked for.
    pub(super) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.plane.notices))
    }

    pub(super) fn is_ready(&self, name: &str) -> bool {
        self.status(name).ready.holds == Truth::True
    }
}

fn engine(
    plane: &Arc<FakePlane>,
    data: &Folder,
    clock: &Arc<AtomicU64>,
    (entropy, untenanted): ([u8; 32], Untenanted),
) -> Engine {
    let sources = Sources::new(data.0.clone(), SourceLimits::default());
    let clock = Arc::clone(clock);
    let now = move || {
        let millis = i64::try_from(clock.load(Ordering::Relaxed));
        Time::from_millis(millis.unwrap_or(i64::MAX))
    };
    let options = Options {
        entropy,
        untenanted,
        ..Options::default()
    };
    Engine::new(Ports::of(plane), sources, Arc::new(now), options)
}

/// A ConfigMap as a file has it.
pub(super) fn config(name: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: \"{name}\"}}\ndata: {{text: {text}}}\n"
    )
}

fn stack(name: &str, path: &str, url: String) -> Stack {
    Stack {
        key: StackKey {
            namespace: "team-a".to_owned(),
            name: name.to_owned(),
        },
        uid: StackUid(format!("uid-{name}")),
        generation: 1,
        source: Source {
            repository: Repository {
                url,
                credentials: None,
                interval: Duration::from_secs(3_600),
            },
            reference: Reference::Head,
            path: holdfast_model::artifact::TreePath::parse(path).expect("it is a path"),
        },
        others: Vec::new(),
        render: RenderChoice::default(),
        secrets: Default::default(),
        destination: Destination {
            target: TargetName::in_cluster(),
            namespace: "shop".to_owned(),
            create_namespace: false,
        },
        sync: SyncPolicy {
            automatic: true,
            prune: true,
            heal: true,
            mode: Mode::Wave,
            replace: false,
            prune_limit: 50,
            timeout: Duration::from_secs(600),
            retries: 5,
            hook_logs: true,
        },
        depends_on: Vec::new(),
        ignore: Vec::new(),
        deletion: Deletion::Delete,
        suspended: false,
        pin: None,
        requested: None,
        refresh: None,
        terminate: None,
        take_back: None,
        approved: None,
        deeds: Default::default(),
        deleting: false,
    }
}
