//! A pair of clusters for the real client programs: the embedded one as people run it, `holdfast
//! cluster up` in a process of its own, over TLS and by its kubeconfig; and beside it a real one.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::Bed;
use holdfast_testbed::beside::{Beside, Program};
use holdfast_testbed::cluster::programs;
use holdfast_testbed::process::Victim;

/// Both clusters, and a namespace of the same name on each.
pub(crate) struct Pair {
    namespace: &'static str,
    /// The kubeconfig of the embedded cluster, and that of the real one.
    kubeconfigs: [PathBuf; 2],
    /// It ends when this is dropped.
    _embedded: Victim,
    _data: tempfile::TempDir,
    _real: Arc<Bed>,
}

impl Pair {
    /// Starts the embedded cluster beside a real one; with kubectl, which has made the namespace.
    pub(crate) async fn start(
        real: Arc<Bed>,
        namespace: &'static str,
    ) -> anyhow::Result<(Self, Beside)> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(["cluster", "up", "--data"]).arg(data.path());
        let embedded = Victim::start(command.stdout(Stdio::null()))?;
        let ours = data.path().join("kubeconfig");
        Api::connect(&ours, "/api/v1/namespaces/default").await?;
        let theirs = real.real.as_ref().context("it is a real one")?;
        let pair = Self {
            namespace,
            kubeconfigs: [ours, theirs.kubeconfig.clone()],
            _embedded: embedded,
            _data: data,
            _real: real,
        };
        let mut kubectl = pair.program("kubectl")?;
        kubectl
            .same(format!("create namespace {namespace}").as_str())
            .await?;
        Ok((pair, kubectl))
    }

    /// A program on both clusters, in the namespace.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<Beside> {
        let path = programs().join(name);
        let on = |kubeconfig| Program::new(&path, kubeconfig, &["--namespace", self.namespace]);
        let [ours, theirs] = &self.kubeconfigs;
        Ok(Beside::new(on(ours)?, Some(on(theirs)?)))
    }
}
