//! A session's threads: one that drives it, and two a lane, one for each direction.
//!
//! All blocking work is here, on plain threads: a lane's writer reads the file, hashes, seals and
//! sends on one core, and its reader opens, hashes and writes, with one reused buffer each and no
//! hand-over in between. The state machine is locked for its decisions only, never across I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hawser_protocol::frame::Header;
use hawser_protocol::link::LaneId;
use hawser_protocol::message::{Close, CloseCode};

use crate::Error;
use crate::lane::Record;
use crate::lanes::Lanes;
use crate::limits::{EMPTY_FRAMES, LOST_AFTER, Timers};
use crate::machine::{Machine, Readiness};
use crate::opening::Connection;
use crate::rate::Budget;
use crate::transfer::{Transfer, lock};

/// Lanes have so long to say goodbye before their sockets are closed.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// The lanes' threads keep their buffers on the heap and recurse nowhere.
const LANE_STACK_BYTES: usize = 256 * 1024;

/// Whether to go on reading from a lane.
#[derive(PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Closed,
}

/// What the source and the sink do differently.
pub(crate) trait Side: Send + Sync + Sized + 'static {
    type Machine: Machine;

    /// Whether a good end needs no answer from the peer: it is the peer that has said "done".
    const HAS_LAST_WORD: bool;

    /// Holds the calling thread, one of its own, to what it may do with files, once that is known. What its
    /// threads call back must neither write elsewhere nor start threads for others: those would be bound, too.
    ///
    /// # Errors
    /// [`Error::Internal`], of a kernel that can, but has not got what it takes.
    fn confine(&self) -> Result<(), Error>;

    /// Runs on the session's own thread, beside the lanes, until it has nothing more to do.
    fn drive(&self, session: &Arc<Session<Self>>);

    /// Puts into `record` what `lane` should carry next.
    fn fill(&self, session: &Session<Self>, lane: LaneId, record: &mut Record);

    /// Deals with one frame.
    fn handle(
        &self,
        session: &Session<Self>,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Flow, Error>;

    /// Closes its files. No lane is left.
    fn finish(&self, session: &Session<Self>);
}

pub(crate) struct Session<S: Side> {
    pub side: S,
    pub transfer: Transfer,
    state: Mutex<State<S::Machine>>,
    /// The session's own thread waits here.
    changed: Condvar,
    /// Readers wait here while too much waits to be sent.
    relieved: Condvar,
    pub lanes: Mutex<Lanes>,
    pub timers: Timers,
}

pub(crate) struct State<M> {
    pub machine: M,
    end: Option<Result<(), Error>>,
    /// What the session's own thread waits for, if it does.
    awaited: Option<Awaited>,
    /// A lane has left something for the session's own thread to do.
    pub has_work: bool,
    /// Writers that wait for something to send. Only those for whom there is something are woken:
    /// waking all of them for each entry would cost more than the entry.
    pub idle: BTreeMap<LaneId, Idle>,
    /// Readers that wait until less is congested.
    held: u32,
    /// Frames from the peer that ask for nothing and bring nothing.
    pub empty_frames: Budget,
    /// Lanes whose threads run, by direction. A lane's number is free when neither does: a thread
    /// of an earlier lane must not speak for a later one.
    pub writing: BTreeSet<LaneId>,
    pub reading: BTreeSet<LaneId>,
}

/// What the session's own thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That its machine has something for it to do, or the end.
    Work,
    /// That a lane has left it something to do, or the end.
    Left,
    /// The end.
    End,
}

/// A lane's writer that has nothing to send.
pub(crate) struct Idle {
    pub condvar: Arc<Condvar>,
    /// When it will look again by itself, for what can wait.
    pub due: Option<Instant>,
}

impl<M: Machine> State<M> {
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    pub fn is_running(&self, lane: LaneId) -> bool {
        self.writing.contains(&lane) || self.reading.contains(&lane)
    }

    fn is_awaited(&self) -> bool {
        match self.awaited {
            Some(Awaited::Work) => self.is_ended() || self.has_work || self.machine.is_due(),
            Some(Awaited::Left) => self.is_ended() || self.has_work,
            Some(Awaited::End) => self.is_ended(),
            None => false,
        }
    }
}

