//! One Stack: how it is doing and why, what happens now and next, its objects, and what was done.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use holdfast_model::deed::Action;
use holdfast_model::percent::encode;
use holdfast_model::plan::counted;
use holdfast_model::status::{Condition, PastEnd, Truth};
use holdfast_model::time::Time;
use holdfast_model::view::{Health, StackView, words};
use http::StatusCode;

use crate::access::roles::Verb;
use crate::asker::Asker;
use crate::fleet::{message, revision, target};
use crate::graph::{self, Graph};
use crate::plan::Shown;
use crate::port::Command;
use crate::respond;
use crate::shell::{Shell, When, find, key_of, path_of};
use crate::state::{Badge, Tone, spaced};
use crate::texts;

/// The most objects that are listed.
const LISTED: usize = 1_000;

/// What the pages of a Stack have in common.
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) path: String,
    pub(crate) badge: Badge,
    pub(crate) message: String,
    pub(crate) actions: Vec<Button>,
    /// Which of its pages it is.
    pub(crate) tab: &'static str,
    pub(crate) shows_plan: bool,
}

/// A way to ask for something.
pub(crate) struct Button {
    pub(crate) href: String,
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
}

impl Head {
    pub(crate) fn new(site: &Asker, view: &StackView, tab: &'static str) -> Self {
        let key = &view.stack.key;
        Self {
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            path: path_of(key),
            badge: Badge::of(view),
            message: message(view),
            actions: match site.commands {
                Some(_) => offered(view)
                    .iter()
                    .filter(|command| site.may(command.needs(), &view.stack))
                    .map(|command| button(view, command))
                    .collect(),
                None => Vec::new(),
            },
            tab,
            shows_plan: site.may(Verb::Plan, &view.stack),
        }
    }
}

/// What can be asked for now.
pub(crate) fn offered(view: &StackView) -> Vec<Command> {
    let (stack, status) = (&view.stack, &view.status);
    if stack.deleting {
        return Vec::new();
    }
    let mut all = Vec::new();
    if let Some(pending) = &status.pending {
        let plan = pending.plan.to_string();
        all.push(Command::Approve { plan });
    }
    if status.operation.is_some() {
        all.push(Command::Terminate);
    }
    if stack.suspended || stack.pin.is_some() {
        all.push(Command::Resume);
    }
    if !stack.suspended {
        all.extend([Command::Sync, Command::Refresh]);
    }
    if !status.worked.is_empty() {
        all.push(Command::Rollback { to: None });
    }
    if !stack.suspended {
        all.push(Command::Suspend);
    }
    all.push(Command::Delete);
    all
}

/// The path at which a command is asked for.
pub(crate) fn ask_path(view: &StackView, command: &Command) -> String {
    let path = path_of(&view.stack.key);
    let of = match command.of() {
        "" => String::new(),
        of => format!("?of={}", encode(of)),
    };
    format!("{path}/ask/{}{of}", command.verb())
}

fn button(view: &StackView, command: &Command) -> Button {
    Button {
        href: ask_path(view, command),
        word: texts::named(command).button,
        class: match command {
            Command::Approve { .. } | Command::Resume => "strong",
            Command::Delete => "danger",
            _ => "",
        },
    }
}

struct Fact {
    name: &'static str,
    words: String,
    badge: Option<Badge>,
}

struct Trouble {
    reason: String,
    place: String,
    message: String,
    hint: String,
}

/// What is under way.
struct Now {
    words: String,
    gone: u64,
    all: u64,
    time: String,
}

pub(crate) struct Line {
    pub(crate) class: &'static str,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) when: Option<When>,
}

struct Item {
    id: String,
    kind: String,
    name: String,
    namespace: String,
    origin: String,
    badge: Badge,
    message: String,
}

#[derive(Template)]
#[template(path = "stack.html")]
struct StackPage {
    shell: Shell,
    head: Head,
    now: Option<Now>,
    troubles: Vec<Trouble>,
    left: Vec<String>,
    pending: Option<(String, String, String)>,
    why: Vec<Line>,
    facts: Vec<Fact>,
    graph: Option<Graph>,
    items: Vec<Item>,
    more: usize,
    said: Vec<Line>,
}

pub(crate) async fn answer(site: Asker, Path(key): Path<(String, String)>) -> Response {
    let view = match find(&site, &key_of(key)) {
        Ok(view) => view,
        Err(missing) => return *missing,
    };
    let now = site.now();
    let status = &view.status;
    let left = status.left.iter().filter(|left| now < left.until);
    let pending = status.pending.as_ref().map(|pending| {
        let plan = pending.plan.to_string();
        (pending.reason.clone(), pending.summary.clone(), plan)
    });
    let page = StackPage {
        shell: Shell::of(&site, &view, ""),
        head: Head::new(&site, &view, "overview"),
        now: under_way(&view, now),
        troubles: troubles(&view),
        left: left.map(words::left_alone).collect(),
        pending,
        why: why(&site, &view, now),
        facts: facts(&view, now),
        graph: graph::draw(&view),
        items: items(&view),
        more: view.objects.len().saturating_sub(LISTED),
        said: said(&view, now),
    };
    respond::page(StatusCode::OK, &page)
}

