//! Every type of frame in every state, on both sides: docs/protocol.md, "The source" and "The sink".

use hawser_protocol::error::Reason;
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::hello::Hello;
use hawser_protocol::manifest::{EntryId, Kind, put_entry, put_leave};
use hawser_protocol::message::{Close, CloseCode, Message, Placed, Summary};
use hawser_protocol::receiver::{Decision, ReceiverEvent};
use hawser_protocol::sender::end_frame;

use super::sink::ToSink;
use super::source::ToSource;
use super::{CHUNK, HASH, LANE, chunks, entry, file, open};

const FILE: EntryId = EntryId(1);

/// A frame of this type as the peer would send it if it were its turn, about entry 1.
fn sample(kind: FrameType, number: u64, summary: Summary, offered: u32) -> Vec<u8> {
    let message = match kind {
        FrameType::Data => return frame::encode(kind, FILE, 0, &vec![0; CHUNK as usize]),
        FrameType::End => return end_frame(FILE, HASH),
        FrameType::Ack | FrameType::Ping => return frame::encode(kind, EntryId::ROOT, 0, &[]),
        FrameType::Close => return Close { code: CloseCode::Away, text: String::new() }.encode(),
        FrameType::Hello => Message::Hello(Hello::named("again")),
        FrameType::Manifest => {
            let mut page = Vec::new();
            put_entry(&mut page, &file(0, "next", 1));
            Message::Manifest { first: EntryId(offered + 1), items: Vec::new(), page }
        }
        FrameType::ManifestEnd => Message::ManifestEnd(summary),
        FrameType::Want => Message::Want(vec![FILE]),
        FrameType::Committed => Message::Committed(vec![(FILE, Placed::AsNamed)]),
        FrameType::Failed => Message::Failed(vec![(FILE, Reason::SourceGone)]),
        FrameType::SessionOk => Message::SessionOk(summary),
        FrameType::Skipped => Message::Skipped { path: "gone".into(), reason: Reason::SourceGone },
        FrameType::Missing => Message::Missing { id: FILE, chunks: chunks([(0, 1)]) },
    };
    message.encode(number)
}

/// Whether each type of frame is taken in each state: `.` if it is, `!` if it ends the session.
type Table<const N: usize> = [(FrameType, [char; N]); 14];

fn check<const N: usize>(table: Table<N>, states: [&str; N], taken: impl Fn(usize, FrameType) -> bool) {
    for (kind, row) in table {
        for (state, expected) in row.into_iter().enumerate() {
            let verdict = if taken(state, kind) { '.' } else { '!' };
            assert_eq!(verdict, expected, "{kind:?} when {}", states[state]);
        }
    }
}

