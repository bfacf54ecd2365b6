//! The worked example of docs/protocol.md: a tiny session on one lane, every record of it in
//! docs/vectors/session.json. `HAWSER_WRITE_VECTORS=1 cargo test` writes it anew.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

use std::path::Path;

use data_encoding::HEXLOWER;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::frame::{FrameType, Frames, HEADER_BYTES};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{CHUNK_BYTES, RECORD_SLACK_BYTES};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, Mtime, Name};
use hawser_protocol::message::{Close, CloseCode, Placed};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::receiver::{Decision, Placement, Receiver, ReceiverEvent};
use hawser_protocol::sender::{END_BYTES, Outgoing, Sender, SenderEvent, end_frame};
use serde_json::{Value, json};

const LANE: LaneId = LaneId(0);
const RECORD_BYTES: usize = (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize;
const HELLO: &[u8] = b"hello\n";
/// A file of which the sink has the first chunk from an earlier session.
const REST: EntryId = EntryId(8);
const REST_BYTES: &[u8] = &[0; CHUNK_BYTES as usize + 1];

#[test]
fn the_worked_example_is_what_the_state_machines_say() {
    let mut source = Sender::new(Hello::named("source"));
    let mut sink = Receiver::new(Hello::named("sink"));
    offer_all(&mut source);
    let mut records = Vec::new();
    let mut finished = false;
    loop {
        let record = fill(&mut source);
        let said = !record.is_empty();
        if said {
            records.push(describe("source", &record));
            hear(&mut sink, &record);
        }
        let answer: Vec<u8> = std::iter::from_fn(|| sink.next(LANE, RECORD_BYTES)).flatten().collect();
        if answer.is_empty() && !said {
            break;
        }
        if !answer.is_empty() {
            sink.record_sent(LANE);
            records.push(describe("sink", &answer));
            let mut frames = Frames::new(&answer);
            while let Some((header, payload)) = frames.next_frame().unwrap() {
                let events = source.handle_frame(LANE, header, payload).unwrap();
                finished |= events.contains(&SenderEvent::Finished);
            }
            source.link_mut().record_received(LANE);
        }
    }
    assert!(finished);
    compare_or_write("session.json", &json!({ "lane": 0, "records": records }));
}

fn offer_all(source: &mut Sender) {
    let mut offer = |parent, name: &str, mode, kind| {
        let name = Name::new(name.as_bytes()).unwrap();
        let mtime = Mtime { seconds: 1_700_000_000, nanoseconds: 5 };
        source.offer(&Entry { parent: EntryId(parent), name, kind, mode, mtime });
    };
    offer(0, "d", 0o755, Kind::Folder);
    offer(1, "hello", 0o644, Kind::File { size: HELLO.len() as u64 });
    offer(1, "link", 0o777, Kind::Link { target: LinkTarget::new(b"hello").unwrap() });
    offer(1, "a:b", 0o600, Kind::File { size: 1 });
    source.leave(EntryId(1));
    let mut offer = |name: &str, size| {
        let name = Name::new(name.as_bytes()).unwrap();
        let mtime = Mtime { seconds: -1, nanoseconds: 0 };
        source.offer(&Entry { parent: EntryId::ROOT, name, kind: Kind::File { size }, mode: 0o444, mtime });
    };
    offer("empty", 0);
    offer("here", 3);
    offer("gone", 9);
    offer("rest", REST_BYTES.len() as u64);
    source.end_manifest();
}

/// The source's next record, with the bytes of its files.
fn fill(source: &mut Sender) -> Vec<u8> {
    let mut record = Vec::new();
    while let Some(next) = source.next(LANE, RECORD_BYTES - record.len()) {
        match next {
            Outgoing::Frame(frame) => record.extend(frame),
            Outgoing::End(id, hash) => record.extend(end_frame(id, hash)),
            Outgoing::Chunk(chunk) if chunk.entry == EntryId(7) => {
                source.fail(chunk.entry, Reason::SourceGone).unwrap();
            }
            Outgoing::Chunk(chunk) => {
                let whole = match chunk.entry {
                    EntryId(2) => HELLO,
                    REST => REST_BYTES,
                    _ => b"",
                };
                let bytes = &whole[chunk.offset as usize..][..chunk.length as usize];
                if !bytes.is_empty() {
                    record.extend(chunk.header().to_bytes());
                    record.extend(bytes);
                }
                let hash = ContentHash(*blake3::hash(whole).as_bytes());
                assert!(source.end(LANE, chunk.entry, hash));
                let end = end_frame(chunk.entry, hash);
                assert_eq!(end.len(), END_BYTES);
                record.extend(end);
            }
        }
    }
    if !record.is_empty() {
        source.record_sent(LANE);
    }
    record
}

/// The sink does at once whatever a record asks of it.
fn hear(sink: &mut Receiver, record: &[u8]) {
    let mut frames = Frames::new(record);
    while let Some((header, payload)) = frames.next_frame().unwrap() {
        let events = if header.kind == FrameType::Data {
            assert_eq!(sink.handle_data(LANE, header), Ok(Placement::Write(header.entry, header.offset)));
            sink.written(header.entry, header.length).into_iter().collect()
        } else {
            sink.handle_frame(LANE, header, payload).unwrap()
        };
        for event in events {
            act(sink, event);
        }
    }
    sink.link_mut().record_received(LANE);
    if sink.is_settled() {
        sink.finish();
    }
}

fn act(sink: &mut Receiver, event: ReceiverEvent) {
    let folder = match event {
        ReceiverEvent::Offered(id, entry) => {
            let decision = match (entry.name.as_bytes(), &entry.kind) {
                (b"a:b", _) => Decision::Refuse(Reason::NameRefused),
                (b"here", _) => Decision::Placed(Placed::Present),
                (b"rest", _) => Decision::Resume(vec![ChunkRange { first: 0, count: 1 }]),
                (_, Kind::Link { .. }) => Decision::Placed(Placed::AsNamed),
                _ => Decision::Accept,
            };
            let folder = sink.decide(id, decision);
            if id == REST {
                assert_eq!(sink.written(id, CHUNK_BYTES), None, "the chunk is good, the rest is not here");
            }
            folder
        }
        ReceiverEvent::Left(id) => sink.leave(id),
        ReceiverEvent::GivenUp(id, reason) => sink.place(id, Err(reason)),
        ReceiverEvent::Complete(EntryId(5), _) => {
            sink.place(EntryId(5), Ok(Placed::Renamed(Name::new(b"empty (1)").unwrap())))
        }
        ReceiverEvent::Complete(id, _) => sink.place(id, Ok(Placed::AsNamed)),
        ReceiverEvent::Closed(_) => {
            sink.link_mut().close(Close { code: CloseCode::Done, text: String::new() });
            None
        }
        ReceiverEvent::Hello(_) | ReceiverEvent::Skipped(..) | ReceiverEvent::Refused { .. } => None,
    };
    if let Some(id) = folder {
        assert_eq!(sink.place(id, Ok(Placed::AsNamed)), None);
    }
}

fn describe(from: &str, record: &[u8]) -> Value {
    let mut frames = Frames::new(record);
    let mut described = Vec::new();
    while let Some((header, payload)) = frames.next_frame().unwrap() {
        described.push(json!({
            "type": header.kind as u8,
            "name": format!("{:?}", header.kind),
            "entry": header.entry.0,
            "offset": header.offset,
            "length": header.length,
            "header": HEXLOWER.encode(&header.to_bytes()),
            "payload": HEXLOWER.encode(payload),
        }));
    }
    assert!(record.len() >= HEADER_BYTES);
    json!({ "from": from, "plaintext": HEXLOWER.encode(record), "frames": described })
}

fn compare_or_write(name: &str, computed: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors").join(name);
    if std::env::var_os("HAWSER_WRITE_VECTORS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(computed).unwrap() + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(&committed, computed, "{name} differs; HAWSER_WRITE_VECTORS=1 writes it anew");
}
