//! All places of those who have proven nothing are taken: who gets in all the same, and who makes way.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use hawser_engine::{StaticKey, Ticket};
use hawser_protocol::handshake::{Credential, Initiator, InitiatorEntropy, Role, SECOND_LENGTH};
use hawser_protocol::opening::{BUSY, Opening, PREAMBLE};
use support::dialler::{connect_from, random, rest};
use support::{MIB, close, delivered, finished, receive, send, write};
use tempfile::tempdir;

/// Places of one source, and of all.
const OF_ONE: usize = 16;
const OF_ALL: usize = 256;

/// Silent ones, in turn from each of so many addresses.
fn silent(count: usize, addresses: u8, port: u16) -> Vec<TcpStream> {
    let source = |number: usize| Ipv4Addr::new(127, 0, 2, 1 + (number % usize::from(addresses)) as u8);
    (0..count).map(|number| connect_from(source(number), port).unwrap()).collect()
}

/// What somebody is told who comes from this address and opens a session.
fn told(from: Ipv4Addr, port: u16) -> [u8; 8] {
    let mut stream = connect_from(from, port).unwrap();
    stream.write_all(&Opening::Session.encode()).unwrap();
    let mut word = [0; 8];
    stream.read_exact(&mut word).unwrap();
    word
}

#[test]
fn silent_ones_from_a_few_addresses_keep_nobody_else_out() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, MIB);
    let listener = receive(to.path());
    let mut held = silent(OF_ALL, 16, listener.port());
    assert_eq!(told(Ipv4Addr::new(127, 0, 2, 1), listener.port()), BUSY, "one of those who have many");
    assert_eq!(told(Ipv4Addr::new(127, 0, 3, 1), listener.port()), PREAMBLE);
    assert_eq!(rest(held.remove(0)), BUSY, "the oldest has made way");
    // As they would: each comes again at once.
    held.extend(silent(OF_ALL, 16, listener.port()));
    finished(&send(&[from.path().join("file")], &listener.ticket(), 4)).unwrap();
    drop(held);
    close(&listener, false);
    assert_eq!(delivered(to.path()), ["file"]);
}

/// Goes as far as message 2, from this address.
fn greet(from: Ipv4Addr, ticket: &Ticket) -> TcpStream {
    let entropy = InitiatorEntropy { ephemeral: random(), random: random(), kem: random() };
    let credential = Credential::Ticket(ticket.secret().clone());
    let key = StaticKey::new([7; 32]);
    let (first, _) = Initiator::start(&key, ticket.key(), &credential, Role::Source, entropy).unwrap();
    let mut stream = connect_from(from, ticket.port()).unwrap();
    stream.write_all(&[Opening::Session.encode().as_slice(), &first].concat()).unwrap();
    let mut answer = [0; 8 + SECOND_LENGTH];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer.starts_with(&PREAMBLE));
    stream
}

#[test]
fn whoever_makes_way_in_the_middle_of_the_handshake_is_told_to_come_again() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let many = Ipv4Addr::new(127, 0, 4, 1);
    let mut greeted: Vec<_> = (0..OF_ONE).map(|_| greet(many, &listener.ticket())).collect();
    let held = silent(OF_ALL - OF_ONE, 240, listener.port());
    assert_eq!(told(Ipv4Addr::new(127, 0, 3, 1), listener.port()), PREAMBLE);
    // In place of ACCEPT.
    assert_eq!(rest(greeted.remove(0)), BUSY);
    drop((greeted, held));
    close(&listener, false);
}
