//! The sink's rules.

use std::thread;

use hawser_protocol::error::{ContentHash, ProtocolError, Reason};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::hello::{Hello, Window};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_DEPTH, MAX_UNSETTLED, MIN_UNSETTLED};
use hawser_protocol::link::Chunk;
use hawser_protocol::manifest::{Entry, EntryId, Kind, put_entry, put_leave};
use hawser_protocol::message::{Message, Placed, Summary};
use hawser_protocol::receiver::{Decision, Placement, Receiver, ReceiverEvent};
use hawser_protocol::sender::end_frame;

use super::{CHUNK, HASH, LANE, OTHER_HASH, entry, file, open};

/// A real `Receiver`, and a source that says what it is told to.
pub struct ToSink {
    pub receiver: Receiver,
    pub number: u64,
    pub last: u32,
    pages: Vec<u8>,
}

impl ToSink {
    pub fn new() -> Self {
        let mut peer =
            Self { receiver: Receiver::new(Hello::named("sink")), number: 0, last: 0, pages: Vec::new() };
        let hello = peer.send(&Message::Hello(Hello::named("source")));
        assert_eq!(hello, Ok(vec![ReceiverEvent::Hello(Hello::named("source"))]));
        peer
    }

    /// One file of this size, offered and asked for.
    pub fn with_file(size: u64) -> Self {
        let mut peer = Self::new();
        peer.offer(&file(0, "file", size)).unwrap();
        assert_eq!(peer.receiver.decide(EntryId(1), Decision::Accept), None);
        peer
    }

    pub fn frame(&mut self, bytes: &[u8]) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let (header, payload) = open(bytes);
        self.receiver.handle_frame(LANE, header, payload)
    }

    pub fn send(&mut self, message: &Message) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let bytes = message.encode(self.number);
        self.number += 1;
        self.frame(&bytes)
    }

    fn page(&mut self, first: u32, page: Vec<u8>) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        self.pages.extend_from_slice(&page);
        self.send(&Message::Manifest { first: EntryId(first), items: Vec::new(), page })
    }

    pub fn offer(&mut self, entry: &Entry) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let mut page = Vec::new();
        put_entry(&mut page, entry);
        self.last += 1;
        self.page(self.last, page)
    }

    fn leave(&mut self, folder: u32) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let mut page = Vec::new();
        put_leave(&mut page, EntryId(folder));
        self.page(self.last + 1, page)
    }

    pub fn summary(&self) -> Summary {
        let manifest = ContentHash(*blake3::hash(&self.pages).as_bytes());
        Summary { entries: self.last, manifest }
    }

    pub fn data(&mut self, entry: u32, offset: u64, length: u64) -> Result<Placement, ProtocolError> {
        let chunk = Chunk { entry: EntryId(entry), offset, length: length as u32 };
        self.receiver.handle_data(LANE, chunk.header())
    }

    pub fn end(&mut self, entry: u32, hash: ContentHash) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        self.frame(&end_frame(EntryId(entry), hash))
    }

    /// The messages that the sink has to send.
    pub fn answers(&mut self) -> Vec<Message> {
        let mut answers = Vec::new();
        while let Some(bytes) = self.receiver.next(LANE, usize::MAX) {
            let (header, payload) = open(&bytes);
            answers.extend(Message::decode(header, payload).ok());
        }
        answers
    }
}

#[test]
fn an_empty_file_is_complete_with_its_end_alone() {
    let mut sink = ToSink::with_file(0);
    assert_eq!(sink.end(1, HASH), Ok(vec![ReceiverEvent::Complete(EntryId(1), HASH)]));
    assert_eq!(ToSink::with_file(0).data(1, 0, 0), Err(ProtocolError::Malformed("chunk")));
}

#[test]
fn repeated_control_frames_are_ignored() {
    let mut sink = ToSink::new();
    sink.offer(&file(0, "file", 5)).unwrap();
    sink.number = 0;
    assert_eq!(sink.send(&Message::Hello(Hello::named("source"))), Ok(Vec::new()));
    sink.last = 0;
    assert_eq!(sink.offer(&file(0, "file", 5)), Ok(Vec::new()));
}

