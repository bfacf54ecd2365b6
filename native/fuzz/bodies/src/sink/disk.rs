//! The driver of the sink's machine, and what it knows by itself of every entry: nothing is written,
//! completed or confirmed that does not follow from that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Name};
use hawser_protocol::message::{Message, Placed};
use hawser_protocol::ranges::{ChunkRange, Ranges, chunk_count};
use hawser_protocol::receiver::{Decision, Receiver, ReceiverEvent};

use crate::input::Input;

const CHUNK: u64 = CHUNK_BYTES as u64;

#[derive(PartialEq, Debug)]
enum State {
    /// A file that was asked for.
    Wanted,
    /// A file that is complete, with this hash.
    Complete(ContentHash),
    Folder,
    /// Whether it is where it belongs.
    Settled(bool),
}

struct Known {
    parent: EntryId,
    size: u64,
    state: State,
    /// A file, and a part of it is here.
    resumed: bool,
    /// What has been handed out to be written, or is held.
    claimed: Ranges,
    /// Bytes that were written, or found to be good.
    written: u64,
    /// A folder, and the driver has come to where the source left it.
    left: bool,
    /// Entries in it that are not settled.
    unsettled: u32,
    asked: bool,
    answered: bool,
}

enum Work {
    Write(EntryId, u32),
    Check(EntryId, ChunkRange),
    Place(EntryId),
}

#[derive(Default)]
pub struct Disk {
    entries: BTreeMap<EntryId, Known>,
    /// Folders that the source has left: what the machine knows before its driver does.
    left: BTreeSet<EntryId>,
    work: VecDeque<Work>,
    /// Times that the machine was told something that it passes on, and messages that it sent.
    told: usize,
    messages: usize,
}

impl Disk {
    pub fn offered(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap()
    }

    /// Bytes of the chunk there, if there is one.
    pub fn chunk_length(&self, id: EntryId, offset: u64) -> u32 {
        let left = self.entries.get(&id).map_or(0, |known| known.size.saturating_sub(offset));
        u32::try_from(left.min(CHUNK)).unwrap()
    }

    pub fn check_settled(&self) {
        assert!(self.entries.values().all(|known| matches!(known.state, State::Settled(_))));
    }

    fn known(&mut self, id: EntryId) -> &mut Known {
        self.entries.get_mut(&id).expect("an entry that was offered")
    }

    /// A chunk is to be written.
    pub fn claim(&mut self, id: EntryId, offset: u64, length: u32) {
        let known = self.known(id);
        assert_eq!(known.state, State::Wanted, "a chunk that nobody asked for");
        let end = offset.checked_add(length.into()).expect("an offset in a file");
        assert!(length > 0 && offset.is_multiple_of(CHUNK) && end <= known.size, "exactly a chunk");
        assert!(length == CHUNK_BYTES || end == known.size, "exactly a chunk");
        assert!(known.claimed.claim(offset, end), "a chunk is written once");
        self.work.push_back(Work::Write(id, length));
    }

    /// These events come of one frame.
    pub fn handle_all(&mut self, receiver: &mut Receiver, events: Vec<ReceiverEvent>, input: &mut Input<'_>) {
        let left = |event: &ReceiverEvent| {
            if let ReceiverEvent::Left(folder) = event { Some(*folder) } else { None }
        };
        self.left.extend(events.iter().filter_map(left));
        events.into_iter().for_each(|event| self.handle(receiver, event, input));
    }

    fn handle(&mut self, receiver: &mut Receiver, event: ReceiverEvent, input: &mut Input<'_>) {
        match event {
            ReceiverEvent::Offered(id, entry) => self.decide(receiver, id, &entry, input),
            ReceiverEvent::Refused { id, parent, name, reason } => {
                assert!(reason == Reason::LinkOutside || Name::new(&name).is_none());
                // Whether it would have been a folder does not matter: nothing is kept of it.
                self.offer(id, parent, 0, State::Settled(false));
                let folder = receiver.decide(id, Decision::Refuse(reason));
                self.settled(id, receiver, folder);
            }
            ReceiverEvent::Left(folder) => {
                self.known(folder).left = true;
                let finished = receiver.leave(folder);
                self.finish_folders(receiver, finished);
            }
            ReceiverEvent::GivenUp(id, reason) => {
                assert_eq!(self.known(id).state, State::Wanted);
                self.place(receiver, id, Err(reason));
            }
            ReceiverEvent::Complete(id, hash) => {
                let known = self.known(id);
                assert_eq!(std::mem::replace(&mut known.state, State::Complete(hash)), State::Wanted);
                assert_eq!(known.written, known.size, "complete before all of it is here");
                self.work.push_back(Work::Place(id));
            }
            ReceiverEvent::Skipped(..) => {}
            ReceiverEvent::Hello(_) | ReceiverEvent::Closed(_) => unreachable!("of no file"),
        }
    }

