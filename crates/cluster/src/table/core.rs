//! Columns of everything but workloads. It must not know how objects are found.

use std::collections::BTreeSet;

use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::cells::{Printer, age, columns, count, name, or_none, or_unset, since, some_of};
use super::workloads::labels;

type Cells = fn(&Value, Time) -> Vec<Value>;

pub(super) fn printer(kind: (&str, &str)) -> Option<Printer> {
    let (names, cells): (&str, Cells) = match kind {
        ("", "ConfigMap") => ("Name, Data, Age", config_map),
        ("", "Secret") => ("Name, Type, Data, Age", secret),
        ("", "Namespace") => ("Name, Status, Age", namespace),
        ("", "Service") => (
            "Name, Type, Cluster-IP, External-IP, Port(s), Age | Selector",
            service,
        ),
        ("", "ServiceAccount") => ("Name, Age", account),
        ("", "Node") => (
            "Name, Status, Roles, Age, Version | Internal-IP, External-IP, OS-Image, \
             Kernel-Version, Container-Runtime",
            node,
        ),
        ("" | "events.k8s.io", "Event") => (
            "Last Seen, Type, Reason, Object | Subobject, Source, Message, First Seen, Count, Name",
            event,
        ),
        ("", "PersistentVolumeClaim") => (
            "Name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age \
             | VolumeMode",
            claim,
        ),
        ("", "PersistentVolume") => (
            "Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, \
             VolumeAttributesClass, Reason, Age | VolumeMode",
            volume,
        ),
        ("networking.k8s.io", "Ingress") => ("Name, Class, Hosts, Address, Ports, Age", ingress),
        ("discovery.k8s.io", "EndpointSlice") => {
            ("Name, AddressType, Ports, Endpoints, Age", slice)
        }
        ("policy", "PodDisruptionBudget") => (
            "Name, Min Available, Max Unavailable, #Allowed Disruptions, Age",
            budget,
        ),
        ("coordination.k8s.io", "Lease") => ("Name, Holder, Age", lease),
        ("storage.k8s.io", "StorageClass") => (
            "Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
            storage_class,
        ),
        _ => return None,
    };
    let mut columns = columns(names);
    // The message of an event is always shown.
    for column in &mut columns {
        if kind.1 == "Event" && column.name == "Message" {
            column.wide = false;
        }
    }
    Some(Printer {
        columns,
        cells: Box::new(cells),
    })
}

