//! Questions that are asked by creating an object: who am I, whose token is this, may I.
//! It must not store anything.

use std::ops::RangeInclusive;
use std::time::Duration;

use holdfast_admit::{ApiError, Result, Subject};
use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::admitted::{Change, admitted};
use super::target::Target;
use crate::access::{Wish, is_allowed, reason, rules_for, service_account};
use crate::call::{Call, User};
use crate::policies::Operation;
use crate::state::State;
use crate::store::Store;

/// How long a token lasts when nobody says otherwise, and the least and the most that may be asked
/// for, in seconds. From kube-apiserver 1.37.
const TOKEN_LIFE: i64 = 3600;
const TOKEN_LIVES: RangeInclusive<i64> = 600..=1 << 32;

/// The question and the answer to it, when the kind is a question.
pub(crate) fn review(
    state: &State,
    call: &Call,
    target: &Target,
) -> Result<Option<(Value, Value)>> {
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
    let mut answer = question(call)?;
    check_question(kind.1, &answer["spec"])?;
    let status = match kind.1 {
        "SelfSubjectReview" => json!({"userInfo": info(&call.user)}),
        "TokenReview" => match state
            .tokens()
            .user_of(text(&answer["spec"], "token"), state.now())
        {
            Some(user) => json!({"authenticated": true, "user": info(&user)}),
            None => json!({"authenticated": false, "error": "the token is not known"}),
        },
        "SelfSubjectAccessReview" => decision(state.store(), &call.user, &answer["spec"]),
        "SelfSubjectRulesReview" => {
            let status = rules_status(
                state.store(),
                &call.user,
                text(&answer["spec"], "namespace"),
            );
            // What was asked is not repeated.
            answer["spec"] = json!({});
            status
        }
        _ => {
            let spec = &answer["spec"];
            let groups = items(spec, "groups").iter().filter_map(Value::as_str);
            let user = User {
                name: text(spec, "user").to_owned(),
                groups: groups.map(str::to_owned).collect(),
            };
            decision(state.store(), &user, spec)
        }
    };
    answer["apiVersion"] = json!(served.kind.api_version());
    answer["kind"] = json!(served.kind.kind);
    if !answer["metadata"].is_object() {
        answer["metadata"] = json!({});
    }
    if kind.1 == "SelfSubjectReview" {
        answer["metadata"]["creationTimestamp"] = json!(state.now().to_string());
    }
    Ok(Some((answer, status)))
}

/// All that somebody may do in a namespace.
fn rules_status(store: &Store, user: &User, namespace: &str) -> Value {
    let rules = rules_for(store, user, namespace);
    let split = |field: &str| -> Vec<&Value> {
        let rules = rules.iter();
        rules.filter(|rule| rule.get(field).is_some()).collect()
    };
    json!({
        "resourceRules": split("resources"), "nonResourceRules": split("nonResourceURLs"),
        "incomplete": false,
    })
}

/// The document of a question.
fn question(call: &Call) -> Result<Value> {
    let value = call.document()?.value;
    if value.is_object() || value.is_null() {
        return Ok(value);
    }
    let problem = "the object provided is unrecognized: it is no object";
    Err(ApiError::bad_request(problem))
}

/// What makes a question none.
fn check_question(kind: &str, spec: &Value) -> Result<()> {
    let refuse = |field: &str, found: &Value, problem: &str| {
        let subject = Subject {
            group: "authorization.k8s.io",
            name: "",
        };
        let error = FieldError::invalid(field, found, problem);
        Err(ApiError::invalid(&subject, "", &[error]))
    };
    if kind == "SelfSubjectRulesReview" && text(spec, "namespace").is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    if !kind.ends_with("AccessReview") {
        return Ok(());
    }
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        // It is shown as Go writes it, under the names of its fields there.
        let shown = match path.is_object() {
            true => json!({"Path": text(path, "path"), "Verb": text(path, "verb")}),
            false => Value::Null,
        };
        let problem =
            "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return refuse("spec", &shown, problem);
    }
    let names_nobody = text(spec, "user").is_empty() && items(spec, "groups").is_empty();
    if names_nobody && !kind.starts_with("Self") {
        let problem = "at least one of user or group must be specified";
        return refuse("spec.user", &json!(""), problem);
    }
    Ok(())
}

fn info(user: &User) -> Value {
    json!({"username": user.name, "groups": user.groups})
}

fn decision(store: &Store, user: &User, spec: &Value) -> Value {
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
    let mut decision = json!({"allowed": is_allowed(store, user, &wish)});
    if let Some(reason) = reason(store, user, &wish) {
        decision["reason"] = json!(reason);
    }
    decision
}

/// Gives a service account a token.
pub(crate) fn token(state: &State, call: &Call, target: &Target) -> Result<Value> {
    let name = target.object_name()?;
    let found = state.store().get(&target.served.storage, &name);
    found.ok_or_else(|| target.not_found())?;
    let mut request = question(call)?;
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
    for (field, value) in [("name", &name.name), ("namespace", &name.namespace)] {
        request["metadata"][field] = json!(value);
    }
    let asked = Change {
        operation: Operation::Create,
        sent: Some(["authentication.k8s.io", "v1", "TokenRequest"]),
        object: Some(&request),
        old: None,
        dry_run: false,
    };
    admitted(state, call, target, &asked)?;
    let user = service_account(&name.namespace, &name.name);
    let now = state.now();
    let until = now + Duration::from_secs(life.unsigned_abs());
    let token = state.tokens().issue(state.store(), user, (now, until));
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
