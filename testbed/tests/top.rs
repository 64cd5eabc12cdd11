//! `holdfast top` in a terminal and without one, and what `describe` says of fetches.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_testbed::bed::find_condition;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;

use crate::shop::{STACKS, Shop};

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command in a terminal of its own.
struct Terminal {
    child: Child,
    /// The end at which a person would sit.
    keys: File,
    /// The end of the command.
    command: OwnedFd,
    shown: Receiver<Vec<u8>>,
    all: String,
    before: LocalModes,
}

impl Terminal {
    fn run(shop: &Shop, arguments: &[&str]) -> anyhow::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let command = ioctl_tiocgptpeer(&master, flags)?;
        let size = Winsize {
            ws_row: 20,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&command, size)?;
        let before = tcgetattr(&command)?.local_modes;
        let end = || command.try_clone();
        let child = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(arguments)
            .env("KUBECONFIG", shop.kubeconfig())
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?)
            .spawn()?;
        let keys = File::from(master);
        let mut screen = keys.try_clone()?;
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            keys,
            command,
            shown,
            all: String::new(),
            before,
        })
    }

    fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        Ok(self.keys.write_all(keys.as_bytes())?)
    }

    /// Waits until a picture has some words; the picture.
    fn wait(&mut self, words: &str) -> anyhow::Result<String> {
        loop {
            let mut pictures = self.all.rsplit("\x1b[H");
            if let Some(picture) = pictures.find(|picture| picture.contains(words)) {
                let picture = picture.to_owned();
                // What comes next is looked for in what comes next.
                self.all.clear();
                return Ok(picture);
            }
            let bytes = self.shown.recv_timeout(PATIENCE);
            let bytes = bytes.with_context(|| format!("no {words:?} in {:?}", self.all))?;
            self.all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn modes(&self) -> anyhow::Result<LocalModes> {
        Ok(tcgetattr(&self.command)?.local_modes)
    }

    /// Waits until the command has ended, well, and has left the terminal as it was.
    fn ends(mut self) -> anyhow::Result<()> {
        self.wait("\x1b[?1049l")?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "{status}");
        anyhow::ensure!(
            self.modes()? == self.before,
            "the terminal is not as it was"
        );
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended in most cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_changes_describes_filters_and_leaves_the_terminal_as_it_was() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let commit = shop.put("one")?;
        shop.stack(json!({})).await?;
        shop.wait(&commit, "Succeeded").await?;
        let elsewhere = json!({"namespace": "elsewhere", "createNamespace": true});
        let spec = json!({"sync": {"automatic": false}, "target": elsewhere});
        shop.stack_named("other", spec).await?;

        let mut terminal = Terminal::run(&shop, &["top"])?;
        let picture = terminal.wait("2 Stacks in namespace default")?;
        let by_line = LocalModes::ECHO | LocalModes::ICANON;
        assert!(terminal.before.contains(by_line));
        assert!(
            !terminal.modes()?.intersects(by_line),
            "keys come one by one"
        );
        assert!(picture.contains("WAITS FOR"), "{picture}");
        terminal.wait("a person: this Stack is synced only when a person asks")?;

        // What changes is shown without being asked for.
        let commit = shop.put("two")?;
        terminal.wait(&commit[..12])?;
        terminal.press("/Ready\r")?;
        let picture = terminal.wait("only /Ready")?;
        assert!(!picture.contains("a person"), "{picture}");
        terminal.press("\x1b")?;
        terminal.wait("q quit   up/down choose")?;

        // What waits comes first: the second line is the Stack that is ready.
        terminal.press("j\r")?;
        terminal.wait("default/s")?;
        terminal.wait("Objects")?;
        terminal.press("q")?;
        terminal.wait("q quit   up/down choose")?;
        shop.api.delete(&format!("{STACKS}/other")).await?;
        terminal.wait("1 Stack in namespace default, 1 ready")?;
        terminal.press("q")?;
        terminal.ends()?;

        // Control and C ends it as well.
        let mut terminal = Terminal::run(&shop, &["top", "-A"])?;
        terminal.wait("in all namespaces")?;
        terminal.press("\x03")?;
        terminal.ends()
    });
}

#[test]
fn top_prints_one_table_or_json_where_nobody_looks_at_a_terminal() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        shop.ends(&["top"], 0, "there are no Stacks in namespace default")?;
        let commit = shop.put("one")?;
        shop.stack(json!({})).await?;
        shop.wait(&commit, "Succeeded").await?;
        let table = shop.prints(&["top", "--once", "-A"])?;
        let row = "default    s     Ready";
        assert!(
            table.contains(row) && table.contains(&commit[..12]),
            "{table}"
        );
        let rows: Value = shop.prints(&["top", "-o", "json"])?.parse()?;
        assert_eq!(rows[0]["name"], "s");
        assert_eq!(rows[0]["state"], "Ready");
        assert_eq!(rows[0]["revision"], json!(commit));
        assert_eq!(rows[0]["waitsFor"], "");
        shop.ends(
            &["top", "--failing"],
            0,
            "there are no Stacks that are not ready",
        )?;
        shop.ends(&["top", "-o", "csv"], 64, "csv")?;
        Ok(())
    });
}

#[test]
fn describe_shows_what_came_last_from_git_and_since_when_it_does_not_answer() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let first = shop.put("one")?;
        shop.stack(json!({})).await?;
        let stack = shop.wait(&first, "Succeeded").await?;
        let seen = stack["status"]["followed"]["seenAt"].clone();
        assert!(seen.is_string(), "{stack}");
        let line = |said: &str| -> anyhow::Result<String> {
            let mut lines = said.lines();
            let line = lines.find(|line| line.starts_with("Last fetch"));
            Ok(line.with_context(|| said.to_owned())?.to_owned())
        };
        let said = line(&shop.prints(&["describe", "s"])?)?;
        assert!(said.contains(&first[..12]), "{said}");
        assert!(said.ends_with("; asked every 1s, and answers"), "{said}");

        // Something else changes: what came came when it came.
        let spec = json!({"spec": {"sync": {"retries": 4}}});
        shop.api
            .merge(&format!("{STACKS}/s"), "test", &spec)
            .await?;
        let is_taken_up = |stack: Option<&Value>| {
            stack.is_some_and(|stack| stack["status"]["observedGeneration"] == json!(2))
        };
        let path = format!("{STACKS}/s");
        let stack = shop.api.wait(&path, "taken up", is_taken_up).await?;
        assert_eq!(stack["status"]["followed"]["seenAt"], seen);

        let path_of_repository = shop.repository.path().to_owned();
        let elsewhere = path_of_repository.with_extension("away");
        std::fs::rename(&path_of_repository, &elsewhere)?;
        let is_away = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, "SourceReady", "status") == "False")
        };
        shop.api.wait(&path, "away", is_away).await?;
        let said = line(&shop.prints(&["describe", "s"])?)?;
        assert!(
            said.contains("fails for ") && said.contains(&first[..12]),
            "{said}"
        );
        let table = shop.prints(&["top", "--once"])?;
        assert!(table.contains("its source: "), "{table}");
        std::fs::rename(&elsewhere, &path_of_repository)?;
        Ok(())
    });
}
