//! Any text as a template of a chart: it renders or is refused.
#![no_main]

use std::sync::Arc;

use holdfast_helm::{Limits, Request, load, render};
use holdfast_model::artifact::{MemoryBlobs, TreePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: a\nversion: 0.1.0\n"),
        (
            "values.yaml",
            "a: {b: [1, x, null], c: 2.5}\nt: '{{ .Values.a }}'\n",
        ),
        ("templates/a.yaml", text),
    ];
    let Ok(chart) = load(&MemoryBlobs::of(files), &TreePath::root()) else {
        return;
    };
    let mut request = Request::new("r", "n");
    request.limits = Limits {
        steps: 20_000,
        text: 1 << 20,
        bytes: 8 << 20,
        items: 5_000,
        ..Limits::default()
    };
    let _ = render(&Arc::new(chart), &request);
});
