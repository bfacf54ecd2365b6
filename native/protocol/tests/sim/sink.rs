//! What drives the `Receiver`: a driver that decides and places, and a writer and a reader for
//! each lane. The readers write what they receive, each at its own pace.

mod driver;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::frame::{FrameType, Header};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{CHUNK_BYTES, MAX_DEPTH, MAX_UNSETTLED};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{Entry, EntryId, Kind};
use hawser_protocol::message::{Close, CloseCode, Placed};
use hawser_protocol::receiver::{Placement, Receiver, ReceiverEvent};

use super::disk::Path;
use super::rng::Rng;
use super::store::Store;
use super::tree::Tag;
use super::wire::{End, Frame, Lane, Record};
use super::{Faults, Seen};

/// What the sink's disk and reports would show of an entry.
struct Known {
    /// Where it is in the source's tree: the simulated names say so.
    node: usize,
    parent: EntryId,
    size: Option<u64>,
    wanted: bool,
    /// Chunks that came with an order to write them, or are held from an earlier session.
    ordered: BTreeSet<u32>,
    written: u64,
    ended: bool,
    given_up: bool,
    complete: bool,
    /// Entries in it that are not settled.
    unsettled: usize,
    left: bool,
    finishing: bool,
}

/// The reader of a lane, in the middle of a record or not, and the record its writer fills.
#[derive(Default)]
struct Ends {
    filling: Record,
    frames: VecDeque<Frame>,
    receiving: bool,
    writing: Option<Write>,
}

/// A chunk on its way to the disk.
struct Write {
    id: EntryId,
    chunk: u32,
    length: u32,
    tag: Tag,
    /// Its bytes are there; what is left is to say so.
    done: bool,
}

/// What the driver does in any order.
enum Job {
    /// These chunks, which a journal says are here, are they?
    Verify(EntryId, Vec<u32>),
    /// All of this file is written: does it have this hash?
    Check(EntryId, ContentHash),
}

/// What gets its name together.
#[derive(Default)]
struct Commit {
    waiting: VecDeque<EntryId>,
    /// What has its name, but may lose it yet.
    named: VecDeque<(EntryId, Result<Placed, Reason>)>,
    flushed: bool,
}

pub struct Sink {
    pub receiver: Receiver,
    pub store: Store,
    pub faults: Faults,
    /// Whether files that are there are compared, and not only looked at.
    compares: bool,
    lanes: BTreeMap<LaneId, Ends>,
    /// Answers that the driver deals with one after the other.
    events: VecDeque<ReceiverEvent>,
    jobs: Vec<Job>,
    /// What is as it is to be, but for its name.
    ready: Vec<EntryId>,
    commit: Option<Commit>,
    /// Where each entry was put, or found.
    at: BTreeMap<EntryId, Path>,
    /// Files that count as there without a look at their content.
    trusted: BTreeSet<EntryId>,
    known: BTreeMap<EntryId, Known>,
    fates: BTreeMap<EntryId, Result<Placed, Reason>>,
    left: BTreeSet<EntryId>,
    greeted: bool,
    flushed: bool,
    finished: bool,
}

impl Sink {
    pub fn new(store: Store, faults: Faults) -> Self {
        Self {
            receiver: Receiver::new(Hello::named("sink")),
            store,
            faults,
            compares: false,
            lanes: BTreeMap::from([(LaneId(0), Ends::default())]),
            events: VecDeque::new(),
            jobs: Vec::new(),
            ready: Vec::new(),
            commit: None,
            at: BTreeMap::new(),
            trusted: BTreeSet::new(),
            known: BTreeMap::new(),
            fates: BTreeMap::new(),
            left: BTreeSet::new(),
            greeted: false,
            flushed: false,
            finished: false,
        }
    }

