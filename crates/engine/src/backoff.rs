//! How long is waited after something has failed again and again. It must not know what failed.

use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// The wait after so many failures in a row, the first of which is 1: two seconds, twice as long each
/// time, at most five minutes.
pub(crate) fn backoff(failures: u32) -> Duration {
    (Duration::from_secs(1) * 2_u32.pow(failures.min(9))).min(LONGEST)
}
