//! Charts and overlays through what happens to them: install, change, failure, revert.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::shelf::{Shelf, packed};
use serde_json::json;

use crate::scenario;

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  labels: {app: web, release: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:{{ .Values.tag }}", ports: [{containerPort: 8080}]}
"#;

/// A job that succeeds unless the values say otherwise, on both kinds of cluster.
const MIGRATION: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrate
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-5"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {fate: {{ .Values.migration | quote }}}
      annotations:
        simulation.holdfast.dev/exit-code: {{ eq .Values.migration "fail" | ternary "1" "0" | quote }}
    spec:
      restartPolicy: Never
      containers:
      - {name: migrate, image: "migrate:{{ .Values.tag }}"}
"#;

const CHECK: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: check-{{ .Release.IsInstall | ternary "install" "upgrade" }}
  annotations: {helm.sh/hook: "post-install,post-upgrade"}
data:
  text: {{ .Values.tag | quote }}
"#;

const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["tag", "replicas"],
  "properties": {"replicas": {"type": "integer", "minimum": 1}, "tag": {"type": "string"}}
}"#;

fn values(tag: &str, replicas: &str, migration: &str) -> String {
    format!("tag: \"{tag}\"\nreplicas: {replicas}\nmigration: {migration}\n")
}

fn image(deployment: &Value) -> Option<&str> {
    deployment
        .pointer("/spec/template/spec/containers/0/image")?
        .as_str()
}

/// A chart with hooks, a dependency of a repository and a schema, and its values.
fn write_chart(stage: &Stage, shelf: &Shelf) -> anyhow::Result<()> {
    let repository = &stage.repository;
    let cache = config("{{ .Release.Name }}-cache", "{{ .Values.global.region }}");
    let cache = packed(
        "cache",
        &[
            (
                "Chart.yaml",
                "apiVersion: v2\nname: cache\nversion: 2.3.4\n",
            ),
            ("templates/cache.yaml", cache.as_str()),
        ],
    )?;
    shelf.publish("cache", "2.3.4", &cache);
    let metadata = format!(
        "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n- {{name: cache, version: ~2.3, \
         repository: \"{}\", condition: cache.enabled}}\n",
        shelf.url("")
    );
    repository.write("app/Chart.yaml", &metadata)?;
    repository.write("app/values.schema.json", SCHEMA)?;
    repository.write(
        "app/values.yaml",
        "global: {region: eu}\ncache: {enabled: true}\n",
    )?;
    repository.write("app/templates/web.yaml", DEPLOYMENT)?;
    repository.write("app/templates/migrate.yaml", MIGRATION)?;
    repository.write("app/templates/check.yaml", CHECK)?;
    repository.write("app/prod.yaml", &values("1.0", "2", "succeed"))?;
    Ok(())
}

scenario!(a_chart_with_hooks_a_dependency_and_a_schema_goes_through_its_life);
async fn a_chart_with_hooks_a_dependency_and_a_schema_goes_through_its_life(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "chart-life").await?;
    let shelf = Shelf::start()?;
    write_chart(&stage, &shelf)?;
    let repository = &stage.repository;
    let install = repository.commit("install")?;
    let render = json!({"helm": {"release": "shop", "valueFiles": ["prod.yaml"]}});
    stage.stack("s", json!({"render": render})).await?;
    stage.wait_ready("s", &install).await?;
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/shop-web",
        stage.namespace
    );
    let deployment = stage.api.get(&path).await?;
    assert_eq!(deployment.pointer("/status/readyReplicas"), Some(&json!(2)));
    assert_eq!(image(&deployment), Some("web:1.0"));
    stage.wait_config("shop-cache", "eu").await?;
    stage.wait_config("check-install", "1.0").await?;
    let job = format!(
        "/apis/batch/v1/namespaces/{}/jobs/shop-migrate",
        stage.namespace
    );
    // It ran, or the rest would not be there; and it is gone, as its policy says.
    stage.wait_gone(&job).await?;

    repository.write("app/prod.yaml", &values("1.1", "3", "succeed"))?;
    let upgrade = repository.commit("upgrade")?;
    stage.wait_ready("s", &upgrade).await?;
    stage.wait_config("check-upgrade", "1.1").await?;
    assert_eq!(image(&stage.api.get(&path).await?), Some("web:1.1"));

    // Values that the schema refuses reach nothing, and are told in Helm's words.
    repository.write("app/prod.yaml", &values("1.2", "many", "succeed"))?;
    repository.commit("a slip")?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(
        message.contains("values don't meet the specifications of the schema(s)")
            && message.contains("replicas"),
        "{message}"
    );
    assert_eq!(image(&stage.api.get(&path).await?), Some("web:1.1"));

    // A hook that fails stops what comes after it, and stays to be looked at.
    repository.write("app/prod.yaml", &values("1.3", "3", "fail"))?;
    repository.commit("a migration that fails")?;
    let stack = stage.wait_reason("s", "Synced", "ApplyFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    for words in [
        "shop-migrate (app/templates/migrate.yaml)",
        "holdfast sync s",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(image(&stage.api.get(&path).await?), Some("web:1.1"));
    stage.api.get(&job).await?;

    repository.git(&["revert", "--no-edit", "HEAD", "HEAD~1"])?;
    // What is in place already was rendered from the same files: nothing has to be done.
    stage.wait_reason("s", "Ready", "Succeeded").await?;
    let deployment = stage.api.get(&path).await?;
    assert_eq!(image(&deployment), Some("web:1.1"));
    assert_eq!(deployment.pointer("/status/readyReplicas"), Some(&json!(3)));
    Ok(())
}

