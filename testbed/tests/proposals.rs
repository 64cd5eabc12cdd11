//! What `holdfast plan` shows is what the engine does, or waits with: the same digest and the same steps.

use holdfast_model::Value;
use holdfast_testbed::bed::{config, find_condition};
use serde_json::{Value as Json, json};

use crate::shop::{STACKS, Shop};

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// A Stack of a folder that is synced only when a person asks.
fn asked(shop: &Shop, folder: &str) -> Json {
    json!({
        "source": {"git": shop.repository.url(), "interval": "1s", "path": folder},
        "sync": {"automatic": false, "heal": false},
    })
}

/// What `holdfast plan` says.
fn planned(shop: &Shop, arguments: &[&str]) -> anyhow::Result<Json> {
    let mut all = vec!["plan"];
    all.extend(arguments);
    all.extend(["-o", "json"]);
    Ok(shop.prints(&all)?.parse()?)
}

/// Plans, and waits until the engine waits with just that plan; the plan.
async fn agree(shop: &Shop, name: &str) -> anyhow::Result<Json> {
    let plan = planned(shop, &[name])?;
    let expected = match &plan["approval"] {
        Json::Null => plan["plan"].clone(),
        held => held.clone(),
    };
    let path = format!("{STACKS}/{name}");
    let holds = |stack: Option<&Value>| {
        let pending = stack.and_then(|stack| stack.pointer("/status/pending/plan"));
        pending == Some(&expected)
    };
    let what = format!("{name} waits with what is planned: {plan:#}");
    shop.api.wait(&path, &what, holds).await?;
    Ok(plan)
}

/// The verb and the reason of a step of a plan.
fn step(plan: &Json, object: &str) -> (String, String) {
    let steps = plan["steps"].as_array().into_iter().flatten();
    let found = steps.into_iter().find(|step| step["object"] == object);
    let text = |name: &str| {
        let text = found.and_then(|step| step[name].as_str());
        text.unwrap_or_default().to_owned()
    };
    (text("verb"), text("why"))
}

fn check(plan: &Json, object: &str, verb: &str, why: &str) {
    let (is, because) = step(plan, object);
    assert!(
        is == verb && because.contains(why),
        "{object}: {is} {because}: {plan:#}"
    );
}

/// Syncs, after which nothing is left to be done.
fn sync(shop: &Shop, name: &str) -> anyhow::Result<()> {
    shop.says(&["sync", name], &[])?;
    shop.ends(&["plan", name, "--exit-code"], 0, "0 changes")
}

#[test]
fn what_is_new_has_drifted_or_goes_is_planned_as_it_is_done() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        for name in ["a", "b", "c", "d", "e"] {
            let file = format!("app/{name}.yaml");
            shop.repository.write(&file, &config(name, "one"))?;
        }
        shop.repository.commit("one")?;
        shop.stack_named("s", asked(&shop, "app")).await?;
        let fresh = agree(&shop, "s").await?;
        check(&fresh, "ConfigMap/default/a", "create", "new in Git");
        sync(&shop, "s")?;

        // Drift that is not healed is neither a change nor taken for one in Git.
        let theirs = json!({"data": {"text": "theirs"}});
        shop.api
            .merge(&format!("{CONFIGS}/a"), "bob", &theirs)
            .await?;
        shop.repository.write("app/b.yaml", &config("b", "two"))?;
        shop.repository.commit("two")?;
        let drifted = agree(&shop, "s").await?;
        check(&drifted, "ConfigMap/default/a", "keep", "healing is off");
        check(
            &drifted,
            "ConfigMap/default/b",
            "update",
            "Git changed /data/text",
        );
        // A revision goes by whatever name Holdfast gives it.
        let known = format!(
            "HEAD@{}",
            &fresh["commit"].as_str().unwrap_or_default()[..7]
        );
        let before = planned(&shop, &["s", "--revision", &known])?;
        assert_eq!(before["commit"], fresh["commit"], "{before:#}");
        shop.ends(&["sync", "s"], 1, "healing is off")?;
        shop.says(&["plan", "s"], &["healing is off", "0 changes"])?;
        let back = planned(&shop, &["s", "--revision", "-1"])?;
        assert_eq!(back["commit"], fresh["commit"], "{back:#}");

        shop.repository.git(&["rm", "--quiet", "app/c.yaml"])?;
        shop.repository.commit("three")?;
        let pruned = agree(&shop, "s").await?;
        check(&pruned, "ConfigMap/default/c", "delete", "no longer in Git");
        shop.ends(&["sync", "s"], 1, "healing is off")?;

        // More than half: only what a person has confirmed is done.
        shop.repository
            .git(&["rm", "--quiet", "app/a.yaml", "app/b.yaml", "app/d.yaml"])?;
        shop.repository.commit("four")?;
        let gated = agree(&shop, "s").await?;
        let digest = gated["approval"].as_str().unwrap_or_default();
        let command =
            format!("waits for a person because of 3 objects: holdfast approve s {digest}");
        shop.says(&["plan", "s"], &[&command])?;
        shop.says(&["approve", "s", digest], &["confirmed"])?;
        let gone = |config: Option<&Value>| config.is_none();
        shop.api.wait(&format!("{CONFIGS}/d"), "gone", gone).await?;
        Ok(())
    });
}

