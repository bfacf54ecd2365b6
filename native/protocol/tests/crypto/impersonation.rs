//! Posing as somebody whose public key is known, with a good ticket, or with the listener's own key.

use hawser_protocol::handshake::*;
use hawser_protocol::identity::{PublicKey, StaticKey};
use snow::Builder;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use crate::meeting::*;

/// X25519, of which the key `private` says it is somebody else's.
struct Posing {
    inner: Box<dyn Dh>,
    private: [u8; 32],
    as_whom: [u8; 32],
}

const MINE: [u8; 32] = [0x12; 32];

impl Dh for Posing {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn pub_len(&self) -> usize {
        self.inner.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.inner.priv_len()
    }

    fn set(&mut self, private: &[u8]) {
        self.inner.set(private);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.inner.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        if self.inner.privkey() == self.private { &self.as_whom } else { self.inner.pubkey() }
    }

    fn privkey(&self) -> &[u8] {
        self.inner.privkey()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        self.inner.dh(public, out)
    }
}

/// Nothing here depends on randomness.
struct Fixed;

impl Random for Fixed {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        dest.copy_from_slice(&DIALLER_EPHEMERAL);
        Ok(())
    }
}

/// The private key, and whose public one goes with it.
struct Resolver([u8; 32], [u8; 32]);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Fixed))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Posing {
            inner: DefaultResolver.resolve_dh(choice)?,
            private: self.0,
            as_whom: self.1,
        }))
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

/// What a listener says to a dialler that says it is `whom`, has this private key, and the psk.
fn verdict(
    private: [u8; 32],
    whom: PublicKey,
    psk: &[u8; 32],
    claim: [u8; 16],
) -> Result<PublicKey, HandshakeError> {
    let pattern = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s".parse().unwrap();
    let resolver = FallbackResolver::new(Box::new(Resolver(private, whom.0)), Box::new(DefaultResolver));
    let prologue = [hawser_protocol::opening::PREAMBLE; 2].concat();
    let mut dialler = Builder::with_resolver(pattern, Box::new(resolver))
        .prologue(&prologue)
        .and_then(|builder| builder.psk(3, psk))
        .and_then(|builder| builder.local_private_key(&private))
        .unwrap()
        .remote_public_key(&listener_key().public().0)
        .and_then(Builder::build_initiator)
        .unwrap();
    let mut first = [0; FIRST_LENGTH];
    dialler.write_message(&claim, &mut first).unwrap();
    let (_, listener) = responder().read_first(&first).unwrap();
    let (second, listener) = listener.answer(Some(psk)).unwrap();
    dialler.read_message(&second, &mut [0; SECOND_LENGTH]).unwrap();
    let mut third = [0; THIRD_LENGTH];
    let payload = [&DIALLER_RANDOM[..], &[1], &[0; 1184]].concat();
    dialler.write_message(&payload, &mut third).unwrap();
    listener.read_third(&third).map(|applicant| applicant.peer())
}

#[test]
fn nobody_poses_as_a_known_peer_with_its_public_key_and_a_good_ticket() {
    let alice = dialler_key().public();
    let (psk, id) = (*secret().psk(), secret().id().0);
    assert_eq!(verdict(MINE, alice, &psk, id), Err(HandshakeError::Rejected));
    assert_eq!(verdict(MINE, alice, &[0; 32], [0; 16]), Err(HandshakeError::Rejected));
    // Under its own name, whoever does the same gets as far as being asked about.
    let own = StaticKey::new(MINE).public();
    assert_eq!(verdict(MINE, own, &psk, id), Ok(own));
}

/// Key compromise impersonation: what makes message 3 takes the peer's own key and the listener's ephemeral one.
#[test]
fn nobody_poses_as_a_known_peer_with_the_stolen_key_of_the_listener() {
    let alice = dialler_key().public();
    let (psk, id) = (*secret().psk(), secret().id().0);
    assert_eq!(verdict(LISTENER_KEY, alice, &psk, id), Err(HandshakeError::Rejected));
    assert_eq!(verdict(LISTENER_KEY, alice, &[0; 32], [0; 16]), Err(HandshakeError::Rejected));
}
