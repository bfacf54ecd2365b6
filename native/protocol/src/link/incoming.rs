//! What a peer's frames mean for lanes and numbers, and which of them mean nothing.

use alloc::vec::Vec;

use super::{Chunk, LaneId, Link, Received};
use crate::error::ProtocolError;
use crate::frame::{FrameClass, FrameType, Header};
use crate::lane::Sent;
use crate::manifest::EntryId;
use crate::message::{Close, Message};

impl Link {
    /// Deals with what concerns lanes and numbers, and says what is left to do.
    pub(crate) fn handle(
        &mut self,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Received, ProtocolError> {
        if header.kind.class() != FrameClass::Lane {
            self.await_ack(lane);
        }
        match header.kind.class() {
            FrameClass::Data => return Ok(Received::Data),
            FrameClass::Control => {
                self.count_empty(payload.is_empty() && header.kind != FrameType::Missing);
                return self.handle_control(lane, header, payload);
            }
            FrameClass::Lane => {}
        }
        if header.entry != EntryId::ROOT || (header.kind != FrameType::Ack && header.offset != 0) {
            return Err(ProtocolError::Malformed("frame header"));
        }
        match header.kind {
            FrameType::Close => Close::decode(payload).map(Received::Close),
            _ if !payload.is_empty() => Err(ProtocolError::Malformed("lane frame")),
            FrameType::Ack => self.handle_ack(lane, header.offset).map(Received::Acknowledged),
            _ => {
                self.count_empty(true);
                Ok(Received::Nothing)
            }
        }
    }

    fn count_empty(&mut self, is_empty: bool) {
        self.empty = self.empty.saturating_add(is_empty.into());
    }

    /// So many more frames may change nothing.
    pub(crate) fn forgive(&mut self, frames: u64) {
        self.forgiven = self.forgiven.saturating_add(frames);
    }

    /// What was said of an entry has changed nothing.
    pub(crate) fn count_needless(&mut self) {
        match self.forgiven.checked_sub(1) {
            Some(left) => self.forgiven = left,
            None => self.count_empty(true),
        }
    }

    fn handle_control(
        &mut self,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Received, ProtocolError> {
        let is_new_here = self.lanes.get_mut(&lane).is_none_or(|lane| lane.takes_number(header.offset));
        if header.offset < self.expected_number {
            // What another lane may have lost comes once on the one that goes on with it.
            self.count_empty(!is_new_here);
            return Ok(Received::Nothing);
        }
        // A later number cannot overtake: whatever is unacknowledged is repeated from its start.
        if header.offset > self.expected_number {
            return Err(ProtocolError::Unexpected("control frame number"));
        }
        // HELLO is the first message and only that.
        if (header.kind == FrameType::Hello) != (header.offset == 0) {
            return Err(ProtocolError::Unexpected("first message"));
        }
        self.expected_number = self.expected_number.saturating_add(1);
        Message::decode(header, payload).map(Received::Message)
    }

    fn handle_ack(&mut self, lane: LaneId, records: u64) -> Result<Vec<Chunk>, ProtocolError> {
        let mut chunks = Vec::new();
        let Some(lane) = self.lanes.get_mut(&lane) else { return Ok(chunks) };
        if records > lane.sent {
            return Err(ProtocolError::Unexpected("acknowledgement"));
        }
        self.empty = self.empty.saturating_add((records <= lane.heard).into());
        lane.heard = lane.heard.max(records);
        while let Some((_, items)) = lane.log.pop_front_if(|(number, _)| *number <= records) {
            lane.logged = lane.logged.saturating_sub(items.len());
            for item in items {
                match item {
                    Sent::Control(number) => self.outbox.acknowledge(number),
                    Sent::Chunk(chunk) => chunks.push(chunk),
                    Sent::End(..) => {}
                }
            }
        }
        Ok(chunks)
    }
}
