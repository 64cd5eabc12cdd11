//! `holdfast wait`: until a Stack is ready, or a commit is in place. It changes nothing but that it
//! asks the engine to look at Git.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use holdfast_api::native::REFRESH_ANNOTATION;
use holdfast_model::Value;

use super::api::{Api, condition, is_unread, items, text};
use super::exit::{self, Stop};
use super::show::short;
use super::{Global, print, progress};
use crate::wiring;

/// How often a Stack is read.
const PAUSE: Duration = Duration::from_millis(200);
/// How often Git is asked again for a commit that it did not have.
const ASKING: Duration = Duration::from_secs(5);

/// Wait until a Stack is ready, or until a commit is in place.
#[derive(Args)]
pub(crate) struct Wait {
    /// The Stack.
    name: String,
    /// The commit that is to be in place and healthy, by its first digits.
    #[arg(long, value_name = "COMMIT", value_parser = commit)]
    revision: Option<String>,
    /// How long to wait, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = exit::timeout)]
    timeout: Duration,
}

fn commit(text: &str) -> Result<String, String> {
    let is_commit =
        (4..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_commit {
        true => Ok(text.to_lowercase()),
        false => Err("write 4 to 40 hex digits of a commit".to_owned()),
    }
}

impl Wait {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let begun = Instant::now();
        let mut asked: Option<Instant> = None;
        let mut request = String::new();
        let mut shown = String::new();
        loop {
            // What Git has is asked for again as long as it is not what is waited for.
            if asked.is_none_or(|asked| asked.elapsed() >= ASKING) {
                request = wiring::request();
                api.annotate(&self.name, REFRESH_ANNOTATION, Some(&request))
                    .await?;
                asked = Some(Instant::now());
            }
            let stack = api.stack(&self.name).await?;
            let is_seen = text(&stack, "/status/handledRefresh") == request;
            if let Some(done) = self.judge(&stack, is_seen)? {
                print(&format!("{done}\n"));
                return Ok(ExitCode::SUCCESS);
            }
            if self.is_seen_in_git(&stack) {
                asked = Some(Instant::now());
            }
            let message = condition(&stack, "Ready", "message").to_owned();
            if begun.elapsed() >= self.timeout {
                return Err(Stop::timed_out(self.too_late(&stack)));
            }
            if begun.elapsed() >= Duration::from_secs(1) && message != shown {
                progress::say(&message);
                shown = message;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn too_late(&self, stack: &Value) -> String {
        let ready = condition(stack, "Ready", "reason");
        let message = condition(stack, "Ready", "message");
        let source = short(text(stack, "/status/sourceRevision"));
        let name = &self.name;
        match &self.revision {
            Some(wanted) if is_unread(stack) => {
                let why = condition(stack, "SourceReady", "message");
                format!("{name} has not seen {wanted} in Git, which cannot be read: {why}")
            }
            Some(wanted) if !self.is_seen_in_git(stack) => format!(
                "{name} has not seen {wanted} in Git, which is at {source}; was it pushed to what the \
                 Stack follows, and does an engine run?"
            ),
            _ => format!("{name} is not ready: {ready}: {message}"),
        }
    }

    fn is_seen_in_git(&self, stack: &Value) -> bool {
        let source = text(stack, "/status/sourceRevision");
        let wanted = self.revision.as_deref().unwrap_or_default();
        !source.is_empty() && source.starts_with(wanted)
    }

    /// What there is to say when it has come; an error where it cannot come.
    fn judge(&self, stack: &Value, is_seen: bool) -> anyhow::Result<Option<String>> {
        let name = &self.name;
        let is_ready = condition(stack, "Ready", "status") == "True";
        let message = condition(stack, "Ready", "message");
        let applied = text(stack, "/status/appliedRevision");
        let reason = condition(stack, "Ready", "reason");
        let is_current =
            stack.pointer("/status/observedGeneration") == stack.pointer("/metadata/generation");
        // Nobody looks at Git for these.
        if is_suspended(stack) || reason == "InvalidSpec" && is_current {
            stuck(name, stack)?;
        }
        let Some(wanted) = &self.revision else {
            if !is_seen {
                return Ok(None);
            }
            stuck(name, stack)?;
            return Ok(is_ready.then(|| format!("{name}: {message}")));
        };
        let is_applied = applied.starts_with(wanted.as_str());
        if is_applied && is_ready {
            return Ok(Some(format!("{name}: {message}")));
        }
        if !self.is_seen_in_git(stack) {
            let past = items(stack, "/status/history").iter();
            let mut done = past.filter(|line| text(line, "/end") == "succeeded");
            let was_there = done.any(|line| text(line, "/commit").starts_with(wanted.as_str()));
            return Ok(
                (was_there && is_ready).then(|| format!("{name} was at {wanted}; now {message}"))
            );
        }
        stuck(name, stack)?;
        if reason == "Pinned" {
            return Err(Stop::blocked(format!("{name} is {message}")));
        }
        Ok(None)
    }
}

/// What has to be done by somebody before a Stack goes on, or what is wrong with what Git has.
fn stuck(name: &str, stack: &Value) -> anyhow::Result<()> {
    if let Some(blocked) = blocked(name, stack) {
        return Err(Stop::blocked(blocked));
    }
    let reason = condition(stack, "Ready", "reason");
    let message = condition(stack, "Ready", "message");
    anyhow::ensure!(
        !matches!(reason, "InvalidSpec" | "RenderFailed"),
        "{name}: {reason}: {message}"
    );
    Ok(())
}

/// Why nothing goes on before a person has done something, and what.
pub(crate) fn blocked(name: &str, stack: &Value) -> Option<String> {
    let message = condition(stack, "Ready", "message");
    if is_suspended(stack) {
        return Some(format!(
            "{name} is suspended; `holdfast resume {name}` ends that"
        ));
    }
    match condition(stack, "Ready", "reason") {
        "ConfirmationNeeded" => {
            let plan = text(stack, "/status/pending/plan");
            Some(format!(
                "{name} waits for a person: {message}; to confirm: holdfast approve {name} {plan}"
            ))
        }
        "DependencyCycle" | "NotPermitted" => Some(format!("{name} is blocked: {message}")),
        "OutOfSync" => Some(format!(
            "{name} is synced only when a person asks: {message}; `holdfast sync {name}` does"
        )),
        _ => None,
    }
}

/// Whether nothing is applied for now.
pub(crate) fn is_suspended(stack: &Value) -> bool {
    stack.pointer("/spec/suspend") == Some(&Value::Bool(true))
}
