//! The lanes of a session: how they join, run, and are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hawser_protocol::error::ProtocolError;
use hawser_protocol::frame::Frames;
use hawser_protocol::limits::MAX_LANES;
use hawser_protocol::link::LaneId;

use crate::Error;
use crate::lane::{Record, RecordReader, RecordWriter};
use crate::limits::{PING_AFTER, Timers};
use crate::machine::{Machine, Readiness};
use crate::opening::{Connection, Who};
use crate::session::{CLOSE_GRACE, Flow, Idle, Session, Side, State, panicked, spawn};
use crate::transfer::lock;
use crate::tune::tune;

/// A lane that has nothing to do looks so often whether another one stands still, and waits at least
/// four times as long as its own last record took: what takes as long for all of them is the line.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const PATIENCE: u32 = 4;

#[derive(Default)]
pub(crate) struct Lanes {
    sockets: BTreeMap<LaneId, Arc<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
    /// The highest attempt seen of each lane: each is accepted once.
    attempts: BTreeMap<LaneId, u32>,
    ended: bool,
}

impl<S: Side> Session<S> {
    /// Whether this attempt at this lane may join.
    pub fn admits(&self, lane: LaneId, attempt: u32) -> bool {
        let lanes = lock(&self.lanes);
        lane.0 < MAX_LANES
            && !lanes.ended
            && {
                let state = self.state();
                !state.is_ended() && !state.is_running(lane)
            }
            && lanes.attempts.get(&lane).is_none_or(|&last| attempt > last)
    }

    /// Adds a lane whose proof, its first record, this side has sent or received.
    pub fn join(self: &Arc<Self>, who: Who, lane: LaneId, attempt: u32, connection: Connection) {
        if !self.admits(lane, attempt) {
            return;
        }
        lock(&self.lanes).attempts.insert(lane, attempt);
        let mut state = self.state();
        state.machine.link_mut().add_lane(lane);
        match who {
            Who::Dialler => state.machine.record_sent(lane),
            Who::Listener => state.machine.link_mut().record_received(lane),
        }
        drop(state);
        if self.run_lane(lane, connection).is_err() {
            self.lose(lane);
        }
    }

    pub fn free_lane(&self, last: LaneId, except: &BTreeSet<LaneId>) -> Option<(LaneId, u32)> {
        let lanes = lock(&self.lanes);
        let state = self.state();
        if state.is_ended() {
            return None;
        }
        let mut others = (1..=MAX_LANES).map(|step| LaneId((last.0 + step) % MAX_LANES));
        let lane = others.find(|lane| !state.is_running(*lane) && !except.contains(lane))?;
        Some((lane, lanes.attempts.get(&lane).map_or(0, |last| last.saturating_add(1))))
    }

