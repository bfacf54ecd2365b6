//! A transfer while thousands knock. In a process of its own, whose memory is looked at.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::thread;

use hawser_protocol::opening::PREAMBLE;
use support::dialler::connect_from;
use support::{MIB, close, finished, receive, send, until};
use tempfile::tempdir;

const KNOCKS: usize = 2000;

/// Memory that the process has taken.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// Connects from an address of its own, and says this.
fn knock(from: Ipv4Addr, port: u16, words: &[u8]) -> TcpStream {
    let mut stream = connect_from(from, port).unwrap();
    // Whoever is turned away may be so before.
    let _ = stream.write_all(words);
    stream
}

#[test]
fn a_transfer_ends_well_while_thousands_knock_and_memory_does_not_grow_with_them() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    std::fs::File::create(&path).unwrap().set_len(512 * MIB as u64).unwrap();
    let listener = receive(to.path());
    let sent = send(&[path], &listener.ticket(), 4);
    until("it runs", || sent.progress().bytes_done > 0);
    let before = resident();
    let first = [&PREAMBLE[..], &[1], &[7; 64]].concat();
    let noise = support::bytes(1, 100_000);
    thread::scope(|scope| {
        for (last, words) in [(2, &b""[..]), (3, &first[..]), (4, &noise[..]), (5, &PREAMBLE[..])] {
            let port = listener.port();
            scope.spawn(move || {
                // The latest hundred stay.
                let mut open = std::collections::VecDeque::new();
                for _ in 0..KNOCKS {
                    open.push_front(knock(Ipv4Addr::new(127, 0, 0, last), port, words));
                    open.truncate(100);
                }
            });
        }
    });
    let grown = resident().saturating_sub(before);
    finished(&sent).unwrap();
    assert!(grown < 64 * MIB, "{grown} bytes");
    close(&listener, false);
}
