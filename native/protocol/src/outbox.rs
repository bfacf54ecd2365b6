//! The control frames of one side: those that wait to be sent, and those that wait for an acknowledgement.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::error::ProtocolError;
use crate::limits::{
    CONTROL_FRAME_BYTES, MAX_QUEUED_FRAMES, MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_REPLY_BYTES,
};
use crate::message::Message;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Frames not acknowledged, by number.
    frames: BTreeMap<u64, Vec<u8>>,
    /// What these take.
    bytes: usize,
    /// Of those, the ones to be sent.
    queue: VecDeque<u64>,
    next_number: u64,
}

impl Outbox {
    /// Whether few enough wait to be sent: a slow line must not gather them, nor a peer that acknowledges
    /// none.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < MAX_QUEUED_FRAMES && self.bytes < MAX_UNACKNOWLEDGED_BYTES
    }

    /// Whether a peer that offers more acknowledges what it is answered.
    ///
    /// # Errors
    /// [`ProtocolError::Limit`].
    pub(crate) fn check_replies(&self) -> Result<(), ProtocolError> {
        if self.bytes > MAX_UNACKNOWLEDGED_REPLY_BYTES {
            return Err(ProtocolError::Limit("unacknowledged replies"));
        }
        Ok(())
    }

    pub(crate) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Bytes that wait to be sent.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.iter().filter_map(|number| self.frames.get(number)).map(Vec::len).sum()
    }

    pub(crate) fn send(&mut self, message: &Message) {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let frame = message.encode(number);
        self.bytes = self.bytes.saturating_add(weight(&frame));
        self.frames.insert(number, frame);
        self.queue.push_back(number);
    }

    /// Puts frames that were sent in line again, before all others.
    pub(crate) fn repeat(&mut self, numbers: impl DoubleEndedIterator<Item = u64>) {
        numbers.rev().for_each(|number| self.queue.push_front(number));
    }

    /// The next one in line, if it has at most `room` bytes.
    pub(crate) fn next_frame(&mut self, room: usize) -> Option<(u64, Vec<u8>)> {
        while let Some(&number) = self.queue.front() {
            let frame = self.frames.get(&number);
            if frame.is_some_and(|frame| frame.len() > room) {
                return None;
            }
            self.queue.pop_front();
            if let Some(frame) = frame {
                return Some((number, frame.clone()));
            }
        }
        None
    }

    pub(crate) fn acknowledge(&mut self, number: u64) {
        if let Some(frame) = self.frames.remove(&number) {
            self.bytes = self.bytes.saturating_sub(weight(&frame));
        }
    }
}

/// What it takes to keep a frame.
fn weight(frame: &[u8]) -> usize {
    frame.len().saturating_add(CONTROL_FRAME_BYTES)
}