#[test]
fn a_repeated_chunk_is_dropped_and_a_repeated_end_changes_nothing() {
    let mut sink = ToSink::with_file(CHUNK);
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Write(EntryId(1), 0)));
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Discard));
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()));
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()));
    assert_eq!(
        sink.receiver.written(EntryId(1), CHUNK_BYTES),
        Some(ReceiverEvent::Complete(EntryId(1), HASH))
    );
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()));
    assert_eq!(sink.data(1, 0, CHUNK), Ok(Placement::Discard));
}

#[test]
fn a_control_frame_number_from_the_future_ends_the_session() {
    let mut sink = ToSink::new();
    sink.number += 1;
    let error = ProtocolError::Unexpected("control frame number");
    assert_eq!(sink.offer(&file(0, "file", 5)), Err(error));
}

#[test]
fn anything_before_hello_and_a_second_hello_end_the_session() {
    let mut sink = ToSink::new();
    let error = ProtocolError::Unexpected("first message");
    assert_eq!(sink.send(&Message::Hello(Hello::named("again"))), Err(error));
    let mut sink = ToSink { receiver: Receiver::new(Hello::named("sink")), ..ToSink::new() };
    sink.number = 0;
    assert_eq!(sink.offer(&file(0, "file", 5)), Err(error));
}

#[test]
fn data_that_was_never_asked_for_ends_the_session() {
    let mut sink = ToSink::with_file(CHUNK);
    assert_eq!(sink.data(2, 0, CHUNK), Err(ProtocolError::Unexpected("entry")));
    assert_eq!(sink.data(0, 0, CHUNK), Err(ProtocolError::Unexpected("entry")));
    sink.offer(&file(0, "undecided", CHUNK)).unwrap();
    assert_eq!(sink.data(2, 0, CHUNK), Err(ProtocolError::Unexpected("data")));
    assert_eq!(sink.end(2, HASH), Err(ProtocolError::Unexpected("hash")));
    sink.offer(&entry(0, "folder", Kind::Folder)).unwrap();
    assert_eq!(sink.data(3, 0, CHUNK), Err(ProtocolError::Unexpected("data")));
}

#[test]
fn data_that_is_not_exactly_a_chunk_ends_the_session() {
    let size = 2 * CHUNK + 10;
    let wrong = [
        (0, CHUNK - 1),
        (0, 0),
        (1, CHUNK),
        (CHUNK, 10),
        (2 * CHUNK, 9),
        (2 * CHUNK, 11),
        (2 * CHUNK, CHUNK),
        (2 * CHUNK + 10, 0),
        (3 * CHUNK, CHUNK),
        (u64::MAX, 1),
        (u64::MAX - CHUNK + 1, CHUNK),
    ];
    for (offset, length) in wrong {
        let answer = ToSink::with_file(size).data(1, offset, length);
        assert!(matches!(answer, Err(ProtocolError::Malformed(_))), "{length} at {offset}: {answer:?}");
    }
    assert_eq!(ToSink::with_file(size).data(1, 2 * CHUNK, 10), Ok(Placement::Write(EntryId(1), 2 * CHUNK)));
}

#[test]
fn end_twice_with_different_hashes_ends_the_session() {
    let mut sink = ToSink::with_file(CHUNK);
    assert_eq!(sink.end(1, HASH), Ok(Vec::new()));
    assert_eq!(sink.end(1, OTHER_HASH), Err(ProtocolError::Unexpected("hash")));
    let short = frame::encode(FrameType::End, EntryId(1), 0, &[7; 31]);
    assert_eq!(ToSink::with_file(1).frame(&short), Err(ProtocolError::Malformed("hash")));
    let offset = frame::encode(FrameType::End, EntryId(1), 1, &[7; 32]);
    assert_eq!(ToSink::with_file(1).frame(&offset), Err(ProtocolError::Malformed("frame header")));
}

#[test]
fn a_page_whose_first_number_is_wrong_ends_the_session() {
    for first in [0, 1, 3, u32::MAX] {
        let mut sink = ToSink::with_file(5);
        let mut page = Vec::new();
        put_entry(&mut page, &file(0, "next", 5));
        assert_eq!(sink.page(first, page), Err(ProtocolError::Unexpected("manifest page")));
    }
}

