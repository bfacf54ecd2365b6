//! Whoever comes by a name that a user gave to another key is refused.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use hawser_engine::peers::PeerName;
use hawser_engine::{
    Destination, DialOptions, Error, Job, ListenOptions, Listener, StaticKey, Work, dial, listen,
};
use hawser_protocol::message::CloseCode;
use support::{PATIENCE, close, finished, job, local, next, write};

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A listener that knows a peer by the name of alice.
fn listener(work: Work) -> Listener {
    let alice: PeerName = "alice".parse().unwrap();
    let reserved = vec![(alice, StaticKey::new([1; 32]).public())];
    listen(ListenOptions { reserved, ..local(job(work)) }).unwrap()
}

/// Dials as `key` under a label, with several lanes, and waits for the end of both sides.
fn both(listener: &Listener, work: Work, key: u8, label: &str) -> [Result<(), Error>; 2] {
    let identity = Some(StaticKey::new([key; 32]));
    let job = Job { label: label.into(), ..job(work) };
    let (to, retry) = (Destination::Ticket(listener.ticket().clone()), PATIENCE);
    let dialled = dial(DialOptions { job, to, lanes: Some(4), identity, retry }).unwrap();
    let there = next(listener);
    let ends = [finished(&dialled), finished(&there)];
    assert_eq!(there.peer().is_some(), ends[1].is_ok());
    ends
}

fn assert_refused(ends: [Result<(), Error>; 2]) {
    let [Err(told), Err(seen)] = ends else { panic!("let in: {ends:?}") };
    // A refusal like any other: it does not say by which name the user knows somebody.
    let refused = matches!(&told, Error::ClosedByPeer { code: CloseCode::Refused, text } if text.is_empty());
    assert!(refused, "{told}");
    assert_eq!((told.code(), seen.code()), ("REFUSED", "KEY_CHANGED"));
    let [known, offered] = [1, 2].map(|key| StaticKey::new([key; 32]).public().fingerprint());
    for said in ["127.0.0.1:", &known, &offered, "hawser peers forget"] {
        assert!(seen.to_string().contains(said), "{said}: {seen}");
    }
}

#[test]
fn another_key_under_a_name_that_a_user_gave_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (file, inbox) = (folder.path().join("file"), folder.path().join("inbox"));
    write(&file, 1, 3_000_000);
    let listener = listener(Work::Write(inbox.clone()));
    for label in ["alice", "ALICE", " Alice\u{200b} "] {
        assert_refused(both(&listener, Work::Read(vec![file.clone()]), 2, label));
        assert_eq!(names_in(&inbox), [""; 0]);
    }
    for (key, label) in [(1, "alice"), (2, "bob"), (2, "")] {
        let ends = both(&listener, Work::Read(vec![file.clone()]), key, label);
        assert!(ends.iter().all(Result::is_ok), "{key} {label}: {ends:?}");
    }
    close(&listener, false);
    assert!(names_in(&inbox).contains(&"file".into()));
}

#[test]
fn another_key_under_a_name_that_a_user_gave_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, inbox) = (folder.path().join("file"), folder.path().join("inbox"));
    write(&file, 1, 3_000_000);
    let listener = listener(Work::Read(vec![file]));
    assert_refused(both(&listener, Work::Write(inbox.clone()), 2, "alice"));
    assert!(!inbox.join("file").exists());
    let ends = both(&listener, Work::Write(inbox.clone()), 1, "alice");
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    close(&listener, false);
    assert!(inbox.join("file").exists());
}

#[test]
fn who_was_refused_does_not_keep_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    write(&file, 1, 1);
    let listener = listener(Work::Write(folder.path().join("inbox")));
    let (closed, end) = channel();
    listener.on_closed(move || closed.send(()).unwrap());
    assert_refused(both(&listener, Work::Read(vec![file.clone()]), 2, "alice"));
    assert!(end.try_recv().is_err());
    assert!(both(&listener, Work::Read(vec![file]), 1, "alice").iter().all(Result::is_ok));
    close(&listener, false);
}
