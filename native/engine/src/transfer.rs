//! A transfer as its user sees it: counters, settled entries, an end, and a way to stop it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hawser_protocol::message::Placed;
use hawser_protocol::sender::Fate;

use crate::pace::{Limit, Paces};
use crate::{EntryKind, Error, Settled};

/// The other side of a session.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// A short form of its key.
    pub fingerprint: String,
    /// What it calls itself, proven by nothing. Not to be shown unescaped.
    pub label: String,
}

/// Where a transfer is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Dialling and proving.
    Connecting,
    /// A session is open.
    Running,
    /// It has ended, well or not.
    Ended,
}

/// Which settled entries are kept for [`Transfer::take_settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every one: memory grows with the tree until they are taken.
    All,
    /// Those that failed, but no more than [`MAX_FAILED_KEPT`] at a time.
    Failed,
}

/// Failed entries that are kept when only those are: a full disk, or a peer that means no good, can
/// make millions. [`Progress::failed`] counts all.
pub const MAX_FAILED_KEPT: usize = 10_000;

/// Counters of a transfer at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether the source may still find entries.
    pub walking: bool,
    /// Files offered so far.
    pub files_total: u64,
    /// Files settled: delivered, already there, or failed.
    pub files_done: u64,
    /// Folders and links settled.
    pub others_done: u64,
    /// Entries of any kind that failed.
    pub failed: u64,
    /// Bytes of the files offered so far.
    pub bytes_total: u64,
    /// Bytes that the sink has dealt with, and those of files found already there.
    pub bytes_done: u64,
    /// Of those, what the sink had of unfinished files from earlier sessions.
    pub bytes_resumed: u64,
    /// Bytes that have crossed the line, however often they did.
    pub bytes_moved: u64,
    /// Files of which the sink had something from an earlier session that was of no use any more.
    pub started_over: u64,
    /// Files transferred and in their place.
    pub files_delivered: u64,
    /// Bytes of files transferred and in their place.
    pub bytes_delivered: u64,
    /// Entries of any kind that got another name, because something different had theirs.
    pub renamed: u64,
    /// Files found already there.
    pub files_present: u64,
    /// Bytes of files found already there.
    pub bytes_present: u64,
    /// Live lanes.
    pub lanes: u64,
    /// Milliseconds since the session opened, up to its end.
    pub elapsed_ms: u64,
}

#[derive(Debug, Default)]
struct Counters {
    walked: AtomicBool,
    files_total: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    /// Of those, what has crossed the line.
    moved: AtomicU64,
    resumed: AtomicU64,
    started_over: AtomicU64,
    lanes: AtomicU64,
    files_done: AtomicU64,
    others_done: AtomicU64,
    failed: AtomicU64,
    renamed: AtomicU64,
    files_delivered: AtomicU64,
    bytes_delivered: AtomicU64,
    files_present: AtomicU64,
    bytes_present: AtomicU64,
}

type Finished = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Hook = Box<dyn FnOnce() + Send>;

/// A handle to a running or ended transfer. Clones are the same transfer; dropping one does not
/// stop it.
#[derive(Clone)]
pub struct Transfer(Arc<State>);

struct State {
    keep: Keep,
    paces: Arc<Paces>,
    counters: Counters,
    phase: AtomicU8,
    peer: Mutex<Option<Peer>>,
    settled: Mutex<VecDeque<Settled>>,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    opened: Option<Instant>,
    elapsed_ms: u64,
    cancelled: bool,
    stop: Option<Hook>,
    introduced: bool,
    on_introduced: Option<Hook>,
    outcome: Option<Result<(), Error>>,
    waiting: Vec<Finished>,
}

impl Transfer {
    pub(crate) fn new(keep: Keep, paces: Paces) -> Self {
        Self(Arc::new(State {
            keep,
            paces: Arc::new(paces),
            counters: Counters::default(),
            phase: AtomicU8::new(Phase::Connecting as u8),
            peer: Mutex::default(),
            settled: Mutex::default(),
            life: Mutex::default(),
        }))
    }

