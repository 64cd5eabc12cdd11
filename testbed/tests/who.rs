//! Who asks for what is written down, shown, and may be allowed one thing without another.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::shop::{STACKS, Shop};

#[test]
fn who_asks_and_why_is_in_the_history_and_in_events() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        shop.stack(json!({"sync": {"automatic": false}})).await?;
        shop.ends(&["wait", "s"], 3, "holdfast sync s")?;
        shop.says(&["sync", "s", "--reason", "the first one"], &["in place"])?;
        shop.says(&["history", "s"], &["asked for by", "(the first one)"])?;
        let b = shop.put("B")?;
        shop.ends(&["wait", "s"], 3, &b[..12])?;
        let stack = shop.api.get(&format!("{STACKS}/s")).await?;
        let digest = stack
            .pointer("/status/pending/plan")
            .and_then(Value::as_str);
        let digest = digest.context("nothing waits")?;
        shop.says(
            &["approve", "s", digest, "--reason", "seen"],
            &["confirmed"],
        )?;
        shop.wait(&b, "Succeeded").await?;
        shop.says(&["history", "s"], &["approved by", "(seen)"])?;

        shop.says(&["suspend", "s", "--reason", "it moves"], &[])?;
        let is_suspended = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, "Ready", "reason") == "Suspended")
        };
        shop.api
            .wait(&format!("{STACKS}/s"), "suspended", is_suspended)
            .await?;
        shop.says(&["describe", "s"], &["suspended by", "(it moves)"])?;
        shop.says(&["resume", "s", "--reason", "it has moved"], &[])?;
        shop.wait(&b, "Succeeded").await?;
        shop.says(
            &["history", "s"],
            &["suspended by", "resumed by", "(it has moved)"],
        )?;
        shop.says(&["rollback", "s", "--to", &a[..8]], &[])?;
        shop.wait(&a, "Pinned").await?;
        // What was approved before was approved once.
        shop.says(&["resume", "s", "--reason", "B it is"], &[])?;
        shop.ends(&["wait", "s"], 3, "holdfast sync s")?;
        shop.says(&["sync", "s"], &["in place"])?;
        shop.wait(&b, "Succeeded").await?;
        shop.says(&["history", "s"], &["was taken away by", "(B it is)"])?;
        shop.says(
            &["events", "s"],
            &[
                "SyncRequested",
                "Approved",
                "Suspended",
                "Resumed",
                "(it moves)",
            ],
        )?;
        Ok(())
    });
}

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/who/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/who/rolebindings";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const POLICY_BINDINGS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

mod who_may_approve_may_not_edit_and_nobody_acts_in_the_name_of_another {
    use holdfast_testbed::bed::Bed;
    use holdfast_testbed::process::Victim;
    use std::process::{Command, Stdio};

    use holdfast_testbed::api::Api;

    /// As people run it: a process of its own, which they reach by its kubeconfig.
    #[test]
    fn on_the_embedded_cluster() {
        crate::block_on(async {
            holdfast::wiring::install_crypto();
            let data = tempfile::tempdir()?;
            let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
            command.args(["cluster", "up", "--data"]).arg(data.path());
            let _cluster = Victim::start(command.stdout(Stdio::null()))?;
            let kubeconfig = data.path().join("kubeconfig");
            let api = Api::connect(&kubeconfig, "/api/v1/namespaces/default").await?;
            let bed = Bed::on(api.client).await?;
            super::two_people(&bed, &kubeconfig).await?;
            bed.audit().await
        });
    }

    #[test]
    fn on_a_real_kube_apiserver() {
        crate::on_real(|bed| async move {
            let real = bed.real.clone();
            let real = anyhow::Context::context(real, "it is the real cluster")?;
            super::two_people(&bed, &real.kubeconfig).await
        });
    }
}

