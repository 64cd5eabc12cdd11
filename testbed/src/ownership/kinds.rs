//! The kinds of the sequences, and what may stand in their objects: few fields and few values, so
//! that managers meet. What is drawn is valid, so that refusals are about owners.

use serde_json::{Map, Value, json};

use super::generate::Dice;

/// A kind of object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    ConfigMap,
    Service,
    Deployment,
    Widget,
}

pub(super) const WIDGETS: &str = "/apis/ownership.example.org/v1";

/// A kind with every kind of list and map.
pub(super) const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.ownership.example.org}
spec:
  group: ownership.example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 1}
              share: {x-kubernetes-int-or-string: true}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              order: {type: array, x-kubernetes-list-type: atomic, items: {type: string}}
              plain: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
              settings:
                type: object
                x-kubernetes-map-type: atomic
                additionalProperties: {type: string}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              nested:
                type: object
                properties:
                  deep: {type: object, additionalProperties: {type: string}}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string}
                    count: {type: integer}
                    tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              pairs:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [host, port]
                items:
                  type: object
                  required: [host]
                  properties:
                    host: {type: string}
                    port: {type: integer, default: 80}
                    weight: {type: integer}
          status:
            type: object
            properties:
              phase: {type: string}
              conditions:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [type]
                items:
                  type: object
                  required: [type]
                  properties: {type: {type: string}, status: {type: string}}
"#;

impl Kind {
    pub(super) fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::ConfigMap,
            1 => Self::Widget,
            2 => Self::Deployment,
            _ => Self::Service,
        }
    }

    pub(super) fn path(self, namespace: &str, is_status: bool) -> String {
        let (base, plural) = match self {
            Self::ConfigMap => ("/api/v1", "configmaps"),
            Self::Service => ("/api/v1", "services"),
            Self::Deployment => ("/apis/apps/v1", "deployments"),
            Self::Widget => (WIDGETS, "widgets"),
        };
        let status = if is_status { "/status" } else { "" };
        format!("{base}/namespaces/{namespace}/{plural}/it{status}")
    }

    pub(super) fn is_built_in(self) -> bool {
        !matches!(self, Self::Widget)
    }

    /// Whether an update of an object that was deleted is refused.
    pub(super) fn is_gone_for_good(self) -> bool {
        // FIXME: a real server makes a Service that is updated and is not there.
        !matches!(self, Self::Service)
    }

    pub(super) fn has_status(self) -> bool {
        !matches!(self, Self::ConfigMap)
    }

    /// A configuration with what every object has.
    pub(super) fn whole(self, mut config: Value) -> Value {
        let (version, kind) = match self {
            Self::ConfigMap => ("v1", "ConfigMap"),
            Self::Service => ("v1", "Service"),
            Self::Deployment => ("apps/v1", "Deployment"),
            Self::Widget => ("ownership.example.org/v1", "Widget"),
        };
        config["apiVersion"] = json!(version);
        config["kind"] = json!(kind);
        config["metadata"]["name"] = json!("it");
        config
    }

    /// Some fields, with the few that the kind cannot be without.
    pub(super) fn config(self, dice: &mut Dice) -> Value {
        let mut config = json!({"metadata": metadata(dice)});
        if let (Self::Deployment, Some(metadata)) = (self, config["metadata"].as_object_mut()) {
            // FIXME: annotations count in the generation of a real Deployment only.
            metadata.remove("annotations");
        }
        match self {
            Self::ConfigMap => {
                config["data"] = texts(dice, &["a", "b", "c"], 60);
                if dice.chance(25) {
                    config["binaryData"] = json!({"z": dice.pick(&["AA==", "AQ=="])});
                }
            }
            Self::Service => config["spec"] = service(dice),
            Self::Deployment => config["spec"] = deployment(dice),
            Self::Widget => config["spec"] = widget(dice),
        }
        config
    }

    pub(super) fn status(self, dice: &mut Dice) -> Value {
        let state = dice.pick(&["True", "False"]);
        let kind = dice.pick(&["Ready", "Synced"]);
        match self {
            Self::Service => {
                let ip = dice.pick(&["192.0.2.1", "192.0.2.2"]);
                json!({"status": {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}}})
            }
            Self::Deployment => json!({"status": {
                "observedGeneration": dice.below(3),
                "conditions": [{"type": kind, "status": state}],
            }}),
            _ => {
                let mut status = json!({"conditions": [{"type": kind, "status": state}]});
                if dice.chance(50) {
                    status["phase"] = json!(dice.pick(&["Up", "Down"]));
                }
                json!({"status": status})
            }
        }
    }

    /// A JSON patch of one or two operations, which may not fit.
    pub(super) fn operations(self, dice: &mut Dice) -> Value {
        let mut paths = vec!["/metadata/labels/x", "/metadata/labels/y"];
        paths.extend(match self {
            Self::ConfigMap => vec!["/data/a", "/data/b"],
            Self::Service => vec!["/spec/ports/0/name", "/spec/selector/app"],
            Self::Deployment => vec![
                "/spec/template/spec/containers/0/image",
                "/spec/template/spec/nodeSelector/disk",
            ],
            Self::Widget => vec![
                "/spec/tags/0",
                "/spec/order/0",
                "/spec/nested/deep/x",
                "/spec/settings/a",
            ],
        });
        let count = 1 + dice.below(2);
        let operations = (0..count).map(|_| {
            let path = dice.pick(&paths);
            match dice.pick(&["add", "add", "replace", "remove"]) {
                "remove" => json!({"op": "remove", "path": path}),
                operation => {
                    json!({"op": operation, "path": path, "value": dice.pick(&["j1", "j2"])})
                }
            }
        });
        Value::Array(operations.collect())
    }

    /// A strategic merge patch, now and then with a directive.
    pub(super) fn strategic(self, dice: &mut Dice) -> Value {
        let mut patch = super::generate::with_holes(self.config(dice), dice);
        if !dice.chance(30) {
            return patch;
        }
        match self {
            Self::ConfigMap => patch["data"]["$patch"] = json!("replace"),
            Self::Service => {
                patch["spec"]["ports"] = json!([{"port": 443, "$patch": "delete"}]);
            }
            _ => {
                let containers = json!([{"name": "side", "$patch": "delete"}]);
                patch["spec"]["template"]["spec"]["containers"] = containers;
            }
        }
        patch
    }
}

