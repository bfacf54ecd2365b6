//! Starting the right kind of session for a job.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use hawser_protocol::handshake::SessionId;
use hawser_protocol::link::LaneId;
use hawser_protocol::receiver::Receiver;
use hawser_protocol::sender::Sender;

use crate::Error;
use crate::disk::{Sink, Source};
use crate::job::{Job, Work};
use crate::opening::LaneKeys;
use crate::session::{Session, Side};
use crate::sink_side::SinkSide;
use crate::source_side::SourceSide;
use crate::transfer::Transfer;

/// A session whose side nobody needs to know any more: lanes can join it.
pub(crate) trait AnySession: Send + Sync {
    /// Whether this attempt at this lane may join.
    fn admits(&self, lane: LaneId, attempt: u32) -> bool;
    /// Adds a lane that has proven that it belongs here.
    fn join(self: Arc<Self>, lane: LaneId, attempt: u32, stream: TcpStream, keys: LaneKeys);
}

impl<S: Side> AnySession for Session<S> {
    fn admits(&self, lane: LaneId, attempt: u32) -> bool {
        Session::admits(self, lane, attempt)
    }

    fn join(self: Arc<Self>, lane: LaneId, attempt: u32, stream: TcpStream, keys: LaneKeys) {
        Session::join(&self, lane, attempt, stream, keys);
    }
}

/// Starts a session that does `job` on its first lane. `closed` is called when it has ended and
/// nothing of it is left.
pub(crate) fn start(
    job: &Job,
    id: SessionId,
    transfer: &Transfer,
    stream: TcpStream,
    keys: LaneKeys,
    closed: impl FnOnce() + Send + 'static,
) -> Result<Arc<dyn AnySession>, Error> {
    let transfer = transfer.clone();
    Ok(match &job.work {
        Work::Read(paths) => {
            let source = Source::new(paths.clone())
                .map_err(|error| Error::InvalidOption(format!("these paths cannot be sent: {error}")))?;
            let side = SourceSide { source };
            Session::start(side, Sender::new(&job.label), transfer, stream, keys, closed)?
        }
        Work::Write(directory) => {
            let sink = Sink::open(directory, id.0).map_err(|error| Error::disk("open", directory, &error))?;
            let side = SinkSide { sink, directory: directory.clone(), control: Mutex::default() };
            Session::start(side, Receiver::new(&job.label), transfer, stream, keys, closed)?
        }
    })
}
