//! Which kubeconfigs of Targets are used. Whoever may write the Secret of a Target must not thereby run
//! programs beside the engine, read its files or send its requests elsewhere. It must not connect.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::config::{AuthInfo, Cluster, Kubeconfig};

/// What kubeconfigs of Targets may hold beyond addresses, certificates and tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigRules {
    allowed: BTreeSet<String>,
}

/// What can be allowed.
pub const FEATURES: [&str; 6] = [
    "exec=COMMAND",
    "auth-provider",
    "token-file",
    "certificate-files",
    "proxy-url",
    "insecure-skip-tls-verify",
];

impl KubeconfigRules {
    /// Allows what is named, such as `exec=aws` or `token-file`.
    ///
    /// # Errors
    /// When a name is not of [`FEATURES`].
    pub fn new(names: &[String]) -> anyhow::Result<Self> {
        for name in names {
            let is_command = name
                .strip_prefix("exec=")
                .is_some_and(|name| !name.is_empty());
            anyhow::ensure!(
                is_command || FEATURES[1..].contains(&name.as_str()),
                "--allow-kubeconfig {name}: there are {}",
                FEATURES.join(", ")
            );
        }
        Ok(Self {
            allowed: names.iter().cloned().collect(),
        })
    }

    /// Reads a kubeconfig that holds nothing but what is allowed.
    ///
    /// # Errors
    /// When it is none, or names what is not allowed.
    pub fn read(&self, text: &str) -> anyhow::Result<Kubeconfig> {
        // What a parser says may quote a token.
        let kubeconfig = Kubeconfig::from_yaml(text);
        let kubeconfig = kubeconfig.map_err(|_| anyhow::anyhow!("it is no kubeconfig"))?;
        let current = kubeconfig.current_context.as_deref().unwrap_or_default();
        let context = kubeconfig
            .contexts
            .iter()
            .find(|named| named.name == current)
            .and_then(|named| named.context.as_ref())
            .context("it has no current context")?;
        let cluster = kubeconfig
            .clusters
            .iter()
            .find(|named| named.name == context.cluster)
            .and_then(|named| named.cluster.as_ref());
        let user = kubeconfig
            .auth_infos
            .iter()
            .find(|named| Some(&named.name) == context.user.as_ref())
            .and_then(|named| named.auth_info.as_ref());
        let mut found = cluster.map(of_cluster).unwrap_or_default();
        found.extend(user.map(of_user).unwrap_or_default());
        let refused: Vec<&Found> = found
            .iter()
            .filter(|found| !self.allowed.contains(&found.feature))
            .collect();
        if refused.is_empty() {
            return Ok(kubeconfig);
        }
        let fields: Vec<&str> = refused.iter().map(|found| found.field).collect();
        let flags: Vec<String> = refused
            .iter()
            .map(|found| format!("--allow-kubeconfig {}", found.feature))
            .collect();
        anyhow::bail!(
            "it holds {}, which the engine does not follow for Targets; write certificates and \
             tokens into it, or start the engine with {}",
            fields.join(", "),
            flags.join(" ")
        )
    }
}

/// A field that is followed only where that is allowed.
struct Found {
    field: &'static str,
    feature: String,
}

fn found(field: &'static str, feature: &str) -> Found {
    Found {
        field,
        feature: feature.to_owned(),
    }
}

fn of_cluster(cluster: &Cluster) -> Vec<Found> {
    let mut all = Vec::new();
    if cluster.certificate_authority.is_some() {
        all.push(found("certificate-authority", "certificate-files"));
    }
    if cluster.proxy_url.is_some() {
        all.push(found("proxy-url", "proxy-url"));
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        let name = "insecure-skip-tls-verify";
        all.push(found(name, name));
    }
    all
}

fn of_user(user: &AuthInfo) -> Vec<Found> {
    let mut all = Vec::new();
    if let Some(exec) = &user.exec {
        let command = exec.command.as_deref().unwrap_or_default();
        all.push(found("exec", &format!("exec={command}")));
    }
    if user.auth_provider.is_some() {
        all.push(found("auth-provider", "auth-provider"));
    }
    if user.token_file.is_some() {
        all.push(found("tokenFile", "token-file"));
    }
    if user.client_certificate.is_some() {
        all.push(found("client-certificate", "certificate-files"));
    }
    if user.client_key.is_some() {
        all.push(found("client-key", "certificate-files"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::KubeconfigRules;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: \
             {{cluster: k, user: u}}\nclusters:\n- name: k\n  cluster: {{server: \
             'https://k.example', {cluster}}}\nusers:\n- name: u\n  user: {{{user}}}\n- name: \
             other\n  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: \
             curl}}}}\n"
        )
    }

    fn check(allowed: &[&str], text: &str, expected: Option<&str>) {
        let names: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let rules = KubeconfigRules::new(&names).expect("they can be allowed");
        let refused = rules.read(text).err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(refused, None, "{text}"),
            Some(part) => assert!(
                refused.as_ref().is_some_and(|error| error.contains(part)),
                "{refused:?} of {text}"
            ),
        }
    }

    #[test]
    fn what_runs_programs_or_reads_files_is_refused_unless_it_is_allowed_by_name() {
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [x]}";
        check(&[], &kubeconfig("", "token: abc"), None);
        check(&[], &kubeconfig("", exec), Some("it holds exec,"));
        check(&["exec=gcloud"], &kubeconfig("", exec), Some("exec=aws"));
        check(&["exec=aws"], &kubeconfig("", exec), None);
        for (cluster, user, feature) in [
            ("", "tokenFile: /run/token", "token-file"),
            (
                "",
                "client-certificate: /a, client-key: /b",
                "certificate-files",
            ),
            (
                "certificate-authority: /ca",
                "token: abc",
                "certificate-files",
            ),
            ("proxy-url: 'http://p.example'", "token: abc", "proxy-url"),
            (
                "insecure-skip-tls-verify: true",
                "token: abc",
                "insecure-skip-tls-verify",
            ),
            (
                "",
                "auth-provider: {name: gcp, config: {}}",
                "auth-provider",
            ),
        ] {
            let text = kubeconfig(cluster, user);
            check(&[], &text, Some(&format!("--allow-kubeconfig {feature}")));
            check(&[feature], &text, None);
        }
        check(
            &[],
            &kubeconfig("insecure-skip-tls-verify: false", "token: abc"),
            None,
        );
        check(
            &[],
            "users: [{name: secret-token",
            Some("it is no kubeconfig"),
        );
    }

    #[test]
    fn what_cannot_be_allowed_is_refused() {
        for name in ["exec", "exec=", "all"] {
            assert!(KubeconfigRules::new(&[name.to_owned()]).is_err(), "{name}");
        }
    }
}
