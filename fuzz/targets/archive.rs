//! Any bytes as the archive of a chart: it is loaded or refused.
#![no_main]

use holdfast_helm::load_archive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = load_archive(bytes);
});
