//! The side that dials.

use snow::{Builder, HandshakeState};
use zeroize::{Zeroize, Zeroizing};

use super::{
    ACCEPT_LENGTH, ACCEPT_PAYLOAD, Credential, Established, FIRST_LENGTH, HandshakeError, Ingredients,
    PROLOGUE, Role, SECOND_LENGTH, SessionId, THIRD_LENGTH, THIRD_PAYLOAD, builder, read, rejected, write,
};
use crate::bytes::concat;
use crate::identity::{PublicKey, StaticKey};
use crate::kem::KeyPair;
use crate::noise::{KNOWN_PATTERN, KNOWN_PSK_POSITION};
use crate::wire::Reader;

/// The dialler's randomness, all from the operating system and for one handshake only. Wiped when dropped.
pub struct InitiatorEntropy {
    /// Becomes the ephemeral private key.
    pub ephemeral: [u8; 32],
    /// Goes into the session secret.
    pub random: [u8; 32],
    /// Becomes the ML-KEM key pair.
    pub kem: [u8; 64],
}

impl Drop for InitiatorEntropy {
    fn drop(&mut self) {
        self.ephemeral.zeroize();
        self.random.zeroize();
        self.kem.zeroize();
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
    /// Starts a session with the listener that has the key `listener` and takes the credential. The message
    /// goes right behind [`Opening::Session`](crate::opening::Opening::Session): no need to wait for the
    /// listener's preamble, because only the same one as ours lets the handshake go on.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`] when `listener` is a key of low order.
    pub fn start(
        key: &StaticKey,
        listener: PublicKey,
        credential: &Credential,
        role: Role,
        entropy: InitiatorEntropy,
    ) -> Result<([u8; FIRST_LENGTH], Self), HandshakeError> {
        let psk = credential.psk();
        let mut noise = builder(KNOWN_PATTERN, entropy.ephemeral)?
            .prologue(PROLOGUE.as_flattened())
            .and_then(|builder| builder.local_private_key(key.as_bytes()))
            .and_then(|builder| builder.remote_public_key(&listener.0))
            .and_then(|builder| builder.psk(KNOWN_PSK_POSITION, &psk))
            .and_then(Builder::build_initiator)
            .map_err(rejected)?;
        let first = write(&mut noise, &credential.claim())?;
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
        InitiatorAwaitingAccept::prove(self.noise, self.listener, self.role, self.entropy)
    }
}

/// The dialler, waiting for ACCEPT.
pub struct InitiatorAwaitingAccept {
    noise: HandshakeState,
    listener: PublicKey,
    role: Role,
    random: Zeroizing<[u8; 32]>,
    kem: KeyPair,
}

impl InitiatorAwaitingAccept {
    /// Message 3, of either way to meet.
    pub(super) fn prove(
        mut noise: HandshakeState,
        listener: PublicKey,
        role: Role,
        entropy: InitiatorEntropy,
    ) -> Result<([u8; THIRD_LENGTH], Self), HandshakeError> {
        let kem = KeyPair::new(&entropy.kem);
        let random = Zeroizing::new(entropy.random);
        let role_byte = match role {
            Role::Source => 1,
            Role::Sink => 2,
        };
        let payload = concat::<THIRD_PAYLOAD>(&[random.as_slice(), &[role_byte], &kem.public()]);
        let third = write(&mut noise, Zeroizing::new(payload).as_slice())?;
        Ok((third, Self { noise, listener, role, random, kem }))
    }

    /// Who the listener is: by a ticket whom it names, by a spoken code whoever proved to know it.
    pub fn listener(&self) -> PublicKey {
        self.listener
    }

    /// Takes the listener's ACCEPT, which completes the handshake.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_accept(self, accept: &[u8; ACCEPT_LENGTH]) -> Result<Established, HandshakeError> {
        let Self { noise, listener, role, random, kem } = self;
        let handshake_hash = noise.get_handshake_hash().to_vec();
        let mut transport = noise.into_transport_mode().map_err(rejected)?;
        let mut payload = Zeroizing::new([0; ACCEPT_PAYLOAD]);
        transport.read_message(accept, payload.as_mut_slice()).map_err(rejected)?;
        let mut fields = Reader::new(payload.as_slice());
        let listener_random = Zeroizing::new(fields.array()?);
        let session = SessionId(fields.array()?);
        let ciphertext = fields.array()?;
        let ingredients = Ingredients {
            handshake_hash: &handshake_hash,
            kem_secret: kem.decapsulate(&ciphertext),
            kem_key: &kem.public(),
            kem_ciphertext: &ciphertext,
            dialler_random: random,
            listener_random,
        };
        Ok(Established::new(ingredients, session, listener, role))
    }
}
