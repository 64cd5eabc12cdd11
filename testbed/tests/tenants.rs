//! Tenants: what their Stacks may do, and as whom.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

const TENANTS: &str = "/apis/holdfast.dev/v1alpha1/tenants";

/// A Tenant of the scenario's namespace that may put ConfigMaps there; `spec` adds to it.
async fn tenant(stage: &Stage, spec: Value) -> anyhow::Result<()> {
    let namespace = &stage.namespace;
    let mut whole = json!({
        "namespaces": [namespace],
        "sources": ["file://**", "http://127.0.0.1:*/**"],
        "destinations": [{"targets": ["in-cluster"], "namespaces": [namespace]}],
        "kinds": {"namespaced": ["ConfigMap"]},
    });
    if let (Value::Object(whole), Value::Object(spec)) = (&mut whole, spec) {
        whole.extend(spec);
    }
    let object = json!({
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": namespace},
        "spec": whole,
    });
    stage.api.create(TENANTS, &object).await?;
    Ok(())
}

fn tenant_path(stage: &Stage) -> String {
    format!("{TENANTS}/{}", stage.namespace)
}

/// What a command about the scenario's Stacks says, and how it ends.
async fn run(
    stage: &Stage,
    kubeconfig: &Path,
    arguments: &[&str],
) -> anyhow::Result<(String, Option<i32>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["-n", &stage.namespace]).args(arguments);
    command.env("KUBECONFIG", kubeconfig);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((said, output.status.code()))
}

scenario!(a_stack_does_what_its_tenant_allows_from_the_moment_that_it_does);
async fn a_stack_does_what_its_tenant_allows_from_the_moment_that_it_does(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "tenant-bounds").await?;
    tenant(&stage, json!({})).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;

    // Into the namespace of the bystanders, of whom one has that name.
    let others =
        config("same", "mine").replace("name:", "namespace: tenant-bounds-others\n  name:");
    stage.repository.write("app/b.yaml", &others)?;
    stage.repository.write("app/a.yaml", &config("a", "two"))?;
    stage.repository.commit("into another one's namespace")?;
    let stack = stage.wait_reason("s", "Ready", "NotPermitted").await?;
    let message = find_condition(&stack, "Ready", "message");
    for words in [
        "app/b.yaml:1",
        "namespace tenant-bounds-others of Target in-cluster",
    ] {
        anyhow::ensure!(message.contains(words), "{words}: {message}");
    }
    // What was in place is kept meanwhile.
    let hand = json!({"data": {"text": "hand"}});
    let a = stage.config_path("a");
    stage.api.merge(&a, "alice", &hand).await?;
    stage.wait_config("a", "one").await?;

    let wider = json!({"spec": {"destinations": [
        {"targets": ["in-*"], "namespaces": ["tenant-bounds*", "!tenant-bounds-others"]},
    ]}});
    stage
        .api
        .merge(&tenant_path(&stage), "admin", &wider)
        .await?;
    stage.repository.write("app/b.yaml", &config("b", "two"))?;
    let last = stage.repository.commit("into its own")?;
    stage.wait_ready("s", &last).await?;
    stage.wait_config("a", "two").await?;

    // A second Tenant of the namespace: nobody knows which one counts.
    let mut second = stage.api.get(&tenant_path(&stage)).await?;
    second["metadata"] = json!({"name": "tenant-bounds-again"});
    stage.api.create(TENANTS, &second).await?;
    stage.wait_reason("s", "Ready", "NotPermitted").await?;
    stage
        .api
        .delete(&format!("{TENANTS}/tenant-bounds-again"))
        .await?;
    stage.wait_ready("s", &last).await?;
    stage.api.delete(&tenant_path(&stage)).await?;
    stage.wait_ready("s", &last).await?;
    Ok(())
}

/// Lets the ServiceAccount `deployer` of the scenario's namespace do everything with some resources there.
async fn allow(stage: &Stage, resources: &[&str]) -> anyhow::Result<()> {
    let base = format!(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}",
        stage.namespace
    );
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "deployer"}});
    let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", stage.namespace);
    stage.api.create(&accounts, &account).await?;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "deployer"},
        "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["*"]}],
    });
    stage.api.create(&format!("{base}/roles"), &role).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "deployer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer",
            "namespace": stage.namespace}],
    });
    stage
        .api
        .create(&format!("{base}/rolebindings"), &binding)
        .await?;
    Ok(())
}

