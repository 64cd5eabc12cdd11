//! Between the versions of HorizontalPodAutoscaler: what the older one has no fields for stands in
//! its annotations, as Kubernetes 1.37 writes it. It must not know what is right.

use holdfast_model::Value;
use serde_json::{Map, json};

use crate::fields::{fill, items, text};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOUR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// All annotations that stand for fields.
const ANNOTATIONS: [&str; 6] = [
    METRICS,
    CURRENT,
    CONDITIONS,
    BEHAVIOUR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
/// The share of a processor that is aimed at when nothing is said.
const DEFAULT_SHARE: i64 = 80;
/// Where metrics come from: the field that tells the rest, its type, and the turn in which checks
/// look into it. They stand in the order in which the older version writes them.
pub const SOURCES: [(&str, &str, usize); 5] = [
    ("object", "Object", 0),
    ("pods", "Pods", 2),
    ("resource", "Resource", 3),
    ("containerResource", "ContainerResource", 4),
    ("external", "External", 1),
];
const DIRECTIONS: [(&str, &str); 2] = [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")];

/// Whether metrics say what is aimed at or what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Target,
    Current,
}

impl Side {
    /// The word that fields of the newer version have.
    fn field(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Current => "current",
        }
    }

    /// A field of the older version, which has the word in front.
    fn older(self, name: &str) -> String {
        format!("{}{name}", self.field())
    }
}

/// Brings an autoscaler into the older version.
pub fn to_first(value: &mut Value) {
    let mut notes = Map::new();
    let spec = value["spec"].take();
    let status = value["status"].take();
    let is_share = |metric: &&Value| {
        let found = &metric["resource"];
        metric["type"] == "Resource"
            && found["name"] == "cpu"
            && found["target"]["averageUtilization"].is_number()
    };
    let (shares, others): (Vec<&Value>, Vec<&Value>) =
        items(&spec, "metrics").iter().partition(is_share);
    let note = |notes: &mut Map<String, Value>, name: &str, texts: Vec<String>| {
        if !texts.is_empty() {
            notes.insert(name.to_owned(), json!(format!("[{}]", texts.join(","))));
        }
    };
    let texts = others.iter().map(|metric| older(metric, Side::Target));
    note(&mut notes, METRICS, texts.collect());
    let current = items(&status, "currentMetrics");
    let texts = current.iter().map(|metric| older(metric, Side::Current));
    note(&mut notes, CURRENT, texts.collect());
    let texts = items(&status, "conditions").iter().map(condition);
    note(&mut notes, CONDITIONS, texts.collect());
    if spec["behavior"].is_object() {
        notes.insert(BEHAVIOUR.to_owned(), json!(behaviour(&spec["behavior"])));
    }
    let share = shares.first();
    let share = share.map(|metric| metric["resource"]["target"]["averageUtilization"].clone());
    value["spec"] = kept(&spec, &["scaleTargetRef", "minReplicas", "maxReplicas"]);
    if let Some(share) = share {
        value["spec"]["targetCPUUtilizationPercentage"] = share;
    }
    let names = ["desiredReplicas", "lastScaleTime", "observedGeneration"];
    value["status"] = kept(&status, &names);
    value["status"]["currentReplicas"] = json!(status["currentReplicas"].as_i64().unwrap_or(0));
    for metric in current {
        let share = &metric["resource"]["current"]["averageUtilization"];
        if metric["resource"]["name"] == "cpu" && share.is_number() {
            value["status"]["currentCPUUtilizationPercentage"] = share.clone();
        }
    }
    annotate(value, notes);
}

/// Brings an autoscaler of the older version into the newer one.
pub fn to_second(value: &mut Value) {
    let noted = |name: &str| -> Option<Value> {
        let text = value["metadata"]["annotations"][name].as_str()?;
        serde_json::from_str(text).ok()
    };
    let list = |name: &str| noted(name).and_then(|found| found.as_array().cloned());
    let metrics = list(METRICS).unwrap_or_default();
    let mut metrics: Vec<Value> = metrics
        .iter()
        .map(|metric| newer(metric, Side::Target))
        .collect();
    let current = list(CURRENT);
    let (conditions, rules) = (list(CONDITIONS), noted(BEHAVIOUR));
    let spec = &mut value["spec"];
    let share = spec["targetCPUUtilizationPercentage"].as_i64();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("targetCPUUtilizationPercentage");
    }
    if share.is_some() || metrics.is_empty() {
        let share = share.unwrap_or(DEFAULT_SHARE);
        metrics.push(json!({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": share},
        }}));
    }
    spec["metrics"] = json!(metrics);
    if let Some(rules) = rules.as_ref().and_then(read_behaviour) {
        spec["behavior"] = rules;
    }
    let status = &mut value["status"];
    let share = status["currentCPUUtilizationPercentage"].as_i64();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("currentCPUUtilizationPercentage");
        if fields
            .get("currentReplicas")
            .is_some_and(|count| *count == 0)
        {
            fields.remove("currentReplicas");
        }
    }
    if let Some(current) = current {
        let found = current.iter().map(|metric| newer(metric, Side::Current));
        status["currentMetrics"] = found.collect();
    } else if let Some(share) = share {
        status["currentMetrics"] = json!([{"type": "Resource", "resource": {
            "name": "cpu", "current": {"averageUtilization": share},
        }}]);
    }
    fill(status, "currentMetrics", Value::Null);
    if let Some(conditions) = conditions {
        let conditions = conditions.into_iter().filter(Value::is_object);
        status["conditions"] = conditions.collect();
    }
    annotate(value, Map::new());
}