async fn two_people(bed: &Bed, kubeconfig: &Path) -> anyhow::Result<()> {
    let stage = Stage::new(bed, "who").await?;
    install_policy(&stage.api).await?;
    let folder = tempfile::tempdir()?;
    let alice = person(&stage.api, "alice", &["approve"], kubeconfig, folder.path()).await?;
    let bob = ["suspend", "resume"];
    let bob = person(&stage.api, "bob", &bob, kubeconfig, folder.path()).await?;

    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.commit("one")?;
    stage
        .stack("s", json!({"sync": {"automatic": false}}))
        .await?;
    let pending = |stack: Option<&Value>| {
        stack.is_some_and(|stack| stack.pointer("/status/pending/plan").is_some())
    };
    let stack = stage
        .api
        .wait(&stage.stack_path("s"), "waiting", pending)
        .await?;
    let digest = stack
        .pointer("/status/pending/plan")
        .and_then(Value::as_str);
    let digest = digest.context("nothing waits")?;

    refuses_what_alice_may_not(&stage, &alice, digest).await?;
    let absent = stage.api.get(&stage.config_path("a")).await;
    anyhow::ensure!(absent.is_err(), "it was applied");

    ran(&alice, &["approve", "s", digest, "--reason", "seen"]).await?;
    stage.wait_config("a", "one").await?;
    let told = |words: &'static str| {
        move |stack: Option<&Value>| {
            let history = stack.and_then(|stack| stack.pointer("/status/history"));
            history.is_some_and(|history| history.to_string().contains(words))
        }
    };
    let s = stage.stack_path("s");
    stage
        .api
        .wait(&s, "signed", told("approved by alice (seen)"))
        .await?;
    ran(&bob, &["suspend", "s"]).await?;
    stage
        .api
        .wait(&s, "suspended", told("suspended by bob"))
        .await?;
    refused(&bob, &["approve", "s", digest], "").await?;
    ran(&bob, &["resume", "s"]).await?;
    stage
        .api
        .wait(&s, "resumed", told("resumed by bob"))
        .await?;
    the_page_writes_names_down(&stage, kubeconfig, folder.path()).await
}

/// An engine whose page people sign in to writes their names down, and may do no more than before.
async fn the_page_writes_names_down(
    stage: &Stage,
    kubeconfig: &Path,
    folder: &Path,
) -> anyhow::Result<()> {
    let s = stage.stack_path("s");
    let pages = person(&stage.api, "pages", &["suspend"], kubeconfig, folder).await?;
    let pages = Api::connect(&pages, &s).await?;
    let by_carol = json!({"spec": {"suspend": true}, "metadata": {"annotations": {
        "holdfast.dev/suspend-by": "carol", "holdfast.dev/suspend-note": "suspend 2026-01-01T00:00:00Z"}}});
    pages.merge(&s, "kubectl", &by_carol).await?;
    let by_dora = json!({"metadata": {"annotations": {"holdfast.dev/approve-by": "dora"}}});
    let refused = pages.merge(&s, "kubectl", &by_dora).await;
    anyhow::ensure!(refused.is_err(), "it may not approve");
    Ok(())
}

/// What the verb does not allow is refused, also by hand, and nobody is somebody else.
async fn refuses_what_alice_may_not(
    stage: &Stage,
    alice: &Path,
    digest: &str,
) -> anyhow::Result<()> {
    refused(alice, &["suspend", "s"], "each its own annotations").await?;
    refused(
        alice,
        &["sync", "s", "--no-wait"],
        "each its own annotations",
    )
    .await?;
    let as_alice = Api::connect(alice, &stage.stack_path("s")).await?;
    for (patch, words) in [
        (json!({"spec": {"suspend": true}}), "spec.suspend"),
        (
            json!({"spec": {"source": {"path": "elsewhere"}}}),
            "their spec",
        ),
        (json!({"metadata": {"labels": {"a": "b"}}}), "labels"),
        (
            json!({"metadata": {"annotations": {"holdfast.dev/approve-by": "bob"}}}),
            "you are alice",
        ),
        (
            json!({"metadata": {"annotations": {"holdfast.dev/approve": digest}}}),
            "names who asks for it",
        ),
        (
            json!({"metadata": {"annotations": {"other": "x"}}}),
            "each its own annotations",
        ),
    ] {
        let answer = as_alice
            .merge(&stage.stack_path("s"), "kubectl", &patch)
            .await;
        let error = answer.err().with_context(|| format!("{patch} was taken"))?;
        assert!(format!("{error:#}").contains(words), "{patch}: {error:#}");
    }
    Ok(())
}

