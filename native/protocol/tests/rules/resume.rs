//! The sink's rules about files of which it has a part from an earlier session.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{EntryId, Kind};
use hawser_protocol::message::{Message, Placed};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::receiver::{Decision, Placement, ReceiverEvent};

use super::sink::ToSink;
use super::{CHUNK, HASH, LANE, OTHER_HASH, chunks, entry, file};

const FILE: EntryId = EntryId(1);
const COMPLETE: ReceiverEvent = ReceiverEvent::Complete(FILE, HASH);

/// One file of this size, of which the sink has these chunks; and what it asks for.
fn resuming(size: u64, held: Vec<ChunkRange>) -> (ToSink, Vec<Message>) {
    let mut sink = ToSink::new();
    sink.offer(&file(0, "file", size)).unwrap();
    sink.answers();
    assert_eq!(sink.receiver.decide(FILE, Decision::Resume(held)), None);
    assert!(sink.receiver.has_urgent_work(LANE));
    let asked = sink.answers();
    (sink, asked)
}

fn missing<const N: usize>(ranges: [(u32, u32); N]) -> Message {
    Message::Missing { id: FILE, chunks: chunks(ranges) }
}

fn write(sink: &mut ToSink, chunk: u64) -> Option<ReceiverEvent> {
    assert_eq!(sink.data(1, chunk * CHUNK, CHUNK), Ok(Placement::Write(FILE, chunk * CHUNK)));
    sink.receiver.written(FILE, CHUNK_BYTES)
}

#[test]
fn a_sink_that_has_a_part_asks_for_the_rest() {
    let (_, asked) = resuming(5 * CHUNK + 10, chunks([(0, 1), (3, 2)]));
    assert_eq!(asked, [missing([(1, 2), (5, 1)])]);
    let (_, asked) = resuming(5 * CHUNK, chunks([(0, 5)]));
    assert_eq!(asked, [missing([])]);
    let (_, asked) = resuming(5 * CHUNK, chunks([]));
    assert_eq!(asked, [missing([(0, 5)])]);
    let (_, asked) = resuming(0, chunks([]));
    assert_eq!(asked, [missing([])]);
}

#[test]
fn a_chunk_that_is_held_is_dropped_when_it_comes_all_the_same() {
    let (mut sink, _) = resuming(3 * CHUNK, chunks([(1, 1)]));
    assert_eq!(sink.data(1, CHUNK, CHUNK), Ok(Placement::Discard));
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Write(FILE, 0)));
    assert_eq!(sink.data(1, 2 * CHUNK, CHUNK), Ok(Placement::Write(FILE, 2 * CHUNK)));
}

#[test]
fn a_file_is_complete_only_when_what_was_held_is_known_to_be_good() {
    let (mut sink, _) = resuming(3 * CHUNK, chunks([(0, 2)]));
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    assert_eq!(write(&mut sink, 2), None);
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()), "a chunk is to be verified");
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), Some(COMPLETE));
    assert_eq!(sink.receiver.place(FILE, Ok(Placed::AsNamed)), None);
    assert_eq!(sink.answers(), [Message::Committed(vec![(FILE, Placed::AsNamed)])]);
}

#[test]
fn a_file_that_is_there_whole_is_complete_with_its_end() {
    let (mut sink, _) = resuming(2 * CHUNK, chunks([(0, 2)]));
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    assert_eq!(sink.end(1, HASH), Ok(vec![COMPLETE]));
    let (mut sink, _) = resuming(0, chunks([]));
    assert_eq!(sink.end(1, HASH), Ok(vec![COMPLETE]), "nothing is to be verified of an empty one");
}

#[test]
fn chunks_that_turn_out_to_be_bad_are_asked_for_and_taken() {
    let (mut sink, _) = resuming(4 * CHUNK, chunks([(0, 4)]));
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()));
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    sink.receiver.lacks(FILE, chunks([(1, 1), (3, 1)]));
    assert!(sink.receiver.has_urgent_work(LANE));
    assert_eq!(sink.answers(), [missing([(1, 1), (3, 1)])]);
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Discard));
    assert_eq!(write(&mut sink, 3), None);
    assert_eq!(sink.data(1, 3 * CHUNK, CHUNK), Ok(Placement::Discard), "it is here now");
    assert_eq!(write(&mut sink, 1), Some(COMPLETE));
}

