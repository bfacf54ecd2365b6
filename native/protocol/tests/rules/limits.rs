//! What a peer cannot make the other side keep, or do.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{
    MAX_UNACKNOWLEDGED, MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_REPLY_BYTES, NEEDLESS_FRAMES_PER_ENTRY,
    NEEDLESS_FRAMES_PER_LANE, REPLY_QUEUE_BYTES,
};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::{Message, Placed};
use hawser_protocol::receiver::{Decision, Placement};
use hawser_protocol::sender::Outgoing;

use super::sink::ToSink;
use super::source::ToSource;
use super::{CHUNK, HASH, LANE, chunks, file, open};

/// Room for one small frame and no more, so that each is a record of its own.
const ROOM: usize = 200;

#[test]
fn a_sink_that_takes_data_and_never_acknowledges_it_gets_no_more_than_the_window() {
    let mut source = ToSource::with_file((2 * MAX_UNACKNOWLEDGED) as u64 * CHUNK);
    let mut records = 0;
    let mut chunks = 0;
    while source.sender.has_work(LANE) {
        let record = source.record();
        records += 1;
        chunks += record.iter().filter(|item| matches!(item, Outgoing::Chunk(_))).count();
        assert!(chunks <= MAX_UNACKNOWLEDGED);
    }
    // A HELLO and a page are unacknowledged, too.
    assert_eq!(chunks, MAX_UNACKNOWLEDGED - 2);
    assert!(source.record().is_empty());
    source.acknowledge(records).unwrap();
    assert!(source.sender.has_work(LANE));
}

#[test]
fn a_sink_that_settles_entries_and_never_acknowledges_their_pages_is_offered_no_more() {
    let mut source = ToSource::new();
    let mut offered = 0_u32;
    while source.sender.has_room() {
        source.sender.offer(&file(0, &"x".repeat(200), 5));
        offered += 1;
        source.record();
        source.send(&Message::Failed(vec![(EntryId(offered), Reason::NameRefused)])).unwrap();
        assert!((offered as usize) < MAX_UNACKNOWLEDGED_BYTES / 200);
    }
    source.acknowledge(offered.into()).unwrap();
    assert!(source.sender.has_room());
}

/// Has the sink refuse one entry after the other, until `enough`. What it answers is sent if `reads`.
fn refuse_all(
    sink: &mut ToSink,
    reads: bool,
    enough: impl Fn(&ToSink) -> bool,
) -> Result<u32, ProtocolError> {
    let mut id = 0;
    while !enough(sink) {
        id += 1;
        sink.offer(&file(0, "file", 5))?;
        sink.receiver.decide(EntryId(id), Decision::Refuse(Reason::NameRefused));
        if reads {
            while sink.receiver.next(LANE, ROOM).is_some() {}
            sink.receiver.record_sent(LANE);
        }
        assert!(id < 1_000_000);
    }
    Ok(id)
}

#[test]
fn a_source_that_reads_answers_and_never_acknowledges_them_is_shown_the_door() {
    let mut sink = ToSink::new();
    let limit = refuse_all(&mut sink, true, |_| false);
    assert_eq!(limit, Err(ProtocolError::Limit("unacknowledged replies")));
    const { assert!(MAX_UNACKNOWLEDGED_REPLY_BYTES > REPLY_QUEUE_BYTES) };
}

#[test]
fn a_source_that_does_not_read_its_answers_is_not_read_from_until_it_does() {
    let mut sink = ToSink::new();
    let refused = refuse_all(&mut sink, false, |sink| sink.receiver.is_congested()).unwrap();
    assert!(refused as usize <= REPLY_QUEUE_BYTES / 6 + 1, "{refused}");
    // Nothing has to be acknowledged for that: the acknowledgement could not be read.
    while sink.receiver.next(LANE, usize::MAX).is_some() {}
    assert!(!sink.receiver.is_congested());
}