fn metadata(dice: &mut Dice) -> Value {
    let mut metadata = json!({});
    if dice.chance(40) {
        metadata["labels"] = texts(dice, &["x", "y"], 60);
    }
    if dice.chance(30) {
        metadata["annotations"] = texts(dice, &["n", "m"], 60);
    }
    if dice.chance(10) {
        let uid = dice.pick(&["1", "2"]).repeat(8);
        metadata["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
            "uid": format!("{uid}-0000-4000-8000-000000000000"),
        }]);
    }
    metadata
}

/// Some of these names, each with one of few texts.
fn texts(dice: &mut Dice, names: &[&str], percent: usize) -> Value {
    let mut fields = Map::new();
    for name in names {
        if dice.chance(percent) {
            fields.insert((*name).to_owned(), json!(dice.pick(&["1", "2"])));
        }
    }
    Value::Object(fields)
}

fn service(dice: &mut Dice) -> Value {
    let mut ports = vec![json!({"port": 80, "name": "web", "protocol": "TCP"})];
    if dice.chance(30) {
        ports[0]["targetPort"] = dice.pick(&[json!(8080), json!("http")]);
    }
    if dice.chance(40) {
        ports.push(json!({"port": 443, "name": dice.pick(&["tls", "https"])}));
    }
    if dice.chance(25) {
        ports.push(json!({"port": 53, "name": "dns", "protocol": "UDP"}));
    }
    let mut spec = json!({"ports": ports});
    if dice.chance(50) {
        spec["selector"] = texts(dice, &["app", "tier"], 70);
    }
    if dice.chance(20) {
        spec["sessionAffinity"] = json!("None");
    }
    if dice.chance(20) {
        spec["publishNotReadyAddresses"] = json!(true);
    }
    spec
}

