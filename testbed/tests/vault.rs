//! Values that lie in a real OpenBao and are only named in Git: read by every way to log in, watched, rolled
//! out when they are rotated, and kept in place while the server is away.

use std::sync::Arc;

use holdfast_model::{Value, base64};
use holdfast_testbed::bed::{Bed, Stage, find_condition};
use holdfast_testbed::cluster::RealCluster;
use holdfast_testbed::openbao::{Mood, OpenBao, Relay};
use serde_json::json;

use crate::opened::{keys_object, sealed, sealed_secret, secret};
use crate::scenario;

/// What Stacks of these tests may read.
pub(crate) const RULES: &str = r#"
path "secret/data/app/*" { capabilities = ["read"] }
path "secret/metadata/app/*" { capabilities = ["read"] }
path "old/*" { capabilities = ["read"] }
"#;

/// A server; nothing, loudly, where there is none.
#[expect(clippy::print_stderr, reason = "what is left out is said")]
pub(crate) async fn server() -> anyhow::Result<Option<OpenBao>> {
    let server = OpenBao::start().await?;
    match &server {
        None => eprintln!("left out: the real OpenBao is not there; run cargo xtask testbed"),
        Some(server) => {
            server.policy("app", RULES)?;
            server.run(&["secrets", "enable", "-path=old", "-version=1", "kv"])?;
        }
    }
    Ok(server)
}

/// A token that may read what Stacks of these tests may.
pub(crate) fn token(server: &OpenBao, policy: &str) -> anyhow::Result<String> {
    let policy = format!("-policy={policy}");
    let arguments = ["token", "create", "-field=token", "-ttl=1h", &policy];
    server.run(&arguments)
}

pub(crate) fn put(server: &OpenBao, path: &str, value: &str) -> anyhow::Result<()> {
    let value = format!("password={value}");
    server.run(&["kv", "put", path, &value]).map(|_| ())
}

/// Makes a Secret with texts.
async fn make_secret(stage: &Stage, name: &str, texts: Value) -> anyhow::Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": texts});
    let path = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    stage.api.create(&path, &object).await?;
    Ok(())
}

/// `spec.secrets` that reads from an address by a token in a Secret.
pub(crate) fn by_token(address: &str) -> Value {
    json!({"vault": {"address": address, "interval": "1s", "auth": {"token": {"secret": "vault"}}}})
}

fn secret_path(stage: &Stage, name: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets/{name}", stage.namespace)
}

/// Waits until an entry of a Secret has a value; the Secret.
async fn says(stage: &Stage, name: &str, field: &str, value: &str) -> anyhow::Result<Value> {
    let has = |secret: Option<&Value>| {
        let encoded = secret.and_then(|secret| secret.pointer("/data")?.get(field)?.as_str());
        encoded.is_some_and(|encoded| encoded == base64::encode(value.as_bytes()))
    };
    stage.api.wait(&secret_path(stage, name), value, has).await
}

/// Waits until the source of a Stack is said to be away in these words; the Stack.
async fn is_away(stage: &Stage, stack: &str, words: &str) -> anyhow::Result<Value> {
    let holds = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            find_condition(stack, "SourceReady", "status") == "False"
                && find_condition(stack, "SourceReady", "message").contains(words)
        })
    };
    stage.api.wait(&stage.stack_path(stack), words, holds).await
}

async fn is_back(stage: &Stage, stack: &str) -> anyhow::Result<Value> {
    let holds = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            find_condition(stack, "SourceReady", "status") == "True"
                && find_condition(stack, "Ready", "status") == "True"
        })
    };
    stage
        .api
        .wait(&stage.stack_path(stack), "back", holds)
        .await
}

