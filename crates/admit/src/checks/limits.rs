//! Checks of limits and quotas. It must not know what uses them up.

use std::collections::BTreeSet;

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::pods::resource_name;
use crate::names;

const LIMIT_TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];
/// Resources that are counted in whole numbers.
const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// Resources of pods, as quotas name them.
const COMPUTED: [&str; 6] = [
    "cpu",
    "limits.cpu",
    "limits.memory",
    "memory",
    "requests.cpu",
    "requests.memory",
];
/// The other resources that quotas name.
const STORED: [&str; 4] = [
    "ephemeral-storage",
    "limits.ephemeral-storage",
    "requests.ephemeral-storage",
    "requests.storage",
];
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
/// The billionths of one.
const ONE: i128 = 1_000_000_000;

fn amount(value: &Value) -> Option<Quantity> {
    value.as_str().and_then(Quantity::parse)
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

fn is_of_quotas(name: &str) -> bool {
    let lists: [&[&str]; 3] = [&COUNTED, &COMPUTED, &STORED];
    lists.iter().any(|list| list.contains(&name)) || is_huge_pages(name)
}

/// Whether something extends what machines have by themselves.
pub(super) fn is_extended(name: &str) -> bool {
    let is_native = !name.contains('/') || name.contains("kubernetes.io/");
    !is_native
        && !name.starts_with("requests.")
        && names::label_key_problem(&format!("requests.{name}")).is_none()
}

/// Whether more of it may be promised than there is.
pub(super) fn may_be_overcommitted(name: &str) -> bool {
    (!name.contains('/') || name.contains("kubernetes.io/")) && !name.starts_with("hugepages-")
}

/// Refuses a name that is no resource at all.
fn resource(name: &str, field: &str, errors: &mut Vec<FieldError>) {
    if let Some(problem) = names::label_key_problem(name) {
        errors.push(FieldError::invalid(field, &json!(name), &problem));
    } else if !name.contains('/') && !is_of_quotas(name) && name != "storage" {
        let problem = "must be a standard resource type or fully qualified";
        errors.push(FieldError::invalid(field, &json!(name), problem));
    }
}

pub(super) fn range(new: &Value, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, limit) in items(&new["spec"], "limits").iter().enumerate() {
        let place = format!("spec.limits[{index}]");
        let kind = text(limit, "type");
        let field = format!("{place}.type");
        if let Some(problem) = names::label_key_problem(kind) {
            errors.push(FieldError::invalid(field.clone(), &json!(kind), &problem));
        } else if !kind.contains('/') && !LIMIT_TYPES.contains(&kind) {
            let problem = "must be a standard limit type or fully qualified";
            errors.push(FieldError::invalid(field.clone(), &json!(kind), problem));
        }
        if !seen.insert(kind) {
            errors.push(FieldError::duplicate(field, &json!(kind)));
        }
        one_limit(limit, &place, errors);
    }
}

fn one_limit(limit: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let kind = text(limit, "type");
    let mut found = BTreeSet::new();
    for list in [
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    ] {
        if list == "maxLimitRequestRatio" && kind == "PersistentVolumeClaim" {
            storage_is_bounded(limit, place, errors);
        }
        let amounts = limit[list].as_object();
        if kind == "Pod" && matches!(list, "default" | "defaultRequest") {
            if amounts.is_some_and(|amounts| !amounts.is_empty()) {
                let problem = "may not be specified when `type` is 'Pod'";
                errors.push(FieldError::forbidden(format!("{place}.{list}"), problem));
            }
            continue;
        }
        for (name, _) in amounts.into_iter().flatten() {
            let field = format!("{place}.{list}[{name}]");
            if matches!(kind, "Pod" | "Container") {
                resource_name(name, &field, errors);
            } else {
                resource(name, &field, errors);
            }
            found.insert(name.as_str());
        }
    }
    for name in found {
        compare(limit, name, place, errors);
    }
}

fn storage_is_bounded(limit: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let is_set = |list: &str| !limit[list]["storage"].is_null();
    if !is_set("min") && !is_set("max") {
        let problem =
            "either minimum or maximum storage value is required, but neither was provided";
        errors.push(FieldError::required(format!("{place}.limits"), problem));
    }
}

