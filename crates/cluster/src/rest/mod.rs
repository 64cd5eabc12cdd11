//! Finds out what a path and method ask for, and has it done.
//! It must not know how objects are checked or kept.

mod admitted;
mod bind;
mod delete;
mod directives;
mod document;
mod finish;
mod metadata;
mod patch;
mod read;
mod review;
mod scale;
mod target;
mod watch;
mod write;

use bytes::Bytes;
use holdfast_admit::{ApiError, Result, Served, Subject};
use holdfast_kinds::items_mut;
use holdfast_model::Value;
use holdfast_yaml::to_yaml;
use http::Method;
use serde_json::json;
use target::Target;

use crate::access::{self, Wish};
use crate::body::Reply;
use crate::call::Call;
use crate::discovery;
use crate::negotiate::{self, Scope};
use crate::state::State;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// Answers a request.
pub(crate) fn answer(state: &State, call: &Call) -> Reply {
    let reply = route(state, call).unwrap_or_else(Into::into);
    let Some(choice) = call.choice() else {
        return reply;
    };
    // Bodies of watches and of documents in other forms are as they have to be.
    let is_whole = reply.content_type == JSON && !call.path.starts_with("/openapi");
    let value = match reply.whole().filter(|_| choice.is_yaml || choice.is_beta) {
        Some(bytes) if is_whole => serde_json::from_slice(bytes),
        _ => return reply,
    };
    let Ok(mut value) = value else { return reply };
    if choice.is_beta {
        in_beta(&mut value);
    }
    if choice.is_yaml {
        reply.with_body(YAML, Bytes::from(to_yaml(&value)))
    } else {
        reply.with_body(JSON, Bytes::from(value.to_string()))
    }
}

/// Says the first version of tables and of metadata where it says the second.
fn in_beta(value: &mut Value) {
    let is_form = |value: &Value| value["apiVersion"] == "meta.k8s.io/v1";
    for row in items_mut(value, "rows") {
        if is_form(&row["object"]) {
            row["object"]["apiVersion"] = json!("meta.k8s.io/v1beta1");
        }
    }
    if is_form(value) {
        value["apiVersion"] = json!("meta.k8s.io/v1beta1");
    }
}

fn route(state: &State, call: &Call) -> Result<Reply> {
    let parts: Vec<&str> = call
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    match parts.as_slice() {
        ["api", "v1", rest @ ..] if !rest.is_empty() => resource(state, call, ("", "v1"), rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => {
            resource(state, call, (group, version), rest)
        }
        parts => {
            let verb = call.method.as_str().to_lowercase();
            let wish = Wish {
                verb: &verb,
                path: &call.path,
                ..Wish::default()
            };
            access::check(state.store(), &call.user, &wish)?;
            let group = match parts {
                ["apis", group, ..] => group,
                _ => "",
            };
            if state.registry().has_group(group) {
                negotiate::check_path(call, parts)?;
            }
            discovery::answer(state.registry(), call, parts)
        }
    }
}

fn resource(
    state: &State,
    call: &Call,
    (group, version): (&str, &str),
    parts: &[&str],
) -> Result<Reply> {
    let (namespace, parts) = match parts {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest[0], "status" | "finalize") =>
        {
            (Some((*namespace).to_owned()), rest)
        }
        parts => (None, parts),
    };
    let (plural, name, subresource) = match parts {
        [plural] => (*plural, None, ""),
        [plural, name] => (*plural, Some((*name).to_owned()), ""),
        [plural, name, subresource] => (*plural, Some((*name).to_owned()), *subresource),
        _ => return Err(ApiError::no_route()),
    };
    let served = state.registry().find(group, version, plural);
    let Some(served) = served else {
        let known = state.registry().has_group(group);
        return if known {
            Err(ApiError::no_route())
        } else {
            Ok(discovery::no_page())
        };
    };
    // Objects in namespaces are listed and watched across them, and nothing else.
    let across = served.kind.namespaced && namespace.is_none();
    if namespace.is_some() && !served.kind.namespaced || across && name.is_some() {
        return Err(ApiError::no_route());
    }
    let target = Target {
        served,
        namespace,
        name,
        subresource: subresource.to_owned(),
    };
    let answer = verb(state, call, &target, across);
    let Some(deprecated) = deprecation(&target.served) else {
        return answer;
    };
    // It is told whatever comes of the request.
    let mut reply = answer.unwrap_or_else(Into::into);
    reply.warnings.insert(0, deprecated.to_owned());
    Ok(reply)
}

