//! The rules of a session one by one: what an honest peer may rely on, and what a peer that breaks
//! them gets.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod hostile;
mod lanes;
mod limits;
mod missing;
mod resume;
mod sink;
mod source;
mod states;

use hawser_protocol::error::ContentHash;
use hawser_protocol::frame::{Frames, Header};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::ranges::ChunkRange;

const LANE: LaneId = LaneId(0);
const CHUNK: u64 = CHUNK_BYTES as u64;
const HASH: ContentHash = ContentHash([7; 32]);
const OTHER_HASH: ContentHash = ContentHash([8; 32]);

fn entry(parent: u32, name: &str, kind: Kind) -> Entry {
    let name = Name::new(name.as_bytes()).unwrap();
    Entry { parent: EntryId(parent), name, kind, mode: 0o644, mtime: Mtime { seconds: 0, nanoseconds: 0 } }
}

fn file(parent: u32, name: &str, size: u64) -> Entry {
    entry(parent, name, Kind::File { size })
}

/// The only frame in these bytes.
fn open(bytes: &[u8]) -> (Header, &[u8]) {
    Frames::new(bytes).next_frame().unwrap().unwrap()
}

fn chunks<const N: usize>(ranges: [(u32, u32); N]) -> Vec<ChunkRange> {
    ranges.map(|(first, count)| ChunkRange { first, count }).to_vec()
}
