//! How commands show things: tables and colours for people, JSON and YAML for programs. It must not
//! know what is shown.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use holdfast_model::Value;
use holdfast_model::revision::chart_name;
use holdfast_model::view::words;

use super::print;

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
    /// YAML for programs.
    Yaml,
}

/// Prints a value for programs; whether it was wanted so.
pub(crate) fn for_programs(output: Output, value: &Value) -> bool {
    match output {
        Output::Table => return false,
        Output::Json => print(&format!("{value:#}\n")),
        Output::Yaml => print(&holdfast_yaml::to_yaml(value)),
    }
    true
}

/// What a text means, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
    Bold,
}

/// A text in a colour, where people look at a terminal and did not ask for none.
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Bold => "1",
    };
    if std::io::stdout().is_terminal() && crate::wiring::wants_colour() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The tone of a condition's status.
pub(crate) fn tone_of(status: &str) -> Tone {
    match status {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Warning,
    }
}

/// A table: a heading, and rows of cells with their tones.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.into());
    }

    /// Prints it, each column as wide as its widest cell.
    pub(crate) fn print(&self) {
        self.write(true);
    }

    /// Prints its rows alone.
    pub(crate) fn print_rows(&self) {
        self.write(false);
    }

    fn write(&self, has_heading: bool) {
        let columns = self.heading.len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells
                .map(|(text, _)| text.chars().count())
                .max()
                .unwrap_or_default();
            widest.max(self.heading[column].len())
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        if has_heading {
            for (column, name) in self.heading.iter().enumerate() {
                let width = pad(column, columns, widths[column]);
                push_cell(&mut out, name, Tone::Faint, width);
            }
            out.push('\n');
        }
        for row in &self.rows {
            for (column, (text, tone)) in row.iter().enumerate() {
                push_cell(&mut out, text, *tone, pad(column, columns, widths[column]));
            }
            out.push('\n');
        }
        print(&out);
    }
}

/// The last column is as wide as it is.
fn pad(column: usize, columns: usize, width: usize) -> usize {
    if column + 1 == columns { 0 } else { width + 2 }
}

fn push_cell(out: &mut String, text: &str, tone: Tone, width: usize) {
    out.push_str(&paint(tone, text));
    let length = text.chars().count();
    out.push_str(&" ".repeat(width.saturating_sub(length)));
}

/// How long ago a time was, as people say it.
pub(crate) fn age(time: &str) -> String {
    let Some(time) = holdfast_model::time::Time::parse(time) else {
        return String::new();
    };
    words::age(crate::wiring::now().since(time))
}

/// The first digits of a commit or digest, as people read it.
pub(crate) fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// A revision of a status: what named it, its commit, and those of other sources.
pub(crate) fn revision(value: &Value) -> String {
    let commit = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let (named, id) = (commit("/reference"), commit("/commit"));
    let mut text = format!(
        "{} {}",
        named.unwrap_or_default(),
        short(id.unwrap_or_default())
    );
    let others = value.get("others").and_then(Value::as_object);
    for (name, commit) in others.into_iter().flatten() {
        let commit = short(commit.as_str().unwrap_or_default());
        text.push_str(&format!(", {name} {commit}"));
    }
    let charts = value.get("charts").and_then(Value::as_object);
    for (label, version) in charts.into_iter().flatten() {
        let chart = chart_name(label, version.as_str().unwrap_or_default());
        text.push_str(&format!(", {chart}"));
    }
    text
}

/// The tone of how a line of the history ended.
pub(crate) fn past_tone(end: &str) -> Tone {
    match end {
        "succeeded" => Tone::Good,
        "pinned" | "unpinned" | "suspended" | "resumed" => Tone::Warning,
        _ => Tone::Bad,
    }
}

/// What a line of the history tells, with how often it was tried.
pub(crate) fn past_summary(entry: &Value) -> String {
    let summary = entry.get("summary").and_then(Value::as_str);
    let summary = summary.unwrap_or_default();
    let attempts = entry.get("attempts").and_then(Value::as_u64);
    words::tried(summary, attempts.unwrap_or(1))
}
