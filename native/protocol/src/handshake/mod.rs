//! How two peers meet: one Noise handshake, right behind the opening, that ends in a session secret.
//! docs/protocol.md, "Opening and handshake".
//!
//! One type per phase. Each step consumes its phase, so that after an error there is nothing left to retry
//! with: whoever gets a [`HandshakeError`] closes the connection.
//!
//! Private keys, the pre-shared key and the session secret are wiped from our memory when dropped. The copies
//! that snow makes of chaining keys and of the pre-shared key are not: it has no means for that.

mod dialler;
mod listener;
mod spoken;

use core::fmt;

use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use crate::bytes::concat;
use crate::cipher::Lane;
use crate::error::ProtocolError;
use crate::identity::PublicKey;
use crate::kdf;
use crate::kem::{CIPHERTEXT_LENGTH, KEY_LENGTH};
use crate::noise::Resolver;
use crate::opening::PREAMBLE;
use crate::ticket::{TicketId, TicketSecret};

pub use dialler::{Initiator, InitiatorAwaitingAccept, InitiatorEntropy};
pub use listener::{Applicant, Responder, ResponderAwaitingPsk, ResponderAwaitingThird, ResponderEntropy};
pub use spoken::{
    CODE_LENGTH, CodeEntropy, CodeInitiator, CodeInitiatorAwaitingSecond, CodeResponder,
    CodeResponderAwaitingProof, PROOF_LENGTH, SHARE_LENGTH, SPOKEN_SECOND_LENGTH,
};

/// What the dialling side of a session does with files; the listener does the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It reads them.
    Source,
    /// It writes them.
    Sink,
}

/// The name of a session, chosen by the listener at random. Not secret, and worth nothing without the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// What every key of a session comes from. Lives in memory only, wiped when dropped, never printed.
#[derive(Clone)]
pub struct SessionSecret(Zeroizing<[u8; 32]>);

impl SessionSecret {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What lets the dialler of this session open another one after it met the listener by a spoken code,
    /// which is good for once.
    pub fn return_ticket(&self) -> TicketSecret {
        TicketSecret::new(*kdf::expand(&kdf::uniform(&self.0), &[b"hawser return ticket"]))
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(redacted)")
    }
}

/// What a dialler shows at the door.
#[derive(Clone, Debug)]
pub enum Credential {
    /// That it was given a ticket.
    Ticket(TicketSecret),
    /// Nothing but who it is: the listener has its key on a list.
    Known,
}

impl Credential {
    fn claim(&self) -> [u8; 16] {
        match self {
            Self::Ticket(secret) => secret.id().0,
            Self::Known => KNOWN_CLAIM,
        }
    }

    fn psk(&self) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Ticket(secret) => secret.psk(),
            Self::Known => Zeroizing::new(KNOWN_PSK),
        }
    }
}

/// What a dialler claims in message 1; nothing is proven yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// To hold the ticket of that id.
    Ticket(TicketId),
    /// To be known.
    Known,
}

/// Stands where the id of a ticket would, when there is none.
const KNOWN_CLAIM: [u8; 16] = [0; 16];

/// The pre-shared key of a dialler that claims to be known. No secret: its static key decides, after message 3.
pub const KNOWN_PSK: [u8; 32] = [0; 32];

/// What a completed handshake leaves behind, the same on both sides but for [`Self::peer`].
pub struct Established {
    /// What lane keys come from.
    pub secret: SessionSecret,
    /// The name that further lanes join by.
    pub session: SessionId,
    /// Who the other side proved to be.
    pub peer: PublicKey,
    /// What the dialler does with files.
    pub dialler_role: Role,
    /// Lane 0, attempt 0: this connection from here on.
    pub first_lane: Lane,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The other side does not speak hawser at all.
    NotHawser,
    /// The other side is a listener with too many at the door; the same again a little later.
    Busy,
    /// The other side speaks another version of hawser.
    Version {
        /// The version this side speaks.
        ours: u16,
        /// The version the other side speaks.
        theirs: u16,
    },
    /// A wrong key, a wrong or unknown ticket, or bytes changed on the way: not to be told apart.
    Rejected,
    /// The other side broke the rules in a place where it could have kept them.
    Malformed,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(f, "the other side has too much to do at the moment"),
            Self::NotHawser => write!(f, "the other side does not speak hawser"),
            Self::Version { ours, theirs } => {
                write!(f, "this side speaks hawser protocol {ours}, the other side {theirs}")
            }
            Self::Rejected => write!(f, "authentication failed"),
            Self::Malformed => write!(f, "the other side broke the rules of the handshake"),
        }
    }
}

