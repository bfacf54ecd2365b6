//! A sink that asks before it writes anything.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hawser_engine::{
    Closing, EntryKind, Error, Job, Listener, Offer, OfferedEntry, Offers, Reason, Totals, Transfer, Verdict,
    Work, dial,
};
use hawser_protocol::message::CloseCode;
use support::{
    Fault, Line, MIB, PATIENCE, bytes, close, delivered, finished, job, listen_for, next, outcome, receive,
    send, serve, settled, with, write,
};
use tempfile::{TempDir, tempdir};

fn asking(work: Work) -> Job {
    Job { offers: Some(Offers::default()), ..job(work) }
}

/// A listener, and what its sessions ask.
struct Asking {
    listener: Listener,
    offers: Offers,
}

impl Deref for Asking {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.listener
    }
}

fn receive_asking(directory: &Path) -> Asking {
    let job = asking(Work::Write(directory.into()));
    let offers = job.offers.clone().unwrap();
    Asking { listener: listen_for(job), offers }
}

/// The next offer; `None` when there will be none.
fn next_offer(asking: &Asking) -> Option<Offer> {
    let (sender, receiver) = channel();
    asking.offers.on_next(move |offer| sender.send(offer).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn over(offer: &Offer) -> Receiver<()> {
    let (sender, receiver) = channel();
    offer.on_over(move || sender.send(()).unwrap());
    receiver
}

fn accept() -> Verdict {
    Verdict::Accept { directory: None, drops: Vec::new() }
}

fn without(drops: &[&str]) -> Verdict {
    Verdict::Accept { directory: None, drops: drops.iter().map(ToString::to_string).collect() }
}

fn into(directory: &Path) -> Verdict {
    Verdict::Accept { directory: Some(directory.into()), drops: Vec::new() }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// A tree, and a folder for it to arrive in.
struct Trees {
    from: TempDir,
    to: TempDir,
}

impl Trees {
    fn new() -> Self {
        let trees = Self { from: tempdir().unwrap(), to: tempdir().unwrap() };
        write(&trees.tree().join("one"), 1, 10);
        write(&trees.tree().join("folder/two"), 2, MIB);
        write(&trees.tree().join("folder/three"), 3, 0);
        trees
    }

    fn tree(&self) -> PathBuf {
        self.from.path().join("tree")
    }

    fn inbox(&self) -> &Path {
        self.to.path()
    }
}

#[test]
fn nothing_is_written_before_it_is_accepted() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    let sent = send(&[trees.tree()], &listener.ticket(), 2);

    let offer = next_offer(&listener).unwrap();
    assert!(is_empty(trees.inbox()));
    assert!(offer.is_complete());
    assert_eq!(offer.totals(), Totals { files: 3, folders: 2, links: 0, bytes: MIB as u64 + 10 });
    assert_eq!(offer.peer().label, "test");
    let mut entries = offer.take_entries(2);
    assert_eq!(entries.len(), 2);
    entries.extend(offer.take_entries(usize::MAX));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let entry = |path: &str, kind, size| OfferedEntry { path: path.into(), kind, size };
    let expected = [
        entry("tree", EntryKind::Folder, 0),
        entry("tree/folder", EntryKind::Folder, 0),
        entry("tree/folder/three", EntryKind::File, 0),
        entry("tree/folder/two", EntryKind::File, MIB as u64),
        entry("tree/one", EntryKind::File, 10),
    ];
    assert_eq!(entries, expected);
    assert!(is_empty(trees.inbox()));

    offer.decide(accept());
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    assert_eq!(fs::read(trees.inbox().join("tree/folder/two")).unwrap(), bytes(2, MIB));
    assert!(next_offer(&listener).is_none());
}

#[test]
fn who_is_refused_is_told_so_and_nothing_is_written() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    let offer = next_offer(&listener).unwrap();
    let over = over(&offer);
    offer.decide(Verdict::Refuse { told: "not today".into(), reason: "no time".into(), cause: None });
    offer.decide(accept());

    over.recv_timeout(PATIENCE).unwrap();
    let error = finished(&sent).unwrap_err();
    assert!(matches!(&error, Error::ClosedByPeer { code: CloseCode::Refused, text } if text == "not today"));
    assert_eq!((error.code(), error.is_retryable()), ("REFUSED", false));
    let error = finished(&next(&listener)).unwrap_err();
    assert_eq!(error.to_string(), "the transfer was refused here: no time");
    close(&listener, false);
    assert!(is_empty(trees.inbox()));
}

#[test]
fn entries_that_are_not_wanted_are_not_written_nor_is_what_is_in_them() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    next_offer(&listener).unwrap().decide(without(&["tree/folder", "one"]));
    finished(&sent).unwrap();
    let received = next(&listener);
    finished(&received).unwrap();
    close(&listener, false);
    let inbox = trees.inbox().join("tree");
    assert_eq!(fs::read(inbox.join("one")).unwrap(), bytes(1, 10), "the other one has another path");
    assert!(!inbox.join("folder").exists());
    for transfer in [sent, received] {
        let entries = settled(&transfer);
        let reasons: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.reason())).collect();
        let declined = Some(Reason::Declined);
        let expected = [
            ("tree", None),
            ("tree/folder", declined),
            ("tree/folder/three", declined),
            ("tree/folder/two", declined),
            ("tree/one", None),
        ];
        assert_eq!(reasons, expected);
    }
}

