//! Every codec against arbitrary values and arbitrary bytes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::frame::{self, FrameType, Frames, HEADER_BYTES, Header};
use hawser_protocol::handshake::SessionId;
use hawser_protocol::hello::{Hello, Requests, Window};
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::{
    Entry, EntryId, Item, Kind, LinkTarget, Mtime, Name, RawKind, put_entry, put_leave, read_page,
};
use hawser_protocol::message::{Close, CloseCode, Message, Placed, Summary};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::receiver::{Decision, Receiver, ReceiverEvent};
use hawser_protocol::sender::Sender;
use proptest::collection::vec;
use proptest::prelude::*;

const TYPES: [FrameType; 14] = [
    FrameType::Data,
    FrameType::End,
    FrameType::Hello,
    FrameType::Missing,
    FrameType::Manifest,
    FrameType::ManifestEnd,
    FrameType::Want,
    FrameType::Committed,
    FrameType::Failed,
    FrameType::Skipped,
    FrameType::SessionOk,
    FrameType::Ack,
    FrameType::Ping,
    FrameType::Close,
];

fn ids() -> impl Strategy<Value = EntryId> {
    prop_oneof![0..20_u32, any::<u32>()].prop_map(EntryId)
}

fn names() -> impl Strategy<Value = Name> {
    let byte = any::<u8>().prop_map(|byte| if matches!(byte, 0 | b'/') { b'_' } else { byte });
    vec(byte, 1..=255).prop_filter_map("a name", |bytes| Name::new(&bytes))
}

fn targets() -> impl Strategy<Value = LinkTarget> {
    let part = prop_oneof![Just(""), Just("."), Just("a"), Just("..."), Just("bc d")];
    (0..5_usize, vec(part, 1..10)).prop_map(|(ups, parts)| {
        let target = "../".repeat(ups) + "a/" + &parts.join("/");
        LinkTarget::new(target.as_bytes()).expect("ups, then downs")
    })
}

fn offered() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        any::<u64>().prop_map(|size| Kind::File { size }),
        Just(Kind::Folder),
        targets().prop_map(|target| Kind::Link { target }),
    ];
    let mtime = (any::<i64>(), 0..1_000_000_000_u32);
    (ids(), names(), kind, 0..=0o777_u16, mtime).prop_map(|(parent, name, kind, mode, mtime)| {
        let (seconds, nanoseconds) = mtime;
        Entry { parent, name, kind, mode, mtime: Mtime { seconds, nanoseconds } }
    })
}

fn summaries() -> impl Strategy<Value = Summary> {
    let fields = (any::<u32>(), any::<[u8; 32]>());
    fields.prop_map(|(entries, hash)| Summary { entries, manifest: ContentHash(hash) })
}

fn placed() -> impl Strategy<Value = Placed> {
    prop_oneof![Just(Placed::AsNamed), Just(Placed::Present), names().prop_map(Placed::Renamed)]
}

fn hellos() -> impl Strategy<Value = Hello> {
    ("\\PC{0,16}", any::<bool>(), any::<bool>(), any::<u32>(), any::<Option<[u8; 16]>>()).prop_map(
        |(label, compare, reread, window, session)| Hello {
            label,
            requests: Requests { compare, reread },
            window: Window::of(window),
            continues: session.filter(|id| *id != [0; 16]).map(SessionId),
        },
    )
}

/// Ranges of chunks, each with so many chunks before it and in it.
fn missing(id: EntryId, gaps: &[(u32, u32)]) -> Message {
    let mut next = 0;
    let range = |&(gap, count): &(u32, u32)| {
        let first = next + gap;
        next = first + count + 1;
        ChunkRange { first, count }
    };
    Message::Missing { id, chunks: gaps.iter().map(range).collect() }
}

