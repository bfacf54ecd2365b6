//! A transfer as its user sees it: counters, settled entries, an end, and a way to stop it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hawser_protocol::error::ContentHash;
use hawser_protocol::handshake::SessionId;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::sender::Fate;

use crate::pace::{Limit, Paces};
use crate::progress::{Counters, Phase, Progress};
use crate::retry::Outage;
use crate::session::call;
use crate::settled::Report;
use crate::{Error, Keep, Settled};

/// The other side of a session.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Its key, which it has proven.
    pub key: PublicKey,
    /// What it calls itself, proven by nothing. Not to be shown unescaped.
    pub label: String,
}

type Finished = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Stop = Box<dyn FnOnce(Error) + Send>;
type Vet = Box<dyn FnOnce(&str) -> Result<(), Error> + Send>;
type Introduced = Box<dyn FnOnce(Option<SessionId>) + Send>;

/// A handle to a running or ended transfer. Clones are the same transfer; dropping one does not
/// stop it.
#[derive(Clone)]
pub struct Transfer(Arc<State>);

struct State {
    paces: Arc<Paces>,
    counters: Counters,
    peer: Mutex<Option<Peer>>,
    report: Mutex<Report>,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    opened: Option<Instant>,
    elapsed_ms: u64,
    /// Sessions that were opened.
    sessions: u64,
    outage: Option<Outage>,
    /// Why it was stopped, if it was.
    stopped: Option<Error>,
    stop: Option<Stop>,
    /// Whether a peer that calls itself so is refused.
    vet: Option<Vet>,
    introduced: bool,
    /// It was complete, and its peer may not know.
    unheard: bool,
    /// Its user has not said yet whether it is wanted.
    undecided: bool,
    on_introduced: Option<Introduced>,
    outcome: Option<Result<(), Error>>,
    waiting: Vec<Finished>,
}

impl Life {
    fn phase(&self) -> Phase {
        if self.outcome.is_some() {
            Phase::Ended
        } else if self.outage.is_some() {
            Phase::Reconnecting
        } else if self.opened.is_some() {
            Phase::Running
        } else {
            Phase::Connecting
        }
    }
}

impl Transfer {
    pub(crate) fn new(keep: Keep, paces: Paces) -> Self {
        Self(Arc::new(State {
            paces: Arc::new(paces),
            counters: Counters::default(),
            peer: Mutex::default(),
            report: Mutex::new(Report::new(keep)),
            life: Mutex::default(),
        }))
    }

    /// The counters now. Cheap: no lock that a lane holds for longer than a few instructions.
    pub fn progress(&self) -> Progress {
        let life = self.life();
        let elapsed_ms = match (life.outcome.is_some(), life.opened) {
            (false, Some(opened)) => elapsed_ms(opened),
            _ => life.elapsed_ms,
        };
        let reconnects = life.sessions.saturating_sub(1);
        let outage = life.outage.clone().filter(|_| life.outcome.is_none());
        self.0.counters.read(life.phase(), elapsed_ms, reconnects, outage)
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
        lock(&self.0.report).take(max)
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
        self.stop(Error::Cancelled);
    }

    /// Stops the transfer for a while: it ends with [`Error::Parked`] unless it has ended already,
    /// and a peer that dialled may try again.
    pub fn park(&self) {
        self.stop(Error::Parked);
    }

    /// [`Transfer::park`], if its user has not said yet whether it is wanted.
    pub(crate) fn park_if_undecided(&self) {
        let undecided = self.life().undecided;
        if undecided {
            self.park();
        }
    }

    /// Whether its user is still to say whether it is wanted.
    pub(crate) fn set_undecided(&self, undecided: bool) {
        self.life().undecided = undecided;
    }

    fn stop(&self, why: Error) {
        let mut life = self.life();
        life.stopped.get_or_insert_with(|| why.clone());
        let stop = life.stop.take();
        drop(life);
        if let Some(stop) = stop {
            stop(why);
        }
    }

    /// What stopping the transfer does from now on; done at once if it was stopped before.
    pub(crate) fn on_stop(&self, stop: impl FnOnce(Error) + Send + 'static) {
        let mut life = self.life();
        if let Some(why) = life.stopped.clone() {
            drop(life);
            stop(why);
        } else {
            life.stop = Some(Box::new(stop));
        }
    }

    /// The sink takes what is offered.
    pub(crate) fn set_accepted(&self) {
        self.0.counters.set_accepted();
    }

    /// The source has found all there is.
    pub(crate) fn set_walked(&self) {
        self.0.counters.set_walked();
    }

