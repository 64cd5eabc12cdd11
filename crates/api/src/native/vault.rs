//! What a Stack says of Vault, read into the model, and its schema. It must not know how anything is read
//! there.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::stack::{SecretReference, StackKey};
use holdfast_model::vault::{VaultAuth, VaultChoice, VaultProof};
use serde_json::json;

use super::crds::{mapping, text, with};
use crate::fields::{Fields, SpecProblem};

/// How often Vault is asked for newer versions unless something else is said.
const INTERVAL: Duration = Duration::from_secs(300);
/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// The ways to log in.
const KINDS: [&str; 4] = ["kubernetes", "jwt", "appRole", "token"];

/// Reads `spec.secrets.vault`.
pub(super) fn read_vault(
    secrets: &Fields,
    key: &StackKey,
    problems: &mut Vec<SpecProblem>,
) -> Option<Arc<VaultChoice>> {
    secrets.get("vault")?;
    let known = ["address", "namespace", "ca", "interval", "auth"];
    let vault = secrets.below("vault", &known, problems);
    let interval = vault.duration("interval", INTERVAL, problems);
    if interval < SHORTEST {
        vault.refuse("interval", "takes 1s or more", problems);
    }
    let address = vault.required_text("address", problems);
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    if !address.is_empty() && !is_web {
        vault.refuse("address", "takes https://HOST:PORT", problems);
    }
    Some(Arc::new(VaultChoice {
        address,
        namespace: vault.text("namespace", problems),
        ca: vault.text("ca", problems),
        interval,
        auth: read_auth(&vault, key, problems)?,
    }))
}

fn read_auth(vault: &Fields, key: &StackKey, problems: &mut Vec<SpecProblem>) -> Option<VaultAuth> {
    let auth = vault.below("auth", &KINDS, problems);
    let mut named = KINDS.into_iter().filter(|kind| auth.get(kind).is_some());
    let (Some(kind), None) = (named.next(), named.next()) else {
        vault.refuse(
            "auth",
            "takes one of kubernetes, jwt, appRole and token",
            problems,
        );
        return None;
    };
    let known: &[&str] = match kind {
        "kubernetes" | "jwt" => &["role", "serviceAccount", "audience", "secret", "mount"],
        "appRole" => &["secret", "mount"],
        _ => &["secret"],
    };
    let fields = auth.below(kind, known, problems);
    let mount = fields.text("mount", problems);
    let mount = mount.unwrap_or_else(|| kind.to_lowercase());
    let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if mount.split('/').any(is_odd) {
        fields.refuse("mount", "takes the path of a mount", problems);
    }
    let of = |name: String| SecretReference {
        namespace: key.namespace.clone(),
        name,
    };
    Some(match kind {
        "kubernetes" | "jwt" => VaultAuth::Proof {
            mount,
            role: fields.required_text("role", problems),
            proof: read_proof(&fields, key, problems),
        },
        "appRole" => VaultAuth::AppRole {
            mount,
            secret: of(fields.required_text("secret", problems)),
        },
        _ => VaultAuth::Token {
            secret: of(fields.required_text("secret", problems)),
        },
    })
}

fn read_proof(fields: &Fields, key: &StackKey, problems: &mut Vec<SpecProblem>) -> VaultProof {
    let account = fields.text("serviceAccount", problems);
    let audience = fields.text("audience", problems);
    let namespace = key.namespace.clone();
    match fields.text("secret", problems) {
        None => VaultProof::Account {
            namespace,
            name: account.unwrap_or_else(|| "default".to_owned()),
            audience,
        },
        Some(name) => {
            if account.is_some() || audience.is_some() {
                let message = "takes the place of serviceAccount and audience; leave those out";
                fields.refuse("secret", message, problems);
            }
            VaultProof::Secret(SecretReference { namespace, name })
        }
    }
}

/// The schema of `spec.secrets.vault`.
pub(super) fn vault_schema() -> Value {
    let proof = |what: &str, mount: &str| {
        with(
            mapping(
                what,
                json!({
                    "role": text("The role in Vault."),
                    "serviceAccount": text("The ServiceAccount of the Stack's own namespace that a token is requested for; default when left out."),
                    "audience": text("For whom the token counts; what the API server takes for granted when left out."),
                    "secret": text("A Secret of the Stack's own namespace that has a token as `token` or `jwt`, where none is to be requested."),
                    "mount": text(mount),
                }),
            ),
            json!({"required": ["role"]}),
        )
    };
    let secret =
        |what: &str, fields: Value| with(mapping(what, fields), json!({"required": ["secret"]}));
    let auth = mapping(
        "How to log in; exactly one way.",
        json!({
            "kubernetes": proof("By a token of a ServiceAccount, which Vault has the cluster review.", "Where the auth method is mounted; kubernetes when left out."),
            "jwt": proof("By a token of a ServiceAccount or of somebody else, which Vault checks itself.", "Where the auth method is mounted; jwt when left out."),
            "appRole": secret("By an AppRole.", json!({
                "secret": text("A Secret of the Stack's own namespace with `roleId` and `secretId`."),
                "mount": text("Where the auth method is mounted; approle when left out."),
            })),
            "token": secret("By a token of Vault.", json!({
                "secret": text("A Secret of the Stack's own namespace with `token`."),
            })),
        }),
    );
    with(
        mapping(
            "Vault or OpenBao, where values lie that are only named in Git. References are followed where this is said.",
            json!({
                "address": text("Its address, such as https://vault.example:8200."),
                "namespace": text("The namespace there; the root when left out."),
                "ca": with(text("Certificates in PEM of the authorities that count for it; those of the engine's machine when left out."), json!({"maxLength": 65536})),
                "interval": text("How often it is asked for newer versions; 5m when left out."),
                "auth": auth,
            }),
        ),
        json!({"required": ["address", "auth"]}),
    )
}
