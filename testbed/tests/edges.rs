//! The edges of the engine: what breaks off inside it, what targets and sources may not make it do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use holdfast::observe::{self, Observed};
use holdfast::plane::EnginePlane;
use holdfast::wiring::{self, EngineSettings};
use holdfast_cluster::{Cluster, Options as ClusterOptions};
use holdfast_control::Plane;
use holdfast_engine::{Engine, Options, Ports};
use holdfast_model::{Value, base64};
use holdfast_source::{Guard, SourceLimits, Sources};
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::shelf::Shelf;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{on_embedded, scenario};

/// How long something may take that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server at a port of this machine answers to a path.
async fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits until an engine has no defect: a status is written before the reconciliation has ended.
async fn defects_are_over(engine: &Engine) -> anyhow::Result<()> {
    let start = Instant::now();
    while !engine.defects().is_empty() {
        anyhow::ensure!(start.elapsed() < PATIENCE, "{:?}", engine.defects());
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A panic somewhere below a reconciliation: the clock that the engine is given breaks off when it is
/// armed and the engine wants to know the time.
#[test]
fn a_reconciliation_that_panics_is_shown_as_a_defect_and_taken_up_again() {
    on_embedded(|bed| async move {
        let mut stage = Stage::new(&bed, "panics").await?;
        stage.stop_engine();
        let armed = Arc::new(AtomicBool::new(false));
        let (client, fuse) = (bed.client().await?, Arc::clone(&armed));
        let data = tempfile::tempdir()?;
        let settings = EngineSettings::new(data.path().to_owned());
        let plane = Plane::new(client.clone()).sealed(&settings.entropy);
        let clock = move || {
            assert!(!fuse.swap(false, Ordering::SeqCst), "a test of panics");
            wiring::now()
        };
        let adapter = EnginePlane::new(plane.clone(), client, settings.limits);
        let sources = Sources::new(data.path().to_owned(), SourceLimits::default());
        // One worker: were it lost, nothing would happen any more.
        let options = Options {
            workers: 1,
            ..Options::default()
        };
        let ports = Ports::of(&Arc::new(adapter));
        let engine = Engine::new(ports, sources, Arc::new(clock), options);
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let observed = Observed {
            engine: engine.clone(),
            ready: Arc::default(),
        };
        tokio::spawn(observe::serve(([127, 0, 0, 1], port).into(), observed));
        tokio::spawn(wiring::run(engine.clone(), plane, settings));

        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        stage
            .repository
            .write("other/b.yaml", &config("b", "one"))?;
        let commit = stage.repository.commit("both")?;
        stage.stack("s", json!({})).await?;
        stage.wait_ready("s", &commit).await?;
        armed.store(true, Ordering::SeqCst);
        // Drift wakes it, and it is not woken by anything else before its time has come.
        let hand = json!({"data": {"text": "hand"}});
        stage
            .api
            .merge(&stage.config_path("a"), "alice", &hand)
            .await?;
        // The status may be over it before anybody reads that; the Event stays.
        let message = defect_of(&stage).await?;
        let report = || Some(engine.defects().first()?.report.clone());
        if let Some(known) = report() {
            assert!(message.contains(&known), "{message}");
            let health = get(port, "/healthz").await?;
            let is_over = report() != Some(known.clone());
            assert!(is_over || health.contains(&known), "{health}");
        }
        goes_on(&stage, &commit).await?;
        defects_are_over(&engine).await?;
        assert!(get(port, "/healthz").await?.ends_with("ok\n"));
        numbers(&stage, port).await
    });
}

/// What the Event of a defect says.
async fn defect_of(stage: &Stage) -> anyhow::Result<String> {
    let said = |list: Option<&Value>| {
        let items = list.and_then(|list| list.get("items")?.as_array());
        let mut items = items.into_iter().flatten();
        let event = items.find(|event| event["reason"] == "Defect" && event["type"] == "Warning");
        event.and_then(|event| event["message"].as_str().map(str::to_owned))
    };
    let path = "/api/v1/namespaces/panics/events";
    let is_said = |list: Option<&Value>| said(list).is_some();
    let list = stage
        .api
        .wait(path, "an Event of the defect", is_said)
        .await?;
    Ok(said(Some(&list)).unwrap_or_default())
}

/// Neither the other Stacks nor the one with the defect are lost, and the defect is an Event.
async fn goes_on(stage: &Stage, commit: &str) -> anyhow::Result<()> {
    let source = json!({"git": stage.repository.url(), "path": "other", "interval": "1s"});
    stage.stack("t", json!({"source": source})).await?;
    stage.wait_ready("t", commit).await?;
    stage.wait_config("a", "one").await?;
    stage.wait_ready("s", commit).await?;
    defect_of(stage).await?;
    Ok(())
}

/// The numbers of Stacks `s`, which had a defect and drift, and `t`, which go with it.
async fn numbers(stage: &Stage, port: u16) -> anyhow::Result<()> {
    let lines = [
        "holdfast_stack_ready{namespace=\"panics\",name=\"s\"} 1",
        "holdfast_stack_synced{namespace=\"panics\",name=\"t\"} 1",
        "holdfast_stack_healthy{namespace=\"panics\",name=\"t\"} 1",
        "holdfast_stack_source_ready{namespace=\"panics\",name=\"t\"} 1",
        "holdfast_stack_pinned{namespace=\"panics\",name=\"t\"} 0",
        "holdfast_stack_suspended{namespace=\"panics\",name=\"t\"} 0",
        "holdfast_stack_last_applied_timestamp_seconds{namespace=\"panics\",name=\"t\"} 1",
        "holdfast_stack_failures_total{namespace=\"panics\",name=\"s\",kind=\"defect\"} 1",
        "holdfast_stack_drift_healed_total{namespace=\"panics\",name=\"s\"} 1",
        "holdfast_events_total{reason=\"Defect\"} 1",
    ];
    let start = Instant::now();
    loop {
        let answer = get(port, "/metrics").await?;
        let missing = lines.iter().find(|line| !answer.contains(**line));
        let Some(missing) = missing else { break };
        anyhow::ensure!(start.elapsed() < PATIENCE, "{missing}: {answer}");
        tokio::task::yield_now().await;
    }
    let path = stage.stack_path("t");
    stage.api.delete(&path).await?;
    stage.wait_gone(&path).await?;
    let start = Instant::now();
    while get(port, "/metrics").await?.contains("name=\"t\"") {
        anyhow::ensure!(start.elapsed() < PATIENCE, "they stay");
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Connections that say nothing leave room for those that do, since each has its time.
#[test]
fn many_silent_connections_do_not_stop_the_metrics() {
    on_embedded(|bed| async move {
        let client = bed.client().await?;
        let data = tempfile::tempdir()?;
        let settings = EngineSettings::new(data.path().to_owned());
        let (engine, _) = wiring::engine(client, &settings);
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let ready = Arc::default();
        let observed = Observed { engine, ready };
        tokio::spawn(observe::serve(([127, 0, 0, 1], port).into(), observed));
        let mut silent = Vec::new();
        while silent.len() < 200 {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => silent.push(stream),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        // Those who are served are waited for as long as they may be silent; the rest, which the system
        // has taken, are served then.
        let answer = get(port, "/metrics").await?;
        assert!(answer.contains("holdfast_stacks"), "{answer}");
        Ok(())
    });
}

async fn secret(stage: &Stage, kubeconfig: &str) -> anyhow::Result<String> {
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    let data = json!({"kubeconfig": base64::encode(kubeconfig.as_bytes())});
    let object = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "access"}, "data": data});
    stage.api.create(&secrets, &object).await?;
    Ok(format!("{secrets}/access"))
}

async fn target(stage: &Stage, name: &str) -> anyhow::Result<()> {
    let kubeconfig = json!({"namespace": stage.namespace, "name": "access"});
    let object = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Target",
        "metadata": {"name": name}, "spec": {"kubernetes": {"kubeconfig": kubeconfig}}});
    let path = "/apis/holdfast.dev/v1alpha1/targets";
    stage.api.create(path, &object).await?;
    Ok(())
}

