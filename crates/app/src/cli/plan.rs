//! `holdfast plan` and `holdfast diff`: what would be done, from a revision or from an uncommitted
//! working copy, against what is live. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::native::stack::read;
use holdfast_control::{Plane, TargetAccess};
use holdfast_engine::{Externals, Job, ask, desired_keys, kinds, lookups, place, request};
use holdfast_kinds::Typings;
use holdfast_model::Value;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{LiveObject, Object, is_sensitive};
use holdfast_model::operation::Failure;
use holdfast_model::plan::{Plan as Steps, Step, Verb, counted};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Place, Reference, Stack};
use holdfast_plan::{Inputs, plan};
use holdfast_render::{Setting, join};
use holdfast_source::{SourceLimits, Sources};
use holdfast_target::Target as _;
use holdfast_target_kube::{KubeTarget, Limits};
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::api::Api;
use super::exit::WOULD_CHANGE;
use super::show::{Output, Tone, for_programs, paint};
use super::sources::LocalSources;
use super::{Global, print, render, sources};
use crate::kubeconfigs::KubeconfigRules;
use crate::plane::EnginePlane;
use crate::wiring;

/// What is planned.
#[derive(Args)]
struct Subject {
    /// The Stack.
    name: String,
    /// A branch, tag or commit instead of what the Stack follows.
    #[arg(long, value_name = "REVISION", conflicts_with = "dir")]
    revision: Option<String>,
    /// A folder on this machine instead of what Git has: an uncommitted working copy.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    local: LocalSources,
}

