//! What has happened to a Stack: history, events.

use std::process::ExitCode;

use clap::Args;
use holdfast_model::Value;

use super::Global;
use super::api::{Api, items, text};
use super::show::{Output, Table, Tone, age, for_programs, past_summary, past_tone, revision};

/// Show what was done to a Stack's target, newest first.
#[derive(Args)]
pub(crate) struct History {
    /// The Stack.
    name: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl History {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let stack = api.stack(&self.name).await?;
        let past = items(&stack, "/status/history");
        if for_programs(self.output, &Value::from(past.to_vec())) {
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new(&["WHEN", "REVISION", "END", "WHAT"]);
        for entry in past {
            let end = text(entry, "/end");
            table.row([
                (age(text(entry, "/at")), Tone::Plain),
                (revision(entry), Tone::Plain),
                (end.to_owned(), past_tone(end)),
                (past_summary(entry), Tone::Plain),
            ]);
        }
        table.print();
        Ok(ExitCode::SUCCESS)
    }
}

/// Show the Events of a Stack, newest first.
#[derive(Args)]
pub(crate) struct Events {
    /// The Stack.
    name: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Events {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let stack = api.stack(&self.name).await?;
        let selector = format!("involvedObject.uid%3D{}", text(&stack, "/metadata/uid"));
        let path = format!(
            "/api/v1/namespaces/{}/events?fieldSelector={selector}",
            api.namespace
        );
        let mut list = api.get(&path).await?;
        if let Some(events) = list.get_mut("items").and_then(Value::as_array_mut) {
            events.sort_by(|left, right| {
                text(right, "/lastTimestamp").cmp(text(left, "/lastTimestamp"))
            });
        }
        if for_programs(self.output, &list) {
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new(&["WHEN", "TYPE", "REASON", "MESSAGE"]);
        for event in items(&list, "/items") {
            let kind = text(event, "/type");
            let tone = if kind == "Warning" {
                Tone::Warning
            } else {
                Tone::Plain
            };
            table.row([
                (age(text(event, "/lastTimestamp")), Tone::Plain),
                (kind.to_owned(), tone),
                (text(event, "/reason").to_owned(), tone),
                (text(event, "/message").to_owned(), Tone::Plain),
            ]);
        }
        table.print();
        Ok(ExitCode::SUCCESS)
    }
}
