//! What is under way is ended by whoever says so, and goes on when somebody asks for it.

use holdfast_model::Value;
use holdfast_testbed::bed::find_condition;
use serde_json::json;

use crate::shop::{STACKS, Shop};

/// A hook that never ends, and what comes after it.
const HANGS: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {holdfast.dev/hook: pre-sync}
spec:
  template:
    metadata: {annotations: {simulation.holdfast.dev/run-for: 1h}}
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: "tool:1"}]
"#;

#[test]
fn what_hangs_is_terminated_and_goes_on_when_it_is_asked_for() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        shop.stack(json!({})).await?;
        shop.wait(&a, "Succeeded").await?;
        shop.says(&["terminate", "s"], &["nothing was under way for s"])?;

        shop.repository.write("hook.yaml", HANGS)?;
        let b = shop.put("B")?;
        let is_waiting = |stack: Option<&Value>| {
            stack.is_some_and(|stack| {
                stack.pointer("/status/operation/commit") == Some(&json!(b.as_str()))
            })
        };
        let path = format!("{STACKS}/s");
        shop.api.wait(&path, "under way", is_waiting).await?;
        shop.says(
            &["terminate", "s", "--reason", "it hangs"],
            &[&b[..12], "was terminated", "holdfast sync s"],
        )?;
        let is_ended = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, "Synced", "reason") == "Terminated")
        };
        let stack = shop.api.wait(&path, "terminated", is_ended).await?;
        assert_eq!(stack.pointer("/status/appliedRevision"), Some(&json!(a)));
        assert_eq!(stack.pointer("/status/operation"), None);
        shop.says(&["history", "s"], &["terminated by", "(it hangs)"])?;
        shop.says(&["events", "s"], &["Terminated", "(it hangs)"])?;
        // Twice changes nothing.
        shop.says(&["terminate", "s"], &[&b[..12], "was terminated"])?;
        let (said, code) = shop.run(&["wait", "s", "--timeout", "1s"])?;
        assert_ne!(code, Some(0), "{said}");

        // What it hung on is mended.
        shop.repository.git(&["rm", "--quiet", "hook.yaml"])?;
        let c = shop.put("C")?;
        shop.wait(&c, "Succeeded").await?;
        Ok(())
    });
}
