//! Commands that wait say what they wait for, and end with a code that says how it went.

use serde_json::json;

use crate::shop::{STACKS, Shop};

#[test]
fn whoever_waits_for_a_commit_is_told_when_it_is_in_place_or_cannot_be() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        shop.stack(json!({"source": {"git": shop.repository.url(), "interval": "1h"}}))
            .await?;
        shop.says(&["wait", "s", "--revision", &a], &[&a[..12], "in place"])?;
        // Nobody but the one who waits asks for news here.
        let b = shop.put("B")?;
        shop.says(&["wait", "s", "--revision", &b[..8]], &[&b[..12]])?;
        shop.repository.write("README.md", "read me\n")?;
        shop.repository.write("elsewhere/x.txt", "x\n")?;
        let elsewhere = shop.repository.commit("elsewhere")?;
        shop.says(
            &["wait", "s", "--revision", &elsewhere],
            &[&elsewhere[..12]],
        )?;
        // One that was in place and is no longer is no failure of whoever waited for it.
        let c = shop.put("C")?;
        shop.says(&["wait", "s"], &[&c[..12]])?;
        shop.says(&["wait", "s", "--revision", &b], &[&c[..12]])?;

        // What is in place is ready although nobody can say what Git has by now.
        let git = shop.repository.path().join(".git");
        let aside = shop.repository.path().join("aside");
        std::fs::rename(&git, &aside)?;
        shop.ends(&["sync", "s"], 1, "the source cannot be read since")?;
        shop.says(&["wait", "s"], &[&c[..12], "the source cannot be read"])?;
        shop.says(&["describe", "s"], &["SourceReady", "SourceFailed"])?;
        let unread = ["wait", "s", "--timeout", "1s", "--revision", "0123456789"];
        shop.ends(&unread, 4, "in Git, which cannot be read")?;
        std::fs::rename(&aside, &git)?;
        shop.says(&["sync", "s"], &["in place"])?;

        let never = ["wait", "s", "--timeout", "1s", "--revision", "0123456789"];
        shop.ends(&never, 4, "has not seen 0123456789 in Git")?;
        shop.says(&["rollback", "s", "--to", &a], &[])?;
        shop.wait(&a, "Pinned").await?;
        let pinned = ["wait", "s", "--revision", &c];
        shop.ends(&pinned, 3, "pinned to")?;
        shop.says(&["resume", "s"], &[])?;
        shop.repository.write("x.yaml", "{ this is: no YAML\n")?;
        let broken = shop.repository.commit("broken")?;
        let unrendered = ["wait", "s", "--revision", &broken];
        shop.ends(&unrendered, 1, "x.yaml")?;
        Ok(())
    });
}

#[test]
fn whoever_waits_applies_nothing_that_waits_to_be_asked_for() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        shop.stack(json!({"sync": {"automatic": false}})).await?;
        shop.ends(&["wait", "s", "--revision", &a], 3, "holdfast sync s")?;
        let path = "/api/v1/namespaces/default/configmaps/c";
        anyhow::ensure!(shop.api.get(path).await.is_err(), "it was applied");
        shop.says(&["sync", "s"], &["in place"])?;
        shop.says(&["wait", "s", "--revision", &a], &["in place"])?;
        Ok(())
    });
}

#[test]
fn exit_codes_say_what_happened() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.put("A")?;
        shop.stack(json!({})).await?;
        shop.says(&["wait", "s"], &[])?;
        shop.ends(&["plan", "s", "--exit-code"], 0, "0 changes")?;
        shop.ends(&["get", "nothing"], 1, "not found")?;
        shop.ends(&["get", "--no-such-option"], 64, "unexpected argument")?;
        shop.ends(&["rollback", "s", "--for", "soon"], 64, "write a duration")?;
        shop.ends(&["--help"], 0, "Usage")?;
        // It is suspended first: what comes after that is applied by nobody.
        shop.says(&["suspend", "s"], &[])?;
        shop.put("B")?;
        shop.ends(&["plan", "s", "--exit-code"], 2, "Git changed")?;
        shop.ends(&["sync", "s"], 3, "s is suspended")?;
        shop.ends(&["wait", "s"], 3, "s is suspended")?;
        shop.says(&["resume", "s"], &[])?;

        // What needs another Stack, or a person, does not keep anybody waiting.
        let path = format!("{STACKS}/s");
        let depends = json!({"spec": {"dependsOn": [{"name": "nobody"}]}});
        shop.api.merge(&path, "test", &depends).await?;
        shop.put("C")?;
        shop.ends(&["sync", "s"], 3, "there is no Stack default/nobody")?;
        let itself = json!({"spec": {"dependsOn": [{"name": "s"}]}});
        shop.api.merge(&path, "test", &itself).await?;
        shop.ends(&["sync", "s"], 3, "default/s → default/s")?;
        let free = json!({"spec": {"dependsOn": null}});
        shop.api.merge(&path, "test", &free).await?;
        shop.says(&["sync", "s"], &["in place"])?;
        shop.repository.write("c.yaml", "# nothing\n")?;
        shop.repository.commit("nothing")?;
        shop.ends(&["sync", "s"], 3, "holdfast approve s sha256:")?;
        let wrong = json!({"spec": {"snyc": {}}});
        shop.api.merge(&path, "test", &wrong).await?;
        shop.ends(&["sync", "s"], 1, "spec.snyc")?;
        Ok(())
    });
}
