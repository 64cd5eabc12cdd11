//! Any texts as a kustomization and a file that it reads: they are built or refused. A zero byte
//! stands between the two.
#![no_main]

use holdfast_kustomize::{Options, build};
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (kustomization, resource) = text.split_once('\0').unwrap_or((text, ""));
    let files = [("kustomization.yaml", kustomization), ("a.yaml", resource)];
    let _ = build(
        &MemoryBlobs::of(files),
        &TreePath::root(),
        &Options::default(),
    );
});
