//! Who gets in, who does not, and what either is told.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use hawser_engine::{Error, Host, Permits, Ticket, Work, dial};
use hawser_protocol::identity::StaticKey;
use hawser_protocol::opening::{BUSY, PREAMBLE};
use hawser_protocol::ticket::TicketSecret;
use support::dialler;
use support::{MIB, close, finished, job, receive, send, serve_on, shout, with, write};
use tempfile::tempdir;

#[test]
fn a_ticket_is_good_for_its_own_direction_only() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let options = with(&listener.ticket(), job(Work::Write(to.path().into())), 1);
    assert!(matches!(dial(options), Err(Error::TicketDirection { pull: false })));
    close(&listener, false);
}

#[test]
fn a_forged_permit_does_not_turn_a_receiver_into_a_source() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    let permits = Permits { push: true, pull: true };
    let (key, secret) = (ticket.key(), ticket.secret().clone());
    let forged = Ticket::new(ticket.addresses().to_vec(), ticket.port(), key, secret, permits).unwrap();
    let work = job(Work::Write(to.path().into()));
    let transfer = dial(with(&forged, work, 1)).unwrap();
    assert!(matches!(finished(&transfer), Err(Error::Authentication)));
    close(&listener, false);
}

#[test]
fn what_does_not_speak_hawser_gets_no_answer_and_disturbs_nobody() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 8 * MIB);
    let listener = receive(to.path());
    // Says nothing, and stays.
    let silent = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    let sent = send(&[path], &listener.ticket(), 2);
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-2.0-x\r\n", &[0xff; 4096], b"HAWSE", b""] {
        assert_eq!(shout(listener.port(), words), b"");
    }
    // Right words, then nonsense: the listener has said that it speaks hawser, and no more.
    let nonsense = [&PREAMBLE[..], &[1], &[7; 4096]].concat();
    assert_eq!(shout(listener.port(), &nonsense), PREAMBLE);
    let unknown_kind = [&PREAMBLE[..], &[4], &[7; 4096]].concat();
    assert_eq!(shout(listener.port(), &unknown_kind), b"");
    let unknown_session = [&PREAMBLE[..], &[2], &[7; 53]].concat();
    assert_eq!(shout(listener.port(), &unknown_session), PREAMBLE);
    finished(&sent).unwrap();
    drop(silent);
    close(&listener, false);
}

/// The ticket of somebody who answers whoever connects with these words.
#[test]
fn whoever_is_one_too_many_is_told_so_and_comes_again() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, MIB);
    let listener = receive(to.path());
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    let strangers: Vec<_> = (0..16).map(|_| connect()).collect();
    let mut answer = Vec::new();
    connect().read_to_end(&mut answer).unwrap();
    assert_eq!(answer, BUSY);
    let sent = send(&[path], &listener.ticket(), 1);
    drop(strangers);
    finished(&sent).unwrap();
    close(&listener, false);
}

fn answering(words: &'static [u8]) -> Ticket {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(words).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let key = StaticKey::new([1; 32]).public();
    let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
    let permits = Permits { push: true, pull: false };
    Ticket::new(vec![host], port, key, TicketSecret::new([2; 16]), permits).unwrap()
}

#[test]
fn a_listener_of_another_version_is_named_and_so_is_ours() {
    let result = finished(&send(&["Cargo.toml".into()], &answering(b"HAWSER\x00\x07"), 1));
    assert!(matches!(result, Err(Error::Version { ours: 1, theirs: 7 })), "{result:?}");
}

#[test]
fn a_dialler_of_another_version_is_told_ours() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    assert_eq!(shout(listener.port(), b"HAWSER\x00\x07\x01"), PREAMBLE);
    close(&listener, false);
}

#[test]
fn only_the_right_ticket_opens_a_session() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    let made_of = |key, secret| {
        Ticket::new(ticket.addresses().to_vec(), ticket.port(), key, secret, ticket.permits()).unwrap()
    };
    let wrong_secret = made_of(ticket.key(), TicketSecret::new([7; 16]));
    let wrong_key = made_of(StaticKey::new([7; 32]).public(), ticket.secret().clone());
    for wrong in [wrong_secret, wrong_key] {
        let result = finished(&send(&[to.path().into()], &wrong, 1));
        assert!(matches!(result, Err(Error::Authentication)), "{result:?}");
    }
    close(&listener, false);
}

#[test]
fn an_impostor_at_one_address_does_not_keep_the_dialler_from_the_next() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, 10);
    let listener = receive(to.path());
    let impostor = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), listener.port())).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = impostor.accept().unwrap();
        let _ = stream.write_all(&[&PREAMBLE[..], &[7; 48]].concat());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let ticket = listener.ticket();
    let hosts = ["127.0.0.2", "127.0.0.1"].map(|host| host.parse().unwrap()).to_vec();
    let (key, secret) = (ticket.key(), ticket.secret().clone());
    let both = Ticket::new(hosts, ticket.port(), key, secret, ticket.permits()).unwrap();
    finished(&send(&[from.path().join("file")], &both, 2)).unwrap();
    close(&listener, false);
}

#[test]
fn a_port_is_free_when_its_listener_is_closed() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let port = listener.port();
    close(&listener, false);
    for _ in 0..100 {
        close(&serve_on(port, Work::Write(to.path().into())), false);
    }
}

#[test]
fn a_refused_connection_is_said_to_be_one() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    close(&listener, false);
    let result = finished(&send(&[to.path().into()], &listener.ticket(), 1));
    assert_eq!(result.unwrap_err().code(), "CONNECTION_REFUSED");
}

#[test]
fn what_is_not_hawser_is_said_not_to_be() {
    let result = finished(&send(&["Cargo.toml".into()], &answering(b"SSH-2.0-OpenSSH_9.2\r\n"), 1));
    assert!(matches!(result, Err(Error::NotHawser { .. })), "{result:?}");
}

#[test]
fn nonsense_of_every_length_and_the_hellos_of_other_protocols_get_no_answer() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let noise = support::bytes(1, MIB);
    for bits in 0..=20 {
        assert_eq!(shout(listener.port(), &noise[..1 << bits]), b"");
    }
    let tls = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &noise[..501]].concat();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let socks = [5, 1, 0];
    for hello in [&tls[..], b"SSH-2.0-OpenSSH_9.9\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", http2, &socks] {
        assert_eq!(shout(listener.port(), hello), b"");
    }
    close(&listener, false);
}

#[test]
fn a_byte_every_now_and_then_does_not_buy_time() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
    // Said to its end at this pace, it would take minutes.
    let opening = [&PREAMBLE[..], &[1], &[7; 64]].concat();
    let mut said = 0;
    for byte in opening {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        said += 1;
        match stream.read(&mut [0; 64]) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            // It may have said its own preamble, or nothing for as long as was waited.
            _ => {}
        }
    }
    assert!(said < PREAMBLE.len() + 1 + 64, "it has been listened to for minutes");
    close(&listener, false);
}

#[test]
fn a_lane_may_join_as_soon_as_its_session_was_accepted() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    for round in 0..50 {
        let opened = dialler::open(&listener.ticket(), &StaticKey::new([7; 32])).unwrap();
        let joined = dialler::join(listener.port(), opened.session, &opened.secret, 1, 0);
        assert!(joined.is_ok(), "round {round}: {joined:?}");
    }
    close(&listener, true);
}
