//! What is sent for a step: the desired object, with fields that are left to others handled. It
//! must not know how it is sent.

use holdfast_assess::{ownership, pointer};
use holdfast_model::object::{LiveObject, Object};
use holdfast_model::packed::Packed;

use crate::order::MANAGER;

/// The object as it is sent.
///
/// An ignored field that somebody else owns is left out. One that only we own is sent with its
/// live value: leaving out a field that nobody else owns would reset it.
pub fn body(desired: &Object, live: Option<&LiveObject>, ignored: &[&str]) -> Packed {
    let Some(live) = live.filter(|_| !ignored.is_empty()) else {
        return desired.packed();
    };
    let mut value = desired.value();
    let current = live.value.unpack();
    for path in ignored {
        let Some(current) = current.pointer(path) else {
            continue;
        };
        if ownership::other_owners(live, path, MANAGER).is_empty() {
            pointer::set(&mut value, path, current.clone());
        } else {
            pointer::remove(&mut value, path);
        }
    }
    Packed::new(&value)
}
