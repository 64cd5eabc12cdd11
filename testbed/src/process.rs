//! Child processes that end with their owner, with their output in files.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;

/// A process that is killed when it is dropped, or when the process that started it is gone,
/// however that ended: a shell beside it waits for the end of its own input and then kills it.
pub struct Process {
    shell: Child,
    name: String,
    log: PathBuf,
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
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        Self::start_as(&name, program, arguments, &[], logs)
    }

    /// As [`Process::start`], under a name of its own and with variables beside those of this
    /// process.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_as(
        name: &str,
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let path = logs.join(format!("{name}.log"));
        let log = File::create(&path)?;
        let shell = Command::new("bash")
            .arg("-c")
            .arg(GUARD)
            .arg(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self {
            shell,
            name: name.to_owned(),
            log: path,
        })
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it has ended, with its status and the end of its log.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.shell.try_wait()? else {
            return Ok(());
        };
        anyhow::bail!("{} ended with {status}: {}", self.name, self.last_lines())
    }

    /// The end of what it has printed.
    pub fn last_lines(&self) -> String {
        const LINES: usize = 5;
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
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

/// The ports that servers of tests are given: below those that Linux takes for outgoing
/// connections and for listeners that name none (32768 and up unless it is set otherwise), so that
/// neither takes a port between its choice here and its use.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A port that nobody listens on now and that this process was not given before.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    static FIRST: OnceLock<u16> = OnceLock::new();
    let count = PORTS.end - PORTS.start;
    // Processes beside this one begin elsewhere.
    let first = *FIRST.get_or_init(|| {
        let chance = RandomState::new().hash_one(std::process::id());
        u16::try_from(chance % u64::from(count)).unwrap_or_default()
    });
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        anyhow::ensure!(tried < count, "no port of {PORTS:?} is free");
        let port = PORTS.start + (first + tried) % count;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
}
