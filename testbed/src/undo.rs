//! Going back and coming back on a stage, as the command line does it. It must not know how a
//! rollback is chosen, nor what an engine makes of it.

use holdfast::wiring;
use holdfast_api::native::{PIN_ANNOTATION, pin, stack, status};
use holdfast_model::Value;
use holdfast_model::pin::Pin;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::time::Time;
use holdfast_model::undo::{Choice, choose_newest, find, rolled_back};
use serde_json::json;

use crate::bed::Stage;

/// How a Stack is rolled back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Back<'a> {
    /// The commit; the newest further back that became healthy when left out.
    pub to: Option<&'a str>,
    /// When it ends whatever happens.
    pub expires: Option<Time>,
}

impl Stage {
    /// Rolls a Stack back; what it goes back to, or nothing where it is refused.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn roll_back(&self, name: &str, back: Back<'_>) -> anyhow::Result<Option<Choice>> {
        let path = self.stack_path(name);
        let now = wiring::now();
        // Others may write in between: the engine its status, for one.
        for _ in 0..100 {
            let object = self.api.get(&path).await?;
            let read = stack::read(&object).stack;
            let known = status::read(object.get("status").unwrap_or(&Value::Null));
            let held = read.pin.as_ref().filter(|pin| !pin.is_expired(now));
            let choice = match back.to {
                None => match choose_newest(&known, held) {
                    Ok(choice) => choice,
                    Err(_) => return Ok(None),
                },
                Some(commit) => find(&known, commit)?.unwrap_or_else(|| Choice {
                    revision: Revision::new(CommitId(commit.to_owned()), ""),
                    why: String::new(),
                    skipped: Vec::new(),
                }),
            };
            let pin = Pin {
                revision: choice.revision.clone(),
                from: rolled_back(&known, held),
                expires: back.expires,
                by: Some("alice".to_owned()),
                since: Some(now),
                ..Pin::default()
            };
            let patch = json!({"metadata": {
                "resourceVersion": object["metadata"]["resourceVersion"],
                "annotations": {PIN_ANNOTATION: pin::write(&pin)},
            }});
            if self.api.merge(&path, "test", &patch).await.is_ok() {
                return Ok(Some(choice));
            }
        }
        anyhow::bail!("others keep writing to {name}")
    }

    /// Ends a rollback.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn resume(&self, name: &str) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"annotations": {PIN_ANNOTATION: null}}});
        self.api
            .merge(&self.stack_path(name), "test", &patch)
            .await?;
        Ok(())
    }
}

/// The newest line of a Stack's history, in words: how it ended and what was done.
pub fn newest_line(stack: &Value) -> String {
    let line = stack.pointer("/status/history/0");
    let text = |name: &str| line.and_then(|line| line.get(name)?.as_str());
    let (end, summary) = (text("end"), text("summary"));
    format!(
        "{}: {}",
        end.unwrap_or_default(),
        summary.unwrap_or_default()
    )
}
