//! Child processes that end with their owner, with their output in files.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// A process that is killed when it is dropped, or when the process that started it is gone,
/// however that ended: a shell beside it waits for the end of its own input and then kills it.
pub struct Process {
    shell: Child,
    name: String,
}

const GUARD: &str = r#"exec 3<&0
"$0" "$@" </dev/null 3<&- & child=$!
trap 'kill -9 $child 2>/dev/null' EXIT
cat <&3 >/dev/null & wait -n $child $!"#;

impl Process {
    /// Starts a program with arguments; its output goes to `NAME.log` in `logs`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(program: &Path, arguments: &[String], logs: &Path) -> anyhow::Result<Self> {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let log = File::create(logs.join(format!("{name}.log")))?;
        let shell = Command::new("bash")
            .arg("-c")
            .arg(GUARD)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self { shell, name })
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it has ended, with its status.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.shell.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended with {status}", self.name),
        }
    }

    /// The number of the program's process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        let shell = self.shell.id();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
        let first = children.split_whitespace().next();
        let first = first.with_context(|| format!("{} has ended", self.name))?;
        Ok(first.parse()?)
    }

    /// Kills it as a crash does.
    pub fn kill(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process of our own program that is killed as by a crash when it is dropped.
pub struct Victim(Child);

impl Victim {
    /// Starts it, without input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let started = command.stdin(Stdio::null()).spawn();
        let child = started.with_context(|| format!("could not start {command:?}"))?;
        Ok(Self(child))
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // On Unix this is SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
