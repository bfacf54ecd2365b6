//! A sink that asks its user before it writes anything: what it gathers until then.
//!
//! The question is about the manifest itself, never about what a peer says of it. As long as nothing
//! is answered, the source may offer as many entries as may be unsettled: either that is all, or it is so much.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hawser_protocol::frame::FrameType;
use hawser_protocol::handshake::SessionId;
use hawser_protocol::hello::Window;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::manifest::{Entry, EntryId, Kind};
use hawser_protocol::receiver::ReceiverEvent;

use crate::limits::{MAX_UNDECIDED_BYTES, OFFER_QUIET, OFFER_WITHIN};
use crate::offer::{Accepted, Offer, OfferedEntry, Offers, Undecided, Verdict};
use crate::session::{Awaited, Session};
use crate::sink_side::SinkSide;
use crate::transfer::lock;
use crate::{EntryKind, Error};

/// How long to sleep at most; waking early is harmless.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Asking {
    offers: Offers,
    id: SessionId,
    peer: PublicKey,
    /// As long as nothing is answered, the source may offer so many entries.
    window: Window,
    gathered: Mutex<Gathered>,
    /// There is an answer.
    answered: Condvar,
    /// `None` where no others could want it, or when there is an answer.
    place: Mutex<Option<Undecided>>,
}

struct Gathered {
    /// What is to be done about all that came, in order.
    events: Vec<ReceiverEvent>,
    /// Paths of folders that the source has not left.
    folders: HashMap<EntryId, String>,
    entries: Vec<OfferedEntry>,
    /// Entries of any kind and name: nothing is settled yet, so the source may offer so many.
    offered: u32,
    /// Of paths, names and targets.
    bytes: usize,
    /// When it began.
    begun: Instant,
    /// When the last of it came that there is to show.
    last: Instant,
    /// It is all there is.
    is_complete: bool,
    /// The source waits for answers.
    is_full: bool,
    /// What was accepted of the session that this one takes the place of.
    earlier: Option<Accepted>,
    /// There is an answer, or there will be none.
    is_over: bool,
}

/// Whether to go on gathering.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Gathering,
    /// It is to be asked about, or needs no asking.
    Ready,
    /// There is nothing to ask about, and nothing comes.
    Idle,
}

impl Asking {
    /// `place` is what others may be waiting for, if there are any; `earlier` is the session that this side,
    /// if it has dialled, goes on with.
    pub fn new(
        offers: Offers,
        place: Option<Undecided>,
        id: SessionId,
        peer: PublicKey,
        earlier: Option<SessionId>,
        window: Window,
    ) -> Self {
        let earlier = earlier.and_then(|earlier| offers.go_on(earlier, id, peer));
        let gathered = Mutex::new(Gathered { earlier, ..Gathered::new(Instant::now()) });
        let (answered, place) = (Condvar::new(), Mutex::new(place));
        Self { offers, id, peer, window, gathered, answered, place }
    }

    /// Keeps what a frame of the source meant.
    pub fn gather(&self, session: &Session<SinkSide>, kind: FrameType, events: Vec<ReceiverEvent>) {
        let mut gathered = lock(&self.gathered);
        if let Some(ReceiverEvent::Hello(hello)) = events.first() {
            let earlier = hello.continues.filter(|earlier| *earlier != self.id);
            let known = earlier.and_then(|earlier| self.offers.go_on(earlier, self.id, self.peer));
            gathered.earlier = known.or(gathered.earlier.take());
        }
        gathered.add_all(events, Instant::now());
        gathered.is_complete |= kind == FrameType::ManifestEnd;
        gathered.is_full |= gathered.offered >= self.window.entries() || gathered.bytes > MAX_UNDECIDED_BYTES;
        drop(gathered);
        session.leave_work();
        let gathered = lock(&self.gathered);
        let too_much = |gathered: &mut Gathered| gathered.bytes > MAX_UNDECIDED_BYTES && !gathered.is_over;
        drop(self.answered.wait_while(gathered, too_much).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until there is an answer; `None` when the session has ended.
    pub fn ask(&self, session: &Arc<Session<SinkSide>>) -> Option<Accepted> {
        let _over = Over(self);
        loop {
            match lock(&self.gathered).standing(Instant::now()) {
                Standing::Ready => break,
                // Others may have more to say.
                Standing::Idle if lock(&self.place).is_some() => session.end(Err(Error::Parked)),
                Standing::Idle | Standing::Gathering => {}
            }
            let mut state = session.state();
            if state.is_ended() {
                return None;
            }
            if !std::mem::take(&mut state.has_work) {
                drop(session.wait(Awaited::Left, state, OFFER_QUIET));
            }
        }
        let (entries, digest, earlier) = lock(&self.gathered).take_offer();
        if let Some(earlier) = earlier {
            if earlier.digest.is_none() || earlier.digest == digest {
                return Some(earlier);
            }
            self.offers.forget(self.id);
        }
        let wake = Arc::downgrade(session);
        let decided = move || {
            if let Some(session) = wake.upgrade() {
                session.leave_work();
            }
        };
        let offer = Offer::new(session.transfer.peer()?, entries, digest.is_some(), decided);
        self.offers.put(offer.clone());
        match wait_for_verdict(session, &offer)? {
            Verdict::Accept { directory, drops } => {
                let accepted = Accepted { directory, drops, digest };
                self.offers.remember(self.id, self.peer, accepted.clone());
                Some(accepted)
            }
            Verdict::Refuse { told, reason, cause } => {
                session.end(Err(Error::Declined { told, reason, cause }));
                None
            }
        }
    }

    /// All that was gathered. Nothing is, from now on.
    pub fn take(&self) -> Vec<ReceiverEvent> {
        let mut gathered = lock(&self.gathered);
        let kept = Gathered { is_over: true, ..Gathered::new(Instant::now()) };
        std::mem::replace(&mut *gathered, kept).events
    }

    /// No session takes the place of this one.
    pub fn forget(&self) {
        self.offers.forget(self.id);
    }

    fn end(&self) {
        lock(&self.gathered).is_over = true;
        self.answered.notify_all();
        lock(&self.place).take();
    }
}

/// However asking ends, whoever waits for it goes on.
struct Over<'a>(&'a Asking);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn wait_for_verdict(session: &Session<SinkSide>, offer: &Offer) -> Option<Verdict> {
    loop {
        let mut state = session.state();
        if state.is_ended() {
            drop(state);
            offer.withdraw();
            return None;
        }
        if let Some(verdict) = offer.take_verdict() {
            return Some(verdict);
        }
        if !std::mem::take(&mut state.has_work) {
            drop(session.wait(Awaited::Left, state, PATIENCE));
        }
    }
}

impl Gathered {
    fn new(now: Instant) -> Self {
        Self {
            events: Vec::new(),
            folders: HashMap::new(),
            entries: Vec::new(),
            offered: 0,
            bytes: 0,
            begun: now,
            last: now,
            is_complete: false,
            is_full: false,
            earlier: None,
            is_over: false,
        }
    }

