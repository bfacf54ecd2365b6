//! What drives the `Sender`: a walk of the tree, and a writer and a reader for each lane.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::link::{Chunk, LaneId};
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, Mtime, Name};
use hawser_protocol::sender::{Fate, Outgoing, Sender, SenderEvent, end_frame};

use super::rng::Rng;
use super::tree::{Tree, What, hash_of};
use super::wire::{End, Frame, Lane, Record};
use super::{Faults, Seen};

/// A file as far as it has been read.
struct File {
    node: usize,
    size: u64,
    read: BTreeSet<u32>,
    hashed: bool,
}

/// The writer of a lane.
#[derive(Default)]
struct Writer {
    record: Record,
    reading: Option<Chunk>,
    /// Whether it has taken anything from the sender since its last record, even in vain.
    busy: bool,
    lost: bool,
}

pub struct Source {
    pub sender: Sender,
    pub faults: Faults,
    pub tree: Tree,
    /// Chunks that the sink has from an earlier session: not one of them is to be sent.
    intact: BTreeMap<usize, BTreeSet<u32>>,
    /// Chunks to be read for their file's hash only.
    held: VecDeque<(EntryId, u32)>,
    /// The folders that the walk is in: node, number, and how many of its entries were offered.
    stack: Vec<(usize, EntryId, usize)>,
    walked: bool,
    files: BTreeMap<EntryId, File>,
    writers: BTreeMap<LaneId, Writer>,
    fates: BTreeMap<EntryId, Fate>,
    /// Files that failed here.
    gave_up: BTreeSet<EntryId>,
    left: BTreeSet<EntryId>,
    offered: usize,
    /// Bytes of files that the sink is known to have dealt with.
    arrived: u64,
    greeted: bool,
    finished: bool,
}

impl Source {
    pub fn new(tree: Tree, intact: BTreeMap<usize, BTreeSet<u32>>, hello: Hello, faults: Faults) -> Self {
        Self {
            sender: Sender::new(hello),
            faults,
            tree,
            intact,
            held: VecDeque::new(),
            stack: vec![(0, EntryId::ROOT, 0)],
            walked: false,
            files: BTreeMap::new(),
            writers: BTreeMap::from([(LaneId(0), Writer::default())]),
            fates: BTreeMap::new(),
            gave_up: BTreeSet::new(),
            left: BTreeSet::new(),
            offered: 0,
            arrived: 0,
            greeted: false,
            finished: false,
        }
    }

    /// The walk takes a step: offers an entry, or leaves a folder. Returns whether it could.
    pub fn walk(&mut self, rng: &mut Rng) -> bool {
        let Some(top) = self.stack.last_mut() else { return self.end_walk() };
        let (node, folder, done) = *top;
        // A folder that the sink refused need not be walked any further.
        let refused = matches!(self.fates.get(&folder), Some(Fate::Failed(_))) && rng.chance(50);
        match self.tree.children(node).get(done).filter(|_| !refused) {
            Some(&child) => {
                if !self.sender.has_room() {
                    return false;
                }
                top.2 += 1;
                self.offer(folder, child);
            }
            None => {
                self.stack.pop();
                if folder != EntryId::ROOT {
                    self.sender.leave(folder);
                    self.left.insert(folder);
                }
            }
        }
        true
    }

    fn end_walk(&mut self) -> bool {
        if !self.walked {
            self.sender.end_manifest();
        }
        !std::mem::replace(&mut self.walked, true)
    }

    fn offer(&mut self, parent: EntryId, node: usize) {
        let id = self.sender.next_id().unwrap();
        let mut seconds = -1;
        let kind = match self.tree.what(node) {
            What::File(size) => {
                seconds = self.tree.now(node).mtime;
                self.files.insert(id, File { node, size, read: BTreeSet::new(), hashed: false });
                Kind::File { size }
            }
            What::Folder => {
                self.stack.push((node, id, 0));
                Kind::Folder
            }
            What::Link => Kind::Link { target: LinkTarget::new(b"../elsewhere").unwrap() },
        };
        let name = Name::new(node.to_string().as_bytes()).unwrap();
        let mtime = Mtime { seconds, nanoseconds: 999_999_999 };
        self.sender.offer(&Entry { parent, name, kind, mode: 0o750, mtime });
        self.offered += 1;
    }

    /// The walk finds that some file is gone, wherever it is in its life.
    pub fn fail_some(&mut self, rng: &mut Rng, seen: &mut Seen) {
        if self.faults.read == 0 || !rng.chance(10) {
            return;
        }
        // Often one that the sink may have whole.
        let hashed = rng.chance(50);
        let eligible = |(id, file): &(&EntryId, &File)| file.hashed >= hashed && !self.fates.contains_key(id);
        let files: Vec<_> = self.files.iter().filter(eligible).map(|(&id, _)| id).collect();
        if let Some(&id) = files.get(rng.below(files.len())) {
            self.fail(id, Reason::SourceGone, seen);
        }
    }

