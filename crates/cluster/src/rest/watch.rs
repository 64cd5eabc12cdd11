//! Watches: what there is, then what changes, as lines of JSON. It must not change anything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use holdfast_admit::{ApiError, Result};
use holdfast_model::{FieldError, Value};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::read::{bad_revision, bytes_of, selector, table_options};
use super::target::{Target, in_version};
use crate::body::Reply;
use crate::call::Call;
use crate::clock::Clock;
use crate::negotiate::Form;
use crate::partial::partial;
use crate::select::Selector;
use crate::store::{Change, ChangeKind, Cursor, Store, Stored, TooOld};
use crate::stored::stamped;
use crate::table;

/// How often a quiet watch that asked for bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lives when nobody says.
const DEFAULT_LIFE: Duration = Duration::from_secs(45 * 60);
/// The annotation of the bookmark that ends the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

struct Watch {
    store: Store,
    clock: Clock,
    target: Target,
    call: Call,
    selector: Selector,
    form: Form,
    cursor: Cursor,
    /// Lines that are ready to be sent.
    ready: VecDeque<Bytes>,
    bookmarks: bool,
    next_bookmark: Instant,
    end: Instant,
    /// Whether nothing follows the lines that are ready.
    over: bool,
    /// Whether a table has been sent with its column definitions.
    headed: bool,
}

/// Answers with a stream of events.
pub(crate) fn watch(store: &Store, clock: &Clock, call: &Call, target: &Target) -> Result<Reply> {
    let form = call.form();
    let mut selector = selector(call, target)?;
    if let Some(name) = &target.name {
        selector = Selector::read(
            call.query.get("labelSelector"),
            Some(&format!("metadata.name={name}")),
        )?;
    }
    check_options(call)?;
    let start = start(store, call, target)?;
    let life = call
        .query
        .number("timeoutSeconds")
        .filter(|seconds| *seconds > 0);
    let life = life.map_or(DEFAULT_LIFE, Duration::from_secs);
    let now = Instant::now();
    let mut watch = Watch {
        store: store.clone(),
        clock: clock.clone(),
        target: target.clone(),
        call: call.clone(),
        selector,
        form,
        cursor: start.cursor,
        ready: VecDeque::new(),
        bookmarks: call.query.flag("allowWatchBookmarks"),
        next_bookmark: now + BOOKMARK_EVERY,
        end: now + life,
        over: false,
        headed: false,
    };
    if let Some(too_old) = start.too_old {
        watch.fail(too_old);
    }
    for stored in &start.initial {
        if watch.selects(stored) {
            watch.push("ADDED", stored);
        }
    }
    if call.query.flag("sendInitialEvents") && watch.bookmarks {
        watch.push_bookmark(true);
    }
    Ok(Reply::stream(stream::unfold(watch, next_line)))
}

/// Where a watch begins.
struct Start {
    cursor: Cursor,
    initial: Vec<Arc<Stored>>,
    too_old: Option<TooOld>,
}

fn start(store: &Store, call: &Call, target: &Target) -> Result<Start> {
    let version = call.query.text("resourceVersion");
    let since: u64 = match version {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::server_error(bad_revision(text)))?,
    };
    let send_initial = match call.query.get("sendInitialEvents") {
        Some(_) => call.query.flag("sendInitialEvents"),
        None => matches!(version, None | Some("0")),
    };
    let resource = &target.served.storage;
    let present = |_| ApiError::internal("the present is always known");
    if send_initial || since == 0 {
        let page = store.list(resource, target.namespace.as_deref(), None);
        let page = page.map_err(present)?;
        return Ok(Start {
            cursor: store.follow(resource, page.revision).map_err(present)?,
            initial: if send_initial {
                page.objects
            } else {
                Vec::new()
            },
            too_old: None,
        });
    }
    let (cursor, too_old) = match store.follow(resource, since) {
        Ok(cursor) => (cursor, None),
        Err(too_old) => {
            let current = store.follow(resource, store.revision());
            (current.map_err(present)?, Some(too_old))
        }
    };
    Ok(Start {
        cursor,
        initial: Vec::new(),
        too_old,
    })
}

