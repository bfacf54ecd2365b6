//! The sink's half of a session: what is asked for, where each byte goes, what is complete.
//!
//! A state machine without I/O. Whoever drives it hands in frames, does to the disk what the
//! answers say, and reports back what came of it. docs/protocol.md, "The sink".

use alloc::vec::Vec;

use crate::answers::Answers;
use crate::error::{ContentHash, ProtocolError, Reason};
use crate::frame::{FrameType, Header};
use crate::hello::{Hello, Window};
pub use crate::incoming::{Decision, Placement, ReceiverEvent};
use crate::limits::{CHUNK_BYTES, REPLY_QUEUE_BYTES};
use crate::link::{LaneId, Link, Received};
use crate::manifest::EntryId;
use crate::message::{Message, Placed, Summary};
use crate::ranges::{ChunkRange, Ranges, chunk_count, complement};
use crate::unsettled::{File, State, Unsettled};

mod offers;

/// The sink's half of a session.
#[derive(Debug)]
pub struct Receiver {
    link: Link,
    last: EntryId,
    skipped: u32,
    pages: blake3::Hasher,
    end: Option<Summary>,
    window: Window,
    unsettled: Unsettled,
    answers: Answers,
    finished: bool,
}

impl Receiver {
    /// A session with lane 0, introducing itself.
    pub fn new(hello: Hello) -> Self {
        Self {
            window: hello.window,
            link: Link::new(hello),
            last: EntryId::ROOT,
            skipped: 0,
            pages: blake3::Hasher::new(),
            end: None,
            unsettled: Unsettled::default(),
            answers: Answers::default(),
            finished: false,
        }
    }

    /// The next frame for a record of `lane` that has `room` bytes left.
    pub fn next(&mut self, lane: LaneId, room: usize) -> Option<Vec<u8>> {
        if self.link.is_control_lane(lane) && !self.link.outbox.is_queued() {
            self.send_answers();
        }
        self.link.next_frame(lane, room)
    }

    /// All entries of a page have been decided about: the source waits to hear what is wanted.
    pub fn end_page(&mut self) {
        self.answers.hurry();
    }

    /// Whether so much waits to be sent that nothing more should be read from the source for now.
    ///
    /// Only what waits here counts, and not what is under way: what would acknowledge that is yet to be
    /// read.
    pub fn is_congested(&self) -> bool {
        self.answers.bytes().saturating_add(self.link.outbox.queued_bytes()) > REPLY_QUEUE_BYTES
    }

    /// Whether this lane has something to send at once.
    pub fn has_urgent_work(&self, lane: LaneId) -> bool {
        self.link.has_frames(lane) || (self.answers.is_urgent() && self.may_answer(lane))
    }

    /// Whether this lane has something to send that may wait a few milliseconds for company.
    pub fn has_work(&self, lane: LaneId) -> bool {
        self.link.has_frames(lane) || (!self.answers.is_empty() && self.may_answer(lane))
    }

    /// The record being filled on `lane` is complete. To be called before its first byte is
    /// written: the acknowledgement may come back before the write returns.
    pub fn record_sent(&mut self, lane: LaneId) {
        self.link.record_sent(lane);
    }

