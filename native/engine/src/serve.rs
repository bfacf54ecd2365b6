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
use crate::lane::{Record, RecordReader, RecordWriter};
use crate::opening::{LaneKeys, Who};
use crate::pace::Paces;
use crate::session::{CLOSE_GRACE, Session, Side, goodbye, spawn};
use crate::sink_side::SinkSide;
use crate::source_side::SourceSide;
use crate::transfer::Transfer;

/// A session whose side nobody needs to know any more: lanes can join it.
pub(crate) trait AnySession: Send + Sync {
    /// Whether this attempt at this lane may join.
    fn admits(&self, lane: LaneId, attempt: u32) -> bool;
    /// Adds a lane that has proven that it belongs here.
    fn join(self: Arc<Self>, who: Who, lane: LaneId, attempt: u32, stream: TcpStream, keys: LaneKeys);
}

impl<S: Side> AnySession for Session<S> {
    fn admits(&self, lane: LaneId, attempt: u32) -> bool {
        Session::admits(self, lane, attempt)
    }

    fn join(self: Arc<Self>, who: Who, lane: LaneId, attempt: u32, stream: TcpStream, keys: LaneKeys) {
        Session::join(&self, who, lane, attempt, stream, keys);
    }
}

/// Starts a session that does `job` on its first lane. `closed` is called when it has ended and
/// nothing of it is left. A peer that waits for it in vain is told so.
pub(crate) fn start(
    job: &Job,
    id: SessionId,
    transfer: &Transfer,
    stream: TcpStream,
    keys: LaneKeys,
    closed: impl FnOnce() + Send + 'static,
) -> Result<Arc<dyn AnySession>, Error> {
    let transfer = transfer.clone();
    match &job.work {
        Work::Read(paths) => match Source::new(paths.clone()) {
            Ok(source) => {
                let machine = Sender::new(&job.label);
                Ok(Session::start(SourceSide { source }, machine, transfer, stream, keys, closed)?)
            }
            Err(error) => {
                let error = Error::InvalidOption(format!("these paths cannot be sent: {error}"));
                Err(turn_away(error, stream, keys))
            }
        },
        Work::Write(directory) => match Sink::open(directory, id.0) {
            Ok(sink) => {
                let side = SinkSide { sink, directory: directory.clone(), control: Mutex::default() };
                Ok(Session::start(side, Receiver::new(&job.label), transfer, stream, keys, closed)?)
            }
            Err(error) => Err(turn_away(Error::disk("open", directory, &error), stream, keys)),
        },
    }
}

/// Tells a peer that was let in that there will be no session after all.
fn turn_away(error: Error, stream: TcpStream, keys: LaneKeys) -> Error {
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
            RecordReader::new(stream, keys.opener, paces).drain(CLOSE_GRACE);
        }
    });
    error
}
