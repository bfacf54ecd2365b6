//! The source's half of a session: what to offer, what to send next, what has become of it.
//!
//! A state machine without I/O. Whoever drives it walks the tree into [`Sender::offer`], asks
//! [`Sender::next`] what each lane should carry, reads those bytes itself, and hands in the
//! frames that come back. docs/protocol.md, "The source".

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{ContentHash, ProtocolError, Reason};
use crate::frame::{HEADER_BYTES, Header};
use crate::hello::{Hello, Window};
use crate::lane::Sent;
use crate::limits::{MAX_ENTRIES, NEEDLESS_FRAMES_PER_ENTRY, PAGE_BYTES};
use crate::link::{LaneId, Link, Received};
use crate::manifest::{Entry, EntryId, Kind, put_entry, put_leave};
use crate::message::{Message, Summary};
use crate::offered::Offered;
pub use crate::outgoing::{END_BYTES, Fate, Outgoing, SenderEvent, end_frame};
use crate::schedule::Schedule;

mod replies;

/// The source's half of a session.
#[derive(Debug)]
pub struct Sender {
    link: Link,
    /// Items gathered for the next MANIFEST frame, and the number of the first entry in it.
    page: Vec<u8>,
    page_first: EntryId,
    last: EntryId,
    pages: blake3::Hasher,
    walked: bool,
    /// So many entries this side lets be unsettled, and the sink; of that, the least is known before its HELLO.
    windows: [Window; 2],
    unsettled: BTreeMap<EntryId, Offered>,
    /// Entries that failed here and of which the sink has not said what became of them: it may
    /// still hold them, so they count until then.
    given_up: BTreeSet<EntryId>,
    schedule: Schedule,
    /// Hashes that a lost lane gave back.
    ends: VecDeque<(EntryId, ContentHash)>,
    finished: bool,
}

impl Sender {
    /// A session with lane 0, introducing itself.
    pub fn new(hello: Hello) -> Self {
        Self {
            windows: [hello.window, Window::SMALLEST],
            link: Link::new(hello),
            page: Vec::new(),
            page_first: EntryId(1),
            last: EntryId::ROOT,
            pages: blake3::Hasher::new(),
            walked: false,
            unsettled: BTreeMap::new(),
            given_up: BTreeSet::new(),
            schedule: Schedule::default(),
            ends: VecDeque::new(),
            finished: false,
        }
    }

    /// Whether another entry may be offered, or skipped, now; when not, then once some are settled
    /// and what is queued has been sent.
    pub fn has_room(&self) -> bool {
        self.has_room_below(self.window())
    }

    /// Whether there is so much room that a walk which waited for it had better go on.
    pub fn has_much_room(&self) -> bool {
        self.has_room_below(self.window().saturating_sub(self.window() / 4))
    }

    fn window(&self) -> u32 {
        let [ours, theirs] = self.windows.map(Window::entries);
        ours.min(theirs)
    }

    fn has_room_below(&self, most: u32) -> bool {
        let count = self.unsettled.len().saturating_add(self.given_up.len());
        u32::try_from(count).is_ok_and(|count| count < most) && self.link.outbox.has_room()
    }

    /// The number the next entry offered will have; `None` when a session has no room for more.
    pub fn next_id(&self) -> Option<EntryId> {
        self.last.0.checked_add(1).filter(|&next| next <= MAX_ENTRIES).map(EntryId)
    }

    /// Offers the entry with the number that [`Sender::next_id`] announced.
    pub fn offer(&mut self, entry: &Entry) {
        let Some(id) = self.next_id() else { return };
        self.last = id;
        self.link.forgive(NEEDLESS_FRAMES_PER_ENTRY);
        put_entry(&mut self.page, entry);
        let size = match entry.kind {
            Kind::File { size } => Some(size),
            Kind::Folder | Kind::Link { .. } => None,
        };
        self.unsettled.insert(id, Offered::new(entry.parent, size));
        self.send_page_if(|page| page.len() >= PAGE_BYTES);
    }

    /// Says that nothing more will be offered in `folder`.
    pub fn leave(&mut self, folder: EntryId) {
        put_leave(&mut self.page, folder);
        self.send_page_if(|page| page.len() >= PAGE_BYTES);
    }

