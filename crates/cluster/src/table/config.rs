//! Columns of kinds that configure a cluster. It must not know how objects are found.

use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::cells::{Printer, age, columns, count, name, or_none, or_unset, since, some_of};
use super::workloads::labels;

type Cells = fn(&Value, Time) -> Vec<Value>;

pub(super) fn printer(kind: (&str, &str)) -> Option<Printer> {
    let (names, cells): (&str, Cells) = match kind {
        ("", "Endpoints") => ("Name, Endpoints, Age", endpoints),
        ("", "ComponentStatus") => ("Name, Status, Message, Error", component),
        ("", "ResourceQuota") => ("Name, Request, Limit, Age", quota),
        ("networking.k8s.io", "IngressClass") => {
            ("Name, Controller, Parameters, Age", ingress_class)
        }
        ("networking.k8s.io", "NetworkPolicy") => ("Name, Pod-Selector, Age", network_policy),
        ("networking.k8s.io", "ServiceCIDR") => ("Name, CIDRs, Age", service_range),
        ("networking.k8s.io", "IPAddress") => ("Name, ParentRef", ip_address),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => (
            "Name, Role, Age | Users, Groups, ServiceAccounts",
            role_binding,
        ),
        ("scheduling.k8s.io", "PriorityClass") => (
            "Name, #Value, ?Global-Default, Age, PreemptionPolicy",
            priority_class,
        ),
        ("node.k8s.io", "RuntimeClass") => ("Name, Handler, Age", runtime_class),
        ("apps", "ControllerRevision") => ("Name, Controller, Revision, Age", revision),
        ("certificates.k8s.io", "CertificateSigningRequest") => (
            "Name, Age, SignerName, Requestor, RequestedDuration, Condition",
            signing_request,
        ),
        ("certificates.k8s.io", "ClusterTrustBundle") => ("Name, SignerName", trust_bundle),
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => ("Name, #Webhooks, Age", webhooks),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            ("Name, #Validations, ParamKind, Age", validating_policy)
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => {
            ("Name, #Mutations, ParamKind, Age", mutating_policy)
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => ("Name, PolicyName, ParamRef, Age", policy_binding),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => (
            "Name, PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL",
            flow_schema,
        ),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => (
            "Name, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age",
            priority_level,
        ),
        _ => return None,
    };
    Some(Printer {
        columns: columns(names),
        cells: Box::new(cells),
    })
}

fn endpoints(value: &Value, now: Time) -> Vec<Value> {
    let mut found = Vec::new();
    for subset in items(value, "subsets") {
        let addresses = || items(subset, "addresses").iter().map(|one| text(one, "ip"));
        let ports = items(subset, "ports");
        if ports.is_empty() {
            found.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            let joined = |address: &str| match address.contains(':') {
                true => format!("[{address}]:{}", port["port"]),
                false => format!("{address}:{}", port["port"]),
            };
            found.extend(addresses().map(joined));
        }
    }
    let shown = if items(value, "subsets").is_empty() {
        "<none>".to_owned()
    } else {
        some_of(&found, 3, ",")
    };
    vec![name(value), json!(shown), age(value, now)]
}

fn component(value: &Value, _: Time) -> Vec<Value> {
    let mut conditions = items(value, "conditions").iter();
    let healthy = conditions.find(|condition| condition["type"] == "Healthy");
    let of = |field: &str| healthy.map_or("", |found| text(found, field));
    let status = match healthy {
        None => "Unknown",
        Some(found) if found["status"] == "True" => "Healthy",
        Some(_) => "Unhealthy",
    };
    vec![
        name(value),
        json!(status),
        json!(of("message")),
        json!(of("error")),
    ]
}

fn quota(value: &Value, now: Time) -> Vec<Value> {
    let status = &value["status"];
    let list = |of_limits: bool| {
        let hard = status["hard"].as_object().into_iter().flatten();
        let fitting = hard.filter(|(name, _)| name.starts_with("limits.") == of_limits);
        let parts = fitting.map(|(name, amount)| {
            let used = status["used"][name].as_str().unwrap_or("0");
            format!("{name}: {used}/{}", amount.as_str().unwrap_or("0"))
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    vec![
        name(value),
        json!(list(false)),
        json!(list(true)),
        age(value, now),
    ]
}

fn ingress_class(value: &Value, now: Time) -> Vec<Value> {
    let default = "ingressclass.kubernetes.io/is-default-class";
    let is_default = value["metadata"]["annotations"].get(default) == Some(&json!("true"));
    let shown = if is_default {
        json!(format!("{} (default)", text(&value["metadata"], "name")))
    } else {
        name(value)
    };
    let found = &value["spec"]["parameters"];
    let parameters = if found.is_object() {
        let group = match found["apiGroup"].as_str() {
            Some(group) => format!(".{group}"),
            None => String::new(),
        };
        format!("{}{group}/{}", text(found, "kind"), text(found, "name"))
    } else {
        "<none>".to_owned()
    };
    let controller = json!(text(&value["spec"], "controller"));
    vec![shown, controller, json!(parameters), age(value, now)]
}

fn network_policy(value: &Value, now: Time) -> Vec<Value> {
    let selector = labels(&value["spec"]["podSelector"]);
    vec![name(value), selector, age(value, now)]
}

fn service_range(value: &Value, now: Time) -> Vec<Value> {
    let ranges = items(&value["spec"], "cidrs").iter();
    let ranges: Vec<&str> = ranges.filter_map(Value::as_str).collect();
    vec![name(value), json!(ranges.join(",")), age(value, now)]
}

fn ip_address(value: &Value, now: Time) -> Vec<Value> {
    let parent = &value["spec"]["parentRef"];
    let mut shown = "<none>".to_owned();
    if parent.is_object() {
        shown = text(parent, "resource").to_lowercase();
        if !text(parent, "group").is_empty() {
            shown = format!("{shown}.{}", text(parent, "group"));
        }
        for part in [text(parent, "namespace"), text(parent, "name")] {
            if !part.is_empty() {
                shown = format!("{shown}/{part}");
            }
        }
    }
    // The real one has a cell more than columns.
    vec![name(value), json!(shown), age(value, now)]
}

fn role_binding(value: &Value, now: Time) -> Vec<Value> {
    let role = &value["roleRef"];
    let of = |kind: &str| {
        let subjects = items(value, "subjects").iter();
        let fitting = subjects.filter(|subject| text(subject, "kind") == kind);
        let names = fitting.map(|subject| match kind {
            "ServiceAccount" => {
                format!("{}/{}", text(subject, "namespace"), text(subject, "name"))
            }
            _ => text(subject, "name").to_owned(),
        });
        json!(names.collect::<Vec<_>>().join(", "))
    };
    vec![
        name(value),
        json!(format!("{}/{}", text(role, "kind"), text(role, "name"))),
        age(value, now),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

fn priority_class(value: &Value, now: Time) -> Vec<Value> {
    vec![
        name(value),
        json!(count(value, "/value")),
        json!(value["globalDefault"] == true),
        age(value, now),
        json!(text(value, "preemptionPolicy")),
    ]
}

fn runtime_class(value: &Value, now: Time) -> Vec<Value> {
    vec![name(value), json!(text(value, "handler")), age(value, now)]
}

fn revision(value: &Value, now: Time) -> Vec<Value> {
    let mut owners = items(&value["metadata"], "ownerReferences").iter();
    let owner = owners.find(|owner| owner["controller"] == true);
    let shown = owner.map(|owner| {
        let version = text(owner, "apiVersion");
        let group = version.rsplit_once('/').map(|(group, _)| group);
        let kind = match group {
            Some(group) => format!("{}.{group}", text(owner, "kind")),
            None => text(owner, "kind").to_owned(),
        };
        format!("{}/{}", kind.to_lowercase(), text(owner, "name"))
    });
    vec![
        name(value),
        or_none(shown.unwrap_or_default()),
        json!(count(value, "/revision")),
        age(value, now),
    ]
}

fn signing_request(value: &Value, now: Time) -> Vec<Value> {
    let (spec, status) = (&value["spec"], &value["status"]);
    let conditions = items(status, "conditions");
    let has = |kind: &str| conditions.iter().any(|condition| condition["type"] == kind);
    let mut shown = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        shown.push_str(",Failed");
    }
    if !text(status, "certificate").is_empty() {
        shown.push_str(",Issued");
    }
    let seconds = spec["expirationSeconds"].as_u64();
    let life = seconds.map(|seconds| super::cells::human(std::time::Duration::from_secs(seconds)));
    vec![
        name(value),
        age(value, now),
        or_none(text(spec, "signerName").to_owned()),
        json!(text(spec, "username")),
        or_none(life.unwrap_or_default()),
        json!(shown),
    ]
}

fn trust_bundle(value: &Value, _: Time) -> Vec<Value> {
    let signer = text(&value["spec"], "signerName").to_owned();
    vec![name(value), or_none(signer)]
}

fn webhooks(value: &Value, now: Time) -> Vec<Value> {
    let hooks = items(value, "webhooks").len();
    vec![name(value), json!(hooks), age(value, now)]
}

fn validating_policy(value: &Value, now: Time) -> Vec<Value> {
    policy(value, "validations", now)
}

fn mutating_policy(value: &Value, now: Time) -> Vec<Value> {
    policy(value, "mutations", now)
}

fn policy(value: &Value, rules: &str, now: Time) -> Vec<Value> {
    let kind = &value["spec"]["paramKind"];
    let shown = if kind.is_object() {
        format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind"))
    } else {
        String::new()
    };
    let rules = items(&value["spec"], rules).len();
    vec![name(value), json!(rules), or_unset(&shown), age(value, now)]
}

fn policy_binding(value: &Value, now: Time) -> Vec<Value> {
    let reference = &value["spec"]["paramRef"];
    let shown = match (text(reference, "name"), text(reference, "namespace")) {
        ("", _) => String::new(),
        (named, "") => format!("*/{named}"),
        (named, namespace) => format!("{namespace}/{named}"),
    };
    vec![
        name(value),
        json!(text(&value["spec"], "policyName")),
        or_unset(&shown),
        age(value, now),
    ]
}

fn flow_schema(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let mut conditions = items(&value["status"], "conditions").iter();
    let dangling = conditions.find(|condition| condition["type"] == "Dangling");
    vec![
        name(value),
        json!(text(&spec["priorityLevelConfiguration"], "name")),
        json!(count(value, "/spec/matchingPrecedence")),
        or_none(text(&spec["distinguisherMethod"], "type").to_owned()),
        age(value, now),
        json!(dangling.map_or("?", |condition| text(condition, "status"))),
    ]
}

fn priority_level(value: &Value, now: Time) -> Vec<Value> {
    let limited = &value["spec"]["limited"];
    let queuing = &limited["limitResponse"]["queuing"];
    let number = |found: &Value| match found {
        Value::Number(number) => json!(number),
        _ => json!("<none>"),
    };
    vec![
        name(value),
        json!(text(&value["spec"], "type")),
        number(&limited["nominalConcurrencyShares"]),
        number(&queuing["queues"]),
        number(&queuing["handSize"]),
        number(&queuing["queueLengthLimit"]),
        age(value, now),
    ]
}

/// Columns of what devices and volumes are served by.
pub(super) fn driver_printer(kind: (&str, &str)) -> Option<Printer> {
    let (names, cells): (&str, Cells) = match kind {
        ("storage.k8s.io", "CSINode") => ("Name, #Drivers, Age", csi_node),
        ("storage.k8s.io", "CSIDriver") => (
            "Name, ?AttachRequired, ?PodInfoOnMount, ?StorageCapacity, TokenRequests, \
             ?RequiresRepublish, Modes, Age",
            csi_driver,
        ),
        ("storage.k8s.io", "CSIStorageCapacity") => {
            ("Name, StorageClassName, Capacity", storage_capacity)
        }
        ("storage.k8s.io", "VolumeAttachment") => {
            ("Name, Attacher, PV, Node, ?Attached, Age", attachment)
        }
        ("storage.k8s.io", "VolumeAttributesClass") => ("Name, DriverName, Age", attributes_class),
        ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => ("Name, Age", bare),
        ("resource.k8s.io", "ResourceClaim") => ("Name, State, Age", device_claim),
        ("resource.k8s.io", "ResourceSlice") => ("Name, Node, Driver, Pool, Age", device_slice),
        ("resource.k8s.io", "DeviceTaintRule") => {
            ("Name, Key, Value, Effect, TimeAdded, Age", device_taint)
        }
        _ => return None,
    };
    Some(Printer {
        columns: columns(names),
        cells: Box::new(cells),
    })
}

fn bare(value: &Value, now: Time) -> Vec<Value> {
    vec![name(value), age(value, now)]
}

fn csi_node(value: &Value, now: Time) -> Vec<Value> {
    let drivers = items(&value["spec"], "drivers").len();
    vec![name(value), json!(drivers), age(value, now)]
}

fn csi_driver(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let is = |field: &str| json!(spec[field] == true);
    let requests = items(spec, "tokenRequests").iter();
    let audiences: Vec<&str> = requests.map(|request| text(request, "audience")).collect();
    let modes = items(spec, "volumeLifecycleModes").iter();
    let modes: Vec<&str> = modes.filter_map(Value::as_str).collect();
    vec![
        name(value),
        json!(spec["attachRequired"] != false),
        is("podInfoOnMount"),
        is("storageCapacity"),
        or_unset(&audiences.join(",")),
        is("requiresRepublish"),
        or_none(modes.join(",")),
        age(value, now),
    ]
}

fn storage_capacity(value: &Value, _: Time) -> Vec<Value> {
    vec![
        name(value),
        json!(text(value, "storageClassName")),
        or_unset(text(value, "capacity")),
    ]
}

fn attachment(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    vec![
        name(value),
        json!(text(spec, "attacher")),
        json!(text(&spec["source"], "persistentVolumeName")),
        json!(text(spec, "nodeName")),
        json!(value["status"]["attached"] == true),
        age(value, now),
    ]
}

fn attributes_class(value: &Value, now: Time) -> Vec<Value> {
    vec![
        name(value),
        json!(text(value, "driverName")),
        age(value, now),
    ]
}

fn device_claim(value: &Value, now: Time) -> Vec<Value> {
    let status = &value["status"];
    let is_going = value["metadata"].get("deletionTimestamp").is_some();
    let mut states = Vec::new();
    if is_going {
        states.push("deleted");
    }
    if status["allocation"].is_object() {
        states.push("allocated");
        if !items(status, "reservedFor").is_empty() {
            states.push("reserved");
        }
    } else if !is_going {
        states.push("pending");
    }
    vec![name(value), json!(states.join(",")), age(value, now)]
}

fn device_slice(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    vec![
        name(value),
        json!(text(spec, "nodeName")),
        json!(text(spec, "driver")),
        json!(text(&spec["pool"], "name")),
        age(value, now),
    ]
}

fn device_taint(value: &Value, now: Time) -> Vec<Value> {
    let taint = &value["spec"]["taint"];
    let added = match taint.get("timeAdded") {
        Some(time) if time.is_string() => since(time, now),
        _ => String::new(),
    };
    vec![
        name(value),
        json!(text(taint, "key")),
        json!(text(taint, "value")),
        json!(text(taint, "effect")),
        json!(added),
        age(value, now),
    ]
}
