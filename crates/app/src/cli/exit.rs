//! Exit codes, the same for every command, and errors that have one of their own. It must not know
//! any command.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use holdfast_api::fields::parse_duration;
use holdfast_model::status::Problem;

/// Something would change, where a command was asked to tell by its exit code.
pub(crate) const WOULD_CHANGE: u8 = 2;
/// Something was found that should not be there.
pub(crate) const FOUND: u8 = 2;
/// Nothing goes on before a person, or another Stack, has done something.
pub(crate) const BLOCKED: u8 = 3;
/// What was waited for did not come in time.
pub(crate) const TIMED_OUT: u8 = 4;
/// The command was not written as it has to be; as in sysexits.h.
pub(crate) const USAGE: u8 = 64;

/// An error with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Stop {
    code: u8,
    message: String,
}

impl Stop {
    /// Nothing goes on before somebody has done something.
    pub(crate) fn blocked(message: impl Into<String>) -> anyhow::Error {
        Self::with(BLOCKED, message.into())
    }

    /// A Tenant does not allow it; each problem with what a person can do.
    pub(crate) fn not_permitted(problems: &[Problem]) -> anyhow::Error {
        let lines = problems.iter().map(|problem| {
            let hint = problem.hint.as_ref();
            let hint = hint.map(|hint| format!("\n  hint: {hint}"));
            format!("{problem}{}", hint.unwrap_or_default())
        });
        Self::blocked(lines.collect::<Vec<_>>().join("\n"))
    }

    /// What was waited for did not come in time.
    pub(crate) fn timed_out(message: impl Into<String>) -> anyhow::Error {
        Self::with(TIMED_OUT, message.into())
    }

    fn with(code: u8, message: String) -> anyhow::Error {
        anyhow::Error::new(Self { code, message })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// The exit code of an error.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Stop>() {
        Some(stop) => ExitCode::from(stop.code),
        None => ExitCode::FAILURE,
    }
}

/// A duration of a command line.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 30s, 5m or 2h".to_owned())
}

/// A duration of a command line, which may be a number of seconds.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => duration(text),
    }
}