fn under_way(view: &StackView, now: Time) -> Option<Now> {
    let operation = view.status.operation.as_ref()?;
    let names: Vec<String> = view.awaited.iter().map(ToString::to_string).collect();
    let words = match names.is_empty() {
        true => format!("{} is being applied", operation.revision),
        false => format!("waiting for {}", words::names(&names)),
    };
    let seconds = |span: Duration| span.as_secs();
    Some(Now {
        words,
        gone: seconds(now.since(operation.started)),
        all: seconds(operation.deadline.since(operation.started)).max(1),
        time: words::progress(operation.started, operation.deadline, now),
    })
}

fn troubles(view: &StackView) -> Vec<Trouble> {
    let problems = view.status.problems.iter();
    problems
        .map(|problem| {
            let object = problem.object.as_ref().map(ToString::to_string);
            let origin = problem.origin.as_ref().map(ToString::to_string);
            let places: Vec<String> = object.into_iter().chain(origin).collect();
            Trouble {
                reason: spaced(&problem.reason),
                place: places.join(" at "),
                message: problem.message.clone(),
                hint: problem.hint.clone().unwrap_or_default(),
            }
        })
        .collect()
}

/// The chain from what Git is at to how it is now, and what comes next.
fn why(site: &Asker, view: &StackView, now: Time) -> Vec<Line> {
    let status = &view.status;
    let line = |tone: Tone, title: &str, message: String, at: Option<Time>| Line {
        class: tone.class(),
        title: title.to_owned(),
        message,
        when: at.map(|at| When::new(at, now)),
    };
    let mut chain = Vec::new();
    let git = match (&status.followed, status.source.holds) {
        (_, Truth::False) => (Tone::Bad, status.source.message.clone()),
        (Some(followed), _) => (Tone::Good, format!("Git is at {}", followed.revision)),
        (None, _) => (Tone::Busy, "Git has not answered yet".to_owned()),
    };
    chain.push(line(git.0, "Commit", git.1, None));
    if let Some(pin) = &status.pin {
        chain.push(line(Tone::Warn, "Pinned", words::pinned(pin), pin.since));
    }
    let proposal = view.proposal.as_ref();
    if let Some(proposal) = proposal.filter(|_| site.may(Verb::Plan, &view.stack)) {
        let shown = Shown::new(proposal, now);
        let first = proposal
            .steps
            .first()
            .map(|step| format!(". {}: {}", step.key, step.why));
        let rest = proposal.steps.len().saturating_sub(1) + proposal.more;
        let rest = match rest {
            0 => String::new(),
            rest => format!(", and {rest} more"),
        };
        let words = format!("{}{}{rest}", shown.headline, first.unwrap_or_default());
        chain.push(line(shown.tone, "Plan", words, Some(proposal.at)));
    }
    let synced = &status.synced;
    if synced.holds != Truth::True && !synced.message.is_empty() {
        let tone = Tone::of_truth(synced.holds);
        chain.push(line(tone, "Target", synced.message.clone(), None));
    }
    match view
        .unwell
        .iter()
        .find(|unwell| unwell.health != Health::Suspended)
    {
        Some(unwell) => {
            let words = format!("{}: {}", unwell.key, unwell.message);
            let tone = Tone::of_health(unwell.health);
            chain.push(line(tone, unwell.health.word(), words, None));
        }
        None if view.is_seen() => {
            let words = format!(
                "{} as they should be",
                counted(view.objects.len(), "object")
            );
            chain.push(line(Tone::Good, "Objects", words, None));
        }
        None => {}
    }
    chain.push(line(Tone::Calm, "Next", next(view, now), None));
    chain
}

/// When it is reconciled next, and what for.
fn next(view: &StackView, now: Time) -> String {
    let interval = words::age(view.stack.source.repository.interval);
    let always = format!(
        "when Git changes, which is asked every {interval}, or when somebody changes an object"
    );
    match view.wake {
        Some(wake) => format!(
            "{} {}; or {always}",
            words::ahead(wake.at, now),
            words::woken(wake.why)
        ),
        None => always,
    }
}

