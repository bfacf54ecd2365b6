//! What panics in a callback, which runs on a thread of some session, harms no other.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::sync::mpsc::channel;

use hawser_engine::{Closing, ListenOptions, StaticKey, Work, listen};
use support::dialler::{connect, meet};
use support::{PATIENCE, close, delivered, finished, job, local, next, outcome, receive, send, write};
use tempfile::tempdir;

#[test]
fn a_callback_that_panics_ends_neither_its_listener_nor_anybodys_transfer() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    for name in ["first", "second", "third"] {
        write(&from.path().join(name), 1, 1000);
    }
    let listener = receive(to.path());
    // Called by the first session's thread as soon as the peer has said who it is.
    listener.on_next(|_| panic!("injected"));
    finished(&send(&[from.path().join("first")], &listener.ticket(), 2)).unwrap();

    // Called by the thread that ends the second one, before whoever asked later.
    let sent = send(&[from.path().join("second")], &listener.ticket(), 2);
    sent.on_finished(|_| panic!("injected"));
    let sent = outcome(&sent);
    let received = next(&listener);
    received.on_finished(|_| panic!("injected"));
    let received = outcome(&received);
    sent.recv_timeout(PATIENCE).unwrap().unwrap();
    received.recv_timeout(PATIENCE).unwrap().unwrap();

    finished(&send(&[from.path().join("third")], &listener.ticket(), 2)).unwrap();
    listener.on_closed(|| panic!("injected"));
    let (sender, closed) = channel();
    listener.on_closed(move || sender.send(()).unwrap());
    listener.close(Closing::Finish);
    closed.recv_timeout(PATIENCE).unwrap();
    assert_eq!(delivered(to.path()), ["first", "second", "third"]);

    // The same folder, the lock of which is free again.
    close(&receive(to.path()), false);
}

#[test]
fn a_callback_for_the_next_code_that_panics_does_not_turn_away_whoever_came_with_the_one_before() {
    let to = tempdir().unwrap();
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { codes: true, ..options }).unwrap();
    let (sender, code) = channel();
    listener.on_code(move |shown| sender.send(shown.unwrap().code).unwrap());
    let code = code.recv_timeout(PATIENCE).unwrap();
    listener.on_code(|_| panic!("injected"));
    let (sender, next_code) = channel();
    listener.on_code(move |shown| sender.send(shown.is_some()).unwrap());
    let met = meet(connect(listener.port()).unwrap(), &code, &StaticKey::new([1; 32])).unwrap();
    assert!(met.is_some());
    assert!(next_code.recv_timeout(PATIENCE).unwrap());
    drop(met);
    close(&listener, true);
}
