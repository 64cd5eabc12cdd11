//! Why a template could not be read or executed, with the places that led there.
//!
//! It must not hold values: what a template was given may be secret.

use std::fmt;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The text is no template.
    Parse,
    /// Something went wrong while it was executed.
    Execute,
    /// The chart itself refused, by `fail` or `required`.
    Refused,
    /// A limit on depth, steps, output or size was passed.
    Limit,
}

/// A place in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file that the template stands in.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 0 as Go counts.
    pub column: usize,
    /// The name of the template.
    pub template: String,
    /// The expression that was evaluated.
    pub expression: String,
}

/// Why a template could not be read or executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is.
    pub class: Class,
    /// What went wrong.
    pub message: String,
    /// Where: the innermost place first.
    pub trace: Vec<Place>,
    /// What each place was doing when the one before it failed, such as `error calling include`.
    pub doing: Vec<String>,
}

/// How many places an error prints before it leaves the rest out.
const TRACE_SHOWN: usize = 12;

impl Error {
    /// A failure without a place yet.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            trace: Vec::new(),
            doing: Vec::new(),
        }
    }

    /// A failure of execution without a place yet.
    pub fn execute(message: impl Into<String>) -> Self {
        Self::new(Class::Execute, message)
    }

    /// A limit that was passed.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Class::Limit, message)
    }

    /// The innermost place.
    pub fn place(&self) -> Option<&Place> {
        self.trace.first()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Helm reports what a chart refuses at the place in the file that was being rendered.
        let place = match self.class {
            Class::Refused => self.trace.last(),
            _ => self.trace.first(),
        };
        match (self.class, place) {
            (Class::Parse, Some(place)) => write!(
                formatter,
                "parse error at ({}:{}): {}",
                place.file, place.line, self.message
            ),
            (Class::Refused, Some(place)) => write!(
                formatter,
                "execution error at ({}:{}:{}): {}",
                place.file, place.line, place.column, self.message
            ),
            (_, None) => formatter.write_str(&self.message),
            (_, Some(_)) => self.write_trace(formatter),
        }
    }
}

impl Error {
    fn write_trace(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = self.trace.len().saturating_sub(TRACE_SHOWN);
        for (index, place) in self.trace.iter().enumerate().rev() {
            if index >= TRACE_SHOWN / 2 && index < TRACE_SHOWN / 2 + left_out {
                if index == TRACE_SHOWN / 2 {
                    writeln!(formatter, "  ({left_out} more places)")?;
                }
                continue;
            }
            write!(
                formatter,
                "{}:{}:{}\n  executing \"{}\" at <{}>:\n    ",
                place.file, place.line, place.column, place.template, place.expression
            )?;
            if index > 0 {
                let doing = self.doing.get(index - 1).map_or("", String::as_str);
                writeln!(formatter, "{doing}:")?;
            }
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