    /// A lane's writer fills a record and sends it; with `settled`, also what may wait.
    pub fn write(&mut self, lane: &mut Lane, rng: &mut Rng, settled: bool) -> bool {
        let now = self.receiver.has_urgent_work(lane.id)
            || ((settled || rng.chance(30)) && self.receiver.has_work(lane.id));
        let Some(ends) = self.lanes.get_mut(&lane.id) else { return false };
        if !now && ends.filling.is_empty() {
            return false;
        }
        while let Some(bytes) = self.receiver.next(lane.id, ends.filling.room()) {
            ends.filling.push(Frame::Whole(bytes));
            if rng.chance(5) {
                return true;
            }
        }
        let record = std::mem::take(&mut ends.filling);
        assert!(!record.is_empty() || lane.sink == End::Lost, "work promised what next does not have");
        if lane.sink == End::Live {
            self.receiver.record_sent(lane.id);
            lane.send_to_source(record);
        }
        true
    }

    /// A lane's reader goes on, by a frame or a write at least. Returns whether it could.
    pub fn read(&mut self, lane: &mut Lane, rng: &mut Rng, seen: &mut Seen) -> bool {
        let Some(mut ends) = self.lanes.remove(&lane.id) else { return false };
        let mut moved = false;
        loop {
            if let Some(write) = ends.writing.take() {
                ends.writing = self.write_to_disk(write, rng);
            } else if let Some(frame) = ends.frames.pop_front() {
                ends.writing = self.handle(lane.id, &frame, seen);
            } else if std::mem::take(&mut ends.receiving) {
                self.receiver.link_mut().record_received(lane.id);
            } else if let Some(record) = lane.arrive_at_sink() {
                ends.frames = record.frames;
                ends.receiving = true;
            } else {
                break;
            }
            moved = true;
            if rng.chance(10) {
                break;
            }
        }
        self.lanes.insert(lane.id, ends);
        moved
    }

    fn handle(&mut self, lane: LaneId, frame: &Frame, seen: &mut Seen) -> Option<Write> {
        let (header, payload) = frame.open();
        let fault = |error| panic!("{error}: {header:?}");
        if let Frame::Data(_, tag) = *frame {
            return match self.receiver.handle_data(lane, header).unwrap_or_else(fault) {
                Placement::Write(id, offset) => {
                    let chunk = (offset / u64::from(CHUNK_BYTES)) as u32;
                    self.order(id, chunk);
                    Some(Write { id, chunk, length: header.length, tag, done: false })
                }
                Placement::Discard => {
                    seen.discarded += 1;
                    self.check_discard(header);
                    None
                }
            };
        }
        if header.kind == FrameType::End {
            self.known.get_mut(&header.entry).unwrap().ended = true;
        }
        let events = self.receiver.handle_frame(lane, header, payload);
        events
            .unwrap_or_else(|error| panic!("{error}: {header:?}"))
            .into_iter()
            .for_each(|event| self.note(event));
        None
    }

    fn order(&mut self, id: EntryId, chunk: u32) {
        let known = self.known.get_mut(&id).unwrap();
        assert!(known.wanted, "{id:?} was not asked for");
        assert!(!known.complete, "{id:?} was complete already");
        assert!(known.ordered.insert(chunk), "chunk {chunk} of {id:?} would be written twice");
    }

    fn check_discard(&self, header: Header) {
        let known = &self.known[&header.entry];
        let needless = self.fates.contains_key(&header.entry)
            || known.given_up
            || known.ordered.contains(&((header.offset / u64::from(CHUNK_BYTES)) as u32));
        assert!(needless, "{header:?} was discarded and is not here");
    }

    fn write_to_disk(&mut self, write: Write, rng: &mut Rng) -> Option<Write> {
        let Write { id, chunk, length, tag, done } = write;
        if !done {
            if rng.chance(self.faults.write) {
                self.place(id, Err(Reason::DiskFull));
                return None;
            }
            self.store.write(id, chunk, tag);
            return Some(Write { done: true, ..write });
        }
        self.store.note(id, chunk, tag);
        self.written(id, length);
        None
    }

    fn written(&mut self, id: EntryId, length: u32) {
        self.known.get_mut(&id).unwrap().written += u64::from(length);
        if let Some(event) = self.receiver.written(id, length) {
            self.note(event);
        }
    }

