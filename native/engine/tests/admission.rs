//! Whom a listener lets in, and how far, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use hawser_engine::{
    Code, Destination, DialOptions, Error, Fate, Host, ListenOptions, Listener, PublicKey, Reason, Refusal,
    RefusedFor, StaticKey, Ticket, TicketLimits, Transfer, Work, dial, listen,
};
use support::{MIB, PATIENCE, bytes, close, finished, job, local, next, receive, settled, with, write};
use tempfile::{TempDir, tempdir};

/// A listener that receives, as `change` wants it.
fn receiver(to: &Path, change: impl FnOnce(ListenOptions) -> ListenOptions) -> Listener {
    listen(change(local(job(Work::Write(to.into()))))).unwrap()
}

fn limited(to: &Path, limits: TicketLimits) -> Listener {
    receiver(to, |options| ListenOptions { ticket_limits: limits, ..options })
}

/// Sends as somebody.
fn send_as(who: u32, paths: &[PathBuf], to: Destination) -> Transfer {
    let job = job(Work::Read(paths.to_vec()));
    let identity = Some(key(who));
    dial(DialOptions { job, to, lanes: Some(1), identity, retry: Duration::ZERO }).unwrap()
}

fn key(who: u32) -> StaticKey {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&who.to_be_bytes());
    StaticKey::new(key)
}

fn with_ticket(listener: &Listener) -> Destination {
    Destination::Ticket(listener.ticket())
}

fn at(listener: &Listener) -> (Host, u16) {
    ("127.0.0.1".parse().unwrap(), listener.port())
}

fn known(listener: &Listener) -> Destination {
    let (host, port) = at(listener);
    Destination::Known { host, port, key: listener.ticket().key(), name: None }
}

fn by_code(listener: &Listener, code: &Code) -> Destination {
    let (host, port) = at(listener);
    Destination::Code { host, port, code: code.clone(), known: None }
}

fn shown(listener: &Listener) -> Option<Code> {
    let (sender, receiver) = channel();
    listener.on_code(move |shown| sender.send(shown.map(|shown| shown.code)).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// Files of a MiB each.
fn files(count: u8) -> (TempDir, Vec<PathBuf>) {
    let home = tempdir().unwrap();
    let paths: Vec<_> = (0..count).map(|number| home.path().join(number.to_string())).collect();
    paths.iter().zip(0..).for_each(|(path, seed)| write(path, seed, MIB));
    (home, paths)
}

/// The next that was turned away with something right.
fn turned_away(listener: &Listener) -> Option<Refusal> {
    let (sender, receiver) = channel();
    listener.on_refusal(move |refusal| sender.send(refusal).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn the_user_hears_whom_a_used_up_ticket_lets_in_no_more_and_of_no_stranger() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = limited(to.path(), TicketLimits { uses: Some(1), ..TicketLimits::default() });
    finished(&send_as(1, &paths, with_ticket(&listener))).unwrap();
    let old = with_ticket(&listener);
    // Neither whoever comes without a ticket nor whoever has one that never was.
    finished(&send_as(2, &paths, known(&listener))).unwrap_err();
    finished(&send_as(3, &paths, old.clone())).unwrap_err();
    let Refusal { key: who, address, why } = turned_away(&listener).unwrap();
    assert_eq!((who, why), (key(3).public(), RefusedFor::UsedUp));
    assert!(address.ip().is_loopback());
    listener.revoke().unwrap();
    finished(&send_as(4, &paths, old)).unwrap_err();
    close(&listener, false);
    assert!(turned_away(&listener).is_none());
}

#[test]
fn a_known_key_needs_no_ticket_and_no_other_key_comes_in_without_one() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let alice = key(1).public();
    let listener = receiver(to.path(), |options| ListenOptions { allow: vec![alice], ..options });
    assert!(matches!(finished(&send_as(2, &paths, known(&listener))), Err(Error::NotLetIn(_))));
    finished(&send_as(1, &paths, known(&listener))).unwrap();
    // Whoever is on the list may have a ticket, too, and whoever has one need not be on it.
    finished(&send_as(1, &paths, with_ticket(&listener))).unwrap();
    finished(&send_as(2, &paths, with_ticket(&listener))).unwrap();
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("0")).unwrap(), bytes(0, MIB));
}