#[test]
fn what_the_source_skips_is_reported_and_nothing_more() {
    let mut sink = ToSink::new();
    let skipped = Message::Skipped { path: "gone".into(), reason: Reason::SourceGone };
    assert_eq!(sink.send(&skipped), Ok(vec![ReceiverEvent::Skipped("gone".into(), Reason::SourceGone)]));
    let summary = sink.summary();
    sink.send(&Message::ManifestEnd(summary)).unwrap();
    assert!(sink.receiver.is_settled());
    assert_eq!(sink.send(&skipped), Err(ProtocolError::Unexpected("frame")));
}

#[test]
fn an_entry_in_what_is_not_an_open_folder_ends_the_session() {
    let mut sink = ToSink::with_file(5);
    sink.offer(&entry(0, "folder", Kind::Folder)).unwrap();
    assert_eq!(sink.leave(2), Ok(vec![ReceiverEvent::Left(EntryId(2))]));
    for parent in [1, 2, 3, 4, u32::MAX] {
        let offered = sink.page(3, {
            let mut page = Vec::new();
            put_entry(&mut page, &file(parent, "inside", 5));
            page
        });
        assert_eq!(offered, Err(ProtocolError::Unexpected("parent")), "in #{parent}");
    }
    for folder in [0, 1, 2, 3] {
        assert_eq!(sink.leave(folder), Err(ProtocolError::Unexpected("folder")), "left #{folder}");
    }
}

#[test]
fn a_manifest_end_that_is_not_the_end_ends_the_session() {
    let wrong = ProtocolError::Unexpected("end of the manifest");
    let mut sink = ToSink::new();
    sink.offer(&entry(0, "folder", Kind::Folder)).unwrap();
    let open = sink.summary();
    assert_eq!(sink.send(&Message::ManifestEnd(open)), Err(wrong), "a folder was not left");
    let mut sink = ToSink::with_file(5);
    let right = sink.summary();
    for summary in [Summary { entries: 2, ..right }, Summary { manifest: HASH, ..right }] {
        assert_eq!(sink.send(&Message::ManifestEnd(summary)), Err(wrong));
    }
    assert_eq!(sink.send(&Message::ManifestEnd(right)), Ok(Vec::new()));
    assert_eq!(sink.offer(&file(0, "more", 5)), Err(ProtocolError::Unexpected("manifest page")));
    assert_eq!(sink.send(&Message::ManifestEnd(right)), Err(wrong), "twice");
}

#[test]
fn a_hostile_name_refuses_one_entry_and_not_the_session() {
    let mut sink = ToSink::new();
    let mut page = Vec::new();
    put_entry(&mut page, &file(0, "xx", 5));
    let name = page.windows(2).position(|bytes| bytes == b"xx").unwrap();
    page[name..name + 2].copy_from_slice(b"..");
    sink.last = 1;
    let reason = Reason::NameRefused;
    let refused =
        ReceiverEvent::Refused { id: EntryId(1), parent: EntryId::ROOT, name: b"..".to_vec(), reason };
    assert_eq!(sink.page(1, page), Ok(vec![refused]));
    assert_eq!(sink.receiver.decide(EntryId(1), Decision::Refuse(reason)), None);
    sink.offer(&file(0, "fine", 5)).unwrap();
    sink.receiver.decide(EntryId(2), Decision::Accept);
    let answers = sink.answers();
    assert!(answers.contains(&Message::Failed(vec![(EntryId(1), reason)])), "{answers:?}");
    assert!(answers.contains(&Message::Want(vec![EntryId(2)])), "{answers:?}");
}

#[test]
fn the_sink_bears_a_full_window_inside_the_deepest_refused_folders_and_not_one_entry_more() {
    let mut sink = ToSink::new();
    for id in 1..=u32::from(MAX_DEPTH) + 1 {
        sink.offer(&entry(id - 1, "folder", Kind::Folder)).unwrap();
        sink.receiver.decide(EntryId(id), Decision::Refuse(Reason::PermissionDenied));
    }
    // The deepest folder has been left, but not yet by whoever drives the receiver.
    sink.leave(u32::from(MAX_DEPTH) + 1).unwrap();
    for _ in 0..MAX_UNSETTLED {
        sink.offer(&file(MAX_DEPTH.into(), "file", 5)).unwrap();
    }
    let error = ProtocolError::Limit("unsettled entries");
    assert_eq!(sink.offer(&file(MAX_DEPTH.into(), "file", 5)), Err(error));
}

