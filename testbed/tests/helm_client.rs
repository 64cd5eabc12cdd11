//! The real helm on the embedded cluster, over TLS and by its kubeconfig, and beside it on a real
//! kube-apiserver: a chart goes through its life with the same words on both.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_testbed::bed::Bed;
use holdfast_testbed::beside::Beside;
use holdfast_testbed::cluster::programs;

use crate::pair::Pair;

/// The files of a chart with a workload, hooks and a test.
const CHART: [(&str, &str); 7] = [
    (
        "Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: \"7\"\n",
    ),
    (
        "values.yaml",
        "replicas: 1\ntag: \"1.0\"\ngreeting: hello\nmigration: succeed\n",
    ),
    (
        "templates/web.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:{{ .Values.tag }}", ports: [{containerPort: 8080}]}
"#,
    ),
    (
        "templates/service.yaml",
        r#"apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"#,
    ),
    (
        "templates/config.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-config}
data:
  greeting: {{ .Values.greeting | quote }}
  revision: {{ .Release.Revision | quote }}
  server: "{{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }}"
  found: {{ len (lookup "v1" "Namespace" "" .Release.Namespace) | min 1 | quote }}
"#,
    ),
    (
        "templates/hooks.yaml",
        r#"{{- range $name, $hook := dict "migrate" "pre-install,pre-upgrade" "check" "test" }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $.Release.Name }}-{{ $name }}
  annotations:
    helm.sh/hook: {{ $hook }}
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {fate: {{ $.Values.migration | quote }}}
      annotations:
        simulation.holdfast.dev/exit-code: {{ eq $.Values.migration "fail" | ternary "1" "0" | quote }}
    spec:
      restartPolicy: Never
      containers: [{name: {{ $name }}, image: "tool:{{ $.Values.tag }}"}]
{{- end }}
"#,
    ),
    (
        "templates/NOTES.txt",
        "{{ .Release.Name }} runs {{ .Values.tag }}.\n",
    ),
];

/// helm and kubectl on both clusters, in a namespace of their own.
struct Clusters {
    helm: Beside,
    kubectl: Beside,
    _pair: Pair,
}

/// Runs a test with helm on both clusters; it is left out, loudly, where helm or the real cluster
/// is not there.
#[expect(clippy::print_stdout, reason = "what is left out is told")]
fn on_both<T>(namespace: &'static str, test: T)
where
    T: AsyncFnOnce(&mut Clusters) -> anyhow::Result<()>,
{
    crate::block_on(async {
        let Some(real) = crate::real_bed().await? else {
            return Ok(());
        };
        if !programs().join("helm").exists() {
            println!("left out: the real helm is not there; run cargo xtask testbed");
            return Ok(());
        }
        let mut clusters = Clusters::start(real, namespace).await?;
        let tested = test(&mut clusters).await;
        let compared = clusters.helm.finish().and(clusters.kubectl.finish());
        tested?;
        compared
    });
}

impl Clusters {
    async fn start(real: Arc<Bed>, namespace: &'static str) -> anyhow::Result<Self> {
        let (pair, kubectl) = Pair::start(real, namespace).await?;
        let mut helm = pair.program("helm")?;
        for program in [Some(&helm.ours), helm.real.as_ref()].into_iter().flatten() {
            write_chart(program.folder())?;
        }
        helm.same("lint shop").await?;
        Ok(Self {
            helm,
            kubectl,
            _pair: pair,
        })
    }

    /// Plays a script of lines for helm and kubectl, which begin with the program's name: what comes
    /// after `→` has to be in what is printed, and all of it has to be the same on both clusters. A
    /// line that begins with `!` has to be refused, and one with `~` may print more, or in another
    /// order.
    async fn play(&mut self, script: &str) -> anyhow::Result<()> {
        let lines = script.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            let (words, expected) = line.split_once(" → ").unwrap_or((line, ""));
            let mark = words.chars().next().filter(|mark| "!~".contains(*mark));
            let (name, words) = words
                .trim_start_matches(['!', '~', ' '])
                .split_once(' ')
                .context("a line begins with a program's name")?;
            let program = match name {
                "helm" => &mut self.helm,
                _ => &mut self.kubectl,
            };
            let said = match mark {
                Some('~') => program.alike(words).await?,
                _ => program.same(words).await?,
            };
            let code = if mark == Some('!') { 1 } else { 0 };
            let text = format!("{}{}", said.out, said.err);
            let fits = said.code == Some(code) && text.contains(expected);
            anyhow::ensure!(fits, "step `{line}`: {said:?}");
        }
        Ok(())
    }
}