fn messages() -> impl Strategy<Value = Message> {
    let reason = (0..Reason::ALL.len()).prop_map(|index| Reason::ALL[index]);
    prop_oneof![
        hellos().prop_map(Message::Hello),
        (ids(), vec((0..9_u32, 1..9_u32), 0..9)).prop_map(|(id, gaps)| missing(id, &gaps)),
        summaries().prop_map(Message::ManifestEnd),
        summaries().prop_map(Message::SessionOk),
        vec(ids(), 0..300).prop_map(Message::Want),
        vec((ids(), placed()), 0..200).prop_map(Message::Committed),
        vec((ids(), reason.clone()), 0..300).prop_map(Message::Failed),
        ("\\PC{0,80}", reason).prop_map(|(path, reason)| Message::Skipped { path, reason }),
        (ids(), vec(offered(), 0..20)).prop_map(|(first, entries)| {
            let mut page = Vec::new();
            entries.iter().for_each(|entry| put_entry(&mut page, entry));
            Message::Manifest { first, items: read_page(&page).unwrap(), page }
        }),
    ]
}

/// Bytes with a frame's header in front, so that arbitrary ones get past it.
fn frames() -> impl Strategy<Value = (Header, Vec<u8>)> {
    let number = prop_oneof![0..4_u64, any::<u64>()];
    // Small values, so that numbers, lengths and tags often mean something.
    let byte = prop_oneof![4 => Just(0_u8), 2 => 1..5_u8, 1 => any::<u8>()];
    (0..TYPES.len(), ids(), number, vec(byte, 0..80)).prop_map(|(kind, entry, offset, payload)| {
        (Header { kind: TYPES[kind], entry, offset, length: payload.len() as u32 }, payload)
    })
}

/// The page with the bytes of this item alone.
fn put_item(page: &mut Vec<u8>, item: &Item) {
    match item {
        Item::Leave(folder) => put_leave(page, *folder),
        Item::Entry(raw) => {
            let (tag, tail) = match &raw.kind {
                RawKind::File { size } => (1, size.to_be_bytes().to_vec()),
                RawKind::Folder => (2, Vec::new()),
                RawKind::Link { target } => {
                    (3, [&(target.len() as u16).to_be_bytes(), target.as_slice()].concat())
                }
            };
            page.push(tag);
            page.extend(raw.parent.0.to_be_bytes());
            page.extend((raw.name.len() as u16).to_be_bytes());
            page.extend(&raw.name);
            page.extend(raw.mode.to_be_bytes());
            page.extend(raw.mtime.seconds.to_be_bytes());
            page.extend(raw.mtime.nanoseconds.to_be_bytes());
            page.extend(tail);
        }
    }
}

