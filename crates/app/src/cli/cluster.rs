//! `holdfast cluster`: an embedded cluster without the engine, for tests and rehearsals.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::print;
use crate::embedded::{Embedded, kubeconfig_of, process_of};
use crate::wiring;

/// Run an embedded cluster without the engine. Its pods are simulated.
#[derive(Args)]
#[command(after_help = STAGING)]
pub(crate) struct ClusterCommand {
    #[command(subcommand)]
    action: Action,
    /// The folder that holds the cluster.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// How failures are staged; docs/guide/embedded-cluster.md has the whole of it.
const STAGING: &str =
    "Annotations of a pod, usually in the template of a workload, stage what happens to it:
  simulation.holdfast.dev/start-delay: 5s                    it becomes ready later
  simulation.holdfast.dev/fail: pull, crash or unready       it never becomes ready
  simulation.holdfast.dev/exit-code: \"1\"                   its containers end with that code
  simulation.holdfast.dev/run-for: 2s                        how long they run before that
  simulation.holdfast.dev/log: no such table                 what they have logged
See docs/guide/embedded-cluster.md.";

#[derive(Subcommand)]
enum Action {
    /// Run the cluster until it is told to stop.
    Up {
        /// The port on loopback; a free one when left out.
        #[arg(long, value_name = "N", default_value_t = 0)]
        port: u16,
    },
    /// Tell the process that runs the cluster to stop.
    Down,
    /// Print where its kubeconfig is.
    Kubeconfig,
    /// Say whether it runs.
    Status,
}

impl ClusterCommand {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self
            .data
            .unwrap_or_else(|| wiring::default_data_dir().join("cluster"));
        match self.action {
            Action::Up { port } => {
                let embedded = Embedded::start(&folder, port).await?;
                print(&format!(
                    "the cluster in {} listens on {}; Ctrl-C ends it, and it goes on where it was\n\
                     export KUBECONFIG={}\n",
                    folder.display(),
                    embedded.listening.address,
                    embedded.kubeconfig.display()
                ));
                wiring::stop_signal().await;
                embedded.settle().await;
            }
            Action::Down => {
                let process = process_of(&folder)?;
                let process =
                    process.with_context(|| format!("no cluster runs in {}", folder.display()))?;
                let told = std::process::Command::new("kill")
                    .arg(process.to_string())
                    .status()?;
                anyhow::ensure!(told.success(), "process {process} could not be stopped");
                print("the cluster is asked to stop\n");
            }
            Action::Kubeconfig => print(&format!("{}\n", kubeconfig_of(&folder).display())),
            Action::Status => {
                let Some(process) = process_of(&folder)? else {
                    print(&format!("no cluster runs in {}\n", folder.display()));
                    return Ok(ExitCode::FAILURE);
                };
                print(&format!(
                    "process {process} runs the cluster in {}\n",
                    folder.display()
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
