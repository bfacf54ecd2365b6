//! CPace over ristretto255 with SHA-512 (draft-irtf-cfrg-cpace-21, sections 7 and 8.3): two sides that know the
//! same few words get a key, and nobody else learns whether a guess at the words is right but by asking one of
//! them.

use alloc::vec::Vec;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use ring::digest::{Context, SHA512};
use zeroize::Zeroizing;

/// What each side sends the other: a point.
pub(crate) type Share = [u8; 32];

/// The intermediate session key.
pub(crate) type Isk = Zeroizing<[u8; 64]>;

/// What both sides must agree on for their keys to be the same.
pub(crate) struct Setting<'a> {
    /// The words.
    pub password: &'a [u8],
    /// Who talks to whom, over what.
    pub channel: &'a [u8],
    /// This run alone.
    pub session: &'a [u8],
}

/// One side of a run, between sending its share and receiving the other.
pub(crate) struct Secret(Zeroizing<Scalar>);

impl Setting<'_> {
    /// Begins a run, from 32 random bytes.
    pub(crate) fn begin(&self, mut random: Zeroizing<[u8; 32]>) -> (Share, Secret) {
        // Section 8.3: the bits above the group's 252 are cleared. What is left is below its order.
        if let Some(last) = random.last_mut() {
            *last &= 0x0f;
        }
        let secret = Secret(Zeroizing::new(Scalar::from_bytes_mod_order(*random)));
        let share = (self.generator() * *secret.0).compress();
        (share.to_bytes(), secret)
    }

    /// Section 8.3, `G.calculate_generator`.
    fn generator(&self) -> RistrettoPoint {
        let mut hashed = Context::new(&SHA512);
        // Section 8.1: name and password fill the first block of the hash, however long the password is.
        let first = length_and(NAME).len().saturating_add(length_and(self.password).len());
        let padding = BLOCK_LENGTH.saturating_sub(first).saturating_sub(1);
        let padding = Vec::from_iter(core::iter::repeat_n(0, padding));
        for part in [NAME, self.password, &padding, self.channel, self.session] {
            hashed.update(&Zeroizing::new(length_and(part)));
        }
        RistrettoPoint::from_uniform_bytes(&finish(hashed))
    }

    /// The key, from the other side's share; `first` is that of the side that began. `None` when that is no point, or the neutral one: the run is over.
    pub(crate) fn finish(&self, secret: &Secret, theirs: &Share, [first, second]: [&Share; 2]) -> Option<Isk> {
        let point = CompressedRistretto(*theirs).decompress()? * *secret.0;
        if point.is_identity() {
            return None;
        }
        let point = Zeroizing::new(point.compress().to_bytes());
        let mut hashed = Context::new(&SHA512);
        // Neither side has anything to add to its share: both associated data are empty.
        for part in [NAME_ISK, self.session, point.as_slice(), first, &[], second, &[]] {
            hashed.update(&Zeroizing::new(length_and(part)));
        }
        Some(Zeroizing::new(*finish(hashed)))
    }
}

/// `G.DSI`, and `G.DSI ‖ "_ISK"`.
const NAME: &[u8] = b"CPaceRistretto255";
const NAME_ISK: &[u8] = b"CPaceRistretto255_ISK";

/// Input block of SHA-512, in bytes.
const BLOCK_LENGTH: usize = 128;

/// Appendix A.1.1, `prepend_len`: the length in LEB128, then the bytes.
fn length_and(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(10));
    let mut rest = bytes.len();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(bytes);
    out
}

fn finish(hashed: Context) -> Zeroizing<[u8; 64]> {
    let mut out = Zeroizing::new([0; 64]);
    out.copy_from_slice(hashed.finish().as_ref());
    out
}