    /// Another file was offered.
    pub(crate) fn count_file(&self, bytes: u64) {
        self.0.counters.count_file(bytes);
    }

    /// Bytes have arrived.
    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.0.counters.count_bytes(bytes);
    }

    /// Bytes of a file are there from an earlier session.
    pub(crate) fn count_resumed(&self, id: EntryId, bytes: u64) {
        self.0.counters.count_resumed(id, bytes);
    }

    /// A file, of which something may be there from an earlier session, is settled.
    pub(crate) fn settle_resumed(&self, id: EntryId, fate: &Fate) {
        self.0.counters.settle_resumed(id, fate);
    }

    /// What there was of a file from an earlier session is of no use.
    pub(crate) fn count_restarted(&self) {
        self.0.counters.count_restarted();
    }

    /// Bytes of a file that were counted are to be sent again.
    pub(crate) fn lack(&self, id: EntryId, bytes: u64) {
        self.0.counters.lack(id, bytes);
    }

    /// Bytes that have arrived, without those of files found already there.
    pub(crate) fn moved(&self) -> u64 {
        self.0.counters.moved()
    }

    /// So many lanes are live now.
    pub(crate) fn count_lanes(&self, lanes: usize) {
        self.0.counters.count_lanes(lanes);
    }

    /// A session is open. What an earlier one did to entries is done, and all are offered again.
    pub(crate) fn open(&self, peer: Peer) {
        let mut life = self.life();
        let mut known = lock(&self.0.peer);
        let label = known.take().map(|known| known.label).unwrap_or_default();
        *known = Some(Peer { label, ..peer });
        drop(known);
        if life.sessions > 0 {
            // With the lock of whoever reads the counters: nobody sees half of this.
            self.0.counters.start_over();
            lock(&self.0.report).start_over();
            self.0.paces.resume();
        }
        life.sessions += 1;
        life.opened.get_or_insert_with(Instant::now);
        life.outage = None;
    }

    /// A session was lost, or an attempt to open another failed.
    pub(crate) fn interrupt(&self, outage: Outage) {
        self.life().outage = Some(outage);
    }

    /// Whether the peer may call itself so. One that may not was never here: nothing of it is to be remembered.
    pub(crate) fn vet(&self, label: &str) -> Result<(), Error> {
        let vet = self.life().vet.take();
        let vetted = vet.map_or(Ok(()), |vet| vet(label));
        if vetted.is_err() {
            lock(&self.0.peer).take();
        }
        vetted
    }

    /// What a peer's label has to pass, before anything else that it says counts. To be called before the session
    /// starts.
    pub(crate) fn on_label(&self, vet: impl FnOnce(&str) -> Result<(), Error> + Send + 'static) {
        self.life().vet = Some(Box::new(vet));
    }

    /// The peer has said what it calls itself, and which earlier session this one takes the place
    /// of, if any.
    pub(crate) fn introduce(&self, label: String, continues: Option<SessionId>) {
        if let Some(peer) = lock(&self.0.peer).as_mut() {
            peer.label = label;
        }
        let introduced = {
            let mut life = self.life();
            life.introduced = true;
            life.on_introduced.take()
        };
        if let Some(introduced) = introduced {
            introduced(continues);
        }
    }

    /// Calls `introduced` once, when the peer has introduced itself or the transfer has ended
    /// without that. To be called before the session starts.
    pub(crate) fn on_introduced(&self, introduced: impl FnOnce(Option<SessionId>) + Send + 'static) {
        self.life().on_introduced = Some(Box::new(introduced));
    }

    /// Counts an entry as settled, and keeps it for the report.
    pub(crate) fn settle(&self, entry: Settled) {
        let mut report = lock(&self.0.report);
        let unheard = report.take_unheard(&entry.path);
        self.0.counters.settle(&entry, unheard.is_some());
        report.push(entry, unheard);
    }

    /// A session ends that has sent a file whole and not heard what became of it: if the next one
    /// finds it there, it is this transfer that delivered it.
    pub(crate) fn note_unheard(&self, path: String, hash: ContentHash) {
        lock(&self.0.report).note_unheard(path, hash);
    }

    /// It ends complete, but the connection did before the peer has said that it knows.
    pub(crate) fn set_unheard(&self) {
        self.life().unheard = true;
    }

    /// Whether its peer may not know that it is complete.
    pub(crate) fn is_unheard(&self) -> bool {
        self.life().unheard
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
        if let Some(introduced) = introduced {
            call(|| introduced(None));
        }
        waiting.into_iter().for_each(|finished| call(|| finished(outcome.clone())));
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
