//! The source's rules about files of which the sink has a part: MISSING, and what follows from it.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::limits::MAX_REQUESTS;
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{EntryId, Kind, LinkTarget};
use hawser_protocol::message::{Message, Placed};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::sender::{Fate, Outgoing, SenderEvent};
use proptest::collection::vec;
use proptest::prelude::*;

use super::source::ToSource;
use super::{CHUNK, HASH, LANE, chunks, entry, file, open};

const FILE: EntryId = EntryId(1);
const OTHER: LaneId = LaneId(1);

type Answer = Result<Vec<SenderEvent>, ProtocolError>;

fn offering(size: u64) -> ToSource {
    let mut source = ToSource::new();
    source.sender.offer(&file(0, "file", size));
    source
}

fn missing(source: &mut ToSource, chunks: Vec<ChunkRange>) -> Answer {
    source.send(&Message::Missing { id: FILE, chunks })
}

/// The chunks of the next records, until there are none.
fn sent(source: &mut ToSource) -> Vec<u64> {
    let mut offsets = Vec::new();
    loop {
        let record = source.record();
        if record.is_empty() {
            return offsets;
        }
        offsets.extend(record.iter().filter_map(|next| match next {
            Outgoing::Chunk(chunk) => Some(chunk.offset / CHUNK),
            _ => None,
        }));
    }
}

fn acknowledge(source: &mut ToSource, lane: LaneId, records: u64) -> Vec<SenderEvent> {
    let ack = frame::encode(FrameType::Ack, EntryId::ROOT, records, &[]);
    let (header, payload) = open(&ack);
    source.sender.handle_frame(lane, header, payload).unwrap()
}

#[test]
fn of_a_file_that_the_sink_has_in_part_only_the_rest_is_sent() {
    let mut source = offering(5 * CHUNK + 10);
    let held = SenderEvent::Held(FILE, chunks([(0, 1), (3, 1), (5, 1)]), 2 * CHUNK + 10);
    assert_eq!(missing(&mut source, chunks([(1, 2), (4, 1)])), Ok(vec![held]));
    assert_eq!(sent(&mut source), [1, 2, 4]);
}

#[test]
fn of_a_file_that_the_sink_has_whole_only_the_hash_is_sent() {
    let mut source = offering(3 * CHUNK);
    let held = SenderEvent::Held(FILE, chunks([(0, 3)]), 3 * CHUNK);
    assert_eq!(missing(&mut source, Vec::new()), Ok(vec![held]));
    assert_eq!(sent(&mut source), []);
    assert!(!source.sender.has_work(LANE));
    source.sender.end_held(FILE, HASH);
    assert!(source.sender.has_work(LANE));
    assert_eq!(source.record(), [Outgoing::End(FILE, HASH)]);
    let settled = SenderEvent::Settled(FILE, Fate::Placed(Placed::AsNamed, Some(HASH)));
    assert_eq!(source.committed(1, Placed::AsNamed), Ok(vec![settled]), "all of it counted as held");
}

#[test]
fn a_file_of_which_nothing_is_of_use_is_sent_whole() {
    let mut source = offering(3 * CHUNK);
    assert_eq!(missing(&mut source, chunks([(0, 3)])), Ok(vec![SenderEvent::StartedOver(FILE)]));
    assert_eq!(sent(&mut source), [0, 1, 2]);
}

#[test]
fn an_empty_file_of_which_nothing_is_missing_is_read_like_any_other() {
    let mut source = offering(0);
    assert_eq!(missing(&mut source, Vec::new()), Ok(Vec::new()));
    assert_eq!(sent(&mut source), [0], "its one chunk, which has no bytes");
    assert_eq!(missing(&mut source, Vec::new()), Ok(Vec::new()));
    assert_eq!(sent(&mut source), [], "once");
    assert!(source.sender.end(LANE, FILE, HASH));
    assert!(source.committed(1, Placed::AsNamed).is_ok());
}

#[test]
fn a_file_of_one_chunk_can_be_held_too() {
    let mut source = offering(10);
    assert_eq!(missing(&mut source, Vec::new()), Ok(vec![SenderEvent::Held(FILE, chunks([(0, 1)]), 10)]));
    assert_eq!(sent(&mut source), []);
}

#[test]
fn what_turns_out_to_be_missing_later_is_sent_again_without_another_end() {
    let mut source = offering(3 * CHUNK);
    source.want([1]);
    assert_eq!(sent(&mut source), [0, 1, 2]);
    assert!(source.sender.end(LANE, FILE, HASH));
    assert_eq!(acknowledge(&mut source, LANE, 1), [SenderEvent::Arrived(CHUNK)]);
    assert_eq!(acknowledge(&mut source, LANE, 4), [SenderEvent::Arrived(2 * CHUNK)]);
    assert_eq!(missing(&mut source, chunks([(1, 2)])), Ok(vec![SenderEvent::Lacking(FILE, 2 * CHUNK)]));
    assert_eq!(sent(&mut source), [1, 2]);
    assert_eq!(missing(&mut source, Vec::new()), Ok(Vec::new()), "nothing");
    assert_eq!(sent(&mut source), []);
}

