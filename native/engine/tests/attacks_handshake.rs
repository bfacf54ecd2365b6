//! Attacks on how two peers meet, over real sockets: what is changed, cut, replayed or reflected, and whoever
//! has the wrong key, secret or code.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::ops::Range;
use std::time::Duration;

use hawser_engine::{
    Durability, Error, Job, ListenOptions, Listener, StaticKey, Ticket, TicketLimits, Work, dial, listen,
};
use hawser_protocol::cipher::Side;
use hawser_protocol::handshake::{CODE_LENGTH, Credential, FIRST_LENGTH, SECOND_LENGTH};
use hawser_protocol::opening::Opening;
use hawser_protocol::ticket::TicketSecret;
use support::dialler::{greet, knock, open, random, rest};
use support::tap::{FROM_DIALLER, FROM_LISTENER, Tap, Verdict};
use support::{close, delivered, each, finished, job, local, receive, send, still_serves, trees, with};
use tempfile::{TempDir, tempdir};

/// How many try at a time: fewer than a listener has room for from one source.
const AT_A_TIME: usize = 8;

/// Of those who are hung up on without a word, and come again for some seconds: all, where each has an address of its
/// own.
const HUNG_UP_ON: usize =
    if cfg!(target_os = "linux") { FIRST_FROM_DIALLER + FIRST_FROM_LISTENER } else { 8 };

/// Bytes of the opening and message 1, and of the answer that comes before message 2.
const FIRST_FROM_DIALLER: usize = 9 + FIRST_LENGTH;
const FIRST_FROM_LISTENER: usize = 8;

fn who() -> StaticKey {
    StaticKey::new([7; 32])
}

/// What a dialler may be told when somebody tampers with how it meets its listener.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Authentication | Error::NotHawser { .. } | Error::Version { .. } | Error::HungUp { .. }
    )
}

/// Meddles with every byte of the handshake, from either side, one connection for each.
fn at_every_byte_of_the_handshake(meddle: fn(&[u8], usize) -> Verdict) {
    let (from, to) = trees();
    let listener = receive(to.path());
    let port = listener.port();
    let ticket = listener.ticket();
    let path = [from.path().join("file")];
    let attack = |&(side, at): &(Side, usize)| {
        let tap = Tap::new(port, move |unit| match unit.holds(at).filter(|_| unit.from == side) {
            Some(at) => meddle(&unit.bytes, at),
            None => Verdict::Pass,
        });
        let error = finished(&send(&path, &tap.ticket(&ticket), 1)).unwrap_err();
        assert!(is_refusal(&error), "byte {at} of the {side:?}: {error:?}");
    };
    let bytes_of = |dialler: Range<usize>, listener: Range<usize>| -> Vec<_> {
        dialler.map(|at| (Side::Dialler, at)).chain(listener.map(|at| (Side::Listener, at))).collect()
    };
    each(&bytes_of(0..FIRST_FROM_DIALLER, 0..FIRST_FROM_LISTENER), HUNG_UP_ON, attack);
    let others = bytes_of(FIRST_FROM_DIALLER..FROM_DIALLER, FIRST_FROM_LISTENER..FROM_LISTENER);
    each(&others, AT_A_TIME, attack);
    still_serves(&listener, &from, &to);
}

#[test]
fn a_bit_flipped_in_any_byte_of_the_handshake_opens_no_session() {
    at_every_byte_of_the_handshake(|bytes, at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        Verdict::Instead(flipped)
    });
}

#[test]
fn a_handshake_cut_at_any_byte_opens_no_session() {
    at_every_byte_of_the_handshake(|bytes, at| Verdict::Cut(bytes[..at].to_vec()));
}

