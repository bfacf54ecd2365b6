//! Starting the right kind of session for a job.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hawser_protocol::handshake::SessionId;
use hawser_protocol::hello::{Hello, Window};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::link::LaneId;
use hawser_protocol::receiver::Receiver;
use hawser_protocol::sender::Sender;

use crate::Error;
use crate::asking::Asking;
use crate::confine::Confinement;
use crate::delivery::Plan;
use crate::disk::Source;
use crate::job::{Job, Work};
use crate::lane::{Record, RecordReader, RecordWriter};
use crate::limits::Timers;
use crate::listener::Place;
use crate::machine::Machine as _;
use crate::offer::Offers;
use crate::opening::{Connection, Who};
use crate::pace::Paces;
use crate::quota::Quota;
use crate::session::{CLOSE_GRACE, Session, Side, goodbye, spawn};
use crate::sink_side::SinkSide;
use crate::source_side::SourceSide;
use crate::target::TargetFolder;
use crate::transfer::Transfer;
use crate::windows::WINDOWS;

/// A session whose side nobody needs to know any more: lanes can join it.
pub(crate) trait AnySession: Send + Sync {
    /// Whether this attempt at this lane may join.
    fn admits(&self, lane: LaneId, attempt: u32) -> bool;
    /// Adds a lane that has proven that it belongs here.
    fn join(self: Arc<Self>, who: Who, lane: LaneId, attempt: u32, connection: Connection);
    /// Lanes that carry data.
    fn lanes_in_use(&self) -> usize;
    /// A lane that is not there, other than these, and the number of the next attempt at it. Begins
    /// to look behind `last`: of a lane that ended on this side only, the peer may not know yet.
    fn free_lane(&self, last: LaneId, except: &BTreeSet<LaneId>) -> Option<(LaneId, u32)>;
    /// Lets a lane run empty and end, if this side can: it is the source that fills them.
    fn retire_lane(&self);
    /// Ends it, for another session of the same peer has taken its place.
    fn supersede(&self);
}

impl<S: Side> AnySession for Session<S> {
    fn admits(&self, lane: LaneId, attempt: u32) -> bool {
        Session::admits(self, lane, attempt)
    }

    fn join(self: Arc<Self>, who: Who, lane: LaneId, attempt: u32, connection: Connection) {
        Session::join(&self, who, lane, attempt, connection);
    }

    fn lanes_in_use(&self) -> usize {
        self.state().machine.link().lanes_in_use()
    }

    fn free_lane(&self, last: LaneId, except: &BTreeSet<LaneId>) -> Option<(LaneId, u32)> {
        Session::free_lane(self, last, except)
    }

    fn retire_lane(&self) {
        let mut state = self.state();
        state.machine.retire_lane();
        self.wake(&mut state);
    }

    fn supersede(&self) {
        self.cut_off(Error::Superseded);
    }
}

/// What is known of a session before it starts.
pub(crate) struct Beginning {
    pub id: SessionId,
    pub peer: PublicKey,
    /// How this side introduces itself.
    pub hello: Hello,
    /// The folder to be written into.
    pub target: TargetFolder,
    /// How much the peer may bring: for a sink.
    pub quota: Arc<Quota>,
    pub timers: Timers,
    /// A listener's: kept until the session runs, or until its peer has been told that there is none.
    pub place: Option<Arc<Place>>,
}

/// Starts a session that does `job` on its first lane. `closed` is called with its end, when nothing
/// of it is left. A peer that waits for it in vain is told so.
pub(crate) fn start(
    job: &Job,
    beginning: Beginning,
    transfer: &Transfer,
    connection: Connection,
    closed: impl FnOnce(Result<(), Error>) + Send + 'static,
) -> Result<Arc<dyn AnySession>, Error> {
    let transfer = transfer.clone();
    let Beginning { id, peer, mut hello, target, quota, timers, place } = beginning;
    let reserved = WINDOWS.reserve();
    hello.window = reserved.window;
    let closed = move |result| {
        drop(reserved);
        closed(result);
    };
    match &job.work {
        Work::Read(paths) => match Source::new(paths.clone()) {
            Ok(source) => {
                let confinement = match Confinement::reading() {
                    Ok(confinement) => confinement,
                    Err(error) => return Err(turn_away(error, connection, place)),
                };
                let side = SourceSide { source, held: Mutex::default(), confinement };
                Ok(Session::start(side, Sender::new(hello), transfer, timers, connection, closed)?)
            }
            Err(error) => {
                let error = Error::InvalidOption(format!("these paths cannot be sent: {error}"));
                Err(turn_away(error, connection, place))
            }
        },
        Work::Write(directory) => {
            let plan = Plan {
                directory: directory.clone(),
                durability: job.durability,
                requests: job.requests,
                target,
                id,
                peer,
                continues: hello.continues,
                quota,
            };
            match sink_side(plan, job.offers.as_ref(), place.as_deref(), hello.window, &transfer) {
                Ok(side) => {
                    Ok(Session::start(side, Receiver::new(hello), transfer, timers, connection, closed)?)
                }
                Err(error) => Err(turn_away(error, connection, place)),
            }
        }
    }
}

/// A sink, which asks for leave to write where there are `offers`.
fn sink_side(
    plan: Plan,
    offers: Option<&Offers>,
    place: Option<&Place>,
    window: Window,
    transfer: &Transfer,
) -> Result<SinkSide, Error> {
    let Some(offers) = offers else {
        transfer.set_accepted();
        return SinkSide::open(plan);
    };
    // With too many that wait for an answer already, it may come again. A session that was dialled has no others
    // beside it.
    let undecided = match place {
        Some(place) => Some(offers.reserve(place.holder()).ok_or(Error::Parked)?),
        None => None,
    };
    transfer.set_undecided(true);
    let asking = Asking::new(offers.clone(), undecided, plan.id, plan.peer, plan.continues, window);
    Ok(SinkSide::ask(plan, asking))
}

/// Tells a peer that was let in that there will be no session after all. It keeps its place until then, which bounds
/// how many threads do so.
fn turn_away(error: Error, connection: Connection, place: Option<Arc<Place>>) -> Error {
    let Connection { stream, keys, .. } = connection;
    let close = goodbye(&Err(error.clone()));
    // A peer that does not hear it notices the end of the connection.
    let _ = spawn("hawser-refuse".into(), move || {
        let stream = Arc::new(stream);
        let paces = Arc::new(Paces::new(None, None));
        let mut writer = RecordWriter::new(stream.clone(), keys.sealer, paces.clone());
        let mut record = Record::new();
        record.push(&close.encode());
        if stream.set_read_timeout(Some(CLOSE_GRACE)).is_ok() && writer.write(&mut record).is_ok() {
            writer.finish();
            // Whoever closes a socket with bytes unread resets it, and with that unsays the CLOSE.
            RecordReader::new(stream, keys.opener, paces, CLOSE_GRACE).drain(CLOSE_GRACE);
        }
        drop(place);
    });
    error
}
