//! The sink's half of a session: what is asked for, where each byte goes, what is complete.
//!
//! A state machine without I/O. Whoever drives it hands in frames, does to the disk what the
//! answers say, and reports back what came of it. docs/protocol.md, "The sink".

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{ContentHash, ProtocolError, Reason};
use crate::frame::{FrameType, Header};
use crate::limits::{CHUNK_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_UNSETTLED};
use crate::link::{LaneId, Link, Received};
use crate::manifest::{Entry, EntryId, Item, Kind, LinkTarget, Name, RawEntry, RawKind};
use crate::message::{Close, Message, Placed, Summary};
use crate::ranges::Ranges;

/// Entries named in one WANT, COMMITTED or FAILED frame; at most 4 KiB, but for renamed ones.
const BATCH: usize = 200;

/// Settled entries that may wait for company before the source is told.
const SETTLED_SOON: usize = 64;

/// What the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The source introduced itself.
    Hello(String),
    /// Look at the disk for this entry, then call [`Receiver::decide`]; in this order.
    Offered(EntryId, Entry),
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
    /// Settled at once: a link that was made, or a file or link that was there already.
    Placed(Placed),
    /// It cannot be placed.
    Refuse(Reason),
}

#[derive(Debug)]
enum State {
    /// A link, or a file of this size: the driver is looking at the disk.
    Offered(Option<u64>),
    File(File),
    /// All bytes are written; the driver is placing it.
    Placing,
    Folder(Folder),
}

#[derive(Debug)]
struct File {
    size: u64,
    claimed: Ranges,
    written: u64,
    hash: Option<ContentHash>,
}

#[derive(Debug, Default)]
struct Folder {
    /// Entries in it that are not settled.
    unsettled: u32,
    /// The source has left it: nothing more will be offered in it.
    left: bool,
    /// Settled already, and known only until the source has left it.
    refused: bool,
    /// The driver has been told to finish it.
    finishing: bool,
}

/// The sink's half of a session.
#[derive(Debug)]
pub struct Receiver {
    link: Link,
    last: EntryId,
    pages: blake3::Hasher,
    end: Option<Summary>,
    unsettled: BTreeMap<EntryId, (EntryId, State)>,
    wanted: VecDeque<EntryId>,
    committed: VecDeque<(EntryId, Placed)>,
    failed: VecDeque<(EntryId, Reason)>,
    finished: bool,
}

impl Receiver {
    /// A session with lane 0, introducing itself by `label`.
    pub fn new(label: &str) -> Self {
        let mut link = Link::default();
        link.add_lane(LaneId(0));
        link.send(&Message::Hello { label: label.into() });
        Self {
            link,
            last: EntryId::ROOT,
            pages: blake3::Hasher::new(),
            end: None,
            unsettled: BTreeMap::new(),
            wanted: VecDeque::new(),
            committed: VecDeque::new(),
            failed: VecDeque::new(),
            finished: false,
        }
    }

    /// The next frame for a record of `lane` that has `room` bytes left.
    pub fn next(&mut self, lane: LaneId, room: usize) -> Option<Vec<u8>> {
        if self.link.is_control_lane(lane) && !self.link.control_is_queued() {
            self.send_batches();
        }
        self.link.next_frame(lane, room)
    }

    /// Whether this lane has something to send at once.
    pub fn has_urgent_work(&self, lane: LaneId) -> bool {
        let settled = self.committed.len().saturating_add(self.failed.len());
        let batches = !self.wanted.is_empty() || settled >= SETTLED_SOON;
        self.link.has_frames(lane) || (batches && self.link.is_control_lane(lane) && !self.link.is_closing())
    }

    /// Whether this lane has something to send that may wait a few milliseconds for company.
    pub fn has_work(&self, lane: LaneId) -> bool {
        let settled = !self.committed.is_empty() || !self.failed.is_empty();
        self.has_urgent_work(lane) || (settled && self.link.is_control_lane(lane) && !self.link.is_closing())
    }

    /// The record being filled on `lane` is complete. To be called before its first byte is
    /// written: the acknowledgement may come back before the write returns.
    pub fn record_sent(&mut self, lane: LaneId) {
        self.link.record_sent(lane);
    }

