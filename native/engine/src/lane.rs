//! One TCP connection of a session: sealed records out of a buffer, opened records into one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hawser_protocol::cipher::{
    HEADER_LENGTH as LENGTH_BYTES, MAX_PLAINTEXT, Opener, Sealer, TAG_LENGTH as TAG_BYTES, record_length,
};

use crate::limits::RECORD_TIMEOUT;
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
    buffer: Box<[u8]>,
}

impl RecordReader {
    pub(crate) fn new(stream: Arc<TcpStream>, opener: Opener, paces: Arc<Paces>) -> Self {
        Self { stream, opener, paces, buffer: vec![0; MAX_PLAINTEXT + TAG_BYTES].into() }
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
        let mut waited = Duration::ZERO;
        read_all(&*self.stream, &mut header[begun..], &mut waited)?;
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let length = record_length(header).map_err(invalid)?;
        let body = &mut self.buffer[..length];
        for slice in body.chunks_mut(self.paces.slice()) {
            read_all(&*self.stream, slice, &mut waited)?;
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

/// Fills `bytes`, unless that takes so long that the peer only pretends to send a record. Only waiting for
/// the peer counts.
fn read_all(mut from: impl Read, mut bytes: &mut [u8], waited: &mut Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let begun = Instant::now();
        let count = read_some(&mut from, bytes)?;
        *waited += begun.elapsed();
        if *waited > RECORD_TIMEOUT {
            return Err(io::ErrorKind::TimedOut.into());
        }
        bytes = &mut bytes[count..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_comes_byte_by_byte_for_hours_ends_the_lane() {
        let mut buffer = [0; 8];
        let mut waited = RECORD_TIMEOUT - Duration::from_millis(1);
        read_all(&[7; 8][..], &mut buffer, &mut waited).unwrap();
        assert_eq!(buffer, [7; 8]);
        waited = RECORD_TIMEOUT;
        let late = read_all(&[7; 8][..], &mut buffer, &mut waited).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