/// Has a part of every other file, which is never good.
fn react(receiver: &mut Receiver, event: ReceiverEvent) {
    let first = ChunkRange { first: 0, count: 1 };
    match event {
        ReceiverEvent::Offered(id, _) if id.0 % 2 == 0 => {
            receiver.decide(id, Decision::Resume(vec![first]));
            receiver.lacks(id, vec![first]);
        }
        ReceiverEvent::Offered(id, _) => {
            receiver.decide(id, Decision::Accept);
        }
        ReceiverEvent::Complete(id, _) => drop(receiver.start_over(id, 5)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn headers_come_back((header, payload) in frames()) {
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(&payload);
        let mut read = Frames::new(&bytes);
        prop_assert_eq!(read.next_frame(), Ok(Some((header, payload.as_slice()))));
        prop_assert_eq!(read.next_frame(), Ok(None));
    }

    #[test]
    fn messages_come_back(message in messages(), number: u64) {
        let bytes = message.encode(number);
        let (header, payload) = Frames::new(&bytes).next_frame().unwrap().unwrap();
        prop_assert_eq!(header.offset, number);
        prop_assert_eq!(Message::decode(header, payload), Ok(message));
    }

    #[test]
    fn entries_come_back_from_a_page(entries in vec(offered(), 1..10), folder in ids()) {
        let mut page = Vec::new();
        entries.iter().for_each(|entry| put_entry(&mut page, entry));
        put_leave(&mut page, folder);
        let items = read_page(&page).unwrap();
        prop_assert_eq!(items.len(), entries.len() + 1);
        for (item, entry) in items.iter().zip(&entries) {
            let Item::Entry(raw) = item else { panic!("{item:?}") };
            let kind = match &raw.kind {
                RawKind::File { size } => Kind::File { size: *size },
                RawKind::Folder => Kind::Folder,
                RawKind::Link { target } => Kind::Link { target: LinkTarget::new(target).unwrap() },
            };
            let name = Name::new(&raw.name).unwrap();
            let read = Entry { parent: raw.parent, name, kind, mode: raw.mode, mtime: raw.mtime };
            prop_assert_eq!(&read, entry);
        }
        prop_assert_eq!(items.last(), Some(&Item::Leave(folder)));
    }

    #[test]
    fn closes_come_back(code in 0..5_usize, text in "\\PC{0,100}") {
        use CloseCode::{Cancelled, Done, Local, Protocol, Refused};
        let close = Close { code: [Done, Cancelled, Refused, Protocol, Local][code], text };
        let bytes = close.encode();
        prop_assert_eq!(Close::decode(&bytes[HEADER_BYTES..]), Ok(close));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes((header, payload) in frames()) {
        if let Ok(message) = Message::decode(header, &payload) {
            prop_assert_eq!(message.encode(header.offset), frame::encode(header.kind, header.entry, header.offset, &payload));
        }
        if let Ok(close) = Close::decode(&payload) {
            prop_assert_eq!(&close.encode()[HEADER_BYTES..], &payload);
        }
        if let Ok(items) = read_page(&payload) {
            let mut page = Vec::new();
            items.iter().for_each(|item| put_item(&mut page, item));
            prop_assert_eq!(page, payload);
        }
    }

    #[test]
    fn what_opens_as_frames_is_made_of_those_frames(bytes in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200)) {
        let mut read = Frames::new(&bytes);
        let mut again = Vec::new();
        while let Ok(Some((header, payload))) = read.next_frame() {
            again.extend(header.to_bytes());
            again.extend(payload);
        }
        prop_assert!(bytes.starts_with(&again));
    }

    #[test]
    fn a_cut_frame_is_an_error(message in messages(), cut: prop::sample::Index) {
        let bytes = message.encode(0);
        let cut = cut.index(bytes.len());
        prop_assert_eq!(Frames::new(&bytes[..cut]).next_frame().is_ok(), cut == 0);
    }

    #[test]
    fn no_frames_make_a_receiver_panic(frames in vec(frames(), 1..30)) {
        let mut receiver = Receiver::new(Hello::named("sink"));
        for (header, payload) in frames {
            // Nothing ends it here: what an error leaves behind must bear more of the same.
            let _ = receiver.handle_data(LaneId(0), header);
            for event in receiver.handle_frame(LaneId(0), header, &payload).unwrap_or_default() {
                react(&mut receiver, event);
            }
            receiver.link_mut().record_received(LaneId(0));
        }
        while receiver.next(LaneId(0), 1 << 16).is_some() {}
    }

    #[test]
    fn no_messages_make_a_receiver_panic(messages in vec(messages(), 1..30)) {
        let mut receiver = Receiver::new(Hello::named("sink"));
        let hello = Message::Hello(Hello::default());
        for (number, message) in [hello].iter().chain(&messages).enumerate() {
            let bytes = message.encode(number as u64);
            let (header, payload) = Frames::new(&bytes).next_frame().unwrap().unwrap();
            for event in receiver.handle_frame(LaneId(0), header, payload).unwrap_or_default() {
                react(&mut receiver, event);
            }
        }
    }

    #[test]
    fn no_frames_make_a_sender_panic(frames in vec(frames(), 1..30), messages in vec(messages(), 0..30)) {
        let mut sender = Sender::new(Hello::named("source"));
        let kind = Kind::File { size: 5 };
        let mtime = Mtime { seconds: 0, nanoseconds: 0 };
        let name = Name::new(b"file").unwrap();
        for _ in 0..10 {
            sender.offer(&Entry { parent: EntryId::ROOT, name: name.clone(), kind: kind.clone(), mode: 0, mtime });
        }
        for (header, payload) in frames {
            drop(sender.handle_frame(LaneId(0), header, &payload));
        }
        let hello = Message::Hello(Hello::default());
        for (number, message) in [hello].iter().chain(&messages).enumerate() {
            let bytes = message.encode(number as u64);
            let (header, payload) = Frames::new(&bytes).next_frame().unwrap().unwrap();
            drop(sender.handle_frame(LaneId(0), header, payload));
        }
        while sender.next(LaneId(0), 1 << 18).is_some() {}
    }
}

#[test]
fn names_that_no_entry_may_have() {
    let long = [b'a'; 256];
    let hostile: [&[u8]; 13] = [
        b"", b".", b"..", b"/", b"a/b", b"/a", b"a/", b"a\0b", b"\0", &long, b".hawser", b".HAWSER",
        b".HaWsEr",
    ];
    for name in hostile {
        assert_eq!(Name::new(name), None, "{:?}", String::from_utf8_lossy(name));
    }
    let odd: [&[u8]; 9] =
        [&long[..255], b"...", b" ", b"a\\b", b"\xff\xfe", b".hawser2", b"hawser", b"con", b"\x1b[31m"];
    for name in odd {
        assert_eq!(Name::new(name).expect("a name").as_bytes(), name);
    }
}

#[test]
fn link_targets_that_lead_who_knows_where() {
    let mut long = vec![b'a'; 4097];
    let hostile: [&[u8]; 11] = [
        b"",
        b"/",
        b"/etc/passwd",
        b"//a",
        b"a/..",
        b"a/../b",
        b"../a/../b",
        b"./a/..",
        b"a//..",
        b"a\0b",
        &long,
    ];
    for target in hostile {
        assert_eq!(LinkTarget::new(target), None, "{:?}", String::from_utf8_lossy(target));
    }
    long.pop();
    let fine: [(&[u8], u16); 12] = [
        (b"a", 0),
        (b".", 0),
        (b"./x", 0),
        (b"x//y", 0),
        (b"x/", 0),
        (b"x/.", 0),
        (b"...", 0),
        (b"..", 1),
        (b"../..", 2),
        (b"./../x", 1),
        (b"..//../a/b", 2),
        (&long, 0),
    ];
    for (target, ups) in fine {
        let read = LinkTarget::new(target).expect("a target");
        assert_eq!((read.as_bytes(), read.ups()), (target, ups));
    }
}

#[test]
fn frames_over_their_limit_or_with_flags_are_refused_before_anything_is_read() {
    let header = |kind: u8, length: u32| {
        let mut bytes = Header { kind: FrameType::Ping, entry: EntryId::ROOT, offset: 0, length }.to_bytes();
        bytes[0] = kind;
        bytes
    };
    let refused = |bytes: [u8; HEADER_BYTES]| Frames::new(&bytes).next_frame().is_err();
    assert!(refused(header(1, 256 * 1024 + 1)));
    assert!(TYPES[1..].iter().all(|&kind| refused(header(kind as u8, 64 * 1024 + 1))));
    assert!(
        (0..=255)
            .filter(|&kind| TYPES.iter().all(|&known| known as u8 != kind))
            .all(|kind| refused(header(kind, 0)))
    );
    for byte in 1..4 {
        let mut flagged = header(FrameType::Ping as u8, 0);
        flagged[byte] = 1;
        assert!(refused(flagged));
    }
}

#[test]
fn a_window_is_one_of_six() {
    let windows = [0, 511, 512, 1023, 1024, 8191, 8192, 16_383, 16_384, u32::MAX];
    let entries = windows.map(|entries| Window::of(entries).entries());
    assert_eq!(entries, [512, 512, 512, 512, 1024, 4096, 8192, 8192, 16_384, 16_384]);
    let mut hello = Message::Hello(Hello::default()).encode(0);
    for requests in 0..=u8::MAX {
        hello[HEADER_BYTES] = requests;
        let (header, payload) = Frames::new(&hello).next_frame().unwrap().unwrap();
        let is_known = requests & 0b1100 == 0 && requests >> 4 <= 5;
        assert_eq!(Message::decode(header, payload).is_ok(), is_known, "{requests:#b}");
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let label = "ä".repeat(40);
    let hello = Message::Hello(Hello { label, ..Hello::default() }).encode(0);
    assert_eq!(hello.len(), HEADER_BYTES + 17 + 64);
    let close = Close { code: CloseCode::Local, text: "x".repeat(511) + "ä" };
    assert_eq!(Close::decode(&close.encode()[HEADER_BYTES..]).unwrap().text.len(), 511);
    assert!(Close::decode(&[0; 2 + 513]).is_err());
}
