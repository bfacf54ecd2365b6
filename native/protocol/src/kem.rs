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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;

    /// NIST's own, from ACVP (vector set 42, FIPS203), as many of each kind as docs/vectors has.
    fn published(kind: &str) -> Vec<Value> {
        let text = include_str!("../../../docs/vectors/ml-kem-768.json");
        let all: Value = serde_json::from_str(text).unwrap();
        let cases = all[kind].as_array().unwrap().clone();
        assert!(!cases.is_empty());
        cases
    }

    fn bytes<const N: usize>(value: &Value) -> [u8; N] {
        HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_published_key_comes_of_the_published_seed() {
        for case in published("keyGen") {
            let seed = [bytes::<32>(&case["d"]), bytes(&case["z"])].concat();
            assert_eq!(KeyPair::new(&seed.try_into().unwrap()).public(), bytes(&case["ek"]));
        }
    }

    #[test]
    fn the_published_ciphertext_and_secret_come_of_the_published_key() {
        for case in published("encapsulation") {
            let (ciphertext, secret) = encapsulate(&bytes(&case["ek"]), &bytes(&case["m"])).unwrap();
            assert_eq!((ciphertext, *secret), (bytes(&case["c"]), bytes(&case["k"])));
        }
    }

    /// Half of them were changed: their secret is the one of implicit rejection.
    #[test]
    #[allow(deprecated, reason = "the vectors have keys in the long form")]
    fn the_published_secret_comes_of_a_ciphertext_whether_it_was_changed_or_not() {
        let cases = published("decapsulation");
        assert!(cases.iter().any(|case| case["reason"] == "modify ciphertext"));
        for case in cases {
            let key = DecapsulationKey768::from_expanded(&bytes::<2400>(&case["dk"]).into()).unwrap();
            assert_eq!(*KeyPair(key).decapsulate(&bytes(&case["c"])), bytes(&case["k"]));
        }
    }

    #[test]
    fn a_key_with_a_coefficient_that_is_too_large_is_none() {
        let mut key: [u8; KEY_LENGTH] = bytes(&published("encapsulation")[0]["ek"]);
        assert!(encapsulate(&key, &[7; 32]).is_some());
        // 3329 is the first that is not one.
        [key[0], key[1]] = [0x01, 0x0d | key[1] & 0xf0];
        assert!(encapsulate(&key, &[7; 32]).is_none());
    }
}