    /// The counters now. Cheap: no lock that a lane holds for longer than a few instructions.
    pub fn progress(&self) -> Progress {
        let counters = &self.0.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let life = self.life();
        let elapsed_ms = match (life.outcome.is_some(), life.opened) {
            (false, Some(opened)) => elapsed_ms(opened),
            _ => life.elapsed_ms,
        };
        Progress {
            phase: self.phase(),
            walking: !counters.walked.load(Ordering::Relaxed),
            files_total: load(&counters.files_total),
            files_done: load(&counters.files_done),
            others_done: load(&counters.others_done),
            failed: load(&counters.failed),
            bytes_total: load(&counters.bytes_total),
            bytes_done: load(&counters.bytes_done),
            bytes_resumed: load(&counters.resumed),
            bytes_moved: load(&counters.moved),
            started_over: load(&counters.started_over),
            files_delivered: load(&counters.files_delivered),
            bytes_delivered: load(&counters.bytes_delivered),
            renamed: load(&counters.renamed),
            files_present: load(&counters.files_present),
            bytes_present: load(&counters.bytes_present),
            lanes: load(&counters.lanes),
            elapsed_ms,
        }
    }

    /// The peer, once it has proven and introduced itself.
    pub fn peer(&self) -> Option<Peer> {
        let introduced = {
            let life = self.life();
            life.introduced || life.outcome.is_some()
        };
        lock(&self.0.peer).clone().filter(|_| introduced)
    }

    /// Entries settled since the last call, at most `max`, oldest first.
    pub fn take_settled(&self, max: usize) -> Vec<Settled> {
        let mut settled = lock(&self.0.settled);
        let count = settled.len().min(max);
        settled.drain(..count).collect()
    }

    /// Calls `finished` once, from some thread, when the transfer has ended and none of its
    /// threads, sockets or files is left; at once when that is already so.
    pub fn on_finished(&self, finished: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let mut life = self.life();
        match life.outcome.clone() {
            Some(outcome) => {
                drop(life);
                finished(outcome);
            }
            None => life.waiting.push(Box::new(finished)),
        }
    }

    /// Changes how fast it may go, in both directions together, from now on; `None` lifts the limit.
    /// The limit of its listener holds as well.
    pub fn set_limit(&self, limit: Option<Limit>) {
        self.0.paces.set_limit(limit);
    }

    /// What its lanes are held to.
    pub(crate) fn paces(&self) -> &Arc<Paces> {
        &self.0.paces
    }

    /// Stops the transfer: it ends with [`Error::Cancelled`] unless it has ended already.
    pub fn cancel(&self) {
        let mut life = self.life();
        life.cancelled = true;
        let stop = life.stop.take();
        drop(life);
        if let Some(stop) = stop {
            stop();
        }
    }

    /// What [`Transfer::cancel`] does from now on; done at once if it was called before.
    pub(crate) fn on_cancel(&self, stop: impl FnOnce() + Send + 'static) {
        let mut life = self.life();
        if life.cancelled {
            drop(life);
            stop();
        } else {
            life.stop = Some(Box::new(stop));
        }
    }

    /// The source has found all there is.
    pub(crate) fn set_walked(&self) {
        self.0.counters.walked.store(true, Ordering::Relaxed);
    }

