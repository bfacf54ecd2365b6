//! The part files that sessions have left in a folder, for JavaScript.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hawser_engine::{
    Leftover, PartOf, Remaining, Removal, partials as engine_partials,
    remove_partials as engine_remove_partials,
};
use napi::bindgen_prelude::{Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

use crate::options::{number, path};
use crate::promise::promise;

/// A part file, or something else where they are kept.
#[napi(object)]
pub struct NativePartFile {
    /// Its name in `.hawser/partials`, invalid UTF-8 replaced.
    pub name: String,
    /// Missing when it is not known what it is a part of.
    pub of: Option<NativePartOf>,
    pub bytes_on_disk: i64,
    /// When something was last written to it, in milliseconds since 1970.
    pub written_ms: i64,
    /// Whether a session is writing it.
    pub in_use: bool,
}

/// The file of which there is a part.
#[napi(object)]
pub struct NativePartOf {
    /// Relative to the folder, "/"-separated, invalid UTF-8 replaced.
    pub path: String,
    /// Bytes of the whole file.
    pub size: i64,
    /// Bytes that are here.
    pub held: i64,
    /// The fingerprint of the key of the peer that sends it.
    pub fingerprint: String,
}

/// What has been removed, and what has not.
#[napi(object)]
pub struct NativeRemoval {
    pub removed: Vec<NativePartFile>,
    /// What is still there though it was to be removed.
    pub remaining: Vec<NativeRemaining>,
}

/// Something that was to be removed.
#[napi(object)]
pub struct NativeRemaining {
    pub file: NativePartFile,
    /// Why it is still there, for people.
    pub message: String,
}

/// Lists the part files in a folder; bytes, as in NativeJob. Resolves with them, or with why not.
#[napi(ts_return_type = "Promise<Array<NativePartFile> | NativeFailure>", catch_unwind)]
pub fn partials(env: &Env, directory: Uint8Array) -> Result<Object<'_>> {
    let list = |finished| path(&directory).and_then(|directory| engine_partials(&directory, finished));
    promise(env, list, |found: Vec<Leftover>| found.into_iter().map(NativePartFile::from).collect::<Vec<_>>())
}

/// Removes those that no session is writing and that were last written so long ago, or longer.
/// Resolves with what became of them, or with why nothing did.
#[napi(ts_return_type = "Promise<NativeRemoval | NativeFailure>", catch_unwind)]
pub fn remove_partials(env: &Env, directory: Uint8Array, older_than_ms: i64) -> Result<Object<'_>> {
    let idle = Duration::from_millis(u64::try_from(older_than_ms).unwrap_or(0));
    let remove =
        |finished| path(&directory).and_then(|directory| engine_remove_partials(&directory, idle, finished));
    promise(env, remove, NativeRemoval::from)
}

impl From<Leftover> for NativePartFile {
    fn from(leftover: Leftover) -> Self {
        let Leftover { name, of, bytes_on_disk, written, in_use } = leftover;
        Self {
            name,
            of: of.map(NativePartOf::from),
            bytes_on_disk: number(bytes_on_disk),
            written_ms: milliseconds(written),
            in_use,
        }
    }
}

impl From<PartOf> for NativePartOf {
    fn from(of: PartOf) -> Self {
        let PartOf { path, size, held, fingerprint } = of;
        Self { path, size: number(size), held: number(held), fingerprint }
    }
}

impl From<Removal> for NativeRemoval {
    fn from(Removal { removed, remaining }: Removal) -> Self {
        let remaining = remaining
            .into_iter()
            .map(|Remaining { leftover, message }| NativeRemaining { file: leftover.into(), message });
        Self {
            removed: removed.into_iter().map(NativePartFile::from).collect(),
            remaining: remaining.collect(),
        }
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let count = |since: Duration| i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -count(before.duration()), count)
}
