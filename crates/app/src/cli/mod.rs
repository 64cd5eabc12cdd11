//! The command line: a file a command. It must not know how the engine works.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::wiring::{self, Connection};

mod crds;
mod run;
mod version;

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
    /// Run the engine on the cluster of the kubeconfig, or in a pod.
    Run(run::Run),
    /// Print the CustomResourceDefinitions that a cluster needs.
    Crds(crds::Crds),
    /// Print the version.
    Version(version::Version),
}

/// Runs the program; its exit code.
pub fn main() -> ExitCode {
    wiring::install_crypto();
    let cli = Cli::parse();
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
        Command::Run(command) => command.run(global).await,
        Command::Crds(command) => command.run(),
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
    ExitCode::FAILURE
}

/// Writes text for people or programs to standard output. A reader that has gone is no error.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