    /// Another file was offered.
    pub(crate) fn count_file(&self, bytes: u64) {
        self.0.counters.files_total.fetch_add(1, Ordering::Relaxed);
        self.0.counters.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes have arrived.
    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.0.counters.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.0.counters.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of a file are there from an earlier session.
    pub(crate) fn count_resumed(&self, bytes: u64) {
        self.0.counters.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.0.counters.resumed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What there was of a file is of no use.
    pub(crate) fn start_over(&self) {
        self.0.counters.started_over.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that were counted are to be sent again.
    pub(crate) fn lack(&self, bytes: u64) {
        let less = |count: u64| Some(count.saturating_sub(bytes));
        for counter in [&self.0.counters.bytes_done, &self.0.counters.resumed] {
            // It never refuses.
            let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Bytes that have arrived, without those of files found already there.
    pub(crate) fn moved(&self) -> u64 {
        self.0.counters.moved.load(Ordering::Relaxed)
    }

    /// So many lanes are live now.
    pub(crate) fn count_lanes(&self, lanes: usize) {
        self.0.counters.lanes.store(lanes.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The session is open.
    pub(crate) fn open(&self, peer: Peer) {
        *lock(&self.0.peer) = Some(peer);
        self.life().opened = Some(Instant::now());
        self.0.phase.store(Phase::Running as u8, Ordering::Relaxed);
    }

    /// The peer has said what it calls itself.
    pub(crate) fn introduce(&self, label: String) {
        if let Some(peer) = lock(&self.0.peer).as_mut() {
            peer.label = label;
        }
        let introduced = {
            let mut life = self.life();
            life.introduced = true;
            life.on_introduced.take()
        };
        if let Some(introduced) = introduced {
            introduced();
        }
    }

    /// Calls `introduced` once, when the peer has introduced itself or the transfer has ended
    /// without that. To be called before the session starts.
    pub(crate) fn on_introduced(&self, introduced: impl FnOnce() + Send + 'static) {
        self.life().on_introduced = Some(Box::new(introduced));
    }

    /// Counts an entry as settled, and keeps it for the report.
    pub(crate) fn settle(&self, entry: Settled) {
        let counters = &self.0.counters;
        let add = |counter: &AtomicU64, value: u64| counter.fetch_add(value, Ordering::Relaxed);
        let file = entry.kind == EntryKind::File;
        if matches!(entry.fate, Fate::Placed(Placed::Renamed(_), _)) {
            add(&counters.renamed, 1);
        }
        add(if file { &counters.files_done } else { &counters.others_done }, 1);
        match &entry.fate {
            Fate::Failed(_) => {
                add(&counters.failed, 1);
            }
            Fate::Placed(Placed::Present, transferred) if file => {
                add(&counters.files_present, 1);
                add(&counters.bytes_present, entry.size);
                if transferred.is_none() {
                    add(&counters.bytes_done, entry.size);
                }
            }
            Fate::Placed(..) if file => {
                add(&counters.files_delivered, 1);
                add(&counters.bytes_delivered, entry.size);
            }
            Fate::Placed(..) => {}
        }
        let mut settled = lock(&self.0.settled);
        let keep = match self.0.keep {
            Keep::All => true,
            Keep::Failed => matches!(entry.fate, Fate::Failed(_)) && settled.len() < MAX_FAILED_KEPT,
        };
        if keep {
            settled.push_back(entry);
        }
    }

    /// The transfer has ended and nothing of it is left.
    pub(crate) fn finish(&self, outcome: Result<(), Error>) {
        let mut life = self.life();
        if let Some(opened) = life.opened {
            life.elapsed_ms = elapsed_ms(opened);
        }
        life.stop = None;
        life.outcome = Some(outcome.clone());
        let introduced = life.on_introduced.take();
        let waiting = std::mem::take(&mut life.waiting);
        drop(life);
        self.0.phase.store(Phase::Ended as u8, Ordering::Relaxed);
        if let Some(introduced) = introduced {
            introduced();
        }
        waiting.into_iter().for_each(|finished| finished(outcome.clone()));
    }

    fn phase(&self) -> Phase {
        let phase = self.0.phase.load(Ordering::Relaxed);
        [Phase::Connecting, Phase::Running].into_iter().find(|p| *p as u8 == phase).unwrap_or(Phase::Ended)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        lock(&self.0.life)
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Locks; a thread that panicked with the lock has ended its own session, not this one's.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
