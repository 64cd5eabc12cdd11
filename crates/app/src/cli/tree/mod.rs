//! `holdfast tree`: what a Stack owns, and what controllers have made for it.

use std::process::ExitCode;

use clap::Args;
use holdfast_model::Value;
use serde_json::json;

use super::api::Api;
use super::show::{Output, Tone, for_programs, paint};
use super::{Global, print};

mod grow;

pub(super) use grow::{Node, Tree, grow};

/// Show what a Stack owns and what was made for it, with health, wave, file and line.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast tree shop\n  \
    holdfast tree shop -o json")]
pub(crate) struct TreeCommand {
    /// The Stack.
    name: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl TreeCommand {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let tree = grow(&api, &self.name).await?;
        if !for_programs(self.output, &for_program(&tree)) {
            print(&for_people(&tree));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The tree as people read it.
pub(super) fn for_people(tree: &Tree) -> String {
    let stack = format!("Stack {}", tree.subject.stack.key);
    let revision = tree.subject.known.applied.as_ref();
    let revision = revision.map_or_else(String::new, |revision| format!("  {revision}"));
    let mut out = format!("{}{revision}\n", paint(Tone::Bold, &stack));
    branches(&mut out, &tree.nodes, "");
    if tree.nodes.is_empty() {
        out.push_str("it owns nothing yet\n");
    }
    for note in &tree.notes {
        out.push_str(&format!(
            "{}\n",
            paint(Tone::Faint, &format!("note: {note}"))
        ));
    }
    out
}

fn branches(out: &mut String, nodes: &[Node], indent: &str) {
    for (index, node) in nodes.iter().enumerate() {
        let is_last = index + 1 == nodes.len();
        let (branch, below) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let tone = match node.health.as_str() {
            "Healthy" => Tone::Good,
            "Degraded" | "Missing" => Tone::Bad,
            _ => Tone::Warning,
        };
        let mut line = format!(
            "{indent}{branch}{}  {}",
            node.key,
            paint(tone, &node.health)
        );
        if tone != Tone::Good && !node.message.is_empty() {
            line.push_str(&format!(": {}", node.message));
        }
        if let Some(wave) = node.wave.filter(|wave| *wave != 0) {
            line.push_str(&format!("  wave {wave}"));
        }
        if let Some(origin) = &node.origin {
            line.push_str(&format!("  {}", paint(Tone::Faint, origin)));
        }
        out.push_str(&line);
        out.push('\n');
        branches(out, &node.children, &format!("{indent}{below}"));
    }
}

fn for_program(tree: &Tree) -> Value {
    let applied = tree.subject.known.applied.as_ref();
    json!({
        "stack": tree.subject.stack.key.to_string(),
        "revision": applied.map(|revision| revision.commit.0.clone()),
        "objects": tree.nodes.iter().map(of_node).collect::<Vec<_>>(),
        "notes": tree.notes,
    })
}

fn of_node(node: &Node) -> Value {
    json!({
        "object": node.key.to_string(),
        "kind": node.key.kind.to_string(),
        "namespace": node.key.namespace.as_deref(),
        "name": &*node.key.name,
        "health": node.health,
        "message": node.message,
        "wave": node.wave,
        "origin": node.origin,
        "children": node.children.iter().map(of_node).collect::<Vec<_>>(),
    })
}
