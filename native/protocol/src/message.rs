//! Control messages: the payloads of numbered frames, and of CLOSE.
//!
//! docs/protocol.md, "Control messages".

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{ContentHash, ProtocolError, Reason};
use crate::frame::{self, FrameType, Header};
use crate::hello::Hello;
use crate::limits::{MAX_CLOSE_TEXT_BYTES, MAX_PATH_BYTES};
use crate::manifest::{EntryId, Item, Name, read_page};
use crate::ranges::ChunkRange;
use crate::wire::{Reader, put_bytes, put_u16, put_u32};

/// How an entry came to be where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Under its own name.
    AsNamed,
    /// Under another, because something else had its own.
    Renamed(Name),
    /// It was already there, the same.
    Present,
}

/// A numbered control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who is speaking.
    Hello(Hello),
    /// Entries and departures, the first entry being number `first`.
    Manifest {
        /// The number of the first entry in the page.
        first: EntryId,
        /// The items.
        items: Vec<Item>,
        /// The items as they were sent, for the manifest hash.
        page: Vec<u8>,
    },
    /// No more entries.
    ManifestEnd(Summary),
    /// Entries whose bytes are asked for.
    Want(Vec<EntryId>),
    /// Of a file of which the sink has the rest: the chunks that it asks for, in order; none when
    /// it lacks only the hash. All of them when what it had of it is of no use.
    Missing {
        /// The file.
        id: EntryId,
        /// Neither touching nor overlapping.
        chunks: Vec<ChunkRange>,
    },
    /// Entries in their place.
    Committed(Vec<(EntryId, Placed)>),
    /// Entries that will not be delivered.
    Failed(Vec<(EntryId, Reason)>),
    /// Everything is settled.
    SessionOk(Summary),
    /// What the source cannot offer, so that the sink's user hears of it, too.
    Skipped {
        /// Where it would have been, `/`-separated, for people; at most [`MAX_PATH_BYTES`].
        path: String,
        /// Why.
        reason: Reason,
    },
}

/// What both sides must agree on at the end: how many entries, and the hash of all pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Entries offered.
    pub entries: u32,
    /// BLAKE3 of the payloads of all MANIFEST frames, in order.
    pub manifest: ContentHash,
}

impl Message {
    /// The message as a frame with this number.
    pub fn encode(&self, number: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        let (kind, entry) = match self {
            Self::Hello(hello) => {
                hello.put(&mut payload);
                (FrameType::Hello, EntryId::ROOT)
            }
            Self::Manifest { first, page, .. } => {
                return frame::encode(FrameType::Manifest, *first, number, page);
            }
            Self::ManifestEnd(summary) => {
                put_summary(&mut payload, summary);
                (FrameType::ManifestEnd, EntryId::ROOT)
            }
            Self::Want(entries) => {
                entries.iter().for_each(|id| put_u32(&mut payload, id.0));
                (FrameType::Want, EntryId::ROOT)
            }
            Self::Missing { id, chunks } => {
                for range in chunks {
                    put_u32(&mut payload, range.first);
                    put_u32(&mut payload, range.count);
                }
                (FrameType::Missing, *id)
            }
            Self::Committed(entries) => {
                entries.iter().for_each(|(id, placed)| put_placed(&mut payload, *id, placed));
                (FrameType::Committed, EntryId::ROOT)
            }
            Self::Failed(entries) => {
                for (id, reason) in entries {
                    put_u32(&mut payload, id.0);
                    put_u16(&mut payload, *reason as u16);
                }
                (FrameType::Failed, EntryId::ROOT)
            }
            Self::SessionOk(summary) => {
                put_summary(&mut payload, summary);
                (FrameType::SessionOk, EntryId::ROOT)
            }
            Self::Skipped { path, reason } => {
                put_u16(&mut payload, *reason as u16);
                payload.extend_from_slice(cut(path, MAX_PATH_BYTES).as_bytes());
                (FrameType::Skipped, EntryId::ROOT)
            }
        };
        frame::encode(kind, entry, number, &payload)
    }

    /// Reads the payload of a numbered frame.
    ///
    /// # Errors
    /// [`ProtocolError`] when it does not have the form of its type, to the last byte.
    pub fn decode(header: Header, payload: &[u8]) -> Result<Self, ProtocolError> {
        let names_an_entry = matches!(header.kind, FrameType::Manifest | FrameType::Missing);
        if !names_an_entry && header.entry != EntryId::ROOT {
            return Err(ProtocolError::Malformed("frame header"));
        }
        let mut reader = Reader::new(payload);
        let message = match header.kind {
            FrameType::Hello => Self::Hello(Hello::read(&mut reader, payload.len())?),
            FrameType::Manifest => {
                let items = read_page(reader.take(payload.len())?)?;
                Self::Manifest { first: header.entry, items, page: payload.to_vec() }
            }
            FrameType::ManifestEnd => Self::ManifestEnd(read_summary(&mut reader)?),
            FrameType::Want => Self::Want(read_all(&mut reader, |reader| reader.u32().map(EntryId))?),
            FrameType::Missing => Self::Missing { id: header.entry, chunks: read_chunk_ranges(&mut reader)? },
            FrameType::Committed => Self::Committed(read_all(&mut reader, read_placed)?),
            FrameType::Failed => Self::Failed(read_all(&mut reader, |reader| {
                Ok((EntryId(reader.u32()?), Reason::from_wire(reader.u16()?)?))
            })?),
            FrameType::SessionOk => Self::SessionOk(read_summary(&mut reader)?),
            FrameType::Skipped => {
                let reason = Reason::from_wire(reader.u16()?)?;
                let length = payload.len().saturating_sub(2);
                Self::Skipped { path: read_text(&mut reader, length, MAX_PATH_BYTES)?, reason }
            }
            _ => return Err(ProtocolError::Unexpected("frame")),
        };
        if reader.is_empty() { Ok(message) } else { Err(ProtocolError::Malformed("message")) }
    }
}

