//! `holdfast describe`: everything that is known of a Stack.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast_api::native::deeds::by_annotation;
use holdfast_model::Value;
use holdfast_model::deed::Action;
use holdfast_model::time::Time;
use holdfast_model::view::words;

use super::api::{Api, condition, items, ready_words, text};
use super::show::{
    Output, Tone, age, for_programs, paint, past_summary, past_tone, revision, tone_of,
};
use super::{Global, print, tree};
use crate::wiring;

/// Show all that is known of a Stack: conditions, problems, what waits, what was done, what it owns.
#[derive(Args)]
#[command(after_help = "Examples:\n  holdfast describe shop\n  holdfast describe shop -o yaml")]
pub(crate) struct Describe {
    /// The Stack.
    name: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Describe {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let stack = api.stack(&self.name).await?;
        if !for_programs(self.output, &stack) {
            print(&describe(&stack, &api.namespace));
            print(&objects(&api, &self.name).await);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a Stack says of itself.
pub(super) fn describe(stack: &Value, namespace: &str) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<13}{value}\n"));
        }
    };
    line(
        "Stack",
        &format!("{namespace}/{}", text(stack, "/metadata/name")),
    );
    line("Source", &source(stack));
    line("Target", &target(stack));
    let applied = stack.pointer("/status/applied");
    line("Applied", &applied.map(revision).unwrap_or_default());
    let followed = stack.pointer("/status/followed");
    line("Git is at", &followed.map(revision).unwrap_or_default());
    line("Last fetch", &fetched(stack));
    line("Pinned", &pinned(stack));
    for kind in ["Ready", "Synced", "Healthy", "SourceReady"] {
        let (status, reason, message) = match condition(stack, kind, "status") {
            "" if kind == "Ready" => {
                let (reason, message) = ready_words(stack);
                ("Unknown", reason, message)
            }
            "" => continue,
            status => {
                let field = |name| condition(stack, kind, name);
                (status, field("reason"), field("message"))
            }
        };
        let since = match age(condition(stack, kind, "lastTransitionTime")) {
            since if since.is_empty() => since,
            since => format!(" for {since}"),
        };
        let words = match message {
            "" => format!("{status}{since} {reason}"),
            message => format!("{status}{since} {reason}: {message}"),
        };
        line(kind, &paint(tone_of(status), &words));
    }
    line("Tried again", &ahead(text(stack, "/status/nextRetry")));
    line("Suspended", &suspended(stack));
    out.push_str(&problems(stack));
    out.push_str(&left_alone(stack));
    out.push_str(&pending(stack));
    out.push_str(&history(items(stack, "/status/history"), 5));
    out
}

/// How long what a Stack owns may take to be read: what is known without that is shown in any case.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it owns, and what was made for it.
pub(super) async fn objects(api: &Api, name: &str) -> String {
    let heading = format!("\n{}\n", paint(Tone::Bold, "Objects"));
    match tokio::time::timeout(PATIENCE, tree::grow(api, name)).await {
        Ok(Ok(tree)) => format!("{heading}{}", tree::for_people(&tree)),
        Ok(Err(error)) => format!("{heading}  they cannot be read: {error:#}\n"),
        Err(_) => format!(
            "{heading}  they could not be read in {} s; holdfast tree {name} waits longer\n",
            PATIENCE.as_secs()
        ),
    }
}

/// A time that is to come.
fn ahead(time: &str) -> String {
    let Some(at) = Time::parse(time) else {
        return String::new();
    };
    words::ahead(at, wiring::now())
}

fn suspended(stack: &Value) -> String {
    if stack.pointer("/spec/suspend") != Some(&Value::Bool(true)) {
        return String::new();
    }
    let annotations = stack.pointer("/metadata/annotations");
    let by = annotations.and_then(|all| all.get(by_annotation(Action::Suspend))?.as_str());
    words::suspended(by)
}