    /// Tells the sink of something that will not be offered.
    pub fn skip(&mut self, path: String, reason: Reason) {
        self.link.outbox.send(&Message::Skipped { path, reason });
    }

    /// Says that everything has been offered.
    pub fn end_manifest(&mut self) {
        self.send_page_if(|page| !page.is_empty());
        self.walked = true;
        self.link.outbox.send(&Message::ManifestEnd(self.summary()));
    }

    /// Gives up on a file that cannot be read after all. Folders and links are offered only when
    /// they have been read: they cannot fail here later.
    pub fn fail(&mut self, id: EntryId, reason: Reason) -> Option<SenderEvent> {
        self.unsettled.get(&id)?.size?;
        self.unsettled.remove(&id);
        self.given_up.insert(id);
        // The sink must have heard of the entry first.
        if id >= self.page_first {
            self.send_page_if(|page| !page.is_empty());
        }
        self.link.outbox.send(&Message::Failed(alloc::vec![(id, reason)]));
        Some(SenderEvent::Settled(id, Fate::Failed(reason)))
    }

    /// What the record being filled on `lane` should carry next, given that it has `room` bytes
    /// left; `None` when nothing fits or nothing is to be sent.
    pub fn next(&mut self, lane: LaneId, room: usize) -> Option<Outgoing> {
        if self.link.is_control_lane(lane) && !self.link.outbox.is_queued() {
            self.send_page_if(|page| !page.is_empty());
        }
        if let Some(frame) = self.link.next_frame(lane, room) {
            return Some(Outgoing::Frame(frame));
        }
        if !self.link.takes_data(lane) {
            return None;
        }
        self.next_end(lane, room).or_else(|| self.next_chunk(lane, room))
    }

    /// Whether [`Sender::next`] would have something for an empty record of this lane.
    pub fn has_work(&self, lane: LaneId) -> bool {
        let data = !self.ends.is_empty() || !self.schedule.is_empty();
        self.has_own_work(lane) || (data && self.link.takes_data(lane))
    }

    /// The same, but for what any lane may carry.
    pub fn has_own_work(&self, lane: LaneId) -> bool {
        let page = !self.page.is_empty() && self.link.is_control_lane(lane);
        self.link.has_frames(lane) || (page && !self.link.is_closing() && !self.link.is_closed(lane))
    }

    /// Puts in line again the younger half of what another lane has carried without an
    /// acknowledgement since the last such call. For a lane that has nothing to do, at intervals
    /// that are long beside those in which its own records were acknowledged: so that the end of a
    /// session does not wait for its slowest lane.
    pub fn take_over(&mut self, idle: LaneId) {
        let taken = self.link.take_half(idle);
        self.put_in_line(taken);
    }

    /// The file's last chunk has been read: its hash goes into the same record, right behind it.
    ///
    /// Returns whether the END frame is to be written; not when the entry is settled already, and
    /// not when the lane was lost during the read: then it goes out on another.
    pub fn end(&mut self, lane: LaneId, id: EntryId, hash: ContentHash) -> bool {
        let Some(offered) = self.unsettled.get_mut(&id) else { return false };
        offered.hash = Some(hash);
        if self.link.is_closed(lane) {
            self.ends.push_back((id, hash));
            return false;
        }
        self.link.log(lane, Sent::End(id, hash));
        true
    }

    /// The same for a file whose last missing chunk was one that the sink has from an earlier session.
    pub fn end_held(&mut self, id: EntryId, hash: ContentHash) {
        if let Some(offered) = self.unsettled.get_mut(&id) {
            offered.hash = Some(hash);
            self.ends.push_back((id, hash));
        }
    }

    /// The record being filled on `lane` is complete. To be called before its first byte is
    /// written: the acknowledgement may come back before the write returns.
    pub fn record_sent(&mut self, lane: LaneId) {
        self.link.record_sent(lane);
        self.schedule.take_turns();
    }

