//! What an embedded cluster has acknowledged is there after a kill, and its kubeconfig stays valid.

use std::io::Write as _;
use std::path::{Path, PathBuf};
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

/// A cluster whose folder is a disk of its own, of so many bytes, which ends with the process; where
/// the folder is to be seen from outside.
fn start_on_small_disk(data: &Path, size: &str) -> anyhow::Result<(Victim, PathBuf)> {
    let script = "mount -t tmpfs -o size=$1 none \"$2\" && echo $$ > \"$3\" && \
                  exec \"$0\" cluster up --data \"$2\"";
    let told = data.with_extension("pid");
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_engine"))
        .arg(size)
        .args([data, &told]);
    let victim = Victim::start(command.stdout(Stdio::null()))?;
    for _ in 0..500 {
        let process = std::fs::read_to_string(&told).unwrap_or_default();
        if !process.trim().is_empty() {
            let inside = format!("/proc/{}/root{}", process.trim(), data.display());
            return Ok((victim, PathBuf::from(inside)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("the small disk could not be had")
}

/// Whether a process may have a disk of its own here.
fn may_mount(folder: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command.args(["mount", "-t", "tmpfs", "none"]).arg(folder);
    command.stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_loses_nothing_and_the_cluster_goes_on_when_there_is_room() {
    crate::block_on(async {
        wiring::install_crypto();
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("cluster");
        std::fs::create_dir(&data)?;
        if !may_mount(&data) {
            println!("left out: this machine lets nobody mount a disk of their own");
            return Ok(());
        }
        let (_process, inside) = start_on_small_disk(&data, "32m")?;
        let api = Api::connect(&inside.join("kubeconfig"), CONFIGS).await?;
        let map = |name: &str, size: usize| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"text": "x".repeat(size)},
            })
        };
        api.create(CONFIGS, &map("before", 10)).await?;
        // Somebody else fills the disk.
        let mut filler = std::fs::File::create(inside.join("filler"))?;
        while filler.write_all(&[0; 64 << 10]).is_ok() {}
        drop(filler);
        let mut kept = vec!["before".to_owned()];
        for number in 0..100 {
            let name = format!("large-{number}");
            if let Err(error) = api.create(CONFIGS, &map(&name, 100_000)).await {
                assert!(
                    format!("{error:#}").contains("not on the disk"),
                    "{error:#}"
                );
                break;
            }
            kept.push(name);
        }
        assert!(kept.len() < 100, "the disk is never full");
        let list = api.get(CONFIGS).await?;
        let names = |list: &Value| -> Vec<String> {
            let items = list.get("items").and_then(Value::as_array);
            let names = items.into_iter().flatten();
            let names = names.filter_map(|item| item.pointer("/metadata/name")?.as_str());
            let names = names.filter(|name| !name.starts_with("kube-root"));
            names.map(str::to_owned).collect()
        };
        kept.sort();
        assert_eq!(names(&list), kept, "what was refused is not there");
        std::fs::remove_file(inside.join("filler"))?;
        let mut tries = 0;
        while api.create(CONFIGS, &map("after", 100_000)).await.is_err() {
            tries += 1;
            anyhow::ensure!(tries < 500, "the cluster does not recover");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        kept.insert(0, "after".to_owned());
        assert_eq!(names(&api.get(CONFIGS).await?), kept);
        Ok(())
    });
}
