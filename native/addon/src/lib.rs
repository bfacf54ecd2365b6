//! The hawser engine for Node: a dictionary between its types and JavaScript's, without logic.
//!
//! Failures cross as values: an async function of Node-API can reject with Node-API's own status
//! only. The TypeScript layer turns them into `HawserError`.

mod environment;
mod listener;
mod offer;
mod options;
mod partials;
mod peers;
mod promise;
mod protect;
mod transfer;
mod verify;

use hawser_engine::{Error, Known, PublicKey};
use napi_derive::napi;

/// Why something failed, as a value.
#[napi(object)]
pub struct NativeFailure {
    /// A stable name, such as CONNECTION_REFUSED.
    pub code: String,
    /// What happened and why, for a person.
    pub message: String,
    /// Whether the same call may succeed later with nothing else changed.
    pub retryable: bool,
    /// Of KEY_CHANGED.
    pub mismatch: Option<NativeMismatch>,
    /// Of a transfer that was refused here: what refuse() was called with.
    pub cause: Option<u32>,
}

/// Whose key was expected, and what came in its place.
#[napi(object)]
pub struct NativeMismatch {
    /// By which name the expected key is known, if it is.
    pub name: Option<String>,
    /// Where the other one is, or was to be dialled.
    pub address: String,
    /// The fingerprint of the expected key.
    pub known: String,
    /// That of the other one, if it has said which.
    pub offered: Option<String>,
}

impl From<(Known, Option<PublicKey>)> for NativeMismatch {
    fn from((Known { address, name, key }, offered): (Known, Option<PublicKey>)) -> Self {
        Self {
            name: name.map(|name| name.to_string()),
            address,
            known: key.fingerprint(),
            offered: offered.map(|offered| offered.fingerprint()),
        }
    }
}

impl From<Error> for NativeFailure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().to_string(),
            message: error.to_string(),
            retryable: error.is_retryable(),
            mismatch: error.expected().map(NativeMismatch::from),
            cause: error.cause(),
        }
    }
}