impl<S: Side> Session<S> {
    /// Starts a session on its first lane. `closed` is called with its end, when nothing of it is
    /// left but what others hold.
    pub fn start(
        side: S,
        machine: S::Machine,
        transfer: Transfer,
        timers: Timers,
        connection: Connection,
        closed: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let session = Arc::new(Self {
            side,
            transfer,
            state: Mutex::new(State {
                machine,
                end: None,
                awaited: None,
                has_work: false,
                idle: BTreeMap::new(),
                held: 0,
                empty_frames: Budget::new(EMPTY_FRAMES),
                writing: BTreeSet::new(),
                reading: BTreeSet::new(),
            }),
            changed: Condvar::new(),
            relieved: Condvar::new(),
            lanes: Mutex::default(),
            timers,
        });
        session.run_lane(LaneId(0), connection).inspect_err(|_| session.stop_lanes())?;
        let stopped = Arc::downgrade(&session);
        session.transfer.on_stop(move |why| {
            if let Some(session) = stopped.upgrade() {
                session.end(Err(why));
            }
        });
        let driven = session.clone();
        spawn("hawser-end".into(), move || {
            let result = driven.run_bound();
            drop(driven);
            // On a thread that is not bound: a listener keeps a ledger elsewhere.
            closed(result);
        })
        .inspect_err(|_| session.stop_lanes())?;
        Ok(session)
    }

    pub fn state(&self) -> MutexGuard<'_, State<S::Machine>> {
        lock(&self.state)
    }

    /// Wakes whoever waits for what `state` has come to.
    pub fn wake(&self, state: &mut State<S::Machine>) {
        if state.is_awaited() {
            state.awaited = None;
            self.changed.notify_one();
        }
        let State { machine, idle, .. } = state;
        let mut shared = false;
        idle.retain(|&lane, writer| {
            let due = match machine.work(lane) {
                _ if machine.is_over(lane) => true,
                Readiness::Now => true,
                // One is enough: having filled its record, it wakes the next if there is more.
                Readiness::Shared => !std::mem::replace(&mut shared, true),
                Readiness::Within(delay) => writer.due.is_none_or(|due| due > Instant::now() + delay),
                Readiness::No => false,
            };
            if due {
                writer.condvar.notify_one();
            }
            !due
        });
        self.relieve(state);
    }

    /// Lets readers go on, if they have waited for what `state` has come to.
    pub fn relieve(&self, state: &mut State<S::Machine>) {
        if state.held > 0 && (state.is_ended() || !state.machine.is_congested()) {
            self.relieved.notify_all();
        }
    }

    /// Lets readers look again whether theirs is still a lane.
    pub fn release_readers(&self) {
        self.relieved.notify_all();
    }

    /// Waits while so much is to be sent that nothing more should be read from `lane`.
    pub fn wait_for_relief(&self, lane: LaneId, mut state: MutexGuard<'_, State<S::Machine>>) {
        while state.machine.is_congested() && !state.is_ended() && !state.machine.is_over(lane) {
            state.held += 1;
            let waited = self.relieved.wait_timeout(state, LOST_AFTER);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.held -= 1;
        }
    }

    /// Waits on the session's own thread, `timeout` at most. May return early.
    pub fn wait<'a>(
        &self,
        awaited: Awaited,
        mut state: MutexGuard<'a, State<S::Machine>>,
        timeout: Duration,
    ) -> MutexGuard<'a, State<S::Machine>> {
        state.awaited = Some(awaited);
        let waited = self.changed.wait_timeout(state, timeout);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.awaited = None;
        state
    }

    /// Leaves something for the session's own thread to do.
    pub fn leave_work(&self) {
        let mut state = self.state();
        state.has_work = true;
        self.wake(&mut state);
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        self.state().end.clone()
    }

    /// Ends the session if its peer may not call itself so. To be called before anything else that it says is
    /// dealt with.
    pub fn vet(&self, label: &str) -> Result<(), Error> {
        self.transfer.vet(label).inspect_err(|error| self.end(Err(error.clone())))
    }

    /// Ends the session; the first end stands. The peer is told why, if it can still be reached.
    pub fn end(&self, result: Result<(), Error>) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.machine.link_mut().close(goodbye(&result));
        state.end = Some(result);
        self.wake(&mut state);
        drop(state);
        // What is left is to say goodbye, and behind a limit that might come too late.
        self.transfer.paces().stop();
    }

    /// The peer has ended a lane, and with it the session.
    pub fn handle_close(&self, close: Close) -> Flow {
        let finished = self.state().machine.is_finished();
        self.end(match close.code {
            CloseCode::Done if finished => Ok(()),
            code => Err(Error::ClosedByPeer { code, text: close.text }),
        });
        Flow::Closed
    }

    /// Runs it on a thread of its own, which is bound, and waits for its end.
    fn run_bound(self: &Arc<Self>) -> Result<(), Error> {
        let driven = self.clone();
        let driving = spawn("hawser-session".into(), move || {
            if let Err(error) = driven.side.confine() {
                driven.end(Err(error));
            }
            driven.run()
        });
        match driving {
            Ok(driving) => driving.join().unwrap_or_else(|_| {
                self.stop_lanes();
                Err(panicked())
            }),
            Err(error) => {
                self.end(Err(error));
                self.run()
            }
        }
    }

    fn run(self: &Arc<Self>) -> Result<(), Error> {
        if catch_unwind(AssertUnwindSafe(|| self.side.drive(self))).is_err() {
            self.end(Err(panicked()));
        }
        let mut state = self.state();
        while state.end.is_none() {
            state = self.wait(Awaited::End, state, LOST_AFTER);
        }
        let result = state.end.clone().unwrap_or(Ok(()));
        let answered = S::HAS_LAST_WORD && result.is_ok();
        // Whoever dialled another session in place of this one listens no more.
        let superseded = matches!(result, Err(Error::Superseded));
        let deadline = Instant::now() + if superseded { Duration::ZERO } else { CLOSE_GRACE };
        while !state.writing.is_empty() || !(state.reading.is_empty() || answered) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(Awaited::End, state, left);
        }
        drop(state);
        self.stop_lanes();
        self.side.finish(self);
        result
    }
}

pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let builder = thread::Builder::new().name(name).stack_size(LANE_STACK_BYTES);
    builder.spawn(run).map_err(|error| Error::Internal(format!("cannot start a thread: {error}")))
}

/// Calls what others want to be called. Should it panic, that is none of this thread's business: it has
/// been printed, and whoever comes after it is called all the same.
pub(crate) fn call(callback: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(callback));
}

pub(crate) fn panicked() -> Error {
    Error::Internal("hawser itself failed in this session; please report this as a bug".into())
}

/// What the peer is told about the end.
pub(crate) fn goodbye(result: &Result<(), Error>) -> Close {
    let (code, text) = match result {
        Ok(()) | Err(Error::ClosedByPeer { .. }) => (CloseCode::Done, String::new()),
        // Whoever still hears it, on a lane that was just joining, may come again.
        Err(Error::Parked | Error::Lost | Error::Superseded) => (CloseCode::Away, String::new()),
        Err(Error::Cancelled) => (CloseCode::Cancelled, String::new()),
        Err(Error::Declined { told, .. }) => (CloseCode::Refused, told.clone()),
        Err(Error::Protocol(error)) => (CloseCode::Protocol, error.to_string()),
        // Not by which name: it would tell whom this side's user knows.
        Err(Error::NameReserved(_)) => (CloseCode::Refused, String::new()),
        // What exactly failed on this machine, and where, is not the peer's business.
        Err(error) => {
            let text = match error.code() {
                "DISK_FULL" => "its disk is full",
                "PERMISSION_DENIED" => "it has no permission to read or write there",
                "IO" | "NOT_FOUND" => "its disk or folder is at fault",
                _ => "",
            };
            (CloseCode::Local, text.to_string())
        }
    };
    Close { code, text }
}

#[cfg(test)]
mod tests;