#[test]
fn a_sink_takes_each_type_of_frame_in_the_states_that_have_a_place_for_it_and_in_no_other() {
    let states = ["greeted", "offered", "receiving", "placing", "a folder", "settled", "the end was said"];
    let table: Table<7> = [
        (FrameType::Data, ['!', '!', '.', '.', '!', '.', '.']),
        (FrameType::End, ['!', '!', '.', '.', '!', '.', '.']),
        (FrameType::Hello, ['!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Manifest, ['.', '.', '.', '.', '.', '.', '!']),
        (FrameType::ManifestEnd, ['.', '.', '.', '.', '!', '.', '!']),
        (FrameType::Want, ['!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Committed, ['!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Failed, ['!', '.', '.', '.', '!', '.', '.']),
        (FrameType::SessionOk, ['!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Skipped, ['.', '.', '.', '.', '.', '.', '!']),
        (FrameType::Missing, ['!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Ack, ['.', '.', '.', '.', '.', '.', '.']),
        (FrameType::Ping, ['.', '.', '.', '.', '.', '.', '.']),
        (FrameType::Close, ['.', '.', '.', '.', '.', '.', '.']),
    ];
    check(table, states, |state, kind| {
        let mut sink = ToSink::new();
        if state == 4 {
            sink.offer(&entry(0, "folder", Kind::Folder)).unwrap();
            sink.receiver.decide(FILE, Decision::Accept);
        } else if state > 0 {
            sink.offer(&file(0, "file", CHUNK)).unwrap();
        }
        if [2, 3, 6].contains(&state) {
            sink.receiver.decide(FILE, Decision::Accept);
        }
        match state {
            3 => {
                sink.data(1, 0, CHUNK).unwrap();
                sink.receiver.written(FILE, CHUNK as u32);
                assert_eq!(sink.end(1, HASH), Ok(vec![ReceiverEvent::Complete(FILE, HASH)]));
            }
            5 => drop(sink.receiver.decide(FILE, Decision::Refuse(Reason::DiskFull))),
            6 => drop(sink.send(&Message::ManifestEnd(sink.summary())).unwrap()),
            _ => {}
        }
        let bytes = sample(kind, sink.number, sink.summary(), sink.last);
        let (header, payload) = open(&bytes);
        if kind == FrameType::Data {
            return sink.receiver.handle_data(LANE, header).is_ok();
        }
        sink.receiver.handle_frame(LANE, header, payload).is_ok()
    });
}

#[test]
fn a_source_takes_each_type_of_frame_in_the_states_that_have_a_place_for_it_and_in_no_other() {
    let states =
        ["greeted", "offered", "wanted", "ended", "given up", "settled", "a folder", "all is settled"];
    let table: Table<8> = [
        (FrameType::Data, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::End, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Hello, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Manifest, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::ManifestEnd, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Want, ['!', '.', '!', '!', '.', '.', '!', '.']),
        (FrameType::Committed, ['!', '!', '!', '.', '.', '.', '.', '.']),
        (FrameType::Failed, ['!', '.', '.', '.', '.', '.', '.', '.']),
        (FrameType::SessionOk, ['!', '!', '!', '!', '!', '!', '!', '.']),
        (FrameType::Skipped, ['!', '!', '!', '!', '!', '!', '!', '!']),
        (FrameType::Missing, ['!', '.', '.', '.', '.', '.', '!', '.']),
        (FrameType::Ack, ['.', '.', '.', '.', '.', '.', '.', '.']),
        (FrameType::Ping, ['.', '.', '.', '.', '.', '.', '.', '.']),
        (FrameType::Close, ['.', '.', '.', '.', '.', '.', '.', '.']),
    ];
    check(table, states, |state, kind| {
        let mut source = ToSource::new();
        match state {
            0 => {}
            6 => source.sender.offer(&entry(0, "folder", Kind::Folder)),
            _ => source.sender.offer(&file(0, "file", CHUNK)),
        }
        match state {
            2 => source.want([1]),
            3 => {
                source.want([1]);
                source.deliver(1);
            }
            4 => drop(source.sender.fail(FILE, Reason::SourceGone)),
            5 | 7 => drop(source.send(&Message::Failed(vec![(FILE, Reason::DiskFull)])).unwrap()),
            _ => {}
        }
        // What everything agrees on, also where the walk goes on.
        let mut page = Vec::new();
        match state {
            0 => {}
            6 => put_entry(&mut page, &entry(0, "folder", Kind::Folder)),
            _ => put_entry(&mut page, &file(0, "file", CHUNK)),
        }
        let entries = u32::from(state > 0);
        let manifest = hawser_protocol::error::ContentHash(*blake3::hash(&page).as_bytes());
        let summary = Summary { entries, manifest };
        if state == 7 {
            assert_eq!(source.summary(), summary);
        }
        let bytes = sample(kind, source.number, summary, entries);
        let (header, payload) = open(&bytes);
        source.sender.handle_frame(LANE, header, payload).is_ok()
    });
}

#[test]
fn a_sink_takes_no_numbered_frame_but_hello_before_it() {
    for kind in TYPES {
        let mut receiver = hawser_protocol::receiver::Receiver::new(Hello::named("sink"));
        let bytes = sample(kind, 0, ToSink::new().summary(), 0);
        let (header, payload) = open(&bytes);
        let taken = match kind {
            FrameType::Data => receiver.handle_data(LANE, header).is_ok(),
            _ => receiver.handle_frame(LANE, header, payload).is_ok(),
        };
        let lane_or_hello =
            matches!(kind, FrameType::Hello | FrameType::Ack | FrameType::Ping | FrameType::Close);
        assert_eq!(taken, lane_or_hello, "{kind:?}");
    }
}

const TYPES: [FrameType; 14] = [
    FrameType::Data,
    FrameType::End,
    FrameType::Hello,
    FrameType::Manifest,
    FrameType::ManifestEnd,
    FrameType::Want,
    FrameType::Committed,
    FrameType::Failed,
    FrameType::SessionOk,
    FrameType::Skipped,
    FrameType::Missing,
    FrameType::Ack,
    FrameType::Ping,
    FrameType::Close,
];

#[test]
fn the_largest_number_in_any_place_of_any_frame_ends_the_session_or_means_nothing() {
    // 2, 4 and 8 bytes of ones at every place: each integer of each frame at its largest.
    for kind in TYPES {
        let (mut refused, mut tried) = (0, 0);
        for width in [2, 4, 8] {
            let sample = sample(kind, 1, ToSink::with_file(CHUNK).summary(), 1);
            let head = &sample[..sample.len().min(200)];
            for at in 0..=head.len().saturating_sub(width) {
                let mut bytes = sample.clone();
                bytes[at..at + width].fill(0xff);
                tried += 1;
                let mut frames = frame::Frames::new(&bytes);
                let Ok(Some((header, payload))) = frames.next_frame() else {
                    refused += 1;
                    continue;
                };
                let mut sink = ToSink::with_file(CHUNK);
                let mut source = ToSource::with_file(CHUNK);
                if header.kind == FrameType::Data {
                    refused += u32::from(sink.receiver.handle_data(LANE, header).is_err());
                }
                let by_sink = sink.receiver.handle_frame(LANE, header, payload).is_err();
                let by_source = source.sender.handle_frame(LANE, header, payload).is_err();
                refused += u32::from(by_sink || by_source);
            }
        }
        // At least every header with a type, flags or a length of ones.
        assert!(refused > 20 && refused <= 2 * tried, "{kind:?}: {refused} of {tried}");
    }
}

#[test]
fn a_folder_that_is_left_in_the_page_that_offers_it_takes_nothing_more() {
    let mut sink = ToSink::new();
    let mut page = Vec::new();
    put_entry(&mut page, &entry(0, "folder", Kind::Folder));
    put_leave(&mut page, EntryId(1));
    put_entry(&mut page, &file(1, "late", 1));
    let message = Message::Manifest { first: EntryId(1), items: Vec::new(), page };
    sink.send(&message).unwrap_err();
}
