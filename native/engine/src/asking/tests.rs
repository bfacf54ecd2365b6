//! Sources that keep to nothing, and lines that break.

use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::path::Path;
use std::sync::mpsc::channel;

use hawser_protocol::error::Reason;
use hawser_protocol::frame::{Frames, encode};
use hawser_protocol::handshake::Role;
use hawser_protocol::hello::Hello;
use hawser_protocol::identity::StaticKey;
use hawser_protocol::manifest::{LinkTarget, Mtime, Name, put_entry};
use hawser_protocol::message::{Close, CloseCode, Message};

use super::*;
use crate::destination::Target;
use crate::lane::{Record, RecordReader, RecordWriter};
use crate::limits::RECORD_GRACE;
use crate::listener::Holder;
use crate::offer::Totals;
use crate::opening::{greet, random};
use crate::pace::Paces;
use crate::{Destination, Durability, Job, Keep, ListenOptions, Listener, Requests, Transfer, Work, listen};

const PATIENT: Duration = Duration::from_secs(60);

/// A listener, and what its sessions ask.
struct Receiver {
    listener: Listener,
    offers: Offers,
}

fn receive(directory: &Path) -> Receiver {
    let offers = Offers::default();
    let job = Job {
        work: Work::Write(directory.into()),
        label: String::new(),
        limit: None,
        keep: Keep::All,
        durability: Durability::default(),
        requests: Requests::default(),
        offers: Some(offers.clone()),
    };
    let listener = listen(ListenOptions {
        bind: vec![Ipv4Addr::LOCALHOST.into()],
        advertise: vec!["127.0.0.1".into()],
        ..ListenOptions::new(job)
    });
    Receiver { listener: listener.unwrap(), offers }
}

fn next_offer(asking: &Receiver) -> Offer {
    let (sender, receiver) = channel();
    asking.offers.on_next(move |offer| sender.send(offer).unwrap());
    receiver.recv_timeout(PATIENT).unwrap().unwrap()
}

fn next(asking: &Receiver) -> Transfer {
    let (sender, receiver) = channel();
    asking.listener.on_next(move |transfer| sender.send(transfer).unwrap());
    receiver.recv_timeout(PATIENT).unwrap().unwrap()
}

fn finished(transfer: &Transfer) -> Result<(), Error> {
    let (sender, receiver) = channel();
    transfer.on_finished(move |outcome| sender.send(outcome).unwrap());
    receiver.recv_timeout(PATIENT).unwrap()
}

/// A source that says what the test makes it say, on one lane.
struct Source {
    writer: RecordWriter,
    reader: RecordReader,
    stream: Arc<std::net::TcpStream>,
    id: SessionId,
    number: u64,
    entries: u32,
}

impl Source {
    /// Opens a session and says HELLO.
    fn open(receiver: &Receiver, key: &StaticKey, continues: Option<SessionId>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), receiver.listener.port());
        let target = Target::from(Destination::Ticket(receiver.listener.ticket()));
        let opened = runtime.block_on(async {
            let greeted = greet(address, &target.door, key, Role::Source).await.unwrap();
            greeted.enter().await.unwrap()
        });
        let stream = Arc::new(opened.connection.stream);
        let paces = Arc::new(Paces::new(None, None));
        let mut source = Self {
            writer: RecordWriter::new(stream.clone(), opened.connection.keys.sealer, paces.clone()),
            reader: RecordReader::new(stream.clone(), opened.connection.keys.opener, paces, RECORD_GRACE),
            stream,
            id: opened.session,
            number: 0,
            entries: 0,
        };
        source.say(&Message::Hello(Hello { continues, ..Hello::named("nobody") }));
        source
    }

    fn new(receiver: &Receiver) -> Self {
        Self::open(receiver, &StaticKey::new(random().unwrap()), None)
    }

    fn say(&mut self, message: &Message) {
        let frame = message.encode(self.number);
        self.number += 1;
        self.shout(&frame);
    }

    fn shout(&mut self, frame: &[u8]) {
        let mut record = Record::new();
        record.push(frame);
        self.writer.write(&mut record).unwrap();
    }

    /// Offers entries of the target folder, all in one page.
    fn offer(&mut self, entries: &[(&str, Kind)]) {
        let mut page = Vec::new();
        for (name, kind) in entries {
            let name = Name::new(name.as_bytes()).unwrap();
            let mtime = Mtime { seconds: 0, nanoseconds: 0 };
            let entry = Entry { parent: EntryId::ROOT, name, kind: kind.clone(), mode: 0o644, mtime };
            put_entry(&mut page, &entry);
        }
        let first = EntryId(self.entries + 1);
        self.entries += u32::try_from(entries.len()).unwrap();
        self.say(&Message::Manifest { first, items: Vec::new(), page });
    }

    /// Reads until the sink says this, and what it says by it.
    fn hear(&mut self, kind: FrameType) -> Vec<u8> {
        loop {
            let mut frames = Frames::new(self.reader.read().unwrap());
            while let Some((header, payload)) = frames.next_frame().unwrap() {
                if header.kind == kind {
                    return payload.to_vec();
                }
            }
        }
    }

    fn hear_close(&mut self) -> Close {
        Close::decode(&self.hear(FrameType::Close)).unwrap()
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn bytes_and_hashes_of_what_nobody_has_accepted_end_the_session() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let data = encode(FrameType::Data, EntryId(1), 0, b"x");
    let end = encode(FrameType::End, EntryId(1), 0, &[0; 32]);
    for frame in [data, end] {
        let mut source = Source::new(&listener);
        source.offer(&[("file", Kind::File { size: 1 })]);
        source.shout(&frame);
        assert_eq!(source.hear_close().code, CloseCode::Protocol);
        assert!(matches!(finished(&next(&listener)), Err(Error::Protocol(_))));
    }
    assert!(is_empty(to.path()));
}

