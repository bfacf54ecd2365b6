use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::{Destination, DialOptions, Durability, Keep, Requests, dial};

fn job(work: Work) -> Job {
    let (durability, requests) = (Durability::default(), Requests::default());
    Job { work, label: String::new(), limit: None, keep: Keep::Failed, durability, requests, offers: None }
}

/// A listener, and a session of it that runs until it is told to end.
fn endless(folder: &Path) -> (Listener, Transfer) {
    let file = folder.join("file");
    std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let listener = listen(ListenOptions {
        bind: vec![Ipv4Addr::LOCALHOST.into()],
        advertise: vec!["127.0.0.1".into()],
        ..ListenOptions::new(job(Work::Write(folder.join("inbox"))))
    })
    .unwrap();
    let work = Job { limit: Some(Limit::new(1_000_000).unwrap()), ..job(Work::Read(vec![file])) };
    let to = Destination::Ticket(listener.ticket());
    let retry = Duration::ZERO;
    dial(DialOptions { job: work, to, lanes: Some(1), identity: None, retry }).unwrap();
    let (sender, receiver) = channel();
    listener.on_next(move |transfer| sender.send(transfer.unwrap()).unwrap());
    let transfer = receiver.recv().unwrap();
    // Its peer may have said who it is before the thread that starts it is done with that.
    while lock(&listener.0.state).sessions.is_empty() {
        std::thread::yield_now();
    }
    (listener, transfer)
}

#[test]
fn only_who_opened_a_session_can_put_another_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, transfer) = endless(folder.path());
    let (id, peer) = {
        let state = lock(&listener.0.state);
        let (id, running) = state.sessions.iter().next().unwrap();
        (*id, running.holder.peer)
    };
    listener.0.supersede(id, StaticKey::new([7; 32]).public());
    listener.0.supersede(SessionId([7; 16]), peer);
    assert!(lock(&listener.0.state).sessions.contains_key(&id));
    let (sender, receiver) = channel();
    transfer.on_finished(move |outcome| sender.send(outcome).unwrap());
    assert!(receiver.try_recv().is_err());

    listener.0.supersede(id, peer);
    assert!(!lock(&listener.0.state).sessions.contains_key(&id));
    assert!(matches!(receiver.recv(), Ok(Err(Error::Superseded))));
    listener.close(Closing::Finish);
}
