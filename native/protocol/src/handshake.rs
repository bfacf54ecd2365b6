//! How two peers meet: one Noise handshake, right behind the opening, that ends in a session secret.
//! docs/protocol.md, "Opening and handshake".
//!
//! One type per phase. Each step consumes its phase, so that after an error there is nothing left to retry
//! with: whoever gets a [`HandshakeError`] closes the connection.
//!
//! Private keys, the pre-shared key and the session secret are wiped from our memory when dropped. The copies
//! that snow makes of chaining keys and of the pre-shared key are not: it has no means for that.

use core::fmt;

use snow::{Builder, HandshakeState};
use zeroize::{Zeroize, Zeroizing};

use crate::bytes::concat;
use crate::cipher::Lane;
use crate::error::ProtocolError;
use crate::identity::{PublicKey, StaticKey};
use crate::kdf;
use crate::noise::{PATTERN, PSK_POSITION, Resolver};
use crate::opening::PREAMBLE;
use crate::ticket::{TicketId, TicketSecret};
use crate::wire::Reader;

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
    /// The handshake hash binds the secret to everything both sides said; it is not secret itself. What is
    /// secret is `input`: the randoms that travelled encrypted, and whatever a later version agrees on besides.
    fn derive(handshake_hash: &[u8], input: &[u8]) -> Self {
        Self(kdf::expand(&kdf::extract(handshake_hash, input), &[b"hawser session 1"]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(redacted)")
    }
}

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
/// Message 3: static key and its tag; random and role.
pub const THIRD_LENGTH: usize = 32 + 16 + 32 + 1 + 16;
/// ACCEPT: random and session id.
pub const ACCEPT_LENGTH: usize = 32 + 16 + 16;

/// The dialler's randomness, all from the operating system and for one handshake only. Wiped when dropped.
pub struct InitiatorEntropy {
    /// Becomes the ephemeral private key.
    pub ephemeral: [u8; 32],
    /// Goes into the session secret.
    pub random: [u8; 32],
}

impl Drop for InitiatorEntropy {
    fn drop(&mut self) {
        self.ephemeral.zeroize();
        self.random.zeroize();
    }
}

/// The dialler, waiting for message 2.
pub struct Initiator {
    noise: HandshakeState,
    listener: PublicKey,
    role: Role,
    entropy: InitiatorEntropy,
}

impl Initiator {
    /// Starts a session with the listener that has the key `listener` and knows the ticket's secret. The
    /// message goes right behind [`Opening::Session`](crate::opening::Opening::Session): no need to wait for the listener's preamble, because
    /// only the same one as ours lets the handshake go on.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`] when `listener` is a key of low order.
    pub fn start(
        key: &StaticKey,
        listener: PublicKey,
        ticket: &TicketSecret,
        role: Role,
        entropy: InitiatorEntropy,
    ) -> Result<([u8; FIRST_LENGTH], Self), HandshakeError> {
        let psk = ticket.psk();
        let mut noise = builder(entropy.ephemeral)?
            .prologue(PROLOGUE.as_flattened())
            .and_then(|builder| builder.local_private_key(key.as_bytes()))
            .and_then(|builder| builder.remote_public_key(&listener.0))
            .and_then(|builder| builder.psk(PSK_POSITION, &psk))
            .and_then(Builder::build_initiator)
            .map_err(rejected)?;
        let first = write(&mut noise, &ticket.id().0)?;
        Ok((first, Self { noise, listener, role, entropy }))
    }

    /// Takes the listener's message 2 and answers with message 3.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_second(
        mut self,
        second: &[u8; SECOND_LENGTH],
    ) -> Result<([u8; THIRD_LENGTH], InitiatorAwaitingAccept), HandshakeError> {
        let [] = read(&mut self.noise, second)?;
        let role = match self.role {
            Role::Source => 1,
            Role::Sink => 2,
        };
        let payload = Zeroizing::new(concat::<33>(&[&self.entropy.random, &[role]]));
        let third = write(&mut self.noise, payload.as_slice())?;
        Ok((third, InitiatorAwaitingAccept(self)))
    }
}

/// The dialler, waiting for ACCEPT.
pub struct InitiatorAwaitingAccept(Initiator);

impl InitiatorAwaitingAccept {
    /// Takes the listener's ACCEPT, which completes the handshake.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_accept(self, accept: &[u8; ACCEPT_LENGTH]) -> Result<Established, HandshakeError> {
        let Initiator { noise, listener, role, entropy } = self.0;
        let handshake_hash = noise.get_handshake_hash().to_vec();
        let mut transport = noise.into_transport_mode().map_err(rejected)?;
        let mut payload = Zeroizing::new([0; ACCEPT_LENGTH - 16]);
        transport.read_message(accept, payload.as_mut_slice()).map_err(rejected)?;
        let mut fields = Reader::new(payload.as_slice());
        let listener_random = Zeroizing::new(fields.array()?);
        let session = SessionId(fields.array()?);
        let dialler_random = Zeroizing::new(entropy.random);
        Ok(Established::new(&handshake_hash, session, listener, role, dialler_random, listener_random))
    }
}

/// The listener's randomness, all from the operating system and for one handshake only. Wiped when dropped.
pub struct ResponderEntropy {
    /// Becomes the ephemeral private key.
    pub ephemeral: [u8; 32],
    /// Goes into the session secret.
    pub random: [u8; 32],
    /// Becomes the session's name.
    pub session: [u8; 16],
    /// Takes the place of the pre-shared key when the ticket is not known.
    pub unknown_psk: [u8; 32],
}

impl Drop for ResponderEntropy {
    fn drop(&mut self) {
        self.ephemeral.zeroize();
        self.random.zeroize();
        self.session.zeroize();
        self.unknown_psk.zeroize();
    }
}

