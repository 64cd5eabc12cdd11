//! A real OpenBao on this machine's loopback, and a relay before it that can be slow or away. It must not
//! know who reads from it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cluster::programs;
use crate::process::{Process, free_port};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);
/// The token that may do everything.
const ROOT: &str = "root";

/// A server with a KV engine of version 2 at `secret`; it goes when it is dropped.
pub struct OpenBao {
    /// Its address.
    pub address: String,
    port: u16,
    folder: tempfile::TempDir,
    _process: Process,
}

impl OpenBao {
    /// Starts it; nothing where the program is not there.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let program = programs().join("bao");
        if !program.exists() {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("holdfast-bao-").tempdir()?;
        // It listens at the next one for its own kind.
        let port = loop {
            let (port, next) = (free_port()?, free_port()?);
            if next == port + 1 {
                break port;
            }
        };
        let arguments = [
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={ROOT}"),
            format!("-dev-listen-address=127.0.0.1:{port}"),
        ];
        let home = [("HOME", folder.path().display().to_string())];
        let process = Process::start_as("bao", &program, &arguments, &home, folder.path())?;
        let mut server = Self {
            address: format!("http://127.0.0.1:{port}"),
            port,
            folder,
            _process: process,
        };
        let start = Instant::now();
        while server.run(&["kv", "put", "secret/is-up", "a=b"]).is_err() {
            server._process.check()?;
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "{}",
                server._process.last_lines()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(server))
    }

    /// Runs a command of its own client with all rights; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(programs().join("bao"))
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("BAO_ADDR", &self.address)
            .env("BAO_TOKEN", ROOT)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "bao {arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Lets whoever has a policy do something; the policy has the name of the text before the colon.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn policy(&self, name: &str, rules: &str) -> anyhow::Result<()> {
        let path = self.folder.path().join(format!("{name}.hcl"));
        std::fs::write(&path, rules)?;
        let path = path.display().to_string();
        self.run(&["policy", "write", name, &path]).map(|_| ())
    }

    /// Seals it.
    ///
    /// # Errors
    /// When it does not.
    pub fn seal(&self) -> anyhow::Result<()> {
        self.run(&["operator", "seal"]).map(|_| ())
    }

    /// Unseals it.
    ///
    /// # Errors
    /// When it does not.
    pub fn unseal(&self) -> anyhow::Result<()> {
        let log = std::fs::read_to_string(self.folder.path().join("bao.log"))?;
        let mut lines = log.lines();
        let key = lines.find_map(|line| line.strip_prefix("Unseal Key: "));
        let key = key.context("the log says the key")?.trim();
        self.run(&["operator", "unseal", key]).map(|_| ())
    }

    /// A relay before it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn relay(&self) -> anyhow::Result<Relay> {
        Relay::start((Ipv4Addr::LOCALHOST, self.port).into()).await
    }
}

/// What a relay does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// They are passed on.
    Passing,
    /// They are closed, those that are open too.
    Away,
    /// They are taken, and nothing is answered.
    Silent,
}

/// Passes connections on to a server, as long as it is in the mood.
pub struct Relay {
    /// Its address.
    pub address: String,
    mood: watch::Sender<Mood>,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let (mood, moods) = watch::channel(Mood::Passing);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut moods, noted) = (moods.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    let mood = *moods.borrow_and_update();
                    match mood {
                        Mood::Away => {}
                        Mood::Silent => {
                            // Held open until the mood changes.
                            let _ = moods.changed().await;
                            drop(client);
                        }
                        Mood::Passing => {
                            tokio::select! {
                                _ = pass(client, server, noted) => {}
                                _ = moods.changed() => {}
                            }
                        }
                    }
                });
            }
        });
        Ok(Self {
            address,
            mood,
            asked,
        })
    }

    /// Sets what it does from now on; connections that are open are closed.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How often a text was in what was asked.
    pub fn count(&self, text: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&asked).matches(text).count()
    }
}

fn note(noted: &Mutex<Vec<u8>>, part: &[u8]) {
    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
    noted.extend_from_slice(part);
}

async fn pass(client: TcpStream, server: SocketAddr, noted: Arc<Mutex<Vec<u8>>>) -> Option<()> {
    let server = TcpStream::connect(server).await.ok()?;
    let (mut from, mut to) = client.into_split();
    let (mut answers, mut questions) = server.into_split();
    let asking = async {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from
                .read(&mut buffer)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            let part = &buffer[..length];
            note(&noted, part);
            questions.write_all(part).await.ok()?;
        }
    };
    let answering = tokio::io::copy(&mut answers, &mut to);
    tokio::select! {
        asked = asking => asked,
        _ = answering => None,
    }
}
