//! Checks of jobs and of what makes jobs. It must not know how jobs run.

use holdfast_kinds::{items, items_mut, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{immutable, label_selector, not_negative, one_of, prefixed_path};
use super::pod_update::forget_node;
use super::workloads::{counts, pod_template};
use crate::labels::{labels_match, of_label_selector};
use crate::names;
use crate::schedule::Schedule;

/// The names of time zones.
const ZONES: &str = include_str!("../../data/zones.txt");

/// The most exit codes that a rule may name.
const MAX_EXIT_CODES: usize = 255;
/// The most rules by which a job may be done early.
const MAX_SUCCESS_RULES: usize = 20;
/// The most pods at once, and failed indexes, of an indexed job.
const MAX_INDEXED: i64 = 100_000;
/// The same of one that has more completions than that and a limit of failures for each.
const MAX_OF_LARGE: i64 = 10_000;

pub(super) fn job(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if old.is_none() {
        generated(new, errors);
    }
    job_spec(spec, "spec", errors);
    own_selector(spec, errors);
    let Some(old) = old else { return };
    let before = &old["spec"];
    completions(spec, before, errors);
    kept(new, old, "selector", errors);
    template_update(new, old, errors);
    for name in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        kept(new, old, name, errors);
    }
}

fn kept(new: &Value, old: &Value, name: &str, errors: &mut Vec<FieldError>) {
    let (new, old) = (&new["spec"][name], &old["spec"][name]);
    immutable(&format!("spec.{name}"), new, old, errors);
}

/// Only of an Indexed job the number of completions changes, and only with its parallelism.
fn completions(spec: &Value, before: &Value, errors: &mut Vec<FieldError>) {
    let (wanted, known) = (&spec["completions"], &before["completions"]);
    if text(spec, "completionMode") != "Indexed" {
        immutable("spec.completions", wanted, known, errors);
    } else if wanted != known && !wanted.is_null() && *wanted != spec["parallelism"] {
        let problem = "can only be modified in tandem with spec.parallelism";
        errors.push(FieldError::invalid("spec.completions", wanted, problem));
    }
}

