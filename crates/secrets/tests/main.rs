//! What the real tools made, opened; what was touched, refused; and what is made here, opened by the real
//! tools where they are on this machine. `fixtures/make.sh` makes the files.

use std::fs;
use std::path::{Path, PathBuf};

mod found;
mod sealed;
mod sops;

/// Where the fixtures are.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A fixture as a text.
fn read(path: &str) -> String {
    fs::read_to_string(fixtures().join(path)).expect("the fixture is there")
}

/// A real tool, where it was built on this machine; where not, that is said.
#[expect(clippy::print_stderr, reason = "what is left out is said")]
fn real(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("HOME").and_then(|home| {
        let cache = Path::new(&home).join(".cache/holdfast");
        let mut places = ["testbed/bin", "parts/bin"]
            .map(|place| cache.join(place).join(name))
            .into_iter();
        places.find(|place| place.exists())
    });
    if found.is_none() {
        eprintln!("left out: there is no {name} in the test bed's folder");
    }
    found
}