/// Why a side ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// All is done.
    Done = 0,
    /// Its user stopped it.
    Cancelled = 1,
    /// It does not want this session.
    Refused = 2,
    /// The other side broke the protocol.
    Protocol = 3,
    /// An error of its own machine, such as a full disk.
    Local = 4,
    /// It goes away for a while and keeps what it has: the same session may be tried again soon.
    Away = 5,
}

/// The payload of a CLOSE frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub code: CloseCode,
    /// For a person to read, at most [`MAX_CLOSE_TEXT_BYTES`]; from a peer, to be escaped.
    pub text: String,
}

impl Close {
    /// The payload as a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        put_u16(&mut payload, self.code as u16);
        payload.extend_from_slice(cut(&self.text, MAX_CLOSE_TEXT_BYTES).as_bytes());
        frame::encode(FrameType::Close, EntryId::ROOT, 0, &payload)
    }

    /// Reads the payload of a CLOSE frame.
    ///
    /// # Errors
    /// [`ProtocolError`] for an unknown code, or a text that is too long or not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(payload);
        let code = match reader.u16()? {
            0 => CloseCode::Done,
            1 => CloseCode::Cancelled,
            2 => CloseCode::Refused,
            3 => CloseCode::Protocol,
            4 => CloseCode::Local,
            5 => CloseCode::Away,
            _ => return Err(ProtocolError::Malformed("close code")),
        };
        let text = read_text(&mut reader, payload.len().saturating_sub(2), MAX_CLOSE_TEXT_BYTES)?;
        Ok(Self { code, text })
    }
}

const AS_NAMED: u8 = 0;
const RENAMED: u8 = 1;
const PRESENT: u8 = 2;

fn put_placed(payload: &mut Vec<u8>, id: EntryId, placed: &Placed) {
    put_u32(payload, id.0);
    match placed {
        Placed::AsNamed => payload.push(AS_NAMED),
        Placed::Present => payload.push(PRESENT),
        Placed::Renamed(name) => {
            payload.push(RENAMED);
            put_bytes(payload, name.as_bytes());
        }
    }
}

fn read_placed(reader: &mut Reader<'_>) -> Result<(EntryId, Placed), ProtocolError> {
    let id = EntryId(reader.u32()?);
    let placed = match reader.u8()? {
        AS_NAMED => Placed::AsNamed,
        PRESENT => Placed::Present,
        RENAMED => {
            let name = Name::new(reader.bytes(crate::limits::MAX_NAME_BYTES)?);
            Placed::Renamed(name.ok_or(ProtocolError::Malformed("name"))?)
        }
        _ => return Err(ProtocolError::Malformed("placement")),
    };
    Ok((id, placed))
}

fn put_summary(payload: &mut Vec<u8>, summary: &Summary) {
    put_u32(payload, summary.entries);
    payload.extend_from_slice(&summary.manifest.0);
}

fn read_summary(reader: &mut Reader<'_>) -> Result<Summary, ProtocolError> {
    Ok(Summary { entries: reader.u32()?, manifest: ContentHash(reader.array()?) })
}

/// `text`, cut between characters so that it has at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

pub(crate) fn read_text(reader: &mut Reader<'_>, length: usize, max: usize) -> Result<String, ProtocolError> {
    if length > max {
        return Err(ProtocolError::Limit("text length"));
    }
    let text = core::str::from_utf8(reader.take(length)?).map_err(|_| ProtocolError::Malformed("text"))?;
    Ok(String::from(text))
}

/// In order, none empty, and a gap between each two: so that one set of chunks has one form.
fn read_chunk_ranges(reader: &mut Reader<'_>) -> Result<Vec<ChunkRange>, ProtocolError> {
    let mut last_end = None;
    read_all(reader, |reader| {
        let range = ChunkRange { first: reader.u32()?, count: reader.u32()? };
        let end = range.first.checked_add(range.count).filter(|_| range.count > 0);
        let apart = last_end.is_none_or(|last| range.first > last);
        last_end = Some(end.filter(|_| apart).ok_or(ProtocolError::Malformed("chunks"))?);
        Ok(range)
    })
}

fn read_all<T>(
    reader: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, ProtocolError>,
) -> Result<Vec<T>, ProtocolError> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push(read(reader)?);
    }
    Ok(all)
}