#[test]
fn a_changed_version_on_the_wire_opens_no_session_and_is_never_negotiated() {
    let (from, to) = trees();
    let listener = receive(to.path());
    for side in [Side::Dialler, Side::Listener] {
        let tap = Tap::new(listener.port(), move |unit| {
            let mut bytes = unit.bytes.clone();
            if unit.number == 0 && unit.from == side {
                bytes[6..8].copy_from_slice(&[0, 2]);
            }
            Verdict::Instead(bytes)
        });
        let error =
            finished(&send(&[from.path().join("file")], &tap.ticket(&listener.ticket()), 1)).unwrap_err();
        match side {
            Side::Dialler => assert!(is_refusal(&error), "{error:?}"),
            Side::Listener => assert!(matches!(error, Error::Version { ours: 1, theirs: 2 }), "{error:?}"),
        }
    }
    still_serves(&listener, &from, &to);
}

/// What a listener says to whoever proves nothing, and that it then closes.
fn answer_to(
    port: u16,
    key: hawser_engine::PublicKey,
    secret: &TicketSecret,
    who: &StaticKey,
) -> Option<usize> {
    let credential = Credential::Ticket(secret.clone());
    let (mut stream, third, _) = greet(port, key, &credential, who).ok()?;
    stream.write_all(&third).unwrap();
    Some(rest(stream).len())
}

fn limited(to: &TempDir, limits: TicketLimits) -> Listener {
    let options = local(job(Work::Write(to.path().into())));
    listen(ListenOptions { ticket_limits: limits, ..options }).unwrap()
}

#[test]
fn a_wrong_secret_and_an_unknown_expired_used_up_or_revoked_ticket_all_get_the_same_close() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    // An id that is known, with a secret that is not: nobody can make one but who has seen the id.
    let revoked = ticket.secret().clone();
    listener.revoke().unwrap();
    for secret in [TicketSecret::new(random()), revoked] {
        assert_eq!(answer_to(ticket.port(), ticket.key(), &secret, &who()), Some(0));
    }
    still_serves(&listener, &from, &to);

    let to = tempdir().unwrap();
    let once = limited(&to, TicketLimits { uses: Some(1), ..TicketLimits::default() });
    let ticket = once.ticket();
    drop(open(&ticket, &who()).unwrap());
    assert_eq!(answer_to(ticket.port(), ticket.key(), ticket.secret(), &StaticKey::new([8; 32])), Some(0));
    close(&once, true);

    let soon =
        limited(&to, TicketLimits { lifetime: Some(Duration::from_secs(1)), ..TicketLimits::default() });
    let ticket = soon.ticket();
    // Somebody new comes until nobody new is let in.
    let late =
        std::iter::repeat_with(|| StaticKey::new(random())).find(|new| open(&ticket, new).is_err()).unwrap();
    assert_eq!(answer_to(ticket.port(), ticket.key(), ticket.secret(), &late), Some(0));
    close(&soon, true);
}

#[test]
fn who_expects_another_listener_is_not_answered_and_told_what_a_wrong_secret_is_told() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    let other = StaticKey::new([9; 32]).public();
    assert_eq!(answer_to(ticket.port(), other, ticket.secret(), &who()), None);
    let made_of = |key, secret: &TicketSecret| {
        let ticket =
            Ticket::new(ticket.addresses().to_vec(), ticket.port(), key, secret.clone(), ticket.permits());
        let error = finished(&send(&[from.path().join("file")], &ticket.unwrap(), 1)).unwrap_err();
        assert!(matches!(error, Error::Authentication), "{error:?}");
        error.to_string()
    };
    let wrong = made_of(ticket.key(), &TicketSecret::new([9; 16]));
    assert_eq!(made_of(other, ticket.secret()), wrong);
    still_serves(&listener, &from, &to);
}

#[test]
fn a_replayed_message_1_gets_no_further_than_message_2() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    let options = with(&tap.ticket(&listener.ticket()), quick(Work::Read(vec![from.path().join("file")])), 1);
    finished(&dial(options).unwrap()).unwrap();
    fs::remove_file(to.path().join("file")).unwrap();
    let said = tap.heard(0, Side::Dialler);
    // Alone, then with the message 3 that followed it, which was for another answer.
    for replayed in [&said[..1], &said[..2]] {
        let mut stream = knock(listener.port(), &replayed.concat());
        stream.read_exact(&mut [0; SECOND_LENGTH]).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert_eq!(rest(stream), b"");
    }
    still_serves(&listener, &from, &to);
}

