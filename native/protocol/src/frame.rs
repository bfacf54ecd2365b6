//! Frames: what a record carries, each a fixed header and its payload.
//!
//! docs/protocol.md, "Frames".

use alloc::vec::Vec;

use crate::error::ProtocolError;
use crate::limits::{CHUNK_BYTES, MAX_CONTROL_BYTES};
use crate::manifest::EntryId;
use crate::wire::{Reader, put_u16, put_u32, put_u64};

/// Bytes of a frame's header: type, flags, two reserved bytes, entry, offset, length.
pub const HEADER_BYTES: usize = 20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// Source to sink: the bytes of one chunk.
    Data = 1,
    /// Source to sink: the hash of a file whose chunks have all been read.
    End = 2,
    /// Either: who is speaking. The first control frame, once.
    Hello = 16,
    /// Source to sink: entries.
    Manifest = 17,
    /// Source to sink: how many entries there were in all, and the hash of their pages.
    ManifestEnd = 18,
    /// Sink to source: entries whose bytes it asks for.
    Want = 19,
    /// Sink to source: entries that are in their place.
    Committed = 20,
    /// Either: entries that will not be delivered, and why.
    Failed = 21,
    /// Sink to source: all entries are settled and what was delivered is as durable as promised.
    SessionOk = 22,
    /// Source to sink: something its user named, or that lies below that, which it does not offer.
    Skipped = 23,
    /// Sink to source: of a file of which it has a part, the chunks that it asks for.
    Missing = 24,
    /// Either, of its own lane: how many records of the lane have been dealt with.
    Ack = 32,
    /// Either, of its own lane: a sign of life.
    Ping = 33,
    /// Either, of its own lane: its end.
    Close = 34,
}

/// How a frame is numbered and where it may travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameClass {
    /// Unnumbered, on any lane.
    Data,
    /// Numbered, in order, on the control lane.
    Control,
    /// About the lane that it travels on.
    Lane,
}

impl FrameType {
    const ALL: [Self; 14] = [
        Self::Data,
        Self::End,
        Self::Hello,
        Self::Manifest,
        Self::ManifestEnd,
        Self::Want,
        Self::Committed,
        Self::Failed,
        Self::SessionOk,
        Self::Skipped,
        Self::Missing,
        Self::Ack,
        Self::Ping,
        Self::Close,
    ];

    fn from_wire(number: u8) -> Result<Self, ProtocolError> {
        let found = Self::ALL.into_iter().find(|kind| *kind as u8 == number);
        found.ok_or(ProtocolError::Malformed("frame type"))
    }

    /// How frames of this type are numbered and where they may travel.
    pub fn class(self) -> FrameClass {
        match self {
            Self::Data | Self::End => FrameClass::Data,
            Self::Ack | Self::Ping | Self::Close => FrameClass::Lane,
            _ => FrameClass::Control,
        }
    }

    /// The longest payload a frame of this type may have, in bytes.
    fn max_length(self) -> u32 {
        match self {
            Self::Data => CHUNK_BYTES,
            _ => MAX_CONTROL_BYTES,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: FrameType,
    /// The entry it is about, or the first of several; 0 where it is about none.
    pub entry: EntryId,
    /// Data: where in the file, in bytes. Control: the frame's number. Ack: records. Else 0.
    pub offset: u64,
    /// Bytes of payload behind the header.
    pub length: u32,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.push(self.kind as u8);
        out.push(0);
        put_u16(&mut out, 0);
        put_u32(&mut out, self.entry.0);
        put_u64(&mut out, self.offset);
        put_u32(&mut out, self.length);
        out.try_into().unwrap_or([0; HEADER_BYTES])
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let kind = FrameType::from_wire(reader.u8()?)?;
        if reader.array()? != [0; 3] {
            return Err(ProtocolError::Malformed("frame flags"));
        }
        let entry = EntryId(reader.u32()?);
        let offset = reader.u64()?;
        let length = reader.u32()?;
        if length > kind.max_length() {
            return Err(ProtocolError::Limit("frame length"));
        }
        Ok(Self { kind, entry, offset, length })
    }
}

/// A whole frame as bytes.
pub fn encode(kind: FrameType, entry: EntryId, offset: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEADER_BYTES.saturating_add(payload.len()));
    frame.extend_from_slice(&Header { kind, entry, offset, length }.to_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The frames of an opened record, in order.
pub struct Frames<'a> {
    reader: Reader<'a>,
}

impl<'a> Frames<'a> {
    /// Starts at the first frame of `plaintext`.
    pub fn new(plaintext: &'a [u8]) -> Self {
        Self { reader: Reader::new(plaintext) }
    }

    /// The next frame; `None` at the end of the record.
    ///
    /// # Errors
    /// [`ProtocolError`] for an unknown type, a length over its limit, or a frame cut short.
    pub fn next_frame(&mut self) -> Result<Option<(Header, &'a [u8])>, ProtocolError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let header = Header::read(&mut self.reader)?;
        let length = usize::try_from(header.length).map_err(|_| ProtocolError::Limit("frame length"))?;
        Ok(Some((header, self.reader.take(length)?)))
    }
}
