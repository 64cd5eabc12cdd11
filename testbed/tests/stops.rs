//! For every effect of a scenario: stop the engine after it, start another one, and the end state
//! and the inventory are the same as if nobody had stopped anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::plane::EnginePlane;
use holdfast::wiring::{self, EngineSettings};
use holdfast_control::Plane;
use holdfast_engine::Ports;
use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::stopping::{Fuse, StoppingPlane};
use holdfast_testbed::undo::Back;
use serde_json::{Map, json};

/// A change of the world, with what it starts from.
struct Case {
    /// Files before, and the specs of Stacks by name.
    before: &'static [(&'static str, &'static str)],
    stacks: fn() -> Vec<(&'static str, Value)>,
    /// What changes while no engine runs.
    change: Change,
}

enum Change {
    /// There were no Stacks before.
    FirstSync,
    /// A commit writes files; an empty text removes one.
    Commit(&'static [(&'static str, &'static str)]),
    /// Somebody merges this into the ConfigMap `a`.
    Drift,
    /// The Stack `s` is deleted.
    Delete,
    /// The Stack `s` goes back to the commit before the last one.
    Rollback,
    /// The Stack `s` was rolled back, and a commit ends that.
    EndOfRollback,
    /// The plan that waits is confirmed.
    Approve,
}

fn one_stack() -> Vec<(&'static str, Value)> {
    vec![("s", json!({}))]
}

fn chain() -> Vec<(&'static str, Value)> {
    vec![
        ("s", json!({"dependsOn": [{"name": "base"}]})),
        ("base", json!({"path": "base"})),
    ]
}

fn orphan() -> Vec<(&'static str, Value)> {
    vec![("s", json!({"deletion": "orphan"}))]
}

fn atomic() -> Vec<(&'static str, Value)> {
    vec![("s", json!({"sync": {"mode": "atomic"}}))]
}

const A: (&str, &str) = ("app/a.yaml", "a one");
const B: (&str, &str) = ("app/b.yaml", "b one");
const WAVES: [(&str, &str); 3] = [
    A,
    ("app/c.yaml", "c one wave"),
    ("app/d.yaml", "d one hook"),
];

/// A file's text from words: name, text, and what else it is.
fn text_of(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let annotation = match words.get(2) {
        Some(&"wave") => "  annotations: {holdfast.dev/wave: \"1\"}\n",
        Some(&"hook") => "  annotations: {holdfast.dev/hook: post-sync}\n",
        _ => "",
    };
    let text = config(words[0], words[1]);
    text.replace("\ndata:", &format!("\n{annotation}data:"))
}

/// What a ConfigMap holds. Each run has a cluster of its own, which an inventory names.
fn without_cluster(config: &Value) -> Value {
    let mut data = config.get("data").cloned().unwrap_or_default();
    let text = data
        .get("inventory")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let lines: Vec<String> = text
        .lines()
        .map(
            |line| match line.split(' ').collect::<Vec<_>>().as_slice() {
                [mark @ ("@" | "<"), _, rest @ ..] => format!("{mark} {}", rest.join(" ")),
                _ => line.to_owned(),
            },
        )
        .collect();
    if data.get("inventory").is_some() {
        data["inventory"] = lines.join("\n").into();
    }
    data
}

struct Run {
    stage: Stage,
    stacks: Vec<(&'static str, Value)>,
}

impl Run {
    /// The world before the change, with no engine.
    async fn before(case: &Case) -> anyhow::Result<Self> {
        let bed = Bed::embedded().await?;
        let mut stage = Stage::new(&bed, "stops").await?;
        stage.stop_engine();
        for (path, words) in case.before {
            stage.repository.write(path, &text_of(words))?;
        }
        stage.repository.commit("before")?;
        if matches!(case.change, Change::Rollback | Change::EndOfRollback) {
            stage.repository.write("app/a.yaml", &text_of("a two"))?;
        }
        let stacks = (case.stacks)();
        let mut run = Self { stage, stacks };
        if matches!(case.change, Change::FirstSync) {
            return Ok(run);
        }
        run.make_stacks().await?;
        run.stage.start_engine();
        for (name, _) in &run.stacks {
            run.stage.wait_reason(name, "Ready", "Succeeded").await?;
        }
        match case.change {
            Change::Rollback => {
                let bad = run.stage.repository.commit("bad")?;
                run.stage.wait_ready("s", &bad).await?;
            }
            Change::EndOfRollback => {
                let good = run.stage.repository.git(&["rev-parse", "HEAD"])?;
                let bad = run.stage.repository.commit("bad")?;
                run.stage.wait_ready("s", &bad).await?;
                let to = Back {
                    to: Some(&good),
                    ..Back::default()
                };
                run.stage.roll_back("s", to).await?;
                run.stage.wait_reason("s", "Ready", "Pinned").await?;
            }
            Change::Approve => {
                run.stage.repository.write("app/a.yaml", "# nothing\n")?;
                run.stage.repository.commit("nothing")?;
                run.stage
                    .wait_reason("s", "Ready", "ConfirmationNeeded")
                    .await?;
            }
            _ => {}
        }
        run.stage.stop_engine();
        Ok(run)
    }