fn deployment(dice: &mut Dice) -> Value {
    let mut container = json!({"name": "main", "image": dice.pick(&["web:1", "web:1", "web:2"])});
    if dice.chance(40) {
        let names = ["A", "B", "C"].iter().filter(|_| dice.chance(60));
        let names: Vec<&&str> = names.collect();
        let variables = names
            .into_iter()
            .map(|name| json!({"name": name, "value": dice.pick(&["1", "2"])}));
        container["env"] = Value::Array(variables.collect());
    }
    if dice.chance(30) {
        let port =
            json!({"containerPort": dice.pick(&[80, 81]), "name": dice.pick(&["web", "alt"])});
        container["ports"] = json!([port]);
    }
    if dice.chance(25) {
        container["args"] = json!([dice.pick(&["-v", "-q"])]);
    }
    if dice.chance(25) {
        container["resources"] = json!({"limits": {"cpu": dice.pick(&["1", "1000m", "500m"])}});
    }
    let mut containers = vec![container];
    if dice.chance(25) {
        containers.push(json!({"name": "side", "image": "side:1"}));
    }
    let mut pod = json!({"containers": containers});
    if dice.chance(20) {
        pod["nodeSelector"] = texts(dice, &["disk", "zone"], 70);
    }
    if dice.chance(20) {
        pod["tolerations"] = json!([{"key": dice.pick(&["a", "b"]), "operator": "Exists"}]);
    }
    if dice.chance(20) {
        pod["imagePullSecrets"] = json!([{"name": dice.pick(&["p", "q"])}]);
    }
    let mut spec = json!({
        "selector": {"matchLabels": {"app": "it"}},
        "template": {"metadata": {"labels": {"app": "it"}}, "spec": pod},
    });
    if dice.chance(40) {
        spec["replicas"] = json!(dice.pick(&[1, 2]));
    }
    if dice.chance(20) {
        spec["strategy"] =
            json!({"rollingUpdate": {"maxSurge": dice.pick(&[json!(1), json!("50%")])}});
    }
    spec
}

fn widget(dice: &mut Dice) -> Value {
    let some = |dice: &mut Dice, items: &[&str]| -> Vec<String> {
        let kept = items.iter().filter(|_| dice.chance(50));
        kept.map(|item| (*item).to_owned()).collect()
    };
    let mut spec = json!({});
    for name in [
        "size", "share", "tags", "order", "settings", "nested", "plain",
    ] {
        if !dice.chance(30) {
            continue;
        }
        spec[name] = match name {
            "size" => json!(dice.pick(&[1, 2])),
            "share" => dice.pick(&[json!(1), json!("1%")]),
            "tags" | "order" => json!(some(dice, &["r", "g", "b"])),
            "settings" => texts(dice, &["a", "b"], 60),
            "plain" => json!([{"name": dice.pick(&["a", "b"])}]),
            _ => json!({"deep": texts(dice, &["x", "y"], 60)}),
        };
    }
    let parts = some(dice, &["wheel", "door", "roof"])
        .into_iter()
        .map(|name| {
            let mut part = json!({"name": name});
            if dice.chance(50) {
                part["count"] = json!(dice.below(2));
            }
            if dice.chance(30) {
                part["tags"] = json!(some(dice, &["r", "g"]));
            }
            part
        });
    spec["parts"] = Value::Array(parts.collect());
    if dice.chance(40) {
        let mut pair = json!({"host": dice.pick(&["a", "b"]), "weight": dice.below(2)});
        if dice.chance(50) {
            pair["port"] = json!(dice.pick(&[80, 81]));
        }
        spec["pairs"] = json!([pair]);
    }
    spec
}
