//! A node for the real cluster, played by kwok: pods that are bound to it become ready, those of
//! jobs end. Nothing runs. It must not know scenarios.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_model::Value;
use kube::Client;
use serde_json::json;

use crate::api::Api;
use crate::cluster::programs;
use crate::process::Process;

/// The node's name.
const NODE: &str = "played";

/// How a node and its pods go on, as kwok reads it (`kwok.x-k8s.io/v1alpha1`, kwok 0.8.0). A pod of
/// a job succeeds, unless its label `fate` is `fail`.
const STAGES: &str = r#"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.phase', operator: NotIn, values: [Running]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - type: Ready
        status: "True"
        reason: KubeletReady
        lastHeartbeatTime: {{ $now | Quote }}
        lastTransitionTime: {{ $now | Quote }}
      allocatable: {cpu: 1k, memory: 1Ti, pods: 1M}
      capacity: {cpu: 1k, memory: 1Ti, pods: 1M}
      phase: Running
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Pending]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        ready: true
        started: true
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
      phase: Running
      startTime: {{ $now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-succeeds}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job]}
    - {key: '.metadata.labels.fate', operator: NotIn, values: [fail]}
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Running]}
  next:
    statusTemplate: |
      phase: Succeeded
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-fails}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.labels.fate', operator: In, values: [fail]}
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Running]}
  next:
    statusTemplate: |
      phase: Failed
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: Exists}
  next: {delete: true}
"#;

/// Starts kwok on a cluster and gives every pod that has no node to its node, for as long as the
/// test process lives.
///
/// # Errors
/// When the program does not start or the node does not become ready.
pub async fn play(kubeconfig: &Path, client: &Client, folder: &Path) -> anyhow::Result<Process> {
    let stages = folder.join("stages.yaml");
    std::fs::write(&stages, STAGES)?;
    let flags = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", stages.display()),
        "--manage-all-nodes=true".to_owned(),
        "--node-lease-duration-seconds=120".to_owned(),
    ];
    let process = Process::start(&programs().join("kwok"), &flags, folder)?;
    let api = Api {
        client: client.clone(),
    };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    api.create("/api/v1/nodes", &node).await?;
    let path = format!("/api/v1/nodes/{NODE}");
    let ready = |node: Option<&Value>| {
        node.is_some_and(|node| {
            let conditions = node.pointer("/status/conditions");
            conditions.is_some_and(|all| all.to_string().contains("KubeletReady"))
        })
    };
    api.wait(&path, "ready", ready).await.context("kwok")?;
    let kubeconfig = kubeconfig.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            let _ = runtime.block_on(bind(&kubeconfig));
        }
    });
    Ok(process)
}

/// Stands in for a scheduler: there is but one node.
async fn bind(kubeconfig: &Path) -> anyhow::Result<()> {
    let connection = holdfast::wiring::Connection {
        kubeconfig: Some(kubeconfig.to_owned()),
        context: None,
    };
    let api = Api {
        client: holdfast::wiring::connect(&connection).await?.client,
    };
    loop {
        let pods = api.get("/api/v1/pods?fieldSelector=spec.nodeName%3D").await;
        let pods = pods.unwrap_or_default();
        let items = pods.get("items").and_then(Value::as_array);
        for pod in items.into_iter().flatten() {
            let (Some(name), Some(namespace)) = (
                pod.pointer("/metadata/name").and_then(Value::as_str),
                pod.pointer("/metadata/namespace").and_then(Value::as_str),
            ) else {
                continue;
            };
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
            });
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
            // It may be gone by now.
            let _ = api.create(&path, &binding).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