/// Whether the amounts of one resource go together.
fn compare(limit: &Value, name: &str, place: &str, errors: &mut Vec<FieldError>) {
    let is_of_pods = text(limit, "type") == "Pod";
    let of = |list: &str| {
        let is_set = !(is_of_pods && list.starts_with("default"));
        amount(&limit[list][name]).filter(|_| is_set)
    };
    let (least, most) = (of("min"), of("max"));
    let (default, request) = (of("default"), of("defaultRequest"));
    let above = |left: Option<Quantity>, right: Option<Quantity>| {
        let pair = left.zip(right);
        pair.filter(|(left, right)| left.nanos > right.nanos)
    };
    let mut check =
        |list: &str, pair: Option<(Quantity, Quantity)>, shows_second, words: [&str; 3]| {
            let Some((left, right)) = pair else { return };
            let (left, right) = (left.canonical(), right.canonical());
            let shown = json!(if shows_second { &right } else { &left });
            let [first, between, end] = words;
            let problem = format!("{first} {left} {between} {right}{end}");
            let field = format!("{place}.{list}[{name}]");
            errors.push(FieldError::invalid(field, &shown, &problem));
        };
    let words = ["min value", "is greater than max value", ""];
    check("min", above(least, most), false, words);
    let words = ["min value", "is greater than default request value", ""];
    check("defaultRequest", above(least, request), true, words);
    let words = ["default request value", "is greater than max value", ""];
    check("defaultRequest", above(request, most), false, words);
    let words = [
        "default request value",
        "is greater than default limit value",
        "",
    ];
    check("defaultRequest", above(request, default), false, words);
    let words = ["min value", "is greater than default value", ""];
    check("default", above(least, default), false, words);
    let words = ["default value", "is greater than max value", ""];
    check("default", above(default, most), true, words);
    ratio(limit, name, place, errors);
    let differs = default
        .zip(request)
        .filter(|(left, right)| left.nanos != right.nanos);
    if let Some((default, request)) = differs.filter(|_| !may_be_overcommitted(name)) {
        let (default, request) = (default.canonical(), request.canonical());
        let problem = format!(
            "default value {default} must equal to defaultRequest value {request} in {name}"
        );
        let field = format!("{place}.defaultRequest[{name}]");
        errors.push(FieldError::invalid(field, &json!(request), &problem));
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a quotient that is only shown and compared"
)]
fn ratio(limit: &Value, name: &str, place: &str, errors: &mut Vec<FieldError>) {
    let of = |list: &str| amount(&limit[list][name]);
    let Some(ratio) = of("maxLimitRequestRatio") else {
        return;
    };
    let field = format!("{place}.maxLimitRequestRatio[{name}]");
    let shown = ratio.canonical();
    if ratio.nanos < ONE {
        let problem = format!("ratio {shown} is less than 1");
        errors.push(FieldError::invalid(field.clone(), &json!(shown), &problem));
    }
    if let Some((least, most)) = of("min").zip(of("max")) {
        let bound = most.nanos as f64 / least.nanos as f64;
        if ratio.nanos as f64 / ONE as f64 > bound {
            let problem = format!("ratio {shown} is greater than max/min = {bound:.6}");
            errors.push(FieldError::invalid(field, &json!(shown), &problem));
        }
    }
}

