//! Sizes, counts and orders that no honest peer has.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType, Frames, HEADER_BYTES};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{EntryId, put_entry, read_page};
use hawser_protocol::message::{Message, Summary};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::receiver::{Decision, Placement, ReceiverEvent};

use super::sink::ToSink;
use super::source::ToSource;
use super::{CHUNK, HASH, LANE, file, open};

#[test]
fn a_frame_that_says_it_is_longer_than_its_record_is_refused() {
    let whole = Message::Want(vec![EntryId(1), EntryId(2)]).encode(1);
    for longer in [9_u32, 10, 65_536, 65_537, (1 << 24) - 1, u32::MAX] {
        let mut bytes = whole.clone();
        bytes[16..HEADER_BYTES].copy_from_slice(&longer.to_be_bytes());
        assert!(Frames::new(&bytes).next_frame().is_err(), "{longer}");
    }
}

#[test]
fn a_record_of_one_byte_is_refused_whatever_the_byte() {
    assert!((0..=255).all(|byte| Frames::new(&[byte]).next_frame().is_err()));
}

#[test]
fn a_chunk_of_the_largest_files_is_written_where_it_belongs_and_nothing_behind_their_end() {
    for size in [(1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        let last = size / CHUNK * CHUNK;
        let mut sink = ToSink::with_file(size);
        if size > last {
            assert_eq!(sink.data(1, last, size - last), Ok(Placement::Write(EntryId(1), last)));
        }
        assert_eq!(
            sink.data(1, last - CHUNK, CHUNK),
            Ok(Placement::Write(EntryId(1), last - CHUNK)),
            "{size}"
        );
        for (offset, length) in [(last, CHUNK), (last, 0), (u64::MAX, 1), (size, 1), (u64::MAX - 7, 8)] {
            if length > size - last || offset != last {
                assert!(sink.data(1, offset, length).is_err(), "{length} bytes at {offset} of {size}");
            }
        }
    }
}

#[test]
fn a_sink_that_asks_for_chunks_behind_the_end_of_any_file_is_refused() {
    for size in [0, 1, CHUNK, CHUNK + 1, (CHUNK << 32) - CHUNK, CHUNK << 32, (1 << 63) - 1] {
        let count = u32::try_from(size.div_ceil(CHUNK)).unwrap_or(u32::MAX);
        for range in [(count, 1), (0, count.saturating_add(1)), (u32::MAX, 1), (u32::MAX - 1, 1)] {
            let range = ChunkRange { first: range.0, count: range.1 };
            if range.end() <= count && size < CHUNK << 32 {
                continue;
            }
            let mut source = ToSource::new();
            source.sender.offer(&file(0, "file", size));
            let asked = source.send(&Message::Missing { id: EntryId(1), chunks: vec![range] });
            assert!(asked.is_err(), "{range:?} of {size} bytes");
        }
    }
}

fn page_of(names: &[&str]) -> Vec<u8> {
    let mut page = Vec::new();
    names.iter().for_each(|name| put_entry(&mut page, &file(0, name, 1)));
    page
}

fn manifest(first: u32, names: &[&str]) -> Message {
    Message::Manifest { first: EntryId(first), items: Vec::new(), page: page_of(names) }
}

#[test]
fn a_page_that_is_left_out_comes_again_or_comes_too_early_ends_the_session() {
    let wrong = Err(ProtocolError::Unexpected("manifest page"));
    let mut sink = ToSink::new();
    sink.send(&manifest(1, &["a", "b"])).unwrap();
    assert_eq!(sink.send(&manifest(4, &["d"])), wrong, "the third entry is missing");
    let mut sink = ToSink::new();
    sink.send(&manifest(1, &["a", "b"])).unwrap();
    assert_eq!(sink.send(&manifest(1, &["a", "b"])), wrong, "the first two come again");
    let mut sink = ToSink::new();
    assert_eq!(sink.send(&manifest(3, &["c"])), wrong, "the first two are still to come");
    // The same frame once more, as it is repeated when a lane was lost, means nothing.
    let mut sink = ToSink::new();
    let page = manifest(1, &["a", "b"]).encode(1);
    sink.send(&manifest(1, &["a", "b"])).unwrap();
    assert_eq!(sink.frame(&page), Ok(Vec::new()));
    assert_eq!(sink.send(&manifest(3, &["c"])).unwrap().len(), 1);
}

#[test]
fn an_entry_inside_itself_or_inside_a_later_one_ends_the_session() {
    for parent in [1, 2, 3, u32::MAX] {
        let mut page = Vec::new();
        put_entry(&mut page, &file(parent, "loop", 1));
        put_entry(&mut page, &file(0, "later", 1));
        let message = Message::Manifest { first: EntryId(1), items: Vec::new(), page };
        assert_eq!(ToSink::new().send(&message), Err(ProtocolError::Unexpected("parent")), "in #{parent}");
    }
}

#[test]
fn a_manifest_that_says_more_or_fewer_entries_than_it_had_ends_the_session() {
    for said in [0, 9, 11, u32::MAX] {
        let mut sink = ToSink::new();
        for name in 0..10 {
            sink.offer(&file(0, &name.to_string(), 1)).unwrap();
        }
        let wrong = Summary { entries: said, ..sink.summary() };
        let error = Err(ProtocolError::Unexpected("end of the manifest"));
        assert_eq!(sink.send(&Message::ManifestEnd(wrong)), error, "{said}");
    }
    // And whatever comes behind the end.
    let mut sink = ToSink::with_file(1);
    let summary = sink.summary();
    sink.send(&Message::ManifestEnd(summary)).unwrap();
    assert_eq!(sink.offer(&file(0, "eleventh", 1)), Err(ProtocolError::Unexpected("manifest page")));
}

#[test]
fn a_file_that_is_shorter_than_it_was_said_to_be_is_never_complete() {
    let mut sink = ToSink::with_file(3 * CHUNK);
    sink.data(1, 0, CHUNK).unwrap();
    assert_eq!(sink.receiver.written(EntryId(1), CHUNK_BYTES), None);
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()), "two chunks are missing");
    let summary = sink.summary();
    sink.send(&Message::ManifestEnd(summary)).unwrap();
    assert!(!sink.receiver.is_settled());
}

