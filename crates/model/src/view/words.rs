//! Words for people that the command line and the page share. It must not know where they are shown.

use std::time::Duration;

use crate::pin::Pin;
use crate::plan::counted;
use crate::status::{LeftAlone, Past, PastEnd};
use crate::time::Time;
use crate::view::{Course, WakeReason};

/// How long ago something was, as people say it.
pub fn age(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// When something is, that is to come.
pub fn ahead(at: Time, now: Time) -> String {
    match at.since(now).as_secs() {
        0 => "now".to_owned(),
        seconds => format!("in {seconds}s, at {at}"),
    }
}

/// That a Stack is suspended, and by whom, where that is known.
pub fn suspended(by: Option<&str>) -> String {
    let by = by.map(|by| format!("by {by}; ")).unwrap_or_default();
    format!("{by}nothing is applied before holdfast resume")
}

/// By whom and why a Stack is held, since when and until when.
pub fn pinned(pin: &Pin) -> String {
    let by = pin.by.as_ref().map(|by| format!(" by {by}"));
    let since = pin.since.map(|since| format!(" since {since}"));
    let until = pin.expires.map(|expires| format!(" until {expires}"));
    let parts: String = [by, since, until].into_iter().flatten().collect();
    let ends = match &pin.from {
        None => "",
        Some(_) => ", until Git has something newer",
    };
    let reason = pin.reason.as_ref().map(|reason| format!(" ({reason})"));
    format!(
        "{}{parts}{ends}{}",
        pin.revision,
        reason.unwrap_or_default()
    )
}

/// What is left to another writer, since when and until when.
pub fn left_alone(left: &LeftAlone) -> String {
    let space = if left.field.is_empty() { "" } else { " " };
    format!(
        "{}{space}{} to {} since {}, until {}",
        left.object, left.field, left.by, left.since, left.until
    )
}

/// How a line of the history ended.
pub fn end(end: PastEnd) -> &'static str {
    use crate::operation::End;
    match end {
        PastEnd::Operation(End::Succeeded) => "succeeded",
        PastEnd::Operation(End::Failed) => "failed",
        PastEnd::Operation(End::TimedOut) => "timedOut",
        PastEnd::Operation(End::Terminated) => "terminated",
        PastEnd::Pinned => "pinned",
        PastEnd::Unpinned => "unpinned",
        PastEnd::Suspended => "suspended",
        PastEnd::Resumed => "resumed",
    }
}

/// What a line of the history tells, with how often it was tried.
pub fn past(past: &Past) -> String {
    tried(&past.summary, u64::from(past.attempts))
}

/// A summary, with how often it was tried where that is more than once.
pub fn tried(summary: &str, attempts: u64) -> String {
    match attempts {
        0 | 1 => summary.to_owned(),
        attempts => format!("{summary} ({attempts} attempts)"),
    }
}

/// What a Stack is woken for.
pub fn woken(why: WakeReason) -> &'static str {
    match why {
        WakeReason::Again => "to ask again what did not answer",
        WakeReason::Health => "to ask again what does not work",
        WakeReason::SourceGrace => "because the source is away for too long then",
        WakeReason::PinExpires => "because its pin expires",
        WakeReason::Deadline => "because the operation runs out of time",
        WakeReason::Retry => "to try again what failed",
        WakeReason::Contended => "to take back what another writer keeps changing",
        WakeReason::Leaving => "to remove what is left on another cluster",
        WakeReason::Inventory => "to write down what it owns",
        WakeReason::Interval => "to ask for newer charts and files",
        WakeReason::Deleting => "to see whether its objects are gone",
    }
}

/// What is done about a plan.
pub fn course(course: Course) -> &'static str {
    match course {
        Course::Done => "carried out",
        Course::Waiting => "under way, and waits for objects to become healthy",
        Course::Resting => "failed, and rests before it is tried again",
        Course::Unasked => "waits until a person asks for it",
    }
}

/// How much of the time of an operation is over.
pub fn progress(started: Time, deadline: Time, now: Time) -> String {
    let (gone, all) = (now.since(started), deadline.since(started));
    format!("{} of {}", age(gone), age(all))
}

/// Some names, and how many more there are.
pub fn names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), counted(more, "other")),
    }
}
