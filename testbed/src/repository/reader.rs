//! A `git cat-file --batch` that is held open: what it is asked costs no process. It must not know what
//! is looked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;

/// An object of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// `commit`, `tree`, `blob` or `tag`.
    pub kind: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As git writes it: `40000` for a folder, `120000` for a link.
    pub mode: String,
    /// The name within the tree.
    pub name: String,
}

impl Entry {
    /// Whether it is a symlink.
    pub fn is_link(&self) -> bool {
        self.mode == "120000"
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode == "40000"
    }
}

impl Found {
    /// The entries of a tree.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut rest = self.content.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            if let Some((mode, name)) = head.split_once(' ') {
                entries.push(Entry {
                    mode: mode.to_owned(),
                    name: name.to_owned(),
                });
            }
            // The id that follows has 20 bytes.
            rest = rest.get(end + 21..).unwrap_or_default();
        }
        entries
    }
}

/// The process.
pub(super) struct Reader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Reader {
    /// Starts it in a folder.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new("git")
            .current_dir(folder)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().context("git has no input")?;
        let output = child.stdout.take().context("git has no output")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Asks for one object.
    pub(super) fn find(&mut self, name: &str) -> anyhow::Result<Option<Found>> {
        writeln!(self.input, "{name}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let words: Vec<&str> = line.trim_end().rsplitn(3, ' ').collect();
        let [size, kind, id] = words.as_slice() else {
            anyhow::ensure!(line.ends_with(" missing\n"), "it answered {line:?}");
            return Ok(None);
        };
        let Ok(size) = size.parse::<usize>() else {
            anyhow::ensure!(line.ends_with(" missing\n"), "it answered {line:?}");
            return Ok(None);
        };
        // A line feed follows.
        let mut content = vec![0; size + 1];
        self.output.read_exact(&mut content)?;
        content.pop();
        Ok(Some(Found {
            id: (*id).to_owned(),
            kind: (*kind).to_owned(),
            content,
        }))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
