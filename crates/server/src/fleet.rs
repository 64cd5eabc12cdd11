//! All Stacks: what needs somebody first, found by words and by what is chosen, a window at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use holdfast_model::percent::encode;
use holdfast_model::revision::Revision;
use holdfast_model::time::Time;
use holdfast_model::view::{StackView, words};
use http::StatusCode;

use crate::asker::Asker;
use crate::respond;
use crate::shell::{Asked, Shell, When, path_of};
use crate::state::{Badge, Need};

/// How many Stacks are shown at once.
const WINDOW: usize = 100;
/// The most bytes of what is looked for.
const LONGEST: usize = 200;

/// What is chosen, as it is in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) words: String,
    pub(crate) state: String,
    pub(crate) target: String,
    pub(crate) namespace: String,
    pub(crate) page: usize,
}

impl Choice {
    pub(crate) fn read(asked: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            let text = asked.get(name).map(|text| text.trim()).unwrap_or_default();
            text.chars().take(LONGEST).collect::<String>()
        };
        let page = asked.get("page").and_then(|page| page.parse().ok());
        Self {
            words: text("q"),
            state: text("state"),
            target: text("target"),
            namespace: text("namespace"),
            page: page.unwrap_or(1_usize).clamp(1, 100_000),
        }
    }

    /// The address of the same choice but for one thing.
    fn address(&self, state: &str, page: usize) -> String {
        let mut out = String::from("/");
        let mut mark = '?';
        let page = if page > 1 {
            page.to_string()
        } else {
            String::new()
        };
        for (name, value) in [
            ("q", self.words.as_str()),
            ("state", state),
            ("target", &self.target),
            ("namespace", &self.namespace),
            ("page", &page),
        ] {
            if !value.is_empty() {
                let _ = write!(out, "{mark}{name}={}", encode(value));
                mark = '&';
            }
        }
        out
    }

    /// Whether a Stack is meant, whatever state it is in.
    fn means(&self, view: &StackView) -> bool {
        let stack = &view.stack;
        (self.target.is_empty() || stack.destination.target.0 == self.target)
            && (self.namespace.is_empty() || stack.key.namespace == self.namespace)
            && self.finds(view)
    }

    fn finds(&self, view: &StackView) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let (stack, status) = (&view.stack, &view.status);
        let commit = status
            .applied
            .as_ref()
            .map(|applied| applied.commit.0.as_str());
        let all = [
            &stack.key.namespace,
            "/",
            &stack.key.name,
            " ",
            &stack.source.repository.url,
            " ",
            &stack.destination.target.0,
            " ",
            &stack.destination.namespace,
            " ",
            commit.unwrap_or_default(),
            " ",
            &status.ready.message,
        ];
        let text = all.concat().to_lowercase();
        let words = self.words.to_lowercase();
        words.split_whitespace().all(|word| text.contains(word))
    }

    fn needs(&self, need: Need) -> bool {
        self.state.is_empty() || self.state == need.name()
    }
}

/// The Stacks that are chosen, what needs most first, and how many there are of each need.
pub(crate) fn choose(
    stacks: &[Arc<StackView>],
    choice: &Choice,
) -> (Vec<Arc<StackView>>, BTreeMap<Need, usize>) {
    let mut counts: BTreeMap<Need, usize> = Need::ALL.map(|need| (need, 0)).into();
    let mut chosen = Vec::new();
    for view in stacks.iter().filter(|view| choice.means(view)) {
        let need = Need::of(view);
        *counts.entry(need).or_default() += 1;
        if choice.needs(need) {
            chosen.push((need, view));
        }
    }
    // They are sorted by their names, and stay so within each need.
    chosen.sort_by_key(|(need, _)| *need);
    let chosen = chosen.into_iter().map(|(_, view)| Arc::clone(view));
    (chosen.collect(), counts)
}

struct Count {
    badge: Badge,
    count: usize,
    href: String,
    is_chosen: bool,
}

struct Row {
    id: String,
    href: String,
    name: String,
    namespace: String,
    badge: Badge,
    message: String,
    revision: String,
    target: String,
    when: Option<When>,
    last: String,
}

