//! What is sealed in Git is opened on its way to the target, and seen nowhere else.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_model::secret::DigestKey;
use holdfast_model::{Value, base64};
use holdfast_secrets::sealed::{Certificate, seal as seal_object};
use holdfast_secrets::sops::{Format, Plan, Rule, edit, seal};
use holdfast_secrets::{Keys, Recipient};
use holdfast_testbed::bed::{Bed, Stage, find_condition};
use serde_json::json;

use crate::scenario;
use crate::shop::{STACKS, Shop};

const NOW: &str = "2030-01-02T03:04:05Z";

/// A file of the keys that are for tests only.
fn key_file(name: &str) -> anyhow::Result<String> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/secrets/tests/fixtures/keys");
    Ok(std::fs::read_to_string(folder.join(name))?)
}

/// Seals a file for one of the keys.
fn sealed_for(key: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let file = key_file(key)?;
    let at = file.find("age1").context("the key names its recipient")?;
    let recipient = file[at..].split_whitespace().next().unwrap_or_default();
    let plan = Plan {
        groups: vec![vec![Recipient::parse(recipient)?]],
        threshold: 0,
        rule: match text.contains("kind: Secret") {
            true => Rule::of_secrets(),
            false => Rule::common(),
        },
        mac_only_encrypted: false,
    };
    let sealed = seal(text.as_bytes(), Format::of_name(name), &plan, NOW)?;
    Ok(String::from_utf8(sealed)?)
}

/// Seals a file for the key that the Stacks of these tests have.
pub(crate) fn sealed(name: &str, text: &str) -> anyhow::Result<String> {
    sealed_for("one.txt", name, text)
}

pub(crate) fn secret(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {value}\n"
    )
}

/// A SealedSecret, sealed as `kubeseal` does.
pub(crate) fn sealed_secret(namespace: &str, name: &str, value: &str) -> anyhow::Result<String> {
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         stringData:\n  token: {value}\n"
    );
    let certificate = Certificate::parse(&key_file("sealing.crt")?)?;
    Ok(seal_object(&text, &certificate, None)?)
}

/// The Secret with all keys, in a namespace.
pub(crate) fn keys_object() -> anyhow::Result<Value> {
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
        "stringData": {"age.agekey": key_file("one.txt")?, "tls.key": key_file("sealing.key")?,
            "tls.crt": key_file("sealing.crt")?},
    }))
}

/// What an entry of a Secret is, in clear.
fn entry(secret: &Value, name: &str) -> Option<String> {
    let encoded = secret.pointer("/data")?.get(name)?.as_str()?;
    String::from_utf8(base64::decode(encoded)?).ok()
}

const GENERATES: &str = "secretGenerator:\n- name: generated\n  envs: [secret.env]\n  \
                         options: {disableNameSuffixHash: true}\nresources: [db.yaml, token.yaml, web.yaml]\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
    containers:\n      - {name: web, image: \"web:1\", envFrom: [{secretRef: {name: db}}]}\n";

/// Commits a Stack with a file of SOPS, a generator that reads one, and a SealedSecret.
fn put_all_kinds(stage: &Stage, value: &str) -> anyhow::Result<String> {
    let repository = &stage.repository;
    let env = sealed("secret.env", &format!("API_KEY={value}\n"))?;
    repository.write("app/secret.env", &env)?;
    repository.write("app/db.yaml", &sealed("db.yaml", &secret("db", value))?)?;
    let token = sealed_secret(&stage.namespace, "token", value)?;
    repository.write("app/token.yaml", &token)?;
    repository.write("app/web.yaml", WEB)?;
    repository.write("app/kustomization.yaml", GENERATES)?;
    repository.commit(value)
}

/// Waits until a Secret has a value.
async fn says(stage: &Stage, name: &str, field: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{}/secrets/{name}", stage.namespace);
    let has = |secret: Option<&Value>| {
        secret.is_some_and(|secret| entry(secret, field).as_deref() == Some(value))
    };
    stage.api.wait(&path, value, has).await?;
    Ok(())
}

/// Waits until all kinds have a value.
async fn all_say(stage: &Stage, value: &str) -> anyhow::Result<()> {
    says(stage, "db", "password", value).await?;
    says(stage, "generated", "API_KEY", value).await?;
    says(stage, "token", "token", value).await
}

scenario!(a_stack_with_all_kinds_of_sealed_secrets_is_synced_rotated_reverted_and_deleted);
async fn a_stack_with_all_kinds_of_sealed_secrets_is_synced_rotated_reverted_and_deleted(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "opened").await?;
    let namespace = stage.namespace.clone();
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    put_all_kinds(&stage, "first")?;
    let spec = json!({"secrets": {"keys": [{"name": "keys"}], "sealed": "open", "restart": true}});
    stage.stack("s", spec).await?;
    // Without its keys nothing is applied, and it says what is missing.
    let failed = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let message = find_condition(&failed, "Ready", "message");
    assert!(message.contains("spec.secrets.keys"), "{message}");
    stage.api.create(&secrets, &keys_object()?).await?;
    stage.ask("s", "keys").await?;

    all_say(&stage, "first").await?;
    let head = stage.repository.git(&["rev-parse", "HEAD"])?;
    stage.wait_ready("s", head.trim()).await?;
    let web = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    let content = "/spec/template/metadata/annotations/holdfast.dev~1content";
    let digest = |web: &Value| web.pointer(content).cloned();
    let first = digest(&stage.api.get(&web).await?);
    assert!(first.is_some());

    // Rotation: what uses a Secret restarts, and what is the same comes back.
    let rotated = put_all_kinds(&stage, "second")?;
    all_say(&stage, "second").await?;
    stage.wait_ready("s", &rotated).await?;
    let second = digest(&stage.api.get(&web).await?);
    assert_ne!(first, second);

    // Drift of a value is put back.
    let by_hand = json!({"stringData": {"password": "by hand"}});
    stage
        .api
        .merge(&format!("{secrets}/db"), "somebody", &by_hand)
        .await?;
    says(&stage, "db", "password", "second").await?;

    let reverted = put_all_kinds(&stage, "first")?;
    all_say(&stage, "first").await?;
    stage.wait_ready("s", &reverted).await?;
    assert_eq!(digest(&stage.api.get(&web).await?), first);
    // No SealedSecret is applied, so that no controller is needed.
    let whole = stage.api.get(&stage.stack_path("s")).await?.to_string();
    assert!(!whole.contains("SealedSecret"), "{whole}");

    stage.api.delete(&stage.stack_path("s")).await?;
    for name in ["db", "generated", "token"] {
        stage.wait_gone(&format!("{secrets}/{name}")).await?;
    }
    Ok(())
}

