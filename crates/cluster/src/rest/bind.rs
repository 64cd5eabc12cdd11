//! The binding of a pod to a node, as a scheduler makes it. It must not know where pods fit.

use holdfast_admit::{ApiError, Result, Subject};
use holdfast_model::Value;
use serde_json::json;

use super::admitted::Change;
use super::target::Target;
use super::write::{ATTEMPTS, Outcome, Write};
use crate::body::Reply;
use crate::call::{Call, text_at};
use crate::policies::Operation;
use crate::state::State;

/// Binds a pod to a node.
pub(crate) fn bind(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let binding = call.document()?.value;
    let node = text_at(&binding, &["target", "name"])
        .unwrap_or("")
        .to_owned();
    let write = Write::new(state, call, target)?;
    let object_name = target.object_name()?;
    write.ask_policies_of(&Change {
        operation: Operation::Create,
        sent: Some(["", "v1", "Binding"]),
        object: Some(&binding),
        old: None,
        dry_run: write.dry_run,
    })?;
    for _ in 0..ATTEMPTS {
        let stored = state.store().get(&target.served.storage, &object_name);
        let stored = stored.ok_or_else(|| target.not_found())?;
        let old = stored.value();
        let name = &object_name.name;
        let refuse = |message: String| {
            let subject = Subject {
                group: "",
                name: "pods/binding",
            };
            Err(ApiError::conflict(&subject, name, &message))
        };
        if old["metadata"].get("deletionTimestamp").is_some() {
            return refuse(format!(
                "pod {name} is being deleted, cannot be assigned to a host"
            ));
        }
        if let Some(known) = text_at(&old, &["spec", "nodeName"]) {
            return refuse(format!("pod {name} is already assigned to node {known:?}"));
        }
        if !holdfast_kinds::items(&old["spec"], "schedulingGates").is_empty() {
            return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        // What a scheduler decides is no change of the spec, and nobody's field.
        let mut new = old.clone();
        new["spec"]["nodeName"] = json!(node);
        let now = write.now.to_string();
        scheduled(&mut new, &now);
        if let Outcome::Done(_) = write.put(&stored, new)? {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "code": 201,
            });
            return Ok(Reply::json(201, &status));
        }
    }
    Err(ApiError::changed(
        &target.served.resource(),
        &object_name.name,
    ))
}

/// Says of a pod that it has a node.
fn scheduled(pod: &mut Value, now: &str) {
    let mut conditions = holdfast_kinds::items(&pod["status"], "conditions").to_vec();
    conditions.retain(|condition| condition["type"] != "PodScheduled");
    conditions.push(json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": now,
    }));
    pod["status"]["conditions"] = json!(conditions);
}
