//! The source's rules.

use hawser_protocol::error::{ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType, HEADER_BYTES};
use hawser_protocol::hello::{Hello, Window};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_UNSETTLED, MIN_UNSETTLED, RECORD_SLACK_BYTES};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{EntryId, Kind, Name};
use hawser_protocol::message::{Message, Placed, Summary};
use hawser_protocol::sender::{END_BYTES, Fate, Outgoing, Sender, SenderEvent, end_frame};

use super::{CHUNK, HASH, LANE, entry, file, open};

/// A real `Sender`, and a sink that says what it is told to.
pub struct ToSource {
    pub sender: Sender,
    pub number: u64,
}

impl ToSource {
    pub fn new() -> Self {
        let mut peer = Self { sender: Sender::new(Hello::named("source")), number: 0 };
        let hello = peer.send(&Message::Hello(Hello::named("sink")));
        assert_eq!(hello, Ok(vec![SenderEvent::Hello(Hello::named("sink"))]));
        peer
    }

    /// One file of this size, offered and asked for.
    pub fn with_file(size: u64) -> Self {
        let mut peer = Self::new();
        peer.sender.offer(&file(0, "file", size));
        peer.want([1]);
        peer
    }

    pub fn send(&mut self, message: &Message) -> Result<Vec<SenderEvent>, ProtocolError> {
        let bytes = message.encode(self.number);
        self.number += 1;
        let (header, payload) = open(&bytes);
        self.sender.handle_frame(LANE, header, payload)
    }

    /// The sink has dealt with so many records.
    pub fn acknowledge(&mut self, records: u64) -> Result<Vec<SenderEvent>, ProtocolError> {
        let bytes = frame::encode(FrameType::Ack, EntryId::ROOT, records, &[]);
        let (header, payload) = open(&bytes);
        self.sender.handle_frame(LANE, header, payload)
    }

    pub fn want<const N: usize>(&mut self, entries: [u32; N]) {
        assert_eq!(self.send(&Message::Want(entries.map(EntryId).to_vec())), Ok(Vec::new()));
    }

    pub fn committed(&mut self, entry: u32, placed: Placed) -> Result<Vec<SenderEvent>, ProtocolError> {
        self.send(&Message::Committed(vec![(EntryId(entry), placed)]))
    }

