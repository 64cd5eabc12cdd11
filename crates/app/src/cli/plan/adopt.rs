//! `holdfast adopt`: what a Stack would take over of what is there already, from whom, and what of it would
//! change. Nothing is changed unless that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use holdfast_api::native::SYNC_ANNOTATION;
use holdfast_model::Value;
use holdfast_model::deed::Action;
use holdfast_model::object::LiveObject;
use holdfast_model::plan::{Step, Verb, Why, counted};
use holdfast_model::{applyset, stack::StackKey};
use holdfast_plan::MANAGER;
use serde_json::{Map, json};

use super::gather::{Asking, Gathered, Wanted, gather};
use super::show;
use crate::cli::api::Api;
use crate::cli::show::{Output, Tone, for_programs, paint};
use crate::cli::sources::LocalSources;
use crate::cli::{Global, print};
use crate::wiring;

/// Show what a Stack would take over, from whom, and how to begin. Nothing is changed without --yes.
#[derive(Args)]
#[command(
    after_help = "Make the Stack with spec.suspend: true, or with spec.sync.automatic: false, \
    so that nothing\nis applied before somebody has seen it:\n  \
    holdfast apply -f shop.yaml\n  \
    holdfast adopt shop\n  \
    holdfast adopt shop --yes"
)]
pub(crate) struct Adopt {
    /// The Stack.
    name: String,
    /// Begin: end the suspension, and sync.
    #[arg(long)]
    yes: bool,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT", requires = "yes")]
    reason: Option<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// An object that is there and is wanted, and is not the Stack's own.
struct Found<'a> {
    step: &'a Step,
    live: &'a LiveObject,
    /// Who has it: other tools, or another Stack.
    from: Vec<String>,
    /// Whether it stays with another Stack.
    stays: bool,
}

