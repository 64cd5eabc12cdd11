//! What an embedded cluster has acknowledged is there after a kill, and its kubeconfig stays valid.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::process::Victim;
use serde_json::json;

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// A cluster in a process of its own.
fn start(data: &Path) -> anyhow::Result<Victim> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["cluster", "up", "--data"]).arg(data);
    Victim::start(command.stdout(Stdio::null()))
}

/// Four writers create objects as fast as they can until the process is killed under them; the
/// names of those that the server acknowledged.
async fn write_until_killed(
    api: &Api,
    round: usize,
    process: Victim,
) -> anyhow::Result<Vec<String>> {
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (api, acknowledged) = (api.clone(), Arc::clone(&acknowledged));
        let over = Arc::clone(&over);
        writers.spawn(async move {
            for number in 0.. {
                let name = format!("r{round}-w{writer}-{number}");
                let object = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                    "data": {"text": name, "more": "x".repeat(500)},
                });
                if over.load(Ordering::Relaxed) || api.create(CONFIGS, &object).await.is_err() {
                    return;
                }
                if let Ok(mut acknowledged) = acknowledged.lock() {
                    acknowledged.push(name);
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(process);
    over.store(true, Ordering::Relaxed);
    while writers.join_next().await.is_some() {}
    let acknowledged = acknowledged
        .lock()
        .map_err(|_| anyhow::anyhow!("a writer"))?;
    Ok(acknowledged.clone())
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_the_kubeconfig_stays_valid() {
    crate::block_on(async {
        wiring::install_crypto();
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("cluster");
        let kubeconfig = folder.path().join("kubeconfig");
        let mut all: Vec<String> = Vec::new();
        let mut process = start(&data)?;
        for round in 0..3 {
            if round == 0 {
                Api::connect(&data.join("kubeconfig"), CONFIGS).await?;
                // What somebody took away at the first start is used ever after.
                std::fs::copy(data.join("kubeconfig"), &kubeconfig)?;
            }
            let api = Api::connect(&kubeconfig, CONFIGS).await?;
            let acknowledged = write_until_killed(&api, round, process).await?;
            assert!(acknowledged.len() > 3, "only {acknowledged:?}");
            all.extend(acknowledged);
            process = start(&data)?;
            let api = Api::connect(&kubeconfig, CONFIGS).await?;
            let list = api.get(CONFIGS).await?;
            let items = list.get("items").and_then(Value::as_array);
            let items = items.map(Vec::as_slice).unwrap_or_default();
            let whole = |name: &String| {
                items.iter().any(|item| {
                    item.pointer("/metadata/name") == Some(&json!(name))
                        && item.pointer("/data/text") == Some(&json!(name))
                })
            };
            let lost: Vec<&String> = all.iter().filter(|name| !whole(name)).collect();
            assert!(
                lost.is_empty(),
                "{} of {} are lost: {lost:?}",
                lost.len(),
                all.len()
            );
        }
        Ok(())
    });
}