/// The listener, waiting for message 1.
pub struct Responder {
    noise: HandshakeState,
    entropy: ResponderEntropy,
}

impl Responder {
    /// A listener with the identity `key`, ready for one dialler.
    ///
    /// # Errors
    /// None that a peer could cause.
    pub fn new(key: &StaticKey, entropy: ResponderEntropy) -> Result<Self, HandshakeError> {
        let noise = builder(entropy.ephemeral)?
            .prologue(PROLOGUE.as_flattened())
            .and_then(|builder| builder.local_private_key(key.as_bytes()))
            .and_then(Builder::build_responder)
            .map_err(rejected)?;
        Ok(Self { noise, entropy })
    }

    /// Takes message 1, which says what ticket the dialler claims to hold. Anyone who knows the listener's
    /// public key can write one, or replay an old one: nothing is proven yet.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_first(
        mut self,
        first: &[u8; FIRST_LENGTH],
    ) -> Result<(TicketId, ResponderAwaitingPsk), HandshakeError> {
        let id = TicketId(read(&mut self.noise, first)?);
        Ok((id, ResponderAwaitingPsk(self)))
    }
}

/// The listener, between reading a ticket id and knowing the key that belongs to it.
pub struct ResponderAwaitingPsk(Responder);

impl ResponderAwaitingPsk {
    /// Answers with message 2. Pass `None` when there is no ticket of that id (any more): the handshake then
    /// goes on with a key nobody has and fails at message 3, exactly as it does for a wrong secret, so that
    /// the dialler cannot find out which ids exist.
    ///
    /// # Errors
    /// None that a peer could cause.
    pub fn answer(
        self,
        psk: Option<&[u8; 32]>,
    ) -> Result<([u8; SECOND_LENGTH], ResponderAwaitingThird), HandshakeError> {
        let Responder { mut noise, entropy } = self.0;
        let psk = psk.unwrap_or(&entropy.unknown_psk);
        noise.set_psk(PSK_POSITION.into(), psk).map_err(rejected)?;
        let second = write(&mut noise, &[])?;
        Ok((second, ResponderAwaitingThird(Responder { noise, entropy })))
    }
}

/// The listener, waiting for message 3.
pub struct ResponderAwaitingThird(Responder);

impl ResponderAwaitingThird {
    /// Takes message 3, which proves the dialler's identity and that it holds the ticket.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`]; [`HandshakeError::Malformed`] for a role that does not exist.
    pub fn read_third(self, third: &[u8; THIRD_LENGTH]) -> Result<Applicant, HandshakeError> {
        let Responder { mut noise, entropy } = self.0;
        let payload = Zeroizing::new(read::<33>(&mut noise, third)?);
        let [dialler_random @ .., role] = &*payload;
        let dialler_role = match role {
            1 => Role::Source,
            2 => Role::Sink,
            _ => return Err(HandshakeError::Malformed),
        };
        let dialler_random = Zeroizing::new(*dialler_random);
        let peer = noise.get_remote_static().ok_or(HandshakeError::Rejected)?;
        let peer = PublicKey(Reader::new(peer).array()?);
        Ok(Applicant { noise, entropy, peer, dialler_role, dialler_random })
    }
}

/// A dialler that has proven who it is, and waits for the listener's decision. Dropping this refuses it.
pub struct Applicant {
    noise: HandshakeState,
    entropy: ResponderEntropy,
    peer: PublicKey,
    dialler_role: Role,
    dialler_random: Zeroizing<[u8; 32]>,
}

impl Applicant {
    /// Who the dialler is.
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// What it wants to do with files; the ticket says whether it may.
    pub fn dialler_role(&self) -> Role {
        self.dialler_role
    }

    /// Lets the dialler in, with ACCEPT.
    ///
    /// # Errors
    /// None that a peer could cause.
    pub fn accept(self) -> Result<([u8; ACCEPT_LENGTH], Established), HandshakeError> {
        let Self { noise, entropy, peer, dialler_role, dialler_random } = self;
        let handshake_hash = noise.get_handshake_hash().to_vec();
        let payload = Zeroizing::new(concat::<48>(&[&entropy.random, &entropy.session]));
        let mut accept = [0; ACCEPT_LENGTH];
        let mut transport = noise.into_transport_mode().map_err(rejected)?;
        transport.write_message(payload.as_slice(), &mut accept).map_err(rejected)?;
        let session = SessionId(entropy.session);
        let random = Zeroizing::new(entropy.random);
        let established =
            Established::new(&handshake_hash, session, peer, dialler_role, dialler_random, random);
        Ok((accept, established))
    }
}

impl Established {
    fn new(
        handshake_hash: &[u8],
        session: SessionId,
        peer: PublicKey,
        dialler_role: Role,
        dialler_nonce: Zeroizing<[u8; 32]>,
        listener_nonce: Zeroizing<[u8; 32]>,
    ) -> Self {
        let input = Zeroizing::new(concat::<64>(&[dialler_nonce.as_slice(), listener_nonce.as_slice()]));
        let secret = SessionSecret::derive(handshake_hash, input.as_slice());
        let first_lane = Lane { session, number: 0, attempt: 0, dialler_nonce, listener_nonce };
        Self { secret, session, peer, dialler_role, first_lane }
    }
}

/// Both preambles, dialler's first. They are the same: otherwise there is no handshake.
const PROLOGUE: [[u8; 8]; 2] = [PREAMBLE, PREAMBLE];

fn builder<'a>(ephemeral: [u8; 32]) -> Result<Builder<'a>, HandshakeError> {
    let pattern = PATTERN.parse().map_err(rejected)?;
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
