//! Renders the corpus of real charts and overlays and compares with what the real tools print.

fn main() {}
