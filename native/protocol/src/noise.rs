//! What the crate snow runs the handshake on: its own cipher and hash, and from us the randomness and a
//! Diffie-Hellman that refuses points of low order, which snow's accepts.

use alloc::boxed::Box;
use core::cell::Cell;

use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

use crate::identity::{PublicKey, StaticKey};

/// The handshake of a dialler that knows the listener's key, by its ticket or from earlier.
pub(crate) const KNOWN_PATTERN: &str = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s";

/// Where in that pattern the pre-shared key goes: the 3 of `psk3`.
pub(crate) const KNOWN_PSK_POSITION: u8 = 3;

/// The handshake behind a spoken code, when neither side knows the other's key.
pub(crate) const SPOKEN_PATTERN: &str = "Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s";

/// Where in that pattern the pre-shared key goes: the 0 of `psk0`.
pub(crate) const SPOKEN_PSK_POSITION: u8 = 0;

/// Primitives for exactly one handshake, whose ephemeral key is the entropy given here.
pub(crate) struct Resolver(Cell<Option<Entropy>>);

impl Resolver {
    pub(crate) fn new(ephemeral: [u8; 32]) -> Box<Self> {
        Box::new(Self(Cell::new(Some(Entropy(Some(Zeroizing::new(ephemeral)))))))
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(self.0.take()?))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519::new([0; 32]))),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives out the caller's 32 random bytes once, then fails: an ephemeral key used twice would be a
/// catastrophe, an error is not.
struct Entropy(Option<Zeroizing<[u8; 32]>>);

impl Random for Entropy {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        let bytes = self.0.take().ok_or(Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(Error::Rng);
        }
        dest.copy_from_slice(bytes.as_slice());
        Ok(())
    }
}

/// One key pair as snow wants to hold it.
struct X25519 {
    private: StaticKey,
    public: PublicKey,
}

impl X25519 {
    fn new(private: [u8; 32]) -> Self {
        let private = StaticKey::new(private);
        let public = private.public();
        Self { private, public }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        *self = Self::new(crate::bytes::concat(&[private]));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut private = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(private.as_mut_slice())?;
        *self = Self::new(*private);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public.0
    }

    fn privkey(&self) -> &[u8] {
        self.private.as_bytes()
    }

    fn dh(&self, theirs: &[u8], out: &mut [u8]) -> Result<(), Error> {
        // Both buffers are snow's, long enough for its largest curve; ours is the front of them.
        let theirs = PublicKey(*theirs.first_chunk().ok_or(Error::Dh)?);
        let shared = self.private.agree(theirs).ok_or(Error::Dh)?;
        *out.first_chunk_mut().ok_or(Error::Dh)? = *shared;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use data_encoding::HEXLOWER;
    use snow::Builder;

    use super::*;

    /// The vector of the Cacophony project for exactly this pattern, as snow's own tests carry it.
    #[test]
    fn the_published_vector_of_the_pattern_comes_out_of_our_resolver() {
        let prologue = hex("4a6f686e2047616c74");
        let psk = bytes("54686973206973206d7920417573747269616e20706572737065637469766521");
        let initiator_static = bytes("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
        let initiator_ephemeral = bytes("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
        let responder_public = bytes("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
        let responder_static = bytes("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
        let responder_ephemeral = bytes("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
        let messages = [
            (
                "4c756477696720766f6e204d69736573",
                "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79446f78efab3dd17dddf573d7f399c41a49\
                 1e3d4a8c643e419bdf51d1933b652b3a",
            ),
            (
                "4d757272617920526f746862617264",
                "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884363bbc83fb0e2a44b36feb19c5ce545ad\
                 b9cc59b96cc6b987ec62c8bb0db6e6",
            ),
            (
                "462e20412e20486179656b",
                "285922ecd27adc8258a798d4f85ad5fcc86e7862210ea3dfa3cb23659a19630c6c2ff6890a0485e793a3620d87a652e5\
                 27a394ac202551878895c866e86c74ab489720317c7dea72d8e652",
            ),
        ];

        let builder = |ephemeral| {
            Builder::with_resolver(KNOWN_PATTERN.parse().unwrap(), Resolver::new(ephemeral))
                .prologue(&prologue)
                .unwrap()
                .psk(KNOWN_PSK_POSITION, &psk)
                .unwrap()
        };
        let initiator = builder(initiator_ephemeral).local_private_key(&initiator_static).unwrap();
        let initiator = initiator.remote_public_key(&responder_public).unwrap();
        let responder = builder(responder_ephemeral).local_private_key(&responder_static).unwrap();
        let mut writer = initiator.build_initiator().unwrap();
        let mut reader = responder.build_responder().unwrap();
        for (payload, message) in messages {
            let (payload, expected) = (hex(payload), hex(message));
            let (mut written, mut read) = ([0; 256], [0; 256]);
            let length = writer.write_message(&payload, &mut written).unwrap();
            assert_eq!(written[..length], expected);
            let length = reader.read_message(&expected, &mut read).unwrap();
            assert_eq!(read[..length], payload);
            core::mem::swap(&mut writer, &mut reader);
        }
        let hash = hex("9137100800712f6768741a8b83e43ece838aafdefafcc755cb4b600f90588ec6");
        assert_eq!(writer.get_handshake_hash(), hash);
        assert_eq!(reader.get_handshake_hash(), hash);
    }

    /// Every u-coordinate below 2^255 of a point whose order divides 8, on the curve or its twist.
    #[test]
    fn points_of_low_order_are_refused() {
        for point in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            for top_bit in [0, 0x80] {
                let mut theirs: [u8; 32] = bytes(point);
                theirs[31] |= top_bit;
                let mut shared = [0; 56];
                assert_eq!(X25519::new([9; 32]).dh(&theirs, &mut shared), Err(Error::Dh), "{point}");
            }
        }
    }

    /// RFC 7748, section 5.2, first vector.
    #[test]
    fn the_published_key_agreement_comes_out() {
        let scalar = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let mut shared = [0; 32];
        X25519::new(scalar).dh(&point, &mut shared).unwrap();
        assert_eq!(shared, bytes("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
    }

    #[test]
    fn entropy_is_given_out_once() {
        let resolver = Resolver::new([1; 32]);
        let mut rng = resolver.resolve_rng().unwrap();
        assert!(resolver.resolve_rng().is_none());
        let mut dest = [0; 32];
        assert_eq!(rng.try_fill_bytes(&mut dest), Ok(()));
        assert_eq!(dest, [1; 32]);
        assert_eq!(rng.try_fill_bytes(&mut dest), Err(Error::Rng));
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn bytes(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }
}
