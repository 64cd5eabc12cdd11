//! Client programs, such as kubectl, run against two clusters at once: the embedded one over TLS,
//! and the real one as the oracle. It must not know what the programs do.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use regex::Regex;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One run of a program: its words, and what it gets beside them.
#[derive(Clone, Debug, Default)]
pub struct Run {
    words: Vec<String>,
    input: String,
    variables: Vec<(String, String)>,
}

impl Run {
    /// A run with the words of a line; a word with spaces stands between single quotes.
    pub fn of(line: &str) -> Self {
        let mut words = Vec::new();
        for (index, part) in line.split('\'').enumerate() {
            if index % 2 == 1 {
                // What touches the quotes belongs to the same word.
                let whole = words.pop().filter(|word: &String| !word.is_empty());
                words.push(whole.unwrap_or_default() + part);
                continue;
            }
            words.extend(part.split(' ').map(str::to_owned));
        }
        words.retain(|word| !word.is_empty());
        Self {
            words,
            ..Self::default()
        }
    }

    /// With this on its standard input.
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// With a shell command as the editor, which gets a file.
    pub fn editor(self, command: &str) -> Self {
        self.set("KUBE_EDITOR", command)
    }

    /// With an environment variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a program said, with what differs from run to run masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// A program that speaks to one cluster by its kubeconfig, with a home of its own.
#[derive(Debug)]
pub struct Program {
    program: PathBuf,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
    always: Vec<String>,
    masks: Masks,
}

impl Program {
    /// A program for a cluster; `always` are words that come first in every run.
    ///
    /// # Errors
    /// When there is no room for its home.
    pub fn new(program: &Path, kubeconfig: &Path, always: &[&str]) -> anyhow::Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            folder: tempfile::Builder::new()
                .prefix("holdfast-client-")
                .tempdir()?,
            always: always.iter().map(|&word| word.to_owned()).collect(),
            masks: Masks::new()?,
        })
    }

    /// The folder that it works in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, or takes too long.
    pub async fn run(&self, run: &Run) -> anyhow::Result<Said> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.always)
            .args(&run.words)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.envs(run.variables.iter().map(|(name, value)| (name, value)));
        let line = format!("{} {}", self.program.display(), run.words.join(" "));
        let mut child = command
            .spawn()
            .with_context(|| format!("could not start {line}"))?;
        let mut input = child.stdin.take().context("it has no input")?;
        let writing = async move {
            // A program that does not read its input may have ended before.
            let _ = input.write_all(run.input.as_bytes()).await;
        };
        let ended = async { tokio::join!(child.wait_with_output(), writing).0 };
        let output = tokio::time::timeout(PATIENCE, ended)
            .await
            .with_context(|| format!("`{line}` has not ended after {PATIENCE:?}"))??;
        Ok(Said {
            code: output.status.code(),
            out: self.masks.mask(&String::from_utf8_lossy(&output.stdout)),
            err: self
                .masks
                .mask(&without_log(&output.stderr, &self.masks.log)),
        })
    }
}

/// Standard error without what a client logs for itself, such as that a watch of its was cut short on
/// a busy machine: what it has to say to its user stands beside that. Lines of the log are those of
/// klog, which open with a level, the day, the time, the process and the place in its source, as in
/// `E1130 14:34:54.856210    2825 request.go:1198] `.
fn without_log(bytes: &[u8], log: &Regex) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !log.is_match(line)).collect()
}

/// What differs from run to run, and what is put in its place.
#[derive(Debug)]
struct Masks {
    /// A line of a client's own log.
    log: Regex,
    replaced: Vec<(Regex, &'static str)>,
}

/// How a line of klog begins.
const LOG: &str = r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^ \]]+:\d+\] ";

/// Expressions and what replaces them, in this order.
const MASKS: [(&str, &str); 20] = [
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "UID",
    ),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4}( UTC)?",
        "TIME",
    ),
    (
        r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} [+-]\d{4}",
        "TIME",
    ),
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]{8} \d{4}", "TIME"),
    // Where kubectl puts what it compares.
    (r"/(LIVE|MERGED)-\d+", "/$1"),
    // Pods of a Deployment and their ReplicaSet, and pods of a ReplicaSet or Job.
    (
        r"\b([a-z]+)-[bcdfghjklmnpqrstvwxz2456789]{7,10}-[a-z0-9]{5}\b",
        "$1-HASH-RANDOM",
    ),
    (
        r"\b([a-z]+)-[bcdfghjklmnpqrstvwxz2456789]{7,10}\b",
        "$1-HASH",
    ),
    (r"pod-template-hash=[0-9a-z]+", "pod-template-hash=HASH"),
    (
        r"(web|once|hook|test)-[bcdfghjklmnpqrstvwxz2456789]{5}\b",
        "$1-RANDOM",
    ),
    (r"https://127\.0\.0\.1:\d+", "https://SERVER"),
    (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r"Resource Version: +\d+", "Resource Version: VERSION"),
    (r#"resourceVersion: "\d+""#, r#"resourceVersion: "VERSION""#),
    (
        r#""resourceVersion": ?"\d+""#,
        r#""resourceVersion": "VERSION""#,
    ),
    (r"\b(\d+m)?\d+(\.\d+)?m?s\b( ago)?", "AGE"),
    (r"<(invalid|unknown)>", "AGE"),
    (r"0\.0\.0\.0:\d+", "ADDRESS"),
    // Widths follow the longest cell of a column.
    (r"[ \t]+", " "),
    (r"(?m) $", ""),
];