    async fn make_stacks(&self) -> anyhow::Result<()> {
        for (name, spec) in &self.stacks {
            let mut spec = spec.clone();
            if let Some(path) = spec.as_object_mut().and_then(|spec| spec.remove("path")) {
                spec["source"] =
                    json!({"git": self.stage.repository.url(), "path": path, "interval": "1s"});
            }
            self.stage.stack(name, spec).await?;
        }
        Ok(())
    }

    async fn change(&self, case: &Case) -> anyhow::Result<()> {
        let stage = &self.stage;
        let path = stage.stack_path("s");
        match &case.change {
            Change::FirstSync => self.make_stacks().await?,
            Change::Commit(files) => {
                for (path, words) in *files {
                    let text = if words.is_empty() {
                        String::new()
                    } else {
                        text_of(words)
                    };
                    stage.repository.write(path, &text)?;
                }
                stage.repository.commit("after")?;
            }
            Change::Drift => {
                let drift = json!({"data": {"text": "hand"}});
                stage
                    .api
                    .merge(&stage.config_path("a"), "alice", &drift)
                    .await?;
            }
            Change::Delete => {
                stage.api.delete(&path).await?;
            }
            Change::Rollback => {
                let good = stage.repository.git(&["rev-parse", "HEAD~1"])?;
                let stack = stage.api.get(&path).await?;
                let skip = stack
                    .pointer("/status/rendered")
                    .cloned()
                    .unwrap_or_default();
                let pin = json!({"commit": good, "skip": skip}).to_string();
                let patch = json!({"metadata": {"annotations": {"holdfast.dev/pin": pin}}});
                stage.api.merge(&path, "test", &patch).await?;
            }
            Change::EndOfRollback => {
                let text = text_of("a three");
                stage.repository.write("app/a.yaml", &text)?;
                stage.repository.commit("something newer")?;
            }
            Change::Approve => {
                let stack = stage.api.get(&path).await?;
                let plan = stack
                    .pointer("/status/pending/plan")
                    .cloned()
                    .unwrap_or_default();
                let patch = json!({"metadata": {"annotations": {"holdfast.dev/approve": plan}}});
                stage.api.merge(&path, "test", &patch).await?;
            }
        }
        Ok(())
    }

