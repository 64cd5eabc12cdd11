//! What pods, and templates of pods, are warned of. It must not know who makes pods.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kinds::{items, text};
use holdfast_model::Value;

use super::{address, claim, fraction, has_annotation, old_label};
use crate::names;

/// Annotations that once meant something, and what to use in their place.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
/// Kinds of volumes that no longer work, and since when.
const OLD_VOLUMES: [(&str, &str); 8] = [
    (
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
const NO_SELECTOR: &str = "labelSelector: a null labelSelector results in matching no pod";

/// A pod, or a template at a path that ends in a dot.
pub(super) fn pod(pod: &Value, path: &str, found: &mut Vec<String>) {
    let spec = &pod["spec"];
    placement(spec, path, found);
    for (annotation, problem) in OLD_ANNOTATIONS {
        if has_annotation(pod, annotation) {
            found.push(format!(
                "{path}metadata.annotations[{annotation}]: {problem}"
            ));
        }
    }
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let place = format!("{path}spec.volumes[{index}]");
        if volume["gitRepo"].is_object() {
            found.push(format!(
                "{place}.gitRepo: deprecated in v1.11, and disabled by default in v1.33+"
            ));
        }
        old_volume(volume, &place, found);
        let template = &volume["ephemeral"]["volumeClaimTemplate"]["spec"];
        let place = format!("{place}.ephemeral.volumeClaimTemplate.spec");
        claim(template, &place, found);
    }
    for volume in items(spec, "volumes") {
        overlaps(volume, found);
    }
    doubles(spec, path, found);
    for name in ["memory", "ephemeral-storage"] {
        let amount = &spec["overhead"][name];
        fraction(amount, &format!("{path}spec.overhead[{name}]"), found);
    }
    let containers = containers(spec, path);
    for (place, container) in &containers {
        in_container(container, place, found);
    }
    same_ports(&containers, found);
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        found.push(format!(
            "{path}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid \
             and will be treated as 1"
        ));
    }
    affinities(spec, path, found);
    let servers = items(&spec["dnsConfig"], "nameservers").iter().enumerate();
    for (index, server) in servers {
        let field = format!("{path}spec.dnsConfig.nameservers[{index}]");
        address(server, &field, found);
    }
    for (index, alias) in items(spec, "hostAliases").iter().enumerate() {
        let field = format!("{path}spec.hostAliases[{index}].ip");
        address(&alias["ip"], &field, found);
    }
}

fn containers<'a>(spec: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let of_list = |list: &'static str| {
        let containers = items(spec, list).iter().enumerate();
        containers.map(move |(index, one)| (format!("{path}spec.{list}[{index}]"), one))
    };
    LISTS.into_iter().flat_map(of_list).collect()
}

fn placement(spec: &Value, path: &str, found: &mut Vec<String>) {
    for (key, _) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if let Some(problem) = old_label(key) {
            found.push(format!("{path}spec.nodeSelector[{key}]: {problem}"));
        }
    }
    let affinity = &spec["affinity"]["nodeAffinity"];
    let place = format!("{path}spec.affinity.nodeAffinity");
    let name = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = items(&affinity[name], "nodeSelectorTerms").iter();
    for (index, term) in terms.enumerate() {
        let place = format!("{place}.{name}.nodeSelectorTerms[{index}]");
        node_term(term, &place, found);
    }
    let name = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, wish) in items(affinity, name).iter().enumerate() {
        let place = format!("{place}.{name}[{index}].preference");
        node_term(&wish["preference"], &place, found);
        wanted_values(&wish["preference"], &place, found);
    }
    let spreads = items(spec, "topologySpreadConstraints").iter();
    for (index, spread) in spreads.enumerate() {
        let place = format!("{path}spec.topologySpreadConstraints[{index}]");
        let key = text(spread, "topologyKey");
        if let Some(problem) = old_label(key) {
            found.push(format!("{place}.topologyKey: {key} is {problem}"));
        }
        if spread["labelSelector"].is_null() {
            found.push(format!("{place}.{NO_SELECTOR}"));
        }
    }
}

