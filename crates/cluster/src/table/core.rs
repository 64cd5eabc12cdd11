//! Columns of everything but workloads. It must not know how objects are found.

use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::workloads::labels;
use super::{Printer, age, columns, count, name, or_none, since};
use crate::rules::{items, text};

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
        ("", "ServiceAccount") => ("Name, Secrets, Age", account),
        ("", "Node") => (
            "Name, Status, Roles, Age, Version | Internal-IP, External-IP, OS-Image, \
             Kernel-Version, Container-Runtime",
            node,
        ),
        ("", "Event") => (
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
        if kind == ("", "Event") && column.name == "Message" {
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
    vec![
        name(value),
        json!(items(value, "secrets").len()),
        age(value, now),
    ]
}

fn service(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let kind = text(spec, "type");
    let balanced: Vec<&str> = items(&value["status"]["loadBalancer"], "ingress")
        .iter()
        .map(|ingress| match text(ingress, "ip") {
            "" => text(ingress, "hostname"),
            address => address,
        })
        .collect();
    let outside = match kind {
        "LoadBalancer" if balanced.is_empty() => "<pending>".to_owned(),
        "LoadBalancer" => balanced.join(","),
        "ExternalName" => text(spec, "externalName").to_owned(),
        _ => String::new(),
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

fn node(value: &Value, now: Time) -> Vec<Value> {
    let ready = items(&value["status"], "conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let info = &value["status"]["nodeInfo"];
    let address = items(&value["status"], "addresses")
        .iter()
        .find(|address| address["type"] == "InternalIP")
        .map(|address| text(address, "address").to_owned());
    vec![
        name(value),
        json!(if ready { "Ready" } else { "NotReady" }),
        json!("<none>"),
        age(value, now),
        info["kubeletVersion"].clone(),
        or_none(address.unwrap_or_default()),
        json!("<none>"),
        info["osImage"].clone(),
        info["kernelVersion"].clone(),
        info["containerRuntimeVersion"].clone(),
    ]
}

fn event(value: &Value, now: Time) -> Vec<Value> {
    let object = &value["involvedObject"];
    let time = |field: &str| {
        let found = value.get(field).filter(|time| time.is_string());
        let found = found.or_else(|| value.get("eventTime"));
        json!(since(found.unwrap_or(&Value::Null), now))
    };
    vec![
        time("lastTimestamp"),
        value["type"].clone(),
        value["reason"].clone(),
        json!(format!(
            "{}/{}",
            text(object, "kind").to_lowercase(),
            text(object, "name")
        )),
        json!(text(object, "fieldPath")),
        json!(text(&value["source"], "component")),
        json!(text(value, "message").trim()),
        time("firstTimestamp"),
        json!(count(value, "/count").max(1)),
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

fn claim(value: &Value, now: Time) -> Vec<Value> {
    let (spec, status) = (&value["spec"], &value["status"]);
    vec![
        name(value),
        status["phase"].clone(),
        json!(text(spec, "volumeName")),
        json!(text(&status["capacity"], "storage")),
        json!(modes(items(status, "accessModes"))),
        json!(text(spec, "storageClassName")),
        json!("<unset>"),
        age(value, now),
        spec["volumeMode"].clone(),
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
        value["status"]["phase"].clone(),
        json!(claim),
        json!(text(spec, "storageClassName")),
        json!("<unset>"),
        json!(text(&value["status"], "reason")),
        age(value, now),
        spec["volumeMode"].clone(),
    ]
}

fn ingress(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let hosts: Vec<&str> = items(spec, "rules")
        .iter()
        .map(|rule| match text(rule, "host") {
            "" => "*",
            host => host,
        })
        .collect();
    let hosts = if hosts.is_empty() {
        "*".to_owned()
    } else {
        hosts.join(",")
    };
    let address: Vec<&str> = items(&value["status"]["loadBalancer"], "ingress")
        .iter()
        .map(|ingress| text(ingress, "ip"))
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
    let ports: Vec<String> = items(value, "ports")
        .iter()
        .map(|port| port["port"].to_string())
        .collect();
    let addresses: Vec<&str> = items(value, "endpoints")
        .iter()
        .flat_map(|endpoint| items(endpoint, "addresses"))
        .filter_map(Value::as_str)
        .collect();
    let unset = |text: String| {
        if text.is_empty() {
            json!("<unset>")
        } else {
            json!(text)
        }
    };
    vec![
        name(value),
        value["addressType"].clone(),
        unset(ports.join(",")),
        unset(addresses.join(",")),
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
    let default = "storageclass.kubernetes.io/is-default-class";
    let is_default = value["metadata"]["annotations"].get(default) == Some(&json!("true"));
    let shown = if is_default {
        json!(format!("{} (default)", text(&value["metadata"], "name")))
    } else {
        name(value)
    };
    vec![
        shown,
        value["provisioner"].clone(),
        value["reclaimPolicy"].clone(),
        value["volumeBindingMode"].clone(),
        json!(value["allowVolumeExpansion"] == true),
        age(value, now),
    ]
}
