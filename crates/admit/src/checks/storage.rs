//! Checks of claims, volumes of the cluster and their classes. It must not know pods.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{immutable, label_selector, named, one_of};
use super::{scheduling, volumes};
use crate::names;

const MODES: [&str; 4] = [
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
/// Fields of a volume's spec that do not say where it lies.
const NO_SOURCES: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn nanos(value: &Value) -> Option<i128> {
    Some(value.as_str().and_then(Quantity::parse)?.nanos)
}

/// Checks the spec of a claim, at a path.
pub(super) fn claim_spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{path}.{name}");
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        errors.push(FieldError::required(
            field("accessModes"),
            "at least 1 access mode is required",
        ));
    }
    label_selector(&spec["selector"], &field("selector"), errors);
    for mode in modes {
        one_of(mode, &field("accessModes"), &MODES, errors);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        let problem = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(field("accessModes"), problem));
    }
    let storage = &spec["resources"]["requests"]["storage"];
    if storage.is_null() {
        errors.push(FieldError::required(field("resources[storage]"), ""));
    } else if nanos(storage).is_some_and(|nanos| nanos <= 0) {
        let problem = "must be greater than zero";
        errors.push(FieldError::invalid(
            field("resources[storage]"),
            storage,
            problem,
        ));
    }
    for name in ["storageClassName", "volumeAttributesClassName"] {
        named(
            &spec[name],
            &field(name),
            names::dns_subdomain_problem,
            errors,
        );
    }
    let kinds = ["Block", "Filesystem"];
    one_of(&spec["volumeMode"], &field("volumeMode"), &kinds, errors);
}

pub(super) fn claim(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    claim_spec(spec, "spec", errors);
    let Some(old) = old else { return };
    let is_bound = old["status"]["phase"] == "Bound";
    let fixed = |value: &Value| {
        let mut spec = value["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            if is_bound {
                fields.remove("volumeAttributesClassName");
                fields.remove("resources");
            }
            // What is set when the claim is bound may be set once.
            for name in ["volumeName", "storageClassName"] {
                if old["spec"].get(name).is_none() {
                    fields.remove(name);
                }
            }
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        ));
    }
    let wanted = nanos(&spec["resources"]["requests"]["storage"]);
    let before = nanos(&old["spec"]["resources"]["requests"]["storage"]);
    let given = nanos(&old["status"]["capacity"]["storage"]);
    if is_bound && wanted < before && wanted <= given {
        errors.push(FieldError::forbidden(
            "spec.resources.requests.storage",
            "field can not be less than status.capacity",
        ));
    }
    let (mode, before) = (&spec["volumeMode"], &old["spec"]["volumeMode"]);
    immutable("volumeMode", mode, before, errors);
}

pub(super) fn volume(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        errors.push(FieldError::required("spec.accessModes", ""));
    }
    for mode in modes {
        one_of(mode, "spec.accessModes", &MODES, errors);
    }
    capacity(&spec["capacity"], errors);
    let affinity = &spec["nodeAffinity"]["required"];
    if affinity.is_object() {
        scheduling::node_terms(affinity, "spec.nodeAffinity.required", errors);
    }
    let sources = spec.as_object().into_iter().flatten();
    let sources: Vec<&String> = sources
        .map(|(name, _)| name)
        .filter(|name| !NO_SOURCES.contains(&name.as_str()))
        .collect();
    if sources.is_empty() {
        errors.push(FieldError::required("spec", "must specify a volume type"));
    }
    for extra in sources.iter().skip(1) {
        let problem = "may not specify more than 1 volume type";
        errors.push(FieldError::forbidden(format!("spec.{extra}"), problem));
    }
    if spec["hostPath"].is_object() {
        volumes::host_path(&spec["hostPath"], "spec.hostPath", errors);
    }
    let policies = ["Delete", "Recycle", "Retain"];
    let (policy, field) = (
        "persistentVolumeReclaimPolicy",
        "spec.persistentVolumeReclaimPolicy",
    );
    one_of(&spec[policy], field, &policies, errors);
    let (class, problem) = (&spec["storageClassName"], names::dns_subdomain_problem);
    named(class, "spec.storageClassName", problem, errors);
    let kinds = ["Block", "Filesystem"];
    one_of(&spec["volumeMode"], "spec.volumeMode", &kinds, errors);
    let Some(old) = old else { return };
    if sources.iter().any(|name| spec[*name] != old["spec"][*name]) {
        let problem = "spec.persistentvolumesource is immutable after creation";
        errors.push(FieldError::forbidden(
            "spec.persistentvolumesource",
            problem,
        ));
    }
    immutable(
        "volumeMode",
        &spec["volumeMode"],
        &old["spec"]["volumeMode"],
        errors,
    );
}

