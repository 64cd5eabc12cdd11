//! Commands that ask something of a Stack: sync, suspend, terminate, approve, delete. Each is a change
//! of the Stack's object that the engine sees; none touches a target.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use holdfast_api::native::{
    APPROVE_ANNOTATION, REFRESH_ANNOTATION, SYNC_ANNOTATION, TAKE_BACK_ANNOTATION,
    TERMINATE_ANNOTATION,
};
use holdfast_model::Value;
use holdfast_model::deed::Action;
use http::Method;
use serde_json::{Map, json};

use super::api::{Api, condition, is_unread, items, ready_tone, text};
use super::exit::{self, Stop};
use super::show::paint;
use super::wait::{blocked, is_suspended};
use super::{Global, print, progress};
use crate::wiring;

/// Why something is asked for, and how long its result is waited for.
#[derive(Args)]
struct Asked {
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Return at once instead of waiting for the result.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = exit::timeout)]
    timeout: Duration,
}

/// Whom something is asked of, and why.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) api: &'a Api,
    pub(super) name: &'a str,
    pub(super) reason: Option<&'a str>,
}

impl Request<'_> {
    /// The annotations of a request, with who makes it and why.
    async fn made(self, action: Action, annotation: &str) -> (String, Map<String, Value>) {
        let request = wiring::request();
        let mut annotations = self.api.deed(action, &request, self.reason).await;
        annotations.insert(annotation.to_owned(), request.clone().into());
        (request, annotations)
    }

    async fn annotate(self, annotations: Map<String, Value>) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.api.change(self.name, &patch).await.map(drop)
    }

    /// Asks for a sync, and to take back what was left to others where that is named; the request.
    pub(super) async fn sync(self, take_back: Option<&[&str]>) -> anyhow::Result<String> {
        let (request, mut annotations) = self.made(Action::Sync, SYNC_ANNOTATION).await;
        annotations.insert(REFRESH_ANNOTATION.to_owned(), request.clone().into());
        if let Some(place) = take_back {
            let words: Vec<&str> = std::iter::once(request.as_str())
                .chain(place.iter().copied())
                .collect();
            annotations.insert(TAKE_BACK_ANNOTATION.to_owned(), words.join(" ").into());
        }
        self.annotate(annotations).await?;
        Ok(request)
    }

    /// Asks for news from Git, and for nothing else.
    pub(super) async fn refresh(self) -> anyhow::Result<()> {
        let request = wiring::request();
        let annotation = (REFRESH_ANNOTATION.to_owned(), request.into());
        self.annotate([annotation].into_iter().collect()).await
    }

    /// Has nothing applied any more.
    pub(super) async fn suspend(self) -> anyhow::Result<()> {
        let annotations = self.api.deed(Action::Suspend, "suspend", self.reason).await;
        let patch = json!({"spec": {"suspend": true}, "metadata": {"annotations": annotations}});
        self.api.change(self.name, &patch).await.map(drop)
    }

    /// Ends what is under way; the request.
    pub(super) async fn terminate(self) -> anyhow::Result<String> {
        let (request, annotations) = self.made(Action::Terminate, TERMINATE_ANNOTATION).await;
        self.annotate(annotations).await?;
        Ok(request)
    }

    /// Confirms a plan, where it is the one that waits.
    pub(super) async fn approve(self, plan: &str) -> anyhow::Result<()> {
        let name = self.name;
        let stack = self.api.stack(name).await?;
        let pending = text(&stack, "/status/pending/plan");
        anyhow::ensure!(!pending.is_empty(), "{name} waits for nobody");
        anyhow::ensure!(
            pending == plan,
            "{name} waits for plan {pending}, not for {plan}; read it again before you approve it"
        );
        let mut annotations = self.api.deed(Action::Approve, plan, self.reason).await;
        annotations.insert(APPROVE_ANNOTATION.to_owned(), plan.into());
        self.annotate(annotations).await
    }

    /// Deletes the Stack.
    pub(super) async fn delete(self) -> anyhow::Result<()> {
        let path = self.api.stack_path(self.name);
        let send = self
            .api
            .send(Method::DELETE, &path, "application/json", None);
        send.await.map(drop)
    }
}