/// The selector has to be there, and to cover the template.
fn own_selector(spec: &Value, errors: &mut Vec<FieldError>) {
    let given = &spec["selector"];
    if given.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else {
        label_selector(given, "spec.selector", errors);
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let selector = of_label_selector(given).unwrap_or_default();
    // A selector that is not there selects nothing.
    if given.is_null() || !labels_match(&selector, Some(labels)) {
        errors.push(FieldError::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
}

/// A selector that nobody has asked to write covers what the server labels.
fn generated(job: &Value, errors: &mut Vec<FieldError>) {
    let spec = &job["spec"];
    if spec["manualSelector"] == true || spec["selector"].is_null() {
        return;
    }
    let (name, uid) = (&job["metadata"]["name"], &job["metadata"]["uid"]);
    let expected = json!({
        "controller-uid": uid, "job-name": name,
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
    });
    let labels = &spec["template"]["metadata"]["labels"];
    for label in [
        "controller-uid",
        "job-name",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
    ] {
        let wanted = expected[label].as_str().unwrap_or("");
        let field = format!("spec.template.metadata.labels[{label}]");
        match labels.get(label) {
            None => {
                let problem = format!("must be '{wanted}'");
                errors.push(FieldError::required(field, &problem));
            }
            Some(found) if found != wanted => {
                let problem = format!("must be '{wanted}'");
                errors.push(FieldError::invalid(field, labels, &problem));
            }
            Some(_) => {}
        }
    }
    let selector = of_label_selector(&spec["selector"]);
    if selector.is_some_and(|selector| !labels_match(&selector, Some(&expected))) {
        let problem = "`selector` not auto-generated";
        errors.push(FieldError::invalid(
            "spec.selector",
            &spec["selector"],
            problem,
        ));
    }
}

/// What pods are made from stays, but for where they go and what they need while none is made.
fn template_update(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let is_suspended = old["spec"]["suspend"] == true;
    let status = &old["status"];
    let mut conditions = items(status, "conditions").iter();
    let is_held = conditions
        .any(|condition| condition["type"] == "Suspended" && condition["status"] == "True");
    let is_free = is_suspended
        && (status["startTime"].is_null() || is_held)
        && status["active"].as_i64().unwrap_or(0) == 0;
    let (wanted, known) = (&new["spec"]["template"], &old["spec"]["template"]);
    if !is_free {
        immutable("spec.template", wanted, known, errors);
        return;
    }
    let fixed = |template: &Value| {
        let mut spec = template["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            for name in ["tolerations", "schedulingGates"] {
                fields.remove(name);
            }
            forget_node(fields);
        }
        for list in ["containers", "initContainers"] {
            for container in items_mut(&mut spec, list) {
                container["resources"] = Value::Null;
            }
        }
        spec
    };
    let (wanted, known) = (fixed(wanted), fixed(known));
    immutable("spec.template.spec", &wanted, &known, errors);
}

/// What a job refuses, also when a CronJob makes it.
fn job_spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{path}.{name}");
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        not_negative(&spec[name], field(name), errors);
    }
    let manager = &spec["managedBy"];
    if manager.is_string() {
        prefixed_path(manager, &field("managedBy"), errors);
    }
    let is_indexed = text(spec, "completionMode") == "Indexed";
    let modes = ["NonIndexed", "Indexed"];
    one_of(
        &spec["completionMode"],
        &field("completionMode"),
        &modes,
        errors,
    );
    if is_indexed {
        indexed(spec, path, errors);
    } else {
        if spec["maxFailedIndexes"].is_number() && spec["backoffLimitPerIndex"].is_null() {
            let problem = "when maxFailedIndexes is specified";
            errors.push(FieldError::required(field("backoffLimitPerIndex"), problem));
        }
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if spec[name].is_number() {
                let problem = "requires indexed completion mode";
                errors.push(FieldError::invalid(field(name), &spec[name], problem));
            }
        }
    }
    let policies = ["Failed", "TerminatingOrFailed"];
    let (found, place) = (&spec["podReplacementPolicy"], field("podReplacementPolicy"));
    one_of(found, &place, &policies, errors);
    for (index, rule) in items(&spec["podFailurePolicy"], "rules").iter().enumerate() {
        let place = format!("{path}.podFailurePolicy.rules[{index}]");
        failure_rule(spec, rule, &place, errors);
    }
    success_policy(spec, path, errors);
    pod_template(&spec["template"], &field("template"), errors);
    restart(spec, field("template.spec.restartPolicy"), errors);
}

/// Pods of a job end.
fn restart(spec: &Value, field: String, errors: &mut Vec<FieldError>) {
    let policy = &spec["template"]["spec"]["restartPolicy"];
    let known = ["OnFailure", "Never"];
    match policy.as_str().unwrap_or("") {
        "Always" | "" => errors.push(FieldError::required(
            field,
            "valid values: \"OnFailure\", \"Never\"",
        )),
        word if !known.contains(&word) => {
            errors.push(FieldError::unsupported(field, policy, &known));
        }
        word if spec["podFailurePolicy"].is_object() && word != "Never" => {
            let problem = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(FieldError::invalid(field, policy, problem));
        }
        _ => {}
    }
}

/// How much an indexed job may do at once, and may lose.
fn indexed(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{path}.{name}");
    let number = |name: &str| spec[name].as_i64();
    if number("completions").is_none() {
        let problem = "when completion mode is Indexed";
        errors.push(FieldError::required(field("completions"), problem));
    }
    let mut limit = |name: &str, most: i64, end: &str| {
        if number(name).is_some_and(|number| number > most) {
            let problem = format!("must be less than or equal to {end}");
            errors.push(FieldError::invalid(field(name), &spec[name], &problem));
        }
    };
    let most = MAX_INDEXED;
    let mode = format!("{most} when completion mode is Indexed");
    limit("parallelism", most, &mode);
    if let Some(completions) = number("completions") {
        limit("maxFailedIndexes", completions, "completions");
    }
    limit("maxFailedIndexes", most, &most.to_string());
    let is_large = number("completions").is_some_and(|number| number > MAX_INDEXED);
    if !is_large || number("backoffLimitPerIndex").is_none() {
        return;
    }
    let end = format!(
        "{MAX_OF_LARGE} when completions are above {most} and used with backoff limit per index"
    );
    limit("parallelism", MAX_OF_LARGE, &end);
    limit("maxFailedIndexes", MAX_OF_LARGE, &end);
    if number("maxFailedIndexes").is_none() {
        let problem = format!("must be specified when completions is above {most}");
        errors.push(FieldError::required(field("maxFailedIndexes"), &problem));
    }
}

