//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and STYLE.md that no lint holds. Each rule is a
//! function from text to problems, tested with a bad example.

mod arrows;
mod circles;
mod files;

#[cfg(test)]
mod tests;
mod words;

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
            problems.extend(words::check_code(&path, &text));
            texts.push((path, text));
        }
    }
    // STYLE.md lists what is retired.
    for file in pages(&root)? {
        let text = std::fs::read_to_string(&file)?;
        let path = file.strip_prefix(&root).unwrap_or(&file);
        problems.extend(words::check_page(&path.to_string_lossy(), &text));
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

/// The pages of the documentation, but for the one that lists what is retired.
fn pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = files_of(&root.join("docs"), "md")?;
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        let is_page = path.extension().is_some_and(|ending| ending == "md");
        let is_style = path.file_name().is_some_and(|name| name == "STYLE.md");
        if is_page && !is_style {
            pages.push(path);
        }
    }
    Ok(pages)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    files_of(folder, "rs")
}

/// The files below a folder whose names end with this, build folders left out.
fn files_of(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                files.extend(files_of(&path, ending)?);
            }
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