#[test]
fn a_listener_without_a_list_knows_nobody_and_another_key_is_none_that_turns_away() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = receive(to.path());
    assert!(matches!(finished(&send_as(1, &paths, known(&listener))), Err(Error::NotLetIn(_))));
    let Destination::Known { host, port, .. } = known(&listener) else { unreachable!() };
    let to_another = Destination::Known { host, port, key: key(7).public(), name: None };
    assert!(matches!(finished(&send_as(1, &paths, to_another)), Err(Error::NotKnown(_))));
    close(&listener, false);
}

#[test]
fn a_ticket_for_one_is_for_the_first_who_comes_and_for_nobody_else() {
    let ((_home, paths), to) = (files(2), tempdir().unwrap());
    let listener = limited(to.path(), TicketLimits { uses: Some(1), ..TicketLimits::default() });
    finished(&send_as(1, &paths[..1], with_ticket(&listener))).unwrap();
    assert!(matches!(finished(&send_as(2, &paths, with_ticket(&listener))), Err(Error::Authentication)));
    finished(&send_as(1, &paths[1..], with_ticket(&listener))).unwrap();
    close(&listener, false);
}

#[test]
fn who_has_used_a_ticket_is_known_after_the_listener_was_started_again() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let identity = StaticKey::new([7; 32]);
    let ledger = to.path().join("ledger");
    let again = |ticket: Option<Ticket>| {
        receiver(&to.path().join("inbox"), |options| ListenOptions {
            identity: Some(identity.clone()),
            ticket,
            ticket_limits: TicketLimits { uses: Some(1), entries: Some(2), ..TicketLimits::default() },
            ledger: Some(ledger.clone()),
            ..options
        })
    };
    let listener = again(None);
    let ticket = listener.ticket();
    finished(&send_as(1, &paths, Destination::Ticket(ticket.clone()))).unwrap();
    close(&listener, false);

    let listener = again(Some(ticket.clone()));
    let to_it = || Destination::Ticket(listener.ticket());
    assert!(matches!(finished(&send_as(2, &paths, to_it())), Err(Error::Authentication)));
    let (_home, more) = files(3);
    let sent = send_as(1, &more[1..], to_it());
    finished(&sent).unwrap();
    assert_eq!(refused(&sent), 1, "one of the two entries was used up before");
    close(&listener, false);

    fs::write(&ledger, "damaged").unwrap();
    let damaged = listen(ListenOptions {
        identity: Some(identity.clone()),
        ticket: Some(ticket),
        ledger: Some(ledger.clone()),
        ..local(job(Work::Write(to.path().into())))
    });
    assert!(matches!(damaged.err(), Some(Error::Disk { .. })));
}

#[test]
fn a_first_use_that_cannot_be_written_down_is_no_use() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let folder = to.path().join("not there");
    let options = ListenOptions {
        ledger: Some(folder.join("ledger")),
        ticket_limits: TicketLimits { uses: Some(2), ..TicketLimits::default() },
        ..local(job(Work::Write(to.path().join("inbox"))))
    };
    // Whoever listens is told at once, before anybody is turned away for it.
    assert!(matches!(listen(options.clone()), Err(Error::Disk { .. })));
    fs::create_dir(&folder).unwrap();
    let listener = listen(options).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(finished(&send_as(1, &paths, with_ticket(&listener))), Err(Error::Authentication)));
    fs::create_dir(&folder).unwrap();
    finished(&send_as(1, &paths, with_ticket(&listener))).unwrap();
    close(&listener, false);
}

#[test]
fn an_expired_ticket_lets_nobody_new_in_and_those_who_came_before_come_again() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let identity = StaticKey::new([7; 32]);
    let again = |ticket: Option<Ticket>| {
        listen(ListenOptions {
            identity: Some(identity.clone()),
            ticket,
            ledger: Some(to.path().join("ledger")),
            ticket_limits: TicketLimits {
                lifetime: Some(Duration::from_secs(3600)),
                ..TicketLimits::default()
            },
            ..local(job(Work::Write(to.path().join("inbox"))))
        })
    };
    let listener = again(None).unwrap();
    let ticket = listener.ticket();
    finished(&send_as(1, &paths, with_ticket(&listener))).unwrap();
    close(&listener, false);
    let expired = again(Some(ticket.clone().expiring(Some(1))));
    assert!(matches!(expired.err(), Some(Error::InvalidOption(_))));

    let soon = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 2;
    // On a machine that is slow enough, it is over before there is a listener.
    let listener = std::iter::repeat_with(|| again(Some(ticket.clone().expiring(Some(soon())))));
    let listener = listener.flatten().next().unwrap();
    // Somebody new knocks until it is over.
    let knock = |who| finished(&send_as(who, &paths, with_ticket(&listener)));
    let error = (2..).find_map(|who| knock(who).err()).unwrap();
    // The listener's clock and the one on the wall need not tick at the same moment.
    assert!(matches!(error, Error::TicketExpired { .. } | Error::Authentication), "{error}");
    assert_eq!(turned_away(&listener).unwrap().why, RefusedFor::Expired);
    knock(1).unwrap();
    close(&listener, false);
}