fn write_chart(folder: &Path) -> anyhow::Result<()> {
    for (name, text) in CHART {
        let path = folder.join("shop").join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

#[test]
fn a_release_is_installed_upgraded_rolled_back_tested_and_uninstalled() {
    on_both("helm-life", async |clusters| {
        clusters
            .play(
                r#"
                helm install one shop --wait --timeout 60s → one runs 1.0.
                kubectl get deployment one-web → one-web 1/1 1 1
                kubectl get cm one-config -o jsonpath={.data} → hello
                kubectl get job one-migrate -o jsonpath={.status.succeeded} → 1
                kubectl get secret -l owner=helm -o name → secret/sh.helm.release.v1.one.v1
                ! helm install one shop → cannot reuse a name
                helm list → one helm-life 1
                ~ helm status one → STATUS: deployed
                helm get values one --all → greeting: hello
                helm get manifest one → name: one-web
                helm get hooks one → helm.sh/hook: test
                helm get notes one → one runs 1.0.
                helm upgrade one shop --wait --timeout 60s --set-string tag=2.0 --set replicas=2 → one runs 2.0.
                kubectl get deployment one-web -o wide → one-web 2/2 2 2
                helm history one → 2
                helm get values one → tag: "2.0"
                helm test one --timeout 60s → Succeeded
                helm rollback one 1 --wait --timeout 60s → Rollback was a success
                kubectl get deployment one-web -o jsonpath={..image} → web:1.0
                helm history one → Rollback to 1
                helm upgrade --install two shop --wait --timeout 60s → two runs 1.0.
                helm list -q → two
                helm uninstall two --wait --timeout 60s → uninstalled
                helm uninstall one --wait --keep-history --timeout 60s → uninstalled
                kubectl get deployment,service,cm -l app.kubernetes.io/managed-by=Helm
                ! kubectl get deployment one-web → not found
                helm list --uninstalled → one
                "#,
            )
            .await
    });
}

#[test]
fn applies_by_the_server_and_by_the_client_and_failures_are_told() {
    on_both("helm-apply", async |clusters| {
        clusters
            .play(
                r#"
                helm install one shop --server-side=false --wait --timeout 60s → one runs 1.0.
                helm upgrade one shop --server-side=true --set greeting=again → one runs 1.0.
                kubectl get cm one-config -o jsonpath={.data.greeting} → again
                kubectl get cm one-config -o yaml --show-managed-fields → manager: helm
                helm upgrade one shop --server-side=false --set greeting=client → one runs 1.0.
                kubectl get cm one-config -o jsonpath={.data.greeting} → client
                kubectl patch cm one-config --type merge -p '{"data":{"greeting":"hand"}}'
                helm upgrade one shop --dry-run=server → one runs 1.0.
                helm template one shop --validate
                helm upgrade one shop --server-side=true --force-conflicts --set greeting=helm
                kubectl get cm one-config -o jsonpath={.data.greeting} → helm
                ! helm upgrade one shop --set migration=fail --timeout 60s → pre-upgrade hooks failed
                helm history one → failed
                ~ helm status one → STATUS: failed
                helm upgrade one shop --rollback-on-failure --timeout 60s → one runs 1.0.
                ! helm upgrade one shop --set replicas=many → replicas
                helm uninstall one --timeout 60s → uninstalled
                ! helm status one → not found
                "#,
            )
            .await
    });
}
