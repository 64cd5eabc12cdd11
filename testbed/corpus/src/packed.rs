//! Lays a packed corpus out in a temporary folder: `*.tar.zst` beside `cases.jsonl`. It must not
//! know what is in it.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;

/// The corpus is packed with windows of up to 128 MiB.
const WINDOW_LOG: u32 = 27;

/// Unpacks a folder where it is packed; nothing where its files lie open.
///
/// # Errors
/// When an archive is damaged or the disk is full.
pub fn unpack(data: &Path) -> anyhow::Result<Option<tempfile::TempDir>> {
    let entries = std::fs::read_dir(data).with_context(|| data.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    let is_pack = |path: &Path| path.to_string_lossy().ends_with(".tar.zst");
    if !files.iter().any(|path| is_pack(path)) {
        return Ok(None);
    }
    let folder = tempfile::Builder::new()
        .prefix("holdfast-corpus-")
        .tempdir()?;
    for path in &files {
        if is_pack(path) {
            let mut decoder = zstd::Decoder::new(File::open(path)?)?;
            decoder.window_log_max(WINDOW_LOG)?;
            let unpacked = tar::Archive::new(decoder).unpack(folder.path());
            unpacked.with_context(|| path.display().to_string())?;
        } else if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(path, folder.path().join(name))?;
        }
    }
    Ok(Some(folder))
}