#[test]
fn a_ticket_says_when_it_ends() {
    let to = tempdir().unwrap();
    let limits = TicketLimits { lifetime: Some(Duration::from_secs(3600)), ..TicketLimits::default() };
    let listener = limited(to.path(), limits);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for ticket in [listener.ticket(), listener.revoke().unwrap()] {
        let ends = ticket.to_string().parse::<Ticket>().unwrap().expires().unwrap();
        assert!(ends > now + 3000 && ends <= now + 3600 + 60, "{ends} from {now}");
    }
    close(&listener, false);
}

#[test]
fn a_revoked_ticket_lets_nobody_in_and_the_new_one_does() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = receive(to.path());
    let old = with_ticket(&listener);
    finished(&send_as(1, &paths, old.clone())).unwrap();
    let new = listener.revoke().unwrap();
    for who in [1, 2] {
        assert!(matches!(finished(&send_as(who, &paths, old.clone())), Err(Error::Authentication)));
    }
    assert_eq!(listener.ticket().to_string(), new.to_string());
    finished(&send_as(2, &paths, Destination::Ticket(new))).unwrap();
    close(&listener, false);
}

#[test]
fn a_session_that_runs_outlives_the_revocation_of_its_ticket() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    let listener = receive(to.path());
    let sent = send_as(1, &[huge], with_ticket(&listener));
    let received = next(&listener);
    listener.revoke().unwrap();
    let before = received.progress().bytes_done;
    support::until("more has come", || received.progress().bytes_done > before);
    sent.cancel();
    assert!(finished(&sent).is_err());
    close(&listener, false);
}

#[test]
fn a_ticket_brings_no_more_bytes_than_it_allows() {
    let ((_home, paths), to) = (files(4), tempdir().unwrap());
    let limits = TicketLimits { bytes: Some(2 * MIB as u64 + 1), ..TicketLimits::default() };
    let listener = limited(to.path(), limits);
    let sent = send_as(1, &paths[..3], with_ticket(&listener));
    finished(&sent).unwrap();
    assert_eq!(refused(&sent), 1);
    // All senders together; what is there already costs nothing.
    let again = send_as(2, &paths, with_ticket(&listener));
    finished(&again).unwrap();
    assert_eq!(refused(&again), 2);
    close(&listener, false);
    assert_eq!(support::delivered(to.path()).len(), 2);
}

#[test]
fn a_ticket_brings_no_more_files_folders_and_links_than_it_allows() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let tree = from.path().join("tree");
    (0..5).for_each(|number| write(&tree.join(number.to_string()), number, 10));
    let limits = TicketLimits { entries: Some(4), ..TicketLimits::default() };
    let listener = limited(to.path(), limits);
    let sent = send_as(1, std::slice::from_ref(&tree), with_ticket(&listener));
    finished(&sent).unwrap();
    assert_eq!(refused(&sent), 2);
    close(&listener, false);
    assert_eq!(fs::read_dir(to.path().join("tree")).unwrap().count(), 3);
}

#[test]
fn a_file_that_is_continued_counts_once() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 24 * MIB);
    let limits = TicketLimits { bytes: Some(25 * MIB as u64), ..TicketLimits::default() };
    let listener = limited(to.path(), limits);
    let line = support::Line::new(listener.port(), |_| Some(support::Fault::Cut(10 * MIB as u64)));
    let cut = send_as(1, std::slice::from_ref(&path), Destination::Ticket(line.ticket(&listener.ticket())));
    assert!(matches!(finished(&cut), Err(Error::Lost)));
    assert!(finished(&next(&listener)).is_err());
    finished(&send_as(1, &[path], with_ticket(&listener))).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 24 * MIB));
}

