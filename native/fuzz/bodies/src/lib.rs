//! What each fuzz target does with its input: hands it to the code that interprets what a peer or a
//! disk says, and checks what must hold whatever that is. A panic is a finding.
//!
//! cargo-fuzz runs these functions with inputs that it makes up (`npm run fuzz`), the tests of this
//! crate with those in the repository.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a target may stop at the first surprise; its name says what it is about"
)]

mod codecs;
mod disk;
mod handshake;
mod input;
mod lanes;
mod record;
mod sink;
mod source;
mod ticket;

pub use sink::play as sink_finishes;
pub use source::play as source_finishes;

/// A target: what it is called, as are its folder of inputs and its file in `fuzz_targets`, and what
/// it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 14] = [
    ("record", record::record),
    ("frame", codecs::frame),
    ("message", codecs::message),
    ("manifest", codecs::manifest),
    ("ticket", ticket::ticket),
    ("code", ticket::code),
    ("journal", disk::journal),
    ("delivered", disk::delivered),
    ("peers", disk::peers),
    ("ledger", disk::ledger),
    ("handshake", handshake::handshake),
    ("join", handshake::join),
    ("sink", sink::sink),
    ("source", source::source),
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, and with whatever it finds.
pub fn run(name: &str, input: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    body(input);
}
