//! Serves the page: what the engine publishes, on an address. It must not know what the page shows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_engine::View;
use holdfast_model::stack::StackKey;
use holdfast_model::view::{Change, Fleet, StackView};
use holdfast_server::{Certificate, Commands, Keeper, Page, Views};
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;

use crate::cli::PageOptions;
use crate::people::People;
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
    certificate: Option<Certificate>,
    /// Where people find it.
    pub(crate) address: String,
}

/// Where a page is served, and to whom.
pub(crate) struct Place {
    address: SocketAddr,
    keeper: Option<Arc<dyn Keeper>>,
    certificate: Option<Certificate>,
    url: Option<String>,
    is_behind_proxy: bool,
}

impl Place {
    /// On an address of this machine, to whoever is on it.
    pub(crate) fn on_loopback() -> Self {
        Self {
            address: ([127, 0, 0, 1], 0).into(),
            keeper: None,
            certificate: None,
            url: None,
            is_behind_proxy: false,
        }
    }

    /// Where somebody wants it; none where they do not.
    ///
    /// # Errors
    /// When others could reach it and it is not made for that, or its certificate cannot be used.
    pub(crate) fn of(options: &PageOptions) -> anyhow::Result<Option<Self>> {
        let Some(address) = options.page else {
            return Ok(None);
        };
        Ok(Some(Self {
            address,
            keeper: None,
            certificate: options.certificate(address)?,
            url: options.page_url.clone(),
            is_behind_proxy: options.page_behind_proxy,
        }))
    }

    /// The same, for those who sign in.
    pub(crate) fn keep(&mut self, people: Arc<People>) {
        self.keeper = Some(people);
    }
}

/// Takes an address for the page of an engine.
///
/// # Errors
/// When the address cannot be had.
pub(crate) async fn listen(
    place: Place,
    view: View,
    commands: Option<Arc<dyn Commands>>,
) -> anyhow::Result<Listening> {
    let address = place.address;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}; choose another with --page"))?;
    let scheme = match place.certificate {
        Some(_) => "https",
        None => "http",
    };
    let own = format!("{scheme}://{}", listener.local_addr()?);
    let url = place.url.map(|url| url.trim_end_matches('/').to_owned());
    let address = url.unwrap_or(own);
    let page = Page {
        views: Arc::new(EngineViews(view)),
        commands,
        keeper: place.keeper,
        now: wiring::now,
        secret: wiring::chance()?,
        url: Some(address.clone()),
        is_behind_proxy: place.is_behind_proxy,
    };
    Ok(Listening {
        listener,
        page,
        certificate: place.certificate,
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
        holdfast_server::serve(self.listener, self.page, self.certificate).await;
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
    let is_address = address.starts_with("http://") || address.starts_with("https://");
    is_address.then(|| address.to_owned())
}
