//! A random walk: several Stacks on two clusters, whose files, clusters, engines and specs are changed
//! at random, while git and the servers of both clusters fail at times. Whenever it comes to rest, the
//! auditor compares what Stacks say with what is there, and with objects that none of them ever had.
//!
//! A walk's choices are those of its seed; when its steps meet the engine is not. What it finds comes with
//! its seed and all its steps, and is kept in `target/walks`.

mod door;
mod kept;
mod trouble;
mod words;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast::plane::EnginePlane;
use holdfast::wiring::{self, EngineSettings};
use holdfast_cluster::{Cluster, Options};
use holdfast_control::Plane;
use holdfast_engine::{Engine, Ports};
use holdfast_model::stack::TargetName;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::audit::Auditor;
use crate::bed::{Bed, find_condition};
use crate::bystanders::Bystanders;
use crate::proxy::Faults;
use crate::repository::Repository;
use crate::scratch;
use crate::stopping::{Fuse, StoppingPlane};
use door::Door;
use trouble::Source;
use words::Words;
use world::{Dice, Folders, KINDS, edit, object, patch, path};

const NAMESPACE: &str = "walk";
const LIST: &str = "/apis/holdfast.dev/v1alpha1/namespaces/walk/stacks";
/// Where objects of nobody are, under the names that Stacks use.
const BYSTANDERS: &str = "bystanders";
const STACKS: [&str; 3] = ["one", "two", "three"];
/// How many steps are taken before the walk rests.
const STEPS: usize = 30;
/// How long Stacks may say nothing new before they have come to rest, and how long that may take at all.
/// A machine that is busy is slow, and something is said all the same.
const PATIENCE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];
/// How long a rest waits for Stacks to say something new before it asks all the same: what is healed on a
/// cluster is not always said.
const PAUSE: Duration = Duration::from_millis(50);
/// How long drift that is about to be healed is no rest.
const DRIFT: Duration = Duration::from_secs(2);
/// How often repositories are asked for news during a rest.
const NEWS: Duration = Duration::from_secs(1);
/// Reasons for which a Stack may rest without being ready: it says what it left to whom.
const SETTLED: [&str; 2] = ["Suspended", "ConfirmationNeeded"];

/// A walk under way.
struct Walk {
    dice: Dice,
    weather: Weather,
    here: Api,
    there: Api,
    there_client: Client,
    repository: Repository,
    data: tempfile::TempDir,
    engine: Option<(Engine, JoinHandle<()>)>,
    door: Door,
    source: Source,
    /// What goes wrong with requests of engines, of each cluster.
    servers: [Faults; 2],
    is_failing: bool,
    /// Whether they have failed since the last rest.
    has_failed: bool,
    folders: Folders,
    /// The folders as they were last committed.
    committed: Folders,
    names: usize,
    suspended: BTreeSet<&'static str>,
    bystanders: Bystanders,
    auditor: Auditor,
    words: Words,
    /// The commit that was made last, and some that were made before.
    head: String,
    older: Vec<(String, Folders)>,
    /// What was done.
    log: Vec<String>,
}

/// What a walk meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Git and servers work.
    Fair,
    /// They fail at times.
    Foul,
}

/// What a walk came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walked {
    /// How many steps it took.
    pub steps: usize,
    /// How many Stacks said at rests that they are ready, and were audited.
    pub ready: usize,
    /// How many said for good why they are not.
    pub unready: usize,
}

impl AddAssign for Walked {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.ready += other.ready;
        self.unready += other.unready;
    }
}

impl fmt::Display for Walked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (steps, ready, unready) = (self.steps, self.ready, self.unready);
        write!(formatter, "{steps} steps, {ready} ready, {unready} unready")
    }
}

/// Walks a number of steps from a seed, on a runtime that ends with the walk: clusters and engines end
/// with it.
///
/// # Errors
/// What the auditor found, with all steps; and when a part does not work. That is printed and kept in a
/// file of `target/walks` too, whoever asked for the walk.
pub fn walk(seed: u64, steps: usize, weather: Weather) -> anyhow::Result<Walked> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let played = || runtime.block_on(play(seed, steps, weather));
    let walked = catch_unwind(AssertUnwindSafe(played))
        .unwrap_or_else(|panic| Err(kept::said(&*panic)))
        .map_err(|error| kept::keep(seed, weather, &error));
    runtime.shutdown_background();
    walked
}