    fn offer(&mut self, id: EntryId, parent: EntryId, size: u64, state: State) {
        assert_eq!(id.0, self.offered() + 1, "numbers have no gaps");
        if parent != EntryId::ROOT {
            let folder = self.known(parent);
            assert!(!folder.left, "nothing is offered in a folder that was left");
            folder.unsettled += 1;
        }
        let known = Known {
            parent,
            size,
            state,
            resumed: false,
            claimed: Ranges::new(),
            written: 0,
            left: false,
            unsettled: 0,
            asked: false,
            answered: false,
        };
        self.entries.insert(id, known);
    }

    fn decide(&mut self, receiver: &mut Receiver, id: EntryId, entry: &Entry, input: &mut Input<'_>) {
        let size = if let Kind::File { size } = entry.kind { size } else { 0 };
        let (state, decision) = match (&entry.kind, input.u8() % 8) {
            (_, 0) => (State::Settled(false), Decision::Refuse(Reason::DiskFull)),
            (Kind::Folder, _) => (State::Folder, Decision::Accept),
            (Kind::Link { .. }, _) => (State::Settled(true), Decision::Placed(Placed::AsNamed)),
            (Kind::File { .. }, 1) => (State::Settled(true), Decision::Placed(Placed::Present)),
            (Kind::File { .. }, 2 | 3) if chunk_count(size).is_some() => {
                (State::Wanted, Decision::Resume(some_chunks(size, input)))
            }
            (Kind::File { .. }, _) => (State::Wanted, Decision::Accept),
        };
        let is_settled = matches!(state, State::Settled(_));
        self.offer(id, entry.parent, size, state);
        if let Decision::Resume(held) = &decision {
            let known = self.known(id);
            known.resumed = true;
            for range in held {
                let (start, end) = range.bytes(size);
                assert!(known.claimed.claim(start, end));
            }
            self.work.extend(held.iter().map(|&range| Work::Check(id, range)));
        }
        let folder = receiver.decide(id, decision);
        if is_settled {
            self.settled(id, receiver, folder);
        } else {
            self.told += 1;
            assert_eq!(folder, None);
        }
    }

    fn place(&mut self, receiver: &mut Receiver, id: EntryId, result: Result<Placed, Reason>) {
        self.known(id).state = State::Settled(result.is_ok());
        let folder = receiver.place(id, result);
        self.settled(id, receiver, folder);
    }

    /// An entry has been settled, and maybe a folder can be finished now.
    fn settled(&mut self, id: EntryId, receiver: &mut Receiver, finished: Option<EntryId>) {
        self.told += 1;
        let parent = self.known(id).parent;
        if parent != EntryId::ROOT {
            self.known(parent).unsettled -= 1;
        }
        self.finish_folders(receiver, finished);
    }

    fn finish_folders(&mut self, receiver: &mut Receiver, folder: Option<EntryId>) {
        if let Some(id) = folder {
            assert!(self.left.contains(&id), "{id:?} before it was left");
            let folder = self.known(id);
            assert!(folder.unsettled == 0 && folder.state == State::Folder, "{id:?} too early");
            self.place(receiver, id, Ok(Placed::AsNamed));
        }
    }

