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

use crate::page::{PAGE, Page};
use crate::scenario;
use crate::shop::{STACKS, Shop};

const NOW: &str = "2030-01-02T03:04:05Z";
/// What every secret of these tests begins with.
const CANARY: &str = "kanarie-7f3a9c";

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
fn sealed(name: &str, text: &str) -> anyhow::Result<String> {
    sealed_for("one.txt", name, text)
}

fn secret(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {value}\n"
    )
}

/// A SealedSecret, sealed as `kubeseal` does.
fn sealed_secret(namespace: &str, name: &str, value: &str) -> anyhow::Result<String> {
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         stringData:\n  token: {value}\n"
    );
    let certificate = Certificate::parse(&key_file("sealing.crt")?)?;
    Ok(seal_object(&text, &certificate, None)?)
}

/// The Secret with all keys, in a namespace.
fn keys_object() -> anyhow::Result<Value> {
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

/// A text in every form in which it might be found: as it is, in hex, and within base64 wherever it begins.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![
        text.to_owned(),
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for offset in 0..3 {
        let encoded = base64::encode(format!("{}{text}", "-".repeat(offset)).as_bytes());
        let (from, length) = ([0, 2, 3][offset], encoded.trim_end_matches('=').len());
        forms.push(encoded[from..length - 2].to_owned());
    }
    forms
}

/// Where a canary was found among what was gathered.
fn sightings(name: &str, text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    for form in forms(CANARY) {
        if let Some(at) = text.find(&form) {
            let after: String = text[at..].chars().take(200).collect();
            let before: Vec<char> = text[..at].chars().rev().take(200).collect();
            let before: String = before.iter().rev().collect();
            found.push(format!("{name}: {before}>>>{after}"));
        }
    }
    found
}

#[test]
fn a_canary_is_found_in_each_form() {
    for text in [
        CANARY.to_owned(),
        base64::encode(CANARY.as_bytes()),
        base64::encode(format!("a: {CANARY}b").as_bytes()),
        base64::encode(format!("ab: {CANARY}").as_bytes()),
    ] {
        assert!(!sightings("it", text.as_bytes()).is_empty(), "{text}");
    }
    assert!(sightings("it", b"kanarie-7f3a9").is_empty());
}

const CHART: &str = "apiVersion: v2\nname: c\nversion: 0.1.0\n";
const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: of-chart}
data:
  url: "postgres://app:{{ .Values.password }}@db/shop"
  file: {{ .Values.file | quote }}
"#;
/// Refused by the server, which repeats what it refuses.
const REFUSED: &str = r#"---
apiVersion: apps/v1
kind: Deployment
metadata: {name: refused}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: "{{ .Values.password }} and more"}}
    spec: {containers: [{name: a, image: "a:1"}]}
"#;
/// Not rendered at all.
const FAILS: &str = "{{ fail (printf \"no %s\" .Values.password) }}\n";

/// Writes every way by which something sealed is read, as Stacks of their own.
fn every_way(shop: &Shop, value: &str) -> anyhow::Result<()> {
    let repository = &shop.repository;
    let value = format!("{CANARY}-{value}");
    let secret_of = |name: &str| secret(name, &value);
    let yaml = sealed("db.yaml", &secret_of("of-yaml"))?;
    repository.write("plain/db.yaml", &yaml)?;
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "of-json"},
        "stringData": {"password": value}});
    let text = serde_json::to_string_pretty(&object)?;
    repository.write("plain/db.json", &sealed("db.json", &text)?)?;
    let token = sealed_secret("default", "of-sealed", &value)?;
    repository.write("plain/token.yaml", &token)?;

    let generator = "secretGenerator:\n- name: of-env\n  envs: [secret.env]\n- name: of-file\n  \
        files: [key.bin, app.ini]\nconfigMapGenerator:\n- name: of-map\n  files: [some.json]\n\
        resources: [base.yaml]\npatches: [{path: patch.yaml}]\n\
        generatorOptions: {disableNameSuffixHash: true}\n";
    repository.write("overlay/kustomization.yaml", generator)?;
    let files = [
        ("secret.env", format!("KEY={value}\n")),
        ("key.bin", format!("bytes of {value}")),
        ("app.ini", format!("[db]\npassword = {value}\n")),
        ("some.json", format!("{{\"password\": \"{value}\"}}")),
        (
            "patch.yaml",
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: of-patch}}\ndata: {{p: \"{value}\"}}\n"
            ),
        ),
    ];
    for (name, text) in files {
        repository.write(&format!("overlay/{name}"), &sealed(name, &text)?)?;
    }
    let base = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-patch}\ndata: {p: none}\n";
    repository.write("overlay/base.yaml", base)?;

    repository.write("chart/Chart.yaml", CHART)?;
    repository.write("chart/templates/a.yaml", TEMPLATE)?;
    let values = sealed("values.yaml", &format!("password: {value}\nreplicas: 1\n"))?;
    repository.write("chart/secret-values.yaml", &values)?;
    let file = sealed("file.txt", &format!("a file with {value}"))?;
    repository.write("chart/file.txt", &file)?;
    Ok(())
}

