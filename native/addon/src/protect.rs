//! Keeping the memory of the process to itself.

use napi_derive::napi;

use crate::NativeFailure;

/// Forbids dumps of this process, and others of its user to look into it. Gives what went wrong, if
/// anything.
#[napi(catch_unwind)]
pub fn protect_memory() -> Option<NativeFailure> {
    hawser_engine::protect_memory().err().map(NativeFailure::from)
}
