//! `holdfast get`: Stacks in a table.

use std::process::ExitCode;

use clap::Args;
use holdfast_model::Value;

use super::api::{All, Api, condition, items, ready_words, text};
use super::show::{Output, Table, Tone, age, for_programs, short, tone_of};
use super::{Global, print};

/// Show Stacks and how they are doing.
#[derive(Args)]
pub(crate) struct Get {
    /// The Stack; all of the namespace when left out.
    name: Option<String>,
    /// Show the Stacks of all namespaces.
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Get {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let all = if self.all_namespaces {
            All::Namespaces
        } else {
            All::OfOne
        };
        let value = match &self.name {
            Some(name) => api.stack(name).await?,
            None => api.get(&api.stacks_path(all)).await?,
        };
        if for_programs(self.output, &value) {
            return Ok(ExitCode::SUCCESS);
        }
        let stacks = match &self.name {
            Some(_) => std::slice::from_ref(&value),
            None => items(&value, "/items"),
        };
        if stacks.is_empty() {
            print(&format!(
                "there are no Stacks in namespace {}\n",
                api.namespace
            ));
            return Ok(ExitCode::SUCCESS);
        }
        table(stacks).print();
        Ok(ExitCode::SUCCESS)
    }
}

fn table(stacks: &[Value]) -> Table {
    let heading = [
        "NAMESPACE",
        "NAME",
        "READY",
        "REASON",
        "REVISION",
        "OBJECTS",
        "AGE",
        "MESSAGE",
    ];
    let mut table = Table::new(&heading);
    for stack in stacks {
        let status = condition(stack, "Ready", "status");
        let count = stack
            .pointer("/status/inventory/count")
            .and_then(Value::as_u64);
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        let is_unread = condition(stack, "SourceReady", "status") == "False";
        let (reason, message) = ready_words(stack);
        let tone = match is_unread && status == "True" {
            true => Tone::Warning,
            false => tone_of(status),
        };
        table.row([
            plain(text(stack, "/metadata/namespace")),
            plain(text(stack, "/metadata/name")),
            (
                if status.is_empty() { "Unknown" } else { status }.to_owned(),
                tone,
            ),
            (reason.to_owned(), tone),
            plain(&short(text(stack, "/status/applied/commit"))),
            plain(&count.map(|count| count.to_string()).unwrap_or_default()),
            plain(&age(text(stack, "/metadata/creationTimestamp"))),
            (first_words(message), Tone::Faint),
        ]);
    }
    table
}

fn first_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    if line.chars().count() <= 80 {
        return line.to_owned();
    }
    line.chars().take(79).chain(['…']).collect()
}