/// A Secret whose values are named by an annotation.
fn named(name: &str, annotation: &str, path: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  annotations:\n    {annotation}: {path}\n\
         stringData:\n  password: \"{text}\"\n"
    )
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
    containers:\n      - {name: web, image: \"web:1\", envFrom: [{secretRef: {name: db}}]}\n";

scenario!(every_way_to_log_in_reads_every_form_of_reference);
async fn every_way_to_log_in_reads_every_form_of_reference(bed: Arc<Bed>) -> anyhow::Result<()> {
    let Some(server) = server().await? else {
        return Ok(());
    };
    let stage = Stage::new(&bed, "vault-logins").await?;
    put(&server, "secret/app/db", "first")?;
    put(&server, "secret/app/db", "second")?;
    let json = r#"json={"a":["deep"]}"#;
    server.run(&["kv", "put", "old/app", "password=of-old", json])?;
    let first = put_every_form(&stage)?;
    let logins = make_logins(&stage, &server).await?;
    for (name, auth) in logins {
        let vault = json!({"address": server.address, "interval": "1s", "auth": auth});
        stage
            .stack(name, json!({"secrets": {"vault": vault}}))
            .await?;
        stage.wait_ready(name, &first).await?;
        let own = says(&stage, "own", "password", "second").await?;
        let versions = own.pointer("/metadata/annotations/holdfast.dev~1vault-versions");
        assert_eq!(versions, Some(&json!(r#"{"secret/app/db":"2"}"#)));
        let encoded = base64::encode(b"first");
        says(&stage, "plugin", "password", &encoded).await?;
        let config = stage.api.get(&stage.config_path("inline")).await?;
        assert_eq!(config.pointer("/data/text"), Some(&json!("a first deep")));
        let opened = config.pointer("/metadata/annotations/holdfast.dev~1opened");
        assert_eq!(opened, Some(&json!(r#"["/data/text"]"#)));
        stage.api.delete(&stage.stack_path(name)).await?;
        stage.wait_gone(&stage.stack_path(name)).await?;
        stage.wait_gone(&secret_path(&stage, "own")).await?;
    }
    Ok(())
}

/// Commits references of three forms.
fn put_every_form(stage: &Stage) -> anyhow::Result<String> {
    let repository = &stage.repository;
    let own = named("own", "holdfast.dev/vault", "secret/app/db", "<password>");
    repository.write("app/own.yaml", &own)?;
    let plugin = "avp.kubernetes.io/path";
    let text = "<password | base64encode>";
    let of_plugin = named("plugin", plugin, "secret/data/app/db", text).replace(
        "stringData",
        "    avp.kubernetes.io/secret-version: \"1\"\nstringData",
    );
    repository.write("app/plugin.yaml", &of_plugin)?;
    let inline = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inline}\ndata:\n  \
        text: \"a <path:secret/data/app/db#password#1> <path:old/app#json | jsonPath {.a[0]}>\"\n";
    repository.write("app/inline.yaml", inline)?;
    repository.commit("three forms")
}

/// By a token, an AppRole, and a token of somebody else's that Vault checks by its key.
async fn make_logins(
    stage: &Stage,
    server: &OpenBao,
) -> anyhow::Result<[(&'static str, Value); 3]> {
    make_secret(stage, "vault", json!({"token": token(server, "app")?})).await?;
    server.run(&["auth", "enable", "approle"])?;
    let role = "auth/approle/role/app";
    server.run(&["write", role, "token_policies=app", "token_ttl=1h"])?;
    let role_id = server.run(&["read", "-field=role_id", &format!("{role}/role-id")])?;
    let path = format!("{role}/secret-id");
    let secret_id = server.run(&["write", "-f", "-field=secret_id", &path])?;
    let ids = json!({"roleId": role_id, "secretId": secret_id});
    make_secret(stage, "approle", ids).await?;
    make_secret(stage, "jwt", json!({"token": signed_for(server, "app")?})).await?;
    Ok([
        ("by-token", json!({"token": {"secret": "vault"}})),
        ("by-approle", json!({"appRole": {"secret": "approle"}})),
        ("by-jwt", json!({"jwt": {"role": "app", "secret": "jwt"}})),
    ])
}

/// A token that a mount `jwt` of the server takes for a role.
fn signed_for(server: &OpenBao, role: &str) -> anyhow::Result<String> {
    use holdfast_testbed::signed::Signer;
    let signer = Signer::new()?;
    let key = format!("jwt_validation_pubkeys={}", signer.public_key());
    server.run(&["auth", "enable", "jwt"])?;
    server.run(&["write", "auth/jwt/config", &key])?;
    let path = format!("auth/jwt/role/{role}");
    let policy = format!("token_policies={role}");
    let role = ["role_type=jwt", "user_claim=sub", "bound_audiences=vault"];
    let mut arguments = vec!["write", &path, &policy];
    arguments.extend(role);
    server.run(&arguments)?;
    signer
        .sign(&json!({"sub": "shop", "aud": "vault", "iat": 1, "nbf": 1, "exp": 4_000_000_000_u64}))
}

scenario!(a_rotation_is_noticed_by_its_version_and_rolled_out);
async fn a_rotation_is_noticed_by_its_version_and_rolled_out(bed: Arc<Bed>) -> anyhow::Result<()> {
    let Some(server) = server().await? else {
        return Ok(());
    };
    let relay = server.relay().await?;
    let stage = Stage::new(&bed, "vault-rotation").await?;
    let namespace = stage.namespace.clone();
    put(&server, "secret/app/db", "before-it")?;
    make_secret(&stage, "vault", json!({"token": token(&server, "app")?})).await?;
    let repository = &stage.repository;
    repository.write(
        "app/db.yaml",
        &named("db", "holdfast.dev/vault", "secret/app/db", "<password>"),
    )?;
    repository.write("app/web.yaml", WEB)?;
    let commit = repository.commit("a database and who uses it")?;
    let mut secrets = by_token(&relay.address);
    secrets["restart"] = true.into();
    stage.stack("s", json!({"secrets": secrets})).await?;
    stage.wait_ready("s", &commit).await?;
    says(&stage, "db", "password", "before-it").await?;
    let web = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    let content = "/spec/template/metadata/annotations/holdfast.dev~1content";
    let before = stage.api.get(&web).await?.pointer(content).cloned();

    rests(&stage, &relay).await?;

    put(&server, "secret/app/db", "after-it")?;
    says(&stage, "db", "password", "after-it").await?;
    let restarted = |object: Option<&Value>| {
        object.is_some_and(|object| object.pointer(content) != before.as_ref())
    };
    stage.api.wait(&web, "restarted", restarted).await?;
    let why = "rotated in Vault: `secret/app/db` from version 1 to 2";
    let told = |stack: Option<&Value>| {
        let history = stack.and_then(|stack| stack.pointer("/status/history/0/summary"));
        history
            .and_then(Value::as_str)
            .is_some_and(|text| text.contains(why))
    };
    let stack = stage.api.wait(&stage.stack_path("s"), why, told).await?;
    assert!(!stack.to_string().contains("after-it"), "{stack}");
    stage.wait_ready("s", &commit).await?;

    // The value of before is another version.
    put(&server, "secret/app/db", "before-it")?;
    says(&stage, "db", "password", "before-it").await?;
    stage.wait_ready("s", &commit).await?;
    let as_before = |object: Option<&Value>| {
        object.is_some_and(|object| object.pointer(content) == before.as_ref())
    };
    stage.api.wait(&web, "as before", as_before).await?;
    stage.wait_ready("s", &commit).await?;
    Ok(())
}

/// As long as nothing changes, versions are read and no values, and nothing is written.
async fn rests(stage: &Stage, relay: &Relay) -> anyhow::Result<()> {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    let values = relay.count("/v1/secret/data/");
    let start = std::time::Instant::now();
    loop {
        let at_rest = version(&stage.api.get(&stage.stack_path("s")).await?);
        let asked = relay.count("/v1/secret/metadata/");
        watched(relay, asked + 3).await?;
        if version(&stage.api.get(&stage.stack_path("s")).await?) == at_rest {
            break;
        }
        // Pods were still coming up.
        anyhow::ensure!(
            start.elapsed().as_secs() < 120,
            "the Stack is written again and again"
        );
    }
    assert_eq!(relay.count("/v1/secret/data/"), values);
    Ok(())
}

/// Waits until versions were asked for so often.
async fn watched(relay: &Relay, times: usize) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    while relay.count("/v1/secret/metadata/") < times {
        anyhow::ensure!(
            start.elapsed().as_secs() < 120,
            "versions are not asked for"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

scenario!(what_is_in_place_stays_ready_while_the_server_is_away_sealed_or_silent);
async fn what_is_in_place_stays_ready_while_the_server_is_away_sealed_or_silent(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let Some(server) = server().await? else {
        return Ok(());
    };
    let relay = server.relay().await?;
    let stage = Stage::new(&bed, "vault-away").await?;
    put(&server, "secret/app/db", "open-sesame")?;
    make_secret(&stage, "vault", json!({"token": token(&server, "app")?})).await?;
    let repository = &stage.repository;
    repository.write(
        "app/db.yaml",
        &named("db", "holdfast.dev/vault", "secret/app/db", "<password>"),
    )?;
    repository.write(
        "app/c.yaml",
        &holdfast_testbed::bed::config("c", "as-in-git"),
    )?;
    let commit = repository.commit("a value and none")?;
    stage
        .stack("s", json!({"secrets": by_token(&relay.address)}))
        .await?;
    stage.wait_ready("s", &commit).await?;

    relay.set(Mood::Away);
    let away = is_away(&stage, "s", "cannot be reached").await?;
    assert_eq!(find_condition(&away, "Ready", "status"), "True", "{away}");
    // Drift is put back all the same, of values too.
    let by_hand = json!({"data": {"text": "by hand"}});
    stage
        .api
        .merge(&stage.config_path("c"), "somebody", &by_hand)
        .await?;
    stage.wait_config("c", "as-in-git").await?;
    let by_hand = json!({"stringData": {"password": "by hand"}});
    stage
        .api
        .merge(&secret_path(&stage, "db"), "somebody", &by_hand)
        .await?;
    says(&stage, "db", "password", "open-sesame").await?;
    relay.set(Mood::Passing);
    is_back(&stage, "s").await?;

    server.seal()?;
    let away = is_away(&stage, "s", "is sealed").await?;
    assert_eq!(find_condition(&away, "Ready", "status"), "True", "{away}");
    server.unseal()?;
    is_back(&stage, "s").await?;

    relay.set(Mood::Silent);
    let away = is_away(&stage, "s", "did not answer within").await?;
    assert_eq!(find_condition(&away, "Ready", "status"), "True", "{away}");
    // Its end needs no values.
    stage.api.delete(&stage.stack_path("s")).await?;
    stage.wait_gone(&stage.stack_path("s")).await?;
    stage.wait_gone(&secret_path(&stage, "db")).await
}

/// Stacks that cannot be rendered: name, path, text, and what is said of it.
const WRONG: [&str; 6] = [
    "denied; secret/others; <password>; the policies of Vault do not let",
    "absent; secret/app/nothing; <password>; there is no secret at `secret/app/nothing`",
    "no-key; secret/app/db; <pasword>; has no key `pasword`",
    "modifier; secret/app/db; <password | reverse>; there is no modifier `reverse`",
    "no-json; secret/app/db; <password | jsonParse>; it is no JSON",
    "version; secret/app/db; <path:secret/app/db#password#7>; version 7 of `secret/app/db`",
];

scenario!(what_cannot_be_read_is_said_with_its_place_and_holds_up_nobody_else);
async fn what_cannot_be_read_is_said_with_its_place_and_holds_up_nobody_else(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let Some(server) = server().await? else {
        return Ok(());
    };
    let stage = Stage::new(&bed, "vault-refused").await?;
    put(&server, "secret/app/db", "open-sesame")?;
    put(&server, "secret/others", "open-sesame")?;
    make_secret(&stage, "vault", json!({"token": token(&server, "app")?})).await?;
    let repository = &stage.repository;
    let cases = WRONG.map(|case| {
        let mut parts = case.split("; ");
        [(); 4].map(|()| parts.next().unwrap_or_default())
    });
    for [name, path, text, _] in cases {
        let text = named(name, "holdfast.dev/vault", path, text);
        repository.write(&format!("{name}/s.yaml"), &text)?;
    }
    let fine = named("fine", "holdfast.dev/vault", "secret/app/db", "<password>");
    repository.write("fine/s.yaml", &fine)?;
    let commit = repository.commit("some that can be read and some that cannot")?;
    let spec = |path: &str| {
        json!({"source": {"git": repository.url(), "path": path, "interval": "1s"},
            "secrets": by_token(&server.address)})
    };
    stage.stack("fine", spec("fine")).await?;
    for [name, ..] in cases {
        stage.stack(name, spec(name)).await?;
    }
    stage.wait_ready("fine", &commit).await?;
    for [name, _, _, words] in cases {
        let failed = stage.wait_reason(name, "Ready", "RenderFailed").await?;
        let message = find_condition(&failed, "Ready", "message");
        assert!(message.contains(words), "{name}: {message}");
        assert!(message.contains("s.yaml:1"), "{name}: {message}");
        assert!(!failed.to_string().contains("open-sesame"), "{failed}");
    }
    // What was missing is taken up by itself when it is there.
    put(&server, "secret/app/nothing", "open-sesame")?;
    stage.wait_ready("absent", &commit).await?;
    a_login_that_lacks_an_entry_says_so(&stage, spec("fine")).await
}

async fn a_login_that_lacks_an_entry_says_so(stage: &Stage, mut spec: Value) -> anyhow::Result<()> {
    let name = "by-approle";
    spec["secrets"]["vault"]["auth"] = json!({"appRole": {"secret": "vault"}});
    stage.stack(name, spec).await?;
    let failed = stage.wait_reason(name, "Ready", "RenderFailed").await?;
    let message = find_condition(&failed, "Ready", "message");
    assert!(message.contains("has no `roleId`"), "{message}");
    Ok(())
}

/// Commits a Stack with values of all three kinds.
fn put_all_kinds(stage: &Stage, value: &str) -> anyhow::Result<String> {
    let repository = &stage.repository;
    repository.write(
        "app/db.yaml",
        &sealed("db.yaml", &secret("of-sops", value))?,
    )?;
    let token = sealed_secret(&stage.namespace, "of-sealed", value)?;
    repository.write("app/token.yaml", &token)?;
    let text = named(
        "of-vault",
        "holdfast.dev/vault",
        "secret/app/db",
        "<password>",
    );
    repository.write("app/vault.yaml", &text)?;
    repository.commit(value)
}

scenario!(a_stack_with_sops_sealed_secrets_and_vault_goes_through_its_life);
async fn a_stack_with_sops_sealed_secrets_and_vault_goes_through_its_life(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let Some(server) = server().await? else {
        return Ok(());
    };
    let stage = Stage::new(&bed, "vault-all").await?;
    put(&server, "secret/app/db", "first-of-vault")?;
    make_secret(&stage, "vault", json!({"token": token(&server, "app")?})).await?;
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    stage.api.create(&secrets, &keys_object()?).await?;
    let first = put_all_kinds(&stage, "first")?;
    let mut spec = by_token(&server.address);
    spec["keys"] = json!([{"name": "keys"}]);
    spec["sealed"] = "open".into();
    spec["plain"] = "refuse".into();
    stage.stack("s", json!({"secrets": spec})).await?;
    let all_say = async |git: &str, vault: &str| {
        says(&stage, "of-sops", "password", git).await?;
        says(&stage, "of-sealed", "token", git).await?;
        says(&stage, "of-vault", "password", vault).await
    };
    stage.wait_ready("s", &first).await?;
    all_say("first", "first-of-vault").await?;

    let second = put_all_kinds(&stage, "second")?;
    stage.wait_ready("s", &second).await?;
    put(&server, "secret/app/db", "second-of-vault")?;
    all_say("second", "second-of-vault").await?;
    let reverted = put_all_kinds(&stage, "first")?;
    stage.wait_ready("s", &reverted).await?;
    all_say("first", "second-of-vault").await?;

    stage.api.delete(&stage.stack_path("s")).await?;
    for name in ["of-sops", "of-sealed", "of-vault"] {
        stage.wait_gone(&secret_path(&stage, name)).await?;
    }
    Ok(())
}

/// Has a server trust what the cluster says of ServiceAccount `shop`; the path of the binding that lets it
/// have its own token reviewed.
async fn trust(server: &OpenBao, real: &RealCluster, stage: &Stage) -> anyhow::Result<String> {
    let namespace = stage.namespace.clone();
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}});
    stage.api.create(&accounts, &account).await?;
    // It reviews its own token.
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding", "metadata": {"name": "vault-account-reviews"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "name": "shop", "namespace": namespace}]});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    stage.api.create(bindings, &binding).await?;
    server.run(&["auth", "enable", "kubernetes"])?;
    let host = format!("kubernetes_host={}", real.server);
    let ca = real.kubeconfig.with_file_name("server.crt");
    let ca = format!("kubernetes_ca_cert=@{}", ca.display());
    let config = [
        "write",
        "auth/kubernetes/config",
        &host,
        &ca,
        "disable_local_ca_jwt=true",
    ];
    server.run(&config)?;
    let bound = format!("bound_service_account_namespaces={namespace}");
    server.run(&[
        "write",
        "auth/kubernetes/role/app",
        "token_policies=app",
        "bound_service_account_names=shop",
        &bound,
    ])?;
    Ok(format!("{bindings}/vault-account-reviews"))
}

/// A ServiceAccount's token is issued by the real API server, and reviewed by it for OpenBao.
#[test]
fn a_service_account_logs_in_by_what_the_cluster_says_of_it() {
    crate::on_real(async |bed: Arc<Bed>| {
        let (Some(server), Some(real)) = (server().await?, bed.real.clone()) else {
            return Ok(());
        };
        let stage = Stage::new(&bed, "vault-account").await?;
        put(&server, "secret/app/db", "for-the-account")?;
        let binding = trust(&server, &real, &stage).await?;
        let text = named("db", "holdfast.dev/vault", "secret/app/db", "<password>");
        stage.repository.write("app/db.yaml", &text)?;
        let commit = stage.repository.commit("a value")?;
        let vault = |account: &str| {
            json!({"address": server.address, "interval": "1s",
            "auth": {"kubernetes": {"role": "app", "serviceAccount": account}}})
        };
        stage
            .stack("s", json!({"secrets": {"vault": vault("shop")}}))
            .await?;
        stage.wait_ready("s", &commit).await?;
        says(&stage, "db", "password", "for-the-account").await?;
        // Another account of the namespace is not let in.
        let other = json!({"spec": {"secrets": {"vault": vault("default")}}});
        stage
            .api
            .merge(&stage.stack_path("s"), "test", &other)
            .await?;
        let failed = stage.wait_reason("s", "Ready", "RenderFailed").await?;
        let message = find_condition(&failed, "Ready", "message");
        assert!(
            message.contains("refused the login by auth/kubernetes"),
            "{message}"
        );
        let again = json!({"spec": {"secrets": {"vault": vault("shop")}}});
        stage
            .api
            .merge(&stage.stack_path("s"), "test", &again)
            .await?;
        stage.wait_ready("s", &commit).await?;
        stage.api.delete(&binding).await?;
        Ok(())
    });
}
