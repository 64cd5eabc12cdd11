//! What a Stack says of secrets that are sealed in Git, read into the model, and its schema. It must not
//! know how anything is opened.

use holdfast_model::Value;
use holdfast_model::stack::{
    PlainSecrets, SealedFiles, SealedObjects, SecretReference, SecretsChoice, StackKey,
};
use serde_json::json;

use super::crds::{mapping, text, truth, with};
use super::vault::{read_vault, vault_schema};
use crate::fields::{Fields, SpecProblem};

/// How many Secrets with keys a Stack may name.
const KEYS: usize = 16;

/// Reads `spec.secrets`.
pub(crate) fn read_secrets(
    spec: &Fields,
    key: &StackKey,
    problems: &mut Vec<SpecProblem>,
) -> SecretsChoice {
    let secrets = spec.below(
        "secrets",
        &["keys", "sops", "sealed", "plain", "restart", "vault"],
        problems,
    );
    let mut keys = Vec::new();
    for (path, item) in secrets.list("keys", problems) {
        let fields = Fields::of(item, &path, &["name"], problems);
        keys.push(SecretReference {
            namespace: key.namespace.clone(),
            name: fields.required_text("name", problems),
        });
    }
    if keys.len() > KEYS {
        secrets.refuse("keys", &format!("takes at most {KEYS}"), problems);
    }
    let files = [("open", SealedFiles::Open), ("leave", SealedFiles::Leave)];
    let objects = [
        ("open", SealedObjects::Open),
        ("leave", SealedObjects::Leave),
    ];
    let plain = [
        ("warn", PlainSecrets::Warn),
        ("refuse", PlainSecrets::Refuse),
    ];
    SecretsChoice {
        keys,
        sops: secrets.choice("sops", &files, SealedFiles::Open, problems),
        sealed: secrets.choice("sealed", &objects, SealedObjects::Leave, problems),
        plain: secrets.choice("plain", &plain, PlainSecrets::Warn, problems),
        restart: secrets.truth("restart", false, problems),
        vault: read_vault(&secrets, key, problems),
    }
}

/// The schema of `spec.secrets`.
pub(super) fn secrets_schema() -> Value {
    let key = with(
        mapping(
            "A Secret of the Stack's own namespace.",
            json!({"name": text("The Secret's name.")}),
        ),
        json!({"required": ["name"]}),
    );
    let word = |description: &str, words: [&str; 2], default: &str| {
        with(
            text(description),
            json!({"enum": words, "default": default}),
        )
    };
    const OPENED: [&str; 2] = ["open", "leave"];
    mapping(
        "What is done about secrets that are sealed in Git, and about workloads that use Secrets.",
        json!({
            "keys": {"type": "array", "maxItems": KEYS, "items": key,
                "description": "Secrets with the keys that open what is sealed: files of age's private keys, private keys of SSH, and RSA keys of the Sealed Secrets controller, under any name."},
            "sops": word("Files that SOPS has sealed: open, when they are read; leave, for something on the target that opens them.", OPENED, "open"),
            "sealed": word("SealedSecrets: leave, they are applied for their controller; open, the Secrets that are sealed in them are applied instead.", OPENED, "leave"),
            "plain": word("Secrets that are not sealed in Git: warn, they are applied, and holdfast plan says so; refuse, nothing of the Stack is applied. Those of charts are not judged.", ["warn", "refuse"], "warn"),
            "restart": truth("Whether workloads restart when a Secret or ConfigMap of this Stack that they use has changed.", json!(false)),
            "vault": vault_schema(),
        }),
    )
}
