//! An object that passes from one Stack to another while its new Stack is sent to another cluster and the
//! engine dies is never left behind in nobody's inventory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast::plane::EnginePlane;
use holdfast::wiring::{self, EngineSettings};
use holdfast_cluster::{Cluster, Options};
use holdfast_control::Plane;
use holdfast_engine::Ports;
use holdfast_model::stack::TargetName;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::stopping::{Fuse, StoppingPlane};
use kube::Client;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::scenario;

/// How many effects the engine that dies has, at most: its statuses and Events count too.
const EFFECTS: usize = 9;

/// An engine that stops dead after so many effects, with a second cluster as target `there`.
fn start(
    stage: &Stage,
    data: &Path,
    there: &Client,
    effects: usize,
) -> (Arc<Fuse>, JoinHandle<()>) {
    let mut settings = EngineSettings::new(data.to_owned());
    settings.namespace = Some(stage.namespace.clone());
    let client = stage.api.client.clone();
    let plane = Plane::new(client.clone()).sealed(&settings.entropy);
    let inner = EnginePlane::new(plane.clone(), client, settings.limits);
    let fuse = Fuse::new(effects);
    let stopping = StoppingPlane {
        inner: Ports::of(&Arc::new(inner)),
        fuse: Arc::clone(&fuse),
        clusters: BTreeMap::from([(TargetName("there".to_owned()), there.clone())]),
    };
    let engine = wiring::engine_on(Ports::of(&Arc::new(stopping)), &settings);
    (fuse, tokio::spawn(wiring::run(engine, plane, settings)))
}

async fn send(stage: &Stage, stack: &str, target: &str) -> anyhow::Result<()> {
    let patch = json!({"spec": {"target": {"name": target}}});
    let path = stage.stack_path(stack);
    stage.api.merge(&path, "test", &patch).await?;
    Ok(())
}

/// Moves an object from Stack `one` to `two`, ends the engine after so many effects, and sends `two` to the
/// other cluster before another engine starts.
async fn pass_and_go(
    stage: &Stage,
    data: &Path,
    there: &Api,
    effects: usize,
) -> anyhow::Result<()> {
    send(stage, "two", "in-cluster").await?;
    let (_, running) = start(stage, data, &there.client, usize::MAX);
    let before = stage.repository.git(&["rev-parse", "HEAD"])?;
    stage.wait_ready("one", &before).await?;
    stage.wait_ready("two", &before).await?;
    running.abort();

    let name = format!("moved-{effects}");
    let (from, to) = (format!("one/{name}.yaml"), format!("two/{name}.yaml"));
    stage.repository.git(&["mv", &from, &to])?;
    let commit = stage.repository.commit("move")?;
    let (fuse, running) = start(stage, data, &there.client, effects);
    tokio::select! {
        () = fuse.stopped() => {}
        // It had less to do.
        ready = async {
            stage.wait_ready("one", &commit).await?;
            stage.wait_ready("two", &commit).await
        } => drop(ready?),
    }
    running.abort();
    send(stage, "two", "there").await?;
    let (_, running) = start(stage, data, &there.client, usize::MAX);
    stage.wait_ready("one", &commit).await?;
    stage.wait_gone(&stage.config_path(&name)).await?;
    stage.wait_ready("two", &commit).await?;
    there.get(&stage.config_path(&name)).await?;
    running.abort();
    Ok(())
}

scenario!(nothing_is_left_behind_by_a_stack_that_goes_elsewhere_while_it_takes_something_over);
async fn nothing_is_left_behind_by_a_stack_that_goes_elsewhere_while_it_takes_something_over(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "strays").await?;
    stage.stop_engine();
    let other = Cluster::new(Options::default());
    tokio::spawn(other.run_controllers());
    let there = Api {
        client: Client::new(other.service(), "default"),
    };
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strays"}});
    there.create("/api/v1/namespaces", &namespace).await?;
    let data = tempfile::tempdir()?;
    for name in ["one", "two"] {
        let file = format!("{name}/{name}.yaml");
        stage.repository.write(&file, &config(name, "one"))?;
    }
    for effects in 1..=EFFECTS {
        let name = format!("moved-{effects}");
        let file = format!("one/{name}.yaml");
        stage.repository.write(&file, &config(&name, "one"))?;
    }
    stage.repository.commit("one")?;
    for name in ["one", "two"] {
        let source = json!({"git": stage.repository.url(), "path": name, "interval": "1s"});
        stage.stack(name, json!({"source": source})).await?;
    }
    for effects in 1..=EFFECTS {
        pass_and_go(&stage, data.path(), &there, effects).await?;
    }
    send(&stage, "two", "in-cluster").await?;
    let (_, running) = start(&stage, data.path(), &there.client, usize::MAX);
    let path = stage.config_path("two");
    there.wait(&path, "gone", |object| object.is_none()).await?;
    running.abort();
    // The stage's own engine knows no other cluster, and nothing is left there.
    stage.start_engine();
    let commit = stage.repository.git(&["rev-parse", "HEAD"])?;
    stage.wait_ready("two", &commit).await?;
    Ok(())
}
