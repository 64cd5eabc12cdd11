//! `holdfast plan` and `holdfast diff`: what would be done, from a revision or from an uncommitted
//! working copy, against what is live. Nothing is changed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use holdfast_model::object::Object;
use holdfast_model::operation::Failure;
use holdfast_model::plan::Step;

use self::diff::{After, diff_of};
use self::gather::{Asking, Gathered, Wanted, gather};
use super::api::Api;
use super::exit::WOULD_CHANGE;
use super::show::{Output, for_programs};
use super::sources::LocalSources;
use super::{Global, print};

mod adopt;
mod diff;
mod gather;
mod others;
mod permitted;
mod show;

pub(crate) use adopt::Adopt;

/// What is planned.
#[derive(Args)]
struct Subject {
    /// The Stack.
    name: String,
    /// A revision instead of what the Stack is to be at: the first digits of a commit, such as
    /// main@1234567; a tag or a branch; the version of a chart that a range meant; or -1, -2 and so on
    /// for how far back among those that became healthy.
    #[arg(
        long,
        value_name = "REVISION",
        conflicts_with = "dir",
        allow_negative_numbers = true
    )]
    revision: Option<String>,
    /// A folder on this machine instead of what Git has: an uncommitted working copy.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Ask the server whether it would take each object, and what it would make of it.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set
    )]
    server: bool,
    #[command(flatten)]
    local: LocalSources,
}

impl Subject {
    async fn gather(self, global: &Global) -> anyhow::Result<Gathered> {
        let api = Api::connect(global).await?;
        let wanted = match (self.dir, self.revision) {
            (Some(folder), _) => Wanted::Folder(folder),
            (None, Some(text)) => Wanted::Named(text),
            (None, None) => Wanted::Now,
        };
        let asking = match self.server {
            true => Asking::Server,
            false => Asking::Nobody,
        };
        gather(&api, &self.name, wanted, (&self.local, asking)).await
    }
}

/// The exit code of what would be done: 1 where the server refuses some of it.
fn code(gathered: &Gathered, changes: bool, asked: bool) -> ExitCode {
    match (show::refused(gathered).is_empty(), changes && asked) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(WOULD_CHANGE),
        (true, false) => ExitCode::SUCCESS,
    }
}

/// Show what would be done to the target of a Stack, and why. Nothing is changed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast plan shop\n  \
    holdfast plan shop --revision my-branch --exit-code\n  \
    holdfast plan shop --revision -1\n  \
    holdfast plan shop --dir . --server=false")]
pub(crate) struct Plan {
    #[command(flatten)]
    subject: Subject,
    /// Exit with 2 where something would be done, with 0 where nothing would.
    #[arg(long)]
    exit_code: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Plan {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let gathered = self.subject.gather(global).await?;
        if !for_programs(self.output, &show::for_program(&gathered)) {
            print(&show::for_people(&gathered));
        }
        let changes = !gathered.plan.is_empty();
        Ok(code(&gathered, changes, self.exit_code))
    }
}

/// Show how objects would change, line by line, as the server says it. Nothing is changed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast diff shop\n  \
    holdfast diff shop --revision my-branch --exit-code\n  \
    holdfast diff shop --dir .")]
pub(crate) struct Diff {
    #[command(flatten)]
    subject: Subject,
    /// Exit with 2 where something would change, with 0 where nothing would.
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let gathered = self.subject.gather(global).await?;
        let mut changed = false;
        for step in gathered.plan.changes() {
            let after = step.desired.as_ref();
            let text = diff_of(
                step,
                after.map(|desired| after_of(&gathered, step, desired)),
            );
            changed |= !text.is_empty();
            print(&text);
        }
        Ok(code(&gathered, changed, self.exit_code))
    }
}

/// The object as it would be: as the server says, or as it is written where the server was not asked or
/// could not be, with the reason.
fn after_of(gathered: &Gathered, step: &Step, desired: &Object) -> After {
    let key = &step.key.key;
    let Some(review) = &gathered.review else {
        return After::written(desired, "as you chose".to_owned());
    };
    if let Some(answer) = review.answers.get(key) {
        return After::answered(answer);
    }
    let failure = review.refused.get(key).or_else(|| review.unasked.get(key));
    let why = match failure {
        Some(failure) => failure.message.clone(),
        None => "it is deleted and made again".to_owned(),
    };
    After::written(desired, why)
}

pub(crate) fn failed(failure: Failure) -> anyhow::Error {
    let hint = failure
        .hint
        .map(|hint| format!("\n  hint: {hint}"))
        .unwrap_or_default();
    anyhow::anyhow!("{}{hint}", failure.message)
}

/// What would be done for what a Stack follows, as people read it.
pub(crate) async fn preview(global: &Global, name: &str) -> anyhow::Result<String> {
    let api = Api::connect(global).await?;
    preview_of(&api, name, Previewed::Followed).await
}

/// What a preview is of.
pub(super) enum Previewed<'a> {
    /// What the Stack is to be at now.
    Now,
    /// What it follows, whatever holds it back.
    Followed,
    /// A revision by its name.
    Named(&'a str),
}

/// What would be done for one of these, as people read it.
pub(super) async fn preview_of(api: &Api, name: &str, of: Previewed<'_>) -> anyhow::Result<String> {
    let wanted = match of {
        Previewed::Now => Wanted::Now,
        Previewed::Followed => Wanted::Followed,
        Previewed::Named(revision) => Wanted::Named(revision.to_owned()),
    };
    let local = LocalSources::default();
    let choices = (&local, Asking::Server);
    let gathered = gather(api, name, wanted, choices).await?;
    Ok(show::for_people(&gathered))
}
