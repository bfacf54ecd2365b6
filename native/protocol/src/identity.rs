//! Who a peer is: an X25519 key pair that outlives sessions. docs/protocol.md, "Identity and ticket".

use alloc::string::String;
use core::fmt;

use curve25519_dalek::montgomery::MontgomeryPoint;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// The private half of an identity. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct StaticKey(Zeroizing<[u8; 32]>);

impl StaticKey {
    /// Any 32 random bytes are a private key: X25519 clamps them when it uses them.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
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
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}
