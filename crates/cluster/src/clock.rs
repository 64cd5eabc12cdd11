//! What tells the time. It must not know what for.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_model::time::Time;

/// What tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

pub(crate) fn machine_time() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
