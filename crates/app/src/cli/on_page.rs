//! What people ask for on the page, carried out as commands do: with the same changes of the Stack's
//! object, and with the name of the same person. It must not know how a page looks.

use std::sync::Arc;

use holdfast_api::native::stack;
use holdfast_model::stack::{Deletion, StackKey};
use holdfast_server::{Asking, BoxFuture, Command, Commands};

use super::Global;
use super::api::Api;
use super::change::Request;
use super::plan::{Previewed, preview_of};
use super::undo::{GoingOn, Rollback};

/// Commands to a control plane.
struct OnPage {
    /// How it is reached.
    global: Global,
}

/// Carries out what people ask for on the page of this control plane.
pub(crate) fn commands(global: Global) -> Arc<dyn Commands> {
    Arc::new(OnPage { global })
}

/// How it is said that something was asked for on the page.
const HERE: &str = "on the page";

impl Commands for OnPage {
    fn preview<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move { said(self.would(stack, command).await) })
    }

    fn run<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
        asking: Asking<'a>,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move { said(self.ask(stack, command, asking).await) })
    }
}

impl OnPage {
    async fn api(&self, stack: &StackKey) -> anyhow::Result<Api> {
        let global = Global {
            namespace: Some(stack.namespace.clone()),
            ..self.global.clone()
        };
        Api::connect(&global).await
    }

    async fn would(&self, stack: &StackKey, command: &Command) -> anyhow::Result<String> {
        let api = self.api(stack).await?;
        let name = &stack.name;
        match command {
            Command::Sync => preview_of(&api, name, Previewed::Now).await,
            Command::Approve { .. } => preview_of(&api, name, Previewed::Now).await,
            Command::Rollback { to } => {
                let to = to.as_deref().unwrap_or("-1");
                preview_of(&api, name, Previewed::Named(to)).await
            }
            Command::Resume => match GoingOn::of(&api, name).await? {
                None => Ok(format!("{name} is neither suspended nor pinned")),
                Some(going_on) if going_on.applies => {
                    preview_of(&api, name, Previewed::Followed).await
                }
                Some(_) => Ok(format!("{name} stays pinned: nothing is applied by this")),
            },
            Command::Refresh => Ok("Nothing is applied by this alone.".to_owned()),
            Command::Suspend => Ok("What is in place stays as it is.".to_owned()),
            Command::Terminate => Ok("What was applied so far stays as it is.".to_owned()),
            Command::Delete => {
                let stack = stack::read(&api.stack(name).await?).stack;
                Ok(gone_with(stack.deletion).to_owned())
            }
        }
    }

    async fn ask(
        &self,
        stack: &StackKey,
        command: &Command,
        Asking { by, reason }: Asking<'_>,
    ) -> anyhow::Result<String> {
        let mut api = self.api(stack).await?;
        api.acting = by.map(str::to_owned);
        let name = stack.name.as_str();
        let reason = reason.map_or_else(|| HERE.to_owned(), |reason| format!("{reason}; {HERE}"));
        let reason = Some(reason.as_str());
        let request = Request {
            api: &api,
            name,
            reason,
        };
        match command {
            Command::Sync => {
                request.sync(None).await?;
                Ok(format!("{name} is asked to sync"))
            }
            Command::Refresh => {
                request.refresh().await?;
                Ok(format!("{name} is asked to look for news in Git"))
            }
            Command::Rollback { to } => {
                Rollback::new(name, to.as_deref(), reason)
                    .carry_out(&api)
                    .await
            }
            Command::Suspend => {
                request.suspend().await?;
                Ok(format!("{name} is suspended"))
            }
            Command::Resume => match GoingOn::of(&api, name).await? {
                Some(going_on) => going_on.ask(&api, name, reason).await,
                None => Ok(format!("{name} is neither suspended nor pinned")),
            },
            Command::Terminate => {
                request.terminate().await?;
                Ok(format!("{name} is asked to end what is under way"))
            }
            Command::Approve { plan } => {
                request.approve(plan).await?;
                Ok(format!("{name} is confirmed"))
            }
            Command::Delete => {
                request.delete().await?;
                Ok(format!("{name} is being deleted"))
            }
        }
    }
}

/// What is said above the objects of a Stack that is to be deleted.
fn gone_with(deletion: Deletion) -> &'static str {
    match deletion {
        Deletion::Delete => "The Stack is deleted, and these objects with it:",
        Deletion::Orphan => "The Stack is deleted, and these objects stay, as spec.deletion says:",
    }
}

/// Words for a page, which has colours of its own.
fn said(result: anyhow::Result<String>) -> Result<String, String> {
    let words = |text: &str| plain(text.trim_end());
    match result {
        Ok(text) => Ok(words(&text)),
        Err(error) => Err(words(&format!("{error:#}"))),
    }
}

/// A text without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    std::iter::once(first).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::{plain, said};

    #[test]
    fn colours_of_a_terminal_are_left_out_and_errors_say_their_causes() {
        assert_eq!(
            plain("\x1b[32m+ web\x1b[0m  new in Git"),
            "+ web  new in Git"
        );
        let error = anyhow::anyhow!("it is away").context("could not ask");
        assert_eq!(
            said(Err(error)),
            Err("could not ask: it is away".to_owned())
        );
    }
}
