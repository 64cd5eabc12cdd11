//! Charts of repositories and registries, their dependencies, and bases of other repositories.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::repository::Repository;
use holdfast_testbed::shelf::{Shelf, packed};
use serde_json::json;

use crate::scenario;

/// A chart with one ConfigMap that tells the chart's version and a value.
fn chart(name: &str, version: &str) -> anyhow::Result<Vec<u8>> {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let template = config(
        name,
        "{{ .Chart.Version }} {{ .Values.greeting | default \"silent\" }}",
    );
    packed(
        name,
        &[
            ("Chart.yaml", metadata.as_str()),
            ("values.yaml", "greeting: hello\n"),
            ("templates/config.yaml", template.as_str()),
        ],
    )
}

fn said(stack: &Value, words: &str) -> bool {
    let message = find_condition(stack, "Ready", "message");
    message.contains(words)
}

scenario!(a_chart_of_a_repository_follows_its_range_with_values_from_git);
async fn a_chart_of_a_repository_follows_its_range_with_values_from_git(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "charts").await?;
    let shelf = Shelf::start()?;
    shelf.publish("web", "1.0.0", &chart("web", "1.0.0")?);
    stage
        .repository
        .write("app/prod.yaml", "greeting: from git\n")?;
    let commit = stage.repository.commit("values")?;
    let render = json!({"helm": {
        "chart": {"repository": shelf.url(""), "name": "web", "version": "1.x"},
        "valueFiles": ["prod.yaml"],
    }});
    stage.stack("s", json!({"render": render})).await?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("web", "1.0.0 from git").await?;

    // Nothing is committed: a newer version in the range is enough, and one outside of it is none.
    shelf.publish("web", "2.0.0", &chart("web", "2.0.0")?);
    shelf.publish("web", "1.1.0", &chart("web", "1.1.0")?);
    stage.wait_config("web", "1.1.0 from git").await?;
    stage
        .repository
        .write("app/prod.yaml", "greeting: changed\n")?;
    let commit = stage.repository.commit("other values")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("web", "1.1.0 changed").await?;

    let archives = shelf
        .asked()
        .iter()
        .filter(|path| path.ends_with(".tgz"))
        .count();
    assert_eq!(
        archives,
        2,
        "each version is fetched once: {:?}",
        shelf.asked()
    );

    let none = json!({"spec": {"render": {"helm": {"chart": {"version": "^7"}}}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &none)
        .await?;
    let stack = stage.wait_reason("s", "Ready", "SourceFailed").await?;
    assert!(said(&stack, "none in the range `^7`"), "{stack}");
    // What is deployed stays.
    stage.wait_config("web", "1.1.0 changed").await?;
    Ok(())
}

scenario!(a_rollback_goes_back_to_the_chart_that_a_range_meant);
async fn a_rollback_goes_back_to_the_chart_that_a_range_meant(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "chartback").await?;
    let shelf = Shelf::start()?;
    shelf.publish("web", "1.0.0", &chart("web", "1.0.0")?);
    let commit = stage.repository.commit("nothing")?;
    let source = json!({"git": stage.repository.url(), "interval": "1s"});
    let named = json!({"repository": shelf.url(""), "name": "web", "version": "1.x"});
    let spec = json!({"source": source, "render": {"helm": {"chart": named}}});
    stage.stack("s", spec).await?;
    stage.wait_ready("s", &commit).await?;
    shelf.publish("web", "1.1.0", &chart("web", "1.1.0")?);
    stage.wait_config("web", "1.1.0 hello").await?;
    let path = stage.stack_path("s");
    let is_told = |stack: Option<&Value>| {
        let history = stack.and_then(|stack| stack.pointer("/status/history")?.as_array());
        history.is_some_and(|history| history.len() == 2)
    };
    let stack = stage.api.wait(&path, "two operations", is_told).await?;
    let past = |index: usize| &stack["status"]["history"][index];
    let label = format!("{}/web@1.x", shelf.url("").trim_end_matches('/'));
    assert_eq!(
        past(0)["charts"],
        json!({label.as_str(): "1.1.0"}),
        "{stack}"
    );
    assert_eq!(
        past(1)["charts"],
        json!({label.as_str(): "1.0.0"}),
        "{stack}"
    );
    assert_eq!(past(0)["commit"], past(1)["commit"], "{stack}");

    let pin = json!({
        "commit": past(1)["commit"],
        "charts": past(1)["charts"],
        "skip": past(0)["rendered"],
    });
    let pin = json!({"metadata": {"annotations": {"holdfast.dev/pin": pin.to_string()}}});
    stage.api.merge(&path, "test", &pin).await?;
    stage.wait_config("web", "1.0.0 hello").await?;
    stage.wait_reason("s", "Ready", "Pinned").await?;
    let renders = stage.telemetry().renders;
    assert_eq!(renders, 2, "what was rendered before is not rendered again");

    // It holds over a restart, and until the range means something newer.
    stage.stop_engine();
    stage.start_engine();
    let drift = json!({"data": {"text": "changed"}});
    stage
        .api
        .merge(&stage.config_path("web"), "somebody", &drift)
        .await?;
    stage.wait_config("web", "1.0.0 hello").await?;
    shelf.publish("web", "1.2.0", &chart("web", "1.2.0")?);
    stage.wait_config("web", "1.2.0 hello").await?;
    stage.wait_reason("s", "Ready", "Succeeded").await?;
    Ok(())
}

