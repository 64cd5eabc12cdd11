//! Hears when Stacks say something new, so that nobody has to ask them again and again. It must not know
//! what they say.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a watch that ended is left alone.
const AGAIN: Duration = Duration::from_millis(50);

/// What is heard of the objects of one list.
pub(super) struct Words {
    heard: watch::Receiver<Instant>,
    listening: JoinHandle<()>,
}

impl Words {
    /// Listens to a list until it is dropped.
    pub(super) fn of(client: Client, list: &str) -> Self {
        let (tell, heard) = watch::channel(Instant::now());
        let path = format!("{list}?watch=true");
        let listening = tokio::spawn(async move {
            loop {
                // A list that is not served yet is asked for again.
                let _ = listen(&client, &path, &tell).await;
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self { heard, listening }
    }

    /// Waits for something new since this was asked last, no longer than a pause.
    pub(super) async fn next(&mut self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.heard.changed()).await;
    }

    /// When something new was heard last.
    pub(super) fn last(&self) -> Instant {
        *self.heard.borrow()
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(client: &Client, path: &str, tell: &watch::Sender<Instant>) -> anyhow::Result<()> {
    let request = Request::get(path).body(Body::empty())?;
    let mut body = client.send(request).await?.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
        tell.send_replace(Instant::now());
    }
    Ok(())
}
