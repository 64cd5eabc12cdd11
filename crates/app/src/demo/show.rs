//! What the demo shows: what to try, and what happens, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::Value;

use super::{Demo, NAMESPACE};
use crate::cli::{Tone, condition, items, paint, print, short, text};

/// What to try next, ready to paste.
pub fn welcome(demo: &Demo) {
    let kubectl = format!("kubectl --kubeconfig {}", demo.kubeconfig.display());
    let shop = demo.checkout.display();
    let holdfast = std::env::current_exe().map(|path| path.display().to_string());
    let holdfast = format!(
        "{} --kubeconfig {} -n {NAMESPACE}",
        holdfast.unwrap_or_else(|_| "holdfast".to_owned()),
        demo.kubeconfig.display()
    );
    print(&format!(
        "{title}
  Its page is {page}

  An embedded cluster, a Git repository and the engine run in this process. Pods are simulated.

  {watch}
    {holdfast} get
    {kubectl} get pods -A

  {edit}
    cd {shop}
    sed -i 's/web:1.0/web:1.1/' base/web.yaml && git commit -am 'web 1.1' && git push

  {drift}
    {kubectl} scale deployment web -n shop-prod --replicas 9
    {holdfast} history shop-prod

  {broken}
    sed -i 's/web:.*/web:broken/' base/web.yaml && git commit -am 'oops' && git push
    {holdfast} describe shop-prod

  {undo}
    git revert --no-edit HEAD && git push

  {back}
    {holdfast} rollback shop-prod && {holdfast} rollback shop-prod
    {holdfast} resume shop-prod

  {passing}
    git mv envs/staging/role.yaml envs/prod/ && sed -i '/role.yaml/d' envs/staging/kustomization.yaml
    sed -i 's/^- namespace.yaml/&\\n- role.yaml/' envs/prod/kustomization.yaml
    git commit -am 'the role moves' && git push && {holdfast} tree shop-prod

  Ctrl-C ends it and leaves nothing behind.

",
        page = paint(Tone::Bold, &demo.page),
        title = paint(
            Tone::Bold,
            "Holdfast keeps a small shop equal to what Git says."
        ),
        watch = paint(Tone::Bold, "See it"),
        edit = paint(Tone::Bold, "Change something in Git"),
        drift = paint(
            Tone::Bold,
            "Change something by hand, and see it put back, and by whom it was changed"
        ),
        broken = paint(Tone::Bold, "Break it, and see why"),
        undo = paint(Tone::Bold, "Undo it"),
        back = paint(Tone::Bold, "Go back to what worked, twice, and come back"),
        passing = paint(
            Tone::Bold,
            "Move a file to another Stack, and see its object pass over"
        ),
    ));
}

/// Prints what changes, for as long as somebody looks.
pub async fn follow(demo: &Demo) {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut lines = Vec::new();
        for (name, line) in stacks(demo).await.into_iter().chain(pods(demo).await) {
            if shown.get(&name) != Some(&line) {
                lines.push(line.clone());
                shown.insert(name, line);
            }
        }
        let now = crate::wiring::now().to_string();
        let clock = now.get(11..19).unwrap_or_default();
        for line in lines {
            print(&format!("{} {line}\n", paint(Tone::Faint, clock)));
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Whether a Stack that is not ready has failed at something, and does not wait for somebody.
fn has_failed(stack: &Value) -> bool {
    !matches!(
        condition(stack, "Ready", "reason"),
        "Suspended" | "OutOfSync" | "ConfirmationNeeded" | "DependencyNotReady" | "Deleting"
    )
}

async fn stacks(demo: &Demo) -> Vec<(String, String)> {
    let path = format!("/apis/holdfast.dev/v1alpha1/namespaces/{NAMESPACE}/stacks");
    let list = demo.api.get(&path).await.unwrap_or(Value::Null);
    items(&list, "/items")
        .iter()
        .filter(|stack| !condition(stack, "Ready", "reason").is_empty())
        .map(|stack| {
            let name = text(stack, "/metadata/name");
            let (mark, tone) = match condition(stack, "Ready", "status") {
                "True" => ("✓", Tone::Good),
                "False" if has_failed(stack) => ("✗", Tone::Bad),
                _ => ("…", Tone::Warning),
            };
            let commit = short(text(stack, "/status/attempted/commit"));
            let words = format!(
                "{mark} {name:<13} {:<12} {}: {}",
                commit,
                condition(stack, "Ready", "reason"),
                condition(stack, "Ready", "message")
            );
            let done = text(stack, "/status/history/0/summary");
            let done = if done.is_empty() {
                String::new()
            } else {
                format!("  [{done}]")
            };
            (
                format!("stack/{name}"),
                format!("{}{}", paint(tone, &words), paint(Tone::Faint, &done)),
            )
        })
        .collect()
}

/// How many pods of each workload run.
async fn pods(demo: &Demo) -> Vec<(String, String)> {
    let list = demo.api.get("/api/v1/pods").await.unwrap_or(Value::Null);
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for pod in items(&list, "/items") {
        let namespace = text(pod, "/metadata/namespace");
        let app = text(pod, "/metadata/labels/app");
        let count = counts.entry(format!("{namespace}/{app}")).or_default();
        count.1 += 1;
        count.0 += usize::from(condition(pod, "Ready", "status") == "True");
    }
    counts
        .into_iter()
        .map(|(name, (ready, all))| {
            let line = format!("  {name}: {ready} of {all} pods ready");
            (format!("pods/{name}"), paint(Tone::Faint, &line))
        })
        .collect()
}