scenario!(what_does_not_open_is_refused_with_its_reason_and_holds_up_nobody_else);
async fn what_does_not_open_is_refused_with_its_reason_and_holds_up_nobody_else(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "unopened").await?;
    let namespace = stage.namespace.clone();
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    stage.api.create(&secrets, &keys_object()?).await?;
    let repository = &stage.repository;
    let whole = sealed("db.yaml", &secret("db", "open-sesame"))?;
    let touched = whole.replace("name: db", "name: other");
    let cut = whole.replacen("ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA", 1);
    let elsewhere = sealed_secret("elsewhere", "token", "open-sesame")?;
    let elsewhere = elsewhere.replace("namespace: elsewhere", &format!("namespace: {namespace}"));
    let stranger = sealed_for("stranger.txt", "db.yaml", &secret("db", "open-sesame"))?;
    let cases = [
        ("touched", touched, "message authentication code"),
        ("cut", cut, "was changed or moved"),
        ("elsewhere", elsewhere, "another name, namespace or scope"),
        ("stranger", stranger, "keys at hand opens it"),
    ];
    for (name, text, _) in &cases {
        repository.write(&format!("{name}/db.yaml"), text)?;
    }
    repository.write(
        "fine/db.yaml",
        &sealed("db.yaml", &secret("fine", "open-sesame"))?,
    )?;
    let commit = repository.commit("some that open and some that do not")?;
    let spec = |path: &str| {
        json!({"source": {"git": repository.url(), "path": path, "interval": "1s"},
            "secrets": {"keys": [{"name": "keys"}], "sealed": "open"}})
    };
    stage.stack("fine", spec("fine")).await?;
    for (name, ..) in &cases {
        stage.stack(name, spec(name)).await?;
    }
    stage.wait_ready("fine", &commit).await?;
    for (name, _, why) in &cases {
        let failed = stage.wait_reason(name, "Ready", "RenderFailed").await?;
        let message = find_condition(&failed, "Ready", "message");
        assert!(message.contains(why), "{name}: {message}");
        assert!(message.contains("db.yaml"), "{name}: {message}");
        assert!(!failed.to_string().contains("open-sesame"), "{failed}");
    }
    let all = stage.api.get(&secrets).await?.to_string();
    assert_eq!(all.matches("\"name\":\"fine\"").count(), 1, "{all}");
    assert!(!all.contains("\"name\":\"db\"") && !all.contains("\"name\":\"other\""));

    // The key that was missing is taken up by itself.
    let more = json!({"stringData": {"stranger.agekey": key_file("stranger.txt")?}});
    stage
        .api
        .merge(&format!("{secrets}/keys"), "somebody", &more)
        .await?;
    stage.wait_ready("stranger", &commit).await?;
    Ok(())
}