    /// Takes in an answer of the receiver, before the driver comes to it.
    fn note(&mut self, event: ReceiverEvent) {
        match event {
            ReceiverEvent::Offered(id, ref entry) => self.note_offered(id, entry),
            ReceiverEvent::Left(id) => {
                assert!(!std::mem::replace(&mut self.known.get_mut(&id).unwrap().left, true), "left twice");
                self.left.insert(id);
            }
            ReceiverEvent::Complete(id, hash) => {
                self.check_complete(id);
                return self.jobs.push(Job::Check(id, hash));
            }
            ReceiverEvent::Hello(hello) => {
                assert_eq!(hello.label, "source");
                assert!(!std::mem::replace(&mut self.greeted, true), "HELLO twice");
                self.compares = hello.requests.compare;
                return;
            }
            ReceiverEvent::Closed(close) => {
                assert!(self.finished && close.code == CloseCode::Done, "closed before the end");
                return self.receiver.link_mut().close(Close { code: CloseCode::Done, text: String::new() });
            }
            ReceiverEvent::GivenUp(id, _) => self.known.get_mut(&id).unwrap().given_up = true,
            ReceiverEvent::Skipped(..) | ReceiverEvent::Refused { .. } => {
                panic!("the simulated source offers all it has, under good names")
            }
        }
        self.events.push_back(event);
    }

    fn note_offered(&mut self, id: EntryId, entry: &Entry) {
        let size = if let Kind::File { size } = entry.kind { Some(size) } else { None };
        if let Some(parent) = self.known.get_mut(&entry.parent) {
            assert!(!parent.left, "{id:?} offered in a folder that was left");
            parent.unsettled += 1;
        } else {
            assert_eq!(entry.parent, EntryId::ROOT, "{id:?} offered before its folder");
        }
        let node = std::str::from_utf8(entry.name.as_bytes()).unwrap().parse().unwrap();
        let known = Known {
            node,
            parent: entry.parent,
            size,
            wanted: false,
            ordered: BTreeSet::new(),
            written: 0,
            ended: false,
            given_up: false,
            complete: false,
            unsettled: 0,
            left: false,
            finishing: false,
        };
        assert!(self.known.insert(id, known).is_none(), "{id:?} offered twice");
        let unsettled = self.known.len() - self.fates.len();
        assert!(unsettled <= MAX_UNSETTLED as usize + usize::from(MAX_DEPTH) + 1);
    }

    fn check_complete(&mut self, id: EntryId) {
        let known = self.known.get_mut(&id).unwrap();
        let size = known.size.unwrap();
        assert!(known.ended, "{id:?} complete before its END");
        assert_eq!(known.written, size, "{id:?} complete before it is written");
        assert_eq!(known.ordered.len() as u64, size.div_ceil(CHUNK_BYTES.into()));
        assert!(!std::mem::replace(&mut known.complete, true), "{id:?} complete twice");
    }

    /// Comes to know what has become of a lane. Returns whether that was news.
    pub fn notice(&mut self, lane: &mut Lane) -> bool {
        match lane.sink {
            End::Unknown => {
                self.receiver.link_mut().add_lane(lane.id);
                self.lanes.insert(lane.id, Ends::default());
                lane.sink = End::Live;
            }
            End::Live if lane.is_cut() => {
                self.receiver.lose_lane(lane.id);
                lane.sink = End::Lost;
            }
            _ => return false,
        }
        true
    }

    pub fn take_empty(&mut self) -> u32 {
        self.receiver.link_mut().take_empty()
    }

    pub fn ping(&mut self, lane: LaneId) {
        self.receiver.link_mut().queue_ping(lane);
    }

    /// Whether this lane's reader is between two records.
    pub fn is_idle(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_none_or(|ends| !ends.receiving && ends.writing.is_none())
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn fates(&self) -> &BTreeMap<EntryId, Result<Placed, Reason>> {
        &self.fates
    }

    pub fn left(&self) -> &BTreeSet<EntryId> {
        &self.left
    }
}
