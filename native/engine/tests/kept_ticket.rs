//! Tickets that outlive their listeners, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::Path;
use std::time::Duration;

use hawser_engine::{Error, ListenOptions, Listener, StaticKey, Ticket, TicketLimits, Work, dial, listen};
use support::{close, finished, job, local, with, write};
use tempfile::tempdir;

/// A receiver into a folder of this one, which has its ledger; with the ticket of an earlier one.
fn listen_with(home: &Path, ticket: Option<&Ticket>, ticket_limits: TicketLimits) -> Listener {
    listen(ListenOptions {
        identity: Some(StaticKey::new([7; 32])),
        ticket: ticket.cloned(),
        ticket_limits,
        ledger: Some(home.join("ledger")),
        ..local(job(Work::Write(home.join("inbox"))))
    })
    .unwrap()
}

#[test]
fn the_ticket_in_place_of_one_that_was_kept_ends_when_that_did_or_after_a_time_of_its_own() {
    let home = tempdir().unwrap();
    let hour = Some(Duration::from_secs(3600));
    let with_time = |ticket: Option<&Ticket>, lifetime| {
        listen_with(home.path(), ticket, TicketLimits { lifetime, ..TicketLimits::default() })
    };
    let first = with_time(None, hour);
    let mut ticket = first.ticket();
    close(&first, false);
    // As if it had been made a minute earlier.
    ticket = ticket.clone().expiring(ticket.expires().map(|ends| ends - 60));
    for lifetime in [None, hour] {
        let listener = with_time(Some(&ticket), lifetime);
        assert_eq!(listener.ticket().expires(), ticket.expires());
        let before = ticket.expires();
        ticket = listener.revoke().unwrap();
        if lifetime.is_none() {
            assert_eq!(ticket.expires(), before);
        } else {
            assert!(ticket.expires() > before);
        }
        close(&listener, false);
    }
}

#[test]
fn who_has_come_is_remembered_wherever_there_is_a_ledger() {
    let home = tempdir().unwrap();
    let path = home.path().join("file");
    write(&path, 1, 10);
    let send_as = |who: u8, ticket: &Ticket| {
        let mut options = with(ticket, job(Work::Read(vec![path.clone()])), 1);
        options.identity = Some(StaticKey::new([who; 32]));
        finished(&dial(options).unwrap())
    };
    let plenty = TicketLimits { bytes: Some(u64::MAX), ..TicketLimits::default() };
    let first = listen_with(home.path(), None, plenty);
    let ticket = first.ticket();
    send_as(1, &ticket).unwrap();
    close(&first, false);
    // From now on it is for one, who has come already.
    let once = TicketLimits { uses: Some(1), ..TicketLimits::default() };
    let second = listen_with(home.path(), Some(&ticket), once);
    assert_eq!(second.ticket_use().peers, 1);
    assert!(matches!(send_as(2, &ticket), Err(Error::Authentication)));
    send_as(1, &ticket).unwrap();
    close(&second, false);
}