fn failure_rule(spec: &Value, rule: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    let field = format!("{place}.action");
    match text(rule, "action") {
        "" => {
            let problem = format!("valid values: {actions:?}").replace(',', "");
            errors.push(FieldError::required(field, &problem));
        }
        "FailIndex" if spec["backoffLimitPerIndex"].is_null() => {
            let problem = "requires the backoffLimitPerIndex to be set";
            errors.push(FieldError::invalid(field, &rule["action"], problem));
        }
        _ => one_of(&rule["action"], &field, &actions, errors),
    }
    let (codes, conditions) = (&rule["onExitCodes"], items(rule, "onPodConditions"));
    if codes.is_object() {
        exit_codes(spec, codes, &format!("{place}.onExitCodes"), errors);
    }
    for (index, pattern) in conditions.iter().enumerate() {
        let place = format!("{place}.onPodConditions[{index}]");
        if let Some(problem) = names::label_key_problem(text(pattern, "type")) {
            let (field, found) = (format!("{place}.type"), json!(text(pattern, "type")));
            errors.push(FieldError::invalid(field, &found, &problem));
        }
        let known = ["False", "True", "Unknown"];
        let status = &pattern["status"];
        one_of(status, &format!("{place}.status"), &known, errors);
    }
    let way = match (codes.is_object(), conditions.is_empty()) {
        (true, false) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, true) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return,
    };
    let message = format!("Invalid value: {way}");
    errors.push(FieldError::plain("FieldValueInvalid", place, message));
}

fn exit_codes(spec: &Value, codes: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let operator = text(codes, "operator");
    if operator.is_empty() {
        let problem = "valid values: [\"In\" \"NotIn\"]";
        errors.push(FieldError::required(field("operator"), problem));
    } else {
        let known = ["In", "NotIn"];
        one_of(&codes["operator"], &field("operator"), &known, errors);
    }
    let pod = &spec["template"]["spec"];
    let mut containers = items(pod, "containers")
        .iter()
        .chain(items(pod, "initContainers"));
    let named = &codes["containerName"];
    if named.is_string() && !containers.any(|container| container["name"] == *named) {
        let problem = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(field("containerName"), named, problem));
    }
    let values = items(codes, "values");
    if values.is_empty() {
        let problem = "at least one value is required";
        errors.push(FieldError::invalid(
            field("values"),
            &codes["values"],
            problem,
        ));
    } else if values.len() > MAX_EXIT_CODES {
        let limit = MAX_EXIT_CODES as u64;
        errors.push(FieldError::too_many(field("values"), values.len(), limit));
    }
    for (index, value) in values.iter().enumerate() {
        let field = format!("{place}.values[{index}]");
        if operator == "In" && *value == 0 {
            let problem = "must not be 0 for the In operator";
            errors.push(FieldError::invalid(field.clone(), value, problem));
        }
        if values[..index].contains(value) {
            errors.push(FieldError::duplicate(field, value));
        }
    }
    if !values.is_sorted_by_key(Value::as_i64) {
        let found = &codes["values"];
        errors.push(FieldError::invalid(
            field("values"),
            found,
            "must be ordered",
        ));
    }
}

fn success_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let policy = &spec["successPolicy"];
    if !policy.is_object() {
        return;
    }
    let place = format!("{path}.successPolicy");
    if text(spec, "completionMode") != "Indexed" {
        let problem = "requires indexed completion mode";
        errors.push(FieldError::invalid(place, policy, problem));
        return;
    }
    let rules = items(policy, "rules");
    let field = format!("{place}.rules");
    if rules.is_empty() {
        let problem = "at least one rules must be specified when the successPolicy is specified";
        errors.push(FieldError::required(field.clone(), problem));
    } else if rules.len() > MAX_SUCCESS_RULES {
        let limit = MAX_SUCCESS_RULES as u64;
        errors.push(FieldError::too_many(field.clone(), rules.len(), limit));
    }
    let wanted = spec["completions"].as_i64().unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("{field}[{index}]");
        let (count, indexes) = (&rule["succeededCount"], &rule["succeededIndexes"]);
        if count.is_null() && indexes.is_null() {
            let problem = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(FieldError::required(place.clone(), problem));
        }
        let field = format!("{place}.succeededCount");
        not_negative(count, field.clone(), errors);
        if count.as_i64().is_some_and(|count| count > wanted) {
            let problem = format!(
                "must be less than or equal to {wanted} (the number of specified completions)"
            );
            errors.push(FieldError::invalid(field, count, &problem));
        }
    }
}