#[test]
fn a_request_for_all_behind_one_for_a_part_ends_the_session() {
    let mut source = offering(3 * CHUNK);
    missing(&mut source, chunks([(1, 1)])).unwrap();
    assert_eq!(source.send(&Message::Want(vec![FILE])), Err(ProtocolError::Unexpected("request")));
}

#[test]
fn chunks_of_what_is_no_file_or_was_never_offered_end_the_session() {
    let mut source = offering(CHUNK);
    source.sender.offer(&entry(0, "folder", Kind::Folder));
    let target = LinkTarget::new(b"file").unwrap();
    source.sender.offer(&entry(2, "link", Kind::Link { target }));
    for (id, wrong) in [(0, "entry"), (2, "request"), (3, "request"), (4, "entry"), (u32::MAX, "entry")] {
        let answer = source.send(&Message::Missing { id: EntryId(id), chunks: Vec::new() });
        assert_eq!(answer, Err(ProtocolError::Unexpected(wrong)), "#{id}");
    }
}

#[test]
fn chunks_that_the_file_does_not_have_end_the_session() {
    let wrong = Err(ProtocolError::Malformed("chunks"));
    for beyond in [(3, 1), (2, 2), (0, 4), (0, u32::MAX), (u32::MAX - 1, 1)] {
        for wanted in [false, true] {
            let mut source = offering(2 * CHUNK + 1);
            if wanted {
                source.want([1]);
            }
            assert_eq!(missing(&mut source, chunks([beyond])), wrong, "{beyond:?}");
        }
    }
    assert_eq!(missing(&mut offering(0), chunks([(0, 1)])), wrong);
}

#[test]
fn ranges_that_are_empty_or_touch_or_go_back_end_the_session() {
    let wrong = [
        chunks([(0, 0), (2, 1)]),
        chunks([(0, 1), (1, 1)]),
        chunks([(0, 2), (1, 1)]),
        chunks([(2, 1), (0, 1)]),
        chunks([(1, 1), (1, 1)]),
        chunks([(u32::MAX, 1)]),
        chunks([(1, u32::MAX)]),
    ];
    for ranges in wrong {
        let text = format!("{ranges:?}");
        assert_eq!(
            missing(&mut offering(9 * CHUNK), ranges),
            Err(ProtocolError::Malformed("chunks")),
            "{text}"
        );
    }
    let mut source = offering(9 * CHUNK);
    let cut = frame::encode(FrameType::Missing, FILE, 1, &[0; 7]);
    let (header, payload) = open(&cut);
    assert!(matches!(source.sender.handle_frame(LANE, header, payload), Err(ProtocolError::Malformed(_))));
}

#[test]
fn chunks_of_a_file_that_is_settled_or_given_up_are_of_no_interest() {
    let mut source = offering(2 * CHUNK);
    source.committed(1, Placed::Present).unwrap();
    assert_eq!(missing(&mut source, chunks([(0, 1)])), Ok(Vec::new()));
    let mut given_up = offering(2 * CHUNK);
    missing(&mut given_up, chunks([(0, 1)])).unwrap();
    given_up.sender.fail(FILE, Reason::SourceChanged).unwrap();
    assert_eq!(missing(&mut given_up, chunks([(1, 1)])), Ok(Vec::new()));
    given_up.sender.end_held(FILE, HASH);
    assert_eq!(sent(&mut given_up), []);
    assert!(!given_up.sender.has_work(LANE));
}

#[test]
fn a_file_of_which_the_sink_had_a_part_is_not_there_before_its_end() {
    for placed in [Placed::AsNamed, Placed::Present] {
        let mut source = offering(2 * CHUNK);
        missing(&mut source, chunks([(0, 1)])).unwrap();
        assert_eq!(source.committed(1, placed), Err(ProtocolError::Unexpected("commitment")));
    }
    let mut source = offering(2 * CHUNK);
    missing(&mut source, chunks([(0, 2)])).unwrap();
    let settled = SenderEvent::Settled(FILE, Fate::Placed(Placed::Present, None));
    assert_eq!(source.committed(1, Placed::Present), Ok(vec![settled]));
}

#[test]
fn the_end_of_a_held_file_is_repeated_when_its_lane_is_lost() {
    let mut source = offering(CHUNK);
    missing(&mut source, Vec::new()).unwrap();
    source.sender.end_held(FILE, HASH);
    source.sender.link_mut().add_lane(OTHER);
    assert_eq!(source.sender.next(OTHER, 1 << 18), Some(Outgoing::End(FILE, HASH)));
    source.sender.record_sent(OTHER);
    assert!(source.sender.lose_lane(OTHER));
    assert!(source.record().contains(&Outgoing::End(FILE, HASH)));
}

