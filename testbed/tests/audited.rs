//! The auditor audits charts and overlays too, by what helm and kubectl render, and finds what is not as a
//! Stack says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_testbed::audit::Auditor;
use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::cluster::programs;
use serde_json::json;

use crate::scenario;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\n";
/// What depends on the release, the target, values of all sources, and whether it is installed or
/// upgraded.
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\n\
    metadata: {name: '{{ .Release.Name }}-config', labels: {chart: '{{ .Chart.Name }}'}}\n\
    data:\n  text: '{{ .Values.text }}'\n  file: '{{ .Values.file }}'\n  set: '{{ .Values.set }}'\n  \
    text-set: {{ .Values.literal | quote }}\n  installs: '{{ .Release.IsInstall }}'\n  \
    jobs: '{{ .Capabilities.APIVersions.Has \"batch/v1/Job\" }}'\n  \
    version: '{{ .Capabilities.KubeVersion.Version }}'\n";

fn write(stage: &Stage) -> anyhow::Result<()> {
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: '{{ .Release.Name }}-hook'\n  \
                annotations: {helm.sh/hook: post-install}\n";
    let web = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  \
               selector: {app: web}\n  ports: [{port: 80, targetPort: 8080}]\n";
    let base = "resources: [web.yaml]\nconfigMapGenerator:\n- {name: made, literals: [a=b]}\n";
    let overlay = "resources: [../base]\nnameSuffix: -prod\n";
    let files = [
        ("chart/Chart.yaml", CHART),
        ("chart/values.yaml", "text: default\nset: 0\nliteral: ''\n"),
        ("chart/more.yaml", "text: more\nfile: more\n"),
        ("chart/templates/config.yaml", TEMPLATE),
        ("chart/templates/hook.yaml", hook),
        ("base/kustomization.yaml", base),
        ("base/web.yaml", web),
        ("overlay/kustomization.yaml", overlay),
        ("bare/plain.yaml", &config("plain", "one")),
    ];
    for (path, text) in files {
        stage.repository.write(path, text)?;
    }
    Ok(())
}

scenario!(charts_and_overlays_are_audited_by_what_helm_and_kubectl_render);
async fn charts_and_overlays_are_audited_by_what_helm_and_kubectl_render(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "audited").await?;
    write(&stage)?;
    let commit = stage.repository.commit("all")?;
    let helm = json!({"helm": {"release": "shop", "valueFiles": ["more.yaml"],
        "values": {"text": "values"}, "parameters": [
            {"name": "set", "value": "7", "type": "scalar"},
            {"name": "literal", "value": "a,b"}]}});
    let edits = json!({"kustomize": {"namePrefix": "shop-", "labels": {"team": "shop"},
        "annotations": {"owner": "shop"},
        "patches": [{"target": {"kind": "Service"},
            "patch": "- {op: replace, path: /spec/ports/0/port, value: 81}"}]}});
    let drawn = json!({"helm": {"lookup": "namespace"}});
    let stacks = [
        ("charted", "chart", helm),
        ("laid", "overlay", edits),
        ("plain", "bare", json!(null)),
        ("looking", "chart", drawn),
    ];
    for (name, path, render) in stacks {
        let source = json!({"git": stage.repository.url(), "path": path, "interval": "1s"});
        let spec = json!({"source": source, "render": render});
        stage.stack(name, spec).await?;
        stage.wait_ready(name, &commit).await?;
    }
    let mut auditor = Auditor::default();
    let found = audit(&mut auditor, &stage).await?;
    assert_eq!(found, [""; 0]);
    let named = |name: &str| BTreeSet::from([format!("audited/{name}")]);
    let tally = &auditor.tally;
    assert_eq!(tally.plain, named("plain"));
    for (program, audited, name) in [
        ("helm", &tally.charts, "charted"),
        ("kubectl", &tally.overlays, "laid"),
    ] {
        // It has said that it leaves it out.
        if programs().join(program).exists() {
            assert_eq!(*audited, named(name), "{tally:?}");
        }
    }
    assert!(tally.skipped.contains_key("audited/looking"), "{tally:?}");

    // What nobody heals is found.
    stage.stop_engine();
    let services = format!("/api/v1/namespaces/{}/services", stage.namespace);
    let path = format!("{services}/shop-web-prod");
    let port = json!({"spec": {"ports": [{"port": 82, "targetPort": 8080}]}});
    stage.api.merge(&path, "somebody", &port).await?;
    let path = stage.config_path("shop-config");
    let data = json!({"data": {"text": "by hand"}});
    stage.api.merge(&path, "somebody", &data).await?;
    let found = audit(&mut auditor, &stage).await?.join("\n");
    for (program, words) in [("helm", "shop-config"), ("kubectl", "shop-web-prod")] {
        let is_there = programs().join(program).exists();
        assert_eq!(found.contains(words), is_there, "{words}: {found}");
    }
    stage.start_engine();
    Ok(())
}

async fn audit(auditor: &mut Auditor, stage: &Stage) -> anyhow::Result<Vec<String>> {
    let (api, repository) = (&stage.api, &stage.repository);
    auditor
        .run(api, &BTreeMap::new(), &stage.namespace, repository)
        .await
}
