//! What a source puts on which lane, and how it hears of its arrival.

use hawser_protocol::error::ProtocolError;
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{CHUNK_BYTES, RECORD_SLACK_BYTES};
use hawser_protocol::link::{Chunk, LaneId};
use hawser_protocol::manifest::{EntryId, Kind};
use hawser_protocol::message::{Message, Placed};
use hawser_protocol::sender::{Outgoing, Sender, SenderEvent};

use super::{CHUNK, HASH, entry, file, open};

const CONTROL: LaneId = LaneId(0);
const OTHER: LaneId = LaneId(1);
const THIRD: LaneId = LaneId(2);

/// A real `Sender` with several lanes, past the hellos, of which everything is acknowledged so far.
struct Lanes {
    sender: Sender,
    number: u64,
    sent: [u64; 3],
}

impl Lanes {
    fn new(lanes: &[LaneId]) -> Self {
        let mut sender = Sender::new(Hello::named("source"));
        lanes.iter().for_each(|&lane| sender.link_mut().add_lane(lane));
        let mut source = Self { sender, number: 0, sent: [0; 3] };
        source.send(&Message::Hello(Hello::named("sink"))).unwrap();
        source
    }

    /// With one file of so many chunks, offered and asked for.
    fn with_file(lanes: &[LaneId], chunks: u64) -> Self {
        let mut source = Self::new(lanes);
        source.sender.offer(&file(0, "file", chunks * CHUNK));
        source.settle_down();
        source.send(&Message::Want(vec![EntryId(1)])).unwrap();
        source
    }

    fn send(&mut self, message: &Message) -> Result<Vec<SenderEvent>, ProtocolError> {
        let bytes = message.encode(self.number);
        self.number += 1;
        let (header, payload) = open(&bytes);
        self.sender.handle_frame(CONTROL, header, payload)
    }

