//! What the pods of a hook that has failed say and have logged last, with the values of Secrets
//! masked. It must not decide anything.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{LiveObject, is_sensitive};
use holdfast_model::plan::Plan;
use holdfast_target::{Found, LastLines, LogLimits, Snapshot};

use crate::masking::{Mask, cleaned};
use crate::operate::Site;

/// Many times what is shown: values are found before lines are cut.
const LIMITS: LogLimits = LogLimits {
    lines: 5,
    bytes: 16 << 10,
    time: Duration::from_secs(5),
};
/// The most characters of a line that are shown.
const LINE: usize = 200;
/// The most bytes of all lines that are shown.
const LINES: usize = 1000;
/// How many Secrets of others a hook may read for its log to be shown.
const SECRETS: usize = 16;
/// How long those Secrets may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is added to the failure of a hook; empty where nothing is known.
pub(crate) async fn of_hook(
    site: Site<'_>,
    snapshot: &Snapshot,
    plan: &Plan,
    hook: &LiveObject,
) -> String {
    let mut mask = mask_of(snapshot, plan);
    let said = site.target.explain(hook).await;
    let log = match site.stack.sync.hook_logs {
        true => site.target.last_lines(hook, LIMITS).await,
        false => None,
    };
    let unread = match said.is_empty() && log.is_none() {
        true => None,
        false => add_what_it_reads(site, plan, hook, &mut mask).await,
    };
    let said: Vec<String> = said
        .iter()
        .map(|words| mask.apply(&cleaned(words)))
        .collect();
    let mut words = match said.is_empty() {
        true => String::new(),
        false => format!("; its pods: {}", said.join("; ")),
    };
    let Some(log) = log else { return words };
    let of = format!("container {} of Pod {}", log.container, log.pod);
    match unread {
        Some(name) => words.push_str(&format!(
            "; the log of {of} is not shown, since Secret {name}, which it reads, could not be \
             read to mask its values"
        )),
        None => {
            let lines = shown(&log, &mask);
            if !lines.is_empty() {
                words.push_str(&format!("; {of} logged last: {}", lines.join(" | ")));
            }
        }
    }
    words
}

/// Hides the values of all Secrets that a plan has or replaces.
fn mask_of(snapshot: &Snapshot, plan: &Plan) -> Mask {
    let mut mask = Mask::default();
    for desired in plan.steps.iter().filter_map(|step| step.desired.as_ref()) {
        if desired.is_sensitive() {
            mask.add_object(desired);
        }
    }
    for (key, live) in &snapshot.live {
        if is_sensitive(&key.kind) {
            mask.add_secret(&live.value.unpack());
        }
    }
    mask
}

/// Hides the values of Secrets that a hook reads and that are not its Stack's; the name of one that
/// cannot be read.
async fn add_what_it_reads(
    site: Site<'_>,
    plan: &Plan,
    hook: &LiveObject,
    mask: &mut Mask,
) -> Option<String> {
    let namespace = hook.key.key.namespace.as_deref().unwrap_or_default();
    let value = hook.value.unpack();
    let pod = value.pointer("/spec/template/spec");
    let pod = pod.or_else(|| value.get("spec"));
    let mut names = pod.map(secrets_of).unwrap_or_default();
    for step in plan.steps.iter().filter(|step| step.desired.is_some()) {
        let key = &step.key.key;
        if is_sensitive(&key.kind) && key.namespace.as_deref() == Some(namespace) {
            names.remove(&*key.name);
        }
    }
    if let Some(name) = names.iter().nth(SECRETS) {
        return Some(name.clone());
    }
    for name in names {
        let question = Lookup {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            namespace: namespace.to_owned(),
            name: name.clone(),
        };
        match tokio::time::timeout(PATIENCE, site.target.look_up(&question)).await {
            Ok(Ok(Found::Object(secret))) => mask.add_secret(&secret),
            Ok(Ok(Found::Nothing | Found::NoVersion)) => {}
            Ok(Err(_)) | Err(_) => return Some(name),
        }
    }
    None
}

