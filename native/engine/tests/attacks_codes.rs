//! Attacks on spoken codes, over real sockets: guesses, and whoever stands between those who share one.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hawser_engine::{
    Code, ContentHash, Destination, DialOptions, Error, ListenOptions, Listener, StaticKey, Ticket, Transfer,
    Work, dial, listen,
};
use hawser_protocol::cipher::Side;
use hawser_protocol::frame::FrameType;
use hawser_protocol::handshake::{CODE_LENGTH, CodeEntropy, CodeInitiator, CodeResponder, SHARE_LENGTH};
use hawser_protocol::message::{Close, CloseCode, Message, Summary};
use hawser_protocol::opening::{OPENING_LENGTH, Opening, PREAMBLE};
use support::dialler::{Dialled, connect, knock, meet, open, random, rest};
use support::hostile::Hostile;
use support::tap::{Tap, Verdict};
use support::{
    PATIENCE, close, delivered, each, finished, job, local, next, outcome, receive, still_serves, trees, with,
};
use tempfile::{TempDir, tempdir};

/// How many try at a time: fewer than a listener has room for from one source.
const AT_A_TIME: usize = 8;

fn with_code(to: &TempDir) -> (Listener, Code) {
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { codes: true, ..options }).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    listener.on_code(move |code| sender.send(code).unwrap());
    (listener, receiver.recv_timeout(support::PATIENCE).unwrap().unwrap().code)
}

/// Goes as far as the listener's share, with a guess.
fn hear_share(port: u16) -> (TcpStream, [u8; SHARE_LENGTH]) {
    let guess = "zoo-zoo-zoo".parse().unwrap();
    let (first, _) = CodeInitiator::start(&guess, CodeEntropy { scalar: random(), run: random() });
    let mut stream = knock(port, &[Opening::Code.encode().as_slice(), &first].concat());
    let mut share = [0; SHARE_LENGTH];
    stream.read_exact(&mut share).unwrap();
    (stream, share)
}

#[test]
fn a_thousand_aborted_attempts_before_the_proof_leave_the_code_alive() {
    let (from, to) = trees();
    let (listener, code) = with_code(&to);
    each(&[(); 1000], AT_A_TIME, |()| drop(hear_share(listener.port())));
    let to_it =
        Destination::Code { host: "127.0.0.1".parse().unwrap(), port: listener.port(), code, known: None };
    let options = with(&listener.ticket(), job(Work::Read(vec![from.path().join("file")])), 1);
    finished(&dial(DialOptions { to: to_it, ..options }).unwrap()).unwrap();
    close(&listener, false);
    assert_eq!(delivered(to.path()), ["file"]);
}

#[test]
fn a_proof_sent_back_or_made_up_counts_as_a_wrong_one() {
    let (from, to) = trees();
    let (listener, code) = with_code(&to);
    for _ in 0..3 {
        let (mut stream, share) = hear_share(listener.port());
        stream.write_all(&[share.as_slice(), &[7; 16]].concat()).unwrap();
        assert_eq!(rest(stream), b"");
    }
    let to_it =
        Destination::Code { host: "127.0.0.1".parse().unwrap(), port: listener.port(), code, known: None };
    let options = with(&listener.ticket(), job(Work::Read(vec![from.path().join("file")])), 1);
    let error = finished(&dial(DialOptions { to: to_it, ..options }).unwrap()).unwrap_err();
    assert!(matches!(error, Error::WrongCode), "{error:?}");
    still_serves(&listener, &from, &to);
}

#[test]
fn a_dialler_never_tries_a_code_a_second_time_by_itself() {
    let (from, to) = trees();
    let (listener, code) = with_code(&to);
    let tried = std::sync::Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    // Somebody between them who changes the proof: the dialler is told, and its user decides.
    let tap = Tap::new(listener.port(), move |unit| {
        let mut bytes = unit.bytes.clone();
        if unit.from == Side::Dialler && unit.number == 1 {
            count.fetch_add(1, Ordering::Relaxed);
            bytes[40] ^= 1;
        }
        Verdict::Instead(bytes)
    });
    let to_it = Destination::Code { host: "127.0.0.1".parse().unwrap(), port: tap.port(), code, known: None };
    let options = with(&listener.ticket(), job(Work::Read(vec![from.path().join("file")])), 1);
    let options = DialOptions { to: to_it, retry: Duration::MAX, ..options };
    let error = finished(&dial(options).unwrap()).unwrap_err();
    assert!(matches!(error, Error::WrongCode), "{error:?}");
    assert_eq!(tried.load(Ordering::Relaxed), 1);
    still_serves(&listener, &from, &to);
}