/// What is said of kinds that have been replaced.
fn deprecation(served: &Served) -> Option<&'static str> {
    if served.is("", "Endpoints") {
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    } else if served.is("", "ComponentStatus") {
        Some("v1 ComponentStatus is deprecated in v1.19+")
    } else {
        None
    }
}

fn verb(state: &State, call: &Call, target: &Target, across: bool) -> Result<Reply> {
    if !target.subresource.is_empty() {
        return subresource(state, call, target);
    }
    let verb = match (&call.method, target.name.is_some()) {
        (&Method::GET | &Method::HEAD, true) => "get",
        (&Method::GET | &Method::HEAD, false) if call.query.flag("watch") => "watch",
        (&Method::GET | &Method::HEAD, false) => "list",
        (&Method::POST, false) if !across => "create",
        (&Method::PUT, true) => "update",
        (&Method::PATCH, true) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) if !across => "deletecollection",
        _ => return Err(ApiError::wrong_method()),
    };
    if !target.served.kind.allows(verb) {
        return Err(ApiError::wrong_method());
    }
    admit(state, call, target, verb)?;
    let scope = match verb {
        "list" => Scope::List,
        "watch" => Scope::Watch,
        _ => Scope::One,
    };
    // Deleting many is answered by a list, or by a word about it.
    negotiate::check(call, &target.served, scope)?;
    match verb {
        "get" => read::get(state.store(), state.now(), call, target),
        "watch" => watch::watch(state.store(), state.clock(), call, target),
        "list" => read::list(state.store(), state.now(), call, target),
        "create" => write::create(state, call, target),
        "update" => write::update(state, call, target),
        "patch" => patch::patch(state, call, target),
        "delete" => delete::delete(state, call, target),
        _ => delete::delete_collection(state, call, target),
    }
}

/// Refuses what the one who asks may not do.
fn admit(state: &State, call: &Call, target: &Target, verb: &str) -> Result<()> {
    let kind = &target.served.kind;
    // A namespace is in itself, as far as rules go.
    let namespace = match &target.namespace {
        Some(namespace) => namespace,
        None if target.served.is("", "Namespace") => target.name.as_deref().unwrap_or(""),
        None => "",
    };
    let wish = Wish {
        verb,
        group: &kind.group,
        resource: &kind.plural,
        subresource: &target.subresource,
        namespace,
        name: target.name.as_deref().unwrap_or(""),
        path: "",
    };
    access::check(state.store(), &call.user, &wish)
}

fn subresource(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let known = target.served.kind.subresource(&target.subresource);
    let is_custom = target.served.custom.is_some();
    let known = known.ok_or_else(|| match is_custom {
        true => target.not_found(),
        false => ApiError::no_route(),
    })?;
    let verb = match &call.method {
        &Method::GET | &Method::HEAD => "get",
        &Method::POST => "create",
        &Method::PUT => "update",
        &Method::PATCH => "patch",
        &Method::DELETE if is_custom => "delete",
        _ => return Err(ApiError::wrong_method()),
    };
    if !known.verbs.iter().any(|allowed| allowed == verb) {
        let subject = target.served.resource();
        return Err(match is_custom {
            true => ApiError::method_not_allowed(&subject, verb),
            false => ApiError::wrong_method(),
        });
    }
    admit(state, call, target, verb)?;
    if target.subresource != "log" {
        negotiate::check(call, &target.served, Scope::One)?;
    }
    match (target.subresource.as_str(), verb) {
        ("scale", _) => scale::scale(state, call, target),
        ("status" | "resize" | "ephemeralcontainers", "get") => {
            read::get(state.store(), state.now(), call, target)
        }
        ("status" | "finalize" | "resize" | "ephemeralcontainers", "update") => {
            write::update(state, call, target)
        }
        ("status" | "resize" | "ephemeralcontainers", "patch") => patch::patch(state, call, target),
        ("eviction", "create") => delete::evict(state, call, target),
        ("binding", "create") => bind::bind(state, call, target),
        ("log", "get") => read::log(state.store(), call, target),
        ("token", "create") => {
            let answer = review::token(state, call, target)?;
            Ok(Reply::json(201, &answer))
        }
        (name, _) => {
            let plural = format!("{}/{name}", target.served.kind.plural);
            let subject = Subject {
                group: &target.served.kind.group,
                name: &plural,
            };
            Err(ApiError::method_not_allowed(&subject, verb))
        }
    }
}