    /// The chunks of the next record of a lane.
    fn record(&mut self, lane: LaneId) -> Vec<Chunk> {
        let mut room = (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize;
        let mut chunks = Vec::new();
        while let Some(next) = self.sender.next(lane, room) {
            if let Outgoing::Chunk(chunk) = next {
                room -= chunk.length as usize + frame::HEADER_BYTES;
                chunks.push(chunk);
            }
        }
        self.sender.record_sent(lane);
        self.sent[usize::from(lane.0)] += 1;
        chunks
    }

    fn acknowledge(&mut self, lane: LaneId) -> Vec<SenderEvent> {
        let ack = frame::encode(FrameType::Ack, EntryId::ROOT, self.sent[usize::from(lane.0)], &[]);
        let (header, payload) = open(&ack);
        self.sender.handle_frame(lane, header, payload).unwrap()
    }

    /// Sends the control frames there are, and hears that they have arrived.
    fn settle_down(&mut self) {
        assert!(self.record(CONTROL).is_empty());
        self.acknowledge(CONTROL);
    }
}

fn offsets(chunks: &[Chunk]) -> Vec<u64> {
    chunks.iter().map(|chunk| chunk.offset / CHUNK).collect()
}

#[test]
fn each_lane_has_a_folder_to_itself_while_there_are_enough() {
    let mut source = Lanes::new(&[OTHER]);
    let folder = |name| entry(0, name, Kind::Folder);
    source.sender.offer(&folder("a"));
    source.sender.offer(&folder("b"));
    for (parent, name) in [(1, "x"), (1, "y"), (2, "x"), (2, "y")] {
        // Two of them fill a record.
        source.sender.offer(&file(parent, name, CHUNK / 2 - 100));
    }
    source.settle_down();
    source.send(&Message::Want((3..=6).map(EntryId).collect())).unwrap();
    let ids = |chunks: Vec<Chunk>| chunks.iter().map(|chunk| chunk.entry.0).collect::<Vec<_>>();
    assert_eq!(ids(source.record(CONTROL)), [3, 4]);
    assert_eq!(ids(source.record(OTHER)), [5, 6]);
}

#[test]
fn a_lane_takes_over_half_of_what_another_stands_still_with() {
    let mut source = Lanes::with_file(&[OTHER], 4);
    for _ in 0..4 {
        source.record(OTHER);
    }
    source.sender.take_over(CONTROL);
    assert!(!source.sender.has_work(CONTROL), "it has not been seen to stand still");
    source.sender.take_over(CONTROL);
    assert_eq!(offsets(&source.record(CONTROL)), [2]);
    assert_eq!(offsets(&source.record(CONTROL)), [3]);
    source.sender.take_over(CONTROL);
    source.sender.take_over(CONTROL);
    assert!(!source.sender.has_work(CONTROL), "its own records are not acknowledged either");
    source.acknowledge(CONTROL);
    source.sender.take_over(CONTROL);
    source.sender.take_over(CONTROL);
    assert_eq!(offsets(&source.record(CONTROL)), [1]);
}

#[test]
fn a_lane_that_moves_keeps_what_it_has() {
    let mut source = Lanes::with_file(&[OTHER], 4);
    source.record(OTHER);
    source.sender.take_over(CONTROL);
    source.acknowledge(OTHER);
    source.record(OTHER);
    source.record(OTHER);
    source.sender.take_over(CONTROL);
    assert_eq!(offsets(&source.record(CONTROL)), [3], "the next one in line, and nothing again");
    assert!(!source.sender.has_work(CONTROL));
}

#[test]
fn a_lane_that_is_of_no_use_runs_empty_and_the_control_lane_stays() {
    let mut source = Lanes::with_file(&[OTHER, THIRD], 4);
    source.record(THIRD);
    source.sender.retire_lane();
    assert_eq!(source.sender.link().lanes_in_use(), 2);
    assert!(!source.sender.has_work(THIRD));
    assert!(!source.sender.link().is_drained(THIRD));
    source.acknowledge(THIRD);
    assert!(source.sender.link().is_drained(THIRD));
    source.sender.retire_lane();
    source.sender.retire_lane();
    assert_eq!(source.sender.link().lanes_in_use(), 1);
    assert!(source.sender.has_work(CONTROL));
}

#[test]
fn with_all_others_lost_a_lane_that_was_to_run_empty_goes_on() {
    let mut source = Lanes::with_file(&[OTHER], 2);
    source.record(OTHER);
    source.sender.retire_lane();
    assert!(!source.sender.has_work(OTHER));
    assert!(source.sender.lose_lane(CONTROL));
    assert_eq!(offsets(&source.record(OTHER)), [1]);
}

#[test]
fn what_arrives_adds_up_to_the_file_however_it_is_heard_of() {
    for acknowledged_first in [true, false] {
        let mut source = Lanes::with_file(&[OTHER], 2);
        source.record(CONTROL);
        source.record(OTHER);
        assert!(source.sender.end(OTHER, EntryId(1), HASH));
        let mut events = source.acknowledge(CONTROL);
        let mut late = Vec::new();
        if acknowledged_first {
            events.extend(source.acknowledge(OTHER));
        }
        events.extend(source.send(&Message::Committed(vec![(EntryId(1), Placed::AsNamed)])).unwrap());
        if !acknowledged_first {
            late = source.acknowledge(OTHER);
        }
        let arrived = |event: &SenderEvent| if let SenderEvent::Arrived(bytes) = event { *bytes } else { 0 };
        assert_eq!(events.iter().map(arrived).sum::<u64>(), 2 * CHUNK);
        assert_eq!(late, []);
    }
}

#[test]
fn a_file_of_which_something_arrived_cannot_have_been_there() {
    let mut source = Lanes::with_file(&[], 2);
    source.record(CONTROL);
    source.acknowledge(CONTROL);
    let present = source.send(&Message::Committed(vec![(EntryId(1), Placed::Present)]));
    assert_eq!(present, Err(ProtocolError::Unexpected("commitment")));
}

#[test]
fn an_acknowledgement_is_owed_for_what_would_be_repeated_and_for_nothing_else() {
    let mut source = Lanes::new(&[]);
    let link = source.sender.link_mut();
    link.record_received(CONTROL);
    assert!(link.owes_ack(CONTROL), "for the hello");
    link.queue_ack(CONTROL);
    source.settle_down();
    assert!(!source.sender.link().owes_ack(CONTROL));
    source.acknowledge(CONTROL);
    source.sender.link_mut().record_received(CONTROL);
    assert!(!source.sender.link().owes_ack(CONTROL));
}