impl Adopt {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let local = LocalSources::default();
        let choices = (&local, Asking::Server);
        let gathered = gather(&api, &self.name, Wanted::Followed, choices).await?;
        let found = found(&gathered);
        if !for_programs(self.output, &for_program(&gathered, &found)) {
            print(&for_people(&gathered, &found));
        }
        if !show::refused(&gathered).is_empty() {
            return Ok(ExitCode::FAILURE);
        }
        match self.yes {
            true => self.begin(&api, &gathered).await,
            false => Ok(ExitCode::SUCCESS),
        }
    }

    async fn begin(&self, api: &Api, gathered: &Gathered) -> anyhow::Result<ExitCode> {
        let request = wiring::request();
        let reason = self.reason.as_deref();
        let mut annotations = api.deed(Action::Sync, &request, reason).await;
        annotations.insert(SYNC_ANNOTATION.to_owned(), request.into());
        let mut patch = json!({"metadata": {"annotations": annotations}});
        if gathered.stack.suspended {
            let resumed: Map<String, Value> = api.deed(Action::Resume, "suspend", reason).await;
            for (name, text) in resumed {
                patch["metadata"]["annotations"][name] = text;
            }
            patch["spec"]["suspend"] = false.into();
        }
        api.change(&self.name, &patch).await?;
        let name = &self.name;
        print(&format!(
            "{name} takes them over; holdfast wait {name} waits for it\n"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn found(gathered: &Gathered) -> Vec<Found<'_>> {
    let own = applyset::id(&gathered.stack.key);
    let by_set: BTreeMap<String, &StackKey> = gathered
        .stacks
        .iter()
        .map(|key| (applyset::id(key), key))
        .collect();
    let steps = gathered.plan.steps.iter();
    steps
        .filter(|step| step.desired.is_some() && !gathered.owned.contains(&step.key.key))
        .filter_map(|step| {
            let live = step.live.as_ref()?;
            let part_of = live.value.text(&["metadata", "labels", applyset::PART_OF]);
            let part_of = part_of.filter(|part_of| *part_of != own);
            let known = part_of.as_ref().and_then(|part_of| by_set.get(part_of));
            let set = match (known, &part_of) {
                (Some(key), _) => Some(format!("Stack {key}")),
                (None, Some(part_of)) => Some(format!("ApplySet {part_of}")),
                (None, None) => None,
            };
            let from = set.into_iter().chain(release(live)).chain(managers(live));
            Some(Found {
                step,
                live,
                from: from.collect(),
                stays: matches!(step.why, Why::Claimed { .. } | Why::Stranger),
            })
        })
        .collect()
}

/// The release of Helm that an object says to belong to.
fn release(live: &LiveObject) -> Option<String> {
    let name = live.annotation("meta.helm.sh/release-name")?;
    Some(format!("Helm release {name}"))
}

fn managers(live: &LiveObject) -> Vec<String> {
    let named: BTreeSet<&str> = live
        .managers
        .iter()
        .filter(|manager| manager.subresource.is_empty() && *manager.name != *MANAGER)
        .map(|manager| &*manager.name)
        .collect();
    named.into_iter().map(str::to_owned).collect()
}

/// What would change about it.
fn change(found: &Found<'_>) -> String {
    match (&found.step.verb, &found.step.why) {
        (_, Why::Claimed { by }) => format!("stays with Stack {by}, until that drops it"),
        (Verb::Keep, Why::Unchanged) => "nothing changes".to_owned(),
        (_, why) => why.to_string(),
    }
}

fn for_people(gathered: &Gathered, found: &[Found<'_>]) -> String {
    let name = &gathered.stack.key.name;
    let mut out = String::new();
    for one in found {
        let (mark, tone) = match (one.stays, one.step.verb) {
            (true, _) => ("×", Tone::Bad),
            (_, Verb::Keep) => ("=", Tone::Faint),
            _ => ("~", Tone::Warning),
        };
        let line = paint(tone, &format!("{mark} {}", one.step.key.key));
        let from = match one.from.is_empty() {
            true => "nobody who is known".to_owned(),
            false => one.from.join(", "),
        };
        out.push_str(&format!("{line}  of {from}: {}\n", change(one)));
    }
    let taken = found.iter().filter(|one| !one.stays).count();
    let steps = gathered.plan.changes();
    let made = steps.filter(|step| step.verb == Verb::Create).count();
    out.push_str(&format!(
        "{name} would take over {}, and make {}\n",
        counted(taken, "object"),
        counted(made, "object")
    ));
    for (step, failure) in show::refused(gathered) {
        let key = &step.key.key;
        let words = format!("✗ the server refuses {key}: {}", failure.message);
        out.push_str(&format!("{}\n", paint(Tone::Bad, &words)));
    }
    for note in &gathered.notes {
        out.push_str(&format!(
            "{}\n",
            paint(Tone::Faint, &format!("note: {note}"))
        ));
    }
    let is_held = gathered.stack.suspended || !gathered.stack.sync.automatic;
    out.push_str(&match (found.is_empty(), is_held) {
        (true, _) => "nothing that is there is somebody else's\n".to_owned(),
        (false, true) => {
            format!("line by line: holdfast diff {name}; to begin: holdfast adopt {name} --yes\n")
        }
        (false, false) => format!(
            "{name} is synced automatically: what can be taken over is, unless it is suspended\n"
        ),
    });
    out
}

fn for_program(gathered: &Gathered, found: &[Found<'_>]) -> Value {
    let objects = found.iter().map(|one| {
        let fields = match &one.step.why {
            Why::NewRevision { fields }
            | Why::SecretRotated { fields, .. }
            | Why::Drift { fields, .. } => fields.clone(),
            _ => Vec::new(),
        };
        json!({
            "object": one.step.key.key.to_string(),
            "uid": one.live.uid(),
            "from": one.from,
            "taken": !one.stays,
            "verb": one.step.verb.to_string(),
            "why": change(one),
            "fields": fields,
        })
    });
    json!({
        "stack": gathered.stack.key.to_string(),
        "plan": gathered.plan.digest().to_string(),
        "objects": objects.collect::<Vec<_>>(),
        "notes": gathered.notes,
    })
}
