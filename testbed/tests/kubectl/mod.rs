//! The real kubectl on the embedded cluster, over TLS and by its kubeconfig, and beside it on a real
//! kube-apiserver: what it prints has to be the same.

use std::fs;

use anyhow::Context as _;
use holdfast_testbed::beside::{Beside, Run, Said};

use crate::pair::Pair;

mod access;
mod change;
mod look;
mod workloads;

/// A pair of clusters and kubectl on both, in a namespace of its own.
struct Clusters {
    kubectl: Beside,
    _pair: Pair,
}

/// Runs a test with kubectl on both clusters; it is left out, loudly, where kubectl and the real
/// cluster are not built.
fn on_both<T>(namespace: &'static str, test: T)
where
    T: AsyncFnOnce(&mut Clusters) -> anyhow::Result<()>,
{
    crate::block_on(async {
        let Some(real) = crate::real_bed().await? else {
            return Ok(());
        };
        let (pair, kubectl) = Pair::start(real, namespace).await?;
        let mut clusters = Clusters {
            kubectl,
            _pair: pair,
        };
        let tested = test(&mut clusters).await;
        let compared = clusters.kubectl.finish();
        tested?;
        compared
    });
}

impl Clusters {
    /// Puts a file where kubectl works.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.kubectl.ours.folder().join(name), text)?;
        if let Some(real) = &self.kubectl.real {
            fs::write(real.folder().join(name), text)?;
        }
        Ok(())
    }

    /// Plays a script, a run of kubectl a line: a mark, the words, and what it has to say.
    ///
    /// ```text
    /// = get cm a → a 1      it goes well on both clusters, and both print the same
    /// ~ get cm a → a 1      it goes well on both; what else they print is theirs
    /// ! get cm b → not found    it is refused on both, in the same words
    /// ? get cm b → not found    it is refused on both; the real one has other words
    /// ```
    async fn play(&mut self, script: &str) -> anyhow::Result<()> {
        let lines = script.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.step(line)
                .await
                .with_context(|| format!("step `{line}`"))?;
        }
        Ok(())
    }

    async fn step(&mut self, line: &str) -> anyhow::Result<String> {
        let (mark, rest) = line.split_once(' ').context("a step has a mark")?;
        let (words, expected) = rest.split_once(" → ").unwrap_or((rest, ""));
        let expected = expected.replace("\\n", "\n");
        let said = match mark {
            "=" | "!" => self.kubectl.same(words).await?,
            "~" | "?" => self.kubectl.alike(words).await?,
            _ => anyhow::bail!("a mark is one of = ~ ! ?"),
        };
        let (code, text) = match mark {
            "=" | "~" => (0, &said.out),
            _ => (1, &said.err),
        };
        let fits = said.code == Some(code) && text.contains(&expected);
        anyhow::ensure!(fits, "kubectl said {said:?}");
        Ok(said.out)
    }

    /// Runs on both, which has to go well and print the same; what it printed.
    async fn good(&mut self, line: &str) -> anyhow::Result<String> {
        self.step(&format!("= {line}")).await
    }

    /// Runs on both, which has to go well, print the same and contain some words.
    async fn says(&mut self, line: &str, words: &str) -> anyhow::Result<()> {
        self.play(&format!("= {line} → {words}")).await
    }

    /// Runs on the embedded cluster only.
    async fn here(&mut self, line: &str) -> anyhow::Result<Said> {
        self.kubectl.ours.run(&Run::of(line)).await
    }
}

/// A Deployment of so many pods.
fn deployment(name: &str, image: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\n\
         spec:\n  replicas: {replicas}\n  selector:\n    matchLabels: {{app: {name}}}\n  template:\n    \
         metadata:\n      labels: {{app: {name}}}\n    spec:\n      containers:\n      - name: {name}\n        \
         image: {image}\n        ports:\n        - containerPort: 8080\n"
    )
}

const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.kubectl.example.org}
spec:
  group: kubectl.example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd], categories: [toys]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.count, statusReplicasPath: .status.count}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size, description: How large it is.}
    - {name: Maker, type: string, jsonPath: .spec.maker, priority: 1}
    schema:
      openAPIV3Schema:
        description: A widget is a thing.
        type: object
        properties:
          spec:
            description: What is wanted.
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How large it is.}
              count: {type: integer}
              maker: {type: string, default: nobody}
              colour: {type: string, enum: [red, green]}
          status:
            type: object
            properties:
              count: {type: integer}
              phase: {type: string}
              conditions:
                type: array
                items:
                  type: object
                  properties: {type: {type: string}, status: {type: string}}
"#;