    /// An engine that is stopped after `effects`; whether it was before it had nothing left to do.
    async fn stopped_after(&self, effects: usize, end: Option<&Value>) -> anyhow::Result<bool> {
        let data = tempfile::tempdir()?;
        let mut settings = EngineSettings::new(data.path().to_owned());
        settings.namespace = Some(self.stage.namespace.clone());
        let client = self.stage.api.client.clone();
        let plane = Plane::new(client.clone()).sealed(&settings.entropy);
        let inner = EnginePlane::new(plane.clone(), client, settings.limits);
        let fuse = Fuse::new(effects);
        let stopping = StoppingPlane {
            inner: Ports::of(&Arc::new(inner)),
            fuse: Arc::clone(&fuse),
            clusters: BTreeMap::new(),
        };
        let engine = wiring::engine_on(Ports::of(&Arc::new(stopping)), &settings);
        let task = tokio::spawn(wiring::run(engine, plane, settings));
        let is_done = async {
            loop {
                if end.is_some() && Some(&self.state().await) == end {
                    // Whatever comes after the end, such as a last status, has a moment to come.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let was_stopped = tokio::select! {
            () = fuse.stopped() => true,
            () = is_done => false,
        };
        task.abort();
        Ok(was_stopped)
    }

    /// Objects, inventories and how Stacks are doing: what must be the same in the end.
    async fn state(&self) -> Value {
        let mut configs = Map::new();
        let path = self.stage.config_path("");
        let list = self
            .stage
            .api
            .get(path.trim_end_matches('/'))
            .await
            .unwrap_or_default();
        for item in list
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = item
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            configs.insert(name.to_owned(), without_cluster(item));
        }
        let mut stacks = Map::new();
        for (name, _) in &self.stacks {
            if let Ok(stack) = self.stage.api.get(&self.stage.stack_path(name)).await {
                let told = [
                    find_condition(&stack, "Ready", "reason").into(),
                    stack
                        .pointer("/status/inventory/count")
                        .cloned()
                        .unwrap_or_default(),
                ];
                stacks.insert((*name).to_owned(), told.to_vec().into());
            }
        }
        json!({"configs": configs, "stacks": stacks})
    }

    /// The state in which an engine that nobody stops comes to rest.
    async fn settled(&mut self) -> anyhow::Result<Value> {
        self.stage.start_engine();
        let (mut last, mut since) = (Value::Null, Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.state().await;
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_millis(1_800) {
                return Ok(last);
            }
        }
    }

    async fn reaches(&mut self, end: &Value) -> anyhow::Result<()> {
        self.stage.start_engine();
        let start = Instant::now();
        loop {
            let now = self.state().await;
            if now == *end {
                return Ok(());
            }
            let late = start.elapsed() > Duration::from_secs(20);
            anyhow::ensure!(!late, "it ends as {now:#}\ninstead of {end:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Plays a case without a stop, and then with a stop after each effect.
fn check(case: &Case, at_least: usize) {
    crate::block_on(async {
        let mut whole = Run::before(case).await?;
        whole.change(case).await?;
        let end = whole.settled().await?;
        let mut effects = 0;
        loop {
            effects += 1;
            let mut run = Run::before(case).await?;
            run.change(case).await?;
            if !run.stopped_after(effects, Some(&end)).await? {
                break;
            }
            let reached = run.reaches(&end).await;
            reached.map_err(|error| error.context(format!("stopped after effect {effects}")))?;
        }
        anyhow::ensure!(effects > at_least, "only {} effects were seen", effects - 1);
        Ok(())
    });
}

#[test]
fn first_sync() {
    check(
        &Case {
            before: &[A, B],
            stacks: one_stack,
            change: Change::FirstSync,
        },
        4,
    );
}

#[test]
fn atomic_first_sync() {
    check(
        &Case {
            before: &[A, B],
            stacks: atomic,
            change: Change::FirstSync,
        },
        6,
    );
}

#[test]
fn update() {
    let files = &[("app/a.yaml", "a two")];
    check(
        &Case {
            before: &[A, B],
            stacks: one_stack,
            change: Change::Commit(files),
        },
        2,
    );
}

#[test]
fn prune() {
    let files = &[("app/b.yaml", "")];
    check(
        &Case {
            before: &[A, B],
            stacks: one_stack,
            change: Change::Commit(files),
        },
        2,
    );
}

#[test]
fn update_create_and_prune_in_one_commit() {
    let files = &[
        ("app/a.yaml", "a two"),
        ("app/b.yaml", ""),
        ("app/e.yaml", "e one"),
    ];
    check(
        &Case {
            before: &[A, B],
            stacks: one_stack,
            change: Change::Commit(files),
        },
        5,
    );
}

#[test]
fn waves_and_a_hook() {
    check(
        &Case {
            before: &WAVES,
            stacks: one_stack,
            change: Change::FirstSync,
        },
        6,
    );
}

#[test]
fn drift() {
    check(
        &Case {
            before: &[A],
            stacks: one_stack,
            change: Change::Drift,
        },
        1,
    );
}

#[test]
fn delete() {
    check(
        &Case {
            before: &[A, B],
            stacks: one_stack,
            change: Change::Delete,
        },
        3,
    );
}

#[test]
fn orphaning_delete() {
    check(
        &Case {
            before: &[A, B],
            stacks: orphan,
            change: Change::Delete,
        },
        0,
    );
}

#[test]
fn rollback() {
    check(
        &Case {
            before: &[A],
            stacks: one_stack,
            change: Change::Rollback,
        },
        1,
    );
}

#[test]
fn end_of_a_rollback() {
    check(
        &Case {
            before: &[A],
            stacks: one_stack,
            change: Change::EndOfRollback,
        },
        3,
    );
}

#[test]
fn guard() {
    check(
        &Case {
            before: &[A],
            stacks: one_stack,
            change: Change::Approve,
        },
        2,
    );
}

#[test]
fn chain_of_two() {
    let files = [A, ("base/b.yaml", "b one")];
    static FILES: std::sync::OnceLock<[(&str, &str); 2]> = std::sync::OnceLock::new();
    let before = FILES.get_or_init(|| files);
    check(
        &Case {
            before,
            stacks: chain,
            change: Change::FirstSync,
        },
        8,
    );
}
