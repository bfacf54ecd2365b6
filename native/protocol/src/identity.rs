//! Who a peer is: an X25519 key pair that outlives sessions. docs/protocol.md, "Identity and ticket".

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use curve25519_dalek::montgomery::MontgomeryPoint;
use data_encoding::BASE32_NOPAD;
use zeroize::{Zeroize as _, Zeroizing};

use crate::words::word;

/// The private half of an identity. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct StaticKey(Zeroizing<[u8; 32]>);

impl StaticKey {
    /// Any 32 random bytes are a private key: X25519 clamps them when it uses them.
    pub fn new(mut random: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(random));
        // A copy that nobody else would wipe.
        random.zeroize();
        key
    }

    /// The half that peers may know.
    pub fn public(&self) -> PublicKey {
        PublicKey(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// X25519 (RFC 7748) with a peer's key. `None` when the result is all zero: the peer sent a point of low
    /// order, and the "secret" would be the same for everyone.
    pub(crate) fn agree(&self, theirs: PublicKey) -> Option<Zeroizing<[u8; 32]>> {
        let shared = Zeroizing::new(MontgomeryPoint(theirs.0).mul_clamped(*self.0).to_bytes());
        // Folded over all 32 bytes, so that the time taken says nothing about where the first non-zero one is.
        let any_bit = shared.iter().fold(0, |bits, byte| bits | byte);
        (any_bit != 0).then_some(shared)
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(redacted)")
    }
}

/// The public half of an identity. Any 32 bytes can be written as one; only a handshake shows that someone
/// holds the private half.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// What two people compare by eye or by voice: the first 80 bits of the key's BLAKE3 hash, as four
    /// groups of four base32 characters (`k3vq-…`). Finding another key with the same fingerprint costs
    /// 2^80 key generations.
    pub fn fingerprint(&self) -> String {
        let mut text = BASE32_NOPAD.encode(blake3::hash(&self.0).as_bytes());
        text.make_ascii_lowercase();
        let mut grouped = String::new();
        for (position, letter) in text.chars().take(16).enumerate() {
            if position > 0 && position % 4 == 0 {
                grouped.push('-');
            }
            grouped.push(letter);
        }
        grouped
    }

    /// The same for the ear: the first 88 bits of the same hash, as eight words with spaces between them.
    pub fn words(&self) -> String {
        let hash = blake3::hash(&self.0);
        let bits = hash.as_bytes().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let mut spoken = String::new();
        let mut index = 0;
        for (position, bit) in bits.take(WORDS_BITS).enumerate() {
            index = index << 1 | u16::from(bit);
            if position % 11 == 10 {
                if !spoken.is_empty() {
                    spoken.push(' ');
                }
                // The bits of earlier words are above the lowest 11, and do not count.
                spoken.push_str(word(index));
            }
        }
        spoken
    }
}

/// Eight words of 11 bits.
const WORDS_BITS: usize = 88;

impl fmt::Display for PublicKey {
    /// All of it: 52 characters of base32 in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = BASE32_NOPAD.encode(&self.0);
        text.make_ascii_lowercase();
        f.write_str(&text)
    }
}

/// Not the text of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    /// Exactly what `Display` writes, so that there is one text for a key.
    ///
    /// # Errors
    /// [`NotAKey`] for anything else.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut bytes = [0; 32];
        // The crate wants upper case, and output of the exact length before it looks at the input.
        if text.len() != KEY_LENGTH || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NotAKey);
        }
        let decoded = BASE32_NOPAD.decode_mut(text.to_ascii_uppercase().as_bytes(), &mut bytes);
        decoded.map(|_| Self(bytes)).map_err(|_| NotAKey)
    }
}

/// Characters of a public key.
const KEY_LENGTH: usize = 52;

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::words;

    #[test]
    fn the_words_are_the_first_88_bits_of_the_hash() {
        let key = PublicKey([7; 32]);
        let spoken = key.words();
        let words: Vec<_> = spoken.split(' ').map(|word| words::index(word).unwrap()).collect();
        assert_eq!(words.len(), 8);
        let bits = words.iter().fold(0u128, |bits, &word| bits << words::BITS | u128::from(word));
        let mut first = [0; 16];
        first[5..].copy_from_slice(&blake3::hash(&key.0).as_bytes()[..11]);
        assert_eq!(bits, u128::from_be_bytes(first));
    }

    #[test]
    fn a_key_has_one_text_and_is_read_back_from_it() {
        let key = PublicKey(core::array::from_fn(|byte| u8::try_from(byte * 7).unwrap()));
        let text = key.to_string();
        assert_eq!(text.len(), 52);
        assert_eq!(text.parse(), Ok(key));
        // The last character has one bit of the key and four to spare.
        let spare = ["b", "c", "i", "y"].map(|last| [&text[..51], last].concat());
        let others = [text.to_uppercase(), text[1..].into(), [&text, "a"].concat(), text.replace('a', "1")];
        for wrong in spare.into_iter().chain(others).filter(|wrong| *wrong != text) {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NotAKey), "{wrong}");
        }
        assert_eq!("".parse::<PublicKey>(), Err(NotAKey));
    }
}
