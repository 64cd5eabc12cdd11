//! The numbers of each Stack. Their labels are bounded by the number of Stacks, and go with them. It must
//! not act on anything.

use std::sync::Arc;

use holdfast_engine::Telemetry;
use holdfast_model::operation::End;
use holdfast_model::stack::StackKey;
use holdfast_model::status::{Condition, PastEnd, Reason, Status, Truth};

/// Writes a family of metrics: its name, kind, help, and samples by their labels.
pub(super) type Family<'a> = dyn FnMut(&str, &str, &str, &[(String, u64)]) + 'a;

/// A number of a status: its name, help, and what it is.
type Gauge = (&'static str, &'static str, fn(&Status) -> Option<u64>);

const GAUGES: [Gauge; 7] = [
    (
        "holdfast_stack_ready",
        "Whether a Stack is ready.",
        |status| holds(&status.ready),
    ),
    (
        "holdfast_stack_synced",
        "Whether the target has what Git says.",
        |status| holds(&status.synced),
    ),
    (
        "holdfast_stack_healthy",
        "Whether what is there works.",
        |status| holds(&status.healthy),
    ),
    (
        "holdfast_stack_source_ready",
        "Whether the source can be read.",
        |status| holds(&status.source),
    ),
    (
        "holdfast_stack_pinned",
        "Whether a Stack is held at an older revision.",
        |status| Some(u64::from(status.pin.is_some())),
    ),
    (
        "holdfast_stack_suspended",
        "Whether nothing is applied for now.",
        |status| Some(u64::from(status.ready.reason == Reason::Suspended)),
    ),
    (
        "holdfast_stack_last_applied_timestamp_seconds",
        "When a Stack was last applied without failure.",
        last_applied,
    ),
];

fn holds(condition: &Condition) -> Option<u64> {
    Some(u64::from(condition.holds == Truth::True))
}

fn last_applied(status: &Status) -> Option<u64> {
    let mut past = status.history.iter();
    let last = past.find(|past| past.end == PastEnd::Operation(End::Succeeded))?;
    u64::try_from(last.at.millis / 1_000).ok()
}

fn labels(key: &StackKey) -> String {
    format!("namespace=\"{}\",name=\"{}\"", key.namespace, key.name)
}

/// Writes the numbers of each Stack that there is.
pub(super) fn write(
    statuses: &[(StackKey, Arc<Status>)],
    telemetry: &Telemetry,
    family: &mut Family<'_>,
) {
    for (name, help, value) in GAUGES {
        let samples = statuses.iter();
        let samples = samples
            .filter_map(|(key, status)| Some((format!("{{{}}}", labels(key)), value(status)?)));
        let mut samples: Vec<_> = samples.collect();
        samples.sort();
        family(name, "gauge", help, &samples);
    }
    let stacks = || telemetry.stacks.iter();
    let failures = stacks().flat_map(|(key, counts)| {
        let failures = counts.failures.iter();
        failures.map(move |(kind, count)| (format!("{{{},kind=\"{kind}\"}}", labels(key)), *count))
    });
    family(
        "holdfast_stack_failures_total",
        "counter",
        "Failures of a Stack, by kind.",
        &failures.collect::<Vec<_>>(),
    );
    let healed = stacks().map(|(key, counts)| (format!("{{{}}}", labels(key)), counts.healed));
    family(
        "holdfast_stack_drift_healed_total",
        "counter",
        "Objects of a Stack that were put back.",
        &healed.collect::<Vec<_>>(),
    );
}
