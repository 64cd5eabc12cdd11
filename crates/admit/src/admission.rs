//! What is decided about an object by looking at others: the account, the priority and the runtime
//! of a pod, classes that are the default. It must not know what is wrong with the object itself.

use holdfast_kinds::{fill, items, items_mut, text, tolerate_trouble};
use holdfast_model::Value;
use serde_json::json;

use crate::error::{ApiError, Result};
use crate::names::random_suffix;
use crate::place::{ObjectName, ResourceId};
use crate::setting::Setting;
use crate::setting::random;

/// Where containers find the token of their account.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How the volume with the token is called, before a random end.
const TOKEN_VOLUME: &str = "kube-api-access-";
/// How long such a token lives, in seconds.
const TOKEN_LIFE: i64 = 3607;
/// The mode of files that a volume brings, 0644.
const FILE_MODE: i32 = 420;
/// The taint of a node that has not said that it is ready.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Completes a new object with what others say, or refuses it.
///
/// # Errors
/// Something that it names is not there, or does not go together with it.
pub fn admit_create(setting: &Setting<'_>, value: &mut Value) -> Result<()> {
    let kind = &setting.served.kind;
    if setting.served.custom.is_some() {
        return Ok(());
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => {
            account(setting, value)?;
            priority(setting, value)?;
            tolerate_trouble(value);
            runtime(setting, value)
        }
        ("", "Node") => {
            taint(value);
            Ok(())
        }
        ("", "PersistentVolumeClaim") => {
            storage_class(setting, value);
            Ok(())
        }
        ("networking.k8s.io", "Ingress") => {
            ingress_class(setting, value);
            Ok(())
        }
        ("scheduling.k8s.io", "PriorityClass") => default_priority(setting, value, None),
        _ => Ok(()),
    }
}

/// The same for an object that is there already.
///
/// # Errors
/// As for a new one.
pub fn admit_update(setting: &Setting<'_>, old: &Value, new: &mut Value) -> Result<()> {
    if !setting.subresource.is_empty() {
        return Ok(());
    }
    if setting.served.is("", "Pod") {
        for name in ["priority", "preemptionPolicy"] {
            if let Some(known) = old["spec"].get(name) {
                fill(&mut new["spec"], name, known.clone());
            }
        }
        tolerate_trouble(new);
    }
    if setting.served.is("scheduling.k8s.io", "PriorityClass") {
        let name = text(&old["metadata"], "name");
        return default_priority(setting, new, Some(name));
    }
    Ok(())
}

fn forbidden(setting: &Setting<'_>, value: &Value, message: &str) -> ApiError {
    let metadata = &value["metadata"];
    let name = match (text(metadata, "name"), text(metadata, "generateName")) {
        ("", "") => "Unknown",
        ("", start) => start,
        (name, _) => name,
    };
    ApiError::forbidden(&setting.served.resource(), name, message)
}

fn find(setting: &Setting<'_>, resource: (&str, &str), place: (&str, &str)) -> Option<Value> {
    let id = ResourceId::new(resource.0, resource.1);
    let name = ObjectName {
        namespace: place.0.to_owned(),
        name: place.1.to_owned(),
    };
    setting.server.get(&id, &name)
}

fn all(setting: &Setting<'_>, group: &str, plural: &str) -> Vec<Value> {
    let id = ResourceId::new(group, plural);
    setting.server.list(&id, None)
}

/// A pod runs in the name of an account, which has to be there. The account `default` is made for
/// every namespace, so that it is not missed before it has been.
fn account(setting: &Setting<'_>, pod: &mut Value) -> Result<()> {
    let is_mirror = |pod: &Value| {
        let annotations = &pod["metadata"]["annotations"];
        annotations.get("kubernetes.io/config.mirror").is_some()
    };
    if is_mirror(pod) {
        return Ok(());
    }
    if text(&pod["spec"], "serviceAccountName").is_empty() {
        pod["spec"]["serviceAccountName"] = json!("default");
        pod["spec"]["serviceAccount"] = json!("default");
    }
    let name = text(&pod["spec"], "serviceAccountName").to_owned();
    let namespace = text(&pod["metadata"], "namespace").to_owned();
    let found = find(setting, ("", "serviceaccounts"), (&namespace, &name));
    let account = match found {
        Some(account) => account,
        None if name == "default" => Value::Null,
        None => {
            let message = format!(
                "error looking up service account {namespace}/{name}: serviceaccount {name:?} not \
                 found"
            );
            return Err(forbidden(setting, pod, &message));
        }
    };
    let wants = |value: &Value| value["automountServiceAccountToken"].as_bool();
    if wants(&pod["spec"]).or(wants(&account)).unwrap_or(true) {
        mount_token(setting, &mut pod["spec"]);
    }
    let secrets = items(&account, "imagePullSecrets");
    if items(&pod["spec"], "imagePullSecrets").is_empty() && !secrets.is_empty() {
        pod["spec"]["imagePullSecrets"] = json!(secrets);
    }
    Ok(())
}

