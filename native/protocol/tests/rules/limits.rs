//! What a peer cannot make the other side keep, or do.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::limits::{
    MAX_UNACKNOWLEDGED, MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_REPLY_BYTES, REPLY_QUEUE_BYTES,
};
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Message;
use hawser_protocol::receiver::Decision;
use hawser_protocol::sender::Outgoing;

use super::sink::ToSink;
use super::source::ToSource;
use super::{CHUNK, LANE, file};

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