    /// The lanes, and what travels on them.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The lanes, to add one, to acknowledge or to end them.
    pub fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    /// A lane is lost. Returns whether another is left.
    pub fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.link.lose_lane(lane);
        self.link.has_lanes()
    }

    /// Whether the session has come to its good end, after which nothing is lost with a lane.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Deals with a DATA frame's header: where do its bytes go?
    ///
    /// # Errors
    /// [`ProtocolError`] when the chunk is not one of a file that was asked for.
    pub fn handle_data(&mut self, lane: LaneId, header: Header) -> Result<Placement, ProtocolError> {
        self.link.await_ack(lane);
        self.link.outbox.check_replies()?;
        self.check_offered(header.entry)?;
        let file = match self.unsettled.get_mut(header.entry) {
            Some(State::File(file)) => file,
            // Settled here while these bytes were under way, or a repetition.
            None | Some(State::Placing(_) | State::GivenUp(_)) => return Ok(self.discard(header)),
            Some(_) => return Err(ProtocolError::Unexpected("data")),
        };
        let left = file.size.checked_sub(header.offset).ok_or(ProtocolError::Malformed("offset"))?;
        let whole = u64::from(header.length) == left.min(u64::from(CHUNK_BYTES));
        let aligned = header.offset.checked_rem(u64::from(CHUNK_BYTES)) == Some(0);
        if !aligned || !whole || header.length == 0 {
            return Err(ProtocolError::Malformed("chunk"));
        }
        let end = header.offset.saturating_add(u64::from(header.length));
        if file.claimed.claim(header.offset, end) {
            Ok(Placement::Write(header.entry, header.offset))
        } else {
            Ok(self.discard(header))
        }
    }

    /// Whoever sends whole chunks has work of it: only short ones are counted.
    fn discard(&mut self, header: Header) -> Placement {
        if header.length < CHUNK_BYTES {
            self.link.count_needless();
        }
        Placement::Discard
    }

    /// The bytes that [`Placement::Write`] spoke of have been written.
    pub fn written(&mut self, id: EntryId, length: u32) -> Option<ReceiverEvent> {
        if let Some(State::File(file)) = self.unsettled.get_mut(id) {
            file.written = file.written.saturating_add(u64::from(length));
        }
        self.completed(id)
    }

    /// These chunks, which [`Decision::Resume`] spoke of, are not good after all: they are asked for.
    pub fn lacks(&mut self, id: EntryId, chunks: Vec<ChunkRange>) {
        if let Some(State::File(file)) = self.unsettled.get_mut(id)
            && !chunks.is_empty()
        {
            for (start, end) in chunks.iter().map(|range| range.bytes(file.size)) {
                file.claimed.release(start, end);
            }
            self.answers.lack(id, chunks);
        }
    }

    /// A file of `size` bytes that was [`ReceiverEvent::Complete`] does not have its hash, since what
    /// was here from an earlier session was of another version: all of it is asked for. Not if the
    /// source has given it up meanwhile: then the driver is told so now.
    #[must_use]
    pub fn start_over(&mut self, id: EntryId, size: u64) -> Option<ReceiverEvent> {
        match self.unsettled.get_mut(id)? {
            // The source has sent END, and will not do so again.
            state @ &mut State::Placing(hash) => {
                *state = State::File(File { size, claimed: Ranges::new(), written: 0, hash: Some(hash) });
                self.answers.lack(id, complement(&[], chunk_count(size).unwrap_or(u32::MAX)));
                None
            }
            &mut State::GivenUp(reason) => Some(ReceiverEvent::GivenUp(id, reason)),
            State::Offered(_) | State::File(_) | State::Folder(_) => None,
        }
    }

    /// Deals with any other frame from the source.
    ///
    /// # Errors
    /// [`ProtocolError`]: the session must end.
    pub fn handle_frame(
        &mut self,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let received = self.link.handle(lane, header, payload)?;
        self.link.outbox.check_replies()?;
        match received {
            Received::Nothing | Received::Acknowledged(_) => Ok(Vec::new()),
            Received::Close(close) => Ok(alloc::vec![ReceiverEvent::Closed(close)]),
            Received::Data if header.kind == FrameType::End => self.handle_end(header, payload),
            Received::Data => Err(ProtocolError::Unexpected("data")),
            Received::Message(message) => self.handle_message(message),
        }
    }

    /// Says what the driver found about an offered entry.
    pub fn decide(&mut self, id: EntryId, decision: Decision) -> Option<EntryId> {
        match (decision, self.unsettled.get_mut(id)?) {
            (Decision::Accept, state @ &mut State::Offered(Some(size))) => {
                *state = State::File(File { size, claimed: Ranges::new(), written: 0, hash: None });
                self.answers.want(id);
                None
            }
            (Decision::Resume(held), state @ &mut State::Offered(Some(size))) => {
                let mut claimed = Ranges::new();
                for range in &held {
                    let (start, end) = range.bytes(size);
                    claimed.claim(start, end);
                }
                *state = State::File(File { size, claimed, written: 0, hash: None });
                self.answers.lack(id, complement(&held, chunk_count(size).unwrap_or(u32::MAX)));
                None
            }
            (Decision::Refuse(reason), State::Folder(folder)) => {
                // Stays known until the source has left it, for what is still offered inside.
                folder.refused = true;
                self.answers.settle(id, Err(reason));
                None
            }
            // A folder is settled after what is in it, by `place`.
            (Decision::Accept | Decision::Resume(_), _) | (Decision::Placed(_), State::Folder(_)) => None,
            (Decision::Placed(placed), _) => self.place(id, Ok(placed)),
            (Decision::Refuse(reason), _) => self.place(id, Err(reason)),
        }
    }

    /// The driver has come to where the source left `folder`. Returns a folder in which nothing is
    /// unsettled: then give it its final mode and time and call [`Receiver::place`].
    pub fn leave(&mut self, folder: EntryId) -> Option<EntryId> {
        self.unsettled.finishing(folder)
    }

    /// What came of placing a complete file, finishing a folder, or of writing that failed.
    /// Returns the folder that can be finished in turn.
    pub fn place(&mut self, id: EntryId, result: Result<Placed, Reason>) -> Option<EntryId> {
        if self.unsettled.contains(id) {
            self.answers.settle(id, result);
        }
        self.unsettled.remove(id)
    }

    /// Whether an entry is still being transferred or placed.
    pub fn is_unsettled(&self, id: EntryId) -> bool {
        self.unsettled.contains(id)
    }

    /// Whether all entries of the whole manifest are settled and [`Receiver::finish`] is due.
    pub fn is_settled(&self) -> bool {
        self.end.is_some() && self.unsettled.is_empty() && !self.finished
    }

    /// All is on disk as promised: tells the source so.
    pub fn finish(&mut self) {
        while self.send_answers() {}
        self.finished = true;
        if let Some(summary) = self.end {
            self.link.outbox.send(&Message::SessionOk(summary));
        }
    }

    fn handle_message(&mut self, message: Message) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        match message {
            Message::Hello(hello) => Ok(alloc::vec![ReceiverEvent::Hello(hello)]),
            Message::Manifest { first, items, page } => self.handle_manifest(first, items, &page),
            Message::Skipped { path, reason } if self.end.is_none() => self.handle_skipped(path, reason),
            Message::ManifestEnd(summary) => self.handle_manifest_end(summary),
            Message::Failed(entries) => {
                let events = entries.into_iter().map(|(id, reason)| self.handle_failed(id, reason));
                events.filter_map(Result::transpose).collect()
            }
            Message::Want(_)
            | Message::Missing { .. }
            | Message::Committed(_)
            | Message::SessionOk(_)
            | Message::Skipped { .. } => Err(ProtocolError::Unexpected("frame")),
        }
    }

    fn handle_failed(&mut self, id: EntryId, reason: Reason) -> Result<Option<ReceiverEvent>, ProtocolError> {
        self.check_offered(id)?;
        match self.unsettled.get_mut(id) {
            // Settled here, or about to be, while the source was still to send a part again.
            None | Some(State::GivenUp(_)) => {
                self.link.count_needless();
                Ok(None)
            }
            Some(state @ State::Placing(_)) => {
                *state = State::GivenUp(reason);
                Ok(None)
            }
            Some(state @ (State::File(_) | State::Offered(Some(_)))) => {
                // A lane that writes its last chunk at this moment must not complete it.
                *state = State::GivenUp(reason);
                Ok(Some(ReceiverEvent::GivenUp(id, reason)))
            }
            Some(_) => Err(ProtocolError::Unexpected("failure")),
        }
    }

    fn handle_end(&mut self, header: Header, payload: &[u8]) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        self.check_offered(header.entry)?;
        if header.offset != 0 {
            return Err(ProtocolError::Malformed("frame header"));
        }
        let hash = payload.try_into().map(ContentHash).map_err(|_| ProtocolError::Malformed("hash"))?;
        match self.unsettled.get_mut(header.entry) {
            Some(State::File(file)) if file.hash.is_none() => file.hash = Some(hash),
            Some(State::File(file)) if file.hash == Some(hash) => self.link.count_needless(),
            None | Some(State::Placing(_) | State::GivenUp(_)) => self.link.count_needless(),
            Some(_) => return Err(ProtocolError::Unexpected("hash")),
        }
        Ok(self.completed(header.entry).into_iter().collect())
    }

    fn completed(&mut self, id: EntryId) -> Option<ReceiverEvent> {
        let state = self.unsettled.get_mut(id)?;
        let State::File(file) = state else { return None };
        let hash = file.hash.filter(|_| file.written == file.size)?;
        *state = State::Placing(hash);
        Some(ReceiverEvent::Complete(id, hash))
    }

    /// An entry that has been in the manifest; whether it is settled or not.
    fn check_offered(&self, id: EntryId) -> Result<(), ProtocolError> {
        let offered = id != EntryId::ROOT && id <= self.last;
        if offered { Ok(()) } else { Err(ProtocolError::Unexpected("entry")) }
    }

    fn may_answer(&self, lane: LaneId) -> bool {
        self.link.is_control_lane(lane) && !self.link.is_closing()
    }

    /// Turns what has gathered into frames. Returns whether there was anything.
    fn send_answers(&mut self) -> bool {
        self.answers.take().map(|message| self.link.outbox.send(&message)).count() > 0
    }
}