fn check_options(call: &Call) -> Result<()> {
    let initial = call.query.get("sendInitialEvents").is_some();
    let field = "resourceVersionMatch";
    let matching = call.query.text(field);
    let mut errors = Vec::new();
    match (initial, matching) {
        (true, None) => errors.push(FieldError::forbidden(
            field,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )),
        (false, Some(_)) => errors.push(FieldError::forbidden(
            field,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )),
        _ => {}
    }
    if let Some(other) = matching.filter(|matching| *matching != "NotOlderThan") {
        let known = ["NotOlderThan"];
        errors.push(FieldError::unsupported(field, &json!(other), &known));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::list_options(&errors))
}

async fn next_line(mut watch: Watch) -> Option<(Bytes, Watch)> {
    loop {
        if let Some(line) = watch.ready.pop_front() {
            return Some((line, watch));
        }
        if watch.over {
            return None;
        }
        match watch.store.changes(&mut watch.cursor) {
            Ok(changes) => changes.iter().for_each(|change| watch.take(change)),
            Err(too_old) => watch.fail(too_old),
        }
        if !watch.ready.is_empty() {
            continue;
        }
        let (bookmark, end) = (watch.next_bookmark, watch.end);
        tokio::select! {
            () = watch.cursor.changed() => {}
            () = sleep_until(bookmark), if watch.bookmarks => watch.push_bookmark(false),
            () = sleep_until(end) => return None,
        }
    }
}

impl Watch {
    fn selects(&self, stored: &Arc<Stored>) -> bool {
        let namespace = self.target.namespace.as_deref();
        namespace.is_none_or(|namespace| namespace == stored.name.namespace)
            && (self.selector.is_empty()
                || self
                    .selector
                    .matches(stored, || in_version(stored.value(), &self.target.served)))
    }

    /// Sends a change, as it looks through the selector: what comes to be selected is added,
    /// what no longer is has gone.
    fn take(&mut self, change: &Change) {
        let was = change
            .previous
            .as_ref()
            .is_some_and(|previous| self.selects(previous));
        let is = change.kind != ChangeKind::Deleted && self.selects(&change.object);
        match (was, is) {
            (false, true) => self.push("ADDED", &change.object),
            (true, true) => self.push("MODIFIED", &change.object),
            (true, false) => {
                // The last state that was selected, at the revision at which it left.
                let gone = match (&change.previous, change.kind) {
                    (Some(previous), ChangeKind::Modified) => {
                        let mut value = previous.value();
                        let revision = change.object.revision;
                        Arc::new(stamped(&previous.name, revision, &mut value))
                    }
                    _ => change.object.clone(),
                };
                self.push("DELETED", &gone);
            }
            (false, false) => {}
        }
    }

    fn push(&mut self, kind: &str, stored: &Stored) {
        let served = self.target.served.clone();
        let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
        match self.form {
            Form::Object => line.extend_from_slice(&bytes_of(stored, &served)),
            Form::Partial => {
                let value = in_version(stored.value(), &served);
                line.extend_from_slice(partial(&value).to_string().as_bytes());
            }
            Form::Table => {
                let value = in_version(stored.value(), &served);
                let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
                let options = table_options(&self.call, (self.clock)(), !self.headed);
                self.headed = true;
                let table = table::table(&served, &[value], metadata, &options);
                line.extend_from_slice(table.to_string().as_bytes());
            }
        }
        line.extend_from_slice(b"}\n");
        self.ready.push_back(Bytes::from(line));
    }

    fn push_bookmark(&mut self, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": self.cursor.revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({ INITIAL_END: "true" });
        }
        let mut object = match self.form {
            Form::Partial => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"
            }),
            _ => self.target.served.empty.clone(),
        };
        object["metadata"] = metadata;
        if self.form == Form::Table {
            let options = table_options(&self.call, (self.clock)(), false);
            let metadata = object["metadata"].clone();
            object = table::table(&self.target.served, &[object], metadata, &options);
        }
        self.line(&json!({"type": "BOOKMARK", "object": object}));
        self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
    }

    fn fail(&mut self, too_old: TooOld) {
        let error = ApiError::expired(&format!(
            "too old resource version: {} ({})",
            too_old.asked, too_old.oldest
        ));
        self.line(&json!({"type": "ERROR", "object": error.to_status()}));
        self.over = true;
    }

    fn line(&mut self, value: &Value) {
        self.ready.push_back(Bytes::from(format!("{value}\n")));
    }
}
