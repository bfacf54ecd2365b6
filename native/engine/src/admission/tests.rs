//! Whom a ticket lets in while a disk stands still, and when very many have come.

use std::sync::mpsc::{Receiver, Sender, channel};

use hawser_protocol::ticket::Permits;

use super::*;

fn key(number: u32) -> PublicKey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    PublicKey(key)
}

fn admission(limits: TicketLimits, ledger: Option<PathBuf>) -> Admission {
    let hosts = vec!["192.0.2.7".parse().unwrap()];
    let permits = Permits { push: true, pull: false };
    let ticket = Ticket::new(hosts, 7, key(0), TicketSecret::new([1; 16]), permits).unwrap();
    Admission::new(ticket, true, limits, Vec::new(), ledger).unwrap()
}

fn knock(admission: &Admission, who: u32) -> Option<Entry> {
    admission.admit(Claim::Ticket(admission.ticket().secret().id()), key(who)).ok()
}

/// Whether somebody is let in, and when that is on disk if it has to be.
fn comes_in(admission: &Admission, who: u32) -> bool {
    match knock(admission, who) {
        None => false,
        Some(Entry::Open(_)) => true,
        Some(Entry::First(first)) => admission.write_down(first).is_some(),
    }
}

/// A disk that stands still until the sender is dropped.
fn stall(admission: &Admission) -> Sender<()> {
    let (sender, receiver): (_, Receiver<()>) = channel();
    admission.ledger.as_ref().unwrap().later(move |_| {
        let _ = receiver.recv();
    });
    sender
}

#[test]
fn while_the_disk_stands_still_those_who_are_known_come_in_and_nothing_else_waits_either() {
    let home = tempfile::tempdir().unwrap();
    let limits = TicketLimits { uses: Some(2), ..TicketLimits::default() };
    let admission = admission(limits, Some(home.path().join("ledger")));
    assert!(comes_in(&admission, 1));
    let stalled = stall(&admission);
    std::thread::scope(|scope| {
        let Some(Entry::First(first)) = knock(&admission, 2) else { panic!("it is new") };
        let second = scope.spawn(|| admission.write_down(first).is_some());
        assert!(matches!(knock(&admission, 1), Some(Entry::Open(_))));
        assert!(knock(&admission, 3).is_none(), "the last use is taken by who is being written down");
        assert_eq!(admission.ticket_use().peers, 1);
        drop(stalled);
        assert!(second.join().unwrap());
    });
    assert_eq!(admission.ticket_use().peers, 2);

    let stalled = stall(&admission);
    let before = admission.ticket();
    let (sender, revoked) = channel();
    admission.revoke(move |ticket| sender.send(ticket.unwrap()).unwrap());
    assert_ne!(admission.ticket().secret().id(), before.secret().id());
    assert!(revoked.try_recv().is_err(), "not on disk");
    drop(stalled);
    assert_eq!(revoked.recv().unwrap().to_string(), admission.ticket().to_string());
}

#[test]
fn whoever_is_written_down_when_the_ticket_is_revoked_is_not_let_in() {
    let home = tempfile::tempdir().unwrap();
    let admission = admission(TicketLimits::default(), Some(home.path().join("ledger")));
    let Some(Entry::First(first)) = knock(&admission, 1) else { panic!("it is new") };
    admission.revoke(drop);
    assert!(admission.write_down(first).is_none());
    assert_eq!(admission.ticket_use().peers, 0);
}

#[test]
fn more_than_can_be_remembered_come_in_only_where_they_are_not_counted() {
    let few = TicketLimits { uses: Some(u32::MAX), ..TicketLimits::default() };
    let until = TicketLimits { lifetime: Some(Duration::from_secs(3600)), ..TicketLimits::default() };
    for (limits, is_let_in) in [(few, false), (until, true)] {
        let admission = admission(limits, None);
        (0..MAX_USERS as u32).for_each(|who| assert!(comes_in(&admission, who)));
        assert_eq!(comes_in(&admission, u32::MAX), is_let_in);
        assert!(comes_in(&admission, 7));
        assert_eq!(admission.ticket_use().peers, MAX_USERS);
    }
}

#[test]
fn who_came_by_a_code_is_not_expected_again_once_its_listener_has_revoked() {
    let admission = admission(TicketLimits::default(), None);
    let is_expected = |when, secret| {
        let (claim, _) = admission.expect_again(when, &TicketSecret::new(secret), key(1));
        admission.psk(claim).is_some()
    };
    let when = admission.ticket().secret().id();
    assert!(is_expected(when, [2; 16]));
    admission.revoke(|ticket| drop(ticket.unwrap()));
    assert!(!is_expected(when, [3; 16]));
    assert!(is_expected(admission.ticket().secret().id(), [4; 16]));
}