impl Masks {
    fn new() -> anyhow::Result<Self> {
        let masks = MASKS
            .iter()
            .map(|(expression, mask)| Ok((Regex::new(expression)?, *mask)));
        Ok(Self {
            log: Regex::new(LOG)?,
            replaced: masks.collect::<anyhow::Result<_>>()?,
        })
    }

    fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (expression, mask) in &self.replaced {
            text = expression.replace_all(&text, *mask).into_owned();
        }
        text
    }
}

/// A program on both clusters. What differs is collected, so that one run of a test tells all of it.
pub struct Beside {
    /// On the embedded cluster.
    pub ours: Program,
    /// On the real cluster, where there is one.
    pub real: Option<Program>,
    differences: Vec<String>,
}

impl Beside {
    /// A pair; with nothing on the second place only what the test itself asks for is checked.
    pub fn new(ours: Program, real: Option<Program>) -> Self {
        Self {
            ours,
            real,
            differences: Vec::new(),
        }
    }

    /// Runs on both; what the embedded cluster's says, which has to be what the real one's does,
    /// word for word. Order of lines on standard error is left to the program.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub async fn same(&mut self, run: impl Into<Run>) -> anyhow::Result<Said> {
        let run = run.into();
        let (ours, real) = self.both(&run).await?;
        if let Some(real) = real.filter(|real| *real != ours) {
            self.tell(&run, &ours, &real);
        }
        Ok(ours)
    }

    /// Runs on both; the exit codes have to be the same, the words may differ.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub async fn alike(&mut self, run: impl Into<Run>) -> anyhow::Result<Said> {
        let run = run.into();
        let (ours, real) = self.both(&run).await?;
        if let Some(real) = real.filter(|real| real.code != ours.code) {
            self.tell(&run, &ours, &real);
        }
        Ok(ours)
    }

    async fn both(&self, run: &Run) -> anyhow::Result<(Said, Option<Said>)> {
        let real = async {
            match &self.real {
                Some(real) => real.run(run).await.map(Some),
                None => Ok(None),
            }
        };
        let (ours, real) = tokio::join!(self.ours.run(run), real);
        Ok((ours?, real?))
    }

    fn tell(&mut self, run: &Run, ours: &Said, real: &Said) {
        let mut text = format!("{}\n", run.words.join(" "));
        if ours.code != real.code {
            text += &format!("  exit code {:?}, really {:?}\n", ours.code, real.code);
        }
        for (name, ours, real) in [("out", &ours.out, &real.out), ("err", &ours.err, &real.err)] {
            let (ours, real): (Vec<&str>, Vec<&str>) =
                (ours.lines().collect(), real.lines().collect());
            for line in ours.iter().filter(|line| !real.contains(line)) {
                text += &format!("  {name} here:   {line}\n");
            }
            for line in real.iter().filter(|line| !ours.contains(line)) {
                text += &format!("  {name} really: {line}\n");
            }
        }
        self.differences.push(text);
    }

    /// What differed so far.
    ///
    /// # Errors
    /// When anything did.
    pub fn finish(self) -> anyhow::Result<()> {
        let count = self.differences.len();
        anyhow::ensure!(
            count == 0,
            "{count} runs differ from those on the real cluster:\n{}",
            self.differences.join("\n")
        );
        Ok(())
    }
}

impl From<&str> for Run {
    fn from(line: &str) -> Self {
        Self::of(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{Masks, without_log};

    #[test]
    fn what_a_client_logs_for_itself_is_left_out_and_what_it_says_stays() {
        let masks = Masks::new().expect("the expressions are right");
        let written = "E1130 14:34:54.856210    2825 request.go:1198] \"Unexpected error\"\n\
                       Error from server: reflector.go:1 is not found\n\
                       W1130 10:53:05.1 7 reflector.go:9] Warning: watch ended\n\
                       Warning: W1130 is deprecated\n";
        let left = "Error from server: reflector.go:1 is not found\n\
                    Warning: W1130 is deprecated\n";
        assert_eq!(without_log(written.as_bytes(), &masks.log), left);
    }
}
