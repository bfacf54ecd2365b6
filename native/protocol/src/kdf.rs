//! HKDF-SHA256 (RFC 5869), the only key derivation outside Noise.

use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

/// HKDF-Extract. ring keeps the result, and cannot be asked to wipe it.
pub(crate) fn extract(salt: &[u8], input: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(input)
}

/// A key that is uniformly random already, to expand without extracting first.
pub(crate) fn uniform(key: &[u8; 32]) -> Prk {
    Prk::new_less_safe(HKDF_SHA256, key)
}

/// HKDF-Expand to `N` bytes, the parts of `info` one after the other.
#[allow(clippy::expect_used, reason = "ring refuses only lengths that do not compile here")]
pub(crate) fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "more than HKDF-SHA256 can give") };
    let mut out = Zeroizing::new([0; N]);
    prk.expand(info, Length(N)).and_then(|okm| okm.fill(out.as_mut())).expect("a length HKDF allows");
    out
}

/// How ring is told an output length, in bytes.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
