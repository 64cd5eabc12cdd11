//! A real server of OpenSSH on this machine's loopback, for whoever has its key. It must not know who
//! fetches.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::cluster::programs;
use crate::process::{Process, free_port};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// As root it wants a user of its own and a folder below `/run`, which it gets where nobody else sees
/// them.
const AS_ROOT: &str = r#"mount -t tmpfs none /run && mkdir /run/sshd &&
mount --bind "$1" /etc/passwd && exec "$0" -D -e -f "$2""#;

/// A server, and what it takes.
pub struct Sshd {
    /// Its port.
    pub port: u16,
    /// Whether it listens on the usual port too, which addresses of scp mean.
    pub has_usual_port: bool,
    /// The user to come as.
    pub user: String,
    folder: tempfile::TempDir,
    process: Process,
}

impl Sshd {
    /// Starts it; why it cannot be started on this machine otherwise.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn start() -> anyhow::Result<Result<Self, String>> {
        let program = programs().join("sshd");
        if !program.exists() {
            return Ok(Err("sshd is not there; run cargo xtask testbed".to_owned()));
        }
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            return Ok(Err("there is no ssh on this machine".to_owned()));
        }
        let is_root = said("id", &["-u"])? == "0";
        if is_root && said("unshare", &["--mount", "true"]).is_err() {
            return Ok(Err("root may not mount anything here".to_owned()));
        }
        let folder = tempfile::Builder::new()
            .prefix("holdfast-sshd-")
            .tempdir()?;
        let user = match is_root {
            true => "git".to_owned(),
            false => said("id", &["-un"])?,
        };
        make_key(folder.path(), "host")?;
        make_key(folder.path(), "identity")?;
        let port = free_port()?;
        let has_usual_port = is_root && TcpListener::bind((Ipv4Addr::LOCALHOST, 22)).is_ok();
        write_settings(folder.path(), port, has_usual_port)?;
        let libraries = [("LD_LIBRARY_PATH", programs().display().to_string())];
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (start, arguments) = match is_root {
            true => {
                let passwd = std::fs::read_to_string("/etc/passwd")?;
                let others = passwd
                    .lines()
                    .filter(|line| !line.starts_with("git:") && !line.starts_with("sshd:"));
                let others: String = others.map(|line| format!("{line}\n")).collect();
                let home = folder.path().display();
                let ours = format!(
                    "git:x:0:0::{home}:/bin/sh\nsshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n"
                );
                std::fs::write(folder.path().join("passwd"), others + &ours)?;
                let mut arguments = ["--mount", "sh", "-c", AS_ROOT].map(str::to_owned).to_vec();
                arguments.push(program.display().to_string());
                arguments.extend([at("passwd"), at("settings")]);
                (PathBuf::from("unshare"), arguments)
            }
            false => {
                let arguments = ["-D", "-e", "-f"].map(str::to_owned).to_vec();
                (program, [arguments, vec![at("settings")]].concat())
            }
        };
        let process = Process::start_as("sshd", &start, &arguments, &libraries, folder.path())?;
        let mut server = Self {
            port,
            has_usual_port,
            user,
            folder,
            process,
        };
        server.wait()?;
        Ok(Ok(server))
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            self.process.check()?;
            let said = self.process.last_lines();
            anyhow::ensure!(begun.elapsed() < PATIENCE, "sshd does not listen: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The private key that it takes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn identity(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(
            self.folder.path().join("identity"),
        )?)
    }

    /// Lines of known hosts that name it, on both ports.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn known_hosts(&self) -> anyhow::Result<String> {
        let key = std::fs::read_to_string(self.folder.path().join("host.pub"))?;
        let key = key.trim();
        Ok(format!(
            "[127.0.0.1]:{} {key}\n127.0.0.1 {key}\n",
            self.port
        ))
    }

    /// A key that it does not know.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn other_identity(&self) -> anyhow::Result<String> {
        make_key(self.folder.path(), "other")?;
        Ok(std::fs::read_to_string(self.folder.path().join("other"))?)
    }

    /// Lines of known hosts that give it a key that it does not have.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn wrong_hosts(&self) -> anyhow::Result<String> {
        let key = std::fs::read_to_string(self.folder.path().join("identity.pub"))?;
        Ok(format!("[127.0.0.1]:{} {}\n", self.port, key.trim()))
    }
}

fn write_settings(folder: &Path, port: u16, has_usual_port: bool) -> anyhow::Result<()> {
    let at = |name: &str| folder.join(name).display().to_string();
    let usual = if has_usual_port { "Port 22\n" } else { "" };
    let settings = format!(
        "Port {port}\n{usual}ListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin yes\n",
        at("host"),
        at("identity.pub"),
    );
    std::fs::write(folder.join("settings"), settings)?;
    Ok(())
}

fn make_key(folder: &Path, name: &str) -> anyhow::Result<()> {
    let path = folder.join(name).display().to_string();
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path];
    said("ssh-keygen", &arguments)?;
    Ok(())
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("could not start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
