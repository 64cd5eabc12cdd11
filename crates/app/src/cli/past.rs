//! What has happened to a Stack, and going back: history, events, rollback.

use std::process::ExitCode;

use clap::Args;
use holdfast_api::fields::parse_duration;
use holdfast_api::native::PIN_ANNOTATION;
use holdfast_api::native::stack::write_pin;
use holdfast_api::native::status::read_revision;
use holdfast_model::Value;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::Pin;

use super::api::{Api, items, text};
use super::show::{Output, Table, Tone, age, for_programs, revision};
use super::{Global, print};
use crate::wiring;

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
            let tone = if end == "succeeded" {
                Tone::Good
            } else {
                Tone::Bad
            };
            table.row([
                (age(text(entry, "/at")), Tone::Plain),
                (revision(entry), Tone::Plain),
                (end.to_owned(), tone),
                (text(entry, "/summary").to_owned(), Tone::Plain),
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

/// Go back to an earlier revision until Git has something newer.
#[derive(Args)]
pub(crate) struct Rollback {
    /// The Stack.
    name: String,
    /// The commit, by its first digits, or the version of a chart that a range meant; the revision
    /// before the current one when left out.
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
    /// How long to stay there at most, such as 2h.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let stack = api.stack(&self.name).await?;
        let revision = self.choose(&stack)?;
        let expires = match &self.duration {
            None => None,
            Some(text) => {
                let duration = parse_duration(text);
                let duration = duration.ok_or_else(|| {
                    anyhow::anyhow!("`{text}` is no duration; write one such as 30m or 2h")
                })?;
                Some(wiring::now() + duration)
            }
        };
        // What is rolled back is what the newest attempt rendered to, whether or not it worked.
        let newest = items(&stack, "/status/history").first();
        let rendered = newest
            .map(|entry| text(entry, "/rendered"))
            .unwrap_or_default();
        let pin = Pin {
            revision,
            skip: rendered.parse().ok(),
            expires,
        };
        api.annotate(&self.name, PIN_ANNOTATION, Some(&write_pin(&pin)))
            .await?;
        print(&format!(
            "{} goes back to {} until Git has something newer; `holdfast resume {}` ends that\n",
            self.name, pin.revision, self.name
        ));
        Ok(ExitCode::SUCCESS)
    }

    /// What is gone back to, with other sources and charts as far as the history knows them.
    fn choose(&self, stack: &Value) -> anyhow::Result<Revision> {
        let past = items(stack, "/status/history");
        if let Some(wanted) = &self.to {
            let mut all = past.iter().filter_map(read_revision);
            let names_it = |revision: &Revision| {
                let mut commits = std::iter::once(&revision.commit).chain(revision.others.values());
                let mut charts = revision.charts.values();
                commits.any(|commit| commit.0.starts_with(wanted))
                    || charts.any(|version| version == wanted)
            };
            if let Some(known) = all.find(names_it) {
                return Ok(known);
            }
            let is_whole =
                wanted.len() == 40 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
            anyhow::ensure!(
                is_whole,
                "no revision in the history of {} begins with {wanted}; see `holdfast history \
                 {}`, or give all 40 digits",
                self.name,
                self.name
            );
            return Ok(Revision::new(CommitId(wanted.to_lowercase()), ""));
        }
        let current = past
            .first()
            .map(|entry| text(entry, "/rendered"))
            .unwrap_or_default();
        let before = past.iter().find(|entry| {
            text(entry, "/end") == "succeeded" && text(entry, "/rendered") != current
        });
        before.and_then(read_revision).ok_or_else(|| {
            anyhow::anyhow!(
                "the history of {} has no earlier revision that worked",
                self.name
            )
        })
    }
}
