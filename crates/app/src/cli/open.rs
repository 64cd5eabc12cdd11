//! `holdfast open`: the page, in a browser.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use holdfast_model::percent::encode;

use super::api::Api;
use super::{Global, print};
use crate::{page, wiring};

/// Print where the page is, and open it in a browser where there is one.
#[derive(Args)]
#[command(after_help = "Examples:\n  holdfast open\n  holdfast open shop -n team-a")]
pub(crate) struct Open {
    /// The Stack to show; all of them when left out.
    name: Option<String>,
    /// The address that the page is served on, where it is not found by itself.
    #[arg(long, value_name = "ADDRESS")]
    page: Option<SocketAddr>,
    /// The data folder of the engine that serves it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// How long a page of this machine may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);

impl Open {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let address = self.address(global);
        let Some(address) = address else {
            anyhow::bail!(
                "no page is served that is known here; start the engine with `holdfast run --page \
                 127.0.0.1:8420`, or say where it is with --page"
            );
        };
        let place = place_of(&address);
        let connect = tokio::net::TcpStream::connect(place);
        let answers = tokio::time::timeout(PATIENCE, connect).await;
        anyhow::ensure!(
            matches!(answers, Ok(Ok(_))),
            "nobody answers on {address}; does the engine run? Start it with `holdfast run --page ADDRESS`"
        );
        let url = match &self.name {
            None => format!("{address}/"),
            Some(name) => {
                let namespace = match &global.namespace {
                    Some(namespace) => namespace.clone(),
                    None => Api::connect(global).await?.namespace,
                };
                format!("{address}/stacks/{}/{}", encode(&namespace), encode(name))
            }
        };
        print(&format!("{url}\n"));
        if std::io::stdout().is_terminal() {
            browse(&url);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The address that is named, or else the one that is written down beside the kubeconfig or in the
    /// engine's data folder.
    fn address(&self, global: &Global) -> Option<String> {
        if let Some(page) = self.page {
            return Some(format!("http://{page}"));
        }
        let data = self.data.clone().unwrap_or_else(wiring::default_data_dir);
        let kubeconfig = global.kubeconfig.as_deref().and_then(Path::parent);
        let beside = kubeconfig.and_then(page::noted);
        let embedded = || page::noted(&data.join("cluster"));
        beside.or_else(|| page::noted(&data)).or_else(embedded)
    }
}

/// The host and the port of an address.
fn place_of(address: &str) -> String {
    let (scheme, host) = address.split_once("://").unwrap_or(("http", address));
    let authority = host.parse::<http::uri::Authority>().ok();
    match authority.and_then(|authority| authority.port_u16()) {
        Some(_) => host.to_owned(),
        None if scheme == "https" => format!("{host}:443"),
        None => format!("{host}:80"),
    }
}

/// Opens an address in the browser of the desktop, where there is one: the address is printed in any case.
fn browse(url: &str) {
    let program = match std::env::consts::OS {
        "macos" => "open",
        _ => "xdg-open",
    };
    let _ = std::process::Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