#[test]
fn lacking_nothing_is_not_worth_a_frame() {
    let (mut sink, _) = resuming(4 * CHUNK, chunks([(0, 4)]));
    sink.receiver.lacks(FILE, Vec::new());
    assert_eq!(sink.answers(), []);
}

#[test]
fn what_is_lacking_of_a_file_that_failed_meanwhile_is_not_asked_for() {
    let (mut sink, _) = resuming(2 * CHUNK, chunks([(0, 2)]));
    sink.send(&Message::Failed(vec![(FILE, Reason::SourceGone)])).unwrap();
    sink.receiver.lacks(FILE, chunks([(0, 1)]));
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), None);
    sink.receiver.place(FILE, Err(Reason::SourceGone));
    sink.receiver.lacks(FILE, chunks([(0, 1)]));
    assert_eq!(sink.receiver.start_over(FILE, 2 * CHUNK), None);
    assert_eq!(sink.answers(), [Message::Failed(vec![(FILE, Reason::SourceGone)])]);
}

#[test]
fn a_file_without_its_hash_starts_over_and_needs_no_second_end() {
    let (mut sink, _) = resuming(3 * CHUNK, chunks([(0, 2)]));
    sink.end(1, HASH).unwrap();
    write(&mut sink, 2);
    sink.receiver.written(FILE, CHUNK_BYTES);
    assert_eq!(sink.receiver.written(FILE, CHUNK_BYTES), Some(COMPLETE));
    assert_eq!(sink.receiver.start_over(FILE, 3 * CHUNK), None);
    assert_eq!(sink.answers(), [missing([(0, 3)])]);
    assert_eq!(write(&mut sink, 0), None);
    assert_eq!(sink.end(1, OTHER_HASH), Err(ProtocolError::Unexpected("hash")));
    assert_eq!(write(&mut sink, 2), None);
    assert_eq!(write(&mut sink, 1), Some(COMPLETE));
}

#[test]
fn a_file_that_the_source_gave_up_while_it_was_placed_does_not_start_over() {
    let (mut sink, _) = resuming(CHUNK, chunks([(0, 1)]));
    sink.receiver.written(FILE, CHUNK_BYTES);
    assert_eq!(sink.end(1, HASH), Ok(vec![COMPLETE]));
    assert_eq!(sink.send(&Message::Failed(vec![(FILE, Reason::SourceChanged)])), Ok(Vec::new()));
    let given_up = ReceiverEvent::GivenUp(FILE, Reason::SourceChanged);
    assert_eq!(sink.receiver.start_over(FILE, CHUNK), Some(given_up), "it would wait for ever");
    sink.receiver.place(FILE, Err(Reason::SourceChanged));
    assert_eq!(sink.answers(), [Message::Failed(vec![(FILE, Reason::SourceChanged)])]);
}

#[test]
fn only_a_complete_file_starts_over() {
    let (mut sink, _) = resuming(CHUNK, chunks([(0, 1)]));
    assert_eq!(sink.receiver.start_over(FILE, CHUNK), None);
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Discard), "still held");
    sink.end(1, HASH).unwrap();
    sink.receiver.written(FILE, CHUNK_BYTES);
    sink.receiver.place(FILE, Ok(Placed::AsNamed));
    sink.answers();
    assert_eq!(sink.receiver.start_over(FILE, CHUNK), None);
    assert_eq!(sink.answers(), []);
}

#[test]
fn only_an_offered_file_can_be_resumed() {
    let mut sink = ToSink::with_file(CHUNK);
    sink.offer(&entry(0, "folder", Kind::Folder)).unwrap();
    sink.answers();
    for id in 0..=3 {
        assert_eq!(sink.receiver.decide(EntryId(id), Decision::Resume(chunks([(0, 1)]))), None);
    }
    assert_eq!(sink.answers(), []);
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Write(FILE, 0)), "asked for whole before");
}

#[test]
fn any_number_of_pieces_fits_into_frames() {
    const PIECES: u32 = 10_000;
    let held: Vec<_> = (0..PIECES).map(|at| ChunkRange { first: 2 * at, count: 1 }).collect();
    let (_, asked) = resuming(u64::from(PIECES) * 2 * CHUNK, held);
    let mut first = 1;
    for message in &asked {
        let Message::Missing { id: FILE, chunks } = message else { panic!("{message:?}") };
        assert!(message.encode(0).len() < 1 << 16);
        for range in chunks {
            assert_eq!(*range, ChunkRange { first, count: 1 });
            first += 2;
        }
    }
    assert_eq!((asked.len(), first), (3, 2 * PIECES + 1));
}
