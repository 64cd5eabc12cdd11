//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and STYLE.md that no lint holds. Each rule is a
//! function from text to problems, tested with a bad example.

mod arrows;
mod circles;
mod files;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::run::output;

/// Checks the project below a folder.
///
/// # Errors
/// Every rule that is broken, with its place.
#[expect(clippy::print_stderr, reason = "problems are for people")]
pub(crate) fn tidy(root: PathBuf) -> anyhow::Result<()> {
    let metadata = output(
        &root,
        "cargo",
        &["metadata", "--format-version", "1", "--no-deps"],
    )?;
    let mut problems = arrows::check(&serde_json::from_str(&metadata)?);
    let mut texts = Vec::new();
    for folder in ["crates", "testbed", "xtask"] {
        for file in rust_files(&root.join(folder))? {
            let text = std::fs::read_to_string(&file)?;
            let path = file
                .strip_prefix(&root)
                .unwrap_or(&file)
                .to_string_lossy()
                .into_owned();
            problems.extend(files::check(&path, &text));
            texts.push((path, text));
        }
    }
    let texts = texts.iter();
    problems.extend(circles::check(
        texts.map(|(path, text)| (path.as_str(), text.as_str())),
    ));
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        bail!("{} rules are broken", problems.len())
    }
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                files.extend(rust_files(&path)?);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
