//! Renders the corpus of real charts and overlays and compares with what the real tools print.
//!
//! `holdfast-corpus yaml|kustomize|helm [--data DIR] [--out DIR] [--filter TEXT] [--allow N] [--time]`
//! `holdfast-corpus bench [--data DIR] [--every N] [--only kustomize|helm|overlays] [--json FILE]`

pub mod bench;
pub mod compare;
pub mod disk;
pub mod helm;
pub mod kustomize;
pub mod packed;
pub mod peak;
pub mod yaml;

use std::path::PathBuf;

/// What the command line asks for.
pub struct Options {
    /// The folder with `cases.jsonl` and the files that it names.
    pub data: PathBuf,
    /// Where to write what was rendered.
    pub out: Option<PathBuf>,
    /// Only cases whose id holds this text.
    pub filter: Option<String>,
    /// How many cases may fail.
    pub allow: usize,
    /// Whether to print how long cases took.
    pub time: bool,
}
