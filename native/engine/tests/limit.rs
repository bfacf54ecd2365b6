//! Transfers with a bandwidth limit, over real sockets and disks.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use hawser_engine::{Error, Job, Limit, Listener, MIN_LIMIT, Transfer, Work, dial};
use support::{
    MIB, bytes, close, delivered, finished, job, listen_for, next, receive, send, until, with, write,
};
use tempfile::tempdir;

/// At this one, what the tests move would take hours.
fn lowest() -> Option<Limit> {
    Some(Limit::new(MIN_LIMIT).unwrap())
}

fn limited(work: Work, limit: Option<Limit>) -> Job {
    Job { limit, ..job(work) }
}

fn send_limited(path: &Path, listener: &Listener, lanes: u8, limit: Option<Limit>) -> Transfer {
    let job = limited(Work::Read(vec![path.into()]), limit);
    dial(with(&listener.ticket(), job, lanes)).unwrap()
}

fn huge(folder: &Path) -> PathBuf {
    let path = folder.join("huge");
    fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
    path
}

#[test]
fn what_goes_in_slices_arrives_whole() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, MIB + 5);
    // Slices of 40,000 and of 30,000 bytes: neither divides a record.
    let [ours, theirs] = [2_000_000, 1_500_000].map(|limit| Some(Limit::new(limit).unwrap()));
    let listener = listen_for(limited(Work::Write(to.path().into()), theirs));
    finished(&send_limited(&path, &listener, 3, ours)).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, MIB + 5));
}

#[test]
fn a_transfer_whose_limit_is_lifted_finishes() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 48 * MIB);
    let listener = receive(to.path());
    let sent = send_limited(&path, &listener, 4, lowest());
    until("all lanes are held up", || sent.progress().lanes == 4);
    sent.set_limit(None);
    finished(&sent).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 48 * MIB));
}

#[test]
fn a_listener_whose_limit_is_lifted_finishes_all_its_transfers() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = listen_for(limited(Work::Write(to.path().into()), lowest()));
    let sent: Vec<_> = (0..3)
        .map(|seed| {
            let path = from.path().join(seed.to_string());
            write(&path, seed, 16 * MIB);
            send(&[path], &listener.ticket(), 4)
        })
        .collect();
    let received: Vec<_> = sent.iter().map(|_| next(&listener)).collect();
    // One that is held up by a limit of its own, too.
    received[0].set_limit(lowest());
    listener.set_limit(None);
    received[0].set_limit(None);
    sent.iter().for_each(|transfer| finished(transfer).unwrap());
    close(&listener, false);
    for seed in 0..3 {
        assert!(fs::read(to.path().join(seed.to_string())).unwrap() == bytes(seed, 16 * MIB));
    }
}

#[test]
fn whoever_is_held_up_by_a_limit_can_stop_at_once() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = huge(from.path());
    for sender_is_limited in [true, false] {
        let (ours, theirs) = if sender_is_limited { (lowest(), None) } else { (None, lowest()) };
        let listener = listen_for(limited(Work::Write(to.path().into()), theirs));
        let sent = send_limited(&huge, &listener, 16, ours);
        let received = next(&listener);
        until("all lanes are held up", || sent.progress().lanes == 16);
        let (ours, theirs) = if sender_is_limited { (&sent, &received) } else { (&received, &sent) };
        ours.cancel();
        assert!(matches!(finished(ours), Err(Error::Cancelled)));
        assert!(finished(theirs).is_err());
        close(&listener, false);
        // Parts may have been begun, and be kept.
        assert_eq!(delivered(to.path()), [""; 0]);
    }
}

#[test]
fn a_listener_held_up_by_a_limit_closes_at_once_with_abort() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = huge(from.path());
    let listener = listen_for(limited(Work::Write(to.path().into()), lowest()));
    let sent: Vec<_> = (0..3).map(|_| send_limited(&huge, &listener, 8, None)).collect();
    let received: Vec<_> = sent.iter().map(|_| next(&listener)).collect();
    close(&listener, true);
    assert!(received.iter().all(|transfer| matches!(finished(transfer), Err(Error::Cancelled))));
    assert!(sent.iter().all(|transfer| finished(transfer).is_err()));
}