#[test]
fn frames_that_say_nothing_are_counted_and_others_are_not() {
    let mut sink = ToSink::new();
    let count = |sink: &mut ToSink| sink.receiver.link_mut().take_empty();
    sink.offer(&file(0, "file", 5)).unwrap();
    while sink.receiver.next(LANE, usize::MAX).is_some() {}
    sink.receiver.record_sent(LANE);
    let lane_frame = |kind, records| frame::encode(kind, EntryId::ROOT, records, &[]);
    sink.frame(&lane_frame(FrameType::Ack, 1)).unwrap();
    assert_eq!(count(&mut sink), 0);
    sink.frame(&lane_frame(FrameType::Ack, 1)).unwrap();
    assert_eq!(count(&mut sink), 1, "that was known");
    sink.frame(&lane_frame(FrameType::Ping, 0)).unwrap();
    sink.frame(&lane_frame(FrameType::Ping, 0)).unwrap();
    assert_eq!(count(&mut sink), 2);
    let empty = Message::Manifest { first: EntryId(2), items: Vec::new(), page: Vec::new() };
    sink.send(&empty).unwrap();
    sink.send(&Message::Failed(Vec::new())).unwrap();
    assert_eq!(count(&mut sink), 2);
    assert_eq!(count(&mut sink), 0, "they are counted once");
}

#[test]
fn a_control_frame_that_comes_twice_on_one_lane_says_nothing_the_second_time() {
    let other = LaneId(1);
    let mut sink = ToSink::new();
    sink.receiver.link_mut().add_lane(other);
    let hello = Message::Hello(Hello::named("source")).encode(0);
    let mut say = |lane| {
        let (header, payload) = open(&hello);
        assert_eq!(sink.receiver.handle_frame(lane, header, payload), Ok(Vec::new()));
        sink.receiver.link_mut().take_empty()
    };
    assert_eq!(say(LANE), 1);
    assert_eq!(say(other), 0, "the first one may be lost");
    assert_eq!(say(other), 1);
    assert_eq!(say(LANE), 1);
}

/// So many frames that change nothing are free for one lane and one entry.
const FREE: u32 = (NEEDLESS_FRAMES_PER_LANE + NEEDLESS_FRAMES_PER_ENTRY) as u32;

#[test]
fn what_a_sink_says_of_settled_entries_says_nothing() {
    let id = EntryId(1);
    let wants = Message::Want(vec![id]);
    let lacks = Message::Missing { id, chunks: chunks([(0, 1)]) };
    let settles = [Message::Committed(vec![(id, Placed::Present)]), Message::Failed(vec![(id, Reason::Io)])];
    for message in [wants, lacks].into_iter().chain(settles) {
        let mut source = ToSource::new();
        source.sender.offer(&file(0, "file", 5));
        source.committed(1, Placed::Present).unwrap();
        for _ in 0..FREE + 10 {
            source.send(&message).unwrap();
        }
        assert_eq!(source.sender.link_mut().take_empty(), 10, "{message:?}");
    }
}

#[test]
fn asking_for_nothing_again_says_nothing() {
    let mut source = ToSource::with_file(10_000 * CHUNK);
    for _ in 0..FREE + 10 {
        source.send(&Message::Missing { id: EntryId(1), chunks: Vec::new() }).unwrap();
    }
    assert_eq!(source.sender.link_mut().take_empty(), 10);
    for chunk in 0..100 {
        source.send(&Message::Missing { id: EntryId(1), chunks: chunks([(chunk, 1)]) }).unwrap();
    }
    assert_eq!(source.sender.link_mut().take_empty(), 0, "that asks for something");
}

#[test]
fn what_a_source_says_of_settled_entries_says_nothing() {
    let count = |sink: &mut ToSink| sink.receiver.link_mut().take_empty();
    let mut sink = ToSink::with_file(5);
    sink.receiver.decide(EntryId(1), Decision::Refuse(Reason::Io));
    for _ in 0..FREE {
        assert_eq!(sink.data(1, 0, 1), Ok(Placement::Discard));
    }
    assert_eq!(count(&mut sink), 0);
    sink.data(1, 0, 1).unwrap();
    sink.end(1, HASH).unwrap();
    sink.send(&Message::Failed(vec![(EntryId(1), Reason::SourceGone)])).unwrap();
    assert_eq!(count(&mut sink), 3);
    sink.data(1, 0, CHUNK).unwrap();
    assert_eq!(count(&mut sink), 0, "whoever sends whole chunks has work of it");
}

#[test]
fn the_same_hash_and_the_same_bytes_again_say_nothing() {
    let mut sink = ToSink::with_file(CHUNK + 5);
    sink.data(1, CHUNK, 5).unwrap();
    sink.end(1, HASH).unwrap();
    for _ in 0..FREE + 10 {
        sink.data(1, CHUNK, 5).unwrap();
        sink.end(1, HASH).unwrap();
    }
    assert_eq!(sink.receiver.link_mut().take_empty(), FREE + 20);
}
