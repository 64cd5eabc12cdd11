//! A terminal that shows lines and sends keys, and is afterwards as it was before, whatever happens.
//! It must not know what is shown.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;

use anyhow::Context as _;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Another page of the terminal, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The page that was there before, with its cursor.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";
/// Where a terminal does not say how large it is.
const SIZE: (usize, usize) = (80, 24);

/// A terminal that is ours until this is dropped, or somebody panics.
pub(super) struct Screen {
    terminal: File,
    before: Termios,
}

impl Screen {
    /// Takes the terminal of the process.
    pub(super) fn open() -> anyhow::Result<Self> {
        let terminal = std::io::stdin().as_fd().try_clone_to_owned();
        Self::on(terminal.context("the terminal could not be opened")?.into())
    }

    fn on(terminal: File) -> anyhow::Result<Self> {
        let before = tcgetattr(&terminal).context("the terminal could not be asked")?;
        let of_hook = terminal.try_clone()?;
        let before_hook = before.clone();
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // What the panic says is to be read.
            restore(&of_hook, &before_hook);
            hook(info);
        }));
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)
            .context("the terminal could not be set")?;
        let screen = Self { terminal, before };
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Calls `send` with what is typed, until it wants no more.
    pub(super) fn read_keys(
        &self,
        send: impl Fn(Vec<u8>) -> bool + Send + 'static,
    ) -> anyhow::Result<()> {
        let mut terminal = self.terminal.try_clone()?;
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(count @ 1..) = terminal.read(&mut bytes) {
                if !send(bytes[..count].to_vec()) {
                    return;
                }
            }
        });
        Ok(())
    }

    /// How many columns and lines there are.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.terminal) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            }
            _ => SIZE,
        }
    }

    /// Shows lines in place of what was shown before.
    pub(super) fn draw(&self, lines: &[String]) -> anyhow::Result<()> {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("{line}\x1b[0m\x1b[K"))
            .collect();
        self.write(&format!("\x1b[H{}\x1b[J", lines.join("\r\n")))
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        (&self.terminal)
            .write_all(text.as_bytes())
            .context("the terminal is gone")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore(&self.terminal, &self.before);
    }
}

/// A terminal that is gone needs no more.
fn restore(mut terminal: &File, before: &Termios) {
    let _ = terminal.write_all(LEAVE.as_bytes());
    let _ = tcsetattr(terminal, OptionalActions::Now, before);
}

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    #[test]
    fn a_terminal_is_as_it_was_after_a_panic() {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).expect("there are terminals");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let terminal: File = ioctl_tiocgptpeer(&master, flags)
            .expect("it has another end")
            .into();
        let modes = |terminal: &File| tcgetattr(terminal).expect("it is one").local_modes;
        let before = modes(&terminal);
        assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        let own = terminal.try_clone().expect("it can be shared");
        let panics = std::thread::spawn(move || {
            let screen = Screen::on(own).expect("it is a terminal");
            assert!(!modes(&screen.terminal).contains(LocalModes::ECHO));
            // The hook has to do it: a build may abort where this one unwinds.
            std::mem::forget(screen);
            panic!("on purpose");
        });
        assert!(panics.join().is_err());
        assert_eq!(modes(&terminal), before);
        let mut written = [0; 256];
        let count = File::from(master)
            .read(&mut written)
            .expect("it was written to");
        assert!(String::from_utf8_lossy(&written[..count]).contains(LEAVE));
    }
}
