//! What the server warns of and accepts all the same, kind by kind. It must not refuse anything.

mod pods;

use std::net::{IpAddr, Ipv6Addr};

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};

use crate::addresses::Network;
use crate::names;
use crate::served::Served;

/// Labels of nodes that have newer names, and what is said of the old ones.
const OLD_LABELS: [(&str, &str); 8] = [
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    (
        "node-role.kubernetes.io/master",
        "use \"node-role.kubernetes.io/control-plane\" instead",
    ),
];

/// What a write of an object is warned of; `old` is its state before an update.
pub fn warnings(served: &Served, new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(custom) = &served.custom {
        if let (Some(rules), Some(schema), Some(old)) = (&served.rules, &custom.schema, old) {
            let kept = holdfast_cel::kept_problems(rules, schema, new, old);
            found.extend(kept.iter().map(FieldError::line));
        }
        return found;
    }
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    of_pods(kind, new, old, &mut found);
    match kind {
        ("", "Service") => service(new, &mut found),
        ("", "PersistentVolume") => volume(new, &mut found),
        ("", "PersistentVolumeClaim") => named_claim(new, &mut found),
        ("", "Endpoints") => endpoints(new, &mut found),
        ("discovery.k8s.io", "EndpointSlice") => slice(new, old.is_none(), &mut found),
        ("storage.k8s.io", "StorageClass") => topologies(new, &mut found),
        ("node.k8s.io", "RuntimeClass") => runtime_class(new, &mut found),
        ("networking.k8s.io", "Ingress") if old.is_none() => ingress(new, &mut found),
        ("networking.k8s.io", "NetworkPolicy") => traffic(new, &mut found),
        ("admissionregistration.k8s.io", kind) => unenforced(kind, &mut found),
        ("", "Node") if !text(&new["spec"], "externalID").is_empty() => found.push(
            "spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned(),
        ),
        _ => {}
    }
    found
}

/// Policies that are kept and not enforced, so that nobody relies on them.
fn unenforced(kind: &str, found: &mut Vec<String>) {
    if kind.starts_with("MutatingAdmissionPolicy") {
        found.push(format!(
            "the embedded cluster keeps {kind} objects and does not enforce them: nothing is changed"
        ));
    }
}

/// Pods and what makes them.
fn of_pods(kind: (&str, &str), new: &Value, old: Option<&Value>, found: &mut Vec<String>) {
    let spec = &new["spec"];
    let generation = |value: &Value| value["metadata"]["generation"].as_i64();
    // Templates are looked into when they are new or the object has changed.
    let is_news = old.is_none_or(|old| generation(old) != generation(new));
    let (template, path) = match kind {
        ("", "Pod") if old.is_none() => {
            hostname(new, "the Pod's hostname", found);
            (new, "")
        }
        ("", "PodTemplate") if is_news => (&new["template"], "template."),
        ("apps", "Deployment" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job")
            if is_news =>
        {
            if old.is_none() {
                hostname(new, "Pod names and hostnames", found);
            }
            (&spec["template"], "spec.template.")
        }
        ("apps", "DaemonSet") if is_news => (&spec["template"], "spec.template."),
        ("apps", "StatefulSet") => return stateful_set(new, old.is_some(), is_news, found),
        ("batch", "CronJob") if is_news => {
            if old.is_none() {
                hostname(new, "Pod names and hostnames", found);
            }
            let template = &spec["jobTemplate"]["spec"]["template"];
            (template, "spec.jobTemplate.spec.template.")
        }
        _ => return,
    };
    pods::pod(template, path, found);
}

fn named_claim(claimed: &Value, found: &mut Vec<String>) {
    let annotation = "volume.beta.kubernetes.io/storage-class";
    if has_annotation(claimed, annotation) {
        found.push(format!(
            "metadata.annotations[{annotation}]: deprecated since v1.8; use \"storageClassName\" \
             attribute instead"
        ));
    }
    claim(&claimed["spec"], "spec", found);
}

fn runtime_class(class: &Value, found: &mut Vec<String>) {
    let selector = class["scheduling"]["nodeSelector"].as_object();
    for (key, _) in selector.into_iter().flatten() {
        if let Some(problem) = old_label(key) {
            found.push(format!("scheduling.nodeSelector: {problem}"));
        }
    }
}

fn ingress(ingress: &Value, found: &mut Vec<String>) {
    let annotation = "kubernetes.io/ingress.class";
    if has_annotation(ingress, annotation) && ingress["spec"]["ingressClassName"].is_null() {
        found.push(format!(
            "annotation {annotation:?} is deprecated, please use 'spec.ingressClassName' instead"
        ));
    }
}

/// What is said of the addresses at which an Ingress is reached.
pub fn status_warnings(served: &Served, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if served.is("networking.k8s.io", "Ingress") {
        let ways = items(&new["status"]["loadBalancer"], "ingress");
        for (index, way) in ways.iter().enumerate() {
            let field = format!("status.loadBalancer.ingress[{index}]");
            address(&way["ip"], &field, &mut found);
        }
    }
    found
}

/// Networks that are not written as they are best written.
fn traffic(policy: &Value, found: &mut Vec<String>) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(&policy["spec"], direction).iter().enumerate() {
            for (rank, peer) in items(rule, peers).iter().enumerate() {
                let place = format!("spec.{direction}[{index}].{peers}[{rank}].ipBlock");
                let block = &peer["ipBlock"];
                let holes = items(block, "except").iter().enumerate();
                let holes = holes.map(|(at, hole)| (format!("{place}.except[{at}]"), hole));
                let whole = (format!("{place}.cidr"), &block["cidr"]);
                for (field, value) in [whole].into_iter().chain(holes) {
                    network(value, &field, found);
                }
            }
        }
    }
}