    pub fn run_lane(self: &Arc<Self>, lane: LaneId, connection: Connection) -> Result<(), Error> {
        let Connection { stream, keys, rtt, share } = connection;
        // A socket refuses these only when its connection is gone already.
        let Timers { lost_after, unread_after, record_grace } = self.timers;
        stream.set_read_timeout(Some(lost_after)).map_err(|_| Error::Lost)?;
        stream.set_write_timeout(Some(unread_after)).map_err(|_| Error::Lost)?;
        stream.set_nodelay(true).map_err(|_| Error::Lost)?;
        tune(&stream, rtt);
        let stream = Arc::new(stream);
        let mut lanes = lock(&self.lanes);
        if lanes.ended {
            return Err(Error::Lost);
        }
        let paces = self.transfer.paces();
        let mut writer = RecordWriter::new(stream.clone(), keys.sealer, paces.clone());
        let mut reader = RecordReader::new(stream.clone(), keys.opener, paces.clone(), record_grace);
        lanes.sockets.insert(lane, stream);
        lanes.threads.retain(|thread| !thread.is_finished());
        // Until the second of its threads ends.
        let share = Arc::new(share);
        let shared = share.clone();
        let write = move |session: &Self| {
            let _shared = shared;
            session.write_lane(lane, &mut writer)
        };
        lanes.threads.push(self.lane_thread(lane, "write", |state| &mut state.writing, write)?);
        let read = move |session: &Self| {
            let _share = share;
            session.read_lane(lane, &mut reader)
        };
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
            let bound = || session.side.confine().map_err(LaneEnd::Fatal);
            let ended = catch_unwind(AssertUnwindSafe(|| match bound().and_then(|()| run(&session)) {
                Ok(()) => {}
                Err(LaneEnd::Lost) => session.lose(lane),
                Err(LaneEnd::Fatal(error)) => session.end(Err(error)),
            }));
            if ended.is_err() {
                session.end(Err(panicked()));
            }
            let mut state = session.state();
            running(&mut state).remove(&lane);
            session.wake(&mut state);
        });
        thread.inspect_err(|_| {
            running(&mut self.state()).remove(&lane);
        })
    }

    fn write_lane(&self, lane: LaneId, writer: &mut RecordWriter) -> Result<(), LaneEnd> {
        let mut record = Record::new();
        let condvar = Arc::default();
        let mut wrote = Instant::now();
        while self.wait_for_work(lane, &condvar, wrote) {
            self.side.fill(self, lane, &mut record);
            if record.is_empty() {
                self.state().machine.link_mut().drop_record(lane);
                continue;
            }
            // Before the write: the acknowledgement may come back before it returns.
            let mut state = self.state();
            state.machine.record_sent(lane);
            // Signs of life are acknowledged with whatever comes next, and say nothing of the line.
            if state.machine.link().is_logged(lane) {
                wrote = Instant::now();
            }
            drop(state);
            writer.write(&mut record)?;
        }
        self.state().machine.link_mut().close_lane(lane);
        writer.finish();
        Ok(())
    }

    fn read_lane(&self, lane: LaneId, reader: &mut RecordReader) -> Result<(), LaneEnd> {
        let end = self.read_records(lane, reader);
        if let Err(LaneEnd::Fatal(error)) = &end {
            // Whoever closes a socket with bytes unread resets it, and with that unsays the CLOSE.
            self.end(Err(error.clone()));
            reader.drain(CLOSE_GRACE);
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
            let link = state.machine.link_mut();
            link.record_received(lane);
            let empty = link.take_empty();
            if empty > 0 && !state.empty_frames.take(empty, Instant::now()) {
                return Err(ProtocolError::Limit("frames that say nothing").into());
            }
            self.wake(&mut state);
            self.wait_for_relief(lane, state);
        }
    }

    /// Waits until `lane`, whose last record began to be written when it `wrote`, has something to
    /// send; `false` when it has sent its CLOSE, has run empty, or is lost.
    fn wait_for_work(&self, lane: LaneId, condvar: &Arc<Condvar>, wrote: Instant) -> bool {
        let idle_since = Instant::now();
        let mut look_every = LOOK_EVERY;
        let mut look_at = idle_since + look_every;
        let mut is_clear = false;
        let mut due = None;
        let mut state = self.state();
        while !state.machine.is_over(lane) {
            let now = Instant::now();
            match state.machine.work(lane) {
                Readiness::Now | Readiness::Shared => return true,
                Readiness::Within(delay) => due = Some((now + delay).min(due.unwrap_or(now + delay))),
                Readiness::No => due = None,
            }
            if due.is_some_and(|due| due <= now) {
                state.machine.link_mut().queue_ack(lane);
                return true;
            }
            if idle_since + PING_AFTER <= now {
                state.machine.link_mut().queue_ping(lane);
                return true;
            }
            if look_at <= now {
                if is_clear && !self.transfer.paces().is_limited() {
                    state.machine.take_over(lane);
                } else if state.machine.link().is_clear(lane) {
                    is_clear = true;
                    look_every = look_every.max((now - wrote) * PATIENCE);
                }
                look_at = now + look_every;
                continue;
            }
            let until = due.unwrap_or(look_at).min(idle_since + PING_AFTER);
            state.idle.insert(lane, Idle { condvar: condvar.clone(), due });
            let waited = condvar.wait_timeout(state, until.saturating_duration_since(now));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle.remove(&lane);
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
        self.release_readers();
        self.wake(&mut state);
        drop(state);
        if !left {
            self.cut_off(Error::Lost);
        }
    }

    /// Ends a session whose peer cannot be heard any more. One that waited for nothing but a goodbye is complete.
    pub fn cut_off(&self, error: Error) {
        let state = self.state();
        let (is_ended, is_finished) = (state.is_ended(), state.machine.is_finished());
        drop(state);
        if is_finished && !is_ended {
            self.transfer.set_unheard();
        }
        self.end(if is_finished { Ok(()) } else { Err(error) });
    }

    pub fn stop_lanes(&self) {
        self.transfer.paces().stop();
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
