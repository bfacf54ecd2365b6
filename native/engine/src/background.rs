//! Work that takes a moment and has no peer, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;
use crate::session::{panicked, spawn};

/// Runs `run` and calls `finished` once with what came of it, both on a new thread.
///
/// # Errors
/// [`Error::Internal`] when no thread can be had; then neither is called.
pub(crate) fn work<T: 'static>(
    thread: &str,
    run: impl FnOnce() -> Result<T, Error> + Send + 'static,
    finished: impl FnOnce(Result<T, Error>) + Send + 'static,
) -> Result<(), Error> {
    spawn(thread.into(), move || {
        finished(catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked())));
    })?;
    Ok(())
}
