//! `holdfast secret scan`: what should not stand in Git unsealed, in files, in what is staged, and in what
//! commits brought.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use holdfast_secrets::scan::{Finding, MOST_SCANNED, scan};

use super::{files, report};
use crate::cli::{exit, print};

/// The most objects of commits that are looked through at once.
const MOST_OBJECTS: usize = 100_000;

/// Find what should not stand in Git unsealed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret scan .\n  \
    holdfast secret scan --staged                      (in .git/hooks/pre-commit)\n  \
    holdfast secret scan --since origin/main -o sarif   (in CI)\n  \
    holdfast secret scan . --baseline .secrets-baseline.json --write-baseline\n\
    \n\
    The exit code is 2 when something is found. What is shown is where and what, never the value.")]
pub(crate) struct Scan {
    /// Files and folders; the current folder when left out.
    #[arg(value_name = "PATH", conflicts_with_all = ["staged", "since"])]
    paths: Vec<PathBuf>,
    /// Look through what is staged for the next commit.
    #[arg(long, conflicts_with = "since")]
    staged: bool,
    /// Look through every file of every commit since this revision, also those that are gone again.
    #[arg(long, value_name = "REVISION")]
    since: Option<String>,
    /// How findings are printed.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
    /// A file of findings that are accepted, by file and place.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Accept what is found now: write it to the baseline.
    #[arg(long, requires = "baseline")]
    write_baseline: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
    Sarif,
}

/// Findings, each with the file that it is in.
pub(super) type Found = BTreeSet<(String, Finding)>;

impl Scan {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut found = match (&self.since, self.staged) {
            (Some(revision), _) => since(revision)?,
            (None, true) => staged()?,
            (None, false) => self.in_files()?,
        };
        if let Some(path) = &self.baseline {
            if self.write_baseline {
                files::replace(path, report::baseline(&found).as_bytes())?;
                let count = found.len();
                print(&format!(
                    "{count} findings are accepted in {}\n",
                    path.display()
                ));
                return Ok(ExitCode::SUCCESS);
            }
            let text = files::read_text(path)?;
            let accepted =
                report::accepted(&text).with_context(|| format!("{}", path.display()))?;
            found.retain(|(path, finding)| !accepted.contains(&report::place(path, finding)));
        }
        print(&match self.output {
            Output::Text => report::text(&found),
            Output::Json => report::json(&found),
            Output::Sarif => report::sarif(&found),
        });
        Ok(match found.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(exit::FOUND),
        })
    }

    fn in_files(&self) -> anyhow::Result<Found> {
        let here = [PathBuf::from(".")];
        let paths = match self.paths.is_empty() {
            true => &here[..],
            false => &self.paths,
        };
        let mut found = Found::new();
        for path in files::below(paths)? {
            let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if length > MOST_SCANNED as u64 {
                continue;
            }
            let bytes = files::read(Some(&path))?;
            let name = path.strip_prefix("./").unwrap_or(&path);
            add(&mut found, &name.to_string_lossy(), &bytes);
        }
        Ok(found)
    }
}

fn add(found: &mut Found, path: &str, bytes: &[u8]) {
    let findings = scan(path, bytes).into_iter();
    found.extend(findings.map(|finding| (path.to_owned(), finding)));
}

/// What git prints.
fn git(arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("git").args(arguments).output();
    let output = output.context("could not run git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "git {}: {}",
        arguments.first().unwrap_or(&""),
        said.trim().lines().next().unwrap_or_default()
    );
    Ok(output.stdout)
}

fn staged() -> anyhow::Result<Found> {
    let changed = git(&[
        "diff",
        "--cached",
        "--raw",
        "-z",
        "--no-renames",
        "--no-abbrev",
        "--diff-filter=d",
    ])?;
    let changed = String::from_utf8_lossy(&changed).into_owned();
    let mut parts = changed.split('\0');
    let mut objects = Vec::new();
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        // `:OLD-MODE NEW-MODE OLD NEW STATUS`; links and submodules hold no text.
        let words: Vec<&str> = head.split(' ').collect();
        if let [_, mode, _, object, _] = words[..]
            && mode.starts_with("100")
        {
            objects.push((object.to_owned(), path.to_owned()));
        }
    }
    in_objects(objects)
}

fn since(revision: &str) -> anyhow::Result<Found> {
    anyhow::ensure!(!revision.starts_with('-'), "`{revision}` is no revision");
    let range = format!("{revision}..HEAD");
    let listed = git(&["rev-list", "--objects", &range]);
    let listed = listed.with_context(|| format!("could not list the commits since {revision}"))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let with_path = |line: &str| {
        let (object, path) = line.split_once(' ')?;
        Some((object.to_owned(), path.to_owned()))
    };
    in_objects(listed.lines().filter_map(with_path).collect())
}

/// What is found in objects of git; what is no file is passed over.
fn in_objects(objects: Vec<(String, String)>) -> anyhow::Result<Found> {
    let mut found = Found::new();
    if objects.is_empty() {
        return Ok(found);
    }
    let count = objects.len();
    anyhow::ensure!(
        count <= MOST_OBJECTS,
        "there are {count} files to look through, more than {MOST_OBJECTS}; choose a later revision"
    );
    let mut child = Command::new("git")
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not run git")?;
    let mut input = child.stdin.take().context("git reads nothing")?;
    let asked: String = objects
        .iter()
        .map(|(object, _)| format!("{object}\n"))
        .collect();
    // Git answers while it is asked, so that somebody else has to ask.
    let asking = std::thread::spawn(move || input.write_all(asked.as_bytes()));
    let mut output = std::io::BufReader::new(child.stdout.take().context("git says nothing")?);
    for (_, path) in &objects {
        if let Some(bytes) = next_file(&mut output)? {
            add(&mut found, path, &bytes);
        }
    }
    drop(output);
    // A write that fails shows in what git answered.
    let _ = asking.join();
    let _ = child.wait();
    Ok(found)
}

/// The next answer of git: the bytes of a file that is not too large.
fn next_file(output: &mut impl std::io::BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    use std::io::{BufRead as _, Read as _};
    let mut head = String::new();
    output.take(4096).read_line(&mut head)?;
    let words: Vec<&str> = head.split_whitespace().collect();
    let [_, kind, length] = words[..] else {
        anyhow::bail!("git does not have an object that it named");
    };
    let length: u64 = length.parse().context("git says no length")?;
    let mut body = output.take(length + 1);
    if kind != "blob" || length > MOST_SCANNED as u64 {
        std::io::copy(&mut body, &mut std::io::sink())?;
        return Ok(None);
    }
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes)?;
    bytes.pop();
    Ok(Some(bytes))
}
