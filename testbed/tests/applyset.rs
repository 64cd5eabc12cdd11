//! What other tools see of what belongs to a Stack.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::stack::StackKey;
use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::beside::{Program, Run};
use holdfast_testbed::cluster::programs;
use serde_json::json;

use crate::scenario;

scenario!(objects_carry_the_label_of_their_stacks_applyset);
async fn objects_carry_the_label_of_their_stacks_applyset(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "applyset").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let key = StackKey {
        namespace: stage.namespace.clone(),
        name: "s".to_owned(),
    };
    let id = applyset::id(&key);
    let members = format!(
        "/api/v1/namespaces/{}/configmaps?labelSelector={}%3D{id}",
        stage.namespace,
        applyset::PART_OF
    );
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let names = items
            .iter()
            .filter_map(|item| item["metadata"]["name"].as_str());
        names.map(str::to_owned).collect()
    };
    assert_eq!(names(&stage.api.get(&members).await?), ["a"]);
    let parent = stage.config_path(&applyset::parent(&key));
    let parent = stage.api.get(&parent).await?;
    let metadata = &parent["metadata"];
    assert_eq!(metadata["labels"][applyset::ID], json!(id));
    assert_eq!(metadata["annotations"][applyset::CONTAINS], "ConfigMap");

    // It is an aid and no truth: without it nothing differs, and the next write brings it back.
    let path = stage.config_path("a");
    let without = json!({"metadata": {"labels": null}});
    stage.api.merge(&path, "alice", &without).await?;
    let text = json!({"data": {"text": "hand"}});
    stage.api.merge(&path, "alice", &text).await?;
    stage.wait_config("a", "one").await?;
    assert_eq!(names(&stage.api.get(&members).await?), ["a"]);

    // kubectl reckons the same id, and leaves a set of another tool alone.
    if let Some(real) = &bed.real {
        let kubectl = Program::new(&programs().join("kubectl"), &real.kubeconfig, &[])?;
        std::fs::write(kubectl.folder().join("b.yaml"), config("b", "kubectl"))?;
        let line = format!(
            "apply --prune --applyset=configmap/{} -n {} -f b.yaml",
            applyset::parent(&key),
            stage.namespace
        );
        let said = kubectl
            .run(&Run::of(&line).set("KUBECTL_APPLYSET", "true"))
            .await?;
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("tooling"), "{said:?}");
        stage.wait_config("a", "one").await?;
    }
    Ok(())
}