fn capacity(capacity: &Value, errors: &mut Vec<FieldError>) {
    let count = capacity.as_object().map_or(0, serde_json::Map::len);
    if count == 0 {
        errors.push(FieldError::required("spec.capacity", ""));
    }
    if count != 1 || capacity["storage"].is_null() {
        let shown = if count == 0 { &json!({}) } else { capacity };
        errors.push(FieldError::unsupported(
            "spec.capacity",
            shown,
            &["storage"],
        ));
    }
    for (name, amount) in capacity.as_object().into_iter().flatten() {
        // Rounded up, as the real one counts bytes.
        let whole = nanos(amount).map(|nanos| -(-nanos).div_euclid(1_000_000_000));
        if let Some(whole) = whole.and_then(|whole| i64::try_from(whole).ok())
            && whole < 0
        {
            let problem = "must be a valid resource quantity";
            let field = format!("spec.capacity[{name}]");
            errors.push(FieldError::invalid(field, &json!(whole), problem));
        }
        if nanos(amount).is_some_and(|nanos| nanos <= 0) {
            let problem = "must be greater than zero";
            errors.push(FieldError::invalid(
                format!("spec.capacity[{name}]"),
                amount,
                problem,
            ));
        }
    }
}

pub(super) fn class(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if text(new, "provisioner").is_empty() {
        errors.push(FieldError::required("provisioner", ""));
    }
    let lower = json!(text(new, "provisioner").to_lowercase());
    named(&lower, "provisioner", names::label_key_problem, errors);
    let policy = &new["reclaimPolicy"];
    if policy != "" {
        one_of(policy, "reclaimPolicy", &["Delete", "Retain"], errors);
    }
    let known = ["Immediate", "WaitForFirstConsumer"];
    one_of(
        &new["volumeBindingMode"],
        "volumeBindingMode",
        &known,
        errors,
    );
    if new["parameters"].get("").is_some() {
        let problem = "field can not be empty.";
        errors.push(FieldError::invalid("parameters", &json!(""), problem));
    }
    topologies(new, errors);
    let Some(old) = old else { return };
    for name in [
        "parameters",
        "provisioner",
        "reclaimPolicy",
        "volumeBindingMode",
    ] {
        if new[name] != old[name] {
            // The real one does not tell the value.
            errors.push(FieldError::invalid(
                name,
                &Value::Null,
                "field is immutable",
            ));
        }
    }
}

/// Terms that say where volumes may be; no two say the same, and an empty one says nothing.
fn topologies(class: &Value, errors: &mut Vec<FieldError>) {
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> = Vec::new();
    let terms = items(class, "allowedTopologies");
    for (index, term) in terms.iter().enumerate() {
        let place = format!("allowedTopologies[{index}].matchLabelExpressions");
        let mut rules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (rank, rule) in items(term, "matchLabelExpressions").iter().enumerate() {
            let field = |name: &str| format!("{place}[{rank}].{name}");
            if items(rule, "values").is_empty() {
                errors.push(FieldError::required(field("values"), ""));
            }
            let mut values = BTreeSet::new();
            for (at, value) in items(rule, "values").iter().enumerate() {
                if !values.insert(value.as_str().unwrap_or("")) {
                    let field = field(&format!("values[{at}]"));
                    errors.push(FieldError::duplicate(field, value));
                }
            }
            let key = text(rule, "key");
            if let Some(problem) = names::label_key_problem(key) {
                errors.push(FieldError::invalid(field("key"), &json!(key), &problem));
            }
            if rules.insert(key, values).is_some() {
                errors.push(FieldError::duplicate(field("key"), &json!(key)));
            }
        }
        // The real one compares with as many empty terms as there are terms.
        let empty = if rules.is_empty() { terms.len() } else { 0 };
        let same = seen.iter().filter(|known| **known == rules).count();
        for _ in 0..empty + same {
            errors.push(FieldError::duplicate(place.clone(), &json!("")));
        }
        seen.push(rules);
    }
}
