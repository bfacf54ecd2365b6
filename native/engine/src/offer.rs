//! What a sink's user is asked before anything of a session is written.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use hawser_protocol::handshake::SessionId;
use hawser_protocol::identity::PublicKey;

use crate::limits::{MAX_ACCEPTED, MAX_UNDECIDED, MAX_UNDECIDED_OF_ONE_PEER, MAX_UNDECIDED_OF_ONE_SOURCE};
use crate::listener::Holder;
use crate::session::call;
use crate::transfer::lock;
use crate::{EntryKind, Peer};

/// An entry as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedEntry {
    /// Relative to the target folder, `/`-separated, with what is not UTF-8 replaced. Not to be shown
    /// unescaped.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; 0 for the rest.
    pub size: u64,
}

/// How much is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// What becomes of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is received.
    Accept {
        /// The folder to write into, made if missing, in place of that of the job.
        directory: Option<PathBuf>,
        /// Paths of entries that are not wanted, nor what is in them; also such as have not been
        /// offered yet.
        drops: Vec<String>,
    },
    /// The session ends.
    Refuse {
        /// What the peer is told; cut to 512 bytes.
        told: String,
        /// What this side's user is told.
        reason: String,
        /// What [`Error::cause`](crate::Error::cause) of the session is to be.
        cause: Option<u32>,
    },
}

/// What a peer offers, until it is decided about. Clones are the same one.
#[derive(Clone)]
pub struct Offer(Arc<State>);

struct State {
    peer: Peer,
    totals: Totals,
    is_complete: bool,
    entries: Mutex<VecDeque<OfferedEntry>>,
    answer: Mutex<Answer>,
    decided: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Answer {
    verdict: Option<Verdict>,
    is_over: bool,
    waiting: Vec<Box<dyn FnOnce() + Send>>,
}

impl Offer {
    /// `decided` is called when there is a verdict.
    pub(crate) fn new(
        peer: Peer,
        entries: Vec<OfferedEntry>,
        is_complete: bool,
        decided: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let mut totals = Totals::default();
        for entry in &entries {
            match entry.kind {
                EntryKind::File => totals.files += 1,
                EntryKind::Folder => totals.folders += 1,
                EntryKind::Link | EntryKind::Other => totals.links += 1,
            }
            // The peer may say any size.
            totals.bytes = totals.bytes.saturating_add(entry.size);
        }
        Self(Arc::new(State {
            peer,
            totals,
            is_complete,
            entries: Mutex::new(entries.into()),
            answer: Mutex::default(),
            decided: Box::new(decided),
        }))
    }

    /// Who offers it.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// How much it is.
    pub fn totals(&self) -> Totals {
        self.0.totals
    }

    /// Whether that is all. If not, the manifest goes on, and it is at least that much.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete
    }

    /// The next entries of it, at most `max`, in the order offered. Those whose names cannot be used
    /// are not among them.
    pub fn take_entries(&self, max: usize) -> Vec<OfferedEntry> {
        let mut entries = lock(&self.0.entries);
        let count = entries.len().min(max);
        entries.drain(..count).collect()
    }

    /// Says what becomes of it. The first verdict stands, and none does once the session has ended.
    pub fn decide(&self, verdict: Verdict) {
        let mut answer = self.answer();
        if answer.is_over {
            return;
        }
        answer.verdict = Some(verdict);
        self.end(answer);
        (self.0.decided)();
    }

    /// Calls `over` once, when there is nothing to decide any more: there is a verdict, or the session
    /// has ended; at once when that is already so.
    pub fn on_over(&self, over: impl FnOnce() + Send + 'static) {
        let mut answer = self.answer();
        if answer.is_over {
            drop(answer);
            over();
        } else {
            answer.waiting.push(Box::new(over));
        }
    }

    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        self.answer().verdict.take()
    }

    /// The session has ended.
    pub(crate) fn withdraw(&self) {
        self.end(self.answer());
    }

    fn end(&self, mut answer: MutexGuard<'_, Answer>) {
        answer.is_over = true;
        let waiting = std::mem::take(&mut answer.waiting);
        drop(answer);
        lock(&self.0.entries).clear();
        waiting.into_iter().for_each(call);
    }

    fn is_over(&self) -> bool {
        self.answer().is_over
    }

    fn answer(&self) -> MutexGuard<'_, Answer> {
        lock(&self.0.answer)
    }
}

