//! A session's threads: one that drives it, and two a lane, one for each direction.
//!
//! All blocking work is here, on plain threads: a lane's writer reads the file, hashes, seals and
//! sends on one core, and its reader opens, hashes and writes, with one reused buffer each and no
//! hand-over in between. The state machine is locked for its decisions only, never across I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hawser_protocol::error::ProtocolError;
use hawser_protocol::frame::{Frames, Header};
use hawser_protocol::limits::MAX_LANES;
use hawser_protocol::link::{LaneId, Link};
use hawser_protocol::message::{Close, CloseCode};
use hawser_protocol::receiver::Receiver;
use hawser_protocol::sender::Sender;

use crate::Error;
use crate::lane::{Record, RecordReader, RecordWriter};
use crate::opening::{LaneKeys, Who};
use crate::transfer::{Transfer, lock};

/// A lane that has had nothing to send for so long says that it lives.
const PING_AFTER: Duration = Duration::from_secs(15);

/// A lane from which nothing has come for so long is lost.
const LOST_AFTER: Duration = Duration::from_secs(60);

/// Settled entries may wait so long for company before the source is told.
const BATCH_DELAY: Duration = Duration::from_millis(10);

/// Lanes have so long to say goodbye before their sockets are closed.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// The lanes' threads keep their buffers on the heap and recurse nowhere.
const LANE_STACK_BYTES: usize = 256 * 1024;

/// Whether a lane has something to send.
#[derive(PartialEq, Eq)]
pub(crate) enum Work {
    Now,
    /// Something that may wait [`BATCH_DELAY`] for company.
    Soon,
    No,
}

/// Whether to go on reading from a lane.
#[derive(PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Closed,
}

/// What the source's and the sink's state machines have in common.
pub(crate) trait Machine: Send + 'static {
    fn link(&mut self) -> &mut Link;
    fn lose_lane(&mut self, lane: LaneId) -> bool;
    fn record_sent(&mut self, lane: LaneId);
    fn is_finished(&self) -> bool;
    fn work(&self, lane: LaneId) -> Work;
}

/// What the source and the sink do differently.
pub(crate) trait Side: Send + Sync + Sized + 'static {
    type Machine: Machine;

    /// Whether a good end needs no answer from the peer: it is the peer that has said "done".
    const HAS_LAST_WORD: bool;

    /// Runs on the session's own thread, beside the lanes, until it has nothing more to do.
    fn drive(&self, session: &Session<Self>);

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
    fn finish(&self);
}

pub(crate) struct Session<S: Side> {
    pub side: S,
    pub transfer: Transfer,
    state: Mutex<State<S::Machine>>,
    /// Writers wait here for something to send, and the driver for room or for the end.
    changed: Condvar,
    lanes: Mutex<Lanes>,
}

pub(crate) struct State<M> {
    pub machine: M,
    end: Option<Result<(), Error>>,
    /// Threads in [`Session::changed`]; waking nobody would cost a system call an entry.
    sleeping: usize,
    /// Lanes whose threads run, by direction. A lane's number is free when neither does: a thread
    /// of an earlier lane must not speak for a later one.
    writing: BTreeSet<LaneId>,
    reading: BTreeSet<LaneId>,
}

impl<M> State<M> {
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    fn is_running(&self, lane: LaneId) -> bool {
        self.writing.contains(&lane) || self.reading.contains(&lane)
    }
}

#[derive(Default)]
struct Lanes {
    sockets: BTreeMap<LaneId, Arc<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
    /// The highest attempt seen of each lane: each is accepted once.
    attempts: BTreeMap<LaneId, u32>,
    ended: bool,
}

impl<S: Side> Session<S> {
    /// Starts a session on its first lane. `closed` is called when nothing of it is left.
    pub fn start(
        side: S,
        machine: S::Machine,
        transfer: Transfer,
        stream: TcpStream,
        keys: LaneKeys,
        closed: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let session = Arc::new(Self {
            side,
            transfer,
            state: Mutex::new(State {
                machine,
                end: None,
                sleeping: 0,
                writing: BTreeSet::new(),
                reading: BTreeSet::new(),
            }),
            changed: Condvar::new(),
            lanes: Mutex::default(),
        });
        session.run_lane(LaneId(0), stream, keys).inspect_err(|_| session.stop_lanes())?;
        let cancelled = Arc::downgrade(&session);
        session.transfer.on_cancel(move || {
            if let Some(session) = cancelled.upgrade() {
                session.end(Err(Error::Cancelled));
            }
        });
        let driven = session.clone();
        spawn("hawser-session".into(), move || {
            driven.run();
            closed();
        })
        .inspect_err(|_| session.stop_lanes())?;
        Ok(session)
    }

