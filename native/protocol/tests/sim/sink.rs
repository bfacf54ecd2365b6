//! What drives the `Receiver`: a driver that decides and places, and a writer and a reader for
//! each lane. The readers write what they receive, each at its own pace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hawser_protocol::error::Reason;
use hawser_protocol::frame::{FrameType, Header};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{CHUNK_BYTES, MAX_DEPTH, MAX_UNSETTLED};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Name};
use hawser_protocol::message::{Close, CloseCode, Placed};
use hawser_protocol::receiver::{Decision, Placement, Receiver, ReceiverEvent};

use super::rng::Rng;
use super::source::hash_of;
use super::wire::{End, Frame, Lane, Record};
use super::{Faults, Seen};

/// What the sink's disk and reports would show of an entry.
struct Known {
    parent: EntryId,
    size: Option<u64>,
    wanted: bool,
    /// Chunks that came with an order to write them.
    ordered: BTreeSet<u64>,
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
    writing: Option<(EntryId, u32)>,
}

enum Job {
    Place(EntryId),
    Finish(EntryId),
}

pub struct Sink {
    pub receiver: Receiver,
    pub faults: Faults,
    lanes: BTreeMap<LaneId, Ends>,
    /// Answers that the driver deals with one after the other.
    events: VecDeque<ReceiverEvent>,
    /// What it does in any order.
    jobs: Vec<Job>,
    known: BTreeMap<EntryId, Known>,
    fates: BTreeMap<EntryId, Result<Placed, Reason>>,
    left: BTreeSet<EntryId>,
    greeted: bool,
    finished: bool,
}