/// Mounts the token of the account where nothing else is mounted.
fn mount_token(setting: &Setting<'_>, spec: &mut Value) {
    let mut volumes = items(spec, "volumes").iter();
    let known = volumes.find(|volume| text(volume, "name").starts_with(TOKEN_VOLUME));
    let known = known.map(|volume| text(volume, "name").to_owned());
    let name = known.clone().unwrap_or_else(|| {
        format!(
            "{TOKEN_VOLUME}{}",
            random_suffix(&random::<5>(setting.server))
        )
    });
    let mut is_mounted = false;
    for list in ["initContainers", "containers"] {
        for container in items_mut(spec, list) {
            let mut mounts = items(container, "volumeMounts").to_vec();
            if mounts.iter().any(|mount| mount["mountPath"] == TOKEN_PATH) {
                continue;
            }
            mounts.push(json!({"mountPath": TOKEN_PATH, "name": name, "readOnly": true}));
            container["volumeMounts"] = json!(mounts);
            is_mounted = true;
        }
    }
    if known.is_some() || !is_mounted {
        return;
    }
    let mut volumes = items(spec, "volumes").to_vec();
    volumes.push(
        json!({"name": name, "projected": {"defaultMode": FILE_MODE, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFE, "path": "token"}},
            {"configMap": {
                "name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }},
            {"downwardAPI": {"items": [{
                "path": "namespace",
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
            }]}},
        ]}}),
    );
    spec["volumes"] = json!(volumes);
}

/// The class that pods have which name none: of several the one of the least value.
fn default_class(setting: &Setting<'_>) -> Option<Value> {
    let classes = all(setting, "scheduling.k8s.io", "priorityclasses").into_iter();
    let defaults = classes.filter(|class| class["globalDefault"] == true);
    defaults.min_by_key(|class| class["value"].as_i64())
}

fn priority(setting: &Setting<'_>, pod: &mut Value) -> Result<()> {
    let name = text(&pod["spec"], "priorityClassName").to_owned();
    let class = if name.is_empty() {
        default_class(setting)
    } else {
        let resource = ("scheduling.k8s.io", "priorityclasses");
        let found = find(setting, resource, ("", &name));
        Some(found.ok_or_else(|| {
            let message = format!("no PriorityClass with name {name} was found");
            forbidden(setting, pod, &message)
        })?)
    };
    let (value, policy) = match &class {
        Some(class) => {
            pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
            (
                class["value"].as_i64().unwrap_or(0),
                class["preemptionPolicy"].as_str(),
            )
        }
        None => (0, Some("PreemptLowerPriority")),
    };
    let computed = "must not be provided in pod spec; priority admission controller computed";
    let given = pod["spec"]["priority"].as_i64();
    if let Some(given) = given.filter(|given| *given != value) {
        let message = format!(
            "the integer value of priority ({given}) {computed} {value} from the given \
             PriorityClass name"
        );
        return Err(forbidden(setting, pod, &message));
    }
    pod["spec"]["priority"] = json!(value);
    let Some(policy) = policy else { return Ok(()) };
    let given = pod["spec"]["preemptionPolicy"].as_str();
    if let Some(given) = given.filter(|given| *given != policy) {
        let message = format!(
            "the string value of PreemptionPolicy ({given}) {computed} {policy} from the given \
             PriorityClass name"
        );
        return Err(forbidden(setting, pod, &message));
    }
    pod["spec"]["preemptionPolicy"] = json!(policy);
    Ok(())
}

fn default_priority(setting: &Setting<'_>, class: &Value, own: Option<&str>) -> Result<()> {
    if class["globalDefault"] != true {
        return Ok(());
    }
    let known = default_class(setting);
    let known = known.as_ref().map(|known| text(&known["metadata"], "name"));
    match known.filter(|known| Some(*known) != own) {
        None => Ok(()),
        Some(known) => {
            let message = format!(
                "PriorityClass {known} is already marked as default. Only one default can exist"
            );
            Err(forbidden(setting, class, &message))
        }
    }
}