/// Look for a new revision and apply it now.
#[derive(Args)]
pub(crate) struct Sync {
    /// The Stack.
    name: String,
    /// Take back what was left to other writers: all of it, or an object, or a field of one.
    #[arg(long)]
    take_back: bool,
    /// The object to take back, as `describe` shows it, such as Deployment.apps/shop/web.
    #[arg(requires = "take_back")]
    object: Option<String>,
    /// The field of it, such as /spec/replicas.
    field: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

impl Sync {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let before = api.stack(&self.name).await?;
        if is_suspended(&before)
            && let Some(blocked) = blocked(&self.name, &before)
        {
            return Err(Stop::blocked(blocked));
        }
        let place = self.object.iter().chain(&self.field);
        let place: Vec<&str> = place.map(String::as_str).collect();
        let take_back = self.take_back.then_some(place.as_slice());
        let asking = Request {
            api: &api,
            name: &self.name,
            reason: self.asked.reason.as_deref(),
        };
        let request = asking.sync(take_back).await?;
        if self.asked.no_wait {
            print(&format!("{} is asked to sync\n", self.name));
            return Ok(ExitCode::SUCCESS);
        }
        let handled = |stack: &Value, waited: Duration| {
            let reason = condition(stack, "Ready", "reason");
            let is_done = reason != "Progressing";
            let cannot_come = match reason {
                "SourceFailed" | "RenderFailed" | "NotPermitted" => is_asked(stack, &request),
                "InvalidSpec" => is_current(stack),
                // What was said before the request may be over in this moment.
                "DependencyNotReady" | "DependencyCycle" => waited > GRACE,
                _ => is_unread(stack) && is_asked(stack, &request),
            };
            cannot_come || text(stack, "/status/handledSync") == request && is_done
        };
        let stack = wait(&api, &self.name, self.asked.timeout, handled).await?;
        report(&self.name, &stack)
    }
}

/// How long a reason that may be over stands.
const GRACE: Duration = Duration::from_secs(1);

/// Whether Git was asked since a request was made.
fn is_asked(stack: &Value, request: &str) -> bool {
    text(stack, "/status/handledRefresh") == request
}

/// Whether a status speaks of the Stack as it is written now.
fn is_current(stack: &Value) -> bool {
    stack.pointer("/status/observedGeneration") == stack.pointer("/metadata/generation")
}

