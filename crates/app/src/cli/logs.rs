//! `holdfast logs`: what the pods of a Stack have written, where its target keeps that.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_model::object::Key;
use http::Request;

use super::api::Api;
use super::progress::waiting_for;
use super::tree::{Node, grow};
use super::{Global, print};

/// The most bytes of one container that are shown.
const LIMIT: u32 = 1 << 20;

/// Show what the pods of a Stack have written.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast logs shop\n  \
    holdfast logs shop --tail 10\n  \
    holdfast logs shop --previous")]
pub(crate) struct Logs {
    /// The Stack.
    name: String,
    /// The newest lines of each container.
    #[arg(long, value_name = "N", default_value_t = 20)]
    tail: u32,
    /// What the containers wrote before they were started again.
    #[arg(long)]
    previous: bool,
}

impl Logs {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let api = Api::connect(global).await?;
        let tree = grow(&api, &self.name).await?;
        let mut pods = Vec::new();
        collect(&tree.nodes, &mut pods);
        if pods.is_empty() {
            print(&format!("no pods were made for {}\n", self.name));
            return Ok(ExitCode::SUCCESS);
        }
        let client = &tree.subject.client;
        let mut failed = 0;
        for pod in &pods {
            let _waiting = waiting_for(format!("reads what {pod} has written"));
            match self.read(client, pod).await {
                Ok(text) => print(&text),
                Err(error) => {
                    failed += 1;
                    print(&format!(
                        "{pod}: its target keeps no logs of it: {error:#}\n"
                    ));
                }
            }
        }
        Ok(match failed < pods.len() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// The newest lines of all containers of a pod, each with its container's name.
    async fn read(&self, client: &kube::Client, pod: &Key) -> anyhow::Result<String> {
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}", pod.name);
        let get = |path: &str| Request::get(path).body(Vec::new()).context("a path");
        let object: holdfast_model::Value = client.request(get(&path)?).await.map_err(words)?;
        let mut out = String::new();
        for container in super::items(&object, "/spec/containers") {
            let name = super::text(container, "/name");
            let query = format!(
                "container={name}&tailLines={}&limitBytes={LIMIT}&previous={}",
                self.tail, self.previous
            );
            let text = client.request_text(get(&format!("{path}/log?{query}"))?);
            for line in text.await.map_err(words)?.lines() {
                out.push_str(&format!("[{}/{name}] {line}\n", pod.name));
            }
        }
        Ok(out)
    }
}

fn words(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{}", status.message),
        error => error.into(),
    }
}

fn collect(nodes: &[Node], pods: &mut Vec<Key>) {
    for node in nodes {
        if node.key.kind.is("", "Pod") && !pods.contains(&node.key) {
            pods.push(node.key.clone());
        }
        collect(&node.children, pods);
    }
}
