//! A Target as a person writes it: a cluster that Stacks are kept equal on. It must not know clients.

use holdfast_model::Value;
use holdfast_model::stack::{SecretReference, TargetName};

use crate::fields::{Fields, SpecProblem};

/// A cluster and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Where its kubeconfig is; `None` for the cluster of the control plane itself.
    pub kubeconfig: Option<KubeconfigReference>,
}

/// A kubeconfig in a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigReference {
    /// The Secret.
    pub secret: SecretReference,
    /// The key of its data; `kubeconfig` unless said otherwise.
    pub key: String,
}

/// Reads a Target object.
pub fn read(object: &Value) -> (Target, Vec<SpecProblem>) {
    let mut problems = Vec::new();
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let spec_value = object.get("spec").unwrap_or(&Value::Null);
    let spec = Fields::of(spec_value, "spec", &["kubernetes"], &mut problems);
    let kubernetes = spec.below("kubernetes", &["kubeconfig"], &mut problems);
    let known = ["namespace", "name", "key"];
    let secret = kubernetes.below("kubeconfig", &known, &mut problems);
    let kubeconfig = kubernetes.get("kubeconfig").map(|_| KubeconfigReference {
        secret: SecretReference {
            namespace: secret.required_text("namespace", &mut problems),
            name: secret.required_text("name", &mut problems),
        },
        key: secret
            .text("key", &mut problems)
            .unwrap_or_else(|| "kubeconfig".to_owned()),
    });
    let target = Target {
        name: TargetName(name.to_owned()),
        kubeconfig,
    };
    (target, problems)
}
