//! A running transfer for JavaScript.

use std::time::Duration;

use hawser_engine::{
    DialOptions, EntryKind, Fate, Keep, Offer, Offers, Peer, Phase, Placed, Progress, Reason, Settled,
    Transfer, dial as engine_dial,
};
use napi::bindgen_prelude::{Either, Object};
use napi::{Env, Result};
use napi_derive::napi;

use crate::NativeFailure;
use crate::environment::environment;
use crate::offer::NativeOffer;
use crate::options::{NativeDialOptions, display_name, limit, milliseconds, number, parse_code};

/// A running transfer, on either side and in either direction.
#[napi]
pub struct NativeTransfer(Transfer, Option<Offers>);

#[napi]
impl NativeTransfer {
    /// Counters now; cheap enough to poll ten times a second.
    #[napi(catch_unwind)]
    pub fn progress(&self) -> NativeProgress {
        self.0.progress().into()
    }

    /// The peer, once the handshake is done.
    #[napi(catch_unwind)]
    pub fn peer(&self) -> Option<NativePeer> {
        self.0.peer().map(NativePeer::from)
    }

    /// Entries settled since the last call, at most `max`.
    #[napi(catch_unwind)]
    pub fn take_entries(&self, max: u32) -> Vec<NativeEntry> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        self.0.take_settled(max).into_iter().map(NativeEntry::from).collect()
    }

    /// Resolves once, when the transfer ended: null when the session completed, else why it did not.
    #[napi(ts_return_type = "Promise<NativeFailure | null>", catch_unwind)]
    pub fn finished<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.0.on_finished(move |outcome| {
            deferred.resolve(move |_| Ok(outcome.err().map(NativeFailure::from)));
        });
        Ok(promise)
    }

    /// The next offer to decide about, where this side has dialled and asks; null when there will be none.
    #[napi(ts_return_type = "Promise<NativeOffer | null>", catch_unwind)]
    pub fn next_offer<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let next = move |offer: Option<Offer>| deferred.resolve(move |_| Ok(offer.map(NativeOffer::from)));
        match &self.1 {
            Some(offers) => offers.on_next(next),
            None => next(None),
        }
        Ok(promise)
    }

    /// Limits it to so many bytes a second, or no longer. A bad limit comes back as a failure.
    #[napi(catch_unwind)]
    pub fn set_limit(&self, bytes_per_second: Option<i64>) -> Option<NativeFailure> {
        limit(bytes_per_second).map(|limit| self.0.set_limit(limit)).err().map(NativeFailure::from)
    }

    /// Ends the transfer now; finished() then resolves with code CANCELLED. Idempotent.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl From<Transfer> for NativeTransfer {
    fn from(transfer: Transfer) -> Self {
        Self(transfer, None)
    }
}

/// Dials the listener a ticket names and starts a transfer. A bad ticket comes back as a failure.
#[napi(catch_unwind)]
pub fn dial(env: Env, options: NativeDialOptions) -> Result<Either<NativeTransfer, NativeFailure>> {
    let environment = environment(&env)?;
    let options: std::result::Result<DialOptions, _> = options.try_into();
    let offers = options.as_ref().ok().and_then(|options| options.job.offers.clone());
    Ok(match options.and_then(engine_dial) {
        Ok(transfer) => {
            environment.scope.add_transfer(&transfer);
            Either::A(NativeTransfer(transfer, offers))
        }
        Err(error) => Either::B(error.into()),
    })
}

/// Null for a text that may be a code, or why it is none. Nobody is asked.
#[napi(catch_unwind)]
pub fn check_code(code: String) -> Option<NativeFailure> {
    parse_code(code).err().map(NativeFailure::from)
}

/// Which settled entries takeEntries() yields.
#[napi(string_enum = "lowercase")]
pub enum NativeKeep {
    /// Every one.
    All,
    /// Those that failed.
    Failed,
}