    /// Whether this attempt at this lane may join.
    pub fn admits(&self, lane: LaneId, attempt: u32) -> bool {
        let lanes = lock(&self.lanes);
        lane.0 < MAX_LANES
            && !lanes.ended
            && !self.state().is_running(lane)
            && lanes.attempts.get(&lane).is_none_or(|&last| attempt > last)
    }

    /// Adds a lane whose proof, its first record, this side has sent or received.
    pub fn join(self: &Arc<Self>, who: Who, lane: LaneId, attempt: u32, stream: TcpStream, keys: LaneKeys) {
        if !self.admits(lane, attempt) {
            return;
        }
        lock(&self.lanes).attempts.insert(lane, attempt);
        let mut state = self.state();
        state.machine.link().add_lane(lane);
        match who {
            Who::Dialler => state.machine.record_sent(lane),
            Who::Listener => drop(state.machine.link().record_received(lane)),
        }
        drop(state);
        if self.run_lane(lane, stream, keys).is_err() {
            self.lose(lane);
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State<S::Machine>> {
        lock(&self.state)
    }

    /// Wakes whoever waits, after `state` has changed in a way that may concern them.
    pub fn wake(&self, state: &State<S::Machine>) {
        if state.sleeping > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for a change, `timeout` at most.
    pub fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State<S::Machine>>,
        timeout: Duration,
    ) -> MutexGuard<'a, State<S::Machine>> {
        state.sleeping += 1;
        let waited = self.changed.wait_timeout(state, timeout);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.sleeping -= 1;
        state
    }

    /// Ends the session; the first end stands. The peer is told why, if it can still be reached.
    pub fn end(&self, result: Result<(), Error>) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.machine.link().close(goodbye(&result));
        state.end = Some(result);
        self.wake(&state);
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

    fn run(self: &Arc<Self>) {
        if catch_unwind(AssertUnwindSafe(|| self.side.drive(self))).is_err() {
            self.end(Err(panicked()));
        }
        let mut state = self.state();
        while state.end.is_none() {
            state = self.wait(state, LOST_AFTER);
        }
        let result = state.end.clone().unwrap_or(Ok(()));
        let answered = S::HAS_LAST_WORD && result.is_ok();
        let deadline = Instant::now() + CLOSE_GRACE;
        while !state.writing.is_empty() || !(state.reading.is_empty() || answered) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        drop(state);
        self.stop_lanes();
        self.side.finish();
        self.transfer.finish(result);
    }

    fn run_lane(self: &Arc<Self>, lane: LaneId, stream: TcpStream, keys: LaneKeys) -> Result<(), Error> {
        let failed = |error: io::Error| Error::Internal(format!("cannot set up a connection: {error}"));
        stream.set_read_timeout(Some(LOST_AFTER)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = Arc::new(stream);
        let mut lanes = lock(&self.lanes);
        if lanes.ended {
            return Err(Error::Lost);
        }
        let mut writer = RecordWriter::new(stream.clone(), keys.sealer);
        let mut reader = RecordReader::new(stream.clone(), keys.opener);
        lanes.sockets.insert(lane, stream);
        lanes.threads.retain(|thread| !thread.is_finished());
        let write = move |session: &Self| session.write_lane(lane, &mut writer);
        lanes.threads.push(self.lane_thread(lane, "write", |state| &mut state.writing, write)?);
        let read = move |session: &Self| session.read_lane(lane, &mut reader);
        lanes.threads.push(self.lane_thread(lane, "read", |state| &mut state.reading, read)?);
        self.transfer.count_lanes(lanes.sockets.len());
        Ok(())
    }

    /// Runs one direction of a lane on a thread; however it ends, the session hears of it.
    fn lane_thread(
        self: &Arc<Self>,
        lane: LaneId,
        direction: &str,
        running: fn(&mut State<S::Machine>) -> &mut BTreeSet<LaneId>,
        run: impl FnOnce(&Self) -> Result<(), LaneEnd> + Send + 'static,
    ) -> Result<JoinHandle<()>, Error> {
        let session = self.clone();
        running(&mut self.state()).insert(lane);
        let thread = spawn(format!("hawser-{direction}-{}", lane.0), move || {
            match catch_unwind(AssertUnwindSafe(|| run(&session))) {
                Ok(Ok(())) => {}
                Ok(Err(LaneEnd::Lost)) => session.lose(lane),
                Ok(Err(LaneEnd::Fatal(error))) => session.end(Err(error)),
                Err(_) => session.end(Err(panicked())),
            }
            let mut state = session.state();
            running(&mut state).remove(&lane);
            session.wake(&state);
        });
        thread.inspect_err(|_| {
            running(&mut self.state()).remove(&lane);
        })
    }

    fn write_lane(&self, lane: LaneId, writer: &mut RecordWriter) -> Result<(), LaneEnd> {
        let mut record = Record::new();
        while self.wait_for_work(lane) {
            self.side.fill(self, lane, &mut record);
            if record.is_empty() {
                continue;
            }
            // Before the write: the acknowledgement may come back before it returns.
            self.state().machine.record_sent(lane);
            writer.write(&mut record)?;
        }
        writer.finish();
        Ok(())
    }

    fn read_lane(&self, lane: LaneId, reader: &mut RecordReader) -> Result<(), LaneEnd> {
        let end = self.read_records(lane, reader);
        if let Err(LaneEnd::Fatal(error)) = &end {
            // Whoever closes a socket with bytes unread resets it, and with that unsays the CLOSE.
            self.end(Err(error.clone()));
            reader.drain();
        }
        end
    }

    fn read_records(&self, lane: LaneId, reader: &mut RecordReader) -> Result<(), LaneEnd> {
        loop {
            let mut frames = Frames::new(reader.read()?);
            while let Some((header, payload)) = frames.next_frame()? {
                if self.side.handle(self, lane, header, payload)? == Flow::Closed {
                    return Ok(());
                }
            }
            let mut state = self.state();
            if state.machine.link().record_received(lane) {
                self.wake(&state);
            }
        }
    }

    /// Waits until `lane` has something to send; `false` when it has sent its CLOSE or is lost.
    fn wait_for_work(&self, lane: LaneId) -> bool {
        let ping_at = Instant::now() + PING_AFTER;
        let mut soon = None;
        let mut state = self.state();
        while !state.machine.link().is_closed(lane) {
            let work = state.machine.work(lane);
            let until = match work {
                Work::Now => return true,
                Work::Soon => *soon.get_or_insert_with(|| Instant::now() + BATCH_DELAY),
                Work::No => ping_at,
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if work == Work::No {
                    state.machine.link().queue_ping(lane);
                }
                return true;
            }
            state = self.wait(state, left);
        }
        false
    }

    /// A lane is gone; what it still carried goes out on the others, if there are any.
    fn lose(&self, lane: LaneId) {
        let mut lanes = lock(&self.lanes);
        if let Some(socket) = lanes.sockets.remove(&lane) {
            // Wakes the thread of the other direction; the socket may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.transfer.count_lanes(lanes.sockets.len());
        drop(lanes);
        let mut state = self.state();
        let left = state.machine.lose_lane(lane);
        let finished = state.machine.is_finished();
        self.wake(&state);
        drop(state);
        if !left {
            self.end(if finished { Ok(()) } else { Err(Error::Lost) });
        }
    }

    fn stop_lanes(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.ended = true;
        for socket in std::mem::take(&mut lanes.sockets).into_values() {
            // Closed already, if its threads have ended.
            let _ = socket.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut lanes.threads);
        self.transfer.count_lanes(0);
        drop(lanes);
        for thread in threads {
            // A panic inside it has been caught and has ended the session.
            let _ = thread.join();
        }
    }
}

/// Why one direction of a lane stopped.
enum LaneEnd {
    /// The socket failed, or what came was not the peer's next record.
    Lost,
    /// The session cannot go on.
    Fatal(Error),
}

impl From<io::Error> for LaneEnd {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl From<ProtocolError> for LaneEnd {
    fn from(error: ProtocolError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<Error> for LaneEnd {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

pub(crate) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let builder = thread::Builder::new().name(name).stack_size(LANE_STACK_BYTES);
    builder.spawn(run).map_err(|error| Error::Internal(format!("cannot start a thread: {error}")))
}

fn panicked() -> Error {
    Error::Internal("hawser itself failed in this session; please report this as a bug".into())
}

/// What the peer is told about the end.
pub(crate) fn goodbye(result: &Result<(), Error>) -> Close {
    let (code, text) = match result {
        Ok(()) | Err(Error::ClosedByPeer { .. } | Error::Lost) => (CloseCode::Done, String::new()),
        Err(Error::Cancelled) => (CloseCode::Cancelled, String::new()),
        Err(Error::Protocol(error)) => (CloseCode::Protocol, error.to_string()),
        // What exactly failed on this machine is not the peer's business.
        Err(error) => (CloseCode::Local, error.code().to_string()),
    };
    Close { code, text }
}

impl Machine for Sender {
    fn link(&mut self) -> &mut Link {
        self.link_mut()
    }

    fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.lose_lane(lane)
    }

    fn record_sent(&mut self, lane: LaneId) {
        self.record_sent(lane);
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    fn work(&self, lane: LaneId) -> Work {
        if self.has_work(lane) { Work::Now } else { Work::No }
    }
}

impl Machine for Receiver {
    fn link(&mut self) -> &mut Link {
        self.link_mut()
    }

    fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.lose_lane(lane)
    }

    fn record_sent(&mut self, lane: LaneId) {
        self.record_sent(lane);
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    fn work(&self, lane: LaneId) -> Work {
        if self.has_urgent_work(lane) {
            Work::Now
        } else if self.has_work(lane) {
            Work::Soon
        } else {
            Work::No
        }
    }
}
