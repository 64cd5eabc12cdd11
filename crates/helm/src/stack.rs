//! A stack for what may nest deep: templates and schemas.
//!
//! It must not know what runs on it.

use std::cell::Cell;

use crate::error::Error;

/// Its size; pages that are not touched cost nothing.
const SIZE: usize = 64 << 20;

/// What of it templates may take; the rest is for what they call last, and for who calls them.
pub(crate) const FOR_TEMPLATES: usize = SIZE - (4 << 20);

thread_local! {
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Does work on a stack that is large enough for renders. Inside of it renders make none of their
/// own: whoever renders many charts one after the other makes one for all.
///
/// # Errors
/// When there is no thread for it, or the work panics.
pub fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    if IS_HERE.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(SIZE)
            .spawn_scoped(scope, || {
                IS_HERE.set(true);
                work()
            })
            .map_err(|error| Error::Refused(format!("no thread to render on: {error}")))?;
        let failed = |_| Error::Refused("the renderer failed".to_owned());
        thread.join().map_err(failed)
    })
}
