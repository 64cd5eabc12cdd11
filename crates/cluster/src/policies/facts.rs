//! What policies are shown of a request. It must not know which policies there are.

use std::cell::OnceCell;
use std::sync::Arc;

use holdfast_admit::{ObjectName, ResourceId, Served};
use holdfast_cel::{Authorizer, Decision, Facts, Input, Question};
use holdfast_model::Value;
use serde_json::{Map, json};

use super::attempt::{Attempt, Operation, Place};
use crate::access::{Wish, is_allowed, reason, service_account};
use crate::call::User;
use crate::store::Store;

/// A request and what is known about it, found out when somebody asks.
pub(super) struct Known<'a> {
    pub(super) place: Place<'a>,
    pub(super) attempt: &'a Attempt<'a>,
    asking: Asking<'a>,
    namespace: OnceCell<Option<Value>>,
    shown_namespace: OnceCell<Input>,
    /// The object as it is to be and as it is, in the version of the request.
    objects: OnceCell<(Input, Input)>,
}

/// Whoever sends the request, and the roles that there are.
struct Asking<'a> {
    store: &'a Store,
    user: &'a User,
}

impl Authorizer for Asking<'_> {
    fn decide(&self, question: &Question) -> Decision {
        let account = question.account.as_ref();
        let account = account.map(|(namespace, name)| service_account(namespace, name));
        let user = account.as_ref().unwrap_or(self.user);
        let wish = Wish {
            verb: &question.verb,
            group: &question.group,
            resource: &question.resource,
            subresource: &question.subresource,
            namespace: &question.namespace,
            name: &question.name,
            path: &question.path,
        };
        Decision {
            allowed: is_allowed(self.store, user, &wish),
            reason: reason(self.store, user, &wish).unwrap_or_default(),
        }
    }
}

impl<'a> Known<'a> {
    pub(super) fn new(place: Place<'a>, attempt: &'a Attempt<'a>) -> Self {
        let (store, user) = (place.store, &attempt.call.user);
        Self {
            place,
            attempt,
            asking: Asking { store, user },
            namespace: OnceCell::new(),
            shown_namespace: OnceCell::new(),
            objects: OnceCell::new(),
        }
    }

    /// The namespace that the request is in.
    pub(super) fn namespace(&self) -> Option<&Value> {
        let found = self.namespace.get_or_init(|| {
            let name = ObjectName {
                namespace: String::new(),
                name: self.attempt.namespace.to_owned(),
            };
            let resource = ResourceId::new("", "namespaces");
            let stored = self.place.store.get(&resource, &name);
            stored.map(|stored| stored.value())
        });
        found.as_ref()
    }

    /// What a policy is told that has matched the request as this kind.
    pub(super) fn facts(&self, matched: &Arc<Served>, params: Input) -> Facts<'_> {
        let attempt = self.attempt;
        let is_own = Arc::ptr_eq(matched, attempt.served) || attempt.sent.is_some();
        let (object, old_object) = if is_own {
            let objects = || (shown(attempt.object), shown(attempt.old));
            self.objects.get_or_init(objects).clone()
        } else {
            let converted = |value: Option<&Value>| match value {
                Some(value) => Input::of(&converted(value, attempt.served, matched)),
                None => Input::null(),
            };
            (converted(attempt.object), converted(attempt.old))
        };
        let namespace = self.shown_namespace.get_or_init(|| {
            if attempt.served.is("", "Namespace") || attempt.namespace.is_empty() {
                return Input::null();
            }
            let mut namespace = self.namespace().cloned().unwrap_or_default();
            if let Some(metadata) = namespace["metadata"].as_object_mut() {
                metadata.remove("managedFields");
                metadata.remove("ownerReferences");
            }
            shown(Some(&namespace))
        });
        let kind = &attempt.served.kind;
        Facts {
            object,
            old_object,
            request: Input::of(&self.request(matched)),
            namespace: namespace.clone(),
            params,
            requested: Question {
                group: kind.group.clone(),
                resource: kind.plural.clone(),
                subresource: attempt.subresource.to_owned(),
                namespace: attempt.namespace.to_owned(),
                name: attempt.name.to_owned(),
                ..Question::default()
            },
            authorizer: &self.asking,
        }
    }

    /// The request as an AdmissionRequest.
    fn request(&self, matched: &Served) -> Value {
        let attempt = self.attempt;
        let kind_of = |served: &Served| {
            let kind = &served.kind;
            let own = [kind.group.as_str(), &kind.version, &kind.kind];
            let [group, version, kind] = attempt.sent.unwrap_or(own);
            json!({"group": group, "version": version, "kind": kind})
        };
        let resource_of = |served: &Served| {
            let kind = &served.kind;
            json!({"group": kind.group, "version": kind.version, "resource": kind.plural})
        };
        let user = &attempt.call.user;
        let mut who = json!({"username": user.name});
        if !user.groups.is_empty() {
            who["groups"] = json!(user.groups);
        }
        let mut request = json!({
            "uid": "", "kind": kind_of(matched), "resource": resource_of(matched),
            "requestKind": kind_of(attempt.served),
            "requestResource": resource_of(attempt.served),
            "operation": attempt.operation.word(), "userInfo": who, "object": null,
            "oldObject": null, "dryRun": attempt.dry_run, "options": options(attempt),
        });
        for (field, found) in [
            ("subResource", attempt.subresource),
            ("requestSubResource", attempt.subresource),
            ("name", attempt.name),
            ("namespace", attempt.namespace),
        ] {
            if !found.is_empty() {
                request[field] = json!(found);
            }
        }
        request
    }
}

fn shown(value: Option<&Value>) -> Input {
    value.map_or_else(Input::null, Input::of)
}

/// An object of one version in another one.
fn converted(value: &Value, from: &Served, to: &Served) -> Value {
    let mut value = value.clone();
    holdfast_admit::to_storage(&mut value, from);
    holdfast_admit::convert(&mut value, to);
    value
}

/// How the request is to be carried out, as whoever sends it says.
fn options(attempt: &Attempt<'_>) -> Value {
    let call = attempt.call;
    let mut options = Map::new();
    let mut kind = match attempt.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
    };
    let mut version = json!("meta.k8s.io/v1");
    let query = |name: &str| call.query.text(name).map(|word| json!(word));
    if attempt.operation == Operation::Delete {
        let body = call.document().ok().map(|parsed| parsed.value);
        if let Some(Value::Object(body)) = body.filter(|_| !call.body.is_empty()) {
            options = body;
            version = options.remove("apiVersion").unwrap_or(version);
            options.remove("kind");
        }
        kind = "DeleteOptions";
        for name in [
            "propagationPolicy",
            "gracePeriodSeconds",
            "orphanDependents",
        ] {
            let found = query(name).map(|found| match found.as_str() {
                Some(word) if name != "propagationPolicy" => {
                    serde_json::from_str(word).unwrap_or(found)
                }
                _ => found,
            });
            if let Some(found) = found {
                options.entry(name).or_insert(found);
            }
        }
    } else {
        for name in ["fieldManager", "fieldValidation"] {
            options.extend(query(name).map(|found| (name.to_owned(), found)));
        }
    }
    if attempt.dry_run {
        options.insert("dryRun".to_owned(), json!(["All"]));
    }
    options.insert("apiVersion".to_owned(), version);
    options.insert("kind".to_owned(), json!(kind));
    Value::Object(options)
}