#[test]
fn a_line_that_breaks_ends_the_question() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let mut source = Source::new(&listener);
    fill_window(&mut source, u64::MAX);
    let offer = next_offer(&listener);
    assert!(!offer.is_complete());
    let totals = offer.totals();
    assert_eq!((totals.files, totals.bytes), (16_384, u64::MAX));
    source.stream.shutdown(Shutdown::Both).unwrap();
    let (sender, receiver) = channel();
    offer.on_over(move || sender.send(()).unwrap());
    receiver.recv_timeout(PATIENT).unwrap();
    assert!(matches!(finished(&next(&listener)), Err(Error::Lost)));
    assert!(is_empty(to.path()));
}

#[test]
fn a_source_that_waits_with_less_than_it_may_offer_is_asked_about_all_the_same() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let mut source = Source::new(&listener);
    source.offer(&[("file", Kind::File { size: 1 })]);
    let offer = next_offer(&listener);
    assert!(!offer.is_complete());
    offer.decide(Verdict::Accept { directory: None, drops: Vec::new() });
    source.hear(FrameType::Want);
}

fn fill_window(source: &mut Source, size: u64) {
    for _ in 0..64 {
        source.offer(&vec![("file", Kind::File { size }); 256]);
    }
}

#[test]
fn a_source_that_offers_too_much_to_remember_waits() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let mut source = Source::new(&listener);
    let target = LinkTarget::new(&[b'a'; 4096]).unwrap();
    let page = vec![("link", Kind::Link { target }); 15];
    for _ in 0..MAX_UNDECIDED_BYTES / 4096 / 15 + 1 {
        source.offer(&page);
    }
    let offer = next_offer(&listener);
    assert!(!offer.is_complete());
    source.offer(&page);
    // Nobody reads that, nor is anybody in the way of ending it.
    offer.decide(Verdict::Refuse { told: "too much".into(), reason: String::new(), cause: None });
    assert_eq!(source.hear_close().code, CloseCode::Refused);
    assert!(matches!(finished(&next(&listener)), Err(Error::Declined { .. })));
}

#[test]
fn what_is_in_a_folder_that_is_refused_counts_as_much() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let mut source = Source::new(&listener);
    // A folder called "..": its name is refused.
    let folder = [&[2, 0, 0, 0, 0, 0, 2][..], b"..", &[0; 14]].concat();
    source.say(&Message::Manifest { first: EntryId(1), items: Vec::new(), page: folder });
    let mut page = Vec::new();
    let (name, target) = (Name::new(b"link").unwrap(), LinkTarget::new(&[b'a'; 4096]).unwrap());
    let mtime = Mtime { seconds: 0, nanoseconds: 0 };
    let link = Entry { parent: EntryId(1), name, kind: Kind::Link { target }, mode: 0o777, mtime };
    (0..15).for_each(|_| put_entry(&mut page, &link));
    for number in 0..MAX_UNDECIDED_BYTES as u32 / 4096 / 15 + 1 {
        let first = EntryId(2 + 15 * number);
        source.say(&Message::Manifest { first, items: Vec::new(), page: page.clone() });
    }
    // Nobody reads more of it before there is an answer.
    let offer = next_offer(&listener);
    assert!(!offer.is_complete());
    assert_eq!(offer.totals(), Totals::default());
    offer.decide(Verdict::Refuse { told: String::new(), reason: String::new(), cause: None });
    assert_eq!(source.hear_close().code, CloseCode::Refused);
}

#[test]
fn a_source_that_has_nothing_to_show_keeps_no_place() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let key = StaticKey::new([1; 32]);
    let sources: Vec<_> = (0..8).map(|_| Source::open(&listener, &key, None)).collect();
    for mut source in sources {
        assert_eq!(source.hear_close().code, CloseCode::Away);
        assert!(matches!(finished(&next(&listener)), Err(Error::Parked)));
    }
    let mut source = Source::open(&listener, &key, None);
    fill_window(&mut source, 1);
    next_offer(&listener).decide(Verdict::Refuse { told: String::new(), reason: String::new(), cause: None });
    assert_eq!(source.hear_close().code, CloseCode::Refused);
}

