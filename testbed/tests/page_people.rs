//! People on the page of a real engine: accounts and rules are made with the commands that people type, kept in
//! the cluster, and hold over real HTTP, also while a page is open and after a kill.

use anyhow::Context as _;
use holdfast_model::Value;
use serde_json::json;

use crate::page::{Answer, Page, Stream};
use crate::shop::{STACKS, Shop};

const SIGN_IN: [&str; 3] = ["--page", "127.0.0.1:0", "--page-sign-in"];
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const RULES: &str = "p, role:team, get|plan|sync, default/*, *, allow\ng, group:team, role:team\n\
                     p, carol, get, elsewhere/*, *, allow\n";

/// Sends what somebody types, with the form that they were shown.
fn sign_in(page: &mut Page, name: &str, password: &str) -> anyhow::Result<Answer> {
    page.cookie.clear();
    let shown = page.get("/sign-in")?;
    let cookie = cookie(&shown, "holdfast-form").context("it gives a cookie")?;
    let field = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = shown.text.split_once(&start).context("it has the field")?;
        rest.split('"').next().context("it ends")
    };
    let body = format!(
        "form={}&token={}&name={name}&password={password}",
        field("form")?,
        field("token")?
    );
    let answer = page.send(&format!(
        "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
        host = page.address,
    ))?;
    page.cookie = cookie_of(&answer, "holdfast-session");
    Ok(answer)
}

fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.head.lines();
    let mut given = lines.filter_map(|line| line.strip_prefix("set-cookie: "));
    let given = given.find(|cookie| cookie.starts_with(name))?;
    Some(given.split(';').next()?.to_owned())
}

fn cookie_of(answer: &Answer, name: &str) -> String {
    cookie(answer, name).unwrap_or_default()
}

async fn rules(shop: &Shop, text: &str) -> anyhow::Result<()> {
    let data = json!({"data": {"policy.csv": text}});
    let path = format!("{CONFIG_MAPS}/holdfast-page-roles");
    shop.api.merge(&path, "keeper", &data).await.map(drop)
}

/// Waits until a path answers with a code.
async fn answers(page: &Page, path: &str, code: u16) -> anyhow::Result<()> {
    let wait = async {
        while page.get(path)?.code != code {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(180), wait).await;
    waited.with_context(|| format!("{path} never answers {code}"))?
}

async fn peopled() -> anyhow::Result<Shop> {
    let shop = Shop::start_with(&SIGN_IN).await?;
    shop.feeds(
        &["page", "account", "add", "alice", "--group", "team"],
        "alice's password\n",
    )?;
    shop.feeds(&["page", "account", "add", "carol"], "carol's password\n")?;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "holdfast-page-roles"}, "data": {"policy.csv": RULES},
    });
    shop.api.create(CONFIG_MAPS, &map).await?;
    Ok(shop)
}

#[test]
fn people_sign_in_see_and_do_what_the_rules_allow_and_are_written_down() {
    crate::block_on(async {
        let shop = peopled().await?;
        let mut page = Page::of(&shop).await?;
        let first = shop.put("one")?;
        shop.stack(json!({"sync": {"automatic": false}})).await?;
        shop.ends(&["wait", "s"], 3, "holdfast sync s")?;

        assert_eq!(page.get("/")?.code, 303);
        assert_eq!(page.get("/api/v1/stacks")?.code, 401);
        assert_eq!(sign_in(&mut page, "alice", "carol's+password")?.code, 401);
        assert_eq!(sign_in(&mut page, "alice", "alice%27s+password")?.code, 303);
        let words = page.wait("/stacks/default/s", "sync to apply").await?;
        assert!(
            words.contains("alice") && !words.contains("Delete"),
            "{words}"
        );
        assert_eq!(page.get("/stacks/default/s/ask/delete")?.code, 403);
        page.ask("/stacks/default/s/ask/sync", "&reason=go")?;
        let stack = shop.wait(&first, "Succeeded").await?;
        shop.says(
            &["history", "s"],
            &["asked for by alice", "go; on the page"],
        )?;
        let by = stack.pointer("/metadata/annotations/holdfast.dev~1sync-by");
        assert_eq!(by.and_then(Value::as_str), Some("alice"));

        // Somebody else sees nothing of it, whatever they guess.
        let mut other = Page::of(&shop).await?;
        assert_eq!(
            sign_in(&mut other, "carol", "carol%27s+password")?.code,
            303
        );
        other.wait("/", "no Stacks that you may see").await?;
        for path in [
            "/stacks/default/s",
            "/api/v1/stacks/default/s",
            "/stacks/default/s/ask/sync",
        ] {
            assert_eq!(other.get(path)?.code, 404, "{path}");
        }
        let list = other.get("/api/v1/stacks")?;
        assert!(!list.text.contains("default"), "{}", list.text);

        shop.says(
            &["can-i", "sync", "s", "--as", "alice"],
            &["yes: alice may sync", "line 1 allows it"],
        )?;
        shop.ends(
            &["can-i", "delete", "s", "--as", "alice"],
            1,
            "no line allows it",
        )?;
        shop.ends(
            &["can-i", "get", "s", "--as", "carol"],
            1,
            "no: carol may not get",
        )?;
        shop.ends(&["can-i", "fly", "s"], 64, "there are get, plan")
    });
}