scenario!(only_the_environment_that_a_commit_touches_is_rendered_anew);
async fn only_the_environment_that_a_commit_touches_is_rendered_anew(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "environments").await?;
    let repository = &stage.repository;
    repository.write("base/kustomization.yaml", "resources: [a.yaml]\n")?;
    repository.write("base/a.yaml", &config("a", "base"))?;
    for environment in ["dev", "prod"] {
        let overlay = format!(
            "namePrefix: {environment}-\nresources: [../base]\npatches:\n- path: patch.yaml\n"
        );
        repository.write(&format!("{environment}/kustomization.yaml"), &overlay)?;
        let patch = config("a", environment);
        repository.write(&format!("{environment}/patch.yaml"), &patch)?;
    }
    let first = repository.commit("two environments")?;
    for environment in ["dev", "prod"] {
        let source = json!({"git": repository.url(), "path": environment, "interval": "1s"});
        stage.stack(environment, json!({"source": source})).await?;
        stage.wait_ready(environment, &first).await?;
        stage
            .wait_config(&format!("{environment}-a"), environment)
            .await?;
    }
    assert_eq!(stage.telemetry().renders, 2);

    repository.write("prod/patch.yaml", &config("a", "changed"))?;
    let changed = repository.commit("prod only")?;
    stage.wait_ready("prod", &changed).await?;
    stage.wait_config("prod-a", "changed").await?;
    assert_eq!(stage.telemetry().renders, 3);

    repository.write("prod/patch.yaml", &config("no-such-object", "x"))?;
    let broken = repository.commit("a patch that matches nothing")?;
    let stack = stage.wait_reason("prod", "Ready", "RenderFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("no matches for Id"), "{message}");
    stage.wait_config("prod-a", "changed").await?;
    assert_eq!(stage.telemetry().renders, 4);

    repository.git(&["revert", "--no-edit", &broken])?;
    let reverted = repository.git(&["rev-parse", "HEAD"])?;
    let settled = |stack: Option<&Value>| {
        stack.is_some_and(|stack| find_condition(stack, "Ready", "status") == "True")
    };
    stage
        .api
        .wait(&stage.stack_path("prod"), "ready again", settled)
        .await?;
    stage.wait_config("prod-a", "changed").await?;
    // Nothing of what is read differs from the render that is still held.
    assert_eq!(stage.telemetry().renders, 4, "{reverted}");
    let stack = stage.api.get(&stage.stack_path("dev")).await?;
    assert_eq!(find_condition(&stack, "Ready", "status"), "True");
    Ok(())
}

scenario!(a_commit_wakes_only_the_stacks_that_read_what_it_changes);
async fn a_commit_wakes_only_the_stacks_that_read_what_it_changes(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    const RESTING: usize = 20;
    let stage = Stage::new(&bed, "woken").await?;
    let repository = &stage.repository;
    let names: Vec<String> = (0..RESTING).map(|index| format!("rests-{index}")).collect();
    for name in names
        .iter()
        .map(String::as_str)
        .chain(["changes", "shared"])
    {
        repository.write(&format!("{name}/config.yaml"), &config(name, "first"))?;
    }
    repository.link("linked/config.yaml", "../shared/config.yaml")?;
    let first = repository.commit("many")?;
    for name in names
        .iter()
        .map(String::as_str)
        .chain(["changes", "linked"])
    {
        let source = json!({"git": repository.url(), "path": name, "interval": "1s"});
        stage.stack(name, json!({"source": source})).await?;
    }
    for name in names
        .iter()
        .map(String::as_str)
        .chain(["changes", "linked"])
    {
        stage.wait_ready(name, &first).await?;
    }
    // Looks that the last writes of the install ask for come to an end.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let before = stage.telemetry().looks;
    repository.write("changes/config.yaml", &config("changes", "second"))?;
    repository.write("shared/config.yaml", &config("shared", "second"))?;
    let second = repository.commit("one, and what another links to")?;
    stage.wait_ready("changes", &second).await?;
    stage.wait_config("changes", "second").await?;
    stage.wait_ready("linked", &second).await?;
    stage.wait_config("shared", "second").await?;
    let looks = stage.telemetry().looks - before;
    assert!(looks < RESTING as u64, "{looks} looks");

    // A Stack that was passed over follows the next commit that touches it all the same.
    repository.write("rests-3/config.yaml", &config("rests-3", "third"))?;
    let third = repository.commit("one of the others")?;
    stage.wait_ready("rests-3", &third).await?;
    stage.wait_config("rests-3", "third").await?;
    Ok(())
}
