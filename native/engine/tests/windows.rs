//! Many sessions, and what they may leave unsettled. In a process of its own, for that is shared by all of it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::net::{Ipv4Addr, TcpStream};

use hawser_engine::Listener;
use hawser_protocol::frame::FrameType;
use hawser_protocol::limits::{MAX_DEPTH, MAX_UNSETTLED};
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::message::CloseCode;
use support::hostile::Hostile;
use support::{close, receive};
use tempfile::tempdir;

/// A session, and how many entries its sink lets be unsettled.
fn enter(listener: &Listener, key: u8) -> (Hostile, u32) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    let mut peer = Hostile::enter(stream, &listener.ticket(), key).unwrap();
    let hello = peer.hear_of(FrameType::Hello).unwrap();
    (peer, MAX_UNSETTLED >> (hello[0] >> 4))
}

fn file(number: u32) -> Entry {
    let name = Name::new(number.to_string().as_bytes()).unwrap();
    let mtime = Mtime { seconds: 1, nanoseconds: 0 };
    Entry { parent: EntryId::ROOT, name, kind: Kind::File { size: 300_000 }, mode: 0o644, mtime }
}

#[test]
fn the_more_sessions_there_are_the_less_each_may_leave_unsettled() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let (mut peers, windows): (Vec<_>, Vec<_>) = (0..48).map(|number| enter(&listener, number)).unzip();
    assert_eq!(windows.first(), Some(&MAX_UNSETTLED));
    assert!(windows.is_sorted_by(|one, next| one >= next), "{windows:?}");
    let (mut peer, window) = (peers.pop().unwrap(), *windows.last().unwrap());
    assert!(window <= MAX_UNSETTLED / 8, "{window}");

    // Whoever leaves more unsettled than its sink takes is shown the door.
    let entries: Vec<_> = (1..=window + u32::from(MAX_DEPTH) + 2).map(file).collect();
    for page in entries.chunks(500) {
        peer.offer(page).unwrap();
    }
    assert_eq!(peer.hear_of_end(), Some(CloseCode::Protocol));
    close(&listener, true);
}
