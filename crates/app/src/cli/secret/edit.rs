//! `holdfast secret edit`: a sealed file in an editor. The clear text stands in a folder of its own that
//! nobody else may read, in memory where the system has such a place, and is gone in every case but a kill.

use std::fs;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_secrets::{Keys, sops};
use zeroize::Zeroizing;

use super::files::{self, Named};
use super::keys::KeyFiles;
use super::open::sealed_secret;
use crate::cli::print;
use crate::wiring;

/// Open a file in an editor, and seal what changed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret edit db.yaml\n  \
    EDITOR='code --wait' holdfast secret edit db.yaml\n\
    \n\
    Values that are not changed stay as they are sealed, so that the difference in Git is small.")]
pub(crate) struct Edit {
    /// The sealed file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyFiles,
    /// The format, where the name of the file does not say it.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Named>,
}

impl Edit {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        let sealed = files::read(Some(&self.file))?;
        let name = self.file.display();
        anyhow::ensure!(
            sealed_secret(&sealed).is_none(),
            "{name} is a SealedSecret, which only its controller opens: seal a new one with `holdfast secret \
             seal --cert`"
        );
        let format = files::format_of(self.format, Some(&self.file));
        let keys = self.keys.age()?;
        let clear = sops::open(&sealed, format, &keys);
        let clear = clear.with_context(|| format!("could not open {name}"))?;
        // From here on a signal ends the editor, and not this process with the text still there.
        let mut stop = std::pin::pin!(stopped());
        let _ = futures::poll!(&mut stop);
        let place = Place::new(&self.file, clear.expose())?;
        loop {
            tokio::select! {
                ended = place.let_edit() => ended?,
                signal = &mut stop => anyhow::bail!("{signal}; {name} is unchanged"),
            }
            let changed = place.read()?;
            match self.seal(&sealed, &changed, format, &keys) {
                Ok(None) => {
                    print(&format!("{name} is unchanged\n"));
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(Some(new)) => {
                    let now = files::read(Some(&self.file))?;
                    anyhow::ensure!(
                        *now == *sealed,
                        "{name} was changed by something else in the meantime, and is left as it is"
                    );
                    files::replace(&self.file, &new)?;
                    print(&format!("{name} is sealed anew\n"));
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) if std::io::stdin().is_terminal() => ask_again(&error)?,
                Err(error) => {
                    return Err(error.context(format!("could not seal {name}, which is unchanged")));
                }
            }
        }
    }

    fn seal(
        &self,
        sealed: &[u8],
        changed: &[u8],
        format: sops::Format,
        keys: &Keys,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let now = wiring::now().to_string();
        Ok(sops::edit(sealed, changed, format, keys, &now)?)
    }
}

/// Ends when the process is asked to stop; why.
async fn stopped() -> &'static str {
    tokio::select! {
        () = wiring::stop_signal() => "stopped",
        () = wiring::hang_up() => "the terminal is gone",
    }
}

/// Waits until a person wants to correct what they wrote.
#[expect(clippy::print_stderr, reason = "this is a question to a person")]
fn ask_again(error: &anyhow::Error) -> anyhow::Result<()> {
    eprintln!(
        "error: {error:#}\nPress Enter to edit it again, or Ctrl-C to leave the file as it was."
    );
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer)?;
    anyhow::ensure!(read > 0, "nobody answered; the file is unchanged");
    Ok(())
}

/// A clear text in a folder of its own, which goes when this is dropped.
struct Place {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new(sealed: &Path, clear: &[u8]) -> anyhow::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("holdfast-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let folder = builder
            .tempdir_in(wiring::forgetful_dir())
            .context("could not make a folder for the clear text")?;
        // The name lets the editor know what it is.
        let name = sealed.file_name().unwrap_or_default();
        let file = folder.path().join(name);
        let place = Self { folder, file };
        files::write_private(&place.file, clear)?;
        Ok(place)
    }

    fn read(&self) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        files::read(Some(&self.file))
    }

    /// Runs the editor until it ends; it is stopped when this is dropped.
    async fn let_edit(&self) -> anyhow::Result<()> {
        let editor = wiring::editor();
        // As git does it: an editor may have arguments of its own.
        let mut command = tokio::process::Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{editor} \"$@\""))
            .arg(&editor)
            .arg(&self.file)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("could not start the editor `{editor}`"))?;
        let status = child.wait().await?;
        anyhow::ensure!(
            status.success(),
            "the editor `{editor}` ended with {status}; the file is unchanged"
        );
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Editors may have left copies beside the file: all of them are overwritten before they go.
        for path in files::below(&[self.folder.path().to_owned()]).unwrap_or_default() {
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let length = usize::try_from(length).unwrap_or(0).min(1 << 24);
            let _ = fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|mut file| {
                    use std::io::Write as _;
                    file.write_all(&vec![0; length])?;
                    file.sync_all()
                });
        }
    }
}
