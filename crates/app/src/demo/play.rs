//! `holdfast demo --check`: plays what the demo proposes and asserts each result.

use std::time::{Duration, Instant};

use holdfast_model::Value;
use holdfast_model::applyset::PART_OF;
use http::Method;
use serde_json::json;

use super::{Demo, NAMESPACE};
use crate::cli::{condition, print, roll_back, text};

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

    heal(demo, web).await?;
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
    seen("a broken image was reported with the words of its pods");

    demo.git(&["revert", "--no-edit", "HEAD"])?;
    demo.git(&["push", "--quiet"])?;
    until(demo, web, "back at web:1.1", |web| {
        image(web) == "registry.example/web:1.1"
    })
    .await?;
    ready(demo, "shop-prod").await?;
    seen("a revert undid it");
    back_twice(demo, web).await?;
    move_between_stacks(demo).await
}

/// Somebody scales the Deployment by hand.
async fn heal(demo: &Demo, web: &str) -> anyhow::Result<()> {
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
    Ok(())
}

/// Two rollbacks go further and further back, and a newer commit ends that.
async fn back_twice(demo: &Demo, web: &str) -> anyhow::Result<()> {
    let prod = stack_path("shop-prod");
    change(demo, "web:1.1", "web:1.2", "web 1.2")?;
    for (at, is_asked) in [("web:1.2", false), ("web:1.1", true), ("web:1.0", true)] {
        if is_asked {
            roll_back(&demo.global(), "shop-prod").await?;
        }
        until(demo, web, at, |web| image(web).ends_with(at)).await?;
        let reason = if is_asked { "Pinned" } else { "Succeeded" };
        until(demo, &prod, reason, |stack| {
            condition(stack, "Ready", "reason") == reason
        })
        .await?;
    }
    seen("two rollbacks went back to web 1.1 and to web 1.0, each of which had worked");
    change(demo, "web:1.2", "web:1.3", "web 1.3")?;
    until(demo, web, "at web:1.3", |web| {
        image(web).ends_with("web:1.3")
    })
    .await?;
    ready(demo, "shop-prod").await?;
    seen("a newer commit ended that");
    Ok(())
}

/// A file moves from the folder of one Stack to that of another: the object stays the same one.
async fn move_between_stacks(demo: &Demo) -> anyhow::Result<()> {
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/shop-viewer";
    let before = demo.api.get(role).await?;
    demo.git(&["mv", "envs/staging/role.yaml", "envs/prod/role.yaml"])?;
    let edit = |env: &str, from: &str, to: &str| -> anyhow::Result<()> {
        let file = demo.checkout.join(env).join("kustomization.yaml");
        let edited = std::fs::read_to_string(&file)?.replace(from, to);
        Ok(std::fs::write(file, edited)?)
    };
    edit("envs/staging", "- role.yaml\n", "")?;
    edit(
        "envs/prod",
        "- namespace.yaml\n",
        "- namespace.yaml\n- role.yaml\n",
    )?;
    demo.git(&["commit", "--quiet", "--all", "--message", "the role moves"])?;
    demo.git(&["push", "--quiet"])?;
    let owner = |role: &Value| {
        let labels = role.pointer("/metadata/labels");
        labels.and_then(|labels| labels.get(PART_OF)).cloned()
    };
    until(demo, role, "with its new owner", |now| {
        owner(now).is_some() && owner(now) != owner(&before)
    })
    .await?;
    let after = demo.api.get(role).await?;
    let uid = |role: &Value| text(role, "/metadata/uid").to_owned();
    anyhow::ensure!(uid(&before) == uid(&after), "the role was made anew");
    for stack in ["shop-staging", "shop-prod"] {
        ready(demo, stack).await?;
    }
    seen("a file moved from one Stack to another, and its object passed over as it was");
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
