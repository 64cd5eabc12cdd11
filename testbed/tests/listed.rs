//! `holdfast secret list`: every secret of a Stack with its source, and no value of any.

use holdfast_model::Value;
use holdfast_testbed::openbao::OpenBao;
use serde_json::json;

use crate::opened::{keys_object, sealed, sealed_secret, secret};
use crate::shop::Shop;
use crate::vault::{by_token, put, server, token};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
    containers:\n      - {name: web, image: \"web:1\", envFrom: [{secretRef: {name: db}}, \
    {secretRef: {name: of-env}}]}\n";
const OF_VAULT: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: of-vault\n  \
    annotations: {holdfast.dev/vault: secret/app/db}\nstringData: {password: <password>}\n";
const OVERLAY: &str = "secretGenerator:\n- {name: of-env, envs: [secret.env]}\n\
    generatorOptions: {disableNameSuffixHash: true}\nresources: [db.yaml, token.yaml, plain.yaml, web.yaml";

/// The row of an object.
fn row<'a>(list: &'a Value, object: &str) -> &'a Value {
    let rows = list["secrets"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = rows.iter().find(|row| row["object"] == object);
    found.unwrap_or(&Value::Null)
}

/// Makes a Stack with secrets of every kind.
async fn put_every_kind(shop: &Shop, vault: Option<&OpenBao>) -> anyhow::Result<()> {
    let secrets = "/api/v1/namespaces/default/secrets";
    shop.api.create(secrets, &keys_object()?).await?;
    let repository = &shop.repository;
    repository.write("db.yaml", &sealed("db.yaml", &secret("db", "open-sesame"))?)?;
    repository.write("secret.env", &sealed("secret.env", "KEY=open-sesame\n")?)?;
    repository.write(
        "token.yaml",
        &sealed_secret("default", "token", "open-sesame")?,
    )?;
    repository.write("plain.yaml", &secret("plain", "open-sesame"))?;
    repository.write("web.yaml", WEB)?;
    let mut overlay = OVERLAY.to_owned();
    let mut spec = json!({"keys": [{"name": "keys"}], "sealed": "open"});
    if let Some(vault) = vault {
        put(vault, "secret/app/db", "open-sesame")?;
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault"},
            "stringData": {"token": token(vault, "app")?}});
        shop.api.create(secrets, &object).await?;
        spec["vault"] = by_token(&vault.address)["vault"].clone();
        repository.write("vault.yaml", OF_VAULT)?;
        overlay.push_str(", vault.yaml");
    }
    repository.write("kustomization.yaml", &format!("{overlay}]\n"))?;
    let commit = repository.commit("secrets of every kind")?;
    shop.stack(json!({"secrets": spec})).await?;
    shop.wait(&commit, "Succeeded").await?;
    Ok(())
}

#[test]
fn every_secret_of_a_stack_is_listed_with_its_source_and_no_value() {
    crate::block_on(async {
        let vault = server().await?;
        let shop = Shop::start_with(&["--allow-host", "127.0.0.1"]).await?;
        put_every_kind(&shop, vault.as_ref()).await?;
        let printed = shop.prints(&["secret", "list", "s", "-o", "json"])?;
        assert!(!printed.contains("open-sesame"), "{printed}");
        let list: Value = printed.parse()?;
        let db = row(&list, "Secret/default/db");
        assert_eq!(db["source"]["kind"], "sops", "{list:#}");
        assert_eq!(db["source"]["file"], "db.yaml");
        assert_eq!(db["source"]["line"], 6);
        assert_eq!(db["source"]["lastModified"], "2030-01-02T03:04:05Z");
        assert_eq!(db["values"], json!(["password"]));
        assert_eq!(db["usedBy"], json!(["Deployment.apps/default/web"]));
        let recipients = db["openedBy"].as_array().map_or(0, Vec::len);
        assert_eq!(recipients, 1);
        let of_env = row(&list, "Secret/default/of-env");
        assert_eq!(of_env["source"]["file"], "secret.env", "{list:#}");
        assert_eq!(of_env["values"], json!(["KEY"]));
        let token = row(&list, "SealedSecret.bitnami.com/default/token");
        assert_eq!(token["source"]["kind"], "sealedSecret", "{list:#}");
        assert_eq!(token["source"]["scope"], "strict");
        let plain = row(&list, "Secret/default/plain");
        assert_eq!(plain["source"]["kind"], "plain", "{list:#}");
        if vault.is_some() {
            let of_vault = row(&list, "Secret/default/of-vault");
            assert_eq!(of_vault["source"]["path"], "secret/app/db", "{list:#}");
            assert_eq!(of_vault["source"]["version"], "1");
        }
        let words = [
            "SOPS db.yaml:6",
            "not sealed plain.yaml",
            "the engine, with",
            "web",
        ];
        shop.says(&["secret", "list", "s"], &words)?;
        let (said, _) = shop.run(&["secret", "list", "s"])?;
        assert!(!said.contains("open-sesame"), "{said}");
        Ok(())
    });
}
