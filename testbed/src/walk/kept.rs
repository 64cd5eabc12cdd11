//! Keeps what a walk found: whoever runs many of them, or reads only the end of what they print, finds it in
//! a file by its seed. It must not know what is wrong.

use std::path::{Path, PathBuf};

use super::Weather;

/// A failure of a walk with its seed; printed, and kept below `target/walks`.
#[expect(
    clippy::print_stderr,
    reason = "what was found is what the walk is for"
)]
pub(super) fn keep(seed: u64, weather: Weather, error: &anyhow::Error) -> anyhow::Error {
    let text = format!("{weather:?} walk from seed {seed}: {error:#}\n");
    let place = match write(&folder(), seed, weather, &text) {
        Ok(place) => format!("kept in {}", place.display()),
        Err(error) => format!("it could not be kept: {error}"),
    };
    eprintln!("{text}({place})");
    anyhow::anyhow!("{text}({place})")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/walks")
}

fn write(folder: &Path, seed: u64, weather: Weather, text: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let place = folder.join(format!("{weather:?}-{seed}.txt").to_lowercase());
    std::fs::write(&place, text)?;
    Ok(place)
}

/// What a panic said.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    anyhow::anyhow!("it panicked: {}", text.unwrap_or("without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_in_a_file_by_its_seed_also_when_it_is_a_panic() {
        let folder = tempfile::tempdir().expect("a folder is made");
        let error = said(&"words of a panic");
        let text = format!("{error:#}");
        let place = write(folder.path(), 7, Weather::Foul, &text).expect("it is written");
        assert_eq!(
            place.file_name().and_then(|name| name.to_str()),
            Some("foul-7.txt")
        );
        let kept = std::fs::read_to_string(place).expect("it is there");
        assert_eq!(kept, "it panicked: words of a panic");
    }
}