fn facts(view: &StackView, now: Time) -> Vec<Fact> {
    let (stack, status) = (&view.stack, &view.status);
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, words: String, badge: Option<Badge>| {
        if !words.is_empty() || badge.is_some() {
            facts.push(Fact { name, words, badge });
        }
    };
    for (name, condition) in [
        ("Synced", &status.synced),
        ("Healthy", &status.healthy),
        ("Source", &status.source),
    ] {
        fact(
            name,
            condition.message.clone(),
            Some(condition_badge(condition)),
        );
    }
    let source = &stack.source;
    let folder = match source.path.to_string().as_str() {
        "" | "." => String::new(),
        path => format!(", folder {path}"),
    };
    let follows = format!("{} {}{folder}", source.repository.url, source.reference);
    fact("Follows", follows, None);
    fact("Target", target(view), None);
    fact(
        "Applied",
        status.applied.as_ref().map(revision).unwrap_or_default(),
        None,
    );
    let followed = status.followed.as_ref();
    fact(
        "Git is at",
        followed
            .map(|followed| revision(&followed.revision))
            .unwrap_or_default(),
        None,
    );
    fact(
        "Pinned",
        status.pin.as_ref().map(words::pinned).unwrap_or_default(),
        None,
    );
    if stack.suspended {
        let by = stack
            .deeds
            .get(&Action::Suspend)
            .map(|deed| deed.by.as_str());
        fact("Suspended", words::suspended(by), None);
    }
    let needs: Vec<String> = stack.depends_on.iter().map(ToString::to_string).collect();
    fact("Depends on", needs.join(", "), None);
    let retry = status.retry.map(|retry| words::ahead(retry, now));
    fact("Tried again", retry.unwrap_or_default(), None);
    fact("Owns", counted(status.inventory.0, "object"), None);
    facts
}

fn condition_badge(condition: &Condition) -> Badge {
    let word = match condition.holds {
        Truth::True => "Yes".to_owned(),
        Truth::False | Truth::Unknown => spaced(&condition.reason.to_string()),
    };
    Badge::new(Tone::of_truth(condition.holds), word)
}

fn items(view: &StackView) -> Vec<Item> {
    let objects = view.objects.iter().take(LISTED).enumerate();
    let mut items: Vec<(Health, Item)> = objects
        .map(|(at, (key, origin))| {
            let (health, message) = view.health_of(key);
            let item = Item {
                id: format!("o-{at}"),
                kind: key.kind.kind.clone(),
                name: key.name.to_string(),
                namespace: key.namespace.as_deref().unwrap_or_default().to_owned(),
                origin: origin.to_string(),
                badge: Badge::new(Tone::of_health(health), health.word()),
                message: message.to_owned(),
            };
            (health, item)
        })
        .collect();
    items.sort_by_key(|(health, _)| std::cmp::Reverse(*health));
    items.into_iter().map(|(_, item)| item).collect()
}

fn said(view: &StackView, now: Time) -> Vec<Line> {
    let said = view.said.iter();
    said.map(|said| {
        let times = match said.times {
            0 | 1 => String::new(),
            times => format!(", {times} times"),
        };
        let object = said.object.as_ref().filter(|object| {
            let name = object.to_string();
            !said.message.contains(&name)
        });
        let object = object
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        Line {
            class: if said.is_warning { "bad" } else { "good" },
            title: format!("{}{times}", spaced(said.reason)),
            message: format!("{object}{}", said.message),
            when: Some(When::new(said.at, now)),
        }
    })
    .collect()
}

struct Entry {
    when: When,
    badge: Badge,
    revision: String,
    summary: String,
    back: String,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    shell: Shell,
    head: Head,
    entries: Vec<Entry>,
    worked: Vec<(String, When, String)>,
}

pub(crate) async fn history(site: Asker, Path(key): Path<(String, String)>) -> Response {
    let view = match find(&site, &key_of(key)) {
        Ok(view) => view,
        Err(missing) => return *missing,
    };
    let now = site.now();
    let status = &view.status;
    let applied = status.applied.as_ref().map(|applied| &applied.commit);
    let may_ask =
        site.commands.is_some() && !view.stack.deleting && site.may(Verb::Rollback, &view.stack);
    let back = |commit: &holdfast_model::revision::CommitId| {
        if !may_ask || Some(commit) == applied || commit.0.is_empty() {
            return String::new();
        }
        let to = Some(commit.0.clone());
        ask_path(&view, &Command::Rollback { to })
    };
    let entries = status.history.iter().map(|past| {
        let end = words::end(past.end);
        Entry {
            when: When::new(past.at, now),
            badge: Badge::new(Tone::of_end(end), spaced_end(past.end)),
            revision: revision(&past.revision),
            summary: words::past(past),
            back: back(&past.revision.commit),
        }
    });
    let worked = status.worked.iter().map(|worked| {
        let when = When::new(worked.at, now);
        (
            revision(&worked.revision),
            when,
            back(&worked.revision.commit),
        )
    });
    let page = HistoryPage {
        shell: Shell::of(&site, &view, "History of "),
        head: Head::new(&site, &view, "history"),
        entries: entries.collect(),
        worked: worked.collect(),
    };
    respond::page(StatusCode::OK, &page)
}

fn spaced_end(end: PastEnd) -> String {
    let mut word = spaced(words::end(end));
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}