scenario!(a_chart_that_is_broken_in_its_range_is_left_when_a_newer_one_is_published);
async fn a_chart_that_is_broken_in_its_range_is_left_when_a_newer_one_is_published(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "mended").await?;
    let shelf = Shelf::start()?;
    shelf.publish("web", "1.0.0", &chart("web", "1.0.0")?);
    let commit = stage.repository.commit("nothing")?;
    let source = json!({"git": stage.repository.url(), "interval": "1s"});
    let named = json!({"repository": shelf.url(""), "name": "web", "version": "1.x"});
    let render = json!({"helm": {"chart": named}});
    let spec = json!({"source": source, "render": render});
    stage.stack("s", spec).await?;
    stage.wait_ready("s", &commit).await?;

    let broken = packed(
        "web",
        &[
            ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.1.0\n"),
            ("templates/config.yaml", "{{ fail \"a slip\" }}\n"),
        ],
    )?;
    shelf.publish("web", "1.1.0", &broken);
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    assert!(said(&stack, "a slip"), "{stack}");
    stage.wait_config("web", "1.0.0 hello").await?;
    // That one version is refused is nothing against another at the same commit.
    let path = stage.stack_path("s");
    let past = stack.pointer("/status/history/0").cloned();
    let past = past.unwrap_or_default();
    let pin = json!({"commit": past["commit"], "charts": past["charts"]}).to_string();
    let pinned = json!({"metadata": {"annotations": {"holdfast.dev/pin": pin}}});
    stage.api.merge(&path, "test", &pinned).await?;
    stage.wait_reason("s", "Ready", "Pinned").await?;
    let free = json!({"metadata": {"annotations": {"holdfast.dev/pin": null}}});
    stage.api.merge(&path, "test", &free).await?;
    stage.wait_reason("s", "Ready", "RenderFailed").await?;

    // Nobody commits or asks: the newer version is found as the broken one was.
    shelf.publish("web", "1.2.0", &chart("web", "1.2.0")?);
    stage.wait_config("web", "1.2.0 hello").await?;
    stage.wait_reason("s", "Ready", "Succeeded").await?;
    assert_eq!(
        stage.telemetry().renders,
        3,
        "each version is rendered once"
    );
    Ok(())
}

scenario!(a_chart_of_a_registry_is_pulled_with_the_secret_that_is_named_for_it);
async fn a_chart_of_a_registry_is_pulled_with_the_secret_that_is_named_for_it(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "registry").await?;
    let shelf = Shelf::start()?;
    shelf.push("web", "1.2.0", &chart("web", "1.2.0")?);
    shelf.push("web", "1.3.0", &chart("web", "1.3.0")?);
    shelf.guard("robot", "correct horse");
    let commit = stage.repository.commit("nothing")?;
    let source = json!({"git": stage.repository.url(), "interval": "1s"});
    let named = json!({"repository": shelf.registry(), "name": "web", "version": "~1.2"});
    let render = json!({"helm": {"chart": named}});
    stage
        .stack("s", json!({"source": source, "render": render}))
        .await?;
    let stack = stage.wait_reason("s", "Ready", "SourceFailed").await?;
    assert!(said(&stack, "401"), "{stack}");

    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "robot"},
        "stringData": {"username": "robot", "password": "correct horse"},
    });
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    stage.api.create(&secrets, &secret).await?;
    let credentials = json!({"spec": {"render": {
        "credentials": [{"url": shelf.registry(), "name": "robot"}],
    }}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &credentials)
        .await?;
    let stack = stage.wait_ready("s", &commit).await?;
    stage.wait_config("web", "1.2.0 hello").await?;
    assert!(!stack.to_string().contains("correct horse"));
    Ok(())
}

