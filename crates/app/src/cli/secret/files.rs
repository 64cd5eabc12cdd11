//! Files of secrets: read with a bound, replaced in one step, and found in folders. It must not know what
//! is done with them.

use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use holdfast_secrets::MOST_BYTES;
use holdfast_secrets::sops::Format;
use zeroize::Zeroizing;

/// The deepest folders that are looked through.
const DEPTH: usize = 64;

/// The format of a file, where its name does not say it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Named {
    Yaml,
    Json,
    Env,
    Ini,
    Binary,
}

impl Named {
    fn format(self) -> Format {
        match self {
            Self::Yaml => Format::Yaml,
            Self::Json => Format::Json,
            Self::Env => Format::Env,
            Self::Ini => Format::Ini,
            Self::Binary => Format::Binary,
        }
    }
}

/// The format of a file: as it was asked for, else as its name says; standard input is YAML.
pub(super) fn format_of(asked: Option<Named>, path: Option<&Path>) -> Format {
    match (asked, path) {
        (Some(named), _) => named.format(),
        (None, Some(path)) => Format::of_name(&path.to_string_lossy()),
        (None, None) => Format::Yaml,
    }
}

/// The path of an argument; nothing for standard input.
pub(super) fn path_of(argument: Option<&PathBuf>) -> Option<&Path> {
    argument
        .map(PathBuf::as_path)
        .filter(|path| *path != Path::new("-"))
}

/// The bytes of a file, or of standard input.
pub(super) fn read(path: Option<&Path>) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) + 1;
    let name = name_of(path);
    // Room for all of it at once, so that no copy is left behind while it grows.
    let length = match path {
        Some(path) => fs::metadata(path)
            .with_context(|| format!("could not read {name}"))?
            .len(),
        None => 64 << 10,
    };
    let room = usize::try_from(length.min(limit)).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let taken = match path {
        Some(path) => {
            fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        }
        None => std::io::stdin().take(limit).read_to_end(&mut bytes),
    };
    taken.with_context(|| format!("could not read {name}"))?;
    anyhow::ensure!(
        bytes.len() <= MOST_BYTES,
        "{name} has more than the {MOST_BYTES} bytes that are read"
    );
    Ok(bytes)
}

/// As [`read`], as a text.
pub(super) fn read_text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let bytes = read(Some(path))?;
    let text = std::str::from_utf8(&bytes);
    let text = text.with_context(|| format!("{} is no text", path.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// How a file is called in messages.
pub(super) fn name_of(path: Option<&Path>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "standard input".to_owned(),
    }
}

/// Puts bytes in the place of a file in one step: it has either the old content or the new one. What it
/// may be read by stays.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let wrong = || format!("could not write {}", path.display());
    // A link keeps leading where it leads.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(wrong)?;
    file.write_all(bytes).with_context(wrong)?;
    if let Ok(metadata) = fs::metadata(path) {
        file.as_file()
            .set_permissions(metadata.permissions())
            .with_context(wrong)?;
    } else {
        readable(file.as_file()).with_context(wrong)?;
    }
    file.as_file().sync_all().with_context(wrong)?;
    file.persist(path).with_context(wrong)?;
    Ok(())
}

/// What is sealed may be read by whoever may read the repository.
fn readable(file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Writes a new file that its owner alone may read; one that is there is left alone.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("could not write {}", path.display()))
}

/// The files of paths, with those of folders; `.git` is left out, and links are not followed.
pub(super) fn below(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path);
        let metadata = metadata.with_context(|| format!("could not read {}", path.display()))?;
        if metadata.is_dir() {
            descend(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn descend(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let wrong = || format!("could not read {}", folder.display());
    anyhow::ensure!(depth < DEPTH, "{} is too deep", folder.display());
    for entry in fs::read_dir(folder).with_context(wrong)? {
        let entry = entry.with_context(wrong)?;
        let kind = entry.file_type().with_context(wrong)?;
        if kind.is_dir() && entry.file_name() != ".git" {
            descend(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The files of paths that SOPS has sealed, with their format and what they hold. A file that was named
/// itself is taken whatever it holds.
pub(super) fn sealed_below(paths: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Format, Vec<u8>)>> {
    let mut sealed = Vec::new();
    for path in below(paths)? {
        let named = paths.contains(&path);
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if !named && length > u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) {
            continue;
        }
        let mut bytes = read(Some(&path))?;
        let format = Format::of_name(&path.to_string_lossy());
        let is_sealed = holdfast_secrets::sops::describe(&bytes, format).is_ok();
        if named || Format::looks_sealed(&bytes) && is_sealed {
            sealed.push((path, format, std::mem::take(&mut *bytes)));
        }
    }
    Ok(sealed)
}