async fn play(seed: u64, steps: usize, weather: Weather) -> anyhow::Result<Walked> {
    let mut walk = Walk::new(seed, weather).await.context("it cannot begin")?;
    let mut walked = Walked::default();
    let result = walk.go(steps, &mut walked).await;
    result.map_err(|error| {
        let (taken, log) = (walked.steps, walk.log.join("\n  "));
        anyhow::anyhow!("after {taken} steps: {error:#}\n  {log}")
    })?;
    Ok(walked)
}

impl Walk {
    async fn new(seed: u64, weather: Weather) -> anyhow::Result<Self> {
        let bed = Bed::embedded().await?;
        let other = Cluster::new(Options::default());
        tokio::spawn(other.run_controllers());
        let there_client = Client::new(other.service(), "default");
        let door = Door::new()?;
        let repository = Repository::new()?.reached_at(door.url());
        door.open(&repository)?;
        let mut walk = Self {
            dice: Dice::new(seed),
            weather,
            here: bed.api.clone(),
            there: Api {
                client: there_client.clone(),
            },
            there_client,
            repository,
            data: scratch::folder("holdfast-data-")?,
            engine: None,
            door,
            source: Source::There,
            servers: trouble::servers(),
            is_failing: false,
            has_failed: false,
            folders: Folders::new(),
            committed: Folders::new(),
            names: 0,
            suspended: BTreeSet::new(),
            bystanders: Bystanders::default(),
            auditor: Auditor::default(),
            words: Words::of(bed.api.client.clone(), LIST),
            head: String::new(),
            older: Vec::new(),
            log: Vec::new(),
        };
        walk.prepare().await?;
        Ok(walk)
    }

    async fn go(&mut self, steps: usize, walked: &mut Walked) -> anyhow::Result<()> {
        while walked.steps < steps {
            for _ in 0..STEPS {
                self.step().await?;
                walked.steps += 1;
            }
            let ready = self.rest().await?;
            self.has_failed = false;
            walked.ready += ready;
            walked.unready += STACKS.len() - ready;
            self.log.push("it rests".to_owned());
        }
        Ok(())
    }

