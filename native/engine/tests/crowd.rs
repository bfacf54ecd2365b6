//! More than a process has descriptors for. In a process of its own, for that is a limit of all of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};

use hawser_engine::Listener;
use hawser_protocol::frame::FrameType;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::sender::end_frame;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::hostile::Hostile;
use support::{bytes, close, delivered, finished, receive, send, until, write};
use tempfile::tempdir;

/// Sessions: an eighth of it. To what one key has no right: half of that.
const DESCRIPTORS: u64 = 256;
const SESSIONS: usize = 32;

const FILES: u32 = 400;
const CHUNK: usize = CHUNK_BYTES as usize;
const FILE_BYTES: usize = CHUNK + 1;

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn enter(listener: &Listener, key: u8) -> Option<Hostile> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    Hostile::enter(stream, &listener.ticket(), key)
}

#[test]
fn few_descriptors_are_enough_whatever_a_peer_does() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) })
        .unwrap();
    thousands_of_files_that_are_begun_take_no_more_descriptors_than_there_are();
    a_hundred_sessions_of_one_key_leave_places_for_others();
}

fn thousands_of_files_that_are_begun_take_no_more_descriptors_than_there_are() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let mut peer = enter(&listener, 1).unwrap();
    let entry = |number: u32| {
        let mtime = Mtime { seconds: 1, nanoseconds: 0 };
        let name = Name::new(number.to_string().as_bytes()).unwrap();
        Entry {
            parent: EntryId::ROOT,
            name,
            kind: Kind::File { size: FILE_BYTES as u64 },
            mode: 0o644,
            mtime,
        }
    };
    peer.offer(&(1..=FILES).map(entry).collect::<Vec<_>>()).unwrap();
    let mut wanted = 0;
    while wanted < FILES as usize {
        wanted += peer.hear_of(FrameType::Want).unwrap().len() / 4;
    }
    let content = bytes(7, FILE_BYTES);
    for id in 1..=FILES {
        peer.record(&Hostile::data(id, 0, &content[..CHUNK])).unwrap();
    }
    // All of them are begun, and not one is whole.
    until("what was sent is written", || listener_has_begun(to.path()) == FILES as usize);
    assert!(open_files() < DESCRIPTORS as usize / 2, "{}", open_files());
    let hash = hawser_engine::ContentHash(*blake3::hash(&content).as_bytes());
    for id in 1..=FILES {
        let rest = Hostile::data(id, CHUNK as u64, &content[CHUNK..]);
        peer.record(&[rest, end_frame(EntryId(id), hash)].concat()).unwrap();
    }
    let mut committed = 0;
    while committed < FILES as usize {
        committed += peer.hear_of(FrameType::Committed).unwrap().len() / 5;
    }
    drop(peer);
    close(&listener, false);
    assert_eq!(delivered(to.path()).len(), FILES as usize);
    assert!((1..=FILES).all(|id| fs::read(to.path().join(id.to_string())).unwrap() == content));
}

/// How many part files there are.
fn listener_has_begun(target: &std::path::Path) -> usize {
    let Ok(folders) = fs::read_dir(target.join(".hawser")) else { return 0 };
    let parts = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).into_iter().flatten());
    parts
        .filter(|part| {
            part.as_ref().is_ok_and(|part| part.metadata().is_ok_and(|part| part.len() >= CHUNK as u64))
        })
        .count()
}

fn a_hundred_sessions_of_one_key_leave_places_for_others() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, 100_000);
    let listener = receive(to.path());
    let mut sessions: Vec<_> = (0..100).map_while(|_| enter(&listener, 1)).collect();
    assert_eq!(sessions.len(), SESSIONS / 2, "the next one is told to come again");
    finished(&send(&[from.path().join("file")], &listener.ticket(), 2)).unwrap();
    // It is nobody's enemy: when one of its sessions has ended, it may have another.
    drop(sessions.pop());
    until("there is a place again", || enter(&listener, 1).is_some());
    drop(sessions);
    close(&listener, true);
}
