//! More than a process has descriptors for. In a process of its own, for that is a limit of all of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::sync::mpsc::channel;

use hawser_engine::{Job, ListenOptions, Listener, Offers, StaticKey, Work, listen};
use hawser_protocol::frame::FrameType;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::sender::end_frame;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::dialler::{Dialled, connect_from, join, meet, open};
use support::hostile::Hostile;
use support::{bytes, close, delivered, finished, job, listen_for, local, receive, send, until, write};
use tempfile::tempdir;

/// Sessions: an eighth of it. To what one key has no right: half of that.
const DESCRIPTORS: u64 = 256;
const SESSIONS: usize = 32;

/// Lanes beside the first of each session: a quarter of it.
const LANES: usize = 64;

const FILES: u32 = 400;
const CHUNK: usize = CHUNK_BYTES as usize;
const FILE_BYTES: usize = CHUNK + 1;

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn enter(listener: &Listener, key: u8) -> Option<Hostile> {
    enter_from(Ipv4Addr::LOCALHOST, listener, key)
}

fn enter_from(address: Ipv4Addr, listener: &Listener, key: u8) -> Option<Hostile> {
    Hostile::enter(connect_from(address, listener.port()).unwrap(), &listener.ticket(), key)
}

#[test]
fn few_descriptors_are_enough_whatever_a_peer_does() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) })
        .unwrap();
    thousands_of_files_that_are_begun_take_no_more_descriptors_than_there_are();
    a_hundred_sessions_of_one_key_leave_places_for_others();
    a_hundred_keys_at_one_address_leave_places_for_others_and_for_those_who_are_known();
    sessions_that_cannot_start_keep_their_places_until_their_peers_have_been_told();
    lanes_of_all_keys_together_are_no_more_than_a_quarter_of_the_descriptors();
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

fn a_hundred_keys_at_one_address_leave_places_for_others_and_for_those_who_are_known() {
    let to = tempdir().unwrap();
    let known = StaticKey::new([200; 32]);
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { allow: vec![known.public()], codes: true, ..options }).unwrap();
    let mut sessions: Vec<_> = (1..=100).filter_map(|key| enter(&listener, key)).collect();
    assert_eq!(sessions.len(), SESSIONS * 3 / 4, "a quarter is for other addresses");
    let another = Ipv4Addr::new(127, 0, 0, 2);
    sessions.extend((101..=199).map_while(|key| enter_from(another, &listener, key)));
    assert_eq!(sessions.len(), SESSIONS * 7 / 8, "the last eighth is for those on the list");

    // Whoever knows the code has not guessed, however often there is no place.
    let (sender, receiver) = channel();
    listener.on_code(move |shown| sender.send(shown.unwrap().code).unwrap());
    let code = receiver.recv().unwrap();
    let stranger = StaticKey::new([201; 32]);
    let knock = || meet(connect_from(another, listener.port()).unwrap(), &code, &stranger).unwrap();
    assert!((0..10).all(|_| knock().is_none()));

    sessions.push(enter(&listener, 200).unwrap());
    drop(sessions);
    until("there is a place again", || knock().is_some());
    close(&listener, true);
}

fn sessions_that_cannot_start_keep_their_places_until_their_peers_have_been_told() {
    let to = tempdir().unwrap();
    let offers = Some(Offers::default());
    let listener = listen_for(Job { offers, ..job(Work::Write(to.path().into())) });
    // From the ninth on there are too many that wait for an answer. None of them hangs up by itself.
    let mut sessions = Vec::new();
    for _ in 0..60 {
        sessions.extend(enter(&listener, 1));
        assert!(threads("hawser-refuse") <= SESSIONS / 2, "{}", threads("hawser-refuse"));
    }
    drop(sessions);
    close(&listener, true);
}

/// How many threads of that name there are.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // One that ends meanwhile has no name any more.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

fn lanes_of_all_keys_together_are_no_more_than_a_quarter_of_the_descriptors() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let sessions: Vec<_> =
        (1..=5).map(|key| open(&listener.ticket(), &StaticKey::new([key; 32])).unwrap()).collect();
    let joining = |lane| {
        let join = |peer: &Dialled| join(listener.port(), peer.session, &peer.secret, lane, 0).ok();
        sessions.iter().filter_map(join).collect::<Vec<_>>()
    };
    let lanes: Vec<_> = (1..16).flat_map(joining).collect();
    assert_eq!(lanes.len(), LANES);
    drop(lanes);
    until("there is room again", || {
        join(listener.port(), sessions[0].session, &sessions[0].secret, 1, 1).is_ok()
    });
    close(&listener, true);
}
