//! `holdfast top`: how Stacks are doing, as it changes. It must not know how a terminal is spoken to.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdfast_model::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::api::{All, Api, items, selected, text};
use super::get::watch::{Seen, follow};
use super::{Global, describe, print};

mod keys;
mod rows;
mod screen;
mod view;

use rows::Row;
use screen::Screen;
use view::{Does, View};

/// How long after a failure the control plane is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Show how Stacks are doing, as it changes.
#[derive(Args)]
#[command(
    after_help = "Keys: q ends it or goes back, the arrows or j and k move, enter describes a Stack, / \
    filters.\n\nExamples:\n  \
    holdfast top\n  \
    holdfast top -A --failing\n  \
    holdfast top --once\n  \
    holdfast top -A -o json"
)]
pub(crate) struct Top {
    /// Show the Stacks of all namespaces.
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Only those with these labels, such as team=a.
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,
    /// Only those that are not ready.
    #[arg(long)]
    failing: bool,
    /// Print one table and end, as without a terminal.
    #[arg(long)]
    once: bool,
    /// How to print; json prints once.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// What happens while it is shown.
enum Event {
    /// All Stacks as they are.
    All(Vec<Value>),
    Changed(Value),
    Gone(Value),
    /// The control plane could not be asked.
    Trouble(String),
    Keys(Vec<u8>),
    /// What a Stack owns, of a namespace and a name.
    Objects((String, String), String),
}

impl Top {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let path = api.stacks_path(All::of(self.all_namespaces));
        let path = selected(path, self.selector.as_deref());
        let list = api.get(&path).await?;
        let stacks = items(&list, "/items").to_vec();
        let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let place = match self.all_namespaces {
            true => "all namespaces".to_owned(),
            false => format!("namespace {}", api.namespace),
        };
        let mut view = View::new(&place, self.all_namespaces, self.failing);
        view.set_all(stacks);
        if self.output == Format::Json {
            let rows = view.visible().map(Row::to_json).collect();
            print(&format!("{:#}\n", Value::Array(rows)));
        } else if self.once || !has_terminal {
            print(&view.table());
        } else {
            let version = text(&list, "/metadata/resourceVersion").to_owned();
            live(Arc::new(api), (path, version), view).await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows it until a key or a signal ends it.
async fn live(
    api: Arc<Api>,
    (path, version): (String, String),
    mut view: View,
) -> anyhow::Result<()> {
    let (sender, mut events) = unbounded_channel();
    let mut ends = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ];
    let mut resized = signal(SignalKind::window_change())?;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let screen = Screen::open()?;
    screen.read_keys({
        let sender = sender.clone();
        move |keys| sender.send(Event::Keys(keys)).is_ok()
    })?;
    let watching = tokio::spawn(watch(Arc::clone(&api), (path, version), sender.clone()));
    loop {
        screen.draw(&view.draw(screen.size()))?;
        let [terminate, interrupt, hangup] = &mut ends;
        tokio::select! {
            _ = tick.tick() => {}
            _ = resized.recv() => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => break,
            event = events.recv() => {
                let Some(event) = event else { break };
                if take(&api, &mut view, (event, &mut events), &sender) == Course::End {
                    break;
                }
            }
        }
    }
    watching.abort();
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Course {
    GoOn,
    End,
}

/// Takes an event up, and all that have come after it, before anything is drawn again.
fn take(
    api: &Api,
    view: &mut View,
    (first, events): (Event, &mut UnboundedReceiver<Event>),
    sender: &UnboundedSender<Event>,
) -> Course {
    let mut next = Some(first);
    while let Some(event) = next {
        match event {
            Event::All(stacks) => view.set_all(stacks),
            Event::Changed(stack) => view.set(stack),
            Event::Gone(stack) => view.remove(&stack),
            Event::Trouble(words) => view.set_trouble(words),
            Event::Objects(of, words) => view.add_objects(&of, &words),
            Event::Keys(bytes) => {
                for key in keys::read(&bytes) {
                    match view.press(key) {
                        Does::Nothing => {}
                        Does::End => return Course::End,
                        Does::Describe(stack) => open(api, view, &stack, sender),
                    }
                }
            }
        }
        next = events.try_recv().ok();
    }
    Course::GoOn
}

/// Shows all that is known of a Stack, and what it owns as soon as that has been read.
fn open(api: &Api, view: &mut View, stack: &Value, sender: &UnboundedSender<Event>) {
    let namespace = text(stack, "/metadata/namespace").to_owned();
    let name = text(stack, "/metadata/name").to_owned();
    view.open(
        (namespace.clone(), name.clone()),
        &describe::describe(stack, &namespace),
    );
    let api = Api {
        client: api.client.clone(),
        namespace: namespace.clone(),
        acting: None,
    };
    let sender = sender.clone();
    tokio::spawn(async move {
        let words = describe::objects(&api, &name).await;
        let _ = sender.send(Event::Objects((namespace, name), words));
    });
}

/// Sends what changes for as long as somebody wants to know.
async fn watch(
    api: Arc<Api>,
    (path, mut version): (String, String),
    sender: UnboundedSender<Event>,
) {
    loop {
        let see = |seen: Seen<'_>| {
            let _ = sender.send(match seen {
                Seen::All(stacks) => Event::All(stacks.to_vec()),
                Seen::Changed(stack) => Event::Changed(stack.clone()),
                Seen::Gone(stack) => Event::Gone(stack.clone()),
            });
        };
        let Err(error) = follow(&api, &path, version.clone(), see).await;
        let words = format!("{error:#}");
        if sender.send(Event::Trouble(words)).is_err() {
            return;
        }
        // What was missed is listed.
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Ok(list) = api.get(&path).await {
                text(&list, "/metadata/resourceVersion").clone_into(&mut version);
                let _ = sender.send(Event::All(items(&list, "/items").to_vec()));
                break;
            }
        }
    }
}