    fn fail(&mut self, id: EntryId, reason: Reason, seen: &mut Seen) {
        if let Some(event) = self.sender.fail(id, reason) {
            seen.given_up += 1;
            self.gave_up.insert(id);
            self.handle(event, seen);
        }
    }

    /// A lane's writer goes on with its record, and sends it when nothing more fits or is to be
    /// sent. Returns whether it did anything.
    pub fn write(&mut self, lane: &mut Lane, rng: &mut Rng, seen: &mut Seen) -> bool {
        let Some(mut writer) = self.writers.remove(&lane.id) else { return false };
        let idle = !writer.busy;
        let work = self.sender.has_work(lane.id);
        let mut moved = false;
        let full = loop {
            if let Some(chunk) = writer.reading.take() {
                self.read_chunk(lane.id, chunk, &mut writer, rng, seen);
            } else if let Some(next) = self.sender.next(lane.id, writer.record.room()) {
                assert!(work || !idle || moved, "something to send that has_work denied");
                match next {
                    Outgoing::Frame(bytes) => writer.record.push(Frame::Whole(bytes)),
                    Outgoing::End(id, hash) => {
                        seen.repeated_ends += 1;
                        writer.record.push(Frame::Whole(end_frame(id, hash)));
                    }
                    Outgoing::Chunk(chunk) => writer.reading = Some(chunk),
                }
            } else {
                break true;
            }
            moved = true;
            writer.busy = true;
            if rng.chance(10) {
                break false;
            }
        };
        if full && idle && !moved {
            assert!(!self.sender.has_work(lane.id), "has_work promised what next does not have");
        }
        if full && !writer.record.is_empty() {
            writer.busy = false;
            self.send(lane, std::mem::take(&mut writer.record), seen);
        }
        self.writers.insert(lane.id, writer);
        moved
    }

    fn send(&mut self, lane: &mut Lane, record: Record, seen: &mut Seen) {
        let data = record.frames.iter().filter(|frame| matches!(frame, Frame::Data(..))).count();
        seen.shared_records += u64::from(data > 1);
        if lane.source == End::Live {
            self.sender.record_sent(lane.id);
            lane.send_to_sink(record);
        }
    }

    fn read_chunk(
        &mut self,
        lane: LaneId,
        chunk: Chunk,
        writer: &mut Writer,
        rng: &mut Rng,
        seen: &mut Seen,
    ) {
        let file = &self.files[&chunk.entry];
        let left = file.size - chunk.offset;
        assert_eq!(u64::from(chunk.length), left.min(CHUNK_BYTES.into()), "{chunk:?}");
        if rng.chance(self.faults.read) {
            return self.fail(chunk.entry, Reason::SourceChanged, seen);
        }
        let number = (chunk.offset / u64::from(CHUNK_BYTES)) as u32;
        if chunk.length > 0 {
            let spared = self.intact.get(&file.node).is_some_and(|chunks| chunks.contains(&number));
            assert!(!spared, "{chunk:?} is sent again although the sink has it");
            let tag = self.tree.now(file.node).chunks[number as usize];
            writer.record.push(Frame::Data(chunk.header(), tag));
        }
        seen.reads_outliving_their_lane += u64::from(writer.lost);
        if let Some(hash) = self.hash_chunk(chunk.entry, number)
            && self.sender.end(lane, chunk.entry, hash)
        {
            writer.record.push(Frame::Whole(end_frame(chunk.entry, hash)));
        }
    }

    /// Returns the hash of the file, once: when all of it has been read.
    fn hash_chunk(&mut self, id: EntryId, chunk: u32) -> Option<ContentHash> {
        let file = self.files.get_mut(&id).unwrap();
        file.read.insert(chunk);
        let whole = file.read.len() as u64 == file.size.div_ceil(CHUNK_BYTES.into()).max(1);
        (whole && !std::mem::replace(&mut file.hashed, true)).then(|| self.hash_of(id))
    }

    fn hash_of(&self, id: EntryId) -> ContentHash {
        hash_of(&self.tree.now(self.files[&id].node).chunks)
    }

    /// Reads a chunk that the sink has, for the hash. Returns whether there was one.
    pub fn read_held(&mut self, rng: &mut Rng, seen: &mut Seen) -> bool {
        let Some((id, chunk)) = self.held.pop_front() else { return false };
        if rng.chance(self.faults.read) {
            self.fail(id, Reason::SourceChanged, seen);
        } else if let Some(hash) = self.hash_chunk(id, chunk) {
            self.sender.end_held(id, hash);
        }
        true
    }