    async fn prepare(&mut self) -> anyhow::Result<()> {
        for api in [self.here.clone(), self.there.clone()] {
            for name in [NAMESPACE, BYSTANDERS] {
                let namespace =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                api.create("/api/v1/namespaces", &namespace).await?;
            }
            for kind in KINDS {
                for index in 0..6 {
                    let name = format!("o{index}");
                    self.bystanders
                        .add(&api, &mut self.dice, (kind, BYSTANDERS, &name))
                        .await?;
                }
            }
        }
        let target = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Target",
            "metadata": {"name": "there"},
            "spec": {"kubernetes": {"kubeconfig": {"namespace": "default", "name": "none"}}}});
        let list = "/apis/holdfast.dev/v1alpha1/targets";
        self.here.create(list, &target).await?;
        for stack in STACKS {
            // A folder is never empty, so that no render waits for a person.
            self.folders.insert(stack.to_owned(), BTreeMap::new());
            self.add(stack);
            let value = json!({
                "apiVersion": "holdfast.dev/v1alpha1", "kind": "Stack",
                "metadata": {"name": stack, "namespace": NAMESPACE},
                "spec": {
                    "source": {"git": self.repository.url(), "path": stack, "interval": "1s"},
                    "sync": {"limits": {"prune": "100%"}},
                },
            });
            self.commit()?;
            self.here.create(LIST, &value).await?;
        }
        // Not every folder was there before.
        self.older.clear();
        self.start_engine(usize::MAX);
        Ok(())
    }

    /// Starts an engine that stops dead after so many effects; what stops it.
    fn start_engine(&mut self, effects: usize) -> Arc<Fuse> {
        if let Some((_, running)) = self.engine.take() {
            running.abort();
        }
        // What the server has not taken of an engine's Events ends with it.
        self.auditor.loses_events |= self.has_failed;
        let settings = EngineSettings::new(self.data.path().to_owned());
        let [here, there] = &self.servers;
        let client = here.client(self.here.client.clone());
        let there = there.client(self.there_client.clone());
        let plane = Plane::new(client.clone()).sealed(&settings.entropy);
        let inner = EnginePlane::new(plane.clone(), client, settings.limits);
        let clusters = BTreeMap::from([(TargetName("there".to_owned()), there)]);
        let fuse = Fuse::new(effects);
        let stopping = StoppingPlane {
            inner: Ports::of(&Arc::new(inner)),
            fuse: Arc::clone(&fuse),
            clusters,
        };
        let engine = wiring::engine_on(Ports::of(&Arc::new(stopping)), &settings);
        let running = tokio::spawn(wiring::run(engine.clone(), plane, settings));
        self.engine = Some((engine, running));
        fuse
    }

    /// Commits the folders as they are now.
    fn commit(&mut self) -> anyhow::Result<()> {
        self.write()?;
        self.make_branch()?;
        self.head = self.repository.commit("a step")?;
        self.remember();
        Ok(())
    }

    /// Writes the folders as they are now; files that have not changed are left alone.
    fn write(&mut self) -> anyhow::Result<()> {
        for (folder, files) in &self.folders {
            let before = self.committed.entry(folder.clone()).or_default();
            for name in before.keys().filter(|name| !files.contains_key(*name)) {
                std::fs::remove_file(self.repository.path().join(folder).join(name))?;
            }
            for (name, value) in files {
                if before.get(name) != Some(value) {
                    let text = match value {
                        Value::String(text) => text.clone(),
                        object => holdfast_yaml::to_yaml(object),
                    };
                    self.repository.write(&format!("{folder}/{name}"), &text)?;
                }
            }
            before.clone_from(files);
        }
        Ok(())
    }

    /// Adds a file to a folder; the object has a name that no other one has.
    fn add(&mut self, folder: &str) {
        let kind = KINDS[self.dice.below(KINDS.len())];
        let name = format!("o{}", self.names);
        self.names += 1;
        let value = object(&mut self.dice, kind, &name);
        if let Some(files) = self.folders.get_mut(folder) {
            files.insert(format!("{name}.yaml"), value);
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        let stack = STACKS[self.dice.below(STACKS.len())];
        let files = self.files(stack);
        let file = self.dice.pick(&files).cloned().unwrap_or_default();
        let kinds = match self.weather {
            Weather::Fair => 20,
            Weather::Foul => 24,
        };
        match self.dice.below(kinds) {
            0..=2 => {
                self.add(stack);
                self.log.push(format!("a file joins {stack}"));
                self.commit()?;
            }
            3 if files.len() > 1 => {
                self.folders
                    .entry(stack.to_owned())
                    .or_default()
                    .remove(&file);
                self.log.push(format!("{stack}/{file} is removed"));
                self.commit()?;
            }
            4..=5 if files.len() > 1 => self.hand_over(stack, &file)?,
            6..=10 => {
                let files = self.folders.entry(stack.to_owned()).or_default();
                if let Some(value) = files.get_mut(&file) {
                    edit(&mut self.dice, value);
                    let shown = value.to_string();
                    self.log.push(format!("{stack}/{file} is now {shown}"));
                }
                self.commit()?;
            }
            11..=14 => self.by_hand(stack, &file).await?,
            15 => {
                self.log.push("the engine starts again".to_owned());
                self.start_engine(usize::MAX);
            }
            16 => self.die().await,
            17 => {
                let target = ["in-cluster", "there"][self.dice.below(2)];
                self.log.push(format!("{stack} goes to {target}"));
                self.change(stack, &json!({"spec": {"target": {"name": target}}}))
                    .await?;
            }
            18 => self.turn(stack).await?,
            20 => self.trouble_git().await?,
            21 => self.force(stack)?,
            22 => self.break_or_mend(stack)?,
            23 => self.trouble_servers().await,
            // What follows meets engines in the middle of what they do.
            _ => {
                self.poke();
                self.words.next(PAUSE).await;
            }
        }
        Ok(())
    }

    /// An engine stops dead in the middle of what it does, and another one starts.
    async fn die(&mut self) {
        let effects = 1 + self.dice.below(12);
        self.log
            .push(format!("an engine dies after {effects} effects"));
        let fuse = self.start_engine(effects);
        // One that has less to do is ended all the same.
        let _ = tokio::time::timeout(Duration::from_millis(60), fuse.stopped()).await;
        self.start_engine(usize::MAX);
    }

    /// Suspends a Stack, or lets it go on.
    async fn turn(&mut self, stack: &'static str) -> anyhow::Result<()> {
        let suspends = self.suspended.insert(stack) || !self.suspended.remove(stack);
        self.log.push(format!("{stack} suspended: {suspends}"));
        self.change(stack, &json!({"spec": {"suspend": suspends}}))
            .await
    }

    /// Moves a file from one folder to another.
    fn hand_over(&mut self, from: &str, file: &str) -> anyhow::Result<()> {
        let to = STACKS[self.dice.below(STACKS.len())];
        let value = self
            .folders
            .entry(from.to_owned())
            .or_default()
            .remove(file);
        if let Some(value) = value {
            let files = self.folders.entry(to.to_owned()).or_default();
            files.insert(file.to_owned(), value);
        }
        self.log.push(format!("{from}/{file} moves to {to}"));
        self.commit()
    }

    /// Somebody changes or deletes a live object.
    async fn by_hand(&mut self, stack: &str, file: &str) -> anyhow::Result<()> {
        let Some(value) = self.folders[stack].get(file) else {
            return Ok(());
        };
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let name = value["metadata"]["name"].as_str().unwrap_or_default();
        let path = path(&kind, NAMESPACE, name);
        let api = [&self.here, &self.there][self.dice.below(2)].clone();
        if self.dice.below(5) == 0 {
            let _ = api.delete(&path).await;
            self.log.push(format!("{path} is deleted by hand"));
            return Ok(());
        }
        let patch = patch(&mut self.dice, &kind);
        let manager = format!("hand-{}", self.dice.below(3));
        let _ = api.merge(&path, &manager, &patch).await;
        self.log
            .push(format!("{manager} merges {patch} into {path}"));
        Ok(())
    }

    async fn change(&self, stack: &str, patch: &Value) -> anyhow::Result<()> {
        let path = stack_path(stack);
        self.here.merge(&path, "walk", patch).await?;
        Ok(())
    }

    fn poke(&self) {
        if let Some((engine, _)) = &self.engine {
            engine.look_at_sources();
        }
    }

    /// Waits until every Stack has come to rest, and audits; how many of them are ready.
    async fn rest(&mut self) -> anyhow::Result<usize> {
        if self.weather == Weather::Foul {
            self.calm()?;
        }
        for stack in std::mem::take(&mut self.suspended) {
            self.change(stack, &json!({"spec": {"suspend": false}}))
                .await?;
        }
        let others = BTreeMap::from([("there".to_owned(), self.there.clone())]);
        let (start, mut asked) = (Instant::now(), None::<Instant>);
        loop {
            if asked.is_none_or(|asked| asked.elapsed() > NEWS) {
                self.poke();
                asked = Some(Instant::now());
            }
            let stacks = self.stacks().await?;
            let mut findings = self.unrest(&stacks, start.elapsed());
            if findings.is_empty() {
                let auditor = &mut self.auditor;
                findings = auditor
                    .run(&self.here, &others, NAMESPACE, &self.repository)
                    .await?;
            }
            if findings.is_empty() {
                findings = self.bystanders.touched().await;
            }
            if findings.is_empty() {
                let ready = stacks.iter().filter(|stack| is_ready(stack));
                return Ok(ready.count());
            }
            let silent = self.words.last().max(start).elapsed();
            let is_over = silent > PATIENCE[0] || start.elapsed() > PATIENCE[1];
            findings.extend(stacks.iter().map(shown));
            anyhow::ensure!(!is_over, "{}", findings.join("\n"));
            self.words.next(PAUSE).await;
        }
    }

    async fn stacks(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.here.get(LIST).await?;
        let items = list["items"].as_array().cloned();
        items.context("Stacks are no list")
    }

    /// Stacks that are neither ready nor say for good why they are not.
    fn unrest(&self, stacks: &[Value], so_far: Duration) -> Vec<String> {
        let mut findings = Vec::new();
        for stack in stacks {
            let is_seen = stack["status"]["observedGeneration"] == stack["metadata"]["generation"];
            let name = stack["metadata"]["name"].as_str().unwrap_or_default();
            let unsaid = self.unsaid(stack);
            findings.extend(unsaid.map(|unsaid| format!("{name}: {unsaid}")));
            if !is_seen || !(is_ready(stack) || self.may_rest(stack, so_far)) {
                let reason = find_condition(stack, "Ready", "reason");
                let message = find_condition(stack, "Ready", "message");
                findings.push(format!(
                    "{name} does not come to rest at {}: {reason} {message}",
                    self.head
                ));
            }
        }
        findings
    }
}

/// What a Stack says, in a line.
fn shown(stack: &Value) -> String {
    let name = stack["metadata"]["name"].as_str().unwrap_or_default();
    let commit = &stack["status"]["applied"]["commit"];
    let mut line = format!("{name} says that it has {commit}");
    for kind in ["Ready", "SourceReady", "Synced"] {
        let [status, reason, message] =
            ["status", "reason", "message"].map(|field| find_condition(stack, kind, field));
        line += &format!("; {kind} {status} {reason}: {message}");
    }
    line
}

fn is_ready(stack: &Value) -> bool {
    find_condition(stack, "Ready", "status") == "True"
}

fn stack_path(name: &str) -> String {
    format!("{LIST}/{name}")
}