/// The offers of a listener's sessions, or of those of one dialled transfer, for whoever decides about
/// them. Clones are the same.
#[derive(Clone, Default)]
pub struct Offers(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    /// Offers that nobody has asked for yet.
    put: VecDeque<Offer>,
    asking: VecDeque<Box<dyn FnOnce(Option<Offer>) + Send>>,
    is_closed: bool,
    /// Whose sessions wait for an answer.
    undecided: Vec<Holder>,
    accepted: VecDeque<(SessionId, PublicKey, Accepted)>,
}

/// What was accepted of a session. One that takes its place is held to the same.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub directory: Option<PathBuf>,
    pub drops: Vec<String>,
    /// The hash of all that was offered; `None` when there was to be more, of whatever kind.
    pub digest: Option<[u8; 32]>,
}

impl Offers {
    /// Calls `next` once, with the next offer, or with `None` when there will be none.
    pub fn on_next(&self, next: impl FnOnce(Option<Offer>) + Send + 'static) {
        let mut queue = lock(&self.0);
        while queue.put.pop_front_if(|offer| offer.is_over()).is_some() {}
        if let Some(offer) = queue.put.pop_front() {
            drop(queue);
            next(Some(offer));
        } else if queue.is_closed {
            drop(queue);
            next(None);
        } else {
            queue.asking.push_back(Box::new(next));
        }
    }

    /// There are no sessions any more that could offer anything.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.0);
        queue.is_closed = true;
        let asking = std::mem::take(&mut queue.asking);
        drop(queue);
        asking.into_iter().for_each(|next| call(|| next(None)));
    }

    pub(crate) fn put(&self, offer: Offer) {
        let mut queue = lock(&self.0);
        if let Some(next) = queue.asking.pop_front() {
            drop(queue);
            next(Some(offer));
        } else {
            queue.put.push_back(offer);
        }
    }

    /// A place for one more session of `holder` that waits for an answer, if there is one.
    pub(crate) fn reserve(&self, holder: Holder) -> Option<Undecided> {
        let mut queue = lock(&self.0);
        let count =
            |theirs: &dyn Fn(&Holder) -> bool| queue.undecided.iter().filter(|held| theirs(held)).count();
        let of_peer = count(&|held| held.peer == holder.peer);
        let of_source = count(&|held| held.source.is_some() && held.source == holder.source);
        if queue.undecided.len() >= MAX_UNDECIDED
            || of_peer >= MAX_UNDECIDED_OF_ONE_PEER
            || of_source >= MAX_UNDECIDED_OF_ONE_SOURCE
        {
            return None;
        }
        queue.undecided.push(holder);
        Some(Undecided(self.clone(), holder))
    }

    /// Remembers what was accepted of a session.
    pub(crate) fn remember(&self, session: SessionId, peer: PublicKey, accepted: Accepted) {
        let mut queue = lock(&self.0);
        if queue.accepted.len() >= MAX_ACCEPTED {
            queue.accepted.pop_front();
        }
        queue.accepted.push_back((session, peer, accepted));
    }

    /// Session `next` of `peer` takes the place of `earlier`. Returns what was accepted of that: from
    /// now on it is remembered for `next`, for which there may be yet another before it is asked.
    pub(crate) fn go_on(&self, earlier: SessionId, next: SessionId, peer: PublicKey) -> Option<Accepted> {
        let mut queue = lock(&self.0);
        let known = queue.accepted.iter_mut().find(|known| (known.0, known.1) == (earlier, peer))?;
        known.0 = next;
        Some(known.2.clone())
    }

    /// Nothing takes the place of a session.
    pub(crate) fn forget(&self, session: SessionId) {
        lock(&self.0).accepted.retain(|(known, ..)| *known != session);
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Offers")
    }
}

/// A session that waits for an answer.
pub(crate) struct Undecided(Offers, Holder);

impl Drop for Undecided {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.0);
        if let Some(place) = queue.undecided.iter().position(|held| *held == self.1) {
            queue.undecided.swap_remove(place);
        }
    }
}
