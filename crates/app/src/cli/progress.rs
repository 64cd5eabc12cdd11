//! What takes longer than a second says on standard error what it waits for. It must not know what that
//! is.

use std::io::Write as _;
use std::time::Duration;

use tokio::task::JoinHandle;

/// What is quicker says nothing.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Something that may take long; it is over when this is dropped.
pub(super) struct Waiting(JoinHandle<()>);

/// Says what is waited for, unless that is over within a second.
pub(super) fn waiting_for(what: impl Into<String>) -> Waiting {
    let what = what.into();
    Waiting(tokio::spawn(async move {
        tokio::time::sleep(SILENCE).await;
        say(&what);
    }))
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A line of progress. Nobody who reads the output of a command for programs sees it.
pub(super) fn say(what: &str) {
    // A reader that has gone is no error.
    let _ = writeln!(std::io::stderr().lock(), "  {what}");
}
