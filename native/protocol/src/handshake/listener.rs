//! The side that listens.

use snow::{Builder, HandshakeState};
use zeroize::{Zeroize, Zeroizing};

use super::{
    ACCEPT_LENGTH, ACCEPT_PAYLOAD, Claim, Established, FIRST_LENGTH, HandshakeError, Ingredients,
    KNOWN_CLAIM, PROLOGUE, Role, SECOND_LENGTH, SessionId, THIRD_LENGTH, THIRD_PAYLOAD, builder, read,
    rejected, write,
};
use crate::bytes::concat;
use crate::identity::{PublicKey, StaticKey};
use crate::kem::{KEY_LENGTH, encapsulate};
use crate::noise::{KNOWN_PATTERN, KNOWN_PSK_POSITION};
use crate::ticket::TicketId;
use crate::wire::Reader;

/// The listener's randomness, all from the operating system and for one handshake only. Wiped when dropped.
pub struct ResponderEntropy {
    /// Becomes the ephemeral private key.
    pub ephemeral: [u8; 32],
    /// Goes into the session secret.
    pub random: [u8; 32],
    /// Becomes the session's name.
    pub session: [u8; 16],
    /// Becomes the secret that ML-KEM carries.
    pub kem: [u8; 32],
    /// Takes the place of the pre-shared key when the ticket is not known.
    pub unknown_psk: [u8; 32],
}

impl Drop for ResponderEntropy {
    fn drop(&mut self) {
        self.ephemeral.zeroize();
        self.random.zeroize();
        self.session.zeroize();
        self.kem.zeroize();
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
        let noise = builder(KNOWN_PATTERN, entropy.ephemeral)?
            .prologue(PROLOGUE.as_flattened())
            .and_then(|builder| builder.local_private_key(key.as_bytes()))
            .and_then(Builder::build_responder)
            .map_err(rejected)?;
        Ok(Self { noise, entropy })
    }

    /// Takes message 1, which says what the dialler claims. Anyone who knows the listener's public key can
    /// write one, or replay an old one: nothing is proven yet.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_first(
        mut self,
        first: &[u8; FIRST_LENGTH],
    ) -> Result<(Claim, ResponderAwaitingPsk), HandshakeError> {
        let claim = match read(&mut self.noise, first)? {
            KNOWN_CLAIM => Claim::Known,
            id => Claim::Ticket(TicketId(id)),
        };
        Ok((claim, ResponderAwaitingPsk(self)))
    }
}

/// The listener, between reading a claim and knowing the key that belongs to it.
pub struct ResponderAwaitingPsk(Responder);

impl ResponderAwaitingPsk {
    /// Answers with message 2. The key is that of the ticket, or [`KNOWN_PSK`](super::KNOWN_PSK). Pass `None`
    /// when there is no ticket of that id (any more), or nobody is known: the handshake then goes on with a
    /// key nobody has and fails at message 3, exactly as it does for a wrong secret, so that the dialler
    /// cannot find out which ids exist.
    ///
    /// # Errors
    /// None that a peer could cause.
    pub fn answer(
        self,
        psk: Option<&[u8; 32]>,
    ) -> Result<([u8; SECOND_LENGTH], ResponderAwaitingThird), HandshakeError> {
        let Responder { mut noise, entropy } = self.0;
        let psk = psk.unwrap_or(&entropy.unknown_psk);
        noise.set_psk(KNOWN_PSK_POSITION.into(), psk).map_err(rejected)?;
        let second = write(&mut noise, &[])?;
        Ok((second, ResponderAwaitingThird { noise, entropy }))
    }
}

/// The listener, waiting for message 3.
pub struct ResponderAwaitingThird {
    pub(super) noise: HandshakeState,
    pub(super) entropy: ResponderEntropy,
}

impl ResponderAwaitingThird {
    /// Takes message 3, which proves the dialler's identity and that it holds the ticket.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`]; [`HandshakeError::Malformed`] for a role that does not exist.
    pub fn read_third(self, third: &[u8; THIRD_LENGTH]) -> Result<Applicant, HandshakeError> {
        let Self { mut noise, entropy } = self;
        let payload = Zeroizing::new(read::<THIRD_PAYLOAD>(&mut noise, third)?);
        let mut fields = Reader::new(payload.as_slice());
        let dialler_random = Zeroizing::new(fields.array()?);
        let dialler_role = match fields.u8()? {
            1 => Role::Source,
            2 => Role::Sink,
            _ => return Err(HandshakeError::Malformed),
        };
        let kem_key = fields.array()?;
        let peer = noise.get_remote_static().ok_or(HandshakeError::Rejected)?;
        let peer = PublicKey(Reader::new(peer).array()?);
        Ok(Applicant { noise, entropy, peer, dialler_role, dialler_random, kem_key })
    }
}

/// A dialler that has proven who it is, and waits for the listener's decision. Dropping this refuses it.
pub struct Applicant {
    noise: HandshakeState,
    entropy: ResponderEntropy,
    peer: PublicKey,
    dialler_role: Role,
    dialler_random: Zeroizing<[u8; 32]>,
    kem_key: [u8; KEY_LENGTH],
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
    /// [`HandshakeError::Malformed`] when the dialler's ML-KEM key is not one.
    pub fn accept(self) -> Result<([u8; ACCEPT_LENGTH], Established), HandshakeError> {
        let Self { noise, entropy, peer, dialler_role, dialler_random, kem_key } = self;
        let (ciphertext, kem_secret) =
            encapsulate(&kem_key, &entropy.kem).ok_or(HandshakeError::Malformed)?;
        let handshake_hash = noise.get_handshake_hash().to_vec();
        let payload = concat::<ACCEPT_PAYLOAD>(&[&entropy.random, &entropy.session, &ciphertext]);
        let mut accept = [0; ACCEPT_LENGTH];
        let mut transport = noise.into_transport_mode().map_err(rejected)?;
        transport.write_message(Zeroizing::new(payload).as_slice(), &mut accept).map_err(rejected)?;
        let ingredients = Ingredients {
            handshake_hash: &handshake_hash,
            kem_secret,
            kem_key: &kem_key,
            kem_ciphertext: &ciphertext,
            dialler_random,
            listener_random: Zeroizing::new(entropy.random),
        };
        Ok((accept, Established::new(ingredients, SessionId(entropy.session), peer, dialler_role)))
    }
}