#[test]
fn what_other_stacks_have_or_want_is_planned_as_it_is_done() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.repository.write("one/x.yaml", &config("x", "one"))?;
        shop.repository.write("one/v.yaml", &config("v", "one"))?;
        shop.repository.write("two/x.yaml", &config("x", "two"))?;
        shop.repository.write("two/z.yaml", &config("z", "two"))?;
        shop.repository.commit("one")?;
        shop.stack_named("one", asked(&shop, "one")).await?;
        agree(&shop, "one").await?;
        sync(&shop, "one")?;
        shop.stack_named("two", asked(&shop, "two")).await?;
        let plan = agree(&shop, "two").await?;
        check(
            &plan,
            "ConfigMap/default/x",
            "keep",
            "belongs to Stack default/one",
        );
        check(&plan, "ConfigMap/default/z", "create", "new in Git");
        shop.ends(&["sync", "two"], 1, "belongs to Stack default/one")?;

        // A file moves from one folder to the other: nobody deletes it.
        shop.repository.git(&["rm", "--quiet", "two/x.yaml"])?;
        shop.repository.git(&["mv", "one/v.yaml", "two/v.yaml"])?;
        shop.repository.write("one/w.yaml", &config("w", "one"))?;
        shop.repository.commit("two")?;
        let from = agree(&shop, "one").await?;
        check(&from, "ConfigMap/default/v", "keep", "Stack default/two");
        check(&from, "ConfigMap/default/w", "create", "new in Git");
        let to = agree(&shop, "two").await?;
        check(&to, "ConfigMap/default/v", "update", "Git changed");
        let before = shop.api.get(&format!("{CONFIGS}/v")).await?;
        sync(&shop, "two")?;
        sync(&shop, "one")?;
        let after = shop.api.get(&format!("{CONFIGS}/v")).await?;
        assert_eq!(
            before.pointer("/metadata/uid"),
            after.pointer("/metadata/uid")
        );
        Ok(())
    });
}