#[test]
fn a_file_missing_many_pieces_does_not_hold_up_the_next_one() {
    let mut source = offering(200 * CHUNK);
    source.sender.offer(&file(0, "next", 2 * CHUNK));
    missing(&mut source, (0..100).map(|at| ChunkRange { first: 2 * at, count: 1 }).collect()).unwrap();
    source.want([2]);
    let next: Vec<_> = (0..40).flat_map(|_| source.record()).collect();
    let is_next = |next: &Outgoing| matches!(next, Outgoing::Chunk(chunk) if chunk.entry == EntryId(2));
    assert!(next.iter().any(is_next), "{next:?}");
    assert_eq!(next.iter().filter(|next| matches!(next, Outgoing::Chunk(_))).count(), 40);
}

#[test]
fn a_sink_that_asks_for_the_same_chunks_without_end_is_stopped() {
    let mut source = offering(2 * CHUNK);
    source.want([1]);
    for _ in 1..MAX_REQUESTS {
        assert_eq!(missing(&mut source, chunks([(0, 2)])), Ok(Vec::new()));
    }
    assert_eq!(missing(&mut source, chunks([(0, 1)])), Err(ProtocolError::Limit("requests")));
}

#[test]
fn a_request_for_a_chunk_of_one_byte_counts_like_any_other() {
    let last = chunks([(10, 1)]);
    let mut source = offering(10 * CHUNK + 1);
    for _ in 0..11 * MAX_REQUESTS {
        assert!(missing(&mut source, last.clone()).is_ok());
    }
    assert_eq!(missing(&mut source, last), Err(ProtocolError::Limit("requests")));
}

#[test]
fn a_request_that_names_no_chunk_counts_as_one() {
    for size in [0, 1, CHUNK] {
        let mut source = offering(size);
        for _ in 0..MAX_REQUESTS {
            assert!(missing(&mut source, Vec::new()).is_ok());
        }
        assert_eq!(missing(&mut source, Vec::new()), Err(ProtocolError::Limit("requests")));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record(bool),
    Acknowledge(bool),
    Lose,
    Lack(Vec<bool>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Record),
        3 => any::<bool>().prop_map(Step::Acknowledge),
        1 => Just(Step::Lose),
        1 => vec(any::<bool>(), 6).prop_map(Step::Lack),
    ];
    vec(step, 0..40)
}

fn ranges(flags: &[bool]) -> Vec<ChunkRange> {
    let mut ranges: Vec<ChunkRange> = Vec::new();
    for (first, _) in (0..).zip(flags).filter(|(_, flag)| **flag) {
        match ranges.last_mut() {
            Some(last) if last.end() == first => last.count += 1,
            _ => ranges.push(ChunkRange { first, count: 1 }),
        }
    }
    ranges
}

proptest! {
    /// Whatever is heard of arrivals and losses in which order, and however much is not heard.
    #[test]
    fn what_arrives_is_held_and_lacks_adds_up_to_the_file(first in vec(any::<bool>(), 6), steps in steps()) {
        const SIZE: u64 = 5 * CHUNK + 10;
        let mut source = offering(SIZE);
        source.sender.link_mut().add_lane(OTHER);
        let mut sent = [0_u64; 2];
        let mut events = missing(&mut source, ranges(&first)).unwrap();
        let mut lacked = 0;
        let mut total = 0_u64;
        // The first step only counts what is held.
        for step in [Step::Lack(vec![false; 6])].into_iter().chain(steps) {
            match step {
                Step::Record(other) => {
                    let lane = LaneId(u8::from(other));
                    while source.sender.next(lane, 1 << 19).is_some() {}
                    source.sender.record_sent(lane);
                    sent[usize::from(other)] += 1;
                }
                Step::Acknowledge(other) => {
                    events.extend(acknowledge(&mut source, LaneId(u8::from(other)), sent[usize::from(other)]));
                }
                Step::Lose => {
                    source.sender.lose_lane(OTHER);
                    source.sender.link_mut().add_lane(OTHER);
                    sent[1] = 0;
                }
                Step::Lack(flags) if lacked < MAX_REQUESTS - 1 => {
                    lacked += 1;
                    events.extend(missing(&mut source, ranges(&flags)).unwrap());
                }
                Step::Lack(_) => {}
            }
            for event in events.drain(..) {
                match event {
                    SenderEvent::Arrived(bytes) | SenderEvent::Held(_, _, bytes) => total += bytes,
                    SenderEvent::Lacking(_, bytes) => total = total.checked_sub(bytes).expect("it had counted"),
                    _ => {}
                }
            }
            prop_assert!(total <= SIZE, "{} bytes of {}", total, SIZE);
        }
        source.sender.end_held(FILE, HASH);
        for event in source.committed(1, Placed::AsNamed).unwrap() {
            if let SenderEvent::Arrived(bytes) = event {
                total += bytes;
            }
        }
        prop_assert_eq!(total, SIZE);
        prop_assert_eq!(acknowledge(&mut source, LANE, sent[0]), []);
    }
}
