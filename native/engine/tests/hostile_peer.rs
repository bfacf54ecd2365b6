//! Peers that were let in and mean no good: what they cost, and what the others notice of it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hawser_engine::{ContentHash, ListenOptions, Listener, TicketLimits, Transfer, Work, listen};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{CHUNK_BYTES, NEEDLESS_FRAMES_PER_LANE};
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name, put_entry};
use hawser_protocol::message::{CloseCode, Message};
use hawser_protocol::sender::end_frame;
use socket2::{Domain, Socket, Type};
use support::hostile::{Hostile, STOPPED};
use support::{MIB, close, delivered, finished, job, local, receive, send, shout, write};
use tempfile::tempdir;

const CHUNK: usize = CHUNK_BYTES as usize;

fn connect(listener: &Listener) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap()
}

fn enter(listener: &Listener, key: u8) -> Hostile {
    Hostile::enter(connect(listener), &listener.ticket(), key).unwrap()
}

fn entry(name: &str, size: usize) -> Entry {
    let mtime = Mtime { seconds: 0, nanoseconds: 0 };
    let name = Name::new(name.as_bytes()).unwrap();
    Entry { parent: EntryId::ROOT, name, kind: Kind::File { size: size as u64 }, mode: 0o644, mtime }
}

/// Transfers of a few files by others, which must come to their good end.
fn good_senders(from: &Path, listener: &Listener, count: usize) -> Vec<Transfer> {
    let begin = |number: usize| {
        let tree = from.join(format!("good-{number}"));
        write(&tree.join("large"), number as u8, MIB);
        (0..20).for_each(|file| write(&tree.join(file.to_string()), file, 100));
        send(&[tree], &listener.ticket(), 2)
    };
    (0..count).map(begin).collect()
}

#[test]
fn a_flood_of_signs_of_life_ends_the_session_that_it_came_from() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let ping = frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[]);
    let mut one_to_a_record = enter(&listener, 1);
    (0..2000).all(|_| one_to_a_record.record(&ping).is_ok());
    let mut thousands_to_a_record = enter(&listener, 2);
    thousands_to_a_record.record(&ping.repeat(10_000)).unwrap();
    for mut peer in [one_to_a_record, thousands_to_a_record] {
        assert_eq!(peer.hear_of_end(), Some(CloseCode::Protocol));
    }
    close(&listener, false);
}

#[test]
fn a_flood_of_empty_pages_ends_the_session_that_it_came_from() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let mut peer = enter(&listener, 1);
    let empty = Message::Manifest { first: EntryId(1), items: Vec::new(), page: Vec::new() };
    peer.say(&vec![empty; 10_000]).unwrap();
    assert_eq!(peer.hear_of_end(), Some(CloseCode::Protocol));
    close(&listener, false);
}

#[test]
fn a_flood_of_frames_that_change_nothing_ends_the_session_that_it_came_from() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let hello = Message::Hello(Hello::named("mallory")).encode(0);
    let end = end_frame(EntryId(1), ContentHash([0; 32]));
    let data = Hostile::data(1, 0, b"x");
    for (key, frame) in (1..).zip([hello, end, data]) {
        let mut peer = enter(&listener, key);
        // There is nothing to be sent of a file of which the name is refused.
        let mut page = Vec::new();
        put_entry(&mut page, &entry("xx", 1));
        let name = page.windows(2).position(|bytes| bytes == b"xx").unwrap();
        page[name..name + 2].copy_from_slice(b"..");
        peer.say(&[Message::Manifest { first: EntryId(1), items: Vec::new(), page }]).unwrap();
        peer.hear_of(FrameType::Failed).unwrap();
        // As many are free as one lane may have to repeat.
        let one_too_many = NEEDLESS_FRAMES_PER_LANE as usize + 4000;
        (0..one_too_many.div_ceil(1000)).all(|_| peer.record(&frame.repeat(1000)).is_ok());
        assert_eq!(peer.hear_of_end(), Some(CloseCode::Protocol), "{key}");
    }
    close(&listener, false);
}

#[test]
fn a_chunk_at_offset_2_to_the_60_ends_the_session_and_takes_no_space() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let mut peer = enter(&listener, 1);
    peer.offer(&[entry("file", 5)]).unwrap();
    peer.hear_of(FrameType::Want).unwrap();
    peer.record(&Hostile::data(1, 1 << 60, b"bytes")).unwrap();
    assert_eq!(peer.hear_of_end(), Some(CloseCode::Protocol));
    close(&listener, false);
    assert_eq!(delivered(to.path()), [""; 0]);
}

