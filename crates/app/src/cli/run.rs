//! `holdfast run`: the engine on a cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use holdfast_control::{Lease, Plane};
use holdfast_model::tenant::Untenanted;
use holdfast_server::Commands;
use holdfast_source::Guard;
use kube::Client;
use tracing::info;

use super::{Global, PageOptions, on_page};
use crate::embedded::Embedded;
use crate::kubeconfigs::KubeconfigRules;
use crate::observe::{self, Observed};
use crate::page;
use crate::people::People;
use crate::wiring::{self, EngineSettings};

/// Run the engine on the cluster of the kubeconfig, in a pod, or on an embedded cluster.
#[derive(Args)]
pub(crate) struct Run {
    /// Bring an embedded cluster along, kept in the data folder: one machine, no other cluster.
    #[arg(long)]
    embedded: bool,
    /// The port on loopback of the embedded cluster; a free one when left out.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "embedded")]
    port: u16,
    /// Where local copies of repositories are kept, and the embedded cluster.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many Stacks of one target are reconciled at once.
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
    #[command(flatten)]
    page: PageOptions,
    /// Do nothing for Stacks whose namespace is in no Tenant; otherwise they may do whatever the engine may.
    #[arg(long)]
    require_tenant: bool,
    /// Refuse repositories on the engine's own disk: `file://` and paths.
    #[arg(long)]
    deny_file_sources: bool,
    /// A host that charts, value files, remote bases and values of Vault may be fetched from although it has
    /// a loopback, link-local or private address, or that of the API server; may be repeated.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// What kubeconfigs of Targets may hold beyond certificates and tokens: exec=COMMAND,
    /// auth-provider, token-file, certificate-files, proxy-url, insecure-skip-tls-verify; may be
    /// repeated.
    #[arg(long, value_name = "WHAT")]
    allow_kubeconfig: Vec<String>,
    /// Write logs as JSON.
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        wiring::log(self.log_json);
        let mut settings =
            EngineSettings::new(self.data.clone().unwrap_or_else(wiring::default_data_dir));
        settings.workers = self.workers;
        settings.namespace = self.only_namespace.clone();
        settings.untenanted = match self.require_tenant {
            true => Untenanted::Nothing,
            false => Untenanted::Anything,
        };
        settings.kubeconfigs = KubeconfigRules::new(&self.allow_kubeconfig)?;
        let allowed = self.allow_host.iter().cloned().collect();
        settings.guard = Guard::on(BTreeSet::new(), allowed);
        settings.guard.denies_files = self.deny_file_sources;
        if !self.embedded {
            let connected = wiring::connect(&global.connection()).await?;
            settings.guard.own.insert(connected.server);
            let client = connected.client;
            let holder = wiring::replica_name();
            info!(holder, "Waiting for the lease.");
            let namespace = &self.lease_namespace;
            let lease = Lease::new(client.clone(), namespace, &holder, wiring::now);
            let actions = self.actions(global.clone());
            self.work(client, settings, Some(lease), actions).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let embedded = Embedded::start(&settings.data.join("cluster"), self.port).await?;
        info!(
            address = %embedded.listening.address,
            kubeconfig = %embedded.kubeconfig.display(),
            "The embedded cluster listens."
        );
        // Whoever has the folder is the only engine: no lease is needed.
        let actions = self.actions(Global {
            kubeconfig: Some(embedded.kubeconfig.clone()),
            context: None,
            namespace: None,
        });
        let client = embedded.client.clone();
        let worked = self.work(client, settings, None, actions).await;
        embedded.settle().await;
        worked?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the page may ask for.
    fn actions(&self, global: Global) -> Option<Arc<dyn Commands>> {
        self.page.takes_actions().then(|| on_page::commands(global))
    }

    /// Works until a signal comes or the lease is lost.
    async fn work(
        &self,
        client: Client,
        mut settings: EngineSettings,
        lease: Option<Lease>,
        actions: Option<Arc<dyn Commands>>,
    ) -> anyhow::Result<()> {
        let place = page::Place::of(&self.page)?;
        let plane = Plane::new(client.clone());
        // Whoever waits for the lease serves the page as well, and people sign in there.
        let people = plane.clone();
        settings.entropy = plane
            .entropy(&self.lease_namespace, wiring::chance()?)
            .await?;
        settings.fence = lease.as_ref().map(Lease::fence);
        let (engine, plane) = wiring::engine(client, &settings);
        let observed = Observed {
            engine: engine.clone(),
            ready: Arc::default(),
        };
        let ready = Arc::clone(&observed.ready);
        let page = match place {
            Some(mut place) => {
                if self.page.page_sign_in {
                    place.keep(People::of(people, &self.lease_namespace).await?);
                }
                Some(page::listen(place, engine.view(), actions).await?)
            }
            None => None,
        };
        let showing = page::show(page, settings.data.clone());
        let serving = async {
            match self.listen {
                Some(address) => observe::serve(address, observed).await,
                None => std::future::pending().await,
            }
        };
        let ending = engine.clone();
        let working = async {
            let running = wiring::run_observed(engine, plane, settings, ready);
            let Some(lease) = &lease else {
                running.await;
                return Ok(());
            };
            lease.acquire().await?;
            tokio::select! {
                () = running => Ok(()),
                () = lease.keep() => anyhow::bail!("the lease was lost to another engine"),
            }
        };
        let result = tokio::select! {
            result = working => result,
            result = serving => result,
            () = showing => Ok(()),
            () = wiring::stop_signal() => Ok(()),
        };
        ending.close().await;
        // The engine has ended with the futures above, so another one may begin.
        if let Some(lease) = &lease {
            lease.release().await;
        }
        result
    }
}