    /// All frames of a record that came in on `lane` have been handled. Returns whether an
    /// acknowledgement has become due.
    pub fn record_received(&mut self, lane: LaneId) -> bool {
        self.link.record_received(lane)
    }

    /// Another lane has joined. Its number is free, or becomes so by [`Receiver::lose_lane`] first.
    pub fn add_lane(&mut self, lane: LaneId) {
        self.link.add_lane(lane);
    }

    /// A lane is lost. Returns whether another is left.
    pub fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.link.lose_lane(lane);
        self.link.has_lanes()
    }

    /// A sign of life is due on this lane.
    pub fn queue_ping(&mut self, lane: LaneId) {
        self.link.queue_ping(lane);
    }

    /// Ends the session: a CLOSE goes out on every lane.
    pub fn close(&mut self, close: Close) {
        self.link.close(close);
    }

    /// Whether the session has come to its good end, after which nothing is lost with a lane.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether this lane has sent its CLOSE or is gone.
    pub fn is_closed(&self, lane: LaneId) -> bool {
        self.link.is_closed(lane)
    }

    /// Deals with a DATA frame's header: where do its bytes go?
    ///
    /// # Errors
    /// [`ProtocolError`] when the chunk is not one of a file that was asked for.
    pub fn handle_data(&mut self, header: Header) -> Result<Placement, ProtocolError> {
        self.check_offered(header.entry)?;
        let file = match self.unsettled.get_mut(&header.entry) {
            Some((_, State::File(file))) => file,
            // Settled here while these bytes were under way, or a repetition.
            None | Some((_, State::Placing)) => return Ok(Placement::Discard),
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
            Ok(Placement::Discard)
        }
    }

    /// The bytes that [`Placement::Write`] spoke of have been written.
    pub fn written(&mut self, id: EntryId, length: u32) -> Option<ReceiverEvent> {
        if let Some((_, State::File(file))) = self.unsettled.get_mut(&id) {
            file.written = file.written.saturating_add(u64::from(length));
        }
        self.completed(id)
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
        match self.link.handle(lane, header, payload)? {
            Received::Nothing => Ok(Vec::new()),
            Received::Close(close) => Ok(alloc::vec![ReceiverEvent::Closed(close)]),
            Received::Data if header.kind == FrameType::End => self.handle_end(header, payload),
            Received::Data => Err(ProtocolError::Unexpected("data")),
            Received::Message(message) => self.handle_message(message),
        }
    }

    /// Says what the driver found about an offered entry.
    pub fn decide(&mut self, id: EntryId, decision: Decision) -> Option<EntryId> {
        let (parent, state) = self.unsettled.get_mut(&id)?;
        let parent = *parent;
        match (decision, state) {
            (Decision::Accept, state @ &mut State::Offered(Some(size))) => {
                *state = State::File(File { size, claimed: Ranges::new(), written: 0, hash: None });
                self.wanted.push_back(id);
                None
            }
            (Decision::Refuse(reason), State::Folder(folder)) => {
                // Stays known until the source has left it, for what is still offered inside.
                folder.refused = true;
                self.failed.push_back((id, reason));
                None
            }
            // A folder is settled after what is in it, by `place`.
            (Decision::Accept, _) | (Decision::Placed(_), State::Folder(_)) => None,
            (Decision::Placed(placed), _) => self.settle(id, parent, Ok(placed)),
            (Decision::Refuse(reason), _) => self.settle(id, parent, Err(reason)),
        }
    }

    /// The driver has come to where the source left `folder`. Returns a folder in which nothing is
    /// unsettled: then give it its final mode and time and call [`Receiver::place`].
    pub fn leave(&mut self, folder: EntryId) -> Option<EntryId> {
        self.finishing(folder)
    }

    /// What came of placing a complete file, finishing a folder, or of writing that failed.
    /// Returns the folder that can be finished in turn.
    pub fn place(&mut self, id: EntryId, result: Result<Placed, Reason>) -> Option<EntryId> {
        let parent = self.unsettled.get(&id)?.0;
        self.settle(id, parent, result)
    }

    /// Whether an entry is still being transferred or placed.
    pub fn is_unsettled(&self, id: EntryId) -> bool {
        self.unsettled.contains_key(&id)
    }

    /// Whether all entries of the whole manifest are settled and [`Receiver::finish`] is due.
    pub fn is_settled(&self) -> bool {
        self.end.is_some() && self.unsettled.is_empty() && !self.finished
    }

    /// All is on disk as promised: tells the source so.
    pub fn finish(&mut self) {
        while self.send_batches() {}
        self.finished = true;
        if let Some(summary) = self.end {
            self.link.send(&Message::SessionOk(summary));
        }
    }

    fn handle_message(&mut self, message: Message) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        match message {
            Message::Hello { label } => Ok(alloc::vec![ReceiverEvent::Hello(label)]),
            Message::Manifest { first, items, page } => self.handle_manifest(first, items, &page),
            Message::ManifestEnd(summary) => self.handle_manifest_end(summary),
            Message::Failed(entries) => {
                let events = entries.into_iter().map(|(id, reason)| self.handle_failed(id, reason));
                events.filter_map(Result::transpose).collect()
            }
            Message::Want(_) | Message::Committed(_) | Message::SessionOk(_) => {
                Err(ProtocolError::Unexpected("frame"))
            }
        }
    }

    fn handle_manifest(
        &mut self,
        first: EntryId,
        items: Vec<Item>,
        page: &[u8],
    ) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        if self.end.is_some() || Some(first.0) != self.last.0.checked_add(1) {
            return Err(ProtocolError::Unexpected("manifest page"));
        }
        self.pages.update(page);
        let mut events = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Leave(folder) => {
                    match self.unsettled.get_mut(&folder) {
                        Some((_, State::Folder(state))) if !state.left => state.left = true,
                        _ => return Err(ProtocolError::Unexpected("folder")),
                    }
                    events.push(ReceiverEvent::Left(folder));
                }
                Item::Entry(raw) => events.push(self.handle_entry(*raw)?),
            }
        }
        Ok(events)
    }

    fn handle_entry(&mut self, raw: RawEntry) -> Result<ReceiverEvent, ProtocolError> {
        let id = EntryId(self.last.0.saturating_add(1));
        if id.0 > MAX_ENTRIES {
            return Err(ProtocolError::Limit("entries"));
        }
        // A refused folder is settled for the source, but known here until the source has left it:
        // the folders around the deepest entry, and that one too if it is a folder.
        let most = MAX_UNSETTLED.saturating_add(MAX_DEPTH.into());
        if u32::try_from(self.unsettled.len()).is_ok_and(|count| count > most) {
            return Err(ProtocolError::Limit("unsettled entries"));
        }
        match self.unsettled.get_mut(&raw.parent) {
            Some((_, State::Folder(folder))) if !folder.left => {
                folder.unsettled = folder.unsettled.saturating_add(1);
            }
            None if raw.parent == EntryId::ROOT => {}
            _ => return Err(ProtocolError::Unexpected("parent")),
        }
        self.last = id;
        let state = match raw.kind {
            RawKind::File { size } => State::Offered(Some(size)),
            RawKind::Folder => State::Folder(Folder::default()),
            RawKind::Link { .. } => State::Offered(None),
        };
        self.unsettled.insert(id, (raw.parent, state));
        Ok(match judge(&raw) {
            Ok(entry) => ReceiverEvent::Offered(id, entry),
            Err(reason) => ReceiverEvent::Refused { id, parent: raw.parent, name: raw.name, reason },
        })
    }

    fn handle_manifest_end(&mut self, summary: Summary) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let ours = Summary { entries: self.last.0, manifest: ContentHash(*self.pages.finalize().as_bytes()) };
        let open =
            self.unsettled.values().any(|(_, state)| matches!(state, State::Folder(folder) if !folder.left));
        if self.end.is_some() || summary != ours || open {
            return Err(ProtocolError::Unexpected("end of the manifest"));
        }
        self.end = Some(summary);
        Ok(Vec::new())
    }

    fn handle_failed(&mut self, id: EntryId, reason: Reason) -> Result<Option<ReceiverEvent>, ProtocolError> {
        self.check_offered(id)?;
        match self.unsettled.get(&id) {
            // Settled here, or about to be, while the source was still to send a part again.
            None | Some((_, State::Placing)) => Ok(None),
            Some((_, State::File(_) | State::Offered(Some(_)))) => {
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
        match self.unsettled.get_mut(&header.entry) {
            Some((_, State::File(file))) if file.hash.is_none_or(|known| known == hash) => {
                file.hash = Some(hash)
            }
            None | Some((_, State::Placing)) => {}
            Some(_) => return Err(ProtocolError::Unexpected("hash")),
        }
        Ok(self.completed(header.entry).into_iter().collect())
    }

    fn completed(&mut self, id: EntryId) -> Option<ReceiverEvent> {
        let (_, state) = self.unsettled.get_mut(&id)?;
        let State::File(file) = state else { return None };
        let hash = file.hash.filter(|_| file.written == file.size)?;
        *state = State::Placing;
        Some(ReceiverEvent::Complete(id, hash))
    }

    /// An entry that has been in the manifest; whether it is settled or not.
    fn check_offered(&self, id: EntryId) -> Result<(), ProtocolError> {
        let offered = id != EntryId::ROOT && id <= self.last;
        if offered { Ok(()) } else { Err(ProtocolError::Unexpected("entry")) }
    }

    fn settle(&mut self, id: EntryId, parent: EntryId, result: Result<Placed, Reason>) -> Option<EntryId> {
        self.unsettled.remove(&id);
        match result {
            Ok(placed) => self.committed.push_back((id, placed)),
            Err(reason) => self.failed.push_back((id, reason)),
        }
        self.release(parent)
    }

    /// One entry fewer is unsettled in `folder`.
    fn release(&mut self, folder: EntryId) -> Option<EntryId> {
        if let Some((_, State::Folder(state))) = self.unsettled.get_mut(&folder) {
            state.unsettled = state.unsettled.saturating_sub(1);
        }
        self.finishing(folder)
    }

    /// `folder`, once, when it can be finished. A refused one just goes, and its parent may be next.
    fn finishing(&mut self, folder: EntryId) -> Option<EntryId> {
        let (parent, State::Folder(state)) = self.unsettled.get_mut(&folder)? else { return None };
        if !state.left || state.unsettled > 0 || state.finishing {
            return None;
        }
        state.finishing = true;
        if !state.refused {
            return Some(folder);
        }
        let parent = *parent;
        self.unsettled.remove(&folder);
        self.release(parent)
    }

    /// Turns what has gathered into frames. Returns whether there was anything.
    fn send_batches(&mut self) -> bool {
        let wanted = take_batch(&mut self.wanted);
        let committed = take_batch(&mut self.committed);
        let failed = take_batch(&mut self.failed);
        let messages = [
            (!wanted.is_empty()).then_some(Message::Want(wanted)),
            (!committed.is_empty()).then_some(Message::Committed(committed)),
            (!failed.is_empty()).then_some(Message::Failed(failed)),
        ];
        messages.into_iter().flatten().map(|message| self.link.send(&message)).count() > 0
    }
}

fn take_batch<T>(queue: &mut VecDeque<T>) -> Vec<T> {
    queue.drain(..queue.len().min(BATCH)).collect()
}

/// Judges what only the bytes can tell. The disk has the last word.
fn judge(raw: &RawEntry) -> Result<Entry, Reason> {
    let name = Name::new(&raw.name).ok_or(Reason::NameRefused)?;
    let kind = match &raw.kind {
        RawKind::File { size } => Kind::File { size: *size },
        RawKind::Folder => Kind::Folder,
        RawKind::Link { target } => {
            Kind::Link { target: LinkTarget::new(target).ok_or(Reason::LinkOutside)? }
        }
    };
    Ok(Entry { parent: raw.parent, name, kind, mode: raw.mode, mtime: raw.mtime })
}
