//! Whether the time that a refusal takes says why.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hawser_engine::{Code, ListenOptions, Listener, PublicKey, StaticKey, TicketLimits, Work, listen};
use hawser_protocol::handshake::{
    CodeEntropy, CodeInitiator, Credential, InitiatorEntropy, Role, SHARE_LENGTH,
};
use hawser_protocol::opening::Opening;
use hawser_protocol::ticket::TicketSecret;
use support::dialler::{greet, knock, open, random, rest};
use support::{close, job, local, receive, until};
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
    are_alike(&[&unknown, &revoked, &wrong]);
    close(&listener, false);
}

#[test]
fn a_ticket_that_is_used_up_or_has_expired_takes_as_long_to_be_refused_as_an_unknown_one() {
    let home = tempdir().unwrap();
    let limited = |name: &str, ticket_limits| {
        let ledger = Some(home.path().join(name).with_extension("ledger"));
        let job = job(Work::Write(home.path().join(name)));
        listen(ListenOptions { ticket_limits, ledger, ..local(job) }).unwrap()
    };
    let first = StaticKey::new([8; 32]);
    let once = limited("once", TicketLimits { uses: Some(1), ..TicketLimits::default() });
    drop(open(&once.ticket(), &first).unwrap());
    let over = limited("over", TicketLimits { lifetime: Some(Duration::ZERO), ..TicketLimits::default() });
    for listener in [&once, &over] {
        let (port, key) = (listener.port(), listener.ticket().key());
        let right = listener.ticket().secret().clone();
        let who = StaticKey::new([7; 32]);
        let unknown = || refusal(port, key, &TicketSecret::new(random()), &who);
        let refused = || refusal(port, key, &right, &who);
        are_alike(&[&unknown, &refused]);
    }
    close(&once, true);
    close(&over, true);
}

/// From a guess's proof to the end of it, without what comes before: whoever waits for that need not send the rest at
/// once. `None` when it was judged, and was right.
fn guess(port: u16, code: &Code) -> Option<Duration> {
    let (first, guess) = CodeInitiator::start(code, CodeEntropy { scalar: random(), run: random() });
    let mut stream = knock(port, &[Opening::Code.encode().as_slice(), &first].concat());
    let mut share = [0; SHARE_LENGTH];
    stream.read_exact(&mut share).unwrap();
    let entropy = InitiatorEntropy { ephemeral: random(), random: random(), kem: random() };
    let (proof, _) = guess.read_share(&share, &StaticKey::new([7; 32]), Role::Source, entropy).unwrap();
    let begun = Instant::now();
    stream.write_all(&proof).unwrap();
    let mut answer = [0];
    let refused = stream.read(&mut answer).map_or(true, |length| length == 0);
    refused.then(|| begun.elapsed())
}

#[test]
fn a_right_code_among_too_many_guesses_takes_as_long_to_be_refused_as_a_wrong_one() {
    let to = tempdir().unwrap();
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { codes: true, ..options }).unwrap();
    // Whichever it is: three wrong guesses that were judged end each.
    let shown = Arc::new(Mutex::new(None));
    show(listener.clone(), shown.clone());
    let port = listener.port();
    let wrong_code: Code = "zoo-zoo-zoo".parse().unwrap();
    let wrong = || guess(port, &wrong_code).unwrap();
    // One in ten seconds is judged even then.
    let right = || {
        let again = || guess(port, &shown.lock().unwrap().clone().unwrap());
        std::iter::repeat_with(again).flatten().next().unwrap()
    };
    (0..GUESSES_AT_ONCE).for_each(|_| {
        wrong();
    });
    until("a code is shown", || shown.lock().unwrap().is_some());
    are_alike(&[&wrong, &right]);
    close(&listener, false);
}

/// Guesses that are judged after a pause, from all sources together.
const GUESSES_AT_ONCE: usize = 60;

/// Keeps the code that is shown.
fn show(listener: Listener, shown: Arc<Mutex<Option<Code>>>) {
    let (sender, codes) = channel();
    thread::spawn(move || {
        loop {
            let sender = sender.clone();
            listener.on_code(move |code| sender.send(code).unwrap());
            let Some(code) = codes.recv().unwrap() else { return };
            *shown.lock().unwrap() = Some(code.code);
        }
    });
}

fn are_alike(kinds: &[&dyn Fn() -> Duration]) {
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        seen.push(distinguishable(SAMPLES * 4_usize.pow(round), kinds));
        if *seen.last().unwrap() <= BOUND {
            break;
        }
    }
    assert!(*seen.last().unwrap() <= BOUND, "told apart with {seen:?}");
}

#[test]
fn a_difference_of_a_millisecond_would_be_seen() {
    let plain = || Duration::from_micros(700 + u64::from(random::<1>()[0]));
    let slower = || plain() + Duration::from_millis(1);
    assert!(distinguishable(SAMPLES, &[&plain, &slower]) > BOUND);
    assert!(distinguishable(4 * SAMPLES, &[&plain, &plain]) <= BOUND);
}
