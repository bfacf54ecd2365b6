//! What both state machines share: lanes, acknowledgements, and the numbered control frames.
//!
//! Every frame that matters beyond its lane is logged with the record that carried it, until the
//! peer has acknowledged that record. When a lane is lost, what its log still holds goes out again
//! on another. Chunks are idempotent, and control frames are numbered, so a repetition is
//! recognised. docs/protocol.md, "Lanes".

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::frame::{self, FrameType, HEADER_BYTES, Header};
use crate::hello::Hello;
use crate::lane::{Lane, Sent};
use crate::limits::{MAX_UNACKNOWLEDGED, NEEDLESS_FRAMES_PER_LANE};
use crate::manifest::EntryId;
use crate::message::{Close, Message};
use crate::outbox::Outbox;

mod incoming;

/// The number of a lane, 0 to [`crate::limits::MAX_LANES`] - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u8);

/// A range of one file, at most [`crate::limits::CHUNK_BYTES`] long and aligned to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The file.
    pub entry: EntryId,
    /// Where it starts, in bytes.
    pub offset: u64,
    /// Bytes; 0 only for an empty file, whose one chunk is to be read like any other and then has
    /// no DATA frame: END alone completes it.
    pub length: u32,
}

impl Chunk {
    /// The header of the DATA frame that carries this chunk.
    pub fn header(self) -> Header {
        Header { kind: FrameType::Data, entry: self.entry, offset: self.offset, length: self.length }
    }
}

/// What a peer's frame meant, after what concerns only the lane has been dealt with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing more to do: a sign of life, or a repetition.
    Nothing,
    /// The peer has dealt with records that carried these.
    Acknowledged(Vec<Chunk>),
    /// A control message, in order and for the first time.
    Message(Message),
    /// The peer has ended this lane.
    Close(Close),
    /// A frame of class data.
    Data,
}

/// One side's view of all lanes of a session.
#[derive(Debug, Default)]
pub struct Link {
    lanes: BTreeMap<LaneId, Lane>,
    /// The lane that control frames travel on, until it is lost.
    control_lane: Option<LaneId>,
    pub(crate) outbox: Outbox,
    expected_number: u64,
    /// Frames from the peer that asked for nothing and brought nothing, since they were asked for.
    empty: u32,
    /// So many further ones about entries are repetitions, or have crossed the news that would have spared them.
    forgiven: u64,
    closing: Option<Close>,
}

impl Link {
    /// Lane 0, and a HELLO to begin with.
    pub(crate) fn new(hello: Hello) -> Self {
        let mut link = Self::default();
        link.add_lane(LaneId(0));
        link.outbox.send(&Message::Hello(hello));
        link
    }

    /// Another lane has joined. Its number is free.
    pub fn add_lane(&mut self, lane: LaneId) {
        self.lanes.insert(lane, Lane::default());
        self.control_lane.get_or_insert(lane);
        self.forgive(NEEDLESS_FRAMES_PER_LANE);
    }

    /// Puts no more on a lane, so that it can end with nothing to repeat: the last of those that
    /// carry data, but not the control lane.
    pub(crate) fn retire_lane(&mut self) {
        let control = self.control_lane;
        let mut lanes = self.lanes.iter_mut();
        if let Some((_, lane)) = lanes.rfind(|(id, lane)| Some(**id) != control && lane.is_in_use()) {
            lane.retired = true;
        }
    }

    /// How many lanes data may be put on.
    pub fn lanes_in_use(&self) -> usize {
        self.lanes.values().filter(|lane| lane.is_in_use()).count()
    }

    /// Whether data may be put on the lane.
    pub(crate) fn is_in_use(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(Lane::is_in_use)
    }

