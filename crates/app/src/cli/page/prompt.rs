//! Asks a person for a password without showing it, or reads it from a program. It must not know what it is for.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The most bytes that are read.
const LONGEST: u64 = 4_096;

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new() -> anyhow::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty");
        let terminal = terminal.context("there is no terminal to ask for the password")?;
        let before = tcgetattr(&terminal).context("the terminal could not be asked")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)
            .context("the terminal would show the password")?;
        Ok(Self { terminal, before })
    }

    fn ask(&mut self, words: &str) -> anyhow::Result<Zeroizing<String>> {
        write!(self.terminal, "{words}: ")?;
        let text = line(&self.terminal)?;
        writeln!(self.terminal)?;
        Ok(text)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A password: typed twice on a terminal, or the first line of standard input.
pub(super) fn password(name: &str) -> anyhow::Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return line(std::io::stdin());
    }
    let mut terminal = Quiet::new()?;
    let first = terminal.ask(&format!("Password of {name}"))?;
    let second = terminal.ask("Once more")?;
    anyhow::ensure!(
        first == second,
        "the two are not the same; nothing was changed"
    );
    Ok(first)
}

fn line(from: impl std::io::Read) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut from = std::io::BufReader::new(from.take(LONGEST));
    from.read_line(&mut text)
        .context("the password could not be read")?;
    let length = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(length);
    Ok(text)
}
