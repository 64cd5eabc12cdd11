//! Services: a load balancer has an address; all others work as soon as they are there.

use holdfast_model::Value;

use super::Verdict;

pub(super) fn judge(live: &Value) -> Verdict {
    let is_balancer = live.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
    let addresses = live
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if is_balancer && addresses.is_none_or(Vec::is_empty) {
        return Verdict::progressing("the load balancer has no address yet");
    }
    Verdict::healthy()
}