#[test]
fn a_source_cannot_put_its_user_s_question_off() {
    let second = Duration::from_secs(1);
    let begun = Instant::now();
    let mut gathered = Gathered::new(begun);
    let says_nothing = || ReceiverEvent::Refused {
        id: EntryId(1),
        parent: EntryId::ROOT,
        name: Vec::new(),
        reason: Reason::NameRefused,
    };
    gathered.add_all(vec![says_nothing()], begun + OFFER_QUIET - second);
    assert_eq!(gathered.standing(begun + OFFER_QUIET - second), Standing::Gathering);
    assert_eq!(gathered.standing(begun + OFFER_QUIET), Standing::Idle, "nothing to show");

    let (name, mtime) = (Name::new(b"file").unwrap(), Mtime { seconds: 0, nanoseconds: 0 });
    let file = Entry { parent: EntryId::ROOT, name, kind: Kind::File { size: 1 }, mode: 0o644, mtime };
    let offer = || vec![ReceiverEvent::Offered(EntryId(1), file.clone())];
    gathered.add_all(offer(), begun);
    gathered.add_all(vec![says_nothing()], begun + OFFER_QUIET - second);
    assert_eq!(gathered.standing(begun + OFFER_QUIET), Standing::Ready, "what says nothing puts nothing off");
    let mut now = begun;
    while now + OFFER_QUIET < begun + OFFER_WITHIN {
        now += OFFER_QUIET - second;
        gathered.add_all(offer(), now);
        assert_eq!(gathered.standing(now), Standing::Gathering);
    }
    now = begun + OFFER_WITHIN;
    gathered.add_all(offer(), now);
    assert_eq!(gathered.standing(now), Standing::Ready, "nor does one entry after the other");
}

#[test]
fn only_the_same_peer_goes_on_with_what_was_accepted() {
    let to = tempfile::tempdir().unwrap();
    let listener = receive(to.path());
    let (key, other) = (StaticKey::new([1; 32]), StaticKey::new([2; 32]));
    let mut source = Source::open(&listener, &key, None);
    fill_window(&mut source, 1);
    next_offer(&listener).decide(Verdict::Accept { directory: None, drops: Vec::new() });
    let earlier = source.id;
    let first = next(&listener);

    let mut stranger = Source::open(&listener, &other, Some(earlier));
    fill_window(&mut stranger, 1);
    next_offer(&listener).decide(Verdict::Refuse { told: String::new(), reason: String::new(), cause: None });
    assert_eq!(stranger.hear_close().code, CloseCode::Refused);

    // It is asked for, so there was no question.
    let mut same = Source::open(&listener, &key, Some(earlier));
    same.offer(&[("same", Kind::File { size: 1 })]);
    same.hear(FrameType::Want);
    assert!(matches!(finished(&first), Err(Error::Superseded)));

    // What has ended by itself is over.
    let id = same.id;
    same.shout(&Close { code: CloseCode::Cancelled, text: String::new() }.encode());
    next(&listener);
    assert!(finished(&next(&listener)).is_err());
    let mut again = Source::open(&listener, &key, Some(id));
    fill_window(&mut again, 1);
    next_offer(&listener).decide(Verdict::Refuse { told: String::new(), reason: String::new(), cause: None });
    assert_eq!(again.hear_close().code, CloseCode::Refused);
}

#[test]
fn no_more_than_some_wait_for_an_answer_and_fewer_of_one_peer_or_source() {
    let offers = Offers::default();
    let holder = |seed, source| Holder { peer: StaticKey::new([seed; 32]).public(), source };
    let all_of = |holder| std::iter::from_fn(|| offers.reserve(holder)).collect::<Vec<_>>();
    let somewhere = Some([10, 0, 0, 1].into());
    let mut places: Vec<_> = (100..120).flat_map(|seed| all_of(holder(seed, somewhere))).collect();
    assert_eq!(places.len(), 16);
    for seed in 1..=20 {
        let of_one = all_of(holder(seed, None));
        assert_eq!(of_one.len(), if seed <= 6 { 8 } else { 0 });
        places.extend(of_one);
    }
    places.pop();
    assert!(offers.reserve(holder(20, Some([10, 0, 0, 2].into()))).is_some());
}

#[test]
fn what_was_offered_has_one_hash_in_any_order_and_another_with_anything_else() {
    let entry = |path: &str, kind, size| OfferedEntry { path: path.into(), kind, size };
    let (one, two) = (entry("a", EntryKind::File, 1), entry("b", EntryKind::Folder, 0));
    let hash = digest(&[one.clone(), two.clone()]);
    assert_eq!(digest(&[two.clone(), one.clone()]), hash);
    for other in
        [entry("a", EntryKind::File, 2), entry("a", EntryKind::Link, 1), entry("c", EntryKind::File, 1)]
    {
        assert_ne!(digest(&[other, two.clone()]), hash);
    }
    assert_ne!(digest(&[one.clone(), two.clone(), one.clone()]), hash);
    assert_ne!(digest(&[one]), hash);
}
