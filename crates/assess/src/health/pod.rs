//! Pods: ready, finished, held back by a scheduling gate, or stuck on a container that will not
//! start.

use holdfast_model::Value;

use super::{Verdict, conditions};

/// Reasons for which a container waits that do not pass by themselves.
const STUCK: [&str; 7] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

pub(super) fn judge(live: &Value) -> Verdict {
    match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => return Verdict::healthy(),
        Some("Failed") => {
            let message = live.pointer("/status/message").and_then(Value::as_str);
            return Verdict::degraded(message.unwrap_or("the pod failed"));
        }
        _ => {}
    }
    let gates = live.pointer("/spec/schedulingGates");
    if let Some(gates) = gates
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty())
    {
        let names = gates.iter().filter_map(|gate| gate.get("name")?.as_str());
        let names = names.collect::<Vec<&str>>().join(", ");
        return Verdict::suspended(format!("its scheduling is gated by {names}"));
    }
    if let Some(reason) = stuck_container(live) {
        return Verdict::degraded(reason);
    }
    match conditions::find(live, "Ready") {
        Some(ready) if ready.status == "True" => Verdict::healthy(),
        Some(ready) => Verdict::progressing(ready.text()),
        None => Verdict::progressing("not scheduled yet"),
    }
}

fn stuck_container(live: &Value) -> Option<String> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| live.get("status")?.get(list)?.as_array())
        .flatten()
        .find_map(|container| {
            let waiting = container.pointer("/state/waiting")?;
            let reason = waiting
                .get("reason")?
                .as_str()
                .filter(|reason| STUCK.contains(reason))?;
            let name = container
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let message = waiting
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Some(
                format!("container {name}: {reason} {message}")
                    .trim_end()
                    .to_owned(),
            )
        })
}