    fn standing(&self, now: Instant) -> Standing {
        // Where whatever came was accepted, nothing need be looked at.
        let accepts_all = self.earlier.as_ref().is_some_and(|earlier| earlier.digest.is_none());
        if self.is_complete || self.is_full || accepts_all {
            return Standing::Ready;
        }
        let is_quiet = now.duration_since(self.last) >= OFFER_QUIET;
        match self.entries.is_empty() {
            true if is_quiet => Standing::Idle,
            false if is_quiet || now.duration_since(self.begun) >= OFFER_WITHIN => Standing::Ready,
            _ => Standing::Gathering,
        }
    }

    fn add_all(&mut self, events: Vec<ReceiverEvent>, now: Instant) {
        let shown = self.entries.len();
        events.into_iter().for_each(|event| self.add(event));
        if self.entries.len() > shown {
            self.last = now;
        }
    }

    fn add(&mut self, event: ReceiverEvent) {
        match &event {
            ReceiverEvent::Offered(id, entry) => {
                self.offered += 1;
                self.add_entry(*id, entry);
            }
            ReceiverEvent::Refused { name, .. } => {
                self.offered += 1;
                self.bytes += name.len();
            }
            ReceiverEvent::Left(folder) => drop(self.folders.remove(folder)),
            _ => {}
        }
        self.events.push(event);
    }

    fn add_entry(&mut self, id: EntryId, entry: &Entry) {
        // All of it is kept, whatever is shown of it.
        self.bytes += entry.name.as_bytes().len();
        if let Kind::Link { target } = &entry.kind {
            self.bytes += target.as_bytes().len();
        }
        let name = String::from_utf8_lossy(entry.name.as_bytes());
        let path = match self.folders.get(&entry.parent) {
            Some(folder) => format!("{folder}/{name}"),
            None if entry.parent == EntryId::ROOT => name.into_owned(),
            // In a folder that is refused for its name, and with it whatever is in it.
            None => return,
        };
        self.bytes += path.len();
        let (kind, size) = match &entry.kind {
            Kind::File { size } => (EntryKind::File, *size),
            Kind::Folder => (EntryKind::Folder, 0),
            Kind::Link { .. } => (EntryKind::Link, 0),
        };
        if kind == EntryKind::Folder {
            self.folders.insert(id, path.clone());
        }
        self.entries.push(OfferedEntry { path, kind, size });
    }

    /// What there is to ask about, the hash of it if it is all, and what was accepted before.
    fn take_offer(&mut self) -> (Vec<OfferedEntry>, Option<[u8; 32]>, Option<Accepted>) {
        let entries = std::mem::take(&mut self.entries);
        let digest = self.is_complete.then(|| digest(&entries));
        (entries, digest, self.earlier.take())
    }
}

/// A hash of what a user is shown of entries, in whatever order they came.
fn digest(entries: &[OfferedEntry]) -> [u8; 32] {
    let mut each: Vec<_> = entries
        .iter()
        .map(|entry| {
            let kind = entry.kind as u8;
            let path = entry.path.as_bytes();
            *blake3::Hasher::new()
                .update(&[kind])
                .update(&entry.size.to_be_bytes())
                .update(path)
                .finalize()
                .as_bytes()
        })
        .collect();
    each.sort_unstable();
    *blake3::hash(each.as_flattened()).as_bytes()
}

#[cfg(test)]
mod tests;