#[test]
fn a_manifest_that_goes_on_is_at_least_what_is_there_and_what_is_not_wanted_of_the_rest_is_not_written() {
    let trees = Trees::new();
    let (early, late) = (trees.from.path().join("early"), trees.from.path().join("late"));
    (0..17_000).for_each(|number| write(&early.join(number.to_string()), 1, 0));
    write(&late.join("unwanted/file"), 1, 10);
    write(&late.join("wanted"), 2, 10);
    let listener = receive_asking(trees.inbox());
    let sent = send(&[early, late], &listener.ticket(), 2);
    let offer = next_offer(&listener).unwrap();
    assert!(!offer.is_complete());
    assert_eq!(offer.take_entries(usize::MAX).len(), 16_384);
    assert!(is_empty(trees.inbox()));
    offer.decide(without(&["late/unwanted"]));
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    assert_eq!(delivered(trees.inbox()), ["early", "late"]);
    assert_eq!(delivered(&trees.inbox().join("late")), ["wanted"]);
    assert_eq!(delivered(&trees.inbox().join("early")).len(), 17_000);
}

#[test]
fn another_folder_is_made_and_written_into() {
    let trees = Trees::new();
    let other = trees.from.path().join("some/where/else");
    let listener = receive_asking(trees.inbox());
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    next_offer(&listener).unwrap().decide(into(&other));
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    assert_eq!(delivered(&other), ["tree"]);
    assert!(is_empty(trees.inbox()));

    // Its own, by another path.
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    next_offer(&listener).unwrap().decide(into(&trees.inbox().join(".")));
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    assert_eq!(delivered(trees.inbox()), ["tree"]);
    close(&listener, false);
}

#[test]
fn another_folder_that_cannot_be_had_ends_the_session_and_not_the_listener() {
    let trees = Trees::new();
    let taken = tempdir().unwrap();
    let owner = receive(taken.path());
    let in_the_way = trees.tree().join("one");
    let listener = receive_asking(trees.inbox());
    for (folder, code) in [(taken.path(), "FOLDER_IN_USE"), (&in_the_way, "IO")] {
        let sent = send(&[trees.tree()], &listener.ticket(), 2);
        next_offer(&listener).unwrap().decide(into(folder));
        let error = finished(&sent).unwrap_err();
        assert!(matches!(error, Error::ClosedByPeer { code: CloseCode::Local, .. }), "{error:?}");
        assert_eq!(finished(&next(&listener)).unwrap_err().code(), code);
    }
    assert!(is_empty(trees.inbox()));
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    next_offer(&listener).unwrap().decide(accept());
    finished(&sent).unwrap();
    close(&listener, false);
    close(&owner, false);
}

fn send_retrying(paths: &[PathBuf], line: &Line, listener: &Listener) -> Transfer {
    let mut options = with(&line.ticket(&listener.ticket()), job(Work::Read(paths.to_vec())), 1);
    options.retry = Duration::MAX;
    dial(options).unwrap()
}

