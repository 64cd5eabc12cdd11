//! Any text as YAML: it is read or refused.
#![no_main]

use holdfast_yaml::{Limits, read_nodes, read_values};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let _ = read_nodes(text, &limits);
    let _ = read_values(text, &limits);
});