/// The longest name of a CronJob: its jobs get 11 more letters.
const MAX_CRON_NAME: usize = 52;

pub(super) fn cron_job(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if !text(spec, "schedule").is_empty() {
        schedule(text(spec, "schedule"), errors);
    }
    counts(spec, &["startingDeadlineSeconds"], errors);
    let zone = &spec["timeZone"];
    let is_kept = old.is_some_and(|old| old["spec"]["timeZone"] == *zone);
    for problem in zone
        .as_str()
        .filter(|_| !is_kept)
        .map_or(Vec::new(), zone_problems)
    {
        errors.push(FieldError::invalid("spec.timeZone", zone, &problem));
    }
    let policies = ["Allow", "Forbid", "Replace"];
    let policy = &spec["concurrencyPolicy"];
    one_of(policy, "spec.concurrencyPolicy", &policies, errors);
    let job = &spec["jobTemplate"]["spec"];
    job_spec(job, "spec.jobTemplate.spec", errors);
    if job["selector"].is_object() {
        let field = "spec.jobTemplate.spec.selector";
        let problem = "`selector` will be auto-generated";
        errors.push(FieldError::invalid(field, &job["selector"], problem));
    }
    if job["manualSelector"] == true {
        errors.push(FieldError::unsupported(
            "spec.jobTemplate.spec.manualSelector",
            &json!(true),
            &["nil", "false"],
        ));
    }
    let limits = ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    counts(spec, &limits, errors);
    let name = &new["metadata"]["name"];
    if old.is_none() && name.as_str().is_some_and(|name| name.len() > MAX_CRON_NAME) {
        let problem = format!("must be no more than {MAX_CRON_NAME} characters");
        errors.push(FieldError::invalid("metadata.name", name, &problem));
    }
    if text(spec, "schedule").is_empty() {
        // What is declared of single fields is told after the rest.
        errors.push(FieldError::required("spec.schedule", ""));
    }
}

fn schedule(schedule: &str, errors: &mut Vec<FieldError>) {
    let field = "spec.schedule";
    let shown = json!(schedule);
    if let Err(problem) = zoned_schedule(schedule) {
        errors.push(FieldError::invalid(field, &shown, &problem));
    }
    if schedule.contains("TZ") {
        let problem = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(FieldError::invalid(field, &shown, problem));
    }
}

/// Reads a schedule. A zone before it is read, and refused all the same.
fn zoned_schedule(schedule: &str) -> Result<(), String> {
    let zoned = ["TZ=", "CRON_TZ="];
    let rest = zoned.iter().find_map(|start| schedule.strip_prefix(start));
    let Some(rest) = rest else {
        return Schedule::parse(schedule).map(|_| ());
    };
    let Some((zone, rest)) = rest.split_once(' ') else {
        // What comes of a reader that looks for the end of the zone and finds none.
        let problem = "invalid schedule format: runtime error: slice bounds out of range [:-1]";
        return Err(problem.to_owned());
    };
    if !is_zone(zone) {
        return Err(format!(
            "provided bad location {zone}: unknown time zone {zone}"
        ));
    }
    Schedule::parse(rest.trim()).map(|_| ())
}

fn is_zone(zone: &str) -> bool {
    let is_listed = |zone: &str| ZONES.lines().any(|known| known == zone);
    matches!(zone, "" | "Local") || !zone.starts_with('#') && is_listed(zone)
}

/// All that is wrong with a time zone.
fn zone_problems(zone: &str) -> Vec<String> {
    if zone.is_empty() {
        return vec!["timeZone must be nil or non-empty string".to_owned()];
    }
    let mut problems = Vec::new();
    if zone.eq_ignore_ascii_case("Local") {
        let problem = "timeZone must be an explicit time zone as defined in \
                       https://www.iana.org/time-zones";
        problems.push(problem.to_owned());
    }
    if !is_zone(zone) {
        problems.push(format!("unknown time zone {zone}"));
    }
    problems
}