#[test]
fn a_whole_recorded_session_replayed_is_refused_at_message_3() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    finished(&send(&[from.path().join("file")], &tap.ticket(&listener.ticket()), 1)).unwrap();
    fs::remove_file(to.path().join("file")).unwrap();
    let said = tap.heard(0, Side::Dialler).concat();
    for _ in 0..10 {
        let answer = support::shout(listener.port(), &said);
        assert!(answer.len() <= 8 + SECOND_LENGTH, "{} bytes", answer.len());
    }
    still_serves(&listener, &from, &to);
}

#[test]
fn a_dialler_that_hears_its_own_words_back_gives_up() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let tap = Tap::new(listener.port(), |unit| match unit.from {
        Side::Dialler => Verdict::Back(unit.bytes.clone()),
        Side::Listener => Verdict::Instead(Vec::new()),
    });
    let error = finished(&send(&[from.path().join("file")], &tap.ticket(&listener.ticket()), 1)).unwrap_err();
    assert!(is_refusal(&error), "{error:?}");
    still_serves(&listener, &from, &to);
}

#[test]
fn points_of_low_order_in_message_1_are_not_answered() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let p = |low: u8, high: u8| [[low].as_slice(), &[0xff; 30], &[high]].concat();
    let order_8 = |hex: &str| -> Vec<u8> {
        (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let points = [
        vec![0; 32],
        [&[1], [0; 31].as_slice()].concat(),
        order_8("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        order_8("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        p(0xec, 0x7f),
        p(0xed, 0x7f),
        p(0xee, 0x7f),
    ];
    for point in points {
        let first = [point.as_slice(), &[7; FIRST_LENGTH - 32]].concat();
        let stream = knock(listener.port(), &[Opening::Session.encode().as_slice(), &first].concat());
        assert_eq!(rest(stream), b"");
    }
    // Of a spoken meeting: the neutral element, and what is no point.
    for share in [[0; 32], [0xff; 32], [1; 32]] {
        let first = [random::<16>().as_slice(), &share].concat();
        let stream = knock(listener.port(), &[Opening::Code.encode().as_slice(), &first].concat());
        assert_eq!(rest(stream), b"");
    }
    still_serves(&listener, &from, &to);
}

#[test]
fn no_handshake_uses_randomness_of_another() {
    let (from, to) = trees();
    let listener = receive(to.path());
    let tap = Tap::listening(listener.port());
    let count = 50;
    for _ in 0..count {
        finished(&send(&[from.path().join("file")], &tap.ticket(&listener.ticket()), 1)).unwrap();
    }
    let mut seen = HashSet::new();
    for connection in 0..count {
        let (dialler, listener) =
            (tap.heard(connection, Side::Dialler), tap.heard(connection, Side::Listener));
        seen.insert(dialler[0][9..41].to_vec());
        seen.insert(listener[0][8..40].to_vec());
    }
    assert_eq!(seen.len(), 2 * count);
    close(&listener, false);
    // Nor does what a receiver leaves on its disk have the key that it proves itself with.
    assert_eq!(delivered(to.path()), ["file"]);
}

#[test]
fn a_thousand_messages_of_every_length_up_to_a_handshake_are_closed_on() {
    let (from, to) = trees();
    let listener = receive(to.path());
    each(&(0..1000).collect::<Vec<usize>>(), AT_A_TIME, |&length| {
        let kind = [Opening::Session, Opening::Code, Opening::Join][length % 3].encode();
        let stream =
            knock(listener.port(), &[kind.as_slice(), &vec![length as u8; length + CODE_LENGTH]].concat());
        // It may have hung up already.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = rest(stream);
        assert!(answer.len() <= SECOND_LENGTH, "{} bytes", answer.len());
    });
    still_serves(&listener, &from, &to);
}

/// Without waiting for a disk.
fn quick(work: Work) -> Job {
    Job { durability: Durability::None, ..job(work) }
}