/// Installs the policy that we ship, for the namespace of this scenario alone.
async fn install_policy(api: &Api) -> anyhow::Result<()> {
    let text = include_str!("../../deploy/who.yaml");
    let text = text.replace("system:serviceaccount:holdfast-system:holdfast", "pages");
    let limits = holdfast_yaml::Limits::default();
    for (_, mut object) in holdfast_yaml::read_values(&text, &limits)? {
        let path = match object["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => POLICIES,
            Some("ValidatingAdmissionPolicyBinding") => {
                let labels = json!({"matchLabels": {"kubernetes.io/metadata.name": "who"}});
                object["spec"]["matchResources"] = json!({"namespaceSelector": labels});
                POLICY_BINDINGS
            }
            _ => continue,
        };
        api.create(path, &object).await?;
    }
    // It counts a moment later: whoever is named is whoever writes.
    let probe = json!({
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "Stack",
        "metadata": {"name": "probe", "annotations": {"holdfast.dev/sync-by": "nobody"}},
        "spec": {"source": {"git": "https://git.example/none.git"}, "suspend": true},
    });
    let stacks = "/apis/holdfast.dev/v1alpha1/namespaces/who/stacks?dryRun=All";
    let begun = Instant::now();
    loop {
        match api.create(stacks, &probe).await {
            Err(error) if format!("{error:#}").contains("name who asks") => return Ok(()),
            answer => {
                let is_late = begun.elapsed() > Duration::from_secs(60);
                anyhow::ensure!(!is_late, "the policy does not count: {answer:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A person with some verbs beside those of looking and patching; their kubeconfig.
async fn person(
    api: &Api,
    name: &str,
    verbs: &[&str],
    kubeconfig: &Path,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let all: Vec<&str> = ["get", "list", "watch", "patch"]
        .iter()
        .chain(verbs)
        .copied()
        .collect();
    let rules = json!([{"apiGroups": ["holdfast.dev"], "resources": ["stacks"], "verbs": all}]);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": rules,
    });
    api.create(ROLES, &role).await?;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
    });
    api.create(BINDINGS, &binding).await?;
    let limits = holdfast_yaml::Limits::default();
    let text = std::fs::read_to_string(kubeconfig)?;
    let mut documents = holdfast_yaml::read_values(&text, &limits)?;
    let (_, config) = documents.first_mut().context("the kubeconfig is empty")?;
    config["users"][0]["user"]["as"] = name.into();
    let path = folder.join(name);
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// Runs a command in the name of somebody.
async fn run(kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<(String, Option<i32>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["-n", "who"]).args(arguments);
    command.env("KUBECONFIG", kubeconfig);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        String::from_utf8_lossy(&said).into_owned(),
        output.status.code(),
    ))
}

async fn ran(kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let (said, code) = run(kubeconfig, arguments).await?;
    anyhow::ensure!(code == Some(0), "{arguments:?} ends with {code:?}: {said}");
    Ok(())
}

async fn refused(kubeconfig: &Path, arguments: &[&str], words: &str) -> anyhow::Result<()> {
    let (said, code) = run(kubeconfig, arguments).await?;
    let is_refused = code != Some(0) && said.contains(words);
    anyhow::ensure!(is_refused, "{arguments:?} ends with {code:?}: {said}");
    Ok(())
}