impl From<NativeKeep> for Keep {
    fn from(keep: NativeKeep) -> Self {
        match keep {
            NativeKeep::All => Self::All,
            NativeKeep::Failed => Self::Failed,
        }
    }
}

/// The other side of a session.
#[napi(object)]
pub struct NativePeer {
    /// host:port
    pub address: String,
    /// Its key, in base32.
    pub public_key: String,
    /// A short form of its key.
    pub fingerprint: String,
    /// What it calls itself, proven by nothing.
    pub name: String,
}

impl From<Peer> for NativePeer {
    fn from(peer: Peer) -> Self {
        Self {
            address: peer.address.to_string(),
            public_key: peer.key.to_string(),
            fingerprint: peer.key.fingerprint(),
            name: peer.label,
        }
    }
}

/// Where a transfer is in its life.
#[napi(string_enum = "lowercase")]
pub enum NativeState {
    /// Dialling and proving.
    Connecting,
    /// A session is open.
    Running,
    /// Its session was lost, and it tries to open another.
    Reconnecting,
    /// It has ended, well or not.
    Ended,
}

/// A session was lost, and there is no other yet.
#[napi(object)]
pub struct NativeOutage {
    /// The attempt under way to open another, or about to be: 1 is the first.
    pub attempt: i64,
    /// Milliseconds since the loss.
    pub elapsed_ms: i64,
    /// After so many milliseconds since the loss it is given up; Infinity: never.
    pub retry_ms: f64,
    /// What it was lost by, or what the last attempt failed by, for people.
    pub reason: String,
}

/// Counters of a transfer at one moment.
#[napi(object)]
pub struct NativeProgress {
    pub state: NativeState,
    /// Whether the sink has begun to take what is offered.
    pub accepted: bool,
    /// Whether the walk of the source is still finding entries.
    pub walking: bool,
    /// Files found so far.
    pub files_total: i64,
    /// Files settled: delivered, already there, or failed.
    pub files_done: i64,
    /// Folders and links settled.
    pub others_done: i64,
    /// Entries of any kind that failed.
    pub failed: i64,
    /// Bytes of the files found so far.
    pub bytes_total: i64,
    /// Bytes moved, and those of files found already there.
    pub bytes_done: i64,
    /// Bytes of files that have crossed the line, in all sessions: never goes back.
    pub bytes_moved: i64,
    /// Of those done, bytes of unfinished files that were there from an earlier session.
    pub bytes_resumed: i64,
    /// Files of which something was there from an earlier session that was of no use any more.
    pub restarted: i64,
    /// Files transferred and in their place.
    pub files_delivered: i64,
    /// Bytes of files transferred and in their place.
    pub bytes_delivered: i64,
    /// Entries of any kind that got another name, because something different had theirs.
    pub renamed: i64,
    /// Files found already there.
    pub files_present: i64,
    /// Bytes of files found already there.
    pub bytes_present: i64,
    /// Live connections.
    pub lanes: i64,
    /// Milliseconds since the first session began, up to the end.
    pub elapsed_ms: i64,
    /// Sessions that took the place of a lost one.
    pub reconnects: i64,
    /// While the state is "reconnecting".
    pub outage: Option<NativeOutage>,
}

impl From<Progress> for NativeProgress {
    fn from(progress: Progress) -> Self {
        Self {
            state: match progress.phase {
                Phase::Connecting => NativeState::Connecting,
                Phase::Running => NativeState::Running,
                Phase::Reconnecting => NativeState::Reconnecting,
                Phase::Ended => NativeState::Ended,
            },
            accepted: progress.accepted,
            walking: progress.walking,
            files_total: number(progress.files_total),
            files_done: number(progress.files_done),
            others_done: number(progress.others_done),
            failed: number(progress.failed),
            bytes_total: number(progress.bytes_total),
            bytes_done: number(progress.bytes_done),
            bytes_moved: number(progress.bytes_moved),
            bytes_resumed: number(progress.bytes_resumed),
            restarted: number(progress.restarted),
            files_delivered: number(progress.files_delivered),
            bytes_delivered: number(progress.bytes_delivered),
            renamed: number(progress.renamed),
            files_present: number(progress.files_present),
            bytes_present: number(progress.bytes_present),
            lanes: number(progress.lanes),
            elapsed_ms: number(progress.elapsed_ms),
            reconnects: number(progress.reconnects),
            outage: progress.outage.map(|outage| NativeOutage {
                attempt: number(outage.attempt),
                elapsed_ms: milliseconds(outage.elapsed()),
                retry_ms: match outage.allowed {
                    Duration::MAX => f64::INFINITY,
                    allowed => allowed.as_secs_f64() * 1000.0,
                },
                reason: outage.reason,
            }),
        }
    }
}

