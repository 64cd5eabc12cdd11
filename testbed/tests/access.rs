//! An engine that may not do everything.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::proxy::FaultProxy;
use serde_json::json;

use crate::scenario;

/// Lets an account do things with these resources in a namespace.
async fn allow(stage: &Stage, user: &str, resources: &[&str]) -> anyhow::Result<()> {
    let namespace = &stage.namespace;
    let rules = json!([{
        "apiGroups": ["", "holdfast.dev", "coordination.k8s.io", "events.k8s.io"],
        "resources": resources, "verbs": ["*"],
    }]);
    let base = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
    let kind = |kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": resources[0]}});
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    };
    let role = kind("Role", json!({"rules": rules}));
    let api_group = "rbac.authorization.k8s.io";
    let binding = json!({
        "roleRef": {"apiGroup": api_group, "kind": "Role", "name": resources[0]},
        "subjects": [{"apiGroup": api_group, "kind": "User", "name": user}],
    });
    stage.api.create(&format!("{base}/roles"), &role).await?;
    let binding = kind("RoleBinding", binding);
    stage
        .api
        .create(&format!("{base}/rolebindings"), &binding)
        .await?;
    Ok(())
}

scenario!(an_engine_that_may_list_no_whole_cluster_watches_namespaces);
async fn an_engine_that_may_list_no_whole_cluster_watches_namespaces(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let proxy = FaultProxy::start(bed.client().await?).await?;
    proxy.act_as("narrow-engine");
    let stage = Stage::through(&bed, "narrow", proxy.client()?).await?;
    let own = [
        "stacks",
        "stacks/status",
        "stacks/finalizers",
        "configmaps",
        "secrets",
        "events",
        "leases",
    ];
    allow(&stage, "narrow-engine", &own).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    let hand = json!({"data": {"text": "hand"}});
    let path = stage.config_path("a");
    stage.api.merge(&path, "alice", &hand).await?;
    stage.wait_config("a", "one").await?;

    // What it may not even list there is told, and the rest of its Stacks go on.
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: robot\n";
    stage.repository.write("robots/a.yaml", account)?;
    stage.repository.write("app/b.yaml", &config("b", "two"))?;
    let second = stage.repository.commit("two and a robot")?;
    let source = json!({"git": stage.repository.url(), "path": "robots", "interval": "1s"});
    stage.stack("robots", json!({"source": source})).await?;
    let stack = stage.wait_reason("robots", "Ready", "TargetFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("cannot list resource"), "{message}");
    stage.wait_ready("s", &second).await?;

    // Once it is allowed, whoever asks gets it.
    allow(&stage, "narrow-engine", &["serviceaccounts"]).await?;
    stage.ask("robots", "now").await?;
    stage.wait_ready("robots", &second).await?;
    Ok(())
}