    /// The lanes, and what travels on them.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The lanes, to add one, to acknowledge or to end them.
    pub fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    /// A lane is lost: what it carried and the sink has not acknowledged goes out again.
    /// Returns whether another lane is left.
    pub fn lose_lane(&mut self, lane: LaneId) -> bool {
        let lost = self.link.lose_lane(lane);
        self.put_in_line(lost);
        self.link.has_lanes()
    }

    /// Files that were sent whole, and of which the sink has not said what became of them.
    pub fn unanswered(&self) -> impl Iterator<Item = (EntryId, ContentHash)> {
        self.unsettled.iter().filter_map(|(&id, offered)| Some((id, offered.hash?)))
    }

    /// Whether the session has come to its good end, after which nothing is lost with a lane.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Deals with a frame from the sink.
    ///
    /// # Errors
    /// [`ProtocolError`]: the session must end.
    pub fn handle_frame(
        &mut self,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Vec<SenderEvent>, ProtocolError> {
        let message = match self.link.handle(lane, header, payload)? {
            Received::Nothing => return Ok(Vec::new()),
            Received::Acknowledged(chunks) => return Ok(self.handle_acknowledged(chunks)),
            Received::Close(close) => return Ok(alloc::vec![SenderEvent::Closed(close)]),
            Received::Message(message) => message,
            Received::Data => return Err(ProtocolError::Unexpected("frame")),
        };
        match message {
            Message::Hello(hello) => {
                let [_, theirs] = &mut self.windows;
                *theirs = hello.window;
                Ok(alloc::vec![SenderEvent::Hello(hello)])
            }
            Message::Want(entries) => {
                entries.into_iter().try_for_each(|id| self.handle_want(id))?;
                Ok(Vec::new())
            }
            Message::Missing { id, chunks } => self.handle_missing(id, &chunks),
            Message::Committed(entries) => self.handle_committed(entries),
            Message::Failed(entries) => {
                let settled =
                    entries.into_iter().map(|(id, reason)| self.settle(id, |_| Fate::Failed(reason)));
                settled.filter_map(Result::transpose).collect()
            }
            Message::SessionOk(summary) => self.handle_session_ok(summary),
            Message::Manifest { .. } | Message::ManifestEnd(_) | Message::Skipped { .. } => {
                Err(ProtocolError::Unexpected("frame"))
            }
        }
    }

    /// Puts no more on one of several lanes: it can end when [`Link::is_drained`] says so.
    pub fn retire_lane(&mut self) {
        self.link.retire_lane();
    }

    fn put_in_line(&mut self, items: Vec<Sent>) {
        for item in items {
            match item {
                Sent::Chunk(chunk) => self.schedule.give_back(chunk),
                Sent::End(id, hash) => self.ends.push_back((id, hash)),
                Sent::Control(_) => {}
            }
        }
    }

    fn summary(&self) -> Summary {
        Summary { entries: self.last.0, manifest: ContentHash(*self.pages.finalize().as_bytes()) }
    }

    fn send_page_if(&mut self, due: impl FnOnce(&[u8]) -> bool) {
        if !due(&self.page) {
            return;
        }
        let page = core::mem::take(&mut self.page);
        self.pages.update(&page);
        self.link.outbox.send(&Message::Manifest { first: self.page_first, items: Vec::new(), page });
        self.page_first = EntryId(self.last.0.saturating_add(1));
    }

    fn next_end(&mut self, lane: LaneId, room: usize) -> Option<Outgoing> {
        if room < END_BYTES {
            return None;
        }
        let mut ends = core::iter::from_fn(|| self.ends.pop_front());
        let (id, hash) = ends.find(|(id, _)| self.unsettled.contains_key(id))?;
        self.link.log(lane, Sent::End(id, hash));
        Some(Outgoing::End(id, hash))
    }

    fn next_chunk(&mut self, lane: LaneId, room: usize) -> Option<Outgoing> {
        let room = room.checked_sub(HEADER_BYTES)?.checked_sub(END_BYTES)?;
        let chunk = self.schedule.next(lane, room, |id| self.unsettled.contains_key(&id))?;
        self.link.log(lane, Sent::Chunk(chunk));
        Some(Outgoing::Chunk(chunk))
    }
}
