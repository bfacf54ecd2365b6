//! The file that remembers the use of a ticket, beside others who use its folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hawser_engine::{Error, ListenOptions, Listener, StaticKey, Ticket, TicketLimits, Work, dial, listen};
use support::{close, finished, job, local, with, write};
use tempfile::tempdir;

/// A receiver whose ticket is for one, or for whom an earlier one's was.
fn listen_with(ledger: &Path, to: &Path, ticket: Option<&Ticket>) -> Result<Listener, Error> {
    let limits = TicketLimits { uses: Some(1), ..TicketLimits::default() };
    listen(ListenOptions {
        identity: Some(StaticKey::new([4; 32])),
        ticket: ticket.cloned(),
        ticket_limits: limits,
        ledger: Some(ledger.into()),
        port: Some(0),
        ..local(job(Work::Write(to.into())))
    })
}

/// Sends as somebody new.
fn send(path: &Path, ticket: &Ticket, who: u8) -> Result<(), Error> {
    let mut options = with(ticket, job(Work::Read(vec![path.into()])), 1);
    options.identity = Some(StaticKey::new([who; 32]));
    finished(&dial(options).unwrap())
}

#[test]
fn what_others_plant_beside_a_ledger_is_neither_followed_nor_written_to() {
    let home = tempdir().unwrap();
    let (ledger, mine) = (home.path().join("ledger"), home.path().join("mine"));
    write(&home.path().join("file"), 1, 10);
    fs::write(&mine, "mine").unwrap();
    symlink(&mine, home.path().join("ledger.new")).unwrap();
    let listener = listen_with(&ledger, &home.path().join("inbox"), None).unwrap();
    send(&home.path().join("file"), &listener.ticket(), 1).unwrap();
    close(&listener, false);
    assert!(fs::read_to_string(&ledger).unwrap().contains("\nused-by "));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");

    fs::remove_file(home.path().join("ledger.lock")).unwrap();
    symlink(home.path().join("made"), home.path().join("ledger.lock")).unwrap();
    assert!(matches!(listen_with(&ledger, &home.path().join("inbox"), None), Err(Error::Disk { .. })));
    assert!(!home.path().join("made").exists());
}

#[test]
fn a_ledger_has_one_listener_at_a_time_and_a_second_one_undoes_nothing() {
    let home = tempdir().unwrap();
    let ledger = home.path().join("ledger");
    let file = home.path().join("file");
    write(&file, 1, 10);
    let first = listen_with(&ledger, &home.path().join("one"), None).unwrap();
    let ticket = first.ticket();
    send(&file, &ticket, 1).unwrap();
    let second = listen_with(&ledger, &home.path().join("two"), Some(&ticket));
    let said = second.err().unwrap().to_string();
    assert!(
        said.starts_with("cannot use the ledger") && said.contains("another listener keeps it"),
        "{said}"
    );
    close(&first, false);
    // Closed, it keeps the ledger no more, and writes nothing to it.
    let third = listen_with(&ledger, &home.path().join("two"), Some(&ticket)).unwrap();
    assert!(first.revoke().is_err());
    assert!(matches!(send(&file, &third.ticket(), 2), Err(Error::Authentication)));
    send(&file, &third.ticket(), 1).unwrap();
    close(&third, false);
}
