//! `holdfast demo --check`: plays what the demo proposes and asserts each result.

use std::time::{Duration, Instant};

use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::{Demo, NAMESPACE};
use crate::cli::{condition, print, text};

/// How long each result may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays everything; each result is printed as it is seen.
///
/// # Errors
/// The first result that does not come.
pub async fn play(demo: &Demo) -> anyhow::Result<()> {
    let web = "/apis/apps/v1/namespaces/shop-prod/deployments/web";
    for stack in ["shop-staging", "shop-prod", "cache"] {
        ready(demo, stack).await?;
    }
    until(demo, web, "3 of 3 replicas", |web| {
        web.pointer("/status/availableReplicas") == Some(&json!(3))
    })
    .await?;
    seen("a commit became running pods in two environments, and a chart beside them");

    change(demo, "web:1.0", "web:1.1", "web 1.1")?;
    until(demo, web, "at web:1.1", |web| {
        image(web) == "registry.example/web:1.1"
    })
    .await?;
    seen("an edit was pushed and rolled out");

    let scale = json!({"spec": {"replicas": 9}});
    let path = format!("{web}/scale?fieldManager=alice");
    demo.api
        .send(
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            Some(&scale),
        )
        .await?;
    until(
        demo,
        &stack_path("shop-prod"),
        "healed with a name",
        |stack| text(stack, "/status/history/0/summary").contains("replicas changed by alice"),
    )
    .await?;
    until(demo, web, "at 3 replicas", |web| {
        web.pointer("/spec/replicas") == Some(&json!(3))
    })
    .await?;
    seen("a change by hand was put back, with the name of who made it");

    change(demo, "web:1.1", "web:broken", "oops")?;
    until(
        demo,
        &stack_path("shop-prod"),
        "degraded with the reason",
        |stack| {
            condition(stack, "Healthy", "status") == "False"
                && condition(stack, "Healthy", "message").contains("ImagePull")
        },
    )
    .await?;
    seen("a broken image was told with the words of its pods");

    demo.git(&["revert", "--no-edit", "HEAD"])?;
    demo.git(&["push", "--quiet"])?;
    until(demo, web, "back at web:1.1", |web| {
        image(web) == "registry.example/web:1.1"
    })
    .await?;
    ready(demo, "shop-prod").await?;
    seen("a revert undid it");
    Ok(())
}

fn seen(what: &str) {
    print(&format!("✓ {what}\n"));
}

fn stack_path(name: &str) -> String {
    format!("/apis/holdfast.dev/v1alpha1/namespaces/{NAMESPACE}/stacks/{name}")
}

fn image(web: &Value) -> &str {
    text(web, "/spec/template/spec/containers/0/image")
}

/// Edits the web front end, commits and pushes.
fn change(demo: &Demo, from: &str, to: &str, message: &str) -> anyhow::Result<()> {
    let file = demo.checkout.join("base/web.yaml");
    let edited = std::fs::read_to_string(&file)?.replace(from, to);
    std::fs::write(file, edited)?;
    demo.git(&["commit", "--quiet", "--all", "--message", message])?;
    demo.git(&["push", "--quiet"])?;
    Ok(())
}

async fn ready(demo: &Demo, stack: &str) -> anyhow::Result<()> {
    until(demo, &stack_path(stack), "ready", |stack| {
        condition(stack, "Ready", "status") == "True"
    })
    .await
}

/// Waits until an object is so.
async fn until(
    demo: &Demo,
    path: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let object = demo.api.get(path).await.ok();
        if object.as_ref().is_some_and(&holds) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            let last = object
                .map(|object| format!("{object:#}"))
                .unwrap_or_default();
            anyhow::bail!("{path} is not {what}; it is {last}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
