//! Flux as an engine of the bench: one GitRepository, and a Kustomization with prune for each folder.
//! Its source-controller and its kustomize-controller, with their defaults and the intervals that
//! its bootstrap gives; without a lease, which they take inside a cluster alone.

use holdfast_model::Value;
use serde_json::json;

use super::field::{Field, listens, manifests, object_name, path};
use super::{Ask, Peer};
use crate::bed::find_condition;
use crate::process::{Process, free_port};

/// Flux, of the versions that `testbed/peers/flux/go.mod` names.
pub(crate) struct Flux;

const SYSTEM: &str = "flux-system";
const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories";

impl Peer for Flux {
    const NAME: &str = "Flux 1.9.6";
    const OBJECTS: &str =
        "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations";
    const RESOURCE: &str = "kustomizations";

    async fn start(field: &Field) -> anyhow::Result<Vec<Process>> {
        field.namespace(SYSTEM).await?;
        field.apply(SYSTEM, &manifests("flux.yaml")?)?;
        for path in [SOURCES, Self::OBJECTS] {
            let served = |list: Option<&Value>| list.is_some();
            field.api.wait(path, "served", served).await?;
        }
        let artifacts = format!("127.0.0.1:{}", free_port()?);
        let storing = [
            format!("--storage-path={}", field.folder("artifacts")?.display()),
            format!("--storage-addr={artifacts}"),
            format!("--storage-adv-addr={artifacts}"),
        ];
        let sources = start_controller(field, "source-controller", &storing).await?;
        let kustomizations = start_controller(field, "kustomize-controller", &[]).await?;
        Ok(vec![kustomizations, sources])
    }

    fn source(url: &str) -> Option<(&'static str, Value)> {
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "bench", "namespace": SYSTEM},
            "spec": {"interval": "1m", "url": url, "ref": {"branch": "main"}},
        });
        Some((SOURCES, source))
    }

    fn object(index: usize, _url: &str) -> Value {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": object_name(index), "namespace": SYSTEM},
            "spec": {
                "interval": "10m",
                "prune": true,
                "path": path(index),
                "sourceRef": {"kind": "GitRepository", "name": "bench"},
            },
        })
    }

    fn settled(object: &Value) -> Option<&str> {
        // `main@sha1:` and the commit.
        let revision = object.pointer("/status/lastAppliedRevision")?.as_str()?;
        let (_, commit) = revision.rsplit_once(':')?;
        (find_condition(object, "Ready", "status") == "True").then_some(commit)
    }

    fn refresh(_index: usize) -> Option<Ask> {
        Some(ask(
            "gitrepositories",
            format!("{SOURCES}/bench"),
            "a commit",
        ))
    }

    fn reconcile(index: usize) -> Option<Ask> {
        let path = format!("{}/{}", Self::OBJECTS, object_name(index));
        Some(ask(Self::RESOURCE, path, "drift"))
    }
}

/// What `flux reconcile` does: any text that is another than before.
fn ask(resource: &'static str, path: String, word: &str) -> Ask {
    let annotations = json!({"reconcile.fluxcd.io/requestedAt": word});
    Ask {
        path,
        resource,
        patch: json!({"metadata": {"annotations": annotations}}),
    }
}

async fn start_controller(
    field: &Field,
    name: &str,
    arguments: &[String],
) -> anyhow::Result<Process> {
    let health_port = free_port()?;
    let mut all = vec![
        "--watch-all-namespaces".to_owned(),
        "--log-level=error".to_owned(),
        format!("--metrics-addr=127.0.0.1:{}", free_port()?),
        format!("--health-addr=127.0.0.1:{health_port}"),
    ];
    all.extend_from_slice(arguments);
    let variables = [
        ("KUBECONFIG", field.cluster.kubeconfig.display().to_string()),
        ("RUNTIME_NAMESPACE", SYSTEM.to_owned()),
        ("TMPDIR", field.folder("temporary")?.display().to_string()),
    ];
    let mut process = field.run(name, name, &all, &variables)?;
    listens(&mut process, health_port).await?;
    Ok(process)
}