scenario!(a_kubeconfig_that_runs_programs_is_refused_and_one_that_is_renewed_is_taken_up);
async fn a_kubeconfig_that_runs_programs_is_refused_and_one_that_is_renewed_is_taken_up(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "renewed").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("a")?;
    let other = Cluster::new(ClusterOptions::default());
    let listening = other.listen(([127, 0, 0, 1], 0).into()).await?;
    let good = listening.kubeconfig().to_owned();
    let token = good.split("token:").nth(1).unwrap_or_default();
    let token = token.split_whitespace().next().unwrap_or_default();
    assert!(!token.is_empty(), "the kubeconfig has a token");
    let proof = stage.repository.path().join("it-ran");
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{}]}}",
        proof.display()
    );
    let runs = good.replace(&format!("token: {token}"), &exec);
    assert_ne!(runs, good);
    let secret = secret(&stage, &runs).await?;
    target(&stage, "renewed").await?;
    let destination = json!({"name": "renewed", "namespace": "default"});
    stage.stack("s", json!({"target": destination})).await?;
    let stack = stage.wait_reason("s", "Ready", "TargetFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(
        message.contains("--allow-kubeconfig exec=touch"),
        "{message}"
    );
    assert!(!proof.exists(), "nothing of it ran");

    let renew = |text: &str| json!({"data": {"kubeconfig": base64::encode(text.as_bytes())}});
    let outdated = good.replace(token, "outdated");
    stage.api.merge(&secret, "alice", &renew(&outdated)).await?;
    let is_refused = |stack: Option<&Value>| {
        stack.is_some_and(|stack| !find_condition(stack, "Ready", "message").contains("exec"))
    };
    stage
        .api
        .wait(&stage.stack_path("s"), "refused otherwise", is_refused)
        .await?;
    stage.api.merge(&secret, "alice", &renew(&good)).await?;
    stage.wait_ready("s", &commit).await?;
    Ok(())
}

