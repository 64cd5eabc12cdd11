//! Questions that are asked by creating an object: who am I, whose token is this, may I.
//! It must not store anything.

use std::ops::RangeInclusive;
use std::time::Duration;

use holdfast_model::Value;
use serde_json::json;

use super::{items, text};
use crate::access::{Wish, is_allowed, rules_for, service_account};
use crate::call::{Call, User};
use crate::cluster::Cluster;
use crate::error::{ApiError, FieldError, Result, Subject};
use crate::rest::Target;

/// How long a token lasts when nobody says otherwise, and the least and the most that may be asked
/// for, in seconds. From kube-apiserver 1.37.
const TOKEN_LIFE: i64 = 3600;
const TOKEN_LIVES: RangeInclusive<i64> = 600..=1 << 32;

/// The answer, when the kind is a question.
pub(crate) fn review(cluster: &Cluster, call: &Call, target: &Target) -> Result<Option<Value>> {
    let served = &target.served;
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    let known = matches!(
        kind,
        ("authentication.k8s.io", "SelfSubjectReview" | "TokenReview")
            | (
                "authorization.k8s.io",
                "SelfSubjectAccessReview"
                    | "SubjectAccessReview"
                    | "LocalSubjectAccessReview"
                    | "SelfSubjectRulesReview"
            )
    );
    if !known {
        return Ok(None);
    }
    let mut answer = call.document()?.value;
    let status = match kind.1 {
        "SelfSubjectReview" => json!({"userInfo": info(&call.user)}),
        "TokenReview" => match cluster
            .tokens()
            .user_of(text(&answer["spec"], "token"), cluster.now())
        {
            Some(user) => json!({"authenticated": true, "user": info(&user)}),
            None => json!({"authenticated": false, "error": "the token is not known"}),
        },
        "SelfSubjectAccessReview" => decision(cluster, &call.user, &answer["spec"]),
        "SelfSubjectRulesReview" => {
            let rules = rules_for(cluster, &call.user, text(&answer["spec"], "namespace"));
            let split = |field: &str| -> Vec<&Value> {
                rules
                    .iter()
                    .filter(|rule| rule.get(field).is_some())
                    .collect()
            };
            json!({
                "resourceRules": split("resources"), "nonResourceRules": split("nonResourceURLs"),
                "incomplete": false,
            })
        }
        _ => {
            let spec = &answer["spec"];
            let groups = items(spec, "groups").iter().filter_map(Value::as_str);
            let user = User {
                name: text(spec, "user").to_owned(),
                groups: groups.map(str::to_owned).collect(),
            };
            decision(cluster, &user, spec)
        }
    };
    answer["apiVersion"] = json!(served.kind.api_version());
    answer["kind"] = json!(served.kind.kind);
    if !answer["metadata"].is_object() {
        answer["metadata"] = json!({});
    }
    answer["status"] = status;
    Ok(Some(answer))
}

fn info(user: &User) -> Value {
    json!({"username": user.name, "groups": user.groups})
}

fn decision(cluster: &Cluster, user: &User, spec: &Value) -> Value {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let attributes = if resource.is_object() { resource } else { path };
    let wish = Wish {
        verb: text(attributes, "verb"),
        group: text(attributes, "group"),
        resource: text(attributes, "resource"),
        subresource: text(attributes, "subresource"),
        namespace: text(attributes, "namespace"),
        name: text(attributes, "name"),
        path: if resource.is_object() {
            ""
        } else {
            text(path, "path")
        },
    };
    json!({"allowed": is_allowed(cluster, user, &wish)})
}

/// Gives a service account a token.
pub(crate) fn token(cluster: &Cluster, call: &Call, target: &Target) -> Result<Value> {
    let name = target.object_name()?;
    let found = cluster.store().get(&target.served.storage, &name);
    found.ok_or_else(|| target.not_found())?;
    let mut request = call.document()?.value;
    let life = request["spec"]["expirationSeconds"].as_i64();
    let life = life.unwrap_or(TOKEN_LIFE);
    if !TOKEN_LIVES.contains(&life) {
        let problem = if life < *TOKEN_LIVES.start() {
            "may not specify a duration less than 10 minutes"
        } else {
            "may not specify a duration larger than 2^32 seconds"
        };
        let error = FieldError::invalid("spec.expirationSeconds", &json!(life), problem);
        let subject = Subject {
            group: "authentication.k8s.io",
            name: "TokenRequest",
        };
        return Err(ApiError::invalid(&subject, "", &[error]));
    }
    let user = service_account(&name.namespace, &name.name);
    let now = cluster.now();
    let until = now + Duration::from_secs(life.unsigned_abs());
    let token = cluster.issue_token(user, until);
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["kind"] = json!("TokenRequest");
    request["metadata"] = json!({
        "name": name.name, "namespace": name.namespace, "creationTimestamp": now.to_string()
    });
    request["status"] = json!({
        "token": token, "expirationTimestamp": until.to_string()
    });
    Ok(request)
}
