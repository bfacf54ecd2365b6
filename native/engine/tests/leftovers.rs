//! What is left of transfers and verifications that have ended, well or badly: nothing. In a process
//! of its own, because it counts the process's threads and descriptors.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::sync::mpsc::channel;

use hawser_engine::{Which, verify};
use support::{PATIENCE, close, delivered, finished, next, receive, send, until};
use tempfile::tempdir;

fn count(what: &str) -> usize {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

#[test]
fn transfers_leave_no_thread_and_no_descriptor() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let (small, huge) = (from.path().join("small"), from.path().join("huge"));
    fs::write(&small, "small").unwrap();
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    let (threads, descriptors) = (count("task"), count("fd"));

    let listener = receive(to.path());
    finished(&send(&[small], &listener.ticket(), 4)).unwrap();
    finished(&next(&listener)).unwrap();
    let cancelled = send(std::slice::from_ref(&huge), &listener.ticket(), 4);
    until("bytes flow", || cancelled.progress().bytes_done > 0);
    cancelled.cancel();
    assert!(finished(&cancelled).is_err());
    close(&listener, false);
    assert!(finished(&send(&[huge], &listener.ticket(), 4)).is_err());

    let (sender, receiver) = channel();
    let verification = verify(to.path(), Which::All).unwrap();
    verification.on_finished(move |outcome| sender.send(outcome).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap().unwrap();

    // The callbacks come from the last thread, just before it ends.
    until("all threads have ended", || count("task") == threads);
    until("all descriptors are closed", || count("fd") == descriptors);
    assert_eq!(delivered(to.path()), ["small"]);
}
