//! The command line: a file a command. It must not know how the engine works.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::wiring::{self, Connection};

mod api;
mod apply;
mod can_i;
mod change;
mod cluster;
mod complete;
mod completions;
mod crds;
mod demo;
mod describe;
mod exit;
mod get;
mod jsonpath;
mod logs;
mod on_page;
mod open;
mod page;
mod past;
mod plan;
mod progress;
mod render;
mod rendering;
mod revisions;
mod run;
mod secret;
mod show;
mod sources;
mod subject;
mod top;
mod tree;
mod undo;
mod version;
mod wait;

pub(crate) use api::{All, Api, condition, items, text};
pub(crate) use on_page::commands as page_commands;
pub(crate) use page::PageOptions;
pub(crate) use show::{Tone, paint, short};
pub(crate) use undo::roll_back;

/// Keeps what runs equal to what Git says.
#[derive(Parser)]
#[command(name = "holdfast", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The kubeconfig of the cluster that holds the control plane.
    #[arg(long, global = true, value_name = "FILE", env = "KUBECONFIG")]
    pub(crate) kubeconfig: Option<std::path::PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace of Stacks; that of the context when left out.
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

impl Global {
    pub(crate) fn connection(&self) -> Connection {
        Connection {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Try Holdfast on this machine: an embedded cluster, a Git repository and the engine.
    Demo(demo::DemoCommand),
    /// Run the engine on the cluster of the kubeconfig, in a pod, or on an embedded cluster.
    Run(run::Run),
    /// Run an embedded cluster without the engine.
    Cluster(cluster::ClusterCommand),
    /// Apply Stacks and Targets from files.
    Apply(apply::Apply),
    /// Show Stacks, or Targets, and how they are doing.
    Get(get::Get),
    /// Show how Stacks are doing, as it changes.
    Top(top::Top),
    /// Print where the page is, and open it in a browser where there is one.
    Open(open::Open),
    /// Keep accounts of the page.
    Page(page::PageCommand),
    /// Say whether somebody may do something with a Stack on the page, and which rule it is.
    CanI(can_i::CanI),
    /// Show all that is known of a Stack.
    Describe(describe::Describe),
    /// Show what a Stack owns and what was made for it.
    Tree(tree::TreeCommand),
    /// Show what the pods of a Stack have written.
    Logs(logs::Logs),
    /// Show what would be done to the target of a Stack, and why.
    Plan(plan::Plan),
    /// Show what a Stack would take over, from whom, and how to begin.
    Adopt(plan::Adopt),
    /// Show how objects would change, line by line.
    Diff(plan::Diff),
    /// Look for a new revision and apply it now.
    Sync(change::Sync),
    /// Wait until a Stack is ready, or until a commit is in place.
    Wait(wait::Wait),
    /// Show what was done to a Stack's target.
    History(past::History),
    /// Go back to an earlier revision until Git has something newer.
    Rollback(undo::Rollback),
    /// Apply nothing until resumed.
    Suspend(change::Suspend),
    /// Go on after a suspension or a rollback, and show what that applies.
    Resume(undo::Resume),
    /// End what is under way, and do not try it again before a sync or a change.
    Terminate(change::Terminate),
    /// Confirm a plan that waits for a person.
    Approve(change::Approve),
    /// Delete a Stack, and what it owns unless told to leave it.
    Delete(change::Delete),
    /// Show the Events of a Stack.
    Events(past::Events),
    /// Render a folder, a chart or a Stack, without a cluster.
    Render(Box<render::Render>),
    /// Seal, open, edit and rotate secrets in Git, and find those that are not sealed.
    Secret(secret::SecretCommand),
    /// Print the CustomResourceDefinitions that a cluster needs.
    Crds(crds::Crds),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Print words that come next in a line.
    #[command(name = "__complete", hide = true)]
    Complete(complete::Complete),
    /// Print the version.
    Version(version::Version),
}

/// Runs the program; its exit code.
pub fn main() -> ExitCode {
    wiring::install_crypto();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and versions are asked for; everything else is a mistake. A reader that has gone is
            // no error.
            let _ = error.print();
            return match error.use_stderr() {
                true => ExitCode::from(exit::USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error)),
    };
    let result = runtime.block_on(dispatch(cli));
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(command) => command.run().await,
        Command::Cluster(command) => command.run().await,
        Command::Run(command) => Box::pin(command.run(global)).await,
        Command::Apply(command) => command.run(global).await,
        Command::Get(command) => command.run(global).await,
        Command::Top(command) => command.run(global).await,
        Command::Open(command) => command.run(global).await,
        Command::Page(command) => command.run(global).await,
        Command::CanI(command) => command.run(global).await,
        Command::Describe(command) => command.run(global).await,
        Command::Tree(command) => command.run(global).await,
        Command::Logs(command) => command.run(global).await,
        Command::Plan(command) => command.run(global).await,
        Command::Adopt(command) => command.run(global).await,
        Command::Diff(command) => command.run(global).await,
        Command::Sync(command) => command.run(global).await,
        Command::Wait(command) => command.run(global).await,
        Command::History(command) => command.run(global).await,
        Command::Rollback(command) => command.run(global).await,
        Command::Suspend(command) => command.run(global).await,
        Command::Resume(command) => command.run(global).await,
        Command::Terminate(command) => command.run(global).await,
        Command::Approve(command) => command.run(global).await,
        Command::Delete(command) => command.run(global).await,
        Command::Events(command) => command.run(global).await,
        Command::Render(command) => command.run(global).await,
        Command::Secret(command) => command.run(global).await,
        Command::Crds(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Complete(command) => command.run(global).await,
        Command::Version(command) => command.run(),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "this is where errors are shown to people"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
    }
    eprintln!("error: {text}");
    exit::code_of(error)
}

/// Writes text for people or programs to standard output. A reader that has gone is no error.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
