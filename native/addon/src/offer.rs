//! What a user is asked before anything is written, for JavaScript.

use hawser_engine::{Offer, OfferedEntry, Verdict};
use napi::bindgen_prelude::{Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

use crate::NativeFailure;
use crate::options::{number, path};
use crate::transfer::{NativeKind, NativePeer};

/// What a peer offers, until it is decided about.
#[napi]
pub struct NativeOffer(Offer);

#[napi]
impl NativeOffer {
    /// Who offers it, and how much.
    #[napi(catch_unwind)]
    pub fn summary(&self) -> NativeOfferSummary {
        let totals = self.0.totals();
        NativeOfferSummary {
            peer: self.0.peer().clone().into(),
            files: number(totals.files),
            folders: number(totals.folders),
            links: number(totals.links),
            bytes: number(totals.bytes),
            complete: self.0.is_complete(),
        }
    }

    /// The next entries, at most `max`.
    #[napi(catch_unwind)]
    pub fn take_entries(&self, max: u32) -> Vec<NativeOfferedEntry> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        self.0.take_entries(max).into_iter().map(NativeOfferedEntry::from).collect()
    }

    /// Accepts it, but for these paths; into this folder, or that of the job. A bad path comes back
    /// as a failure. The first decision stands.
    #[napi(catch_unwind)]
    pub fn accept(&self, directory: Option<Uint8Array>, drops: Vec<String>) -> Option<NativeFailure> {
        let directory = directory.map(|directory| path(&directory)).transpose();
        let accept = |directory| self.0.decide(Verdict::Accept { directory, drops });
        directory.map(accept).err().map(NativeFailure::from)
    }

    /// Refuses it. The peer is told one thing, and this side's user another; the failure of the transfer has the cause.
    #[napi(catch_unwind)]
    pub fn refuse(&self, told: String, reason: String, cause: Option<u32>) {
        self.0.decide(Verdict::Refuse { told, reason, cause });
    }

    /// Resolves when there is nothing to decide any more.
    #[napi(ts_return_type = "Promise<void>", catch_unwind)]
    pub fn over<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_over(move || deferred.resolve(move |_| Ok(())));
        Ok(promise)
    }
}

impl From<Offer> for NativeOffer {
    fn from(offer: Offer) -> Self {
        Self(offer)
    }
}

/// Who offers something, and how much.
#[napi(object)]
pub struct NativeOfferSummary {
    pub peer: NativePeer,
    pub files: i64,
    pub folders: i64,
    pub links: i64,
    /// Bytes of the files.
    pub bytes: i64,
    /// Whether that is all; if not, it is at least that much.
    pub complete: bool,
}

/// An entry as it is offered.
#[napi(object)]
pub struct NativeOfferedEntry {
    /// Relative to the target folder, "/"-separated, invalid UTF-8 replaced.
    pub path: String,
    pub kind: NativeKind,
    /// Bytes of a file, 0 for the rest.
    pub size: i64,
}

impl From<OfferedEntry> for NativeOfferedEntry {
    fn from(entry: OfferedEntry) -> Self {
        Self { path: entry.path, kind: entry.kind.into(), size: number(entry.size) }
    }
}