#[test]
fn an_accepted_session_that_is_lost_goes_on_without_another_question() {
    let trees = Trees::new();
    let other = trees.from.path().join("else");
    write(&trees.tree().join("large"), 4, 8 * MIB);
    let listener = receive_asking(trees.inbox());
    // The second one is lost before it has offered anything.
    let line = Line::new(listener.port(), |number| match number {
        0 => Some(Fault::Cut(4 * MIB as u64)),
        1 => Some(Fault::Cut(400)),
        _ => None,
    });
    let sent = send_retrying(&[trees.tree()], &line, &listener);
    let drops = vec!["tree/folder/two".into()];
    next_offer(&listener).unwrap().decide(Verdict::Accept { directory: Some(other.clone()), drops });
    finished(&sent).unwrap();
    assert!(sent.progress().reconnects > 0);
    close(&listener, false);
    assert!(next_offer(&listener).is_none());
    assert!(is_empty(trees.inbox()));
    assert_eq!(delivered(&other.join("tree")), ["folder", "large", "one"]);
    assert_eq!(delivered(&other.join("tree/folder")), ["three"]);
}

#[test]
fn a_session_that_goes_on_with_something_else_is_asked_about() {
    let trees = Trees::new();
    write(&trees.tree().join("large"), 4, 8 * MIB);
    let listener = receive_asking(trees.inbox());
    let line = Line::new(listener.port(), |number| (number == 0).then_some(Fault::Held(4 * MIB as u64)));
    let sent = send_retrying(&[trees.tree()], &line, &listener);
    next_offer(&listener).unwrap().decide(accept());
    write(&trees.tree().join("another"), 5, 10);
    line.release();
    let offer = next_offer(&listener).unwrap();
    assert_eq!(offer.totals().files, 5);
    offer.decide(without(&["tree/another"]));
    finished(&sent).unwrap();
    close(&listener, false);
    assert_eq!(delivered(&trees.inbox().join("tree")), ["folder", "large", "one"]);
}

#[test]
fn a_question_ends_with_its_session_however_that_ends() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    type End = fn(&Transfer, &Transfer);
    let ways: [(&str, End); 3] = [
        ("the sink cancels", |_, received| received.cancel()),
        ("the sink parks", |_, received| received.park()),
        ("the source cancels", |sent, _| sent.cancel()),
    ];
    for (way, end) in ways {
        let sent = send(&[trees.tree()], &listener.ticket(), 2);
        let offer = next_offer(&listener).unwrap();
        let received = next(&listener);
        end(&sent, &received);
        over(&offer).recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{way}"));
        offer.decide(accept());
        finished(&sent).unwrap_err();
        finished(&received).unwrap_err();
    }
    close(&listener, false);
    assert!(is_empty(trees.inbox()));
}

#[test]
fn a_listener_that_closes_parks_what_nobody_has_accepted() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    let offer = next_offer(&listener).unwrap();
    let received = next(&listener);
    listener.close(Closing::Finish);
    over(&offer).recv_timeout(PATIENCE).unwrap();
    assert!(matches!(finished(&received), Err(Error::Parked)));
    assert!(matches!(finished(&sent), Err(Error::ClosedByPeer { code: CloseCode::Away, .. })));
    close(&listener, false);
    assert!(is_empty(trees.inbox()));
}

#[test]
fn other_sessions_go_on_while_one_waits_for_an_answer() {
    let trees = Trees::new();
    let listener = receive_asking(trees.inbox());
    let waiting = send(&[trees.tree().join("one")], &listener.ticket(), 2);
    let unanswered = next_offer(&listener).unwrap();
    let sent = send(&[trees.tree()], &listener.ticket(), 2);
    next_offer(&listener).unwrap().decide(accept());
    finished(&sent).unwrap();
    assert!(outcome(&waiting).try_recv().is_err());
    unanswered.decide(accept());
    finished(&waiting).unwrap();
    close(&listener, false);
    assert_eq!(delivered(trees.inbox()), ["one", "tree"]);
}

#[test]
fn whoever_fetches_may_be_asked_too() {
    let trees = Trees::new();
    let inbox = trees.inbox().join("new");
    let listener = serve(Work::Read(vec![trees.tree()]));
    let job = asking(Work::Write(inbox.clone()));
    let offers = job.offers.clone().unwrap();
    let fetched = dial(with(&listener.ticket(), job, 2)).unwrap();
    let (sender, receiver) = channel();
    offers.on_next(move |offer| sender.send(offer).unwrap());
    let offer = receiver.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(offer.totals().files, 3);
    assert!(!inbox.exists());
    offer.decide(accept());
    finished(&fetched).unwrap();
    assert_eq!(delivered(&inbox), ["tree"]);
    let (sender, receiver) = channel();
    offers.on_next(move |offer| sender.send(offer.is_none()).unwrap());
    assert!(receiver.recv_timeout(PATIENCE).unwrap());
    close(&listener, false);
}