fn size(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn config_map(value: &Value, now: Time) -> Vec<Value> {
    let data = size(&value["data"]) + size(&value["binaryData"]);
    vec![name(value), json!(data), age(value, now)]
}

fn secret(value: &Value, now: Time) -> Vec<Value> {
    vec![
        name(value),
        value["type"].clone(),
        json!(size(&value["data"])),
        age(value, now),
    ]
}

fn namespace(value: &Value, now: Time) -> Vec<Value> {
    vec![
        name(value),
        value["status"]["phase"].clone(),
        age(value, now),
    ]
}

fn account(value: &Value, now: Time) -> Vec<Value> {
    vec![name(value), age(value, now)]
}

fn service(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let kind = text(spec, "type");
    let outer = items(spec, "externalIPs").iter().filter_map(Value::as_str);
    let outside: Vec<&str> = match kind {
        "LoadBalancer" => {
            let balanced = ways_in(&value["status"]["loadBalancer"]);
            balanced.into_iter().chain(outer).collect()
        }
        "ExternalName" => vec![text(spec, "externalName")],
        _ => outer.collect(),
    };
    let outside = match outside.join(",") {
        none if none.is_empty() && kind == "LoadBalancer" => "<pending>".to_owned(),
        outside => outside,
    };
    let ports: Vec<String> = items(spec, "ports")
        .iter()
        .map(|port| {
            let node = match port["nodePort"].as_i64() {
                Some(number) if number != 0 => format!(":{number}"),
                _ => String::new(),
            };
            format!("{}{node}/{}", port["port"], text(port, "protocol"))
        })
        .collect();
    vec![
        name(value),
        json!(kind),
        or_none(text(spec, "clusterIP").to_owned()),
        or_none(outside),
        or_none(ports.join(",")),
        age(value, now),
        labels(&spec["selector"]),
    ]
}

/// Addresses and names that lead in from outside, in their order.
fn ways_in(status: &Value) -> BTreeSet<&str> {
    let ways = items(status, "ingress").iter();
    let ways = ways.map(|way| match text(way, "ip") {
        "" => text(way, "hostname"),
        address => address,
    });
    ways.filter(|way| !way.is_empty()).collect()
}

fn node(value: &Value, now: Time) -> Vec<Value> {
    let mut conditions = items(&value["status"], "conditions").iter();
    let ready = conditions.find(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        None => "Unknown",
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if value["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    let labels = value["metadata"]["labels"].as_object();
    let roles: BTreeSet<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.as_str() {
            "kubernetes.io/role" => value.as_str(),
            key => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    let roles: Vec<&str> = roles.into_iter().collect();
    let info = &value["status"]["nodeInfo"];
    let address = |kind: &str| {
        let mut addresses = items(&value["status"], "addresses").iter();
        let found = addresses.find(|address| address["type"] == kind);
        or_none(found.map_or("", |found| text(found, "address")).to_owned())
    };
    let known = |field: &str| match text(info, field) {
        "" => "<unknown>".to_owned(),
        known => known.to_owned(),
    };
    let kernel = match text(info, "architecture") {
        "" => known("kernelVersion"),
        machine => format!("{} ({machine})", known("kernelVersion")),
    };
    vec![
        name(value),
        json!(status),
        or_none(roles.join(",")),
        age(value, now),
        json!(text(info, "kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        json!(known("osImage")),
        json!(kernel),
        json!(known("containerRuntimeVersion")),
    ]
}

fn event(value: &Value, now: Time) -> Vec<Value> {
    // The newer form has other names for the same.
    let of = |old: &'static str, new: &'static str| {
        let found = value.get(old).filter(|found| !found.is_null());
        found.or_else(|| value.get(new)).unwrap_or(&Value::Null)
    };
    let object = of("involvedObject", "regarding");
    let time = |old: &'static str, new: &'static str| {
        let found = Some(of(old, new)).filter(|time| time.is_string());
        found
            .or_else(|| value.get("eventTime"))
            .unwrap_or(&Value::Null)
    };
    let first = since(time("firstTimestamp", "deprecatedFirstTimestamp"), now);
    let series = &value["series"];
    let last = match series.get("lastObservedTime") {
        Some(time) => since(time, now),
        None if of("lastTimestamp", "deprecatedLastTimestamp").is_string() => {
            since(of("lastTimestamp", "deprecatedLastTimestamp"), now)
        }
        None => first.clone(),
    };
    let seen = match count(series, "/count") {
        0 => of("count", "deprecatedCount").as_i64().unwrap_or(0).max(1),
        seen => seen,
    };
    let kind = text(object, "kind").to_lowercase();
    let target = match text(object, "name") {
        "" => kind,
        named => format!("{kind}/{named}"),
    };
    let source = of("source", "deprecatedSource");
    let either = |first: &str, second: &Value| match first {
        "" => second.as_str().unwrap_or("").to_owned(),
        first => first.to_owned(),
    };
    let reporter = of("reportingComponent", "reportingController");
    let mut origin = vec![
        either(text(source, "component"), reporter),
        either(text(source, "host"), &value["reportingInstance"]),
    ];
    origin.retain(|part| !part.is_empty());
    let message = of("message", "note").as_str().unwrap_or("").trim();
    vec![
        json!(last),
        json!(text(value, "type")),
        json!(text(value, "reason")),
        json!(target),
        json!(text(object, "fieldPath")),
        json!(origin.join(", ")),
        json!(message),
        json!(first),
        json!(seen),
        name(value),
    ]
}

fn modes(list: &[Value]) -> String {
    let short = |mode: &Value| match mode.as_str().unwrap_or("") {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        _ => "RWOP",
    };
    let modes: Vec<&str> = list.iter().map(short).collect();
    modes.join(",")
}

/// The phase, unless it is being deleted.
fn phase(value: &Value) -> Value {
    if value["metadata"].get("deletionTimestamp").is_some() {
        json!("Terminating")
    } else {
        json!(text(&value["status"], "phase"))
    }
}

/// The class of storage, which an annotation gave once.
fn class_of(value: &Value) -> Value {
    let old = value["metadata"]["annotations"].get("volume.beta.kubernetes.io/storage-class");
    match old {
        Some(class) => class.clone(),
        None => json!(text(&value["spec"], "storageClassName")),
    }
}

fn claim(value: &Value, now: Time) -> Vec<Value> {
    let (spec, status) = (&value["spec"], &value["status"]);
    let (mut size, mut shared) = ("", String::new());
    if !text(spec, "volumeName").is_empty() {
        size = status["capacity"]["storage"].as_str().unwrap_or("0");
        shared = modes(items(status, "accessModes"));
    }
    vec![
        name(value),
        phase(value),
        json!(text(spec, "volumeName")),
        json!(size),
        json!(shared),
        class_of(value),
        or_unset(text(spec, "volumeAttributesClassName")),
        age(value, now),
        or_unset(text(spec, "volumeMode")),
    ]
}

fn volume(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let claim = &spec["claimRef"];
    let claim = if claim.is_object() {
        format!("{}/{}", text(claim, "namespace"), text(claim, "name"))
    } else {
        String::new()
    };
    vec![
        name(value),
        json!(text(&spec["capacity"], "storage")),
        json!(modes(items(spec, "accessModes"))),
        spec["persistentVolumeReclaimPolicy"].clone(),
        phase(value),
        json!(claim),
        class_of(value),
        or_unset(text(spec, "volumeAttributesClassName")),
        json!(text(&value["status"], "reason")),
        age(value, now),
        or_unset(text(spec, "volumeMode")),
    ]
}

fn ingress(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let rules = items(spec, "rules");
    // Of more than three rules, the first three with a host are told.
    let hosts: Vec<&str> = rules
        .iter()
        .map(|rule| text(rule, "host"))
        .filter(|host| !host.is_empty())
        .collect();
    let hosts = match hosts.len() {
        0 => "*".to_owned(),
        count if count > 3 => {
            format!("{} + {} more...", hosts[..3].join(","), rules.len() - 3)
        }
        _ => hosts.join(","),
    };
    let address: Vec<&str> = ways_in(&value["status"]["loadBalancer"])
        .into_iter()
        .collect();
    let ports = if items(spec, "tls").is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        name(value),
        or_none(text(spec, "ingressClassName").to_owned()),
        json!(hosts),
        json!(address.join(",")),
        json!(ports),
        age(value, now),
    ]
}

fn slice(value: &Value, now: Time) -> Vec<Value> {
    let ports = items(value, "ports").iter();
    let ports: Vec<String> = ports
        .map(|port| match (&port["port"], &port["name"]) {
            (Value::Number(number), _) => number.to_string(),
            (_, Value::String(name)) => name.clone(),
            _ => "*".to_owned(),
        })
        .collect();
    let addresses = items(value, "endpoints").iter();
    let addresses = addresses.flat_map(|endpoint| items(endpoint, "addresses"));
    let addresses = addresses.filter_map(Value::as_str).map(str::to_owned);
    let addresses: Vec<String> = addresses.collect();
    vec![
        name(value),
        value["addressType"].clone(),
        or_unset(&some_of(&ports, 3, ",")),
        or_unset(&some_of(&addresses, 3, ",")),
        age(value, now),
    ]
}

fn budget(value: &Value, now: Time) -> Vec<Value> {
    let limit = |name: &str| match value["spec"].get(name) {
        Some(Value::String(text)) => json!(text),
        Some(number) => json!(number.to_string()),
        None => json!("N/A"),
    };
    vec![
        name(value),
        limit("minAvailable"),
        limit("maxUnavailable"),
        json!(count(value, "/status/disruptionsAllowed")),
        age(value, now),
    ]
}

fn lease(value: &Value, now: Time) -> Vec<Value> {
    let holder = text(&value["spec"], "holderIdentity");
    vec![name(value), json!(holder), age(value, now)]
}

fn storage_class(value: &Value, now: Time) -> Vec<Value> {
    vec![
        name(value),
        value["provisioner"].clone(),
        value["reclaimPolicy"].clone(),
        value["volumeBindingMode"].clone(),
        json!(value["allowVolumeExpansion"] == true),
        age(value, now),
    ]
}