    /// The next record, with each chunk read at once and each file's hash behind its last chunk.
    pub fn record(&mut self) -> Vec<Outgoing> {
        let mut room = (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize;
        let mut record = Vec::new();
        while let Some(next) = self.sender.next(LANE, room) {
            room -= match &next {
                Outgoing::Frame(bytes) => bytes.len(),
                Outgoing::Chunk(chunk) => HEADER_BYTES + chunk.length as usize,
                Outgoing::End(..) => END_BYTES,
            };
            record.push(next);
        }
        self.sender.record_sent(LANE);
        record
    }

    /// Sends everything there is, and says that this one-chunk file has been read.
    pub fn deliver(&mut self, entry: u32) {
        while !self.record().is_empty() {}
        assert!(self.sender.end(LANE, EntryId(entry), HASH));
        self.sender.record_sent(LANE);
    }

    /// Ends the manifest, and reads what the source says of it.
    pub fn summary(&mut self) -> Summary {
        self.sender.end_manifest();
        let record = self.record();
        let mut frames = record.iter().filter_map(|next| match next {
            Outgoing::Frame(bytes) => Some(open(bytes)),
            _ => None,
        });
        let (header, payload) = frames.find(|(header, _)| header.kind == FrameType::ManifestEnd).unwrap();
        let Ok(Message::ManifestEnd(summary)) = Message::decode(header, payload) else {
            panic!("{header:?}")
        };
        summary
    }
}

fn entries(record: &[Outgoing]) -> Vec<EntryId> {
    let chunk = |next: &Outgoing| if let Outgoing::Chunk(chunk) = next { Some(chunk.entry) } else { None };
    record.iter().filter_map(chunk).collect()
}

fn kinds(record: &[Outgoing]) -> Vec<FrameType> {
    let kind =
        |next: &Outgoing| if let Outgoing::Frame(bytes) = next { Some(open(bytes).0.kind) } else { None };
    record.iter().filter_map(kind).collect()
}

#[test]
fn a_small_file_behind_a_huge_one_is_handed_out_within_the_next_two_records() {
    for before in 0..4 {
        let mut source = ToSource::with_file(1000 * CHUNK);
        (0..before).for_each(|_| drop(source.record()));
        source.sender.offer(&file(0, "small", 5));
        source.want([2]);
        let next = [source.record(), source.record()].concat();
        assert!(entries(&next).contains(&EntryId(2)), "after {before} records: {:?}", entries(&next));
    }
}

#[test]
fn a_huge_file_is_not_held_up_by_any_number_of_small_ones() {
    let mut source = ToSource::with_file(1000 * CHUNK);
    for small in 0..1000 {
        source.sender.offer(&file(0, &small.to_string(), 200_000));
        source.want([small + 2]);
    }
    let records: Vec<_> = (0..20).map(|_| entries(&source.record())).collect();
    let huge = records.iter().filter(|entries| entries.contains(&EntryId(1))).count();
    assert_eq!(huge, 10, "{records:?}");
}

#[test]
fn small_files_share_a_record() {
    let mut source = ToSource::new();
    for id in 1..=100 {
        source.sender.offer(&file(0, &id.to_string(), 1000));
        source.want([id]);
    }
    let record = source.record();
    assert_eq!(entries(&record), (1..=100).map(EntryId).collect::<Vec<_>>());
}

#[test]
fn the_first_data_can_leave_before_the_manifest_has_ended() {
    let mut source = ToSource::new();
    source.sender.offer(&file(0, "file", 5));
    assert_eq!(kinds(&source.record()), [FrameType::Hello, FrameType::Manifest]);
    source.want([1]);
    assert_eq!(entries(&source.record()), [EntryId(1)]);
}

#[test]
fn session_ok_too_early_or_for_another_manifest_ends_the_session() {
    let wrong = Err(ProtocolError::Unexpected("end of session"));
    let mut source = ToSource::with_file(5);
    let summary = Summary { entries: 1, manifest: HASH };
    assert_eq!(source.send(&Message::SessionOk(summary)), wrong, "before the manifest has ended");
    let right = source.summary();
    assert_eq!(source.send(&Message::SessionOk(right)), wrong, "before the file is settled");
    source.deliver(1);
    source.committed(1, Placed::AsNamed).unwrap();
    assert_eq!(source.send(&Message::SessionOk(Summary { manifest: HASH, ..right })), wrong);
    assert_eq!(source.send(&Message::SessionOk(Summary { entries: 2, ..right })), wrong);
    assert_eq!(source.send(&Message::SessionOk(right)), Ok(vec![SenderEvent::Finished]));
    assert_eq!(source.send(&Message::SessionOk(right)), wrong, "twice");
}

#[test]
fn committed_for_a_file_that_was_never_sent_ends_the_session() {
    let wrong = ProtocolError::Unexpected("commitment");
    let mut source = ToSource::with_file(5);
    assert_eq!(source.committed(1, Placed::AsNamed), Err(wrong));
    let renamed = Placed::Renamed(Name::new(b"other").unwrap());
    assert_eq!(source.committed(1, renamed), Err(wrong));
    let present = vec![SenderEvent::Settled(EntryId(1), Fate::Placed(Placed::Present, None))];
    assert_eq!(source.committed(1, Placed::Present), Ok(present), "it may have been there already");
}

#[test]
fn answers_about_entries_that_were_never_offered_end_the_session() {
    let wrong = ProtocolError::Unexpected("entry");
    for id in [EntryId::ROOT, EntryId(2), EntryId(u32::MAX)] {
        let mut source = ToSource::with_file(5);
        assert_eq!(source.send(&Message::Want(vec![id])), Err(wrong));
        assert_eq!(source.send(&Message::Failed(vec![(id, Reason::Io)])), Err(wrong));
        assert_eq!(source.committed(id.0, Placed::Present), Err(wrong));
    }
}

#[test]
fn a_request_for_a_folder_or_for_the_same_file_twice_ends_the_session() {
    let mut source = ToSource::with_file(5);
    source.sender.offer(&entry(0, "folder", Kind::Folder));
    let wrong = Err(ProtocolError::Unexpected("request"));
    assert_eq!(source.send(&Message::Want(vec![EntryId(1)])), wrong);
    assert_eq!(source.send(&Message::Want(vec![EntryId(2)])), wrong);
}

#[test]
fn an_acknowledgement_of_records_that_were_never_sent_ends_the_session() {
    let mut source = ToSource::new();
    source.record();
    assert_eq!(source.acknowledge(1), Ok(Vec::new()));
    assert_eq!(source.acknowledge(2), Err(ProtocolError::Unexpected("acknowledgement")));
}

#[test]
fn a_file_that_fails_before_its_page_has_left_is_offered_first() {
    let mut source = ToSource::new();
    source.sender.offer(&file(0, "gone", 5));
    source.sender.fail(EntryId(1), Reason::SourceGone).unwrap();
    assert_eq!(kinds(&source.record()), [FrameType::Hello, FrameType::Manifest, FrameType::Failed]);
}

#[test]
fn files_given_up_count_as_unsettled_until_the_sink_has_let_go_of_them() {
    let mut source = ToSource::new();
    for id in 1..=MAX_UNSETTLED {
        assert!(source.sender.has_room());
        source.sender.offer(&file(0, &id.to_string(), 5));
        source.sender.fail(EntryId(id), Reason::SourceGone).unwrap();
        source.record();
        source.acknowledge(id.into()).unwrap();
    }
    assert!(!source.sender.has_room());
    assert_eq!(source.send(&Message::Failed(vec![(EntryId(1), Reason::SourceGone)])), Ok(Vec::new()));
    assert!(source.sender.has_room());
}

/// Offers until there is no more room.
fn fill(sender: &mut Sender) -> u32 {
    let mut offered = 0;
    while sender.has_room() {
        offered += 1;
        sender.offer(&file(0, "file", 5));
        // The line takes everything.
        while sender.next(LANE, 1 << 16).is_some() {}
        sender.record_sent(LANE);
    }
    offered
}

#[test]
fn a_source_offers_little_before_it_knows_how_much_its_sink_takes_and_no_more_than_that_then() {
    let hello = |entries| Hello { window: Window::of(entries), ..Hello::default() };
    for (ours, theirs, window) in [(16_384, 16_384, 16_384), (16_384, 1024, 1024), (2048, 16_384, 2048)] {
        let mut source = ToSource { sender: Sender::new(hello(ours)), number: 0 };
        assert_eq!(fill(&mut source.sender), MIN_UNSETTLED);
        source.send(&Message::Hello(hello(theirs))).unwrap();
        assert_eq!(fill(&mut source.sender), window - MIN_UNSETTLED);
        assert!(!source.sender.has_much_room());
    }
}

#[test]
fn what_is_skipped_waits_while_the_line_does_not_take_it() {
    let mut source = ToSource::new();
    let mut skipped = 0;
    while source.sender.has_room() {
        source.sender.skip("socket".into(), Reason::UnsupportedType);
        skipped += 1;
        assert!(skipped < 10_000);
    }
    source.record();
    assert!(source.sender.has_room());
}

#[test]
fn a_file_whose_last_read_outlives_its_lane_still_gets_its_end() {
    let mut source = ToSource::with_file(5);
    assert_eq!(entries(&source.record()), [EntryId(1)]);
    source.sender.link_mut().add_lane(LaneId(1));
    assert!(source.sender.lose_lane(LANE));
    assert!(!source.sender.end(LANE, EntryId(1), HASH));
    assert_eq!(
        std::iter::from_fn(|| source.sender.next(LaneId(1), 1 << 18))
            .find(|next| matches!(next, Outgoing::End(..))),
        Some(Outgoing::End(EntryId(1), HASH))
    );
}

#[test]
fn a_lane_with_a_lower_number_does_not_take_over_the_control_stream() {
    let mut source = ToSource::new();
    source.sender.link_mut().add_lane(LaneId(1));
    source.sender.lose_lane(LANE);
    let hello = source.sender.next(LaneId(1), 1 << 18);
    assert!(matches!(hello, Some(Outgoing::Frame(_))));
    source.sender.link_mut().add_lane(LANE);
    source.sender.offer(&file(0, "file", 5));
    assert!(!source.sender.has_work(LANE));
    assert!(source.sender.has_work(LaneId(1)));
}

#[test]
fn more_than_a_handful_of_failed_large_files_do_not_hide_the_next_one() {
    let mut source = ToSource::new();
    for id in 1..=40 {
        source.sender.offer(&file(0, &id.to_string(), 2 * CHUNK));
        source.want([id]);
    }
    source.record();
    let failed = (1..40).filter(|&id| source.sender.fail(EntryId(id), Reason::SourceGone).is_some()).count();
    assert_eq!(failed, 39);
    let next = [source.record(), source.record()].concat();
    assert!(entries(&next).contains(&EntryId(40)), "{next:?}");
}

#[test]
fn messages_that_only_a_source_sends_end_the_session() {
    let summary = Summary { entries: 0, manifest: HASH };
    let wrong = ProtocolError::Unexpected("frame");
    let page = Message::Manifest { first: EntryId(1), items: vec![], page: vec![] };
    for message in [page, Message::ManifestEnd(summary)] {
        assert_eq!(ToSource::new().send(&message), Err(wrong));
    }
    let end = end_frame(EntryId(1), HASH);
    let (header, payload) = open(&end);
    assert_eq!(ToSource::with_file(1).sender.handle_frame(LANE, header, payload), Err(wrong));
}

#[test]
fn session_ok_before_the_sink_has_let_go_of_a_file_given_up_ends_the_session() {
    let mut source = ToSource::with_file(5);
    source.sender.fail(EntryId(1), Reason::SourceGone).unwrap();
    let summary = source.summary();
    let wrong = Err(ProtocolError::Unexpected("end of session"));
    assert_eq!(source.send(&Message::SessionOk(summary)), wrong);
    assert_eq!(source.send(&Message::Failed(vec![(EntryId(1), Reason::SourceGone)])), Ok(Vec::new()));
    assert_eq!(source.send(&Message::SessionOk(summary)), Ok(vec![SenderEvent::Finished]));
}

#[test]
fn only_files_can_be_given_up() {
    let mut source = ToSource::new();
    source.sender.offer(&entry(0, "folder", Kind::Folder));
    assert_eq!(source.sender.fail(EntryId(1), Reason::SourceUnreadable), None);
    assert_eq!(source.sender.fail(EntryId(2), Reason::SourceUnreadable), None);
    assert_eq!(kinds(&source.record()), [FrameType::Hello, FrameType::Manifest]);
}

#[test]
fn lane_frames_with_anything_in_unused_fields_end_the_session() {
    let mut source = ToSource::new();
    let close = [0, 0];
    let wrong: [(FrameType, u32, u64, &[u8]); 7] = [
        (FrameType::Ack, 1, 0, &[]),
        (FrameType::Ack, 0, 0, &[0]),
        (FrameType::Ping, 1, 0, &[]),
        (FrameType::Ping, 0, 1, &[]),
        (FrameType::Ping, 0, 0, &[0]),
        (FrameType::Close, 1, 0, &close),
        (FrameType::Close, 0, 1, &close),
    ];
    for (kind, entry, offset, payload) in wrong {
        let bytes = frame::encode(kind, EntryId(entry), offset, payload);
        let (header, payload) = open(&bytes);
        let answer = source.sender.handle_frame(LANE, header, payload);
        assert!(matches!(answer, Err(ProtocolError::Malformed(_))), "{header:?}: {answer:?}");
    }
}