/// Editing a sealed file changes only what changed, and that alone is applied.
#[test]
fn an_edit_of_one_value_changes_one_object() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let secrets = "/api/v1/namespaces/default/secrets";
        shop.api.create(secrets, &keys_object()?).await?;
        let both = format!("{}---\n{}", secret("a", "one"), secret("b", "two"));
        let before = sealed("both.yaml", &both)?;
        shop.repository.write("both.yaml", &before)?;
        let first = shop.repository.commit("both")?;
        shop.stack(json!({"secrets": {"keys": [{"name": "keys"}]}}))
            .await?;
        shop.wait(&first, "Succeeded").await?;
        let version = |name: &str| {
            let path = format!("{secrets}/{name}");
            let api = shop.api.clone();
            async move {
                let secret = api.get(&path).await?;
                anyhow::Ok(secret.pointer("/metadata/resourceVersion").cloned())
            }
        };
        let (a, b) = (version("a").await?, version("b").await?);
        let mut keys = Keys::new(DigestKey::derive(&[1; 32], "test"));
        keys.add(&key_file("one.txt")?)?;
        let changed = both.replace("two", "three");
        let edited = edit(
            before.as_bytes(),
            changed.as_bytes(),
            Format::Yaml,
            &keys,
            NOW,
        )?;
        let edited = edited.context("something has changed")?;
        shop.repository
            .write("both.yaml", &String::from_utf8(edited)?)?;
        let second = shop.repository.commit("an edit")?;
        shop.wait(&second, "Succeeded").await?;
        assert_eq!(version("a").await?, a);
        assert_ne!(version("b").await?, b);
        Ok(())
    });
}

/// A Secret that is not sealed is named by a plan, and refused where that is wanted.
#[test]
fn what_is_not_sealed_is_named_and_refused_where_that_is_wanted() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let secrets = "/api/v1/namespaces/default/secrets";
        shop.api.create(secrets, &keys_object()?).await?;
        let env = sealed("secret.env", "KEY=some-value\n")?;
        shop.repository.write("secret.env", &env)?;
        // Bytes that are no text, and a file that is sealed as a whole.
        let file = sealed("app.ini", "[db]\npassword = some-value\n")?;
        shop.repository.write("app.ini", &file)?;
        let overlay = "secretGenerator:\n- {name: env, envs: [secret.env]}\n\
                       - {name: file, files: [app.ini]}\n- {name: plain, literals: [a=b]}\n";
        shop.repository.write("kustomization.yaml", overlay)?;
        let first = shop.repository.commit("one of three is not sealed")?;
        let spec = json!({"secrets": {"keys": [{"name": "keys"}]}});
        shop.stack(spec).await?;
        shop.wait(&first, "Succeeded").await?;
        let words = ["Secret/plain-", "is not sealed", "reads data.a"];
        shop.says(&["plan", "s"], &words)?;
        let (said, _) = shop.run(&["plan", "s"])?;
        assert!(!said.contains("more; seal it"), "{said}");

        let refuse = json!({"spec": {"secrets": {"plain": "refuse"}}});
        shop.api
            .merge(&format!("{STACKS}/s"), "test", &refuse)
            .await?;
        let failed = shop.wait_for_reason("s", "Ready", "RenderFailed").await?;
        let message = find_condition(&failed, "Ready", "message");
        assert!(
            message.contains("plain-") && !message.contains("file-"),
            "{message}"
        );
        let sealed_now = overlay.replace("\n- {name: plain, literals: [a=b]}", "");
        shop.repository.write("kustomization.yaml", &sealed_now)?;
        let second = shop.repository.commit("all are sealed")?;
        shop.wait(&second, "Succeeded").await?;
        Ok(())
    });
}

/// Keys that somebody's environment names and that are not there matter only where they are needed.
#[test]
fn a_folder_is_rendered_whatever_the_environment_says_of_keys() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("a.yaml", &secret("plain", "in-git"))?;
    let render = |key_file: &str, options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_engine"));
        command.arg("render").arg(folder.path()).args(options);
        let homeless = command
            .env("HOME", folder.path())
            .env_remove("SOPS_AGE_KEY");
        let output = homeless
            .env_remove("XDG_CONFIG_HOME")
            .env("SOPS_AGE_KEY_FILE", key_file)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        anyhow::Ok((
            String::from_utf8_lossy(&said).into_owned(),
            output.status.code(),
        ))
    };
    for absent in ["", "/nowhere/keys.txt"] {
        let (said, code) = render(absent, &[])?;
        assert!(code == Some(0) && said.contains("in-git"), "{said}");
    }
    write(
        "b.yaml",
        &sealed("b.yaml", &secret("sealed", "for-nobody-else"))?,
    )?;
    let (said, code) = render("/nowhere/keys.txt", &[])?;
    assert!(
        code != Some(0) && said.contains("/nowhere/keys.txt"),
        "{said}"
    );
    write("key.txt", &key_file("one.txt")?)?;
    let key = folder.path().join("key.txt").display().to_string();
    let (said, code) = render(&key, &[])?;
    assert!(code == Some(0) && said.contains("(hidden)"), "{said}");
    assert!(!said.contains("for-nobody-else"), "{said}");
    let (said, _) = render(&key, &["--show-secrets"])?;
    assert!(said.contains("for-nobody-else"), "{said}");
    Ok(())
}
