//! Any two texts as an object and a patch of it, a JSON one and a merge one. A zero byte stands
//! between the two.
#![no_main]

use holdfast_merge::{json_patch, merge_patch};
use holdfast_yaml::{Limits, read_value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let (object, patch) = text.split_once('\0').unwrap_or((text, "[]"));
    let (Ok(object), Ok(patch)) = (read_value(object, &limits), read_value(patch, &limits)) else {
        return;
    };
    let _ = json_patch::apply(&mut object.clone(), &patch);
    let mut merged = object;
    merge_patch::apply(&mut merged, &patch);
    // A merge patch that was applied changes nothing when it is applied again.
    let once = merged.clone();
    merge_patch::apply(&mut merged, &patch);
    assert!(once == merged, "the second time differs");
});
