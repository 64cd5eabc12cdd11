//! Argo CD as an engine of the bench: an Application for each folder, synced, pruned and healed by
//! itself. Its application controller, its repo-server and the redis between them, with their
//! defaults; neither its API server nor its pages.

use std::path::Path;

use anyhow::Context as _;
use holdfast_model::Value;
use serde_json::json;

use super::field::{Field, listens, manifests, object_name, path};
use super::{Ask, NAMESPACE, Peer};
use crate::api::Api;
use crate::process::{Process, free_port};

/// Argo CD, of the version that `testbed/peers/argocd/go.mod` names.
pub(crate) struct ArgoCd;

impl Peer for ArgoCd {
    const NAME: &str = "Argo CD 3.2.11";
    const OBJECTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications";
    const RESOURCE: &str = "applications";

    async fn start(field: &Field) -> anyhow::Result<Vec<Process>> {
        field.namespace("argocd").await?;
        field.apply("argocd", &manifests("argocd.yaml")?)?;
        make_what_its_server_makes(&field.api).await?;
        let folder = field.folder("argocd")?;
        let variables = variables(&folder, &field.cluster.kubeconfig)?;
        let (redis_port, repository_port) = (free_port()?, free_port()?);
        let redis = start_redis(field, &folder, redis_port).await?;
        let serving = [
            "argocd-repo-server".to_owned(),
            "--address=127.0.0.1".to_owned(),
            format!("--port={repository_port}"),
            "--metrics-address=127.0.0.1".to_owned(),
            format!("--metrics-port={}", free_port()?),
            format!("--redis=127.0.0.1:{redis_port}"),
            "--loglevel=warn".to_owned(),
        ];
        let mut server = field.run("argocd-repo-server", "argocd", &serving, &variables)?;
        listens(&mut server, repository_port).await?;
        let metrics_port = free_port()?;
        let controlling = [
            "argocd-application-controller".to_owned(),
            format!("--kubeconfig={}", field.cluster.kubeconfig.display()),
            "--namespace=argocd".to_owned(),
            format!("--repo-server=127.0.0.1:{repository_port}"),
            format!("--redis=127.0.0.1:{redis_port}"),
            format!("--metrics-port={metrics_port}"),
            "--loglevel=warn".to_owned(),
        ];
        let name = "argocd-application-controller";
        let mut controller = field.run(name, "argocd", &controlling, &variables)?;
        listens(&mut controller, metrics_port).await?;
        Ok(vec![controller, server, redis])
    }

    fn object(index: usize, url: &str) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": object_name(index), "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": url, "path": path(index), "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
            },
        })
    }

    fn settled(object: &Value) -> Option<&str> {
        let sync = object.pointer("/status/sync")?;
        let healthy = object.pointer("/status/health/status") == Some(&json!("Healthy"));
        let synced = sync.get("status") == Some(&json!("Synced"));
        let revision = sync.get("revision")?.as_str()?;
        (healthy && synced).then_some(revision)
    }

    fn refresh(index: usize) -> Option<Ask> {
        let annotations = json!({"argocd.argoproj.io/refresh": "normal"});
        Some(Ask {
            path: format!("{}/{}", Self::OBJECTS, object_name(index)),
            resource: Self::RESOURCE,
            patch: json!({"metadata": {"annotations": annotations}}),
        })
    }
}

/// The project of Applications, and a key.
async fn make_what_its_server_makes(api: &Api) -> anyhow::Result<()> {
    let projects = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects";
    for path in [projects, ArgoCd::OBJECTS] {
        api.wait(path, "served", |list| list.is_some()).await?;
    }
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    api.create(projects, &project).await?;
    let key = json!({"stringData": {"server.secretkey": "a-key-of-the-test-bed"}});
    let secret = "/api/v1/namespaces/argocd/secrets/argocd-secret";
    api.merge(secret, "bench", &key).await?;
    Ok(())
}

async fn start_redis(field: &Field, folder: &Path, port: u16) -> anyhow::Result<Process> {
    let (port_text, folder) = (port.to_string(), folder.display().to_string());
    let arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port_text,
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        &folder,
    ];
    let arguments = arguments.map(str::to_owned);
    let mut redis = field.run("redis-server", "redis-server", &arguments, &[])?;
    listens(&mut redis, port).await.context(
        "Argo CD needs the program redis-server; on Debian `apt-get install redis-server` brings it",
    )?;
    Ok(redis)
}

/// Where its processes find the cluster and put their files.
fn variables(folder: &Path, kubeconfig: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut variables = vec![
        ("KUBECONFIG", kubeconfig.display().to_string()),
        // The cluster of the kubeconfig is the one that Applications call their own.
        ("ARGOCD_FAKE_IN_CLUSTER", "true".to_owned()),
        ("ARGOCD_GPG_ENABLED", "false".to_owned()),
    ];
    for (name, place) in [
        ("ARGOCD_GNUPGHOME", "gpg"),
        ("ARGOCD_TLS_DATA_PATH", "tls"),
        ("ARGOCD_SSH_DATA_PATH", "ssh"),
        ("ARGOCD_PLUGINSOCKFILEPATH", "plugins"),
        ("TMPDIR", "temporary"),
    ] {
        let place = folder.join(place);
        std::fs::create_dir_all(&place)?;
        variables.push((name, place.display().to_string()));
    }
    Ok(variables)
}
