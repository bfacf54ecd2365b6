//! What one side knows of one lane.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::error::ContentHash;
use crate::limits::ACK_EVERY_RECORDS;
use crate::link::{Chunk, LaneId};
use crate::manifest::EntryId;

/// What a record carried that would have to go out again if its lane were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Control(u64),
    Chunk(Chunk),
    End(EntryId, ContentHash),
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// What the record being filled carries so far.
    pub(crate) filling: Vec<Sent>,
    /// Records sent and not acknowledged, oldest first, with their numbers.
    pub(crate) log: VecDeque<(u64, Vec<Sent>)>,
    /// What all of those carried.
    pub(crate) logged: usize,
    /// Records sent.
    pub(crate) sent: u64,
    /// How many of those the peer says that it has dealt with.
    pub(crate) heard: u64,
    /// The peer's records that have been dealt with here.
    pub(crate) received: u64,
    /// How many of those the peer has been told of.
    pub(crate) acked: u64,
    /// One more than the number of the last control frame that came.
    pub(crate) numbered: u64,
    /// The record being dealt with carries more than frames about the lane itself: the peer waits
    /// to hear of it. Without this, two idle sides would acknowledge acknowledgements for ever.
    pub(crate) awaited: bool,
    /// So did one of which the peer has not been told.
    pub(crate) owes_ack: bool,
    pub(crate) ack_due: bool,
    pub(crate) ping_due: bool,
    /// Carries nothing new.
    pub(crate) retired: bool,
    /// While it has nothing to do: the lane with the most to acknowledge, and its oldest record.
    pub(crate) watching: Option<(LaneId, u64)>,
    pub(crate) closed: bool,
}

impl Lane {
    pub(crate) fn is_in_use(&self) -> bool {
        !self.closed && !self.retired
    }

    /// A control frame of this number has come. Returns whether it comes here for the first time: on one lane
    /// they come in order.
    pub(crate) fn takes_number(&mut self, number: u64) -> bool {
        let is_new = number >= self.numbered;
        self.numbered = self.numbered.max(number.saturating_add(1));
        is_new
    }

    pub(crate) fn ack_is_due(&self) -> bool {
        self.ack_due || self.received.saturating_sub(self.acked) >= ACK_EVERY_RECORDS
    }
}
