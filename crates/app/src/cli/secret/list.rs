//! `holdfast secret list`: every secret of a Stack, where its values come from, who can open them, and which
//! workloads use it. It opens nothing and reads no value: it renders what is sealed as it stands in Git.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use holdfast_engine::desired_keys;
use holdfast_model::Value;
use holdfast_render::Unsealer;
use serde_json::json;

use super::super::Global;
use super::super::api::Api;
use super::super::plan::failed;
use super::super::progress::waiting_for;
use super::super::rendering::Rendering;
use super::super::show::{Output, Table, Tone, for_programs};
use super::super::sources::LocalSources;
use super::super::subject::Subject;
use crate::cli::print;

mod inspect;
mod rows;

use inspect::Inspector;
use rows::{Row, Source, rows};

/// Show every secret of a Stack: where its values come from, who can open them, and what uses it.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret list shop\n  \
    holdfast secret list shop -o json\n\
    \n\
    Nothing is opened, and no value is read: no keys are needed.")]
pub(crate) struct List {
    /// The Stack.
    name: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl List {
    pub(super) async fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let waiting = waiting_for(format!("renders {} without opening anything", self.name));
        let rendering = Rendering::begin(&api).await;
        let subject = Subject::read(&api, &rendering.plane, &self.name).await?;
        let revision = match &subject.known.applied {
            Some(applied) => applied.clone(),
            None => rendering.follow(&subject.stack).await?,
        };
        let local = LocalSources::default();
        let inspector = Arc::new(Inspector::new(subject.stack.secrets.vault.is_some()));
        let unsealer = Unsealer::of(Arc::clone(&inspector) as Arc<dyn holdfast_render::Unseal>);
        let of = subject.rendered_for(&local);
        let rendered = rendering.render_by(of, &revision, unsealer).await?;
        let objects = subject.place(&rendered.objects).await?;
        let keys = desired_keys(&objects, std::iter::empty());
        let snapshot = subject.target.read(&keys).await.map_err(failed)?;
        let found = rows(&subject.stack, &objects, &inspector.found(), &snapshot);
        drop(waiting);
        let value = json!({
            "stack": subject.stack.key.to_string(),
            "revision": revision.to_string(),
            "secrets": found.iter().map(for_program).collect::<Vec<_>>(),
        });
        if !for_programs(self.output, &value) {
            for_people(&found);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn for_people(found: &[Row]) {
    if found.is_empty() {
        print("it has no secrets\n");
        return;
    }
    let mut table = Table::new(&[
        "OBJECT",
        "VALUES",
        "SOURCE",
        "OPENED BY",
        "CHANGED",
        "USED BY",
    ]);
    for row in found {
        let used: Vec<String> = row.used_by.iter().map(ToString::to_string).collect();
        let tone = match row.source {
            Source::Plain { .. } => Tone::Warning,
            _ => Tone::Plain,
        };
        table.row([
            (row.object.to_string(), Tone::Plain),
            (some(&row.values), Tone::Plain),
            (row.source.place(), tone),
            (some(&row.source.opened_by()), Tone::Plain),
            (row.source.changed(), Tone::Plain),
            (some(&used), Tone::Plain),
        ]);
    }
    table.print();
}

/// The first of some, and how many more.
fn some(all: &[String]) -> String {
    match all {
        [] => "-".to_owned(),
        [first, second] => format!("{first}, {second}"),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

fn for_program(row: &Row) -> Value {
    json!({
        "object": row.object.to_string(),
        "values": row.values,
        "source": row.source.to_json(),
        "openedBy": row.source.opened_by(),
        "usedBy": row.used_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
