//! Every limit of the protocol in one place. The peer sets none of them.
//!
//! docs/protocol.md, "Limits", is the same table for readers.

/// Bytes in a chunk, the unit of transfer: one read, one hash subtree, one write.
///
/// 64 KiB to 1 MiB cost the same per byte within noise; 256 KiB keeps a record inside a
/// 1 MiB second-level cache together with its neighbours. A power of two, so that every chunk is
/// a subtree of the file's BLAKE3 tree.
pub const CHUNK_BYTES: u32 = 256 * 1024;

/// Room beside one full chunk in a record, for frame headers and control frames.
pub const RECORD_SLACK_BYTES: u32 = 4096;

/// The longest payload of a control frame: it must fit a record beside nothing else.
pub const MAX_CONTROL_BYTES: u32 = 64 * 1024;

/// Bytes of manifest items that a source gathers before it sends the page.
pub const PAGE_BYTES: usize = 32 * 1024;

/// Lanes of one session.
pub const MAX_LANES: u8 = 16;

/// Entries of one session.
pub const MAX_ENTRIES: u32 = 10_000_000;

/// Entries that may be offered and not yet settled.
///
/// Bounds the memory of both ends however long the manifest is. It must exceed [`MAX_DEPTH`],
/// since the folders above the walk stay unsettled until the walk leaves them.
pub const MAX_UNSETTLED: u32 = 16_384;

/// The smallest number of them that a sink may choose instead, and all that a source offers before it knows
/// what its sink has chosen.
///
/// *Attack:* one peer that opens hundreds of sessions, each of which has a right to [`MAX_UNSETTLED`].
pub const MIN_UNSETTLED: u32 = 512;

/// Folders between an entry and the target folder.
pub const MAX_DEPTH: u16 = 128;

/// Bytes of one name, as every common file system has it.
pub const MAX_NAME_BYTES: usize = 255;

/// Bytes of a link's target, and of a name before it is judged.
pub const MAX_PATH_BYTES: usize = 4096;

/// Bytes of the label by which a peer introduces itself.
pub const MAX_LABEL_BYTES: usize = 64;

/// Bytes of the text in a CLOSE frame.
pub const MAX_CLOSE_TEXT_BYTES: usize = 512;

/// Times that a sink may ask for the chunks of a file, counted in chunks: at first, when a part of them
/// turns out to be bad, and when all do. A request that names no chunk counts as one.
///
/// *Attack:* a sink that asks for the same chunks for ever; each request takes memory.
pub const MAX_REQUESTS: u64 = 8;

/// Frames about an entry, of either kind of peer, that may change nothing: repetitions after a loss, and what
/// crosses the news that the entry is settled. Further ones count as saying nothing.
///
/// *Attack:* a flood of them, which costs its sender next to nothing.
pub const NEEDLESS_FRAMES_PER_ENTRY: u64 = 8;

/// The same for each lane that joins, which may be lost: a short chunk and a hash of all entries that can be under way
/// on it, some of which have arrived and come again.
///
/// *Attack:* the same. Whoever joins over and over pays for that.
pub const NEEDLESS_FRAMES_PER_LANE: u64 = 2 * MAX_UNSETTLED as u64;

/// Records received on a lane before an acknowledgement is due.
pub const ACK_EVERY_RECORDS: u64 = 32;

/// Control frames that a source queues before its walk waits.
///
/// *Attack:* a sink that reads slowly, or not at all.
pub const MAX_QUEUED_FRAMES: usize = 1024;

/// Chunks, hashes and control frames that a source has sent in one session and that are not acknowledged;
/// it sends no more data before some are. 16 GiB of chunks, or twice what [`MAX_UNSETTLED`] small files
/// come to: nobody who acknowledges meets it.
///
/// *Attack:* a sink that never acknowledges: what it was sent is kept, to be repeated.
pub const MAX_UNACKNOWLEDGED: usize = 65_536;

/// Bytes of control frames that a source keeps because they are not acknowledged; it offers nothing more
/// before some are. Each frame counts for [`CONTROL_FRAME_BYTES`] more than it has.
///
/// *Attack:* the same, with pages.
pub const MAX_UNACKNOWLEDGED_BYTES: usize = 8 * 1024 * 1024;

/// The same for a sink, which cannot wait: it ends the session. What [`MAX_UNSETTLED`] entries can be
/// answered with is a sixth of it.
///
/// *Attack:* a source that offers and offers, reads the answers, and never acknowledges them.
pub const MAX_UNACKNOWLEDGED_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// What it takes to remember a control frame, beside its bytes.
pub const CONTROL_FRAME_BYTES: usize = 256;

/// Bytes of answers that wait to be sent, from which on a sink reads no more from its source.
///
/// *Attack:* a source that offers and offers, and does not read the answers.
pub const REPLY_QUEUE_BYTES: usize = 64 * 1024;
