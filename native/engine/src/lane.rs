//! One TCP connection of a session: sealed records out of a buffer, opened records into one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hawser_protocol::cipher::{
    HEADER_LENGTH as LENGTH_BYTES, MAX_PLAINTEXT, Opener, Sealer, TAG_LENGTH as TAG_BYTES, record_length,
};

use crate::limits::RECORD_RATE;
use crate::pace::Paces;

/// A record being filled. One per lane, reused for all its records.
pub(crate) struct Record {
    bytes: Box<[u8]>,
    end: usize,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; LENGTH_BYTES + MAX_PLAINTEXT + TAG_BYTES].into(), end: LENGTH_BYTES }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == LENGTH_BYTES
    }

    /// Bytes of plaintext that still fit.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - TAG_BYTES - self.end
    }

    /// Appends what fits by the caller's own arithmetic.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// The next `length` bytes, to be filled and then kept by [`Record::keep`], or dropped.
    pub(crate) fn spare(&mut self, length: usize) -> &mut [u8] {
        &mut self.bytes[self.end..][..length]
    }

    pub(crate) fn keep(&mut self, length: usize) {
        self.end += length;
    }

    fn clear(&mut self) {
        self.end = LENGTH_BYTES;
    }
}

/// The sending half of a lane.
pub(crate) struct RecordWriter {
    stream: Arc<TcpStream>,
    sealer: Sealer,
    paces: Arc<Paces>,
}

impl RecordWriter {
    pub(crate) fn new(stream: Arc<TcpStream>, sealer: Sealer, paces: Arc<Paces>) -> Self {
        Self { stream, sealer, paces }
    }

    /// Seals the record in place, sends it in one write or as fast as a limit lets it, and empties
    /// it.
    pub(crate) fn write(&mut self, record: &mut Record) -> io::Result<()> {
        let whole = &mut record.bytes[..record.end + TAG_BYTES];
        self.sealer.seal(whole).map_err(io::Error::other)?;
        for slice in whole.chunks(self.paces.slice()) {
            self.paces.pass(slice.len());
            (&*self.stream).write_all(slice)?;
        }
        record.clear();
        Ok(())
    }

    /// Tells the peer's system that no more will come.
    pub(crate) fn finish(&self) {
        // The peer may be gone already, which comes to the same.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// The receiving half of a lane.
pub(crate) struct RecordReader {
    stream: Arc<TcpStream>,
    opener: Opener,
    paces: Arc<Paces>,
    /// How long a record may take, however slowly it comes.
    grace: Duration,
    buffer: Box<[u8]>,
}

impl RecordReader {
    pub(crate) fn new(stream: Arc<TcpStream>, opener: Opener, paces: Arc<Paces>, grace: Duration) -> Self {
        Self { stream, opener, paces, grace, buffer: vec![0; MAX_PLAINTEXT + TAG_BYTES].into() }
    }

    /// Reads whatever still comes, and drops it: up to the end of the connection, or for `patience`.
    /// No limit holds it up.
    pub(crate) fn drain(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        while Instant::now() < until && matches!((&*self.stream).read(&mut self.buffer), Ok(1..)) {}
    }

    /// Reads and opens the next record, as fast as a limit lets it.
    ///
    /// # Errors
    /// The socket's; `InvalidData` for a record that is not the peer's next one. Either way
    /// nothing more can be read on this lane.
    pub(crate) fn read(&mut self) -> io::Result<&mut [u8]> {
        let mut header = [0; LENGTH_BYTES];
        // How long the peer says nothing is another matter.
        let begun = read_some(&*self.stream, &mut header)?;
        let mut arrival = Arrival::new(self.grace);
        read_all(&*self.stream, &mut header[begun..], &mut arrival)?;
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let length = record_length(header).map_err(invalid)?;
        let body = &mut self.buffer[..length];
        for slice in body.chunks_mut(self.paces.slice()) {
            read_all(&*self.stream, slice, &mut arrival)?;
            self.paces.pass(slice.len());
        }
        self.opener.open(header, body).map_err(invalid)
    }
}

/// Reads something.
fn read_some(mut from: impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Fills `bytes`, unless they come so slowly that the peer only pretends to send a record.
fn read_all(mut from: impl Read, mut bytes: &mut [u8], arrival: &mut Arrival) -> io::Result<()> {
    while !bytes.is_empty() {
        let begun = Instant::now();
        let count = read_some(&mut from, bytes)?;
        if !arrival.goes_on(count, begun.elapsed()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        bytes = &mut bytes[count..];
    }
    Ok(())
}

/// How a record comes in. Only waiting for the peer counts.
struct Arrival {
    allowed: Duration,
    waited: Duration,
}

impl Arrival {
    fn new(grace: Duration) -> Self {
        Self { allowed: grace, waited: Duration::ZERO }
    }

    /// So many bytes have come after so long. Whether the rest may be waited for.
    fn goes_on(&mut self, count: usize, waited: Duration) -> bool {
        self.allowed += Duration::from_secs(1) * u32::try_from(count).unwrap_or(u32::MAX) / RECORD_RATE;
        self.waited += waited;
        self.waited <= self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RECORD_GRACE;

    /// How many bytes of a record come, one every so often, before it is given up; `None`: all of them.
    fn given_up_after(every: Duration) -> Option<usize> {
        let mut arrival = Arrival::new(RECORD_GRACE);
        (0..MAX_PLAINTEXT).find(|_| !arrival.goes_on(1, every))
    }

    #[test]
    fn a_record_may_come_slowly_but_not_byte_by_byte_for_hours() {
        let rate = Duration::from_secs(1) / RECORD_RATE;
        assert_eq!(given_up_after(rate), None);
        let seconds = given_up_after(Duration::from_secs(1)).unwrap() as u64;
        assert!((RECORD_GRACE.as_secs()..=2 * RECORD_GRACE.as_secs()).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_comes_too_late_ends_the_lane() {
        let mut buffer = [0; 8];
        let mut arrival = Arrival::new(RECORD_GRACE);
        read_all(&[7; 8][..], &mut buffer, &mut arrival).unwrap();
        assert_eq!(buffer, [7; 8]);
        arrival.waited = arrival.allowed + Duration::from_secs(1);
        let late = read_all(&[7; 8][..], &mut buffer, &mut arrival).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