impl Sink {
    pub fn new(faults: Faults) -> Self {
        Self {
            receiver: Receiver::new(Hello::named("sink")),
            faults,
            lanes: BTreeMap::from([(LaneId(0), Ends::default())]),
            events: VecDeque::new(),
            jobs: Vec::new(),
            known: BTreeMap::new(),
            fates: BTreeMap::new(),
            left: BTreeSet::new(),
            greeted: false,
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
            if let Some((id, length)) = ends.writing.take() {
                self.write_to_disk(id, length, rng);
            } else if let Some(frame) = ends.frames.pop_front() {
                let (header, payload) = frame.open();
                ends.writing = self.handle(lane.id, header, payload, seen);
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

    fn handle(
        &mut self,
        lane: LaneId,
        header: Header,
        payload: &[u8],
        seen: &mut Seen,
    ) -> Option<(EntryId, u32)> {
        let fault = |error| panic!("{error}: {header:?}");
        if header.kind == FrameType::Data {
            return match self.receiver.handle_data(lane, header).unwrap_or_else(fault) {
                Placement::Write(id, offset) => {
                    self.order(id, offset);
                    Some((id, header.length))
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

    fn order(&mut self, id: EntryId, offset: u64) {
        let known = self.known.get_mut(&id).unwrap();
        assert!(known.wanted, "{id:?} was not asked for");
        assert!(!known.complete, "{id:?} was complete already");
        assert!(known.ordered.insert(offset), "{id:?} at {offset} would be written twice");
    }

    fn check_discard(&self, header: Header) {
        let known = &self.known[&header.entry];
        let needless = self.fates.contains_key(&header.entry)
            || known.given_up
            || known.ordered.contains(&header.offset);
        assert!(needless, "{header:?} was discarded and is not here");
    }

    fn write_to_disk(&mut self, id: EntryId, length: u32, rng: &mut Rng) {
        if rng.chance(self.faults.write) {
            return self.place(id, Err(Reason::DiskFull));
        }
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
                assert_eq!(hash, hash_of(id));
                return self.jobs.push(Job::Place(id));
            }
            ReceiverEvent::Hello(hello) => {
                assert_eq!(hello.label, "source");
                assert!(!std::mem::replace(&mut self.greeted, true), "HELLO twice");
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
        let known = Known {
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

    /// The driver does one thing. Returns whether there was one.
    pub fn drive(&mut self, rng: &mut Rng, seen: &mut Seen) -> bool {
        if !self.jobs.is_empty() && (self.events.is_empty() || rng.chance(50)) {
            let index = rng.below(self.jobs.len());
            let job = self.jobs.swap_remove(index);
            self.do_job(job, rng);
        } else if let Some(event) = self.events.pop_front() {
            match event {
                ReceiverEvent::Offered(id, entry) => self.decide(id, &entry, rng, seen),
                ReceiverEvent::Left(id) => {
                    let next = self.receiver.leave(id);
                    self.finishing(next);
                }
                ReceiverEvent::GivenUp(id, reason) => self.place(id, Err(reason)),
                _ => {}
            }
        } else if self.receiver.is_settled() {
            assert!(self.fates.len() == self.known.len(), "settled, but for some");
            self.receiver.finish();
            self.finished = true;
        } else {
            return false;
        }
        true
    }

    fn decide(&mut self, id: EntryId, entry: &Entry, rng: &mut Rng, seen: &mut Seen) {
        let orphan = matches!(self.fates.get(&entry.parent), Some(Err(_)));
        let decision = match entry.kind {
            _ if orphan => Decision::Refuse(Reason::ParentFailed),
            _ if rng.chance(self.faults.refuse) => Decision::Refuse(Reason::NameRefused),
            Kind::Folder => Decision::Accept,
            Kind::Link { .. } => Decision::Placed(Placed::AsNamed),
            Kind::File { .. } if rng.chance(self.faults.present) => Decision::Placed(Placed::Present),
            Kind::File { .. } => Decision::Accept,
        };
        seen.refused_folders +=
            u64::from(entry.kind == Kind::Folder && matches!(decision, Decision::Refuse(_)));
        match &decision {
            Decision::Accept => self.known.get_mut(&id).unwrap().wanted = entry.kind != Kind::Folder,
            Decision::Resume(_) => panic!("nothing is here from an earlier session"),
            Decision::Placed(placed) => self.settle(id, Ok(placed.clone())),
            Decision::Refuse(reason) => self.settle(id, Err(*reason)),
        }
        let next = self.receiver.decide(id, decision);
        self.finishing(next);
    }

    fn do_job(&mut self, job: Job, rng: &mut Rng) {
        let failed = rng.chance(self.faults.place);
        match job {
            Job::Place(id) if failed => self.place(id, Err(Reason::Integrity)),
            Job::Place(id) if rng.chance(5) => {
                self.place(id, Ok(Placed::Renamed(Name::new(b"new").unwrap())))
            }
            Job::Place(id) => self.place(id, Ok(Placed::AsNamed)),
            Job::Finish(id) if failed => self.place(id, Err(Reason::PermissionDenied)),
            Job::Finish(id) => self.place(id, Ok(Placed::Present)),
        }
    }

    /// Reports what came of an entry, unless that is known already.
    fn place(&mut self, id: EntryId, result: Result<Placed, Reason>) {
        if self.receiver.is_unsettled(id) {
            self.settle(id, result.clone());
            let next = self.receiver.place(id, result);
            self.finishing(next);
        }
    }

    fn settle(&mut self, id: EntryId, fate: Result<Placed, Reason>) {
        assert!(self.fates.insert(id, fate).is_none(), "{id:?} settled twice");
        if let Some(parent) = self.known.get_mut(&self.known[&id].parent.clone()) {
            parent.unsettled -= 1;
        }
    }

    fn finishing(&mut self, folder: Option<EntryId>) {
        let Some(id) = folder else { return };
        let known = self.known.get_mut(&id).unwrap();
        assert!(known.left, "{id:?} to be finished before it was left");
        assert_eq!(known.unsettled, 0, "{id:?} to be finished before what is in it");
        assert!(!std::mem::replace(&mut known.finishing, true), "{id:?} to be finished twice");
        self.jobs.push(Job::Finish(id));
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
