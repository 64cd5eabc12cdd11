//! What a page is served from, and what it remembers between requests. It must not know what is asked.

use std::net::IpAddr;
use std::sync::Arc;

use holdfast_model::time::Time;
use tokio::sync::Semaphore;

use crate::forms::Forms;
use crate::port::{Commands, Views};

/// A page that can be served.
pub struct Page {
    /// What it shows.
    pub views: Arc<dyn Views>,
    /// What people may ask for; nothing can be asked for where there is none.
    pub commands: Option<Arc<dyn Commands>>,
    /// The current time.
    pub now: fn() -> Time,
    /// What nobody can guess, another one each time that it is served.
    pub secret: [u8; 32],
    /// Names beside those of this machine by which it may be asked for.
    pub hosts: Vec<String>,
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
    pub(crate) page: Page,
    pub(crate) forms: Forms,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) previews: Semaphore,
    /// What sets the answers of this process apart from those of an earlier one.
    pub(crate) boot: String,
}

impl Site {
    pub(crate) fn new(page: Page) -> Arc<Self> {
        let forms = Forms::new(&page.secret);
        Arc::new(Self {
            boot: forms.name("boot").chars().take(12).collect(),
            forms,
            page,
            streams: Arc::new(Semaphore::new(STREAMS)),
            previews: Semaphore::new(PREVIEWS),
        })
    }

    pub(crate) fn now(&self) -> Time {
        (self.page.now)()
    }
}
