//! What a source sends and learns, as its driver sees it.

use alloc::vec::Vec;

use crate::error::{ContentHash, Reason};
use crate::frame::{self, FrameType, HEADER_BYTES};
use crate::hello::Hello;
use crate::link::Chunk;
use crate::manifest::EntryId;
use crate::message::{Close, Placed};
use crate::ranges::ChunkRange;

/// Bytes of an END frame: kept free behind each chunk, so that a file's hash rides along.
pub const END_BYTES: usize = HEADER_BYTES + 32;

/// What a lane should carry next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A whole frame, as it is.
    Frame(Vec<u8>),
    /// A DATA frame: [`Chunk::header`], then the bytes, which the caller reads; no frame when there
    /// are none.
    Chunk(Chunk),
    /// An END frame: [`end_frame`].
    End(EntryId, ContentHash),
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is where it belongs; files with the hash of what was transferred.
    Placed(Placed, Option<ContentHash>),
    /// It was not delivered.
    Failed(Reason),
}

/// What the driver has to know.
#[derive(Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// The sink introduced itself.
    Hello(Hello),
    /// The sink has dealt with so many more bytes of files. For a file that it placed they add up
    /// to its size with what was held and less what was lacking, however often they were sent.
    Arrived(u64),
    /// Of this file the sink has these chunks, so many bytes in all, from an earlier session: they are
    /// to be read for its hash only, which then goes to [`Sender::end_held`](crate::sender::Sender::end_held).
    Held(EntryId, Vec<ChunkRange>, u64),
    /// What the sink had of this file from an earlier session is of no use any more.
    StartedOver(EntryId),
    /// The sink lacks so many bytes of this file after all that counted as held or arrived.
    Lacking(EntryId, u64),
    /// An entry is settled, for good.
    Settled(EntryId, Fate),
    /// Everything is settled and the sink vouches for it.
    Finished,
    /// The peer ended this lane.
    Closed(Close),
}

/// The END frame of a file.
pub fn end_frame(id: EntryId, hash: ContentHash) -> Vec<u8> {
    frame::encode(FrameType::End, id, 0, &hash.0)
}
