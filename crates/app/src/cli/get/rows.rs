//! Stacks, Targets and Tenants as rows of a table. It must not know which are shown.

use holdfast_model::Value;

use crate::cli::api::{condition, items, ready_tone, ready_words, text};
use crate::cli::show::{Table, Tone, age, revision, short, tone_of};

fn plain(text: &str) -> (String, Tone) {
    (text.to_owned(), Tone::Plain)
}

/// Whether it is ready, in the tone of that, and why.
fn ready(stack: &Value) -> [(String, Tone); 2] {
    let status = condition(stack, "Ready", "status");
    let tone = ready_tone(stack);
    let word = if status.is_empty() { "Unknown" } else { status };
    let (reason, _) = ready_words(stack);
    [(word.to_owned(), tone), (reason.to_owned(), tone)]
}

fn message(stack: &Value) -> (String, Tone) {
    let (_, message) = ready_words(stack);
    (first_words(message), Tone::Faint)
}

fn count(stack: &Value) -> String {
    let count = stack.pointer("/status/inventory/count");
    let count = count.and_then(Value::as_u64);
    count.map(|count| count.to_string()).unwrap_or_default()
}

pub(super) fn stacks(stacks: &[Value]) -> Table {
    let mut table = Table::new(&[
        "NAMESPACE",
        "NAME",
        "READY",
        "REASON",
        "REVISION",
        "OBJECTS",
        "AGE",
        "MESSAGE",
    ]);
    for stack in stacks {
        let [status, reason] = ready(stack);
        table.row([
            plain(text(stack, "/metadata/namespace")),
            plain(text(stack, "/metadata/name")),
            status,
            reason,
            plain(&short(text(stack, "/status/applied/commit"))),
            plain(&count(stack)),
            plain(&age(text(stack, "/metadata/creationTimestamp"))),
            message(stack),
        ]);
    }
    table
}

pub(super) fn wide(stacks: &[Value]) -> Table {
    let mut table = Table::new(&[
        "NAMESPACE",
        "NAME",
        "READY",
        "REASON",
        "SINCE",
        "APPLIED",
        "GIT IS AT",
        "SYNCED",
        "HEALTHY",
        "TARGET",
        "OBJECTS",
        "AGE",
        "MESSAGE",
    ]);
    let held = |stack: &Value, name: &str| stack.pointer(name).map(revision).unwrap_or_default();
    for stack in stacks {
        let [status, reason] = ready(stack);
        let of = |kind: &str| {
            let status = condition(stack, kind, "status");
            (status.to_owned(), tone_of(status))
        };
        let target = match text(stack, "/spec/target/name") {
            "" => "in-cluster",
            name => name,
        };
        table.row([
            plain(text(stack, "/metadata/namespace")),
            plain(text(stack, "/metadata/name")),
            status,
            reason,
            plain(&age(condition(stack, "Ready", "lastTransitionTime"))),
            plain(&held(stack, "/status/applied")),
            plain(&held(stack, "/status/followed")),
            of("Synced"),
            of("Healthy"),
            plain(target),
            plain(&count(stack)),
            plain(&age(text(stack, "/metadata/creationTimestamp"))),
            message(stack),
        ]);
    }
    table
}

pub(super) fn targets(targets: &[Value]) -> Table {
    let mut table = Table::new(&["NAME", "KUBECONFIG", "AGE"]);
    for target in targets {
        let secret = target.pointer("/spec/kubernetes/kubeconfig");
        let secret = secret.map(|secret| {
            let (namespace, name) = (text(secret, "/namespace"), text(secret, "/name"));
            format!("Secret {namespace}/{name}")
        });
        table.row([
            plain(text(target, "/metadata/name")),
            plain(&secret.unwrap_or_default()),
            plain(&age(text(target, "/metadata/creationTimestamp"))),
        ]);
    }
    table
}

pub(super) fn tenants(tenants: &[Value]) -> Table {
    let mut table = Table::new(&["NAME", "NAMESPACES", "ACTS AS", "AGE"]);
    for tenant in tenants {
        let namespaces = items(tenant, "/spec/namespaces").iter();
        let namespaces: Vec<&str> = namespaces.filter_map(Value::as_str).collect();
        table.row([
            plain(text(tenant, "/metadata/name")),
            plain(&namespaces.join(", ")),
            plain(text(tenant, "/spec/serviceAccount")),
            plain(&age(text(tenant, "/metadata/creationTimestamp"))),
        ]);
    }
    table
}

fn first_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    if line.chars().count() <= 80 {
        return line.to_owned();
    }
    line.chars().take(79).chain(['…']).collect()
}
