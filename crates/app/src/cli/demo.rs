//! `holdfast demo`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::print;
use crate::demo::{Demo, follow, play, welcome};
use crate::wiring;

/// Try Holdfast on this machine: an embedded cluster, a Git repository and the engine.
#[derive(Args)]
pub(crate) struct DemoCommand {
    /// Play everything that the demo proposes, assert each result, and exit.
    #[arg(long)]
    check: bool,
    /// Keep the files in this folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl DemoCommand {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let demo = Demo::start(self.dir).await?;
        if self.check {
            play(&demo).await?;
            print(&format!(
                "the demo works; set up in {} ms, played in {:.1} s\n",
                demo.setup.as_millis(),
                start.elapsed().as_secs_f64()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        welcome(&demo);
        tokio::select! {
            () = follow(&demo) => {}
            () = wiring::stop_signal() => print("\n"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