scenario!(a_chart_in_git_takes_its_dependencies_by_its_lock);
async fn a_chart_in_git_takes_its_dependencies_by_its_lock(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "locked").await?;
    let shelf = Shelf::start()?;
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        shelf.publish("cache", version, &chart("cache", version)?);
    }
    let metadata = format!(
        "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n- name: cache\n  \
         version: ^1\n  repository: {}\n",
        shelf.url("")
    );
    stage.repository.write("app/Chart.yaml", &metadata)?;
    stage
        .repository
        .write("app/templates/a.yaml", &config("shop", "it"))?;
    stage
        .repository
        .write("app/values.yaml", "cache:\n  greeting: by the parent\n")?;
    let lock = "dependencies:\n- name: cache\n  version: 1.1.0\n";
    stage.repository.write("app/Chart.lock", lock)?;
    let commit = stage.repository.commit("a chart")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("cache", "1.1.0 by the parent").await?;
    stage.wait_config("shop", "it").await?;

    stage.repository.git(&["rm", "--quiet", "app/Chart.lock"])?;
    let commit = stage.repository.commit("by range")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("cache", "1.2.0 by the parent").await?;
    Ok(())
}

scenario!(an_overlay_reads_bases_files_and_charts_from_elsewhere_where_that_is_allowed);
async fn an_overlay_reads_bases_files_and_charts_from_elsewhere_where_that_is_allowed(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "bases").await?;
    let shelf = Shelf::start()?;
    shelf.put("files/extra.yaml", config("extra", "a file"));
    shelf.publish("web", "1.0.0", &chart("web", "1.0.0")?);
    let base = Repository::new()?;
    base.write(
        "base/kustomization.yaml",
        "resources: [a.yaml, ../shared]\n",
    )?;
    base.write("base/a.yaml", &config("a", "first"))?;
    base.write("shared/kustomization.yaml", "resources: [b.yaml]\n")?;
    base.write("shared/b.yaml", &config("b", "shared"))?;
    base.commit("a base")?;
    base.git(&["tag", "v1"])?;
    base.write("base/a.yaml", &config("a", "second"))?;
    base.commit("a newer base")?;
    let overlay = |reference: &str| {
        format!(
            "namePrefix: my-\nresources:\n- {}//base?ref={reference}\n- {}\nhelmCharts:\n- name: web\n  \
             repo: {}\n  version: 1.0.0\n",
            base.url(),
            shelf.url("files/extra.yaml"),
            shelf.url("")
        )
    };
    stage
        .repository
        .write("app/kustomization.yaml", &overlay("v1"))?;
    let commit = stage.repository.commit("an overlay")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    for (name, text) in [
        ("my-a", "first"),
        ("my-b", "shared"),
        ("my-extra", "a file"),
        ("my-web", "1.0.0 hello"),
    ] {
        stage.wait_config(name, text).await?;
    }
    stage
        .repository
        .write("app/kustomization.yaml", &overlay("main"))?;
    let commit = stage.repository.commit("the newest base")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("my-a", "second").await?;

    let refuse = json!({"spec": {"render": {"remotes": "refuse"}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &refuse)
        .await?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    assert!(said(&stack, "from outside of its source"), "{stack}");
    stage.wait_config("my-a", "second").await?;
    Ok(())
}

scenario!(what_cannot_be_fetched_is_named_and_stops_no_other_stack);
async fn what_cannot_be_fetched_is_named_and_stops_no_other_stack(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "unfetched").await?;
    let shelf = Shelf::start()?;
    shelf.publish("broken", "1.0.0", b"this is no archive");
    shelf.publish("forged", "1.0.0", &chart("forged", "1.0.0")?);
    shelf.put("forged-1.0.0.tgz", chart("forged", "6.6.6")?);
    stage.repository.write("app/a.yaml", &config("a", "fine"))?;
    let commit = stage.repository.commit("a")?;
    let named = |name: &str| {
        let chart = json!({"repository": shelf.url(""), "name": name, "version": "1.0.0"});
        json!({"render": {"helm": {"chart": chart}}})
    };
    for name in ["broken", "forged", "absent"] {
        stage.stack(name, named(name)).await?;
    }
    stage.stack("fine", json!({})).await?;
    stage.wait_ready("fine", &commit).await?;
    for (name, words) in [
        ("broken", "chart broken 1.0.0 of"),
        ("forged", "does not have the digest that the index names"),
        ("absent", "has no chart `absent`"),
    ] {
        let stack = stage.wait_reason(name, "Ready", "SourceFailed").await?;
        assert!(said(&stack, words), "{stack}");
    }
    Ok(())
}