/// Puts annotations that stand for fields in the place of those that are there.
fn annotate(value: &mut Value, notes: Map<String, Value>) {
    let metadata = &mut value["metadata"];
    let mut found = metadata["annotations"].take();
    let mut kept = found
        .as_object_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    let count = kept.len();
    kept.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    let has_fewer = kept.len() < count;
    kept.extend(notes);
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    if kept.is_empty() && (has_fewer || count == 0) {
        metadata.remove("annotations");
    } else {
        metadata.insert("annotations".to_owned(), Value::Object(kept));
    }
}

/// Some fields of an object, as far as they are there.
fn kept(value: &Value, names: &[&str]) -> Value {
    let found = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), value.get(*name)?.clone())));
    Value::Object(found.collect())
}

/// A text of JSON whose fields stand in the given order; absent ones are left out.
fn object(fields: &[(&str, Option<String>)]) -> String {
    let fields = fields.iter();
    let fields = fields.filter_map(|(name, text)| Some(format!("{name:?}:{}", text.as_ref()?)));
    format!("{{{}}}", fields.collect::<Vec<String>>().join(","))
}

/// A value as Go writes it.
fn written(value: &Value) -> String {
    let text = value.to_string();
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e");
    text.replace('&', "\\u0026")
}

fn given(value: &Value, name: &str) -> Option<String> {
    value
        .get(name)
        .filter(|found| !found.is_null())
        .map(written)
}

/// A text; empty when absent.
fn word(value: &Value, name: &str) -> Option<String> {
    Some(written(&json!(text(value, name))))
}

/// An amount; zero when absent.
fn amount(value: &Value, name: &str) -> Option<String> {
    given(value, name).or_else(|| Some("\"0\"".to_owned()))
}

fn selector(metric: &Value) -> Option<String> {
    let found = metric.get("selector").filter(|found| found.is_object())?;
    let names = ["matchLabels", "matchExpressions"];
    Some(object(&names.map(|name| (name, given(found, name)))))
}

/// A metric as the older version writes it.
fn older(metric: &Value, side: Side) -> String {
    let mut fields = vec![("type", word(metric, "type"))];
    for (kind, ..) in SOURCES {
        if metric[kind].is_object() {
            fields.push((kind, Some(older_source(&metric[kind], kind, side))));
        }
    }
    object(&fields)
}

fn older_source(found: &Value, kind: &str, side: Side) -> String {
    let (metric, goal) = (&found["metric"], &found[side.field()]);
    let (value, average) = (side.older("Value"), side.older("AverageValue"));
    let share = side.older("AverageUtilization");
    // What is aimed at may be left out where what is may not.
    let amount_of = |name: &str| match side {
        Side::Target => given(goal, name),
        Side::Current => amount(goal, name),
    };
    match kind {
        "object" => {
            let about = &found["describedObject"];
            let target = object(&[
                ("kind", word(about, "kind")),
                ("name", word(about, "name")),
                ("apiVersion", given(about, "apiVersion")),
            ]);
            object(&[
                ("target", Some(target)),
                ("metricName", word(metric, "name")),
                (&value, amount(goal, "value")),
                ("selector", selector(metric)),
                ("averageValue", given(goal, "averageValue")),
            ])
        }
        "pods" => object(&[
            ("metricName", word(metric, "name")),
            (&average, amount(goal, "averageValue")),
            ("selector", selector(metric)),
        ]),
        "external" => object(&[
            ("metricName", word(metric, "name")),
            ("metricSelector", selector(metric)),
            (&value, amount_of("value")),
            (&average, given(goal, "averageValue")),
        ]),
        _ => object(&[
            ("name", word(found, "name")),
            (&share, given(goal, "averageUtilization")),
            (&average, amount_of("averageValue")),
            ("container", given(found, "container")),
        ]),
    }
}

/// A metric of the older version in the newer one.
fn newer(metric: &Value, side: Side) -> Value {
    let mut value = json!({"type": text(metric, "type")});
    for (kind, ..) in SOURCES {
        if metric[kind].is_object() {
            value[kind] = newer_source(&metric[kind], kind, side);
        }
    }
    value
}