#[test]
fn a_field_that_is_left_to_another_writer_is_planned_as_it_is_left() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.repository.write("app/a.yaml", &config("a", "ours"))?;
        shop.repository.write("app/b.yaml", &config("b", "ours"))?;
        shop.repository.commit("ours")?;
        let mut spec = asked(&shop, "app");
        spec["sync"] = json!({"automatic": false});
        shop.stack_named("s", spec).await?;
        agree(&shop, "s").await?;
        sync(&shop, "s")?;
        let path = format!("{CONFIGS}/a");
        let theirs = json!({"data": {"text": "theirs"}});
        let is_ours = |config: Option<&Value>| {
            config.and_then(|config| config.pointer("/data/text")) == Some(&json!("ours"))
        };
        for _ in 0..3 {
            shop.api.merge(&path, "bob", &theirs).await?;
            shop.api.wait(&path, "healed", is_ours).await?;
        }
        shop.api.merge(&path, "bob", &theirs).await?;
        let is_left = |stack: Option<&Value>| {
            let left = stack.and_then(|stack| stack.pointer("/status/leftAlone/0/by"));
            left == Some(&json!("bob"))
                && stack.is_some_and(|stack| find_condition(stack, "Synced", "reason") == "Drifted")
        };
        let stack = format!("{STACKS}/s");
        shop.api.wait(&stack, "left alone", is_left).await?;
        shop.ends(
            &["plan", "s", "--exit-code"],
            0,
            "bob keeps changing /data/text; left alone",
        )?;
        shop.repository.write("app/b.yaml", &config("b", "new"))?;
        shop.repository.commit("new")?;
        let plan = agree(&shop, "s").await?;
        check(&plan, "ConfigMap/default/a", "keep", "left alone");
        // Another value in Git takes the field back.
        shop.repository.write("app/a.yaml", &config("a", "newer"))?;
        shop.repository.commit("newer")?;
        let plan = agree(&shop, "s").await?;
        check(
            &plan,
            "ConfigMap/default/a",
            "update",
            "Git changed /data/text",
        );
        sync(&shop, "s")
    });
}

#[test]
fn what_a_chart_makes_up_and_the_server_defaults_is_no_change() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.repository.write(
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 1.0.0\n",
        )?;
        shop.repository.write("app/values.yaml", "text: one\n")?;
        let chart = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  \
                     password: {{ randAlphaNum 20 }}\n---\napiVersion: v1\nkind: Service\n\
                     metadata:\n  name: web\nspec:\n  selector: {app: web}\n  ports:\n  - port: 80\n\
                     ---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  \
                     text: {{ .Values.text }}\n  how: {{ ternary \"installed\" \"upgraded\" .Release.IsInstall }}\n";
        shop.repository.write("app/templates/all.yaml", chart)?;
        shop.repository.commit("one")?;
        shop.stack_named("s", asked(&shop, "app")).await?;
        agree(&shop, "s").await?;
        sync(&shop, "s")?;
        shop.repository.write("app/values.yaml", "text: two\n")?;
        shop.repository.commit("two")?;
        let plan = agree(&shop, "s").await?;
        check(&plan, "ConfigMap/default/c", "update", "Git changed");
        assert_eq!(plan["changes"], 1, "{plan:#}");
        sync(&shop, "s")
    });
}

#[test]
fn what_the_server_would_refuse_is_shown_with_its_file() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let good = shop.put("A")?;
        shop.stack(json!({})).await?;
        shop.wait(&good, "Succeeded").await?;
        let copy = tempfile::tempdir()?;
        let write = |name: &str, text: &str| std::fs::write(copy.path().join(name), text);
        let head = |kind: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: x\n");
        write("c.yaml", &config("c", "A"))?;
        let service = format!("{}spec:\n  ports:\n  - port: http\n", head("Service"));
        write("service.yaml", &service)?;
        write(
            "config.yaml",
            &format!("{}dat: {{a: b}}\n", head("ConfigMap")),
        )?;
        let kind = "apiVersion: example.org/v1\nkind: Missing\nmetadata:\n  name: x\n";
        write("missing.yaml", kind)?;
        let folder = copy.path().display().to_string();
        let (said, code) = shop.run(&["plan", "s", "--dir", &folder])?;
        assert_eq!(code, Some(1), "{said}");
        for words in [
            "the server refuses Service/default/x at service.yaml:1",
            "the server refuses ConfigMap/default/x at config.yaml:1",
            "the server refuses Missing.example.org/x at missing.yaml:1",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let (said, code) = shop.run(&["plan", "s", "--dir", &folder, "--server=false"])?;
        assert!(code == Some(0) && !said.contains("refuses"), "{said}");
        Ok(())
    });
}
