//! `holdfast run`: the engine on a cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use holdfast_control::{Lease, Plane};
use tracing::info;

use super::Global;
use crate::observe::{self, Observed};
use crate::wiring::{self, EngineSettings};

/// Run the engine on the cluster of the kubeconfig, or in a pod.
#[derive(Args)]
pub(crate) struct Run {
    /// Where local copies of repositories are kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many Stacks are looked at at once.
    #[arg(long, value_name = "N", default_value_t = 32)]
    workers: usize,
    /// The namespace of the lease that lets one engine at a time work on a control plane.
    #[arg(long, value_name = "NAME", default_value = "default")]
    lease_namespace: String,
    /// Keep the Stacks of this namespace only.
    #[arg(long, value_name = "NAME")]
    only_namespace: Option<String>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served; nowhere when left out.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
    /// Write logs as JSON.
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        wiring::log(self.log_json);
        let connected = wiring::connect(&global.connection()).await?;
        let mut settings = EngineSettings::new(self.data.unwrap_or_else(wiring::default_data_dir));
        settings.workers = self.workers;
        settings.namespace = self.only_namespace;
        let plane = Plane::new(connected.client.clone());
        settings.entropy = plane
            .entropy(&self.lease_namespace, wiring::chance()?)
            .await?;
        let holder = wiring::replica_name();
        let lease = Lease::new(
            connected.client.clone(),
            &self.lease_namespace,
            &holder,
            wiring::now,
        );
        let (engine, plane) = wiring::engine(connected.client, &settings);
        let observed = Observed {
            engine: engine.clone(),
            ready: Arc::default(),
        };
        let ready = Arc::clone(&observed.ready);
        let serving = async {
            match self.listen {
                Some(address) => observe::serve(address, observed).await,
                None => std::future::pending().await,
            }
        };
        info!(holder, "Waiting for the lease.");
        let working = async {
            lease.acquire().await?;
            tokio::select! {
                () = wiring::run_observed(engine, plane, settings, ready) => Ok(()),
                () = lease.keep() => anyhow::bail!("the lease was lost to another engine"),
            }
        };
        tokio::select! {
            result = working => result?,
            result = serving => result?,
            () = wiring::stop_signal() => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}