/// A term that selects nodes, by labels that have newer names.
pub(super) fn node_term(term: &Value, path: &str, found: &mut Vec<String>) {
    for (index, rule) in items(term, "matchExpressions").iter().enumerate() {
        let key = text(rule, "key");
        if let Some(problem) = old_label(key) {
            found.push(format!(
                "{path}.matchExpressions[{index}].key: {key} is {problem}"
            ));
        }
    }
}

fn wanted_values(term: &Value, path: &str, found: &mut Vec<String>) {
    for (index, rule) in items(term, "matchExpressions").iter().enumerate() {
        for (rank, value) in items(rule, "values").iter().enumerate() {
            let value = value.as_str().unwrap_or("");
            if let Some(problem) = names::label_value_problem(value) {
                found.push(format!(
                    "{path}.matchExpressions[{index}].values[{rank}]: {value} is invalid, {problem}"
                ));
            }
        }
    }
}

/// A volume of a kind that no longer works.
pub(super) fn old_volume(volume: &Value, path: &str, found: &mut Vec<String>) {
    for (kind, problem) in OLD_VOLUMES {
        if volume[kind].is_object() {
            found.push(format!("{path}.{kind}: {problem}"));
        }
    }
}

/// What is there twice.
fn doubles(spec: &Value, path: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, alias) in items(spec, "hostAliases").iter().enumerate() {
        let address = text(alias, "ip");
        if !seen.insert(address) {
            found.push(format!(
                "{path}spec.hostAliases[{index}].ip: duplicate ip {address:?}"
            ));
        }
    }
    let secrets = items(spec, "imagePullSecrets");
    let mut seen = BTreeSet::new();
    for (index, secret) in secrets.iter().enumerate() {
        let name = text(secret, "name");
        if !seen.insert(name) {
            found.push(format!(
                "{path}spec.imagePullSecrets[{index}].name: duplicate name {name:?}"
            ));
        }
    }
    for (index, secret) in secrets.iter().enumerate() {
        if text(secret, "name").is_empty() {
            found.push(format!(
                "{path}spec.imagePullSecrets[{index}].name: invalid empty name \"\""
            ));
        }
    }
}

fn in_container(container: &Value, place: &str, found: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            let amount = &container["resources"][list][name];
            fraction(amount, &format!("{place}.resources.{list}[{name}]"), found);
        }
    }
    let mut seen = BTreeSet::new();
    for (index, variable) in items(container, "env").iter().enumerate() {
        let name = text(variable, "name");
        let own = format!("$({name})");
        let value = text(variable, "value");
        let is_hidden = variable["valueFrom"].is_object() || value == own || !value.contains(&own);
        if !seen.insert(name) && is_hidden {
            found.push(format!(
                "{place}.env[{index}]: hides previous definition of {name:?}, which may be dropped \
                 when using apply"
            ));
        }
    }
}

/// Ports of a pod that are in each other's way.
fn same_ports(containers: &[(String, &Value)], found: &mut Vec<String>) {
    let ports = containers.iter().flat_map(|(place, container)| {
        let ports = items(container, "ports").iter().enumerate();
        ports.map(move |(index, port)| (format!("{place}.ports[{index}]"), port))
    });
    let ports: Vec<(String, &Value)> = ports.collect();
    let host = |port: &Value| port["hostPort"].as_i64().unwrap_or(0);
    for (at, (place, port)) in ports.iter().enumerate() {
        let address = text(port, "hostIP");
        if !address.is_empty() && host(port) == 0 {
            found.push(format!(
                "{place}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} \
                 Protocol:{} HostIP:{address}}}",
                text(port, "name"),
                port["containerPort"],
                text(port, "protocol"),
            ));
        }
        for (other_place, other) in &ports[..at] {
            if port["containerPort"] != other["containerPort"]
                || port["protocol"] != other["protocol"]
            {
                continue;
            }
            let other_address = text(other, "hostIP");
            let one_is_open = address.is_empty() != other_address.is_empty();
            let way = if address == other_address && host(port) == host(other) {
                "duplicate"
            } else if host(port) == 0 || host(other) == 0 {
                "overlapping"
            } else if host(port) == host(other) && one_is_open {
                "dangerously ambiguous"
            } else {
                continue;
            };
            found.push(format!("{place}: {way} port definition with {other_place}"));
        }
    }
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (place, port) in &ports {
        let name = text(port, "name");
        match known.get(name) {
            _ if name.is_empty() => {}
            Some(other) => found.push(format!(
                "{place}: duplicate port name {name:?} with {other}, services and probes that \
                 select ports by name will use {other}"
            )),
            None => {
                known.insert(name, place);
            }
        }
    }
}