/// A kind that the Tenant does not name is known before anything is asked of the server, and commands say so.
async fn refuses_the_whole_cluster(stage: &Stage, kubeconfig: &Path) -> anyhow::Result<()> {
    let binding =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\n";
    stage.repository.write("app/all.yaml", binding)?;
    stage.repository.commit("a role in the whole cluster")?;
    stage.wait_reason("s", "Ready", "NotPermitted").await?;
    let (said, code) = run(stage, kubeconfig, &["plan", "s"]).await?;
    anyhow::ensure!(code == Some(3), "{code:?}: {said}");
    for words in [
        "app/all.yaml:1: ClusterRole.rbac.authorization.k8s.io/all: Tenant tenant-account does not allow",
        "hint: the Tenant allows nothing",
    ] {
        anyhow::ensure!(said.contains(words), "{words}: {said}");
    }

    for command in ["sync", "wait"] {
        let (said, code) = run(stage, kubeconfig, &[command, "s"]).await?;
        anyhow::ensure!(code == Some(3), "{command} ends with {code:?}: {said}");
        anyhow::ensure!(said.contains("does not allow this"), "{command}: {said}");
    }
    Ok(())
}

#[test]
fn a_stack_of_a_tenant_acts_as_its_service_account_and_may_do_no_more() {
    crate::on_real(|bed| async move {
        let real = bed.real.as_ref().context("it is the real cluster")?;
        let stage = Stage::new(&bed, "tenant-account").await?;
        let kinds = json!({"namespaced": ["*"]});
        tenant(
            &stage,
            json!({"serviceAccount": "deployer", "kinds": kinds}),
        )
        .await?;
        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        let first = stage.repository.commit("one")?;
        // There is no such account yet, and nothing may be done in its name.
        stage.stack("s", json!({})).await?;
        let stack = stage.wait_reason("s", "Ready", "ApplyFailed").await?;
        let user = "system:serviceaccount:tenant-account:deployer";
        let problem = stack.pointer("/status/problems/0/message");
        let problem = problem.and_then(Value::as_str).unwrap_or_default();
        anyhow::ensure!(problem.contains(user), "{problem}");
        allow(&stage, &["configmaps"]).await?;
        stage.wait_ready("s", &first).await?;

        let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\n";
        stage.repository.write("app/robot.yaml", account)?;
        stage.repository.write("app/b.yaml", &config("b", "one"))?;
        stage
            .repository
            .commit("a robot, for which the account has no rights")?;
        let stack = stage.wait_reason("s", "Ready", "ApplyFailed").await?;
        let problem = stack.pointer("/status/problems/0/message");
        let problem = problem.and_then(Value::as_str).unwrap_or_default();
        anyhow::ensure!(problem.contains(user), "{problem}");
        let absent = "/api/v1/namespaces/tenant-account/serviceaccounts/robot";
        anyhow::ensure!(stage.api.get(absent).await.is_err(), "it was made");

        // What the account may do is done: an update, a prune.
        let gone = ["rm", "--quiet", "app/robot.yaml", "app/b.yaml"];
        stage.repository.git(&gone)?;
        stage.repository.write("app/a.yaml", &config("a", "two"))?;
        let last = stage.repository.commit("no robot")?;
        stage.wait_ready("s", &last).await?;
        stage.wait_config("a", "two").await?;
        stage.wait_gone(&stage.config_path("b")).await?;

        refuses_the_whole_cluster(&stage, &real.kubeconfig).await?;

        // The Stack and its objects go although the rights of its account have gone before.
        let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/tenant-account/rolebindings";
        stage.api.delete(&format!("{base}/deployer")).await?;
        stage.api.delete(&stage.stack_path("s")).await?;
        stage.wait_gone(&stage.stack_path("s")).await?;
        stage.wait_gone(&stage.config_path("a")).await?;
        stage.api.delete(&tenant_path(&stage)).await?;
        Ok(())
    });
}
