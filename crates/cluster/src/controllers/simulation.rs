//! How pods are simulated. It must not know who does it.

use std::time::Duration;

/// How pods are simulated.
///
/// Annotations of a pod, usually set in a workload's template, stage what happens to it:
/// - `simulation.holdfast.dev/start-delay: 5s` makes it ready later;
/// - `simulation.holdfast.dev/fail: pull | crash | unready` makes it never become ready: its
///   image cannot be pulled, its containers crash, or it runs without becoming ready;
/// - `simulation.holdfast.dev/exit-code: "1"` makes its containers end with that code;
/// - `simulation.holdfast.dev/run-for: 2s` says how long they run before that;
/// - `simulation.holdfast.dev/log` is what they have logged.
///
/// An image whose tag is `broken`, or whose name holds `does-not-exist`, cannot be pulled either.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// How long a pod takes to become ready.
    pub start_delay: Duration,
    /// How long a pod takes to end, at most; its grace period may be shorter.
    pub stop_delay: Duration,
    /// How long the container of a job runs.
    pub run_for: Duration,
    /// How many nodes there are.
    pub nodes: u32,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            start_delay: Duration::from_millis(300),
            stop_delay: Duration::from_millis(50),
            run_for: Duration::from_millis(300),
            nodes: 1,
        }
    }
}