impl core::error::Error for HandshakeError {}

/// A field that does not fit in its message.
impl From<ProtocolError> for HandshakeError {
    fn from(_: ProtocolError) -> Self {
        Self::Malformed
    }
}

// Lengths of the handshake's messages, in bytes: keys of 32, tags of 16, and the payload.

/// Message 1: ephemeral key; ticket id.
pub const FIRST_LENGTH: usize = 32 + 16 + 16;
/// Message 2: ephemeral key; nothing.
pub const SECOND_LENGTH: usize = 32 + 16;
/// Message 3: static key and its tag; random, role and ML-KEM encapsulation key.
pub const THIRD_LENGTH: usize = 32 + 16 + THIRD_PAYLOAD + 16;
const THIRD_PAYLOAD: usize = 32 + 1 + KEY_LENGTH;
/// ACCEPT: random, session id and ML-KEM ciphertext.
pub const ACCEPT_LENGTH: usize = ACCEPT_PAYLOAD + 16;
const ACCEPT_PAYLOAD: usize = 32 + 16 + CIPHERTEXT_LENGTH;

/// What goes into the session secret.
struct Ingredients<'a> {
    /// Of the whole handshake after message 3: not secret, but different each time, and for everybody.
    handshake_hash: &'a [u8],
    /// What ML-KEM agreed on.
    kem_secret: Zeroizing<[u8; 32]>,
    /// What ML-KEM sent for it, in either direction.
    kem_key: &'a [u8; KEY_LENGTH],
    kem_ciphertext: &'a [u8; CIPHERTEXT_LENGTH],
    /// What both sides sent encrypted by then.
    dialler_random: Zeroizing<[u8; 32]>,
    listener_random: Zeroizing<[u8; 32]>,
}

impl Established {
    fn new(ingredients: Ingredients<'_>, session: SessionId, peer: PublicKey, dialler_role: Role) -> Self {
        let Ingredients { handshake_hash, kem_secret, kem_key, kem_ciphertext, .. } = ingredients;
        let (dialler_nonce, listener_nonce) = (ingredients.dialler_random, ingredients.listener_random);
        let input = concat::<96>(&[&*kem_secret, &*dialler_nonce, &*listener_nonce]);
        let prk = kdf::extract(handshake_hash, Zeroizing::new(input).as_slice());
        let secret = SessionSecret(kdf::expand(&prk, &[b"hawser session 1", kem_key, kem_ciphertext]));
        let first_lane = Lane { session, number: 0, attempt: 0, dialler_nonce, listener_nonce };
        Self { secret, session, peer, dialler_role, first_lane }
    }
}

/// Both preambles, dialler's first. They are the same: otherwise there is no handshake.
const PROLOGUE: [[u8; 8]; 2] = [PREAMBLE, PREAMBLE];

fn builder<'a>(pattern: &str, ephemeral: [u8; 32]) -> Result<Builder<'a>, HandshakeError> {
    let pattern = pattern.parse().map_err(rejected)?;
    Ok(Builder::with_resolver(pattern, Resolver::new(ephemeral)))
}

/// Writes a handshake message of exactly `N` bytes, which the payload's length implies.
fn write<const N: usize>(noise: &mut HandshakeState, payload: &[u8]) -> Result<[u8; N], HandshakeError> {
    let mut message = [0; N];
    noise.write_message(payload, &mut message).map_err(rejected)?;
    Ok(message)
}

/// Reads a handshake message whose payload is of exactly `N` bytes, as the message's length implies.
fn read<const N: usize>(noise: &mut HandshakeState, message: &[u8]) -> Result<[u8; N], HandshakeError> {
    let mut payload = [0; N];
    noise.read_message(message, &mut payload).map_err(rejected)?;
    Ok(payload)
}

/// With sizes and phases fixed by types, all that snow can still object to is a key or a tag. Its reasons
/// end here, so that no peer and no log learns them.
fn rejected(_: snow::Error) -> HandshakeError {
    HandshakeError::Rejected
}