#[test]
fn sessions_outlast_a_kill_and_end_when_they_are_revoked() {
    crate::block_on(async {
        let shop = peopled().await?;
        let mut page = Page::of(&shop).await?;
        let first = shop.put("one")?;
        shop.stack(json!({})).await?;
        shop.wait(&first, "Succeeded").await?;
        assert_eq!(sign_in(&mut page, "alice", "alice%27s+password")?.code, 303);
        let path = "/stacks/default/s";
        page.wait(path, "is in place").await?;

        // What is open hears that the rules are others, and what they hide is as if it were not there.
        let mut stream = Stream::of(&page, "/events")?;
        stream.heard()?;
        rules(&shop, "p, carol, get, default/*, *, allow\n").await?;
        stream.heard()?;
        answers(&page, path, 404).await?;
        rules(&shop, "p, alice, fly, default/*, *, allow\n").await?;
        shop.ends(
            &["can-i", "get", "s", "--as", "alice"],
            1,
            "`fly` is no verb",
        )?;
        page.wait("/account", "`fly` is no verb").await?;
        rules(&shop, RULES).await?;
        answers(&page, path, 200).await?;

        let token = shop.prints(&["page", "account", "token", "alice", "--name", "ci"])?;
        let token = token.trim().to_owned();
        shop.says(
            &["page", "account", "list"],
            &["alice", "groups team", "token ci", "carol"],
        )?;
        let stored = shop
            .api
            .get("/api/v1/namespaces/default/secrets/holdfast-page-accounts")
            .await?;
        let stored = stored.to_string();
        assert!(!stored.contains(&token) && !stored.contains("password\":\"alice"));

        let shop = shop.restart_with(&SIGN_IN).await?;
        let again = Page::of(&shop).await?;
        page.address.clone_from(&again.address);
        page.wait(path, "is in place").await?;
        let bearer = |token: &str| {
            page.send(&format!(
                "GET /api/v1/stacks HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: \
                 close\r\n\r\n",
                page.address
            ))
        };
        let list = bearer(&token)?;
        assert!(
            list.code == 200 && list.text.contains("\"name\":\"s\""),
            "{}",
            list.text
        );
        assert_eq!(bearer(&format!("{token}0"))?.code, 401);

        let mut stream = Stream::of(&page, "/events")?;
        stream.heard()?;
        shop.says(
            &["page", "account", "sign-out", "alice"],
            &["no sessions any more"],
        )?;
        answers(&page, path, 303).await?;
        while stream.heard().is_ok() {}
        shop.says(&["page", "account", "remove", "alice"], &["is removed"])?;
        shop.ends(
            &["page", "account", "token", "alice", "--name", "x"],
            1,
            "there is no account alice",
        )?;
        let wait = async {
            while bearer(&token)?.code != 401 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(std::time::Duration::from_secs(180), wait).await??;
        let path = format!("{STACKS}/s");
        shop.api.get(&path).await.map(drop)
    });
}