/// The names of the Secrets that the containers of a pod read.
fn secrets_of(pod: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut take = |value: &Value, path: &str| {
        let name = value.pointer(path).and_then(Value::as_str);
        names.extend(name.map(str::to_owned));
    };
    for kind in ["/containers", "/initContainers", "/ephemeralContainers"] {
        for container in items(pod, kind) {
            for variable in items(container, "/env") {
                take(variable, "/valueFrom/secretKeyRef/name");
            }
            for source in items(container, "/envFrom") {
                take(source, "/secretRef/name");
            }
        }
    }
    for volume in items(pod, "/volumes") {
        take(volume, "/secret/secretName");
        for source in items(volume, "/projected/sources") {
            take(source, "/secret/name");
        }
    }
    names
}

fn items<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.pointer(path).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// The newest lines as they are shown, the oldest first.
fn shown(log: &LastLines, mask: &Mask) -> Vec<String> {
    let text = &log.text;
    // Of a line that broke off a value may be there in part, and would not be found.
    let is_whole = text.len() < usize::try_from(LIMITS.bytes).unwrap_or(usize::MAX);
    let text = match text.rfind('\n') {
        _ if is_whole => text.as_str(),
        Some(end) => &text[..end],
        None => "",
    };
    let masked = mask.apply(&cleaned(text));
    let lines = masked.lines().map(str::trim);
    let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).map(cut).collect();
    let lines_wanted = usize::try_from(LIMITS.lines).unwrap_or(usize::MAX);
    lines.drain(..lines.len().saturating_sub(lines_wanted));
    while lines.iter().map(String::len).sum::<usize>() > LINES {
        lines.remove(0);
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let log = LastLines {
            pod: "p".to_owned(),
            container: "c".to_owned(),
            text: text.to_owned(),
        };
        let mut mask = Mask::default();
        mask.add_secret(
            &r#"{"data": {"key": "czNjcmV0LXZhbHVl"}}"#
                .parse()
                .expect("it is JSON"),
        );
        assert_eq!(shown(&log, &mask), expected);
    }

    #[test]
    fn of_a_log_the_newest_lines_are_shown_bounded_and_without_control_characters() {
        check("", &[]);
        check("1\n2\n\n3\n4\n5\n6\n", &["2", "3", "4", "5", "6"]);
        check("\u{1b}[31mno\u{7}\ttable\u{1b}[0m\r\n", &["no  table"]);
        let long = "x".repeat(300);
        let cut = format!("{}…", "x".repeat(200));
        check(&long, &[&cut]);
        let five = format!("{long}\n").repeat(5);
        check(&five, &[&cut, &cut, &cut, &cut]);
        check("it is s3cret-value!", &["it is ***!"]);
        // The value begins before a line is cut and ends after it.
        let across = format!("{}s3cret-value", "y".repeat(195));
        check(&across, &[&format!("{}***", "y".repeat(195))]);
    }

    #[test]
    fn a_line_that_broke_off_is_not_shown() {
        let whole = usize::try_from(LIMITS.bytes).expect("it fits");
        let mut text = format!("first\n{}", "z".repeat(whole));
        text.truncate(whole - 5);
        text.push_str("s3cre");
        check(&text, &["first"]);
        check(&"z".repeat(whole), &[]);
    }

    #[test]
    fn secrets_are_found_wherever_a_pod_reads_them() {
        let pod = r#"{"initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a"}}}]}],
            "containers": [{"envFrom": [{"secretRef": {"name": "b"}}, {"configMapRef": {"name": "x"}}]}],
            "volumes": [{"secret": {"secretName": "c"}},
                {"projected": {"sources": [{"secret": {"name": "d"}}]}}, {"emptyDir": {}}]}"#;
        let pod = pod.parse().expect("it is JSON");
        let names: Vec<String> = secrets_of(&pod).into_iter().collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