/// What the runtime of a pod costs, and where it is to be had.
fn runtime(setting: &Setting<'_>, pod: &mut Value) -> Result<()> {
    let refuse = |pod: &Value, message: &str| {
        let message = format!("pod rejected: {message}");
        Err(forbidden(setting, pod, &message))
    };
    let given = pod["spec"]["overhead"].clone();
    let is_given = given.as_object().is_some_and(|given| !given.is_empty());
    let name = pod["spec"]["runtimeClassName"].as_str().map(str::to_owned);
    let Some(name) = name else {
        if !given.is_null() {
            let message = "Pod Overhead set without corresponding RuntimeClass defined Overhead";
            return refuse(pod, message);
        }
        return Ok(());
    };
    let Some(class) = find(setting, ("node.k8s.io", "runtimeclasses"), ("", &name)) else {
        return refuse(pod, &format!("RuntimeClass {name:?} not found"));
    };
    let fixed = &class["overhead"]["podFixed"];
    if class["overhead"].is_object() {
        if is_given && given != *fixed {
            let message = "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
            return refuse(pod, message);
        }
        if fixed.is_object() {
            pod["spec"]["overhead"] = fixed.clone();
        }
    } else if !given.is_null() {
        let message = "Pod Overhead set without corresponding RuntimeClass defined Overhead";
        return refuse(pod, message);
    }
    let places = &class["scheduling"];
    for (key, value) in places["nodeSelector"].as_object().into_iter().flatten() {
        let own = pod["spec"]["nodeSelector"].get(key).and_then(Value::as_str);
        let wanted = value.as_str().unwrap_or("");
        if let Some(own) = own.filter(|own| *own != wanted) {
            let message = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; \
                 pod.spec.nodeSelector[{key}] = {own}"
            );
            return Err(forbidden(setting, pod, &message));
        }
        fill(&mut pod["spec"], "nodeSelector", json!({}));
        pod["spec"]["nodeSelector"][key] = value.clone();
    }
    let mut tolerations = items(&pod["spec"], "tolerations").to_vec();
    for toleration in items(places, "tolerations") {
        if !tolerations.contains(toleration) {
            tolerations.push(toleration.clone());
        }
    }
    pod["spec"]["tolerations"] = json!(tolerations);
    Ok(())
}

/// Nobody is sent to a new node before it has said that it is ready.
fn taint(node: &mut Value) {
    let mut taints = items(&node["spec"], "taints").to_vec();
    let is_there = |taint: &Value| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule";
    if !taints.iter().any(is_there) {
        taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
        node["spec"]["taints"] = json!(taints);
    }
}

/// The classes that an annotation makes the default, the newest first.
fn defaults(setting: &Setting<'_>, resource: (&str, &str), annotation: &str) -> Vec<Value> {
    let classes = all(setting, resource.0, resource.1).into_iter();
    let mut classes: Vec<Value> = classes
        .filter(|class| class["metadata"]["annotations"].get(annotation) == Some(&json!("true")))
        .collect();
    classes.sort_by(|left, right| {
        let (left, right) = (&left["metadata"], &right["metadata"]);
        let newer = text(right, "creationTimestamp").cmp(text(left, "creationTimestamp"));
        newer.then_with(|| text(left, "name").cmp(text(right, "name")))
    });
    classes
}

fn storage_class(setting: &Setting<'_>, claim: &mut Value) {
    let old = "volume.beta.kubernetes.io/storage-class";
    let is_named = !claim["spec"]["storageClassName"].is_null()
        || claim["metadata"]["annotations"].get(old).is_some();
    let annotation = "storageclass.kubernetes.io/is-default-class";
    let resource = ("storage.k8s.io", "storageclasses");
    if !is_named && let Some(class) = defaults(setting, resource, annotation).first() {
        claim["spec"]["storageClassName"] = class["metadata"]["name"].clone();
    }
}

fn ingress_class(setting: &Setting<'_>, ingress: &mut Value) {
    let old = "kubernetes.io/ingress.class";
    let is_named = !ingress["spec"]["ingressClassName"].is_null()
        || ingress["metadata"]["annotations"].get(old).is_some();
    let annotation = "ingressclass.kubernetes.io/is-default-class";
    let resource = ("networking.k8s.io", "ingressclasses");
    if !is_named && let Some(class) = defaults(setting, resource, annotation).first() {
        ingress["spec"]["ingressClassName"] = class["metadata"]["name"].clone();
    }
}
