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
    /// What the side that began, and the other, say of themselves (`ADa`, `ADb`).
    pub associated: [&'a [u8]; 2],
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
        let share = secret.times(self.generator()).compress();
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

    /// The key, from the other side's share; `first` is the share of the side that began. `None` when the
    /// other's is no point, or the neutral one: the run is over.
    pub(crate) fn finish(
        &self,
        secret: &Secret,
        theirs: &Share,
        [first, second]: [&Share; 2],
    ) -> Option<Isk> {
        let point = secret.times(CompressedRistretto(*theirs).decompress()?);
        if point.is_identity() {
            return None;
        }
        let point = Zeroizing::new(point.compress().to_bytes());
        let mut hashed = Context::new(&SHA512);
        let [first_says, second_says] = self.associated;
        for part in [NAME_ISK, self.session, point.as_slice(), first, first_says, second, second_says] {
            hashed.update(&Zeroizing::new(length_and(part)));
        }
        Some(Zeroizing::new(*finish(hashed)))
    }
}

impl Secret {
    #[allow(clippy::arithmetic_side_effects, reason = "a group has no overflow")]
    fn times(&self, point: RistrettoPoint) -> RistrettoPoint {
        point * *self.0
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// Appendix B.3 of the draft.
    const SETTING: Setting<'_> = Setting {
        password: b"Password",
        channel: b"\x0bA_initiator\x0bB_responder",
        session: &[
            0x7e, 0x4b, 0x47, 0x91, 0xd6, 0xa8, 0xef, 0x01, 0x9b, 0x93, 0x6c, 0x79, 0xfb, 0x7f, 0x2c, 0x57,
        ],
        associated: [b"ADa", b"ADb"],
    };

    #[test]
    fn the_published_generator_comes_out() {
        assert_eq!(
            SETTING.generator().compress().to_bytes(),
            bytes("222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56"),
        );
    }

    #[test]
    fn the_published_shares_and_key_come_out() {
        let (first, secret) = SETTING
            .begin(Zeroizing::new(bytes("da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08")));
        assert_eq!(first, bytes("d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"));
        let (second, other) = SETTING
            .begin(Zeroizing::new(bytes("d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d")));
        assert_eq!(second, bytes("3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258"));
        let isk: [u8; 64] = bytes(
            "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd\
             2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447",
        );
        assert_eq!(*SETTING.finish(&secret, &second, [&first, &second]).unwrap(), isk);
        assert_eq!(*SETTING.finish(&other, &first, [&first, &second]).unwrap(), isk);
    }

    /// Appendix B.3.11: what does not decode, and the neutral element.
    #[test]
    fn a_share_that_is_no_point_or_the_neutral_one_ends_the_run() {
        let (ours, secret) = SETTING
            .begin(Zeroizing::new(bytes("7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05")));
        let no_point = bytes("2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c");
        for theirs in [no_point, [0; 32], [0xff; 32]] {
            assert!(SETTING.finish(&secret, &theirs, [&ours, &theirs]).is_none());
        }
    }

    #[test]
    fn lengths_are_leb128() {
        assert_eq!(length_and(&[7; 127])[..2], [127, 7]);
        assert_eq!(length_and(&[7; 128])[..3], [0x80, 1, 7]);
        assert_eq!(length_and(&[7; 300])[..3], [0xac, 2, 7]);
    }

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }
}