/// Waits until a Stack is as `holds` says; progress is shown after a second.
async fn wait(
    api: &Api,
    name: &str,
    timeout: Duration,
    holds: impl Fn(&Value, Duration) -> bool,
) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let mut shown = String::new();
    loop {
        let stack = api.stack(name).await?;
        let waited = begun.elapsed();
        if holds(&stack, waited) {
            return Ok(stack);
        }
        let message = condition(&stack, "Ready", "message").to_owned();
        if waited >= timeout {
            let seconds = timeout.as_secs();
            return Err(Stop::timed_out(format!(
                "{name} has not come to an end within {seconds} s; is an engine running? The last that \
                 is known: {message}"
            )));
        }
        if waited >= GRACE && message != shown {
            progress::say(&message);
            shown = message;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Says how a Stack is doing; fails where it is not ready.
fn report(name: &str, stack: &Value) -> anyhow::Result<ExitCode> {
    if let Some(blocked) = blocked(name, stack) {
        return Err(Stop::blocked(blocked));
    }
    let status = condition(stack, "Ready", "status");
    let reason = condition(stack, "Ready", "reason");
    if is_unread(stack) && status == "True" {
        // What is in place works; what was asked for could not be had.
        let message = condition(stack, "Ready", "message");
        anyhow::bail!("{name} was not synced: {message}");
    }
    let words = format!("{name}: {reason} {}", condition(stack, "Ready", "message"));
    if reason == "DependencyNotReady" {
        return Err(Stop::blocked(words));
    }
    print(&format!("{}\n", paint(ready_tone(stack), &words)));
    let mut problems = items(stack, "/status/problems").iter();
    if problems.any(|problem| text(problem, "/reason") == "Contended") {
        print(&format!(
            "  another writer has it; to take it back: holdfast sync --take-back {name}\n"
        ));
    }
    Ok(if status == "False" || is_unread(stack) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Apply nothing until resumed.
#[derive(Args)]
#[command(after_help = "Examples:\n  holdfast suspend shop --reason \"the database moves\"")]
pub(crate) struct Suspend {
    /// The Stack.
    name: String,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Suspend {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let asking = Request {
            api: &api,
            name: &self.name,
            reason: self.reason.as_deref(),
        };
        asking.suspend().await?;
        print(&format!("{} is suspended\n", self.name));
        Ok(ExitCode::SUCCESS)
    }
}

/// End what is under way, and do not try it again before a sync or a change.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  holdfast terminate shop --reason \"the migration hangs\"\n  holdfast sync shop"
)]
pub(crate) struct Terminate {
    /// The Stack.
    name: String,
    #[command(flatten)]
    asked: Asked,
}

impl Terminate {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let asking = Request {
            api: &api,
            name: &self.name,
            reason: self.asked.reason.as_deref(),
        };
        let request = asking.terminate().await?;
        if self.asked.no_wait {
            print(&format!(
                "{} is asked to end what is under way\n",
                self.name
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let handled =
            |stack: &Value, _: Duration| text(stack, "/status/terminated/request") == request;
        let stack = wait(&api, &self.name, self.asked.timeout, handled).await?;
        let commit = text(&stack, "/status/terminated/commit");
        if commit.is_empty() {
            print(&format!("nothing was under way for {}\n", self.name));
            return Ok(ExitCode::SUCCESS);
        }
        let reference = text(&stack, "/status/terminated/reference");
        let short: String = commit.chars().take(12).collect();
        print(&format!(
            "{name}: {reference}@{short} was terminated; what was applied stays\n  go on with it: holdfast \
             sync {name}\n  go back to what worked: holdfast rollback {name}\n",
            name = self.name
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Confirm a plan that waits for a person.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  holdfast approve shop sha256:… --reason \"seen with the team\""
)]
pub(crate) struct Approve {
    /// The Stack.
    name: String,
    /// The digest of the plan, as `plan` and `describe` show it.
    plan: String,
    /// Why, for those who look at the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Approve {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let asking = Request {
            api: &api,
            name: &self.name,
            reason: self.reason.as_deref(),
        };
        asking.approve(&self.plan).await?;
        print(&format!("{} is confirmed\n", self.name));
        Ok(ExitCode::SUCCESS)
    }
}

/// Delete a Stack, and what it owns unless told to leave it.
#[derive(Args)]
pub(crate) struct Delete {
    /// The Stack.
    name: String,
    /// Leave its objects where they are.
    #[arg(long)]
    orphan: bool,
    /// Return at once instead of waiting until it is gone.
    #[arg(long)]
    no_wait: bool,
}

impl Delete {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        if self.orphan {
            api.change(&self.name, &json!({"spec": {"deletion": "orphan"}}))
                .await?;
        }
        let asking = Request {
            api: &api,
            name: &self.name,
            reason: None,
        };
        asking.delete().await?;
        if self.no_wait {
            print(&format!("{} is being deleted\n", self.name));
            return Ok(ExitCode::SUCCESS);
        }
        for round in 0..1_500 {
            if api.stack(&self.name).await.is_err() {
                print(&format!("{} is deleted\n", self.name));
                return Ok(ExitCode::SUCCESS);
            }
            if round == 5 {
                progress::say(&format!("waits for the objects of {}", self.name));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(Stop::timed_out(format!(
            "{} is still being deleted after 5 min; see `holdfast describe`",
            self.name
        )))
    }
}
