//! Random sequences of commits, rollbacks, resumes, failures and restarts, against a small model of
//! the rules of docs/guide/undo.md: what is live is what they say, and nothing is ever applied that
//! nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::undo::Back;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::json;

/// What a commit has: a text that becomes healthy, one whose apply fails, or nothing that can be
/// rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Text(u8),
    Refused,
    Broken,
}

impl Content {
    fn text(self) -> String {
        match self {
            Self::Text(number) => format!("t{number}"),
            Self::Refused => "refused".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Commit(Content),
    /// To the commit at this place among those that can be rendered.
    RollBackTo(usize),
    RollBack,
    /// To such a commit, with an end that has come already.
    RollBackForNoTime(usize),
    Resume,
    Nothing,
}

/// A happening, and whether the engine is stopped and another one started in the middle of it.
type Step = (Happening, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content = prop_oneof![
        6 => (0_u8..3).prop_map(Content::Text),
        1 => Just(Content::Refused),
        1 => Just(Content::Broken),
    ];
    let happening = prop_oneof![
        5 => content.prop_map(Happening::Commit),
        3 => (0_usize..100).prop_map(Happening::RollBackTo),
        4 => Just(Happening::RollBack),
        1 => (0_usize..100).prop_map(Happening::RollBackForNoTime),
        1 => Just(Happening::Resume),
        1 => Just(Happening::Nothing),
    ];
    proptest::collection::vec((happening, prop::bool::weighted(0.25)), 1..14)
}

/// The rules.
#[derive(Debug)]
struct Rules {
    /// All commits, oldest first, and what each has.
    commits: Vec<String>,
    contents: BTreeMap<String, Content>,
    /// Where it is held, and what it was rolled back from.
    pin: Option<(String, String)>,
    live: Content,
    healthy: BTreeSet<Content>,
    /// Where a chain of rollbacks has been that nobody sent anywhere.
    visited: BTreeSet<Content>,
}

impl Rules {
    fn git(&self) -> &str {
        self.commits.last().map(String::as_str).unwrap_or_default()
    }

    fn content(&self, commit: &str) -> Content {
        self.contents[commit]
    }

    fn roll_back(&mut self, to: &str) {
        let from = match &self.pin {
            Some((_, from)) => from.clone(),
            None => self.git().to_owned(),
        };
        self.pin = Some((to.to_owned(), from));
    }

    /// What follows from what Git is at and from what holds the Stack.
    fn settle(&mut self) {
        let git = self.content(self.git());
        if let Some((_, from)) = &self.pin
            && git != Content::Broken
            && git != self.content(from)
        {
            self.pin = None;
        }
        match &self.pin {
            Some((held, _)) => self.live = self.content(held),
            None => {
                self.visited.clear();
                if git != Content::Broken {
                    self.live = git;
                }
                if matches!(git, Content::Text(_)) {
                    self.healthy.insert(git);
                }
            }
        }
    }

    /// A commit that can be rendered.
    fn pick(&self, number: usize) -> String {
        let fit = |commit: &&String| self.content(commit) != Content::Broken;
        let all: Vec<&String> = self.commits.iter().filter(fit).collect();
        all[number % all.len()].clone()
    }
}

struct World {
    stage: Stage,
    rules: Rules,
    asked: usize,
    /// The lines of the history that were looked at.
    seen: Vec<Value>,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let bed = Bed::embedded().await?;
        let stage = Stage::new(&bed, "rules").await?;
        let rules = Rules {
            commits: Vec::new(),
            contents: BTreeMap::new(),
            pin: None,
            live: Content::Text(0),
            healthy: BTreeSet::new(),
            visited: BTreeSet::new(),
        };
        let mut world = Self {
            stage,
            rules,
            asked: 0,
            seen: Vec::new(),
        };
        world.commit(Content::Text(0))?;
        world.stage.stack("s", json!({})).await?;
        world.settle(Content::Text(0)).await?;
        Ok(world)
    }

    fn commit(&mut self, content: Content) -> anyhow::Result<()> {
        let repository = &self.stage.repository;
        repository.write("app/c.yaml", &config("c", &content.text()))?;
        let other = match content {
            Content::Text(_) => "",
            Content::Refused => "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n",
            Content::Broken => "{ this is: no YAML\n",
        };
        repository.write("app/other.yaml", other)?;
        let commit = repository.commit("another")?;
        self.rules.commits.push(commit.clone());
        self.rules.contents.insert(commit, content);
        Ok(())
    }

    async fn step(&mut self, (happening, restarts): Step) -> anyhow::Result<()> {
        let before = self.rules.live;
        match happening {
            Happening::Commit(content) => self.commit(content)?,
            Happening::RollBackTo(number) => {
                let to = self.rules.pick(number);
                let back = Back {
                    to: Some(&to),
                    expires: None,
                };
                self.stage.roll_back("s", back).await?;
                self.rules.roll_back(&to);
                let from = self.rules.pin.as_ref().map(|(_, from)| from.clone());
                let been = from
                    .iter()
                    .chain([&to])
                    .map(|commit| self.rules.content(commit));
                self.rules.visited = been.collect();
            }
            Happening::RollBack => self.roll_back().await?,
            Happening::RollBackForNoTime(number) => {
                let to = self.rules.pick(number);
                let back = Back {
                    to: Some(&to),
                    expires: Some(wiring::now() - Duration::from_secs(60)),
                };
                self.stage.roll_back("s", back).await?;
                self.rules.pin = None;
            }
            Happening::Resume => {
                self.stage.resume("s").await?;
                self.rules.pin = None;
            }
            Happening::Nothing => {}
        }
        if restarts {
            self.stage.start_engine();
        }
        self.settle(before).await
    }

    /// Goes where Holdfast would go, which has to be something that became healthy, and not where this
    /// chain of rollbacks has been.
    async fn roll_back(&mut self) -> anyhow::Result<()> {
        let rules = &mut self.rules;
        if rules.pin.is_none() {
            rules.visited = [rules.live, rules.content(rules.git())].into();
        }
        let Some(choice) = self.stage.roll_back("s", Back::default()).await? else {
            return Ok(());
        };
        let to = choice.revision.commit.0;
        let content = rules.content(&to);
        let is_fit = rules.healthy.contains(&content) && !rules.visited.contains(&content);
        anyhow::ensure!(is_fit, "it goes to {content:?}: {rules:#?}");
        rules.roll_back(&to);
        rules.visited.insert(content);
        Ok(())
    }

    /// Waits until everything that happened was looked at, and compares.
    async fn settle(&mut self, before: Content) -> anyhow::Result<()> {
        self.rules.settle();
        self.asked += 1;
        let word = self.asked.to_string();
        self.stage.ask("s", &word).await?;
        let rules = &self.rules;
        let git = rules.git();
        let is_broken = rules.pin.is_none() && rules.content(git) == Content::Broken;
        let is_settled = |stack: Option<&Value>| {
            let Some(stack) = stack else { return false };
            let has_pin = stack
                .pointer("/metadata/annotations/holdfast.dev~1pin")
                .is_some();
            let is_done = match is_broken {
                true => {
                    find_condition(stack, "Ready", "reason") == "RenderFailed"
                        && stack.pointer("/status/sourceRevision") == Some(&json!(git))
                }
                false => stack.pointer("/status/handledSync") == Some(&json!(word)),
            };
            is_done && has_pin == rules.pin.is_some()
        };
        let path = self.stage.stack_path("s");
        let what = format!("settled: {rules:#?}");
        let stack = self.stage.api.wait(&path, &what, is_settled).await?;
        let live = self.stage.api.get(&self.stage.config_path("c")).await?;
        let live = live.pointer("/data/text").and_then(Value::as_str);
        anyhow::ensure!(
            live == Some(&rules.live.text()),
            "{live:?} is live: {rules:#?}\n{stack:#}"
        );
        self.unasked(&stack, before)?;
        Ok(())
    }

    /// Whether something else was applied in between than what was live before and is now.
    fn unasked(&mut self, stack: &Value, before: Content) -> anyhow::Result<()> {
        let lines = stack.pointer("/status/history").and_then(Value::as_array);
        let lines = lines.map(Vec::as_slice).unwrap_or_default();
        let new = lines.iter().take_while(|line| !self.seen.contains(line));
        for line in new.filter(|line| line.get("rendered").is_some()) {
            let content = self
                .rules
                .content(line["commit"].as_str().unwrap_or_default());
            let is_asked = content == before || content == self.rules.live;
            anyhow::ensure!(
                is_asked,
                "{content:?} was applied: {:#?}\n{stack:#}",
                self.rules
            );
        }
        self.seen = lines.to_vec();
        Ok(())
    }
}

async fn play(steps: &[Step]) -> anyhow::Result<()> {
    let mut world = World::new().await?;
    for (number, step) in steps.iter().enumerate() {
        let played = world.step(*step).await;
        played.map_err(|error| error.context(format!("step {number}, {step:?}")))?;
    }
    Ok(())
}

#[test]
fn what_is_live_is_what_the_rules_say() {
    let config = Config {
        cases: 16,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let ran = runner.run(&steps(), |steps| {
        let mut result = Ok(());
        crate::block_on(async {
            result = play(&steps).await;
            Ok(())
        });
        result.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    assert!(
        ran.is_ok(),
        "{}",
        ran.err().map(|error| error.to_string()).unwrap_or_default()
    );
}
