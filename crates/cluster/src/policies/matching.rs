//! Whether a policy, or a binding of one, is about a request. It must not know what it says.

use std::sync::Arc;

use holdfast_admit::Served;
use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_kinds::{items, text};
use holdfast_model::Value;

use super::attempt::{Attempt, Operation};
use super::facts::Known;

/// The kind as which the request is matched; nothing when it is not.
pub(super) fn matches(criteria: &Value, known: &Known<'_>) -> Option<Arc<Served>> {
    let attempt = known.attempt;
    if !namespace_matches(&criteria["namespaceSelector"], known)
        || !object_matches(&criteria["objectSelector"], attempt)
    {
        return None;
    }
    let is_equivalent = text(criteria, "matchPolicy") != "Exact";
    if rules_match(
        items(criteria, "excludeResourceRules"),
        is_equivalent,
        known,
    )
    .is_some()
    {
        return None;
    }
    let rules = items(criteria, "resourceRules");
    if rules.is_empty() {
        return Some(attempt.served.clone());
    }
    rules_match(rules, is_equivalent, known)
}

fn namespace_matches(selector: &Value, known: &Known<'_>) -> bool {
    let attempt = known.attempt;
    let is_namespace = attempt.served.is("", "Namespace");
    if attempt.namespace.is_empty() && !is_namespace {
        return true;
    }
    let Some(wanted) = of_label_selector(selector).filter(|wanted| !wanted.is_empty()) else {
        return true;
    };
    // A namespace that is made or changed is judged by what it is going to be.
    let is_written = attempt.subresource.is_empty() && attempt.operation != Operation::Delete;
    let namespace = match attempt.object {
        Some(object) if is_namespace && is_written => Some(object),
        _ => known.namespace(),
    };
    let labels = namespace.and_then(|namespace| namespace["metadata"].get("labels"));
    labels_match(&wanted, labels)
}

fn object_matches(selector: &Value, attempt: &Attempt<'_>) -> bool {
    let Some(wanted) = of_label_selector(selector).filter(|wanted| !wanted.is_empty()) else {
        return true;
    };
    let mut objects = [attempt.object, attempt.old].into_iter().flatten();
    objects.any(|object| labels_match(&wanted, object["metadata"].get("labels")))
}

/// The kind as which one of the rules matches the request.
fn rules_match(rules: &[Value], is_equivalent: bool, known: &Known<'_>) -> Option<Arc<Served>> {
    let attempt = known.attempt;
    let is_named = |rule: &Value| {
        let names = items(rule, "resourceNames");
        names.is_empty() || names.iter().any(|name| name == attempt.name)
    };
    let fits =
        |rule: &&Value, served: &Served| rule_matches(rule, served, attempt) && is_named(rule);
    if rules.iter().any(|rule| fits(&rule, attempt.served)) {
        return Some(attempt.served.clone());
    }
    if !is_equivalent || rules.is_empty() {
        return None;
    }
    // The same object under another name of its resource.
    let others = known.place.registry.equivalents(attempt.served);
    let mut pairs = rules
        .iter()
        .flat_map(|rule| others.iter().map(move |other| (rule, other)));
    let (_, other) = pairs.find(|(rule, other)| fits(rule, other))?;
    Some(other.clone())
}

fn rule_matches(rule: &Value, served: &Served, attempt: &Attempt<'_>) -> bool {
    let kind = &served.kind;
    let has = |field: &str, wanted: &str| {
        let mut words = items(rule, field).iter().filter_map(Value::as_str);
        words.any(|word| word == "*" || word == wanted)
    };
    let mut resources = items(rule, "resources").iter().filter_map(Value::as_str);
    scope_matches(text(rule, "scope"), served, attempt)
        && has("operations", attempt.operation.word())
        && has("apiGroups", &kind.group)
        && has("apiVersions", &kind.version)
        && resources.any(|word| {
            let (resource, part) = word.split_once('/').unwrap_or((word, ""));
            let is_resource = resource == "*" || resource == kind.plural;
            is_resource && (part == "*" || part == attempt.subresource)
        })
}

fn scope_matches(scope: &str, served: &Served, attempt: &Attempt<'_>) -> bool {
    let is_in_namespace = !served.is("", "Namespace") && !attempt.namespace.is_empty();
    match scope {
        "Namespaced" => is_in_namespace,
        "Cluster" => !is_in_namespace,
        _ => true,
    }
}
