//! Sessions that are lost, and those that take their place.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hawser_engine::{
    Closing, Error, Fate, Keep, ListenOptions, Listener, Phase, Placed, Progress, StaticKey, Ticket,
    Transfer, Work, dial, listen,
};
use support::{
    Fault, Line, MIB, bytes, close, delivered, finished, job, local, next, receive, receive_again, settled,
    until,
};
use support::{with, write};
use tempfile::{TempDir, tempdir};

const FILES: u8 = 4;
const FILE_BYTES: usize = 4 * MIB;

/// Some files, and a folder for them to arrive in.
struct Files {
    from: TempDir,
    to: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { from: tempdir().unwrap(), to: tempdir().unwrap() };
        files.paths().iter().zip(0..).for_each(|(path, seed)| write(path, seed, FILE_BYTES));
        files
    }

    fn paths(&self) -> Vec<PathBuf> {
        (0..FILES).map(|number| self.from.path().join(number.to_string())).collect()
    }

    fn assert_delivered(&self) {
        for seed in 0..FILES {
            assert!(fs::read(self.to.path().join(seed.to_string())).unwrap() == bytes(seed, FILE_BYTES));
        }
        assert_eq!(delivered(self.to.path()).len(), FILES.into());
    }
}

fn send(paths: Vec<PathBuf>, ticket: &Ticket, keep: Keep, retry: Duration) -> Transfer {
    let mut job = job(Work::Read(paths));
    job.keep = keep;
    let mut options = with(ticket, job, 1);
    options.retry = retry;
    dial(options).unwrap()
}

/// A file of which enough is left to be sent whatever happens.
fn huge(files: &Files) -> PathBuf {
    let path = files.from.path().join("huge");
    fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
    path
}

/// A receiver that can be started again as the same one.
fn receive_as(identity: &StaticKey, directory: &Path) -> Listener {
    listen(ListenOptions { identity: Some(identity.clone()), ..local(job(Work::Write(directory.into()))) })
        .unwrap()
}

fn closed(listener: &Listener, closing: Closing) {
    listener.close(closing);
    close(listener, false);
}

#[test]
fn a_transfer_whose_lanes_are_all_lost_goes_on_by_itself_and_counts_each_file_once() {
    for keep in [Keep::All, Keep::Failed] {
        let files = Files::new();
        fs::copy(files.from.path().join("3"), files.to.path().join("3")).unwrap();
        let modified = fs::metadata(files.from.path().join("3")).unwrap().modified().unwrap();
        let present = fs::File::options().write(true).open(files.to.path().join("3")).unwrap();
        present.set_modified(modified).unwrap();
        let listener = receive(files.to.path());
        // The sink places a file whenever it is whole; the source may not hear of it any more.
        let line = Line::new(listener.port(), |number| (number < 2).then_some(Fault::Cut(6 * MIB as u64)));
        let paths = files.paths();
        let sent = send(paths, &line.ticket(&listener.ticket()), keep, Duration::MAX);
        finished(&sent).unwrap();
        for _ in 0..2 {
            assert!(matches!(finished(&next(&listener)), Err(Error::Lost)));
        }
        finished(&next(&listener)).unwrap();
        close(&listener, false);
        files.assert_delivered();
        let Progress { files_delivered, bytes_delivered, files_present, bytes_present, .. } = sent.progress();
        assert_eq!((files_delivered, bytes_delivered), (3, 3 * FILE_BYTES as u64));
        assert_eq!((files_present, bytes_present), (1, FILE_BYTES as u64));
        let Progress { files_total, files_done, bytes_done, reconnects, phase, .. } = sent.progress();
        assert_eq!((files_total, files_done, bytes_done), (4, 4, 4 * FILE_BYTES as u64));
        assert_eq!((reconnects, phase), (2, Phase::Ended));
        let report = settled(&sent);
        if keep == Keep::All {
            let paths: Vec<_> = report.iter().map(|entry| entry.path.as_str()).collect();
            assert_eq!(paths, ["0", "1", "2", "3"]);
            for entry in &report[..3] {
                assert!(matches!(entry.fate, Fate::Placed(Placed::AsNamed, Some(_))), "{entry:?}");
            }
        } else {
            assert!(report.is_empty());
        }
    }
}

#[test]
fn a_listener_that_is_parked_and_started_again_is_sent_the_rest() {
    let files = Files::new();
    let identity = StaticKey::new([7; 32]);
    let listener = receive_as(&identity, files.to.path());
    let ticket = listener.ticket().clone();
    let mut paths = files.paths();
    paths.push(huge(&files));
    let sent = send(paths, &ticket, Keep::All, Duration::MAX);
    let received = next(&listener);
    until("bytes flow", || received.progress().bytes_done > 0);
    closed(&listener, Closing::Park);
    assert!(matches!(finished(&received), Err(Error::Parked)));
    until("the sender has tried in vain", || sent.progress().outage.is_some_and(|outage| outage.attempt > 1));
    let Progress { phase, lanes, outage, .. } = sent.progress();
    assert_eq!((phase, lanes), (Phase::Reconnecting, 0));
    assert!(outage.unwrap().reason.contains("refused"));

    // What is left of it is nothing to wait for here.
    fs::write(files.from.path().join("huge"), "small").unwrap();
    let again = receive_again(files.to.path(), &identity, &ticket);
    assert_eq!(again.ticket().to_string(), ticket.to_string());
    finished(&sent).unwrap();
    closed(&again, Closing::Finish);
    assert_eq!(fs::read(files.to.path().join("huge")).unwrap(), b"small");
    fs::remove_file(files.to.path().join("huge")).unwrap();
    files.assert_delivered();
    assert_eq!(sent.progress().reconnects, 1);
}

