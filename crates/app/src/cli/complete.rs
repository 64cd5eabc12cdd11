//! What the scripts of `holdfast completions` ask for: names of Stacks, and revisions of one. It is not for
//! people, and says nothing when something is wrong.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use holdfast_model::Value;

use super::api::{All, Api, items, text};
use super::{Global, print};

/// How long a person who has pressed a key waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Words that come next.
#[derive(Args)]
pub(crate) struct Complete {
    /// The words of the line after `holdfast`, the last one as far as it is written.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Stacks,
    RevisionsOf(String),
    Nothing,
}

impl Complete {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut global = global.clone();
        for (option, value) in self.words.iter().zip(self.words.iter().skip(1)) {
            match option.as_str() {
                "-n" | "--namespace" => global.namespace = Some(value.clone()),
                "--context" => global.context = Some(value.clone()),
                "--kubeconfig" => global.kubeconfig = Some(value.into()),
                _ => {}
            }
        }
        let begun = self.words.last().cloned().unwrap_or_default();
        let found = tokio::time::timeout(PATIENCE, found(&global, &wanted(&self.words))).await;
        for word in found.into_iter().flatten().flatten() {
            if word.starts_with(&begun) {
                print(&format!("{word}\n"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Options that take a value of their own, of those that may come before a Stack's name.
const TAKES_A_VALUE: [&str; 6] = [
    "-n",
    "--namespace",
    "--context",
    "--kubeconfig",
    "-o",
    "--output",
];
/// Options whose value is a revision.
const TAKES_A_REVISION: [&str; 2] = ["--revision", "--to"];
/// Commands that take no Stack.
const NAMES_NONE: [&str; 9] = [
    "apply",
    "cluster",
    "completions",
    "crds",
    "demo",
    "render",
    "run",
    "secret",
    "version",
];

fn wanted(words: &[String]) -> Wanted {
    let Some((begun, before)) = words.split_last() else {
        return Wanted::Nothing;
    };
    let mut plain = Vec::new();
    let mut previous = "";
    for word in before {
        let is_value = TAKES_A_VALUE.contains(&previous) || TAKES_A_REVISION.contains(&previous);
        if !is_value && !word.starts_with('-') {
            plain.push(word.as_str());
        }
        previous = word;
    }
    let Some((command, names)) = plain.split_first() else {
        return Wanted::Nothing;
    };
    if NAMES_NONE.contains(command) || begun.starts_with('-') {
        return Wanted::Nothing;
    }
    if TAKES_A_REVISION.contains(&previous) {
        return match names.first() {
            Some(name) => Wanted::RevisionsOf((*name).to_owned()),
            None => Wanted::Nothing,
        };
    }
    match names.is_empty() || *command == "get" {
        true => Wanted::Stacks,
        false => Wanted::Nothing,
    }
}

async fn found(global: &Global, wanted: &Wanted) -> anyhow::Result<Vec<String>> {
    let api = match wanted {
        Wanted::Nothing => return Ok(Vec::new()),
        _ => Api::connect(global).await?,
    };
    let Wanted::RevisionsOf(name) = wanted else {
        let list = api.get(&api.stacks_path(All::OfOne)).await?;
        let stacks = items(&list, "/items").iter();
        let names = stacks.map(|stack| text(stack, "/metadata/name").to_owned());
        return Ok(names.collect());
    };
    let stack = api.stack(name).await?;
    let mut revisions: Vec<String> = Vec::new();
    let lists = ["/status/healthyRevisions", "/status/history"];
    let known = lists.iter().flat_map(|list| items(&stack, list));
    for commit in known.map(|known| text(known, "/commit")) {
        let short: String = commit.chars().take(12).collect();
        if !short.is_empty() && !revisions.contains(&short) {
            revisions.push(short);
        }
    }
    let follows = ["branch", "tag"].iter();
    let follows = follows.filter_map(|name| stack.pointer("/spec/source")?.get(name));
    revisions.extend(follows.filter_map(Value::as_str).map(str::to_owned));
    Ok(revisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Wanted) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(wanted(&words), expected, "{line}");
    }

    #[test]
    fn what_comes_next_is_a_stack_or_a_revision_of_one() {
        let of = |name: &str| Wanted::RevisionsOf(name.to_owned());
        check("sync ", Wanted::Stacks);
        check("-n shop describe w", Wanted::Stacks);
        check("describe web ", Wanted::Nothing);
        check("get web -o wide ca", Wanted::Stacks);
        check("rollback web --to 3f", of("web"));
        check("plan --exit-code web --revision ", of("web"));
        check("plan --revision ", Wanted::Nothing);
        check("plan --r", Wanted::Nothing);
        check("apply ", Wanted::Nothing);
        check("secret open ", Wanted::Nothing);
        check("sy", Wanted::Nothing);
    }
}
