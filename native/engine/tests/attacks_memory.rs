//! What connections that have proven nothing take of the memory of a listener: each byte that is allocated is counted,
//! so this has a process of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(unsafe_code, reason = "an allocator that counts")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use hawser_engine::{ListenOptions, StaticKey, Work, listen};
use hawser_protocol::handshake::{
    CodeEntropy, CodeInitiator, Credential, Initiator, InitiatorEntropy, Role, SECOND_LENGTH, SHARE_LENGTH,
};
use hawser_protocol::opening::{Opening, PREAMBLE};
use support::dialler::{connect_from, random};
use support::{close, job, local};
use tempfile::tempdir;

/// Of ours, for each: `MAX_STRANGERS` in src/limits.rs says so.
const BYTES_OF_EACH: usize = 6 * 1024;

const COUNT: usize = 256;

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all of it is the system's own doing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A connection from that address that says this and hears so many bytes, however often it has to come again.
fn held_at(from: Ipv4Addr, port: u16, words: &[u8], answered: usize) -> TcpStream {
    loop {
        let mut stream = connect_from(from, port).unwrap();
        stream.write_all(words).unwrap();
        let mut word = [0; 8];
        stream.read_exact(&mut word).unwrap();
        if word == PREAMBLE {
            stream.read_exact(&mut [0; 64][8..answered]).unwrap();
            return stream;
        }
    }
}

#[test]
fn a_connection_that_has_proven_nothing_takes_a_few_kib_however_far_it_goes() {
    let to = tempdir().unwrap();
    let options = local(job(Work::Write(to.path().into())));
    let listener = listen(ListenOptions { codes: true, ..options }).unwrap();
    let ticket = listener.ticket();
    let entropy = InitiatorEntropy { ephemeral: random(), random: random(), kem: random() };
    let credential = Credential::Ticket(ticket.secret().clone());
    let key = StaticKey::new([7; 32]);
    let (first, _) = Initiator::start(&key, ticket.key(), &credential, Role::Source, entropy).unwrap();
    let guess = "zoo-zoo-zoo".parse().unwrap();
    let (share, _) = CodeInitiator::start(&guess, CodeEntropy { scalar: random(), run: random() });
    let session = Opening::Session.encode().to_vec();
    let stages = [
        ("behind the opening", session.clone(), 8),
        ("within message 1", [&session[..], &first[..first.len() - 1]].concat(), 8),
        ("behind message 2", [&session[..], &first].concat(), 8 + SECOND_LENGTH),
        ("behind the share", [&Opening::Code.encode()[..], &share].concat(), 8 + SHARE_LENGTH),
        ("within a join", [&Opening::Join.encode()[..], &[7; 20]].concat(), 8),
    ];
    // The first of each makes what is made once.
    for round in 0..2 {
        for (stage, words, answered) in &stages {
            let before = ALLOCATED.load(Ordering::Relaxed);
            let mut held: Vec<TcpStream> = Vec::with_capacity(COUNT);
            for number in 0..COUNT {
                let from = Ipv4Addr::new(127, 0, 5 + round, 1 + (number % 250) as u8);
                held.push(held_at(from, listener.port(), words, *answered));
            }
            let taken = ALLOCATED.load(Ordering::Relaxed) - before;
            println!("{stage}: {} bytes for each of {COUNT}", taken / COUNT);
            assert!(round == 0 || taken <= COUNT * BYTES_OF_EACH, "{stage}: {taken} bytes for {COUNT}");
            drop(held);
            support::until("they are gone", || {
                // Whoever comes next makes the listener clear away what is left of them.
                support::shout(listener.port(), b"");
                ALLOCATED.load(Ordering::Relaxed) < before + COUNT * BYTES_OF_EACH / 8
            });
        }
    }
    close(&listener, true);
}
