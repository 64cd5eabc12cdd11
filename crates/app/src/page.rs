//! Serves the page: what the engine publishes, on an address of this machine. It must not know what the
//! page shows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_engine::View;
use holdfast_model::stack::StackKey;
use holdfast_model::view::{Change, Fleet, StackView};
use holdfast_server::{Commands, Page, Views, is_loopback};
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;

use crate::wiring;

/// What the engine publishes, as the page reads it.
struct EngineViews(View);

impl Views for EngineViews {
    fn fleet(&self) -> Arc<Fleet> {
        self.0.fleet()
    }

    fn stack(&self, key: &StackKey) -> Option<Arc<StackView>> {
        self.0.stack(key)
    }

    fn changes(&self) -> Receiver<Change> {
        self.0.changes()
    }
}

/// A page that listens and is not served yet.
pub(crate) struct Listening {
    listener: TcpListener,
    page: Page,
    /// Where people find it.
    pub(crate) address: String,
}

/// Takes an address for the page of an engine.
///
/// # Errors
/// When others than this machine could reach the address, or when it cannot be had.
pub(crate) async fn listen(
    address: SocketAddr,
    view: View,
    commands: Option<Arc<dyn Commands>>,
) -> anyhow::Result<Listening> {
    anyhow::ensure!(
        is_loopback(address.ip()),
        "--page {address}: others could reach this address, and the page has no sign-in yet; choose one of \
         this machine alone, such as 127.0.0.1:8420, and reach it from elsewhere by a tunnel: ssh -L \
         8420:127.0.0.1:8420 HOST"
    );
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}; choose another with --page"))?;
    let address = format!("http://{}", listener.local_addr()?);
    let page = Page {
        views: Arc::new(EngineViews(view)),
        commands,
        now: wiring::now,
        secret: wiring::chance()?,
        hosts: Vec::new(),
    };
    Ok(Listening {
        listener,
        page,
        address,
    })
}

/// Serves a page and writes down in a folder where it is, until the future is dropped; there may be none.
pub(crate) async fn show(page: Option<Listening>, folder: PathBuf) {
    let Some(page) = page else {
        return std::future::pending().await;
    };
    tracing::info!(address = page.address, "The page is served.");
    let _noted = Noted::in_folder(&folder, &page.address);
    page.serve().await;
}

impl Listening {
    /// Serves it until the future is dropped.
    pub(crate) async fn serve(self) {
        holdfast_server::serve(self.listener, self.page).await;
    }
}

/// Where it is written in a folder that a page is served, for `holdfast open`.
const FILE: &str = "page";

/// The address of a page, written down for as long as it is served.
pub(crate) struct Noted(PathBuf);

impl Noted {
    /// Writes it down. A folder that cannot be written to keeps nobody from serving.
    pub(crate) fn in_folder(folder: &Path, address: &str) -> Option<Self> {
        let path = folder.join(FILE);
        let _ = std::fs::create_dir_all(folder);
        let written = std::fs::write(&path, format!("{address}\n"));
        written.ok().map(|()| Self(path))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // Who reads it asks whether somebody is there.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The address that is written down in a folder.
pub(crate) fn noted(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
    let address = text.trim();
    address.starts_with("http://").then(|| address.to_owned())
}
