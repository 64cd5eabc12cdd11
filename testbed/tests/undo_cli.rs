//! The commands that go back and come back, as people type them.

use holdfast_model::Value;
use serde_json::json;

use crate::shop::Shop;

#[test]
fn the_commands_go_back_and_come_back() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        shop.stack(json!({})).await?;
        shop.wait(&a, "Succeeded").await?;
        shop.repository.git(&["tag", "good"])?;
        let b = shop.put("B")?;
        shop.wait(&b, "Succeeded").await?;
        let c = shop.put("C")?;
        shop.wait(&c, "Succeeded").await?;

        let why = ["rollback", "s", "--reason", "C is slow"];
        shop.says(
            &why,
            &[
                &b[..12],
                "the newest further back",
                "holdfast resume s",
                &c[..12],
            ],
        )?;
        let stack = shop.wait(&b, "Pinned").await?;
        let by = stack.pointer("/status/pin/by").and_then(Value::as_str);
        anyhow::ensure!(by.is_some_and(|by| !by.is_empty()), "{stack:#}");
        shop.says(&["history", "s"], &["pinned", "C is slow"])?;
        shop.says(
            &["describe", "s"],
            &["Pinned", "C is slow", "until Git has something newer"],
        )?;

        // By tag, by steps, by digits; what cannot be meant is refused, and changes nothing.
        shop.says(&["rollback", "s", "--to", "good"], &[&a[..12]])?;
        shop.wait(&a, "Pinned").await?;
        let (said, code) = shop.run(&["rollback", "s"])?;
        assert!(
            code == Some(1) && said.contains("no revision further back"),
            "{said}"
        );
        let (said, code) = shop.run(&["rollback", "s", "--to", "nowhere"])?;
        assert!(code == Some(1) && said.contains("nowhere"), "{said}");
        shop.wait(&a, "Pinned").await?;
        shop.says(
            &["resume", "s"],
            &["ConfigMap/default/c", "1 change,", "no longer pinned"],
        )?;
        shop.wait(&c, "Succeeded").await?;
        shop.says(&["rollback", "s", "--to", "-2"], &[&a[..12]])?;
        shop.wait(&a, "Pinned").await?;
        shop.says(&["rollback", "s", "--to", &b[..7]], &[&b[..12]])?;
        shop.wait(&b, "Pinned").await?;

        // What would be applied is shown first; a suspension ends before a rollback does.
        shop.says(&["resume", "s", "--dry-run"], &["Git changed /data/text"])?;
        shop.wait(&b, "Pinned").await?;
        shop.says(&["suspend", "s"], &[])?;
        shop.says(&["resume", "s"], &["stays pinned"])?;
        shop.wait(&b, "Pinned").await?;
        shop.says(
            &["resume", "s"],
            &["Git changed /data/text", "no longer pinned"],
        )?;
        shop.wait(&c, "Succeeded").await?;
        shop.says(&["resume", "s"], &["neither suspended nor pinned"])?;
        Ok(())
    });
}