pub(super) fn quota(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    amounts(&spec["hard"], "spec.hard", errors);
    scopes(spec, errors);
    selected_scopes(spec, errors);
    for list in ["hard", "used"] {
        amounts(&new["status"][list], &format!("status.{list}"), errors);
    }
    let Some(old) = old else { return };
    let set = |value: &Value| -> BTreeSet<String> {
        let scopes = items(&value["spec"], "scopes").iter();
        scopes
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    if set(new) != set(old) {
        let (field, problem) = ("spec.scopes", "field is immutable");
        errors.push(FieldError::invalid(field, &spec["scopes"], problem));
    }
}

fn amounts(list: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for (name, value) in list.as_object().into_iter().flatten() {
        let field = format!("{place}[{name}]");
        resource(name, &field, errors);
        if !name.contains('/') && !is_of_quotas(name) && names::label_key_problem(name).is_none() {
            let problem = "must be a standard resource for quota";
            errors.push(FieldError::invalid(field.clone(), &json!(name), problem));
        }
        let Some(amount) = amount(value) else {
            continue;
        };
        let shown = json!(amount.canonical());
        if amount.nanos < 0 {
            let problem = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(field.clone(), &shown, problem));
        }
        let is_whole = COUNTED.contains(&name.as_str()) || is_extended(name);
        if is_whole && amount.nanos % ONE != 0 {
            errors.push(FieldError::invalid(field, &shown, "must be an integer"));
        }
    }
}

/// Whether a scope says something about a resource.
fn covers(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => {
            matches!(resource, "persistentvolumeclaims" | "requests.storage")
        }
        scope if SCOPES.contains(&scope) => resource == "pods" || COMPUTED.contains(&resource),
        _ => true,
    }
}

/// The resources of a quota that a scope says nothing about.
fn uncovered(spec: &Value, scope: &str) -> usize {
    let names = spec["hard"].as_object().into_iter().flatten();
    names
        .filter(|(name, _)| is_of_quotas(name) && !covers(scope, name))
        .count()
}

fn conflicting(scopes: &[&str]) -> usize {
    let pairs = [
        ("BestEffort", "NotBestEffort"),
        ("Terminating", "NotTerminating"),
    ];
    let both = |(one, other): &&(&str, &str)| scopes.contains(one) && scopes.contains(other);
    pairs.iter().filter(both).count()
}

fn scopes(spec: &Value, errors: &mut Vec<FieldError>) {
    let shown = &spec["scopes"];
    let mut refuse = |problem: &str| {
        errors.push(FieldError::invalid("spec.scopes", shown, problem));
    };
    let scopes = items(spec, "scopes").iter();
    let scopes: Vec<&str> = scopes.filter_map(Value::as_str).collect();
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            refuse("unsupported scope");
        }
        for _ in 0..uncovered(spec, scope) {
            refuse("unsupported scope applied to resource");
        }
    }
    for _ in 0..conflicting(&scopes) {
        refuse("conflicting scopes");
    }
}

fn selected_scopes(spec: &Value, errors: &mut Vec<FieldError>) {
    let place = "spec.scopeSelector.matchExpressions";
    let mut scopes = Vec::new();
    for rule in items(&spec["scopeSelector"], "matchExpressions") {
        let scope = text(rule, "scopeName");
        scopes.push(scope);
        if !SCOPES.contains(&scope) {
            let field = format!("{place}.scopeName");
            errors.push(FieldError::invalid(
                field,
                &json!(scope),
                "unsupported scope",
            ));
        }
        for _ in 0..uncovered(spec, scope) {
            let problem = "unsupported scope applied to resource";
            errors.push(FieldError::invalid(place, &spec["scopeSelector"], problem));
        }
        let operator = text(rule, "operator");
        let takes_values = matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if SCOPES.contains(&scope) && !takes_values && operator != "Exists" {
            let problem = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                           ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                           ResourceQuotaScopeNotBestEffort or \
                           ResourceQuotaScopeCrossNamespacePodAffinity";
            let field = format!("{place}.operator");
            errors.push(FieldError::invalid(field, &json!(operator), problem));
        }
        let has_values = !items(rule, "values").is_empty();
        match operator {
            "In" | "NotIn" if !has_values => errors.push(FieldError::required(
                format!("{place}.values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )),
            "Exists" | "DoesNotExist" if has_values => errors.push(FieldError::invalid(
                format!("{place}.values"),
                &rule["values"],
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.push(FieldError::invalid(
                format!("{place}.operator"),
                &json!(operator),
                "not a valid selector operator",
            )),
        }
    }
    for _ in 0..conflicting(&scopes) {
        errors.push(FieldError::invalid(
            "spec.scopes",
            &spec["scopes"],
            "conflicting scopes",
        ));
    }
}