#[test]
fn a_file_that_is_longer_than_it_was_said_to_be_ends_the_session() {
    let mut sink = ToSink::with_file(3 * CHUNK);
    assert_eq!(sink.data(1, 3 * CHUNK, CHUNK), Err(ProtocolError::Malformed("chunk")));
    assert_eq!(sink.data(1, 4 * CHUNK, CHUNK), Err(ProtocolError::Malformed("offset")));
    let mut sink = ToSink::with_file(10);
    assert_eq!(sink.data(1, 0, 11), Err(ProtocolError::Malformed("chunk")));
}

/// Frames that this side has to send, and what they take up together.
fn queued(sink: &mut ToSink) -> (usize, usize) {
    let frames: Vec<_> = std::iter::from_fn(|| sink.receiver.next(LANE, usize::MAX)).collect();
    (frames.len(), frames.iter().map(Vec::len).sum())
}

#[test]
fn a_hundred_thousand_empty_frames_leave_nothing_behind() {
    let mut sink = ToSink::new();
    queued(&mut sink);
    sink.receiver.record_sent(LANE);
    for kind in [FrameType::Ping, FrameType::Ack] {
        let bytes = frame::encode(kind, EntryId::ROOT, 0, &[]);
        for _ in 0..100_000 {
            assert_eq!(sink.frame(&bytes), Ok(Vec::new()));
            sink.receiver.link_mut().record_received(LANE);
        }
    }
    for _ in 0..100_000 {
        assert_eq!(sink.send(&manifest(1, &[])), Ok(Vec::new()));
        assert_eq!(sink.send(&Message::Failed(Vec::new())), Ok(Vec::new()));
        sink.receiver.link_mut().record_received(LANE);
    }
    assert_eq!(queued(&mut sink), (1, HEADER_BYTES), "one acknowledgement for all");

    let mut source = ToSource::new();
    for _ in 0..100_000 {
        assert_eq!(source.send(&Message::Want(Vec::new())), Ok(Vec::new()));
        assert_eq!(source.send(&Message::Committed(Vec::new())), Ok(Vec::new()));
    }
    assert_eq!(source.record().len(), 1, "HELLO");
}

#[test]
fn a_hundred_thousand_files_that_are_offered_and_given_up_at_once_leave_nothing_behind() {
    let mut sink = ToSink::new();
    for id in 1..=100_000 {
        let name = [id.to_string()];
        sink.send(&manifest(id, &[&name[0]])).unwrap();
        sink.receiver.decide(EntryId(id), Decision::Accept);
        let given_up = ReceiverEvent::GivenUp(EntryId(id), Reason::SourceGone);
        let failed = Message::Failed(vec![(EntryId(id), Reason::SourceGone)]);
        assert_eq!(sink.send(&failed), Ok(vec![given_up]));
        assert_eq!(sink.receiver.place(EntryId(id), Err(Reason::SourceGone)), None);
        assert!(!sink.receiver.is_unsettled(EntryId(id)));
        if id % 100 == 0 {
            // Wanted and failed, told to a peer that reads.
            let (frames, bytes) = queued(&mut sink);
            assert!(frames <= 4 && bytes <= 4096, "{frames} frames of {bytes} bytes");
        }
    }
}

#[test]
fn a_time_may_be_any_second_but_has_less_than_a_billion_nanoseconds() {
    let mut page = page_of(&["f"]);
    // Behind type, parent, name and mode.
    let (seconds, nanoseconds) = (10, 18);
    for second in [i64::MIN, -1, 0, i64::MAX] {
        page[seconds..seconds + 8].copy_from_slice(&second.to_be_bytes());
        assert!(read_page(&page).is_ok(), "{second}");
    }
    for wrong in [1_000_000_000, 1 << 31, u32::MAX] {
        page[nanoseconds..nanoseconds + 4].copy_from_slice(&u32::to_be_bytes(wrong));
        assert_eq!(read_page(&page), Err(ProtocolError::Malformed("manifest entry")), "{wrong}");
    }
}

#[test]
fn an_acknowledgement_of_the_largest_number_of_records_ends_the_session() {
    let bytes = frame::encode(FrameType::Ack, EntryId::ROOT, u64::MAX, &[]);
    let (header, payload) = open(&bytes);
    let wrong = ProtocolError::Unexpected("acknowledgement");
    assert_eq!(ToSource::with_file(1).sender.handle_frame(LANE, header, payload), Err(wrong));
    assert_eq!(ToSink::with_file(1).frame(&bytes), Err(wrong));
}