fn network(value: &Value, field: &str, found: &mut Vec<String>) {
    let text = value.as_str().unwrap_or("");
    if let Some(written) = Network::written_otherwise(text) {
        found.push(format!(
            "{field}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format ({written:?})"
        ));
    }
}

fn has_annotation(value: &Value, name: &str) -> bool {
    value["metadata"]["annotations"].get(name).is_some()
}

/// What is said of a node's label that has a newer name.
fn old_label(key: &str) -> Option<&'static str> {
    let found = OLD_LABELS.iter().find(|(known, _)| *known == key);
    found.map(|(_, problem)| *problem)
}

fn hostname(value: &Value, use_of_it: &str, found: &mut Vec<String>) {
    let name = text(&value["metadata"], "name");
    if let Some(problem) = names::dns_label_problem(name) {
        found.push(format!(
            "metadata.name: this is used in {use_of_it}, which can result in surprising behavior; \
             a DNS label is recommended: [{problem}]"
        ));
    }
}

/// An address that is read, but not as it is written.
fn address(value: &Value, field: &str, found: &mut Vec<String>) {
    let text = value.as_str().unwrap_or("");
    let Ok(parsed) = text.parse::<Ipv6Addr>() else {
        return;
    };
    if let IpAddr::V4(mapped) = IpAddr::V6(parsed).to_canonical() {
        found.push(format!(
            "{field}: non-standard IP address {text:?} is invalid: use \"{mapped}\""
        ));
    } else if parsed.to_string() != text {
        found.push(format!(
            "{field}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{parsed}\")"
        ));
    }
}

/// An amount of bytes that is no whole number.
fn fraction(amount: &Value, field: &str, found: &mut Vec<String>) {
    let text = amount.as_str().unwrap_or("");
    let is_whole = |amount: Quantity| amount.nanos % 1_000_000_000 == 0;
    if Quantity::parse(text).is_some_and(|amount| !is_whole(amount)) {
        found.push(format!(
            "{field}: fractional byte value {text:?} is invalid, must be an integer"
        ));
    }
}

fn claim(spec: &Value, path: &str, found: &mut Vec<String>) {
    for list in ["requests", "limits"] {
        let amount = &spec["resources"][list]["storage"];
        fraction(amount, &format!("{path}.resources.{list}[storage]"), found);
    }
}