/// What a Stack of each way says beside its source.
fn stacks() -> [(&'static str, Value); 3] {
    let secrets = json!({"keys": [{"name": "keys"}], "sealed": "open", "restart": true});
    [
        ("plain", json!({"secrets": secrets})),
        ("overlay", json!({"secrets": secrets})),
        (
            "chart",
            json!({"secrets": secrets, "render": {"helm": {
                "valueFiles": ["secret-values.yaml"],
                "fileParameters": [{"name": "file", "path": "file.txt"}],
            }}}),
        ),
    ]
}

/// What people and programs see on the page.
fn on_the_page(page: &Page, found: &mut Vec<String>) -> anyhow::Result<()> {
    for (stack, _) in stacks() {
        let paths = [
            "",
            "/plan",
            "/history",
            "/ask/rollback",
            "/ask/sync",
            "/ask/delete",
        ];
        let pages = paths.map(|path| format!("/stacks/default/{stack}{path}"));
        let api =
            ["", "/plan", "/history"].map(|path| format!("/api/v1/stacks/default/{stack}{path}"));
        for path in pages.iter().chain(&api) {
            found.extend(sightings(path, page.get(path)?.text.as_bytes()));
        }
    }
    for path in ["/", "/api/v1/stacks"] {
        found.extend(sightings(path, page.get(path)?.text.as_bytes()));
    }
    Ok(())
}

/// Everything that is written or answered and is no object of a Stack: statuses, Events, inventories,
/// the log, what commands print, and what is on disk beside the cluster's own storage.
async fn gathered(shop: &Shop, found: &mut Vec<String>) -> anyhow::Result<()> {
    let paths = [
        STACKS,
        "/api/v1/namespaces/default/events",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        "/apis/coordination.k8s.io/v1/leases",
    ];
    for path in paths {
        let answer = shop.api.get(path).await?;
        found.extend(sightings(path, answer.to_string().as_bytes()));
    }
    // What Holdfast keeps for itself, as Secrets that nobody applied.
    let all = shop.api.get("/api/v1/namespaces/default/secrets").await?;
    let items = all["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for item in items {
        let name = item.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default();
        if !name.starts_with("of-") && name != "keys" {
            found.extend(sightings(name, item.to_string().as_bytes()));
        }
    }
    let commands: [&[&str]; 14] = [
        &["plan"],
        &["plan", "-o", "json"],
        &["diff"],
        &["describe"],
        &["get", "stacks", "-o", "yaml"],
        &["get", "-o", "json"],
        &["get", "-o", "wide"],
        &["tree"],
        &["history"],
        &["history", "-o", "json"],
        &["events"],
        &["logs"],
        &["top", "--once"],
        &["explain"],
    ];
    for (stack, _) in stacks() {
        for command in commands {
            let mut line = command.to_vec();
            line.insert(1, stack);
            let (said, _) = shop.run(&line)?;
            found.extend(sightings(&format!("{line:?}"), said.as_bytes()));
        }
    }
    on_the_page(&Page::of(shop).await?, found)?;
    for (name, bytes) in shop.written()? {
        found.extend(sightings(&name, &bytes));
    }
    Ok(())
}

/// What was sealed has come where it belongs.
async fn is_on_the_target(shop: &Shop) -> anyhow::Result<()> {
    let objects = [
        "secrets/of-yaml",
        "secrets/of-json",
        "secrets/of-sealed",
        "secrets/of-env",
        "secrets/of-file",
        "configmaps/of-map",
        "configmaps/of-patch",
        "configmaps/of-chart",
    ];
    for object in objects {
        let path = format!("/api/v1/namespaces/default/{object}");
        let is_there = |object: Option<&Value>| {
            object.is_some_and(|object| !sightings("", object.to_string().as_bytes()).is_empty())
        };
        shop.api.wait(&path, "the value", is_there).await?;
    }
    Ok(())
}

/// Values are changed by hand, and what a plan shows of it is gathered.
async fn drifts(shop: &Shop, found: &mut Vec<String>) -> anyhow::Result<()> {
    let secrets = "/api/v1/namespaces/default/secrets";
    let by_hand = json!({"stringData": {"password": format!("{CANARY}-by-hand")}});
    shop.run(&["suspend", "plain"])?;
    shop.api
        .merge(&format!("{secrets}/of-yaml"), "somebody", &by_hand)
        .await?;
    let url = json!({"data": {"url": format!("postgres://app:{CANARY}-by-hand@db/shop")}});
    let of_chart = "/api/v1/namespaces/default/configmaps/of-chart";
    shop.run(&["suspend", "chart"])?;
    shop.api.merge(of_chart, "somebody", &url).await?;
    gathered(shop, found).await?;
    shop.run(&["resume", "plain"])?;
    shop.run(&["resume", "chart"])?;
    Ok(())
}

/// Marked values go through every way in which something sealed is read, and through all that happens to
/// a Stack, and are seen nowhere but on the target.
#[test]
fn what_was_sealed_is_seen_on_the_target_and_nowhere_else() {
    crate::block_on(async {
        let shop = Shop::start_logging("trace", &PAGE).await?;
        let secrets = "/api/v1/namespaces/default/secrets";
        shop.api.create(secrets, &keys_object()?).await?;
        every_way(&shop, "one")?;
        let first = shop.repository.commit("one")?;
        for (name, mut spec) in stacks() {
            let source = json!({"git": shop.repository.url(), "interval": "1s", "path": name});
            spec["source"] = source;
            shop.stack_named(name, spec).await?;
        }
        let mut found = Vec::new();
        for (name, _) in stacks() {
            shop.wait_for(name, &first, "Succeeded").await?;
        }
        is_on_the_target(&shop).await?;
        gathered(&shop, &mut found).await?;

        drifts(&shop, &mut found).await?;

        // What the server refuses, in its own words, and what cannot be rendered.
        every_way(&shop, "two")?;
        shop.repository.write("chart/templates/b.yaml", REFUSED)?;
        shop.repository.commit("two, which is refused")?;
        shop.wait_for_reason("chart", "Ready", "ApplyFailed")
            .await?;
        gathered(&shop, &mut found).await?;
        shop.repository.write("chart/templates/b.yaml", FAILS)?;
        shop.repository.commit("three, which is not rendered")?;
        shop.wait_for_reason("chart", "Ready", "RenderFailed")
            .await?;
        gathered(&shop, &mut found).await?;

        // Undo and prune.
        let (said, code) = shop.run(&["rollback", "plain", "--to", &first])?;
        assert_eq!(code, Some(0), "{said}");
        found.extend(sightings("rollback", said.as_bytes()));
        shop.repository
            .git(&["rm", "-rq", "chart/templates/b.yaml", "overlay/patch.yaml"])?;
        let overlay = "secretGenerator:\n- name: of-env\n  envs: [secret.env]\n";
        shop.repository
            .write("overlay/kustomization.yaml", overlay)?;
        let last = shop.repository.commit("four, with less")?;
        shop.wait_for("chart", &last, "Succeeded").await?;
        gathered(&shop, &mut found).await?;
        let (said, _) = shop.run(&["delete", "overlay"])?;
        found.extend(sightings("delete", said.as_bytes()));
        gathered(&shop, &mut found).await?;
        assert!(
            found.is_empty(),
            "{} sightings:\n{}",
            found.len(),
            found.join("\n---\n")
        );
        Ok(())
    });
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