#[test]
fn a_kept_ticket_without_its_ledger_or_with_an_end_that_it_does_not_tell_of_is_an_error() {
    let to = tempdir().unwrap();
    let identity = StaticKey::new([7; 32]);
    let listener =
        receiver(to.path(), |options| ListenOptions { identity: Some(identity.clone()), ..options });
    let ticket = listener.ticket();
    close(&listener, false);
    let again = |ticket_limits, ledger: Option<&str>| {
        let ledger = ledger.map(|name| to.path().join(name));
        let (identity, ticket) = (Some(identity.clone()), Some(ticket.clone()));
        let options = ListenOptions {
            identity,
            ticket,
            ticket_limits,
            ledger,
            ..local(job(Work::Write(to.path().into())))
        };
        listen(options).err()
    };
    let once = TicketLimits { uses: Some(1), ..TicketLimits::default() };
    assert!(matches!(again(once, Some("no ledger")), Some(Error::NoLedger { .. })));
    let brief = TicketLimits { lifetime: Some(PATIENCE), ..TicketLimits::default() };
    assert!(matches!(again(brief, None), Some(Error::InvalidOption(_))));
}

/// Entries that went beyond the quota.
fn refused(sent: &Transfer) -> usize {
    settled(sent).iter().filter(|entry| entry.fate == Fate::Failed(Reason::Quota)).count()
}

#[test]
fn whoever_knows_the_code_comes_in_once_and_may_come_again() {
    let ((_home, paths), to) = (files(2), tempdir().unwrap());
    let listener = receiver(to.path(), |options| ListenOptions { codes: true, ..options });
    let code = shown(&listener).unwrap();
    finished(&send_as(1, &paths[..1], by_code(&listener, &code))).unwrap();
    assert!(matches!(finished(&send_as(2, &paths, by_code(&listener, &code))), Err(Error::WrongCode)));
    let second = shown(&listener).unwrap();
    assert_ne!(second, code);
    finished(&send_as(2, &paths, by_code(&listener, &second))).unwrap();
    close(&listener, false);
    assert_eq!(support::delivered(to.path()), ["0", "1"]);
}

#[test]
fn another_key_than_is_known_at_the_address_of_a_code_is_a_stop() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = receiver(to.path(), |options| ListenOptions { codes: true, ..options });
    let code = shown(&listener).unwrap();
    let meet = |known: PublicKey| {
        let Destination::Code { host, port, code, .. } = by_code(&listener, &code) else { unreachable!() };
        let known = Some(("alice".parse().unwrap(), known));
        finished(&send_as(1, &paths, Destination::Code { host, port, code, known }))
    };
    let Err(Error::KeyChanged(mismatch)) = meet(key(7).public()) else { panic!("no stop") };
    assert_eq!((mismatch.known, mismatch.offered), (key(7).public(), listener.ticket().key()));
    // The listener has not learned who it was, and shows the same code.
    meet(listener.ticket().key()).unwrap();
    close(&listener, false);
}

#[test]
fn three_wrong_codes_are_the_end_of_the_right_one() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = receiver(to.path(), |options| ListenOptions { codes: true, ..options });
    let code = shown(&listener).unwrap();
    let wrong: Code =
        if code.to_string() == "zoo-zoo-zoo" { "abandon-zoo-zoo" } else { "zoo-zoo-zoo" }.parse().unwrap();
    for _ in 0..3 {
        assert!(matches!(finished(&send_as(1, &paths, by_code(&listener, &wrong))), Err(Error::WrongCode)));
    }
    assert!(matches!(finished(&send_as(1, &paths, by_code(&listener, &code))), Err(Error::WrongCode)));
    finished(&send_as(1, &paths, by_code(&listener, &shown(&listener).unwrap()))).unwrap();
    close(&listener, false);
}

#[test]
fn a_listener_that_shows_no_code_answers_like_one_that_was_asked_for_another() {
    let ((_home, paths), to) = (files(1), tempdir().unwrap());
    let listener = receive(to.path());
    assert_eq!(shown(&listener), None);
    let guess = "abandon-ability-zoo".parse().unwrap();
    assert!(matches!(finished(&send_as(1, &paths, by_code(&listener, &guess))), Err(Error::WrongCode)));
    close(&listener, false);
}

#[test]
fn who_came_by_a_code_goes_on_after_the_line_broke() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 24 * MIB);
    let listener = receiver(to.path(), |options| ListenOptions { codes: true, ..options });
    let line = support::Line::new(listener.port(), |number| {
        (number == 0).then_some(support::Fault::Cut(10 * MIB as u64))
    });
    let code = shown(&listener).unwrap();
    let to_it =
        Destination::Code { host: "127.0.0.1".parse().unwrap(), port: line.port(), code, known: None };
    let options =
        DialOptions { retry: Duration::MAX, ..with(&listener.ticket(), job(Work::Read(vec![path])), 1) };
    finished(&dial(DialOptions { to: to_it, ..options }).unwrap()).unwrap();
    assert_eq!(line.count(), 2);
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 24 * MIB));
}