/// What an entry is.
#[napi(string_enum = "lowercase")]
pub enum NativeKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Something else, which was not sent.
    Other,
}

impl From<EntryKind> for NativeKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => Self::File,
            EntryKind::Folder => Self::Folder,
            EntryKind::Link => Self::Link,
            EntryKind::Other => Self::Other,
        }
    }
}

/// How an entry ended.
#[napi(string_enum = "lowercase")]
pub enum NativeFate {
    /// It was transferred and is in its place.
    Delivered,
    /// It was already there, the same.
    Present,
    /// It is not there.
    Failed,
}

/// What became of one entry.
#[napi(object)]
pub struct NativeEntry {
    /// Relative to the target folder, "/"-separated, invalid UTF-8 replaced.
    pub path: String,
    pub kind: NativeKind,
    /// Bytes of a file, 0 for the rest.
    pub size: i64,
    pub fate: NativeFate,
    /// The name it was given instead, when its own was taken.
    pub renamed_to: Option<String>,
    /// BLAKE3 of what was transferred, lower-case hex.
    pub hash: Option<String>,
    /// Why it failed, for programs.
    pub code: Option<String>,
    /// Why it failed, for people.
    pub message: Option<String>,
}

impl From<Settled> for NativeEntry {
    fn from(entry: Settled) -> Self {
        let reason = entry.reason();
        let hash = entry.hash().map(|hash| hash.to_string());
        let (fate, renamed_to) = match entry.fate {
            Fate::Failed(_) => (NativeFate::Failed, None),
            Fate::Placed(Placed::Present, _) => (NativeFate::Present, None),
            Fate::Placed(Placed::AsNamed, _) => (NativeFate::Delivered, None),
            Fate::Placed(Placed::Renamed(name), _) => {
                (NativeFate::Delivered, Some(display_name(name.as_bytes())))
            }
        };
        Self {
            path: entry.path,
            kind: entry.kind.into(),
            size: number(entry.size),
            fate,
            renamed_to,
            hash,
            code: reason.map(|reason| reason_code(reason).to_string()),
            message: reason.map(|reason| reason.to_string()),
        }
    }
}

fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::SourceGone => "SOURCE_GONE",
        Reason::SourceChanged => "SOURCE_CHANGED",
        Reason::SourceUnreadable => "SOURCE_UNREADABLE",
        Reason::UnsupportedType => "UNSUPPORTED_TYPE",
        Reason::LinkOutside => "LINK_OUTSIDE",
        Reason::NameRefused => "NAME_REFUSED",
        Reason::ParentFailed => "PARENT_FAILED",
        Reason::PermissionDenied => "PERMISSION_DENIED",
        Reason::DiskFull => "DISK_FULL",
        Reason::Io => "IO",
        Reason::Integrity => "INTEGRITY",
        Reason::TooDeep => "TOO_DEEP",
        Reason::Declined => "DECLINED",
        Reason::Quota => "QUOTA",
        Reason::OtherDisk => "OTHER_DISK",
        Reason::NoInodes => "NO_INODES",
        Reason::ReadOnly => "READ_ONLY",
        Reason::TargetGone => "TARGET_GONE",
    }
}