#[test]
fn a_sink_that_takes_fewer_entries_holds_its_source_to_that() {
    let hello = Hello { window: Window::of(MIN_UNSETTLED), ..Hello::default() };
    let mut sink = ToSink { receiver: Receiver::new(hello), ..ToSink::new() };
    sink.number = 0;
    sink.send(&Message::Hello(Hello::named("source"))).unwrap();
    let most = MIN_UNSETTLED + u32::from(MAX_DEPTH) + 1;
    for _ in 0..most {
        sink.offer(&file(0, "file", 5)).unwrap();
    }
    assert_eq!(sink.offer(&file(0, "file", 5)), Err(ProtocolError::Limit("unsettled entries")));
}

#[test]
fn a_folder_is_finished_after_what_is_in_it_and_after_it_was_left() {
    let mut sink = ToSink::new();
    sink.offer(&entry(0, "outer", Kind::Folder)).unwrap();
    sink.offer(&entry(1, "inner", Kind::Folder)).unwrap();
    sink.offer(&file(2, "file", 0)).unwrap();
    sink.leave(2).unwrap();
    for (id, decision) in
        [(1, Decision::Accept), (2, Decision::Placed(Placed::Present)), (3, Decision::Accept)]
    {
        assert_eq!(sink.receiver.decide(EntryId(id), decision), None);
    }
    assert_eq!(sink.receiver.leave(EntryId(2)), None, "the file in it is not settled");
    assert_eq!(sink.end(3, HASH), Ok(vec![ReceiverEvent::Complete(EntryId(3), HASH)]));
    assert_eq!(sink.receiver.place(EntryId(3), Ok(Placed::AsNamed)), Some(EntryId(2)));
    assert_eq!(sink.receiver.place(EntryId(2), Ok(Placed::Present)), None, "the outer one was not left");
    sink.leave(1).unwrap();
    assert_eq!(sink.receiver.leave(EntryId(1)), Some(EntryId(1)));
    assert_eq!(sink.receiver.leave(EntryId(1)), None, "only once");
}

/// A lane's thread has a small stack.
#[test]
fn folders_however_deep_within_each_other_are_let_go_of_without_recursion() {
    let let_go = || {
        let mut sink = ToSink::new();
        for id in 1..=MAX_UNSETTLED {
            sink.offer(&entry(id - 1, "folder", Kind::Folder)).unwrap();
            sink.receiver.decide(EntryId(id), Decision::Refuse(Reason::TooDeep));
        }
        // From the outermost on, so that the last one takes all others with it.
        for id in 1..=MAX_UNSETTLED {
            sink.leave(id).unwrap();
            assert_eq!(sink.receiver.leave(EntryId(id)), None);
        }
        assert!(!sink.receiver.is_unsettled(EntryId(1)));
    };
    thread::Builder::new().stack_size(128 * 1024).spawn(let_go).unwrap().join().unwrap();
}

#[test]
fn messages_that_only_a_sink_sends_end_the_session() {
    let summary = Summary { entries: 0, manifest: HASH };
    let wrong = ProtocolError::Unexpected("frame");
    let missing = Message::Missing { id: EntryId(1), chunks: vec![] };
    for message in [Message::Want(vec![]), missing, Message::Committed(vec![]), Message::SessionOk(summary)] {
        assert_eq!(ToSink::new().send(&message), Err(wrong));
    }
}

#[test]
fn session_ok_comes_behind_every_answer_however_many_there_are() {
    let mut sink = ToSink::new();
    for id in 1..=1000 {
        sink.offer(&file(0, "file", 5)).unwrap();
        sink.receiver.decide(EntryId(id), Decision::Refuse(Reason::DiskFull));
    }
    let summary = sink.summary();
    assert_eq!(sink.send(&Message::ManifestEnd(summary)), Ok(Vec::new()));
    assert!(sink.receiver.is_settled());
    sink.receiver.finish();
    let answers = sink.answers();
    let failed = answers.iter().map(|answer| if let Message::Failed(all) = answer { all.len() } else { 0 });
    assert_eq!(failed.sum::<usize>(), 1000);
    assert_eq!(answers.last(), Some(&Message::SessionOk(summary)));
}