#[test]
fn a_listener_that_takes_a_proof_and_says_nothing_is_taken_for_the_wrong_one() {
    // It may be testing a guess, so nobody else is to be asked as if it had not been there.
    let from = trees().0;
    let stalling = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stalling.local_addr().unwrap().port();
    let code: Code = "zoo-zoo-zoo".parse().unwrap();
    let shown = code.clone();
    let silent = thread::spawn(move || {
        let (mut stream, _) = stalling.accept().unwrap();
        let mut first = [0; OPENING_LENGTH + CODE_LENGTH];
        stream.read_exact(&mut first).unwrap();
        let first = first[OPENING_LENGTH..].try_into().unwrap();
        let entropy = CodeEntropy { scalar: random(), run: random() };
        let (share, _) = CodeResponder { code: shown }.answer(&first, entropy).unwrap();
        stream.write_all(&[PREAMBLE.as_slice(), &share].concat()).unwrap();
        rest(stream).len()
    });
    let to_it = Destination::Code { host: "127.0.0.1".parse().unwrap(), port, code, known: None };
    let options =
        with(&receive(trees().1.path()).ticket(), job(Work::Read(vec![from.path().join("file")])), 1);
    let error = finished(&dial(DialOptions { to: to_it, ..options }).unwrap()).unwrap_err();
    assert!(matches!(error, Error::WrongCode), "{error:?}");
    assert!(silent.join().unwrap() > 0, "it had its proof");
}

/// Whether somebody who came by a code may come again, once its session has ended like that.
fn may_come_again(end: impl FnOnce(&mut Hostile, &Transfer)) -> bool {
    let to = tempdir().unwrap();
    let (listener, code) = with_code(&to);
    let who = StaticKey::new([1; 32]);
    let met = meet(connect(listener.port()).unwrap(), &code, &who).unwrap().unwrap();
    let ticket = return_ticket(&listener, &met);
    let mut peer = Hostile::of(met);
    let session = next(&listener);
    let ended = outcome(&session);
    end(&mut peer, &session);
    drop(peer);
    let _ = ended.recv_timeout(PATIENCE).unwrap();
    let is_let_in = open(&ticket, &who).is_ok();
    close(&listener, true);
    is_let_in
}

/// What somebody who came by a code has to come again with.
fn return_ticket(listener: &Listener, met: &Dialled) -> Ticket {
    let (ticket, secret) = (listener.ticket(), met.secret.return_ticket());
    let hosts = ticket.addresses().to_vec();
    Ticket::new(hosts, ticket.port(), ticket.key(), secret, ticket.permits()).unwrap()
}

/// Offers nothing, and hears that it was delivered.
fn deliver_nothing(peer: &mut Hostile) {
    let manifest = ContentHash(*blake3::hash(b"").as_bytes());
    peer.say(&[Message::ManifestEnd(Summary { entries: 0, manifest })]).unwrap();
    peer.hear_of(FrameType::SessionOk).unwrap();
}

fn say_goodbye(peer: &mut Hostile, code: CloseCode) {
    peer.record(&Close { code, text: String::new() }.encode()).unwrap();
    peer.hear_of_end().unwrap();
}

#[test]
fn whoever_came_by_a_code_may_come_again_after_a_loss() {
    assert!(may_come_again(|_, _| {}));
    assert!(may_come_again(|_, session| session.park()));
    assert!(may_come_again(|peer, _| say_goodbye(peer, CloseCode::Away)));
    // It need not have heard that all was delivered.
    assert!(may_come_again(|peer, _| deliver_nothing(peer)));
}

#[test]
fn whoever_came_by_a_code_may_not_come_again_after_an_end() {
    assert!(!may_come_again(|peer, _| {
        deliver_nothing(peer);
        say_goodbye(peer, CloseCode::Done);
    }));
    assert!(!may_come_again(|peer, _| say_goodbye(peer, CloseCode::Cancelled)));
    assert!(!may_come_again(|peer, session| {
        session.cancel();
        peer.hear_of_end().unwrap();
    }));
    assert!(!may_come_again(|peer, _| {
        peer.record(b"no frame").unwrap();
        peer.hear_of_end().unwrap();
    }));
}

#[test]
fn what_a_code_leaves_is_of_use_to_the_same_key_only_and_until_any_session_of_it_has_ended() {
    let to = tempdir().unwrap();
    let (listener, code) = with_code(&to);
    let (who, another) = (StaticKey::new([1; 32]), StaticKey::new([2; 32]));
    let met = meet(connect(listener.port()).unwrap(), &code, &who).unwrap().unwrap();
    let ticket = return_ticket(&listener, &met);
    assert!(open(&ticket, &another).is_err());
    // The listener may not have noticed yet that the first is lost.
    let mut second = Hostile::of(open(&ticket, &who).unwrap());
    let ended = outcome(&next(&listener));
    say_goodbye(&mut second, CloseCode::Cancelled);
    let _ = ended.recv_timeout(PATIENCE).unwrap();
    assert!(open(&ticket, &who).is_err());
    drop(met);
    close(&listener, true);
}
