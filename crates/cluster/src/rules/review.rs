//! Questions that are asked by creating an object: who am I, and may I.
//! It must not store anything.

use holdfast_model::Value;
use serde_json::json;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::rest::Target;

/// The answer, when the kind is a question.
pub(crate) fn review(_cluster: &Cluster, call: &Call, target: &Target) -> Result<Option<Value>> {
    let served = &target.served;
    let status = match (served.kind.group.as_str(), served.kind.kind.as_str()) {
        ("authentication.k8s.io", "SelfSubjectReview") => json!({"userInfo": {
            "username": call.user.name, "groups": call.user.groups,
        }}),
        ("authorization.k8s.io", "SelfSubjectAccessReview") => json!({"allowed": true}),
        ("authorization.k8s.io", "SelfSubjectRulesReview") => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => return Ok(None),
    };
    let mut answer = call.document()?.value;
    answer["apiVersion"] = json!(served.kind.api_version());
    answer["kind"] = json!(served.kind.kind);
    if !answer["metadata"].is_object() {
        answer["metadata"] = json!({});
    }
    answer["status"] = status;
    Ok(Some(answer))
}