#[test]
fn a_source_that_offers_without_end_and_never_reads_is_not_read_from_and_others_are_served() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&to.path().join("taken"), 1, 5);
    let listener = receive(to.path());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // As little as the system lets it have: what it does not read shall not disappear in there.
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, listener.port())).into()).unwrap();
    let mut peer = Hostile::enter(socket.into(), &listener.ticket(), 1).unwrap();
    peer.stream.set_write_timeout(Some(STOPPED)).unwrap();
    // Each is refused at once, and settled: the window does not hold this up.
    let mut refused = entry("taken", 5);
    refused.kind = Kind::File { size: 1 << 62 };
    let page = vec![refused; 1000];
    let mut offered = 0;
    let stopped = loop {
        match peer.offer(&page) {
            Ok(()) => offered += page.len(),
            Err(error) => break error,
        }
        assert!(offered < 5_000_000, "it is read from without end");
    };
    assert!(matches!(stopped.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped}");
    for good in good_senders(from.path(), &listener, 4) {
        finished(&good).unwrap();
    }
    drop(peer);
    close(&listener, false);
}

/// Again and again, until the others have finished; not for ever, for it is their processor, too.
fn attack(over: &AtomicBool, once: &dyn Fn()) {
    for _ in 0..200 {
        if !over.load(Ordering::Relaxed) {
            once();
        }
    }
}

#[test]
fn good_senders_all_finish_beside_attackers_of_every_kind() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    let over = AtomicBool::new(false);
    let ping = frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[]);
    let silent: Vec<_> = (0..8).map(|_| connect(&listener)).collect();
    let idle = enter(&listener, 9);
    thread::scope(|scope| {
        scope.spawn(|| attack(&over, &|| drop(shout(listener.port(), &[0xff; 4096]))));
        scope.spawn(|| {
            attack(&over, &|| {
                if let Some(mut peer) = Hostile::enter(connect(&listener), &listener.ticket(), 8) {
                    let _ = peer.record(&ping.repeat(10_000));
                    let _ = peer.hear_of_end();
                }
            });
        });
        scope.spawn(|| {
            attack(&over, &|| {
                if let Some(mut peer) = Hostile::enter(connect(&listener), &listener.ticket(), 7) {
                    // Begins a file in each session, and hangs up.
                    let _ = peer.offer(&[entry("begun", 10 * CHUNK)]);
                    let _ = peer.hear();
                    let _ = peer.record(&Hostile::data(1, 0, &vec![7; CHUNK]));
                }
            });
        });
        let transfers = good_senders(from.path(), &listener, 64);
        let outcomes: Vec<_> = transfers.iter().map(finished).collect();
        over.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    });
    drop((silent, idle));
    close(&listener, false);
    assert_eq!(delivered(to.path()).len(), 64);
}

#[test]
fn d12_ten_terabytes_for_a_disk_that_has_not_are_refused_before_a_byte_of_them_comes() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let mut peer = enter(&listener, 1);
    // More than any disk has of which this could be the folder.
    let size = 1_usize << 52;
    peer.offer(&[entry("enormous", size), entry("small", 0)]).unwrap();
    let failed = peer.hear_of(FrameType::Failed).unwrap();
    assert!(failed.starts_with(&1_u32.to_be_bytes()), "{failed:?}");
    // Whoever sends it all the same has it dropped, for it might have been under way; the rest goes on.
    peer.record(&Hostile::data(1, 0, &vec![7; CHUNK])).unwrap();
    let empty = ContentHash(*blake3::hash(b"").as_bytes());
    peer.record(&end_frame(EntryId(2), empty)).unwrap();
    assert!(peer.hear_of(FrameType::Committed).unwrap().starts_with(&2_u32.to_be_bytes()));
    drop(peer);
    close(&listener, false);
    assert_eq!(delivered(to.path()), ["small"]);
}

#[test]
fn d13_a_source_that_brings_file_after_file_stops_at_its_quota() {
    let to = tempdir().unwrap();
    let limits = TicketLimits { bytes: Some(10 * CHUNK as u64), ..TicketLimits::default() };
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { ticket_limits: limits, ..options }).unwrap();
    let content = support::bytes(7, CHUNK);
    let hash = ContentHash(*blake3::hash(&content).as_bytes());
    // Another session does not have another quota.
    for session in 0..3 {
        let mut peer = enter(&listener, 1);
        let offered: Vec<_> = (0..30).map(|file| entry(&format!("{session} {file}"), CHUNK)).collect();
        peer.offer(&offered).unwrap();
        let mut settled = 0;
        while settled < offered.len() {
            for (header, payload) in peer.hear().expect("the session goes on") {
                if matches!(header.kind, FrameType::Ack | FrameType::Ping) {
                    continue;
                }
                match Message::decode(header, &payload).unwrap() {
                    Message::Want(ids) => ids.into_iter().for_each(|id| {
                        let data = Hostile::data(id.0, 0, &content);
                        peer.record(&[data, end_frame(id, hash)].concat()).unwrap();
                    }),
                    Message::Committed(entries) => settled += entries.len(),
                    Message::Failed(entries) => settled += entries.len(),
                    _ => {}
                }
            }
        }
    }
    close(&listener, true);
    assert_eq!(delivered(to.path()).len(), 10);
}
