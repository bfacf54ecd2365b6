//! What a sink learns and decides, as its driver sees it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{ContentHash, Reason};
use crate::hello::Hello;
use crate::manifest::{Entry, EntryId};
use crate::message::{Close, Placed};
use crate::ranges::ChunkRange;
#[cfg(doc)]
use crate::receiver::Receiver;

/// What the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The source introduced itself.
    Hello(Hello),
    /// Look at the disk for this entry, then call [`Receiver::decide`]; in this order.
    Offered(EntryId, Entry),
    /// The source does not offer this, and says why; only for the report.
    Skipped(String, Reason),
    /// The source has left this folder: call [`Receiver::leave`]; in this order.
    Left(EntryId),
    /// Refuse this entry without a look at the disk: call [`Receiver::decide`], in this order.
    Refused {
        /// The entry.
        id: EntryId,
        /// The folder it would have been in.
        parent: EntryId,
        /// Its name as sent: any bytes, for the report.
        name: Vec<u8>,
        /// Why.
        reason: Reason,
    },
    /// The source gave this file up: drop what there is of it, then call [`Receiver::place`] with
    /// the reason; in this order.
    GivenUp(EntryId, Reason),
    /// All bytes are written: check the hash and put the file in its place.
    Complete(EntryId, ContentHash),
    /// The peer ended this lane.
    Closed(Close),
}

/// What to do with the bytes of a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Write them at this offset of this file, then call [`Receiver::written`].
    Write(EntryId, u64),
    /// Drop them: they are here already, or nobody wants them any more.
    Discard,
}

/// What the driver found about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A file to be transferred, or a folder that is now open for entries, new or not.
    Accept,
    /// A file of which these chunks are here from an earlier session, in order; none of them when what
    /// was here is of no use. Each that turns out to be good is reported by [`Receiver::written`], the
    /// others by [`Receiver::lacks`]. To be used with files of less than a petabyte.
    Resume(Vec<ChunkRange>),
    /// Settled at once: a link that was made, or a file or link that was there already.
    Placed(Placed),
    /// It cannot be placed.
    Refuse(Reason),
}
