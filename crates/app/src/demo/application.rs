//! The demo's application: a shop of a web front end, a database and a job, as a base with an
//! overlay for each of two environments, and a Helm chart for a cache beside it.

use std::path::Path;

use holdfast_model::Value;
use serde_json::json;

use super::git;

/// The files of the repository.
const FILES: [(&str, &str); 12] = [
    (
        "base/kustomization.yaml",
        "resources:\n- web.yaml\n- database.yaml\nconfigMapGenerator:\n- name: web\n  literals:\n  \
         - GREETING=Hello from Git\n",
    ),
    ("base/web.yaml", WEB),
    ("base/database.yaml", DATABASE),
    ("envs/staging/namespace.yaml", STAGING_NAMESPACE),
    (
        "envs/staging/kustomization.yaml",
        "namespace: shop-staging\nresources:\n- namespace.yaml\n- role.yaml\n- ../../base\n",
    ),
    ("envs/staging/role.yaml", ROLE),
    ("envs/prod/namespace.yaml", PROD_NAMESPACE),
    (
        "envs/prod/kustomization.yaml",
        "namespace: shop-prod\nresources:\n- namespace.yaml\n- ../../base\nreplicas:\n- name: \
         web\n  count: 3\n",
    ),
    (
        "cache/Chart.yaml",
        "apiVersion: v2\nname: cache\nversion: 0.1.0\ndescription: A cache for the shop\n",
    ),
    (
        "cache/values.yaml",
        "replicas: 1\nimage: registry.example/cache:7.2\n",
    ),
    ("cache/templates/cache.yaml", CACHE),
    (
        "README.md",
        "# The shop\n\nEdit, commit, push: Holdfast does the rest.\n",
    ),
];

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: registry.example/web:1.0
        envFrom:
        - configMapRef: {name: web}
        ports:
        - containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
    targetPort: 8080
";

const DATABASE: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: database
spec:
  serviceName: database
  selector:
    matchLabels: {app: database}
  template:
    metadata:
      labels: {app: database}
    spec:
      containers:
      - name: database
        image: registry.example/database:16
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Service
metadata:
  name: database
spec:
  clusterIP: None
  selector: {app: database}
  ports:
  - port: 5432
";

const STAGING_NAMESPACE: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop-staging\n";
const PROD_NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop-prod\n";

const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: shop-viewer
rules:
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list]
";

const CACHE: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {app: {{ .Release.Name | quote }}}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name | quote }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name | quote }}}
    spec:
      containers:
      - name: cache
        image: {{ .Values.image | quote }}
"#;

/// Makes the bare repository that is served, and a working copy of it that pushes there.
pub(super) fn make(folder: &Path, checkout: &Path, url: &str) -> anyhow::Result<()> {
    let bare = folder.join("shop.git");
    if bare.exists() {
        return Ok(());
    }
    for path in [&bare, checkout] {
        std::fs::create_dir_all(path)?;
    }
    git(
        &bare,
        &["init", "--quiet", "--bare", "--initial-branch=main"],
    )?;
    git(&bare, &["config", "http.receivepack", "true"])?;
    git(checkout, &["init", "--quiet", "--initial-branch=main"])?;
    for (path, text) in FILES {
        let place = checkout.join(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(place, text)?;
    }
    git(checkout, &["add", "--all"])?;
    git(
        checkout,
        &["commit", "--quiet", "--message", "The shop opens"],
    )?;
    git(
        checkout,
        &["push", "--quiet", &bare.display().to_string(), "main"],
    )?;
    git(checkout, &["remote", "add", "origin", url])?;
    git(checkout, &["config", "branch.main.remote", "origin"])?;
    git(
        checkout,
        &["config", "branch.main.merge", "refs/heads/main"],
    )?;
    // For whoever has not told git who they are.
    git(checkout, &["config", "user.name", "You"])?;
    git(checkout, &["config", "user.email", "you@example.org"])?;
    Ok(())
}

/// The Stacks of the demo.
pub(super) fn stacks(url: &str) -> Vec<Value> {
    let stack = |name: &str, path: &str, namespace: &str, more: Value| {
        let mut spec = json!({
            "source": {"git": url, "branch": "main", "path": path, "interval": "30s"},
            "target": {"namespace": namespace},
        });
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        json!({
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Stack",
            "metadata": {"name": name},
            "spec": spec,
        })
    };
    let after = json!({"dependsOn": [{"name": "shop-prod"}]});
    vec![
        stack("shop-staging", "envs/staging", "shop-staging", json!({})),
        stack("shop-prod", "envs/prod", "shop-prod", json!({})),
        stack("cache", "cache", "shop-prod", after),
    ]
}