struct Option_ {
    value: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    shell: Shell,
    choice: Choice,
    counts: Vec<Count>,
    targets: Vec<Option_>,
    namespaces: Vec<Option_>,
    rows: Vec<Row>,
    all: usize,
    total: usize,
    from: usize,
    to: usize,
    before: String,
    after: String,
}

pub(crate) async fn answer(site: Asker, Query(asked): Asked) -> Response {
    let choice = Choice::read(&asked);
    let fleet = site.fleet();
    let (chosen, counts) = choose(&fleet.stacks, &choice);
    let shell = Shell::of_all(&site, "Stacks", fleet.number);
    let pages = chosen.len().div_ceil(WINDOW).max(1);
    let page = choice.page.min(pages);
    let first = (page - 1) * WINDOW;
    let window = &chosen[first..chosen.len().min(first + WINDOW)];
    let counts = counts.into_iter();
    let counts = counts.map(|(need, count)| {
        let is_chosen = choice.state == need.name();
        Count {
            badge: Badge::new(need.tone(), need.word()),
            count,
            href: choice.address(if is_chosen { "" } else { need.name() }, 1),
            is_chosen,
        }
    });
    let address = |page: usize, there: bool| match there {
        true => choice.address(&choice.state, page),
        false => String::new(),
    };
    let page = FleetPage {
        counts: counts.collect(),
        targets: options(&fleet.stacks, &choice.target, |view| {
            &view.stack.destination.target.0
        }),
        namespaces: options(&fleet.stacks, &choice.namespace, |view| {
            &view.stack.key.namespace
        }),
        rows: window.iter().map(|view| row(view, shell.now)).collect(),
        all: fleet.stacks.len(),
        total: chosen.len(),
        from: if window.is_empty() { 0 } else { first + 1 },
        to: first + window.len(),
        before: address(page - 1, page > 1),
        after: address(page + 1, page < pages),
        shell,
        choice,
    };
    respond::page(StatusCode::OK, &page)
}

/// What may be chosen of a kind, in order.
fn options<'a>(
    stacks: &'a [Arc<StackView>],
    chosen: &str,
    of: impl Fn(&'a StackView) -> &'a String,
) -> Vec<Option_> {
    let mut all: BTreeSet<&str> = stacks.iter().map(|view| of(view).as_str()).collect();
    if !chosen.is_empty() {
        all.insert(chosen);
    }
    let options = all.into_iter().take(500);
    options
        .map(|value| Option_ {
            value: value.to_owned(),
            is_chosen: value == chosen,
        })
        .collect()
}

/// A revision in short.
pub(crate) fn revision(revision: &Revision) -> String {
    revision.to_string()
}

/// Where a Stack goes.
pub(crate) fn target(view: &StackView) -> String {
    let destination = &view.stack.destination;
    let name = match destination.target.0.as_str() {
        "in-cluster" => "this cluster",
        name => name,
    };
    match destination.namespace.as_str() {
        "" => name.to_owned(),
        namespace => format!("{name}, namespace {namespace}"),
    }
}

fn row(view: &StackView, now: Time) -> Row {
    let (status, key) = (&view.status, &view.stack.key);
    let shown = status.applied.as_ref().or(status.attempted.as_ref());
    let past = status.history.first();
    Row {
        id: format!("s-{}-{}", key.namespace, key.name),
        href: path_of(key),
        name: key.name.clone(),
        namespace: key.namespace.clone(),
        badge: Badge::of(view),
        message: message(view),
        revision: shown.map(revision).unwrap_or_default(),
        target: target(view),
        when: past.map(|past| When::new(past.at, now)),
        last: past.map(words::past).unwrap_or_default(),
    }
}

/// How a Stack is doing, in words, also before it was reconciled first.
pub(crate) fn message(view: &StackView) -> String {
    use holdfast_model::status::Truth;
    let status = &view.status;
    if status.ready.holds == Truth::True && status.source.holds == Truth::False {
        return format!("{}; {}", status.ready.message, status.source.message);
    }
    match status.ready.message.as_str() {
        "" => "not reconciled yet".to_owned(),
        message => message.to_owned(),
    }
}
