//! What a page is served from, and what it remembers between requests. It must not know what is asked.

use std::net::IpAddr;
use std::sync::Arc;

use holdfast_model::time::Time;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::access::limits::Limits;
use crate::forms::Forms;
use crate::port::{Commands, Keeper, Views};

/// A page that can be served.
pub struct Page {
    /// What it shows.
    pub views: Arc<dyn Views>,
    /// What people may ask for; nothing can be asked for where there is none.
    pub commands: Option<Arc<dyn Commands>>,
    /// Who may sign in; where there is none nobody has to, and everybody who reaches the page may do everything.
    pub keeper: Option<Arc<dyn Keeper>>,
    /// The current time.
    pub now: fn() -> Time,
    /// What nobody can guess, another one each time that it is served.
    pub secret: [u8; 32],
    /// Where people find it, where that is not an address of this machine: `https://holdfast.example.org`.
    pub url: Option<String>,
    /// Whether a proxy stands before it that says whom it asks for.
    pub is_behind_proxy: bool,
}

impl Page {
    /// The host that people know it by.
    pub(crate) fn host(&self) -> Option<&str> {
        let url = self.url.as_deref()?;
        let (_, rest) = url.split_once("://")?;
        Some(rest.trim_end_matches('/'))
    }
}

/// Whether nobody beyond this machine can reach an address.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The most streams of changes at once.
const STREAMS: usize = 256;
/// The most previews at once: each asks a target.
const PREVIEWS: usize = 2;

pub(crate) struct Site {
    /// Read through an [`Asker`](crate::asker::Asker), which shows what may be seen.
    views: Arc<dyn Views>,
    pub(crate) commands: Option<Arc<dyn Commands>>,
    pub(crate) access: Option<Access>,
    now: fn() -> Time,
    /// A host beside those of this machine by which it may be asked for.
    pub(crate) host: Option<String>,
    pub(crate) is_secure: bool,
    pub(crate) is_behind_proxy: bool,
    pub(crate) forms: Forms,
    pub(crate) limits: Limits,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) previews: Semaphore,
    /// What sets the answers of this process apart from those of an earlier one.
    pub(crate) boot: String,
}

impl Site {
    pub(crate) fn new(page: Page) -> Arc<Self> {
        let forms = Forms::new(&page.secret);
        let url = page.url.as_deref().unwrap_or_default();
        Arc::new(Self {
            boot: forms.name("boot").chars().take(12).collect(),
            is_secure: url.starts_with("https://"),
            host: page.host().map(str::to_owned),
            is_behind_proxy: page.is_behind_proxy,
            views: page.views,
            commands: page.commands,
            access: page.keeper.map(Access::new),
            now: page.now,
            forms,
            limits: Limits::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            previews: Semaphore::new(PREVIEWS),
        })
    }

    /// What is published, of all Stacks: for an asker alone.
    pub(crate) fn views(&self) -> &dyn Views {
        &*self.views
    }

    pub(crate) fn now(&self) -> Time {
        (self.now)()
    }

    /// The name of the cookie of sessions. A browser takes one of this beginning from this host alone, and over
    /// TLS.
    pub(crate) fn session_cookie(&self) -> &'static str {
        match self.is_secure {
            true => "__Host-holdfast-session",
            false => "holdfast-session",
        }
    }
}