fn stateful_set(set: &Value, is_update: bool, is_news: bool, found: &mut Vec<String>) {
    let spec = &set["spec"];
    if is_news {
        pods::pod(&spec["template"], "spec.template.", found);
    }
    for (index, template) in items(spec, "volumeClaimTemplates").iter().enumerate() {
        let end = if is_update { ".Spec" } else { "" };
        let path = format!("spec.volumeClaimTemplates[{index}]{end}");
        claim(&template["spec"], &path, found);
    }
    if spec["revisionHistoryLimit"]
        .as_i64()
        .is_some_and(|limit| limit < 0)
    {
        found.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value \
             >= 0 is recommended"
                .to_owned(),
        );
    }
}

fn service(service: &Value, found: &mut Vec<String>) {
    let spec = &service["spec"];
    let mut warn = |text: &str| found.push(text.to_owned());
    if has_annotation(service, "service.kubernetes.io/topology-aware-hints") {
        warn(
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use \
             service.kubernetes.io/topology-mode instead",
        );
    }
    let is_headless = crate::checks::is_headless(service);
    let outer = items(spec, "externalIPs");
    if is_headless {
        for (is_ignored, name) in [
            (!text(spec, "loadBalancerIP").is_empty(), "loadBalancerIP"),
            (!outer.is_empty(), "externalIPs"),
            (text(spec, "sessionAffinity") != "None", "SessionAffinity"),
        ] {
            if is_ignored {
                warn(&format!("spec.{name} is ignored for headless services"));
            }
        }
    }
    for (index, value) in outer.iter().enumerate() {
        address(value, &format!("spec.externalIPs[{index}]"), found);
    }
    let is_named = text(spec, "type") == "ExternalName";
    let mut warn = |text: &str| found.push(text.to_owned());
    if !outer.is_empty() && !is_headless && !is_named {
        warn("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
    }
    if is_named && !outer.is_empty() {
        warn("spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    }
    if !is_named && !text(spec, "externalName").is_empty() {
        warn("spec.externalName is ignored when spec.type is not \"ExternalName\"");
    }
    if text(spec, "trafficDistribution") == "PreferClose" {
        warn("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
    }
}

fn volume(volume: &Value, found: &mut Vec<String>) {
    let spec = &volume["spec"];
    for (annotation, since, field) in [
        (
            "volume.beta.kubernetes.io/storage-class",
            "v1.8",
            "storageClassName",
        ),
        (
            "volume.beta.kubernetes.io/mount-options",
            "v1.31",
            "mountOptions",
        ),
    ] {
        if has_annotation(volume, annotation) {
            found.push(format!(
                "metadata.annotations[{annotation}]: deprecated since {since}; use {field:?} \
                 attribute instead"
            ));
        }
    }
    if text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
        found.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. \
             Instead, the recommended approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let terms = items(&spec["nodeAffinity"]["required"], "nodeSelectorTerms");
    for (index, term) in terms.iter().enumerate() {
        let path = format!("spec.nodeAffinity.required.nodeSelectorTerms[{index}]");
        pods::node_term(term, &path, found);
    }
    pods::old_volume(spec, "spec", found);
}

fn endpoints(endpoints: &Value, found: &mut Vec<String>) {
    for (index, subset) in items(endpoints, "subsets").iter().enumerate() {
        for list in ["addresses", "notReadyAddresses"] {
            for (rank, one) in items(subset, list).iter().enumerate() {
                let field = format!("subsets[{index}].{list}[{rank}].ip");
                address(&one["ip"], &field, found);
            }
        }
    }
}

fn slice(slice: &Value, is_new: bool, found: &mut Vec<String>) {
    if is_new && text(slice, "addressType") == "FQDN" {
        found.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    for (index, endpoint) in items(slice, "endpoints").iter().enumerate() {
        for (rank, one) in items(endpoint, "addresses").iter().enumerate() {
            let field = format!("endpoints[{index}].addresses[{rank}]");
            address(one, &field, found);
        }
    }
}

fn topologies(class: &Value, found: &mut Vec<String>) {
    for (index, topology) in items(class, "allowedTopologies").iter().enumerate() {
        for (rank, rule) in items(topology, "matchLabelExpressions").iter().enumerate() {
            if let Some(problem) = old_label(text(rule, "key")) {
                found.push(format!(
                    "allowedTopologies[{index}].matchLabelExpressions[{rank}].key: {problem}"
                ));
            }
        }
    }
}