fn affinities(spec: &Value, path: &str, found: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = &spec["affinity"][kind];
        let place = format!("{path}spec.affinity.{kind}");
        let name = "requiredDuringSchedulingIgnoredDuringExecution";
        for (index, term) in items(affinity, name).iter().enumerate() {
            if term["labelSelector"].is_null() {
                found.push(format!("{place}.{name}[{index}].{NO_SELECTOR}"));
            }
        }
        let name = "preferredDuringSchedulingIgnoredDuringExecution";
        for (index, wish) in items(affinity, name).iter().enumerate() {
            if wish["podAffinityTerm"]["labelSelector"].is_null() {
                let term = format!("{place}.{name}[{index}].podAffinityTerm");
                found.push(format!("{term}.{NO_SELECTOR}"));
            }
        }
    }
}

/// Where a file of a volume comes from.
type Source = (String, String);

/// Files of a volume of which one lies on another or in it.
fn overlaps(volume: &Value, found: &mut Vec<String>) {
    let name = text(volume, "name");
    let files = |source: &Value, origin: &str| -> Vec<Source> {
        let files = items(source, "items").iter();
        files
            .map(|file| (text(file, "path").to_owned(), origin.to_owned()))
            .collect()
    };
    let (map, secret) = (&volume["configMap"], &volume["secret"]);
    for (described, sources) in [
        (format!("ConfigMap {:?}", text(map, "name")), files(map, "")),
        (
            format!("Secret {:?}", text(secret, "secretName")),
            files(secret, ""),
        ),
        ("DownwardAPI".to_owned(), files(&volume["downwardAPI"], "")),
    ] {
        collisions(name, &described, sources, found);
    }
    let mut all = Vec::new();
    for source in items(&volume["projected"], "sources") {
        if source.as_object().is_none_or(serde_json::Map::is_empty) {
            found.push(format!(
                "volume {name:?} (Projected) has no sources provided"
            ));
        }
        let (map, secret) = (&source["configMap"], &source["secret"]);
        all.extend(files(map, &format!("ConfigMap {:?}", text(map, "name"))));
        all.extend(files(secret, &format!("Secret {:?}", text(secret, "name"))));
        all.extend(files(&source["downwardAPI"], "DownwardAPI"));
        let token = &source["serviceAccountToken"];
        if token.is_object() {
            all.push((
                text(token, "path").to_owned(),
                "ServiceAccountToken".to_owned(),
            ));
        }
    }
    collisions(name, "Projected", all, found);
}

fn collisions(name: &str, described: &str, sources: Vec<Source>, found: &mut Vec<String>) {
    let shown = |(path, origin): &Source| match origin.as_str() {
        "" => format!("{path:?}"),
        origin => format!("{path:?} ({origin})"),
    };
    let mut known: Vec<Source> = Vec::new();
    for (path, origin) in sources {
        let one = (path.trim_end_matches('/').to_owned(), origin);
        let inside =
            |inner: &str, outer: &str| format!("{inner}/").starts_with(&format!("{outer}/"));
        for other in &known {
            let is_empty = one.0.is_empty() || other.0.is_empty();
            if !is_empty && (inside(&one.0, &other.0) || inside(&other.0, &one.0)) {
                found.push(format!(
                    "volume {name:?} ({described}): overlapping paths: {} with {}",
                    shown(&one),
                    shown(other)
                ));
            }
        }
        known.push(one);
    }
}
