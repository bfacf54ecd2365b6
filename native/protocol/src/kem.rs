//! ML-KEM-768 (FIPS 203), the part of the session secret that a quantum computer does not open.
//! docs/protocol.md, "Opening and handshake".

use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768};
use zeroize::Zeroizing;

/// Length of an encapsulation key, in bytes.
pub(crate) const KEY_LENGTH: usize = 1184;

/// Length of a ciphertext, in bytes.
pub(crate) const CIPHERTEXT_LENGTH: usize = 1088;

/// A key pair for one handshake. Wiped from memory when dropped.
pub(crate) struct KeyPair(DecapsulationKey768);

impl KeyPair {
    /// From the 64 random bytes `d ‖ z`.
    pub(crate) fn new(random: &[u8; 64]) -> Self {
        Self(DecapsulationKey768::from_seed((*random).into()))
    }

    /// The half that whoever encapsulates needs.
    pub(crate) fn public(&self) -> [u8; KEY_LENGTH] {
        self.0.encapsulation_key().to_bytes().into()
    }

    /// The secret in a ciphertext. One that was not made for this key gives a secret that nobody else has
    /// (implicit rejection).
    pub(crate) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LENGTH]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.decapsulate(ciphertext.into()).into())
    }
}

/// A fresh secret and the ciphertext that carries it to the holder of `key`, from 32 random bytes. `None` when
/// `key` is not one: FIPS 203, section 7.2, has its coefficients checked.
pub(crate) fn encapsulate(
    key: &[u8; KEY_LENGTH],
    random: &[u8; 32],
) -> Option<([u8; CIPHERTEXT_LENGTH], Zeroizing<[u8; 32]>)> {
    let key = EncapsulationKey768::new(key.into()).ok()?;
    let (ciphertext, secret) = key.encapsulate_deterministic(random.into());
    Some((ciphertext.into(), Zeroizing::new(secret.into())))
}
