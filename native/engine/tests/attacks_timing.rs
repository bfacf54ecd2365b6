//! Whether the time that a refusal takes says why.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use hawser_engine::{Listener, PublicKey, StaticKey};
use hawser_protocol::handshake::Credential;
use hawser_protocol::ticket::TicketSecret;
use support::dialler::{greet, random, rest};
use support::{close, receive};
use tempfile::tempdir;

/// How often each is tried in the first round. Another round has four times as many.
const SAMPLES: usize = 250;
const ROUNDS: u32 = 3;

/// How far from one half the probability may be that one kind of refusal takes longer than another: of 250 each,
/// chance alone makes it differ by 0.026 (standard deviation), and a millisecond makes it 0.5.
const BOUND: f64 = 0.12;

/// From message 1 to the end of it, which is all that somebody outside can see.
fn refusal(port: u16, key: PublicKey, secret: &TicketSecret, who: &StaticKey) -> Duration {
    let begun = Instant::now();
    let credential = Credential::Ticket(secret.clone());
    let (mut stream, third, _) = greet(port, key, &credential, who).unwrap();
    stream.write_all(&third).unwrap();
    assert_eq!(rest(stream), b"");
    begun.elapsed()
}

/// The probability that one of `a` is longer than one of `b`: one half where nothing tells them apart.
fn longer(a: &[Duration], b: &[Duration]) -> f64 {
    let wins = a.iter().map(|a| {
        b.iter().filter(|b| *b < a).count() as f64 + b.iter().filter(|b| *b == a).count() as f64 / 2.0
    });
    wins.sum::<f64>() / (a.len() * b.len()) as f64
}

fn worst(samples: &[Vec<Duration>]) -> f64 {
    let pairs = (0..samples.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    pairs.map(|(a, b)| (longer(&samples[a], &samples[b]) - 0.5).abs()).fold(0.0, f64::max)
}

/// Tries each kind in turn, so that whatever else the machine does falls on all of them alike.
fn distinguishable(count: usize, kinds: &[&dyn Fn() -> Duration]) -> f64 {
    let mut samples = vec![Vec::new(); kinds.len()];
    for round in 0..count {
        for turn in 0..kinds.len() {
            let kind = (round + turn) % kinds.len();
            samples[kind].push(kinds[kind]());
        }
    }
    worst(&samples)
}

#[test]
fn an_unknown_a_revoked_and_a_wrong_ticket_take_the_same_time_to_be_refused() {
    let to = tempdir().unwrap();
    let listener: Listener = receive(to.path());
    let (port, key) = (listener.port(), listener.ticket().key());
    let revoked = listener.ticket().secret().clone();
    listener.revoke().unwrap();
    let right = listener.ticket().secret().clone();
    let who = StaticKey::new([7; 32]);
    let unknown = || refusal(port, key, &TicketSecret::new(random()), &who);
    let revoked = || refusal(port, key, &revoked, &who);
    // The id of the ticket that is good, and another key: what a wrong secret with a known id would be.
    let wrong = || {
        let begun = Instant::now();
        let credential = Credential::Ticket(right.clone());
        let (mut stream, mut third, _) = greet(port, key, &credential, &who).unwrap();
        *third.last_mut().unwrap() ^= 1;
        stream.write_all(&third).unwrap();
        assert_eq!(rest(stream), b"");
        begun.elapsed()
    };
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        seen.push(distinguishable(SAMPLES * 4_usize.pow(round), &[&unknown, &revoked, &wrong]));
        if *seen.last().unwrap() <= BOUND {
            break;
        }
    }
    assert!(*seen.last().unwrap() <= BOUND, "told apart with {seen:?}");
    close(&listener, false);
}

#[test]
fn a_difference_of_a_millisecond_would_be_seen() {
    let plain = || Duration::from_micros(700 + u64::from(random::<1>()[0]));
    let slower = || plain() + Duration::from_millis(1);
    assert!(distinguishable(SAMPLES, &[&plain, &slower]) > BOUND);
    assert!(distinguishable(4 * SAMPLES, &[&plain, &plain]) <= BOUND);
}