    /// Goes on with something that is under way.
    pub fn work(&mut self, receiver: &mut Receiver, input: &mut Input<'_>) {
        let at = input.below(256) % self.work.len().max(1);
        let fails = input.u8() % 8;
        let Some(work) = self.work.remove(at) else { return };
        match work {
            Work::Write(id, length) if fails > 0 => self.written(receiver, id, length, input),
            Work::Write(id, _) if self.known(id).state == State::Wanted => {
                self.place(receiver, id, Err(Reason::DiskFull));
            }
            Work::Write(..) => {}
            Work::Check(id, range) if fails > 2 => {
                let (start, end) = range.bytes(self.known(id).size);
                self.written(receiver, id, u32::try_from(end - start).unwrap(), input);
            }
            Work::Check(id, range) => {
                let known = self.known(id);
                let (start, end) = range.bytes(known.size);
                known.claimed.release(start, end);
                self.told += 1;
                receiver.lacks(id, vec![range]);
            }
            Work::Place(id) => self.place_complete(receiver, id, fails),
        }
    }

    fn written(&mut self, receiver: &mut Receiver, id: EntryId, length: u32, input: &mut Input<'_>) {
        let known = self.known(id);
        known.written += u64::from(length);
        let wanted = known.state == State::Wanted;
        let event = receiver.written(id, length);
        assert!(wanted || event.is_none(), "a file that is settled cannot be complete");
        if let Some(event) = event {
            self.handle(receiver, event, input);
        }
    }

    fn place_complete(&mut self, receiver: &mut Receiver, id: EntryId, how: u8) {
        let known = self.known(id);
        let size = known.size;
        let result = match how {
            0 => Err(Reason::Integrity),
            1 => {
                (known.state, known.claimed, known.written) = (State::Wanted, Ranges::new(), 0);
                known.resumed = true;
                self.told += 1;
                match receiver.start_over(id, size) {
                    Some(ReceiverEvent::GivenUp(given_up, reason)) => {
                        assert_eq!(given_up, id);
                        Err(reason)
                    }
                    event => return assert_eq!(event, None),
                }
            }
            2 => Ok(Placed::Renamed(Name::new(b"another").unwrap())),
            3 => Ok(Placed::Present),
            _ => Ok(Placed::AsNamed),
        };
        self.place(receiver, id, result);
    }

    /// This side says something for the first time.
    pub fn check_answer(&mut self, message: &Message, finished: bool) {
        self.messages += 1;
        assert!(self.messages <= self.told + 2, "HELLO, SESSION_OK, and what it was told");
        match message {
            Message::Hello(_) => assert_eq!(self.messages, 1),
            Message::Want(entries) => {
                for &id in entries {
                    let known = self.known(id);
                    assert!(!std::mem::replace(&mut known.asked, true), "asked for twice");
                }
            }
            Message::Missing { id, chunks } => {
                let known = self.known(*id);
                assert!(known.resumed && id.0 > 0);
                let count = chunk_count(known.size).unwrap_or(u32::MAX);
                assert!(chunks.last().is_none_or(|last| last.end() <= count));
            }
            Message::Committed(entries) => {
                for (id, _) in entries {
                    self.check_settled_once(*id, true);
                }
            }
            Message::Failed(entries) => {
                for (id, _) in entries {
                    self.check_settled_once(*id, false);
                }
            }
            Message::SessionOk(summary) => {
                assert!(finished && summary.entries == self.offered());
                assert!(self.entries.values().all(|known| known.answered), "SESSION_OK comes last");
            }
            _ => unreachable!("a sink does not say {message:?}"),
        }
    }

    fn check_settled_once(&mut self, id: EntryId, placed: bool) {
        let known = self.known(id);
        assert_eq!(known.state, State::Settled(placed), "{id:?}");
        assert!(!std::mem::replace(&mut known.answered, true), "{id:?} twice");
    }
}

/// Chunks of a file as a journal may have them.
fn some_chunks(size: u64, input: &mut Input<'_>) -> Vec<ChunkRange> {
    let count = chunk_count(size).unwrap_or(0);
    let mut held = Vec::new();
    let mut first = u32::from(input.u8() % 4);
    for _ in 0..input.below(4) {
        let range = ChunkRange { first, count: 1 + u32::from(input.u8() % 3) };
        if range.end() > count {
            break;
        }
        held.push(range);
        first = range.end() + 1 + u32::from(input.u8() % 4);
    }
    held
}
