//! Time zones by name.
//!
//! It must not read a zone database: only UTC and its names are known, and any other name is
//! taken for UTC, as Go takes a name it does not know.

use crate::moment::Zone;

/// The zone of that name at a moment in Unix seconds.
pub(crate) fn at(_name: &str, _seconds: i64) -> Zone {
    Zone::UTC
}