#[test]
fn a_listener_that_comes_back_with_another_secret_ends_the_transfer() {
    let files = Files::new();
    let identity = StaticKey::new([7; 32]);
    let listener = receive_as(&identity, files.to.path());
    let port = listener.port();
    let sent = send(vec![huge(&files)], &listener.ticket(), Keep::All, Duration::MAX);
    until("bytes flow", || sent.progress().bytes_done > 0);
    closed(&listener, Closing::Park);
    let other = support::serve_on(port, Work::Write(files.to.path().into()));
    assert!(matches!(finished(&sent), Err(Error::Authentication)));
    closed(&other, Closing::Finish);
}

#[test]
fn who_does_not_come_back_in_time_is_given_up() {
    let files = Files::new();
    let listener = receive(files.to.path());
    let sent = send(vec![huge(&files)], &listener.ticket(), Keep::All, Duration::from_secs(1));
    until("bytes flow", || sent.progress().bytes_done > 0);
    closed(&listener, Closing::Park);
    let error = finished(&sent).unwrap_err();
    assert!(matches!(&error, Error::NotResumed { last, .. } if last.code() == "CONNECTION_REFUSED"));
    assert_eq!(error.code(), "CONNECTION_LOST");
}

#[test]
fn a_parked_peer_that_is_not_waited_for_is_a_lost_one() {
    let files = Files::new();
    let listener = receive(files.to.path());
    let sent = send(vec![huge(&files)], &listener.ticket(), Keep::All, Duration::ZERO);
    until("bytes flow", || sent.progress().bytes_done > 0);
    closed(&listener, Closing::Park);
    assert_eq!(finished(&sent).unwrap_err().code(), "CONNECTION_LOST");
}

#[test]
fn a_transfer_can_be_cancelled_while_it_waits_for_its_listener() {
    let files = Files::new();
    let listener = receive(files.to.path());
    let sent = send(vec![huge(&files)], &listener.ticket(), Keep::All, Duration::MAX);
    until("bytes flow", || sent.progress().bytes_done > 0);
    closed(&listener, Closing::Park);
    until("the sender waits", || sent.progress().phase == Phase::Reconnecting);
    sent.cancel();
    assert!(matches!(finished(&sent), Err(Error::Cancelled)));
}

#[test]
fn a_session_that_its_listener_still_waits_for_ends_when_another_takes_its_place() {
    let files = Files::new();
    let listener = receive(files.to.path());
    let line = Line::new(listener.port(), |number| (number == 0).then_some(Fault::Abandon(6 * MIB as u64)));
    let sent = send(files.paths(), &line.ticket(&listener.ticket()), Keep::All, Duration::MAX);
    let abandoned = next(&listener);
    // Long before the listener would notice by itself.
    assert!(matches!(finished(&abandoned), Err(Error::Superseded)));
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    files.assert_delivered();
}

#[test]
fn who_fetches_goes_on_by_itself_too() {
    let files = Files::new();
    let listener = support::serve(Work::Read(files.paths()));
    // Behind the handshake, which has a key of 1,184 bytes in it.
    let line = Line::new(listener.port(), |number| (number == 0).then_some(Fault::Abandon(240 + 1184)));
    let mut options = with(&line.ticket(&listener.ticket()), job(Work::Write(files.to.path().into())), 1);
    options.retry = Duration::MAX;
    let fetched = dial(options).unwrap();
    finished(&fetched).unwrap();
    close(&listener, false);
    files.assert_delivered();
    let Progress { files_delivered, files_present, reconnects, .. } = fetched.progress();
    assert_eq!((files_delivered, files_present, reconnects), (FILES.into(), 0, 1));
}

#[test]
fn a_limit_holds_after_a_session_was_lost() {
    let files = Files::new();
    let listener = receive(files.to.path());
    let line = Line::new(listener.port(), |number| (number == 0).then_some(Fault::Cut(MIB as u64)));
    let limit = hawser_engine::Limit::new(8 * MIB as u64).unwrap();
    let sent = send(files.paths(), &line.ticket(&listener.ticket()), Keep::All, Duration::MAX);
    sent.set_limit(Some(limit));
    finished(&sent).unwrap();
    close(&listener, false);
    // Some 17 MiB: without a limit it takes a small part of that.
    assert!(sent.progress().elapsed_ms > 1500, "{:?}", sent.progress());
}

#[test]
fn a_ticket_is_kept_only_by_the_identity_it_names_and_for_its_direction() {
    let (to, identity) = (tempdir().unwrap(), StaticKey::new([7; 32]));
    let listener = receive_as(&identity, to.path());
    let ticket = listener.ticket().clone();
    closed(&listener, Closing::Finish);
    let keep = |work, identity| {
        listen(ListenOptions { identity: Some(identity), ticket: Some(ticket.clone()), ..local(job(work)) })
            .map(|listener| closed(&listener, Closing::Finish))
    };
    let (write, read) = (Work::Write(to.path().into()), Work::Read(vec![to.path().into()]));
    assert!(keep(write.clone(), identity.clone()).is_ok());
    assert!(matches!(keep(write, StaticKey::new([8; 32])), Err(Error::InvalidOption(_))));
    assert!(matches!(keep(read, identity), Err(Error::InvalidOption(_))));
}
