//! The page over what is published by hand: what it shows, that it shows nothing as markup that is none,
//! and that nobody gets in who should not.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use holdfast_model::Value;
use holdfast_model::stack::StackKey;
use holdfast_model::time::Time;
use holdfast_model::view::{Change, Fleet, Sight, StackView};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::broadcast;

use crate::guard;
use crate::port::{Asking, BoxFuture, Command, Commands, Views};
use crate::router::router;
use crate::site::{Page, Site};

mod asking;
mod credentials;
mod listening;
mod people;
mod showing;
mod world;

/// What is published by hand.
pub(super) struct Hand {
    stacks: Mutex<Vec<Arc<StackView>>>,
    sight: Mutex<Sight>,
    feed: broadcast::Sender<Change>,
}

impl Hand {
    fn new(stacks: Vec<StackView>) -> Arc<Self> {
        Arc::new(Self {
            stacks: Mutex::new(stacks.into_iter().map(Arc::new).collect()),
            sight: Mutex::new(Sight::Clear),
            feed: broadcast::channel(16).0,
        })
    }

    fn change(&self, number: u64, name: &str) {
        let stack = Some(world::key(name));
        let _ = self.feed.send(Change { number, stack });
    }
}

impl Views for Hand {
    fn fleet(&self) -> Arc<Fleet> {
        let stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Fleet {
            number: 7,
            stacks: stacks.clone(),
            sight: *sight,
        })
    }

    fn stack(&self, key: &StackKey) -> Option<Arc<StackView>> {
        let stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        stacks.iter().find(|view| view.stack.key == *key).cloned()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.feed.subscribe()
    }
}

/// Notes what it is asked for.
#[derive(Default)]
pub(super) struct Noted(Mutex<Vec<String>>);

impl Noted {
    fn all(&self) -> Vec<String> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }
}

impl Commands for Noted {
    fn preview<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move { Ok(format!("would {} <{stack}>", command.verb())) })
    }

    fn run<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
        asking: Asking<'a>,
    ) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let reason = asking.reason.unwrap_or("no reason");
            let by = asking.by.map(|by| format!(" by {by}")).unwrap_or_default();
            let line = format!(
                "{} {stack} {:?}: {reason}{by}",
                command.verb(),
                command.of()
            );
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.clone());
            Ok(line)
        })
    }
}

pub(super) const NOW: i64 = 1_000_000_000;

fn page(views: Arc<Hand>, commands: Option<Arc<Noted>>) -> Page {
    Page {
        views,
        commands: commands.map(|commands| commands as Arc<dyn Commands>),
        keeper: None,
        now: || Time::from_millis(NOW),
        secret: [7; 32],
        url: Some("https://holdfast.example".to_owned()),
        is_behind_proxy: false,
    }
}

/// A page that is asked without a socket.
pub(super) struct Asked {
    site: Arc<Site>,
}

impl Asked {
    fn of(stacks: Vec<StackView>) -> Self {
        Self {
            site: Site::new(page(Hand::new(stacks), None)),
        }
    }

    fn with(stacks: Vec<StackView>, commands: &Arc<Noted>) -> Self {
        let commands = Some(Arc::clone(commands));
        Self {
            site: Site::new(page(Hand::new(stacks), commands)),
        }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        guard::answer(&self.site, router(Arc::clone(&self.site)), request).await
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = get(path, &[]);
        let response = self.send(request).await;
        let status = response.status();
        (status, text(response).await)
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).expect("it is JSON")
    }
}

pub(super) fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8420");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("it is a request")
}

pub(super) async fn bytes(response: Response) -> Vec<u8> {
    let body = response.into_body().collect().await.expect("it has an end");
    body.to_bytes().to_vec()
}

pub(super) async fn text(response: Response) -> String {
    String::from_utf8(bytes(response).await).expect("it is text")
}