fn newer_source(found: &Value, kind: &str, side: Side) -> Value {
    let mut value = json!({});
    let mut goal = Map::new();
    let average = match kind {
        "object" => "averageValue".to_owned(),
        _ => side.older("AverageValue"),
    };
    for (name, older) in [
        ("value", side.older("Value")),
        ("averageValue", average),
        ("averageUtilization", side.older("AverageUtilization")),
    ] {
        // Annotations are what somebody has written: only what fits is taken over.
        let fits = |amount: &&Value| match name {
            "averageUtilization" => amount.is_i64(),
            _ => amount.is_string(),
        };
        if let Some(amount) = found.get(&older).filter(fits) {
            goal.insert(name.to_owned(), amount.clone());
        }
    }
    if kind == "object"
        && goal.contains_key("averageValue")
        && goal.get("value") == Some(&json!("0"))
    {
        // The older version cannot leave it out.
        goal.remove("value");
    }
    if side == Side::Target {
        let kind = if goal.contains_key("averageUtilization") {
            "Utilization"
        } else if goal.contains_key("value") {
            "Value"
        } else {
            "AverageValue"
        };
        goal.insert("type".to_owned(), json!(kind));
    }
    value[side.field()] = Value::Object(goal);
    if kind.to_lowercase().ends_with("resource") {
        value["name"] = json!(text(found, "name"));
        if let Some(container) = found["container"].as_str() {
            value["container"] = json!(container);
        }
        return value;
    }
    value["metric"] = json!({"name": text(found, "metricName")});
    let selector = found
        .get("selector")
        .or_else(|| found.get("metricSelector"));
    if let Some(selector) = selector.filter(|selector| selector.is_object()) {
        value["metric"]["selector"] = selector.clone();
    }
    if kind == "object" {
        let about = &found["target"];
        value["describedObject"] =
            json!({"kind": text(about, "kind"), "name": text(about, "name")});
        if let Some(version) = about["apiVersion"].as_str() {
            value["describedObject"]["apiVersion"] = json!(version);
        }
    }
    value
}

fn condition(condition: &Value) -> String {
    object(&[
        ("type", word(condition, "type")),
        ("status", word(condition, "status")),
        (
            "lastTransitionTime",
            Some(written(&condition["lastTransitionTime"])),
        ),
        ("reason", given(condition, "reason")),
        ("message", given(condition, "message")),
        ("observedGeneration", given(condition, "observedGeneration")),
    ])
}

/// The rules of scaling, whose names Go has made up itself.
fn behaviour(found: &Value) -> String {
    let field = |value: &Value, name: &str| Some(written(&value[name]));
    let policy = |policy: &Value| {
        object(&[
            ("Type", word(policy, "type")),
            ("Value", field(policy, "value")),
            ("PeriodSeconds", field(policy, "periodSeconds")),
        ])
    };
    let rules = DIRECTIONS.map(|(name, direction)| {
        let rules = &found[direction];
        if !rules.is_object() {
            return (name, Some("null".to_owned()));
        }
        let policies: Vec<String> = items(rules, "policies").iter().map(policy).collect();
        let window = field(rules, "stabilizationWindowSeconds");
        let text = object(&[
            ("StabilizationWindowSeconds", window),
            ("SelectPolicy", field(rules, "selectPolicy")),
            ("Policies", Some(format!("[{}]", policies.join(",")))),
            ("Tolerance", field(rules, "tolerance")),
        ]);
        (name, Some(text))
    });
    object(&rules)
}

/// The rules of scaling from that text; `None` when it says nothing.
fn read_behaviour(found: &Value) -> Option<Value> {
    let lowered = |value: &Value, names: &[&str]| -> Value {
        let fields = names.iter().filter_map(|name| {
            let mut letters = name.chars();
            let first = letters.next()?.to_ascii_lowercase();
            let is_text = matches!(*name, "SelectPolicy" | "Tolerance" | "Type");
            let fits = |found: &&Value| match is_text {
                true => found.is_string(),
                false => found.is_i64(),
            };
            let found = value.get(*name).filter(fits)?;
            Some((format!("{first}{}", letters.as_str()), found.clone()))
        });
        Value::Object(fields.collect())
    };
    let mut behaviour = json!({});
    for (name, direction) in DIRECTIONS {
        let rules = found.get(name).filter(|rules| rules.is_object());
        let Some(rules) = rules else { continue };
        let names = ["StabilizationWindowSeconds", "SelectPolicy", "Tolerance"];
        behaviour[direction] = lowered(rules, &names);
        let policies = items(rules, "Policies").iter();
        let policies: Vec<Value> = policies
            .map(|policy| lowered(policy, &["Type", "Value", "PeriodSeconds"]))
            .collect();
        if !policies.is_empty() {
            behaviour[direction]["policies"] = json!(policies);
        }
    }
    let is_empty = behaviour.as_object().is_none_or(Map::is_empty);
    (!is_empty).then_some(behaviour)
}
