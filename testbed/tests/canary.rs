//! Marked values go through every way in which something sealed is read, and are looked for in all that is
//! written and answered.

use holdfast_model::{Value, base64};
use holdfast_testbed::openbao::OpenBao;
use serde_json::json;

use crate::opened::{keys_object, sealed, sealed_secret, secret};
use crate::page::{PAGE, Page};
use crate::shop::{STACKS, Shop};
use crate::vault::{by_token, put, server};

/// What every secret of these tests begins with.
const CANARY: &str = "kanarie-7f3a9c";

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

/// Writes every way by which a value of Vault is read, as a Stack of its own, and the value.
fn every_way_of_vault(shop: &Shop, server: &OpenBao, value: &str) -> anyhow::Result<()> {
    put(server, "secret/app/canary", &format!("{CANARY}-{value}"))?;
    let repository = &shop.repository;
    repository.write("vault/Chart.yaml", CHART)?;
    let values = "password: {vault: \"secret/app/canary#password\"}\n\
                  placed: <path:secret/app/canary#password>\n";
    repository.write("vault/some-values.yaml", values)?;
    repository.write("vault/templates/a.yaml", OF_VAULT)
}

/// What is read from Vault, in every form of reference.
const OF_VAULT: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: of-vault, annotations: {holdfast.dev/vault: secret/app/canary}}
stringData: {password: "<password>", whole: {{ .Values.password | quote }}}
data: {encoded: {{ "url=<password>" | b64enc }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: of-vault, annotations: {avp.kubernetes.io/path: secret/data/app/canary}}
data:
  short: "a <password>"
  coded: "<password | base64encode>"
  placed: {{ .Values.placed | quote }}
"#;

/// What a Stack of each way says beside its source, with Vault at an address.
fn stacks(vault: Option<&str>) -> Vec<(&'static str, Value)> {
    let of_vault = vault.map(|address| {
        let mut secrets = by_token(address);
        secrets["restart"] = true.into();
        let values = json!({"helm": {"valueFiles": ["some-values.yaml"]}});
        ("vault", json!({"secrets": secrets, "render": values}))
    });
    sealed_stacks().into_iter().chain(of_vault).collect()
}

fn sealed_stacks() -> [(&'static str, Value); 3] {
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
fn on_the_page(page: &Page, stacks: &[&str], found: &mut Vec<String>) -> anyhow::Result<()> {
    for stack in stacks {
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
async fn gathered(shop: &Shop, stacks: &[&str], found: &mut Vec<String>) -> anyhow::Result<()> {
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
        if !name.starts_with("of-") && !["keys", "vault"].contains(&name) {
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
    for stack in stacks {
        for command in commands {
            let mut line = command.to_vec();
            line.insert(1, stack);
            let (said, _) = shop.run(&line)?;
            found.extend(sightings(&format!("{line:?}"), said.as_bytes()));
        }
    }
    on_the_page(&Page::of(shop).await?, stacks, found)?;
    for (name, bytes) in shop.written()? {
        found.extend(sightings(&name, &bytes));
    }
    Ok(())
}

/// What sealed values come to.
const SEALED: [&str; 8] = [
    "secrets/of-yaml",
    "secrets/of-json",
    "secrets/of-sealed",
    "secrets/of-env",
    "secrets/of-file",
    "configmaps/of-map",
    "configmaps/of-patch",
    "configmaps/of-chart",
];
/// What values of Vault come to.
const OF_VAULT_ALONE: [&str; 2] = ["secrets/of-vault", "configmaps/of-vault"];

/// A Secret with a token that is itself one of the values that must not be seen.
fn vault_token(server: &OpenBao) -> anyhow::Result<Value> {
    let token = format!("{CANARY}-token");
    let id = format!("-id={token}");
    server.run(&["token", "create", "-policy=app", "-ttl=1h", &id])?;
    Ok(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault"},
        "stringData": {"token": token}}),
    )
}

/// A value of Vault is rotated, cannot be shaped, and is not there.
async fn rotates(
    shop: &Shop,
    server: &OpenBao,
    stacks: &[&str],
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    let path = "/api/v1/namespaces/default/configmaps/of-vault";
    let before = shop.api.get(path).await?;
    put(server, "secret/app/canary", &format!("{CANARY}-rotated"))?;
    let is_another = |now: Option<&Value>| {
        now.is_some_and(|now| now.pointer("/data/coded") != before.pointer("/data/coded"))
    };
    shop.api.wait(path, "rotated", is_another).await?;
    gathered(shop, stacks, found).await?;
    for wrong in ["<password | jsonParse>", "<pasword>"] {
        let text = OF_VAULT.replace("a <password>", wrong);
        shop.repository.write("vault/templates/a.yaml", &text)?;
        shop.repository.commit(wrong)?;
        let reason = shop.wait_for_reason("vault", "Ready", "RenderFailed");
        reason.await?;
        gathered(shop, stacks, found).await?;
    }
    let text = OF_VAULT.replace("coded:", "coded-again:");
    shop.repository.write("vault/templates/a.yaml", &text)?;
    let last = shop.repository.commit("right again")?;
    shop.wait_for("vault", &last, "Succeeded").await?;
    Ok(())
}

/// What was sealed has come where it belongs.
async fn is_on_the_target(shop: &Shop, objects: &[&str]) -> anyhow::Result<()> {
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
async fn drifts(shop: &Shop, stacks: &[&str], found: &mut Vec<String>) -> anyhow::Result<()> {
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
    gathered(shop, stacks, found).await?;
    shop.run(&["resume", "plain"])?;
    shop.run(&["resume", "chart"])?;
    Ok(())
}

/// Makes the keys of all Stacks, and writes what they read.
async fn begin(shop: &Shop, server: Option<&OpenBao>) -> anyhow::Result<()> {
    let secrets = "/api/v1/namespaces/default/secrets";
    shop.api.create(secrets, &keys_object()?).await?;
    every_way(shop, "one")?;
    if let Some(server) = server {
        shop.api.create(secrets, &vault_token(server)?).await?;
        every_way_of_vault(shop, server, "one")?;
    }
    Ok(())
}

/// Marked values go through every way in which something sealed is read, and through all that happens to
/// a Stack, and are seen nowhere but on the target.
#[test]
fn what_was_sealed_is_seen_on_the_target_and_nowhere_else() {
    crate::block_on(async {
        let server = server().await?;
        let options = [&PAGE[..], &["--allow-host", "127.0.0.1"]].concat();
        let shop = Shop::start_logging("trace", &options).await?;
        begin(&shop, server.as_ref()).await?;
        let address = server.as_ref().map(|server| server.address.as_str());
        let stacks = stacks(address);
        let names: Vec<&str> = stacks.iter().map(|(name, _)| *name).collect();
        let first = shop.repository.commit("one")?;
        for (name, mut spec) in stacks {
            let source = json!({"git": shop.repository.url(), "interval": "1s", "path": name});
            spec["source"] = source;
            shop.stack_named(name, spec).await?;
        }
        let mut found = Vec::new();
        for name in &names {
            shop.wait_for(name, &first, "Succeeded").await?;
        }
        is_on_the_target(&shop, &SEALED).await?;
        if let Some(server) = &server {
            is_on_the_target(&shop, &OF_VAULT_ALONE).await?;
            rotates(&shop, server, &names, &mut found).await?;
        }
        gathered(&shop, &names, &mut found).await?;

        drifts(&shop, &names, &mut found).await?;

        // What the server refuses, in its own words, and what cannot be rendered.
        every_way(&shop, "two")?;
        shop.repository.write("chart/templates/b.yaml", REFUSED)?;
        shop.repository.commit("two, which is refused")?;
        shop.wait_for_reason("chart", "Ready", "ApplyFailed")
            .await?;
        gathered(&shop, &names, &mut found).await?;
        shop.repository.write("chart/templates/b.yaml", FAILS)?;
        shop.repository.commit("three, which is not rendered")?;
        shop.wait_for_reason("chart", "Ready", "RenderFailed")
            .await?;
        gathered(&shop, &names, &mut found).await?;

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
        gathered(&shop, &names, &mut found).await?;
        let (said, _) = shop.run(&["delete", "overlay"])?;
        found.extend(sightings("delete", said.as_bytes()));
        gathered(&shop, &names, &mut found).await?;
        assert!(
            found.is_empty(),
            "{} sightings:\n{}",
            found.len(),
            found.join("\n---\n")
        );
        Ok(())
    });
}
