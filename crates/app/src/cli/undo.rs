//! Going back, and coming back: rollback, resume. Each is a change of the Stack's object that the
//! engine sees; none touches a target.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use holdfast_api::native::{PIN_ANNOTATION, pin, stack, status};
use holdfast_model::Value;
use holdfast_model::deed::Action;
use holdfast_model::pin::{Pin, RolledBack};
use holdfast_model::stack::Stack;
use holdfast_model::status::Remembered;
use holdfast_model::undo::{self, Choice};
use serde_json::json;

use super::api::Api;
use super::revisions::{self, Of};
use super::{Global, exit, plan, print};
use crate::wiring;

/// How often a change is tried while others keep writing to the Stack.
const TRIES: usize = 20;

/// Go back to an earlier revision until Git has something newer.
#[derive(Args)]
pub(crate) struct Rollback {
    /// The Stack.
    name: String,
    /// The commit, by its first digits; a tag or a branch; the version of a chart that a range meant;
    /// or -1, -2 and so on for how far back among those that became healthy. When left out, the
    /// newest revision further back that became healthy.
    #[arg(long, value_name = "REVISION", allow_negative_numbers = true)]
    to: Option<String>,
    /// How long to stay there at most, such as 2h.
    #[arg(long = "for", value_name = "DURATION", value_parser = exit::duration)]
    duration: Option<Duration>,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        print(&self.carry_out(&api).await?);
        Ok(ExitCode::SUCCESS)
    }

    /// A rollback to a revision, or to the newest one that worked.
    pub(super) fn new(name: &str, to: Option<&str>, reason: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            to: to.map(str::to_owned),
            duration: None,
            reason: reason.map(str::to_owned),
        }
    }

    /// Asks for it; what is said of it.
    pub(super) async fn carry_out(&self, api: &Api) -> anyhow::Result<String> {
        let now = wiring::now();
        let expires = self.duration.map(|duration| now + duration);
        let by = api.person().await;
        // What is written is for the Stack as it was read: what is rolled back, and whether it was
        // already, must not change in between.
        for _ in 0..TRIES {
            let object = api.stack(&self.name).await?;
            let stack = stack::read(&object).stack;
            let known = status::read(object.get("status").unwrap_or(&Value::Null));
            let held = stack.pin.as_ref().filter(|pin| !pin.is_expired(now));
            let choice = self.choose(api, &stack, &known, held).await?;
            let pin = Pin {
                revision: choice.revision.clone(),
                from: undo::rolled_back(&known, held),
                expires,
                by: by.clone(),
                since: Some(now),
                reason: self.reason.clone(),
                written: String::new(),
            };
            let commit = &choice.revision.commit.0;
            let reason = self.reason.as_deref();
            let mut annotations = api.deed(Action::Rollback, commit, reason).await;
            annotations.insert(PIN_ANNOTATION.to_owned(), pin::write(&pin).into());
            let patch = json!({"metadata": {"annotations": annotations}});
            if api.change_unchanged(&object, patch).await? {
                return Ok(said(&stack, &choice, &pin));
            }
        }
        anyhow::bail!("others keep writing to {}; try again", self.name)
    }

    /// What is gone back to, with other sources and charts as far as they are known.
    async fn choose(
        &self,
        api: &Api,
        stack: &Stack,
        known: &Remembered,
        held: Option<&Pin>,
    ) -> anyhow::Result<Choice> {
        let hint = || {
            let name = &self.name;
            format!(
                "{name} stays where it is; `holdfast history {name}` shows what there is, and --to takes any commit"
            )
        };
        let Some(wanted) = &self.to else {
            return undo::choose_newest(known, held).with_context(hint);
        };
        let of = Of { stack, known, held };
        revisions::choose(api, of, wanted).await.with_context(hint)
    }
}