/// Show what would be done to the target of a Stack, and why. Nothing is changed.
#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    subject: Subject,
    /// Exit with 2 where something would be done, with 0 where nothing would.
    #[arg(long)]
    exit_code: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Plan {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let prepared = self.subject.prepare(global).await?;
        let steps = &prepared.plan;
        if !for_programs(self.output, &for_program(steps)) {
            print(&for_people(steps));
        }
        let changed = self.exit_code && !steps.is_empty();
        Ok(if changed {
            ExitCode::from(WOULD_CHANGE)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Show how objects would change, line by line, as the server says it. Nothing is changed.
#[derive(Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    subject: Subject,
    /// Exit with 2 where something would change, with 0 where nothing would.
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let prepared = self.subject.prepare(global).await?;
        let mut changed = false;
        for step in prepared.plan.changes() {
            let after = match &step.desired {
                None => None,
                Some(desired) => Some(prepared.after(step, desired).await),
            };
            let text = diff_of(step, after);
            changed |= !text.is_empty();
            print(&text);
        }
        let code = if changed && self.exit_code {
            ExitCode::from(WOULD_CHANGE)
        } else {
            ExitCode::SUCCESS
        };
        Ok(code)
    }
}

/// A plan, and the target that it is for.
struct Prepared {
    stack: Stack,
    plan: Steps,
    target: KubeTarget,
    typings: Arc<Typings>,
}

impl Prepared {
    /// The object as it would be: as the server says, or as it is written where the server cannot
    /// be asked yet, with the reason.
    async fn after(&self, step: &Step, desired: &Object) -> (Value, Option<String>) {
        match self
            .target
            .dry_run(&request(&self.stack, step, &self.typings))
            .await
        {
            Ok(live) => (live.value.unpack(), None),
            Err(failure) => (desired.value(), Some(failure.message)),
        }
    }
}

pub(crate) fn failed(failure: Failure) -> anyhow::Error {
    let hint = failure
        .hint
        .map(|hint| format!("\n  hint: {hint}"))
        .unwrap_or_default();
    anyhow::anyhow!("{}{hint}", failure.message)
}

/// What would be done for what a Stack follows, as people read it.
pub(crate) async fn preview(global: &Global, name: &str) -> anyhow::Result<String> {
    let subject = Subject {
        name: name.to_owned(),
        revision: None,
        dir: None,
        local: LocalSources::default(),
    };
    Ok(for_people(&subject.prepare(global).await?.plan))
}

impl Subject {
    async fn prepare(&self, global: &Global) -> anyhow::Result<Prepared> {
        let api = Api::connect(global).await?;
        let object = api.stack(&self.name).await?;
        let read = read(&object);
        if let Some(problem) = read.problems.first() {
            anyhow::bail!("Stack {} cannot be used: {problem}", self.name);
        }
        let stack = read.stack;
        let plane = Plane::new(api.client.clone());
        let client = match plane.target_access(&stack.destination.target).await? {
            TargetAccess::Own => api.client.clone(),
            TargetAccess::Kubeconfig(text) => {
                wiring::client_of_kubeconfig(&text, &KubeconfigRules::default()).await?
            }
        };
        let target = KubeTarget::new(client, Limits::default(), Arc::new(|_| {}));
        let setting = setting(&object, &stack, &target).await?;
        let adapter = EnginePlane::new(plane.clone(), api.client.clone(), Limits::default());
        let (objects, revision) = self.objects(&stack, &adapter, setting).await?;
        let scopes = target.scopes(&kinds(&objects)).await.map_err(failed)?;
        let desired = place(&objects, &scopes, &stack.destination.namespace)
            .map_err(|twice| anyhow::anyhow!("{}", twice[0]))?;
        let inventory = owned(&plane, &stack, &target).await?;
        let keys = desired_keys(&desired, inventory.keys());
        let snapshot = target.read(&keys).await.map_err(failed)?;
        let applied = applied(&object, &objects, &desired);
        let mut answers = BTreeMap::new();
        let draw = |answers: &BTreeMap<_, _>| {
            plan(Inputs {
                stack: &stack,
                revision: &revision,
                is_install: object.pointer("/status/applied").is_none(),
                desired: &desired,
                live: &snapshot.live,
                typings: &snapshot.typings,
                answers,
                settled: &BTreeMap::new(),
                inventory: &inventory,
                applied: &applied,
                learned: &BTreeMap::new(),
                rivals: &BTreeMap::new(),
                immutable: &BTreeSet::new(),
                claimed: &BTreeMap::new(),
                passing: &BTreeMap::new(),
                within: &BTreeMap::new(),
            })
        };
        let mut plan = draw(&answers);
        answers = ask(&target, &stack, &plan, &snapshot.typings).await;
        if !answers.is_empty() {
            plan = draw(&answers);
        }
        Ok(Prepared {
            stack,
            plan,
            target,
            typings: snapshot.typings,
        })
    }

    /// What is wanted, and what that was rendered from.
    async fn objects(
        &self,
        stack: &Stack,
        adapter: &EnginePlane,
        setting: Setting,
    ) -> anyhow::Result<(Vec<Object>, Revision)> {
        if let Some(folder) = &self.dir {
            let subject = render::Subject {
                path: folder.clone(),
                root: None,
                choice: stack.render.clone(),
                others: stack.others.clone(),
                local: self.local.clone(),
                setting,
                packed: None,
            };
            let rendered = subject.render(Some(adapter)).await?;
            let revision = Revision::new(CommitId::default(), folder.display().to_string());
            return Ok((rendered.objects, revision));
        }
        let repository = &stack.source.repository;
        let credentials = sources::credentials(repository, Some(adapter)).await?;
        let cache = wiring::default_data_dir();
        let sources = Sources::new(cache, SourceLimits::default());
        let references = self.references(stack);
        let mut revision =
            sources::resolve(&sources, repository, credentials.as_ref(), &references).await?;
        let tree = sources
            .open(&repository.url, credentials.as_ref(), &revision.commit)
            .await?;
        let opened = self
            .local
            .open(&stack.others, Some(&sources), Some(adapter))
            .await?;
        revision.others = opened.commits;
        let job = Arc::new(Job {
            tree: join(Arc::new(tree), opened.mounts),
            folder: stack.source.path.clone(),
            choice: stack.render.clone(),
            setting,
            charts: BTreeMap::new(),
        });
        let externals = Externals::new(sources);
        let rendered = externals.render(&job, Some(adapter), None).await;
        let (rendered, used) = rendered
            .map_err(render::broken)
            .with_context(|| revision.to_string())?;
        revision.charts = used.charts;
        Ok((rendered.objects, revision))
    }

    /// What a revision may mean, in the order in which it is tried.
    fn references(&self, stack: &Stack) -> Vec<Reference> {
        match &self.revision {
            None => vec![stack.source.reference.clone()],
            Some(text) if text.len() == 40 => vec![Reference::Commit(CommitId(text.clone()))],
            Some(text) if text.starts_with("refs/") => vec![Reference::Name(text.clone())],
            Some(text) => vec![
                Reference::Branch(text.clone()),
                Reference::Tag(text.clone()),
            ],
        }
    }
}

/// What a Stack owns on the cluster that it goes to.
async fn owned(plane: &Plane, stack: &Stack, target: &KubeTarget) -> anyhow::Result<Inventory> {
    let inventory = plane.inventory(&stack.key, &stack.uid).await?;
    let place = Place {
        cluster: target.identity().await.map_err(failed)?,
        target: stack.destination.target.clone(),
        namespace: stack.destination.namespace.clone(),
    };
    Ok(inventory.at(place).0)
}

/// What a render is told. A chart's random values are the engine's secret: a plan of a chart that
/// makes some up shows them as changed.
async fn setting(object: &Value, stack: &Stack, target: &KubeTarget) -> anyhow::Result<Setting> {
    let capabilities = target.capabilities().await.map_err(failed)?;
    Ok(Setting {
        name: stack.key.name.clone(),
        namespace: stack.destination.namespace.clone(),
        is_install: object.pointer("/status/applied").is_none(),
        now: wiring::now(),
        kube_version: Some(capabilities.version),
        api_versions: capabilities.api_versions,
        lookups: lookups(
            Arc::new(target.clone()),
            &stack.destination.namespace,
            stack.render.helm.lookups,
        ),
        ..Setting::default()
    })
}

/// What counts as applied: all of it where the Stack has applied just this.
fn applied(
    object: &Value,
    objects: &[Object],
    desired: &[Object],
) -> BTreeMap<holdfast_model::object::Key, holdfast_model::digest::Digest> {
    let rendered = super::api::text(object, "/status/rendered");
    if rendered != holdfast_render::digest(objects).to_string() {
        return BTreeMap::new();
    }
    desired
        .iter()
        .map(|object| (object.key().clone(), object.digest()))
        .collect()
}

fn for_people(plan: &Steps) -> String {
    let mut out = String::new();
    let mut kept = 0;
    for step in &plan.steps {
        let (mark, tone) = match step.verb {
            Verb::Create => ("+", Tone::Good),
            Verb::Update => ("~", Tone::Warning),
            Verb::Replace => ("±", Tone::Bad),
            Verb::Delete => ("-", Tone::Bad),
            Verb::Run => ("▶", Tone::Plain),
            Verb::Keep => {
                let is_silent = step.why.to_string() == "unchanged";
                kept += usize::from(is_silent);
                if is_silent {
                    continue;
                }
                ("=", Tone::Faint)
            }
        };
        let key = &step.key.key;
        let gate = step
            .gate
            .as_ref()
            .map(|gate| format!("; waits: {gate}"))
            .unwrap_or_default();
        let line = format!("{mark} {key}");
        out.push_str(&format!("{}  {}{gate}\n", paint(tone, &line), step.why));
    }
    let changes = plan.changes().count();
    let revision = match plan.revision.commit.0.is_empty() {
        true => plan.revision.reference.clone(),
        false => plan.revision.to_string(),
    };
    let digest = if changes > 0 {
        format!(", plan {}", plan.digest())
    } else {
        String::new()
    };
    out.push_str(&format!(
        "{}, {kept} unchanged, from {revision}{digest}\n",
        counted(changes, "change")
    ));
    out
}

fn for_program(plan: &Steps) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({
                "verb": step.verb.to_string(),
                "object": step.key.key.to_string(),
                "why": step.why.to_string(),
                "origin": step.desired.as_ref().map(|desired| desired.origin.to_string()),
                "gate": step.gate.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({
        "plan": plan.digest().to_string(),
        "commit": plan.revision.commit.0,
        "reference": plan.revision.reference,
        "others": plan.revision.others,
        "charts": plan.revision.charts,
        "changes": plan.changes().count(),
        "steps": steps,
    })
}

/// The lines of an object that would change. What the server writes for itself is left out, and
/// values of Secrets are shown as nothing but the fact that they differ.
fn diff_of(step: &Step, after: Option<(Value, Option<String>)>) -> String {
    let key = &step.key.key;
    let before = step
        .live
        .as_ref()
        .map(|live: &LiveObject| live.value.unpack());
    let (after, remark) = match after {
        Some((after, remark)) => (Some(after), remark),
        None => (None, None),
    };
    let mask = |value: Option<Value>, other: Option<&Value>| {
        value.map(|mut value| {
            strip(&mut value);
            if is_sensitive(&key.kind) {
                hide(&mut value, other);
            }
            holdfast_yaml::to_yaml(&value)
        })
    };
    let old = mask(before.clone(), None).unwrap_or_default();
    let new = mask(after, before.as_ref()).unwrap_or_default();
    if old == new {
        return String::new();
    }
    let mut out = format!(
        "{}\n",
        paint(Tone::Bold, &format!("{} {key}: {}", step.verb, step.why))
    );
    if let Some(remark) = remark {
        out.push_str(&paint(
            Tone::Warning,
            &format!("  not asked of the server: {remark}\n"),
        ));
    }
    let diff = TextDiff::from_lines(&old, &new);
    for group in diff.grouped_ops(3) {
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let (mark, tone) = match change.tag() {
                ChangeTag::Delete => ("-", Tone::Bad),
                ChangeTag::Insert => ("+", Tone::Good),
                ChangeTag::Equal => (" ", Tone::Plain),
            };
            let line = change.value().trim_end_matches('\n');
            out.push_str(&format!("{}\n", paint(tone, &format!("{mark} {line}"))));
        }
        out.push_str(&paint(Tone::Faint, "  …\n"));
    }
    out
}

fn strip(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
        ] {
            metadata.remove(name);
        }
    }
}

/// Replaces each value of a Secret by whether it differs from the one that is there.
fn hide(value: &mut Value, other: Option<&Value>) {
    for field in ["data", "stringData"] {
        let Some(map) = value.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        for (name, value) in map {
            let same = other.and_then(|other| other.get(field)?.get(name)) == Some(value);
            let word = if same || other.is_none() {
                "(hidden)"
            } else {
                "(hidden, changed)"
            };
            *value = word.into();
        }
    }
}
