//! The files of a chart, from a folder or from an archive.
//!
//! It must not know what the files mean. Sizes, counts and paths are bounded here.

use std::io::Read;
use std::sync::Arc;

use holdfast_model::artifact::{Blobs, EntryKind, TreePath};

use crate::error::Error;
use crate::ignore::Rules;

/// A file of a chart, by its path within the chart.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) data: Arc<[u8]>,
}

/// The largest file of a chart folder, as Helm has it.
const MAX_FILE: usize = 5 << 20;

/// The largest chart, as Helm has it.
const MAX_CHART: usize = 100 << 20;

/// The most files of a chart.
const MAX_FILES: usize = 50_000;

/// How deep the folders of a chart may nest.
const MAX_DEPTH: usize = 64;

/// How much more than its compressed size an archive may hold, beyond which it is a bomb.
const MAX_RATIO: usize = 2000;

/// The files of a folder that its `.helmignore` leaves.
pub(crate) fn from_folder(blobs: &dyn Blobs, folder: &TreePath) -> Result<Vec<File>, Error> {
    let ignore_file = child(folder, ".helmignore")?;
    let rules = match blobs.kind(&ignore_file)? {
        Some(EntryKind::File) => {
            let bytes = blobs.read(&ignore_file)?;
            Rules::parse(&String::from_utf8_lossy(&bytes))?
        }
        _ => Rules::parse("")?,
    };
    let mut walk = Walk {
        blobs,
        rules,
        files: Vec::new(),
        bytes: 0,
    };
    walk.folder(folder, "", 0)?;
    Ok(walk.files)
}

fn child(folder: &TreePath, name: &str) -> Result<TreePath, Error> {
    folder
        .join(name)
        .ok_or_else(|| Error::Load(format!("`{name}` is no name of a file")))
}

struct Walk<'b> {
    blobs: &'b dyn Blobs,
    rules: Rules,
    files: Vec<File>,
    bytes: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &TreePath, prefix: &str, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Load(
                "the chart's folders are nested too deep".to_owned(),
            ));
        }
        for entry in self.blobs.list(folder)? {
            let path = child(folder, &entry.name)?;
            let name = if prefix.is_empty() {
                entry.name
            } else {
                format!("{prefix}/{}", entry.name)
            };
            if self.rules.ignores(&name, entry.kind == EntryKind::Folder) {
                continue;
            }
            match entry.kind {
                EntryKind::Folder => self.folder(&path, &name, depth + 1)?,
                EntryKind::File => {
                    let data = self.blobs.read(&path)?;
                    self.bytes += data.len();
                    if data.len() > MAX_FILE {
                        return Err(Error::Load(format!(
                            "chart file {name:?} is larger than the maximum file size {MAX_FILE}"
                        )));
                    }
                    if self.bytes > MAX_CHART || self.files.len() >= MAX_FILES {
                        return Err(too_large());
                    }
                    let data = without_mark(data);
                    self.files.push(File { name, data });
                }
            }
        }
        Ok(())
    }
}

fn too_large() -> Error {
    Error::Archive(format!(
        "decompressed chart is larger than the maximum size {MAX_CHART}"
    ))
}

/// A byte order mark is no part of a file.
fn without_mark(data: Arc<[u8]>) -> Arc<[u8]> {
    match data.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Arc::from(rest),
        None => data,
    }
}

/// The files of a packed chart.
pub(crate) fn from_archive(bytes: &[u8]) -> Result<Vec<File>, Error> {
    let broken = |error: std::io::Error| Error::Archive(format!("the archive is damaged: {error}"));
    let limit = MAX_CHART.min(bytes.len().saturating_mul(MAX_RATIO).max(1 << 20));
    let unpacked = flate2::read::MultiGzDecoder::new(bytes);
    // Headers and padding count as well, so that nothing is read without bound.
    let mut archive = tar::Archive::new(unpacked.take(limit as u64 * 2));
    let mut files = Vec::new();
    let mut left = limit;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(Error::Archive(
                "the chart archive holds something that is no plain file".to_owned(),
            ));
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = inner_path(&path)?;
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        if size > left || files.len() >= MAX_FILES {
            return Err(too_large());
        }
        let mut data = Vec::with_capacity(size);
        entry.read_to_end(&mut data).map_err(broken)?;
        left = left.saturating_sub(data.len());
        files.push(File {
            name,
            data: without_mark(Arc::from(data)),
        });
    }
    if files.is_empty() {
        return Err(Error::Archive("no files in chart archive".to_owned()));
    }
    Ok(files)
}

/// The path behind the one folder that a packed chart consists of.
fn inner_path(path: &str) -> Result<String, Error> {
    let refuse = |message: &str| Err(Error::Archive(message.to_owned()));
    let delimiter = if path.contains('\\') { '\\' } else { '/' };
    let (first, rest) = path.split_once(delimiter).unwrap_or((path, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return refuse("chart illegally contains absolute paths");
    }
    if first == "Chart.yaml" {
        return refuse("chart yaml not in base directory");
    }
    let bytes = rest.as_bytes();
    if let [letter, b':', b'/', ..] = bytes
        && letter.is_ascii_alphabetic()
    {
        return refuse("chart contains illegally named files");
    }
    match TreePath::root().join(&rest) {
        None => refuse("chart illegally references parent directory"),
        Some(path) if path.as_str().is_empty() => {
            refuse("chart illegally contains content outside the base directory")
        }
        Some(path) => Ok(path.as_str().to_owned()),
    }
}