/// Fields that other writers have for now, and the command that takes them back.
fn left_alone(stack: &Value) -> String {
    let now = wiring::now();
    let left = items(stack, "/status/leftAlone").iter();
    let left = left.filter(|left| Time::parse(text(left, "/until")).is_some_and(|at| now < at));
    let lines: Vec<String> = left
        .map(|left| {
            let field = text(left, "/field");
            format!(
                "  {}{}{field} to {} since {}, until {}\n",
                text(left, "/object"),
                if field.is_empty() { "" } else { " " },
                text(left, "/by"),
                text(left, "/since"),
                text(left, "/until"),
            )
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n{}\n{}  to take it back: holdfast sync --take-back {}\n",
        paint(Tone::Bold, "Left alone"),
        lines.concat(),
        text(stack, "/metadata/name"),
    )
}

fn source(stack: &Value) -> String {
    let spec = stack.pointer("/spec/source").unwrap_or(&Value::Null);
    let follows = ["branch", "tag", "semver", "ref", "commit"]
        .iter()
        .find_map(|name| Some(format!(" {name} {}", spec.get(name)?.as_str()?)))
        .unwrap_or_default();
    let path = match text(spec, "/path") {
        "" => String::new(),
        path => format!(", folder {path}"),
    };
    format!("{}{follows}{path}", text(spec, "/git"))
}

/// What came from Git last and when, and whether it answers now. That it was asked and had nothing new is
/// not written down each time.
fn fetched(stack: &Value) -> String {
    let came = stack.pointer("/status/followed").map(|followed| {
        let at = text(followed, "/seenAt");
        let ago = match age(at) {
            ago if ago.is_empty() => ago,
            ago => format!(" {ago} ago, at {at}"),
        };
        format!("{} came{ago}", revision(followed))
    });
    let interval = match text(stack, "/spec/source/interval") {
        "" => "60s",
        interval => interval,
    };
    let source = |field| condition(stack, "SourceReady", field);
    let since = source("lastTransitionTime");
    match (source("status"), came) {
        ("False", came) => {
            let came = came.map_or("nothing came before".to_owned(), |came| {
                format!("before, {came}")
            });
            let (ago, why) = (age(since), source("message"));
            paint(
                Tone::Bad,
                &format!("fails for {ago}, since {since}: {why}; {came}"),
            )
        }
        ("True", Some(came)) => format!("{came}; asked every {interval}, and answers"),
        (_, Some(came)) => came,
        (_, None) => String::new(),
    }
}

/// What holds it at an older revision: which one, by whom, since when, until when, and why.
fn pinned(stack: &Value) -> String {
    let Some(pin) = stack.pointer("/status/pin") else {
        return String::new();
    };
    let words = [("by", "/by"), ("since", "/since"), ("until", "/expires")];
    let parts = words
        .iter()
        .filter_map(|(word, field)| match text(pin, field) {
            "" => None,
            text => Some(format!(" {word} {text}")),
        });
    let parts: String = parts.collect();
    let reason = match text(pin, "/reason") {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let ends = match pin.get("from") {
        None => "",
        Some(_) => ", until Git has something newer",
    };
    format!("{}{parts}{ends}{reason}", revision(pin))
}

fn target(stack: &Value) -> String {
    let name = match text(stack, "/spec/target/name") {
        "" => "this cluster",
        name => name,
    };
    match text(stack, "/spec/target/namespace") {
        "" => name.to_owned(),
        namespace => format!("{name}, namespace {namespace}"),
    }
}

fn problems(stack: &Value) -> String {
    let problems = items(stack, "/status/problems");
    if problems.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", paint(Tone::Bold, "Problems"));
    for problem in problems {
        let place = [text(problem, "/object"), text(problem, "/origin")]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" at ");
        let reason = paint(Tone::Bad, text(problem, "/reason"));
        out.push_str(&format!(
            "  {reason} {place}\n    {}\n",
            text(problem, "/message")
        ));
        let hint = text(problem, "/hint");
        if !hint.is_empty() {
            out.push_str(&format!(
                "    {}\n",
                paint(Tone::Faint, &format!("hint: {hint}"))
            ));
        }
    }
    out
}

fn pending(stack: &Value) -> String {
    let plan = text(stack, "/status/pending/plan");
    if plan.is_empty() {
        return String::new();
    }
    let name = text(stack, "/metadata/name");
    format!(
        "\n{}\n  {}\n  {}\n  to confirm: holdfast approve {name} {plan}\n",
        paint(Tone::Bold, "Waits for a person"),
        text(stack, "/status/pending/reason"),
        text(stack, "/status/pending/summary"),
    )
}

/// The newest operations, one a line.
pub(crate) fn history(past: &[Value], count: usize) -> String {
    if past.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", paint(Tone::Bold, "History"));
    for entry in past.iter().take(count) {
        let end = text(entry, "/end");
        out.push_str(&format!(
            "  {:>5} ago  {}  {}  {}\n",
            age(text(entry, "/at")),
            revision(entry),
            paint(past_tone(end), end),
            past_summary(entry),
        ));
    }
    out
}