/// An engine of a scenario's own, which is as closed as one is by default.
fn closed(bed_client: kube::Client, stage: &Stage, guard: Guard) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut settings = EngineSettings::new(data.path().to_owned());
    settings.namespace = Some(stage.namespace.clone());
    settings.guard = guard;
    let (engine, plane) = wiring::engine(bed_client, &settings);
    tokio::spawn(wiring::run(engine, plane, settings));
    data
}

#[test]
fn values_and_charts_from_the_engines_own_machine_are_refused_unless_its_host_is_allowed() {
    on_embedded(|bed| async move {
        let mut stage = Stage::new(&bed, "inside").await?;
        stage.stop_engine();
        let shelf = Shelf::start()?;
        shelf.put("secret.yaml", "text: taken from inside\n");
        let settings = EngineSettings::new(stage.repository.path().to_owned());
        let _data = closed(bed.client().await?, &stage, settings.guard);
        let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
        stage.repository.write("app/Chart.yaml", chart)?;
        let text = config("a", "{{ .Values.text | default \"none\" }}");
        stage.repository.write("app/templates/a.yaml", &text)?;
        stage.repository.commit("chart")?;
        let values = json!({"helm": {"valueFiles": [shelf.url("secret.yaml")]}});
        stage.stack("s", json!({"render": values})).await?;
        let repository = json!({"repository": shelf.url(""), "name": "web", "version": "1.x"});
        let chart = json!({"helm": {"chart": repository}});
        stage.stack("t", json!({"render": chart})).await?;
        for name in ["s", "t"] {
            let is_refused = |stack: Option<&Value>| {
                stack.is_some_and(|stack| {
                    find_condition(stack, "Ready", "message").contains("a loopback address")
                })
            };
            let path = stage.stack_path(name);
            stage.api.wait(&path, "refused", is_refused).await?;
        }
        assert!(shelf.asked().is_empty(), "{:?}", shelf.asked());
        Ok(())
    });
}

#[test]
fn repositories_on_the_disk_are_refused_where_the_engine_denies_them() {
    on_embedded(|bed| async move {
        let mut stage = Stage::new(&bed, "on-disk").await?;
        stage.stop_engine();
        let guard = Guard {
            denies_files: true,
            ..Guard::default()
        };
        let _data = closed(bed.client().await?, &stage, guard);
        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        stage.repository.commit("a")?;
        stage.stack("s", json!({})).await?;
        let stack = stage.wait_reason("s", "Ready", "SourceFailed").await?;
        let message = find_condition(&stack, "Ready", "message");
        assert!(message.contains("--deny-file-sources"), "{message}");
        Ok(())
    });
}
