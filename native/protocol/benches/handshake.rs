//! What meeting costs either side, and how much of that is ML-KEM: `cargo bench -p hawser-protocol --bench
//! handshake`.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use divan::Bencher;
use hawser_protocol::handshake::Role;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/crypto/meeting.rs"]
mod meeting;

fn main() {
    divan::main();
}

/// From the ticket to the session's secret, with the answers of a listener that says always the same.
#[divan::bench]
fn dialler(bencher: Bencher) {
    let met = meeting::meet(Role::Source);
    bencher.bench_local(|| {
        let (_, initiator) = meeting::start(Role::Source);
        let (_, initiator) = initiator.read_second(&met.second).unwrap();
        initiator.read_accept(&met.accept).unwrap().session
    });
}

#[divan::bench]
fn listener(bencher: Bencher) {
    let met = meeting::meet(Role::Source);
    bencher.bench_local(|| {
        let (_, responder) = meeting::responder().read_first(&met.first).unwrap();
        let (_, responder) = responder.answer(Some(&meeting::secret().psk())).unwrap();
        responder.read_third(&met.third).unwrap().accept().unwrap().0
    });
}

/// Up to where a listener knows whether a stranger knows anything: what it can be made to spend.
#[divan::bench]
fn listener_up_to_message_2(bencher: Bencher) {
    let met = meeting::meet(Role::Source);
    bencher.bench_local(|| {
        let (_, responder) = meeting::responder().read_first(&met.first).unwrap();
        responder.answer(Some(&meeting::secret().psk())).unwrap().0
    });
}