/// Goes back to what worked before, as `holdfast rollback` does.
pub(crate) async fn roll_back(global: &Global, name: &str) -> anyhow::Result<()> {
    Rollback::new(name, None, None)
        .run(global)
        .await
        .map(|_| ())
}

fn said(stack: &Stack, choice: &Choice, pin: &Pin) -> String {
    let name = &stack.key.name;
    let mut out = format!("{name} goes back to {}: {}\n", choice.revision, choice.why);
    for skipped in &choice.skipped {
        out.push_str(&format!("  skips {skipped}\n"));
    }
    let until = pin.expires.map(|expires| format!("until {expires}, or "));
    let git = match &pin.from {
        Some(RolledBack::Revision(from, _)) => {
            format!("until Git, which is at {from}, has something newer")
        }
        _ => "until Git has something newer".to_owned(),
    };
    let until = until.unwrap_or_default();
    out.push_str(&format!(
        "  it stays there {until}{git}; `holdfast resume {name}` ends that\n"
    ));
    if stack.suspended {
        out.push_str(&format!(
            "  it is suspended: nothing is applied before `holdfast resume {name}`\n"
        ));
    }
    out
}

/// Go on after a suspension or a rollback, and show what that applies.
#[derive(Args)]
pub(crate) struct Resume {
    /// The Stack.
    name: String,
    /// Show what would be applied, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Resume {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let name = &self.name;
        let Some(going_on) = GoingOn::of(&api, name).await? else {
            print(&format!("{name} is neither suspended nor pinned\n"));
            return Ok(ExitCode::SUCCESS);
        };
        if going_on.applies {
            match plan::preview(global, name).await {
                Ok(preview) => print(&preview),
                Err(error) => print(&format!("what it applies cannot be shown: {error:#}\n")),
            }
        }
        if self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        let said = going_on.ask(&api, name, self.reason.as_deref()).await?;
        print(&format!("{said}\n"));
        Ok(ExitCode::SUCCESS)
    }
}

/// What it is to go on with a Stack.
pub(super) struct GoingOn {
    patch: Value,
    of: String,
    said: String,
    /// Whether what Git says is applied then: what is suspended and pinned stays pinned.
    pub(super) applies: bool,
}

impl GoingOn {
    /// What it is now; nothing where the Stack is neither suspended nor pinned.
    pub(super) async fn of(api: &Api, name: &str) -> anyhow::Result<Option<Self>> {
        let stack = stack::read(&api.stack(name).await?).stack;
        let held = stack.pin.as_ref();
        let held = held.filter(|pin| !pin.is_expired(wiring::now()));
        let (patch, of, said) = match (stack.suspended, held) {
            (true, Some(pin)) => {
                let words = format!(
                    "{name} is no longer suspended, and stays pinned to {}; `holdfast resume \
                     {name}` again ends that",
                    pin.revision
                );
                (json!({"spec": {"suspend": false}}), "suspend", words)
            }
            (true, None) => (
                json!({"spec": {"suspend": false}}),
                "suspend",
                format!("{name} is no longer suspended, and goes on"),
            ),
            (false, Some(pin)) => (
                json!({"metadata": {"annotations": {PIN_ANNOTATION: null}}}),
                pin.revision.commit.0.as_str(),
                format!(
                    "{name} is no longer pinned to {}, and goes on",
                    pin.revision
                ),
            ),
            (false, None) => return Ok(None),
        };
        Ok(Some(Self {
            patch,
            of: of.to_owned(),
            said,
            applies: held.is_none() || !stack.suspended,
        }))
    }

    /// Asks for it; what is said of it.
    pub(super) async fn ask(
        mut self,
        api: &Api,
        name: &str,
        reason: Option<&str>,
    ) -> anyhow::Result<String> {
        for (annotation, text) in api.deed(Action::Resume, &self.of, reason).await {
            self.patch["metadata"]["annotations"][annotation] = text;
        }
        api.change(name, &self.patch).await?;
        Ok(self.said)
    }
}
