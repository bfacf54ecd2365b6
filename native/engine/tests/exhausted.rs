//! A process that has no descriptor left. In a process of its own, for that concerns all of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use hawser_protocol::opening::BUSY;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use support::{PATIENCE, close, finished, receive, send, shout, write};
use tempfile::tempdir;

#[test]
fn whoever_comes_when_there_is_no_descriptor_left_is_told_so_and_served_when_there_is() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, 100_000);
    let listener = receive(to.path());
    // When it has answered once, the listener is at its work, and nothing else is being opened or closed.
    shout(listener.port(), b"");
    let newcomers: Vec<_> = (0..20).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) }).unwrap();
    let taken: Vec<_> = (0..).map_while(|_| File::open("/dev/null").ok()).collect();
    assert!(taken.len() < 64);

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.port()));
    for newcomer in newcomers {
        newcomer.connect(&address.into()).unwrap();
        let mut newcomer = TcpStream::from(newcomer);
        newcomer.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        newcomer.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, BUSY);
        // What it had is not for others: it is as if it had never been there.
        std::mem::forget(newcomer);
    }
    drop(taken);
    finished(&send(&[from.path().join("file")], &listener.ticket(), 1)).unwrap();
    close(&listener, false);
}