    /// A record comes in on this lane. Returns whether there was one.
    pub fn read(&mut self, lane: &mut Lane, seen: &mut Seen) -> bool {
        let Some(record) = lane.arrive_at_source() else { return false };
        for frame in &record.frames {
            let (header, payload) = frame.open();
            let events = self.sender.handle_frame(lane.id, header, payload);
            for event in events.unwrap_or_else(|error| panic!("{error}: {header:?}")) {
                self.handle(event, seen);
            }
        }
        self.sender.link_mut().record_received(lane.id);
        true
    }

    fn handle(&mut self, event: SenderEvent, seen: &mut Seen) {
        match event {
            SenderEvent::Hello(hello) => {
                assert_eq!(hello.label, "sink");
                assert!(!std::mem::replace(&mut self.greeted, true), "HELLO twice");
            }
            SenderEvent::Settled(id, fate) => {
                if let Fate::Placed(_, Some(hash)) = &fate {
                    assert_eq!(*hash, self.hash_of(id));
                }
                assert!(self.fates.insert(id, fate).is_none(), "{id:?} settled twice");
            }
            SenderEvent::Arrived(bytes) => self.arrived += bytes,
            SenderEvent::Held(id, chunks, bytes) => {
                self.arrived += bytes;
                let chunks = chunks.iter().flat_map(|range| range.first..range.end());
                self.held.extend(chunks.map(|chunk| (id, chunk)));
            }
            SenderEvent::StartedOver(_) => seen.useless_parts += 1,
            SenderEvent::Lacking(_, bytes) => {
                self.arrived = self.arrived.checked_sub(bytes).expect("it had counted");
                seen.lacking += 1;
            }
            SenderEvent::Finished => {
                assert!(!std::mem::replace(&mut self.finished, true), "finished twice");
                assert!(self.walked, "finished before the end of the walk");
            }
            SenderEvent::Closed(_) => assert!(self.finished, "the sink closed first"),
        }
    }

    /// Comes to know what has become of a lane. Returns whether that was news.
    pub fn notice(&mut self, lane: &mut Lane) -> bool {
        match lane.source {
            End::Unknown => {
                self.sender.link_mut().add_lane(lane.id);
                self.writers.insert(lane.id, Writer::default());
                lane.source = End::Live;
            }
            End::Live if lane.is_cut() => {
                self.sender.lose_lane(lane.id);
                self.writers.entry(lane.id).or_default().lost = true;
                lane.source = End::Lost;
            }
            _ => return false,
        }
        true
    }

    /// What arrived adds up to the files that were placed, and what came of others.
    pub fn check_arrived(&self) {
        let size = |id: &EntryId| self.files.get(id).map_or(0, |file| file.size);
        let delivered = |fate: &Fate| matches!(fate, Fate::Placed(_, Some(_)));
        let placed: u64 = self.fates.iter().filter(|(_, fate)| delivered(fate)).map(|(id, _)| size(id)).sum();
        let failed: u64 = self
            .fates
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Failed(_)))
            .map(|(id, _)| size(id))
            .sum();
        assert!((placed..=placed + failed).contains(&self.arrived), "{} bytes arrived", self.arrived);
    }

    /// A lane has had nothing to do for a while.
    pub fn take_over(&mut self, lane: &Lane, seen: &mut Seen) {
        if lane.source == End::Live && !self.sender.has_work(lane.id) {
            self.sender.take_over(lane.id);
            seen.taken_over += u64::from(self.sender.has_work(lane.id));
        }
    }

    /// There are more lanes than are of use. One that is empty then ends.
    pub fn retire_lane(&mut self) {
        self.sender.retire_lane();
    }

    pub fn is_drained(&self, lane: LaneId) -> bool {
        self.sender.link().is_drained(lane)
    }

    pub fn take_empty(&mut self) -> u32 {
        self.sender.link_mut().take_empty()
    }

    pub fn ping(&mut self, lane: LaneId) {
        self.sender.link_mut().queue_ack(lane);
        self.sender.link_mut().queue_ping(lane);
    }

    /// Whether no read of this lane's writer is under way.
    pub fn is_idle(&self, lane: LaneId) -> bool {
        self.writers.get(&lane).is_none_or(|writer| writer.reading.is_none())
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn offered(&self) -> usize {
        self.offered
    }

    /// Entries of which the source does not know that they are settled; those that it gave up
    /// itself are settled for it.
    pub fn unconfirmed(&self) -> usize {
        self.offered - self.fates.len()
    }

    pub fn fates(&self) -> &BTreeMap<EntryId, Fate> {
        &self.fates
    }

    pub fn gave_up(&self, id: EntryId) -> bool {
        self.gave_up.contains(&id)
    }

    pub fn left(&self) -> &BTreeSet<EntryId> {
        &self.left
    }
}