    /// The lane has run empty and is about to end.
    pub fn close_lane(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.closed = true;
        }
    }

    /// Whether a lane was retired, and all it carried has been acknowledged.
    pub fn is_drained(&self, lane: LaneId) -> bool {
        self.lanes
            .get(&lane)
            .is_some_and(|lane| lane.retired && lane.log.is_empty() && lane.filling.is_empty())
    }

    /// Whether all that the lane carried has been acknowledged.
    pub fn is_clear(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| lane.log.is_empty())
    }

    /// Whether the last record on the lane would have to be repeated if it were lost now.
    pub fn is_logged(&self, lane: LaneId) -> bool {
        let last = |lane: &Lane| lane.log.back().is_some_and(|(number, _)| *number == lane.sent);
        self.lanes.get(&lane).is_some_and(last)
    }

    /// Takes the younger half of what was put on another lane and is not acknowledged: of the one
    /// with the most, if nothing of that has been acknowledged since the same lane asked the last
    /// time. Control frames stay where they are.
    pub(crate) fn take_half(&mut self, idle: LaneId) -> Vec<Sent> {
        // What this lane carried is not acknowledged either: it is not the lanes that are slow.
        if !self.is_clear(idle) || !self.is_in_use(idle) {
            return Vec::new();
        }
        let others = self.lanes.iter().filter(|&(&lane, _)| lane != idle);
        let slowest = others.max_by_key(|(_, lane)| lane.log.len());
        let seen = slowest.and_then(|(&lane, state)| Some((lane, state.log.front()?.0)));
        let Some(watching) = self.lanes.get_mut(&idle).map(|lane| &mut lane.watching) else {
            return Vec::new();
        };
        if core::mem::replace(watching, seen) != seen {
            return Vec::new();
        }
        let Some(slow) = seen.and_then(|(lane, _)| self.lanes.get_mut(&lane)) else { return Vec::new() };
        let half = slow.log.len() / 2;
        let mut taken = Vec::new();
        for (_, items) in slow.log.range_mut(half..) {
            taken.extend(items.extract_if(.., |item| !matches!(item, Sent::Control(_))));
        }
        slow.logged = slow.logged.saturating_sub(taken.len());
        slow.log.retain(|(_, items)| !items.is_empty());
        taken
    }

    /// Whether any lane is left.
    pub(crate) fn has_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Forgets a lane and returns which chunks and hashes must go out again. Its control frames
    /// are queued again here, in their order.
    pub(crate) fn lose_lane(&mut self, lane: LaneId) -> Vec<Sent> {
        let Some(lost) = self.lanes.remove(&lane) else { return Vec::new() };
        if self.control_lane == Some(lane) {
            let find = |usable: fn(&Lane) -> bool| self.lanes.iter().find(|(_, lane)| usable(lane));
            let next = find(Lane::is_in_use).or_else(|| find(|lane| !lane.closed));
            self.control_lane = next.map(|(&lane, _)| lane);
        }
        // With none left to carry data, those that were to run empty carry it again.
        if !self.lanes.values().any(Lane::is_in_use) {
            self.lanes.values_mut().for_each(|lane| lane.retired = false);
        }
        let unacknowledged = lost.log.into_iter().flat_map(|(_, items)| items).chain(lost.filling);
        let (control, data): (Vec<_>, Vec<_>) =
            unacknowledged.partition(|item| matches!(item, Sent::Control(_)));
        let number = |item| if let Sent::Control(number) = item { Some(number) } else { None };
        self.outbox.repeat(control.into_iter().filter_map(number));
        data
    }

    /// Whether data may be put on the lane now: until the session closes, and while little enough of it
    /// is unacknowledged.
    pub(crate) fn takes_data(&self, lane: LaneId) -> bool {
        let unacknowledged = || self.lanes.values().map(|lane| lane.logged).sum::<usize>();
        self.is_in_use(lane) && !self.is_closing() && unacknowledged() < MAX_UNACKNOWLEDGED
    }

    /// How many frames have come since the last call that asked for nothing and brought nothing. What is
    /// too many of them by the second is for whoever has a clock to say.
    pub fn take_empty(&mut self) -> u32 {
        core::mem::take(&mut self.empty)
    }

    /// Queues a CLOSE behind everything else, on every lane. The first one stands.
    pub fn close(&mut self, close: Close) {
        self.closing.get_or_insert(close);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the lane has sent its CLOSE, or is gone.
    pub fn is_closed(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_none_or(|lane| lane.closed)
    }

    /// Whether the peer waits to hear that its records on this lane have been dealt with.
    pub fn owes_ack(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| lane.owes_ack && !lane.closed)
    }

    /// What the peer waits to hear is to go out now.
    pub fn queue_ack(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.ack_due = lane.owes_ack;
        }
    }

    /// A sign of life is due on this lane.
    pub fn queue_ping(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.ping_due = true;
        }
    }

    /// Whether control frames travel on this lane: all on one, so that they arrive in order.
    ///
    /// A lane with a lower number that joins later does not take over: its first frame would
    /// overtake those under way. Only a loss moves the stream, and then it starts again from the
    /// first frame that is not acknowledged.
    pub(crate) fn is_control_lane(&self, lane: LaneId) -> bool {
        self.control_lane == Some(lane)
    }

    /// Whether the lane has something of its own, or the control stream's, to send at once.
    pub(crate) fn has_frames(&self, lane: LaneId) -> bool {
        let Some(state) = self.lanes.get(&lane) else { return false };
        let control = self.outbox.is_queued() && self.is_control_lane(lane);
        !state.closed && (control || state.ping_due || state.ack_is_due() || self.is_closing())
    }

    /// The next frame for a record of this lane that has `room` bytes left.
    ///
    /// A CLOSE comes last: when the session is closing and, on the control lane, nothing else is
    /// queued.
    pub(crate) fn next_frame(&mut self, lane: LaneId, room: usize) -> Option<Vec<u8>> {
        let control_lane = self.is_control_lane(lane);
        let state = self.lanes.get_mut(&lane).filter(|state| !state.closed)?;
        if room < HEADER_BYTES {
            return None;
        }
        // An acknowledgement rides on whatever else is sent, and goes alone only when it is due.
        if state.received != state.acked && (state.ack_is_due() || !state.filling.is_empty()) {
            state.acked = state.received;
            (state.owes_ack, state.ack_due) = (false, false);
            return Some(frame::encode(FrameType::Ack, EntryId::ROOT, state.received, &[]));
        }
        if core::mem::take(&mut state.ping_due) {
            return Some(frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[]));
        }
        if control_lane && let Some((number, frame)) = self.outbox.next_frame(room) {
            state.filling.push(Sent::Control(number));
            return Some(frame);
        }
        if control_lane && self.outbox.is_queued() {
            return None;
        }
        let close = self.closing.as_ref().map(Close::encode).filter(|bytes| bytes.len() <= room)?;
        state.closed = true;
        Some(close)
    }

    /// Logs what the record being filled on `lane` carries, besides control frames.
    pub(crate) fn log(&mut self, lane: LaneId, item: Sent) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.filling.push(item);
        }
    }

    /// The record being filled has come to nothing: what it was to carry could not be read.
    pub fn drop_record(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.filling.clear();
        }
    }

    /// The record being filled is complete and on its way.
    pub(crate) fn record_sent(&mut self, lane: LaneId) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.sent = lane.sent.saturating_add(1);
        let items = core::mem::take(&mut lane.filling);
        if !items.is_empty() {
            lane.logged = lane.logged.saturating_add(items.len());
            lane.log.push_back((lane.sent, items));
        }
    }

    /// All frames of a record from the peer have been dealt with.
    pub fn record_received(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.received = lane.received.saturating_add(1);
            lane.owes_ack |= core::mem::take(&mut lane.awaited);
        }
    }

    /// A frame came that the peer repeats on another lane until it hears that this was dealt with.
    pub(crate) fn await_ack(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.awaited = true;
        }
    }
}
