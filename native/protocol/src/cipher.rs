//! The keys of a lane, and the records sealed with them. docs/protocol.md, "Session secret and lane keys" and
//! "Records".

use core::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::bytes::concat;
use crate::handshake::{SessionId, SessionSecret};
use crate::kdf;
use crate::limits::{CHUNK_BYTES, RECORD_SLACK_BYTES};

/// Most bytes of plaintext in one record; the fewest are 1.
pub const MAX_PLAINTEXT: usize = (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize;

/// Length of a record's header, in bytes: a `u32`, big endian, that counts ciphertext and tag.
pub const HEADER_LENGTH: usize = 4;

/// Length of a record's tag, in bytes.
pub const TAG_LENGTH: usize = 16;

/// Records sealed with one key before the next one takes its place: at most 16.25 GiB. The cipher would bear
/// far more; what it buys is that a key stolen from memory does not open what was sent long before.
pub const REKEY_INTERVAL: u64 = 1 << 16;

/// Length in bytes of what follows a record's header: ciphertext and tag. To be asked before a buffer is
/// chosen, as the header is the only thing in a record that a peer says unproven.
///
/// # Errors
/// [`CipherError::Length`] when no record is that long.
pub fn record_length(header: [u8; HEADER_LENGTH]) -> Result<usize, CipherError> {
    let length = usize::try_from(u32::from_be_bytes(header)).map_err(|_| CipherError::Length)?;
    let allowed = 1 + TAG_LENGTH..=MAX_PLAINTEXT + TAG_LENGTH;
    if allowed.contains(&length) { Ok(length) } else { Err(CipherError::Length) }
}

/// One connection of a session: everything besides the session secret that its keys depend on. No two lanes
/// ever have the same, because both sides put fresh randomness in.
pub struct Lane {
    /// The session it belongs to.
    pub session: SessionId,
    /// Its number within the session; 0 is the connection the handshake ran on.
    pub number: u8,
    /// How often this number was dialled before.
    pub attempt: u32,
    /// 32 random bytes of the dialler.
    pub dialler_nonce: Zeroizing<[u8; 32]>,
    /// 32 random bytes of the listener.
    pub listener_nonce: Zeroizing<[u8; 32]>,
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    Dialler,
    /// The one that accepted.
    Listener,
}

impl Lane {
    /// What this side seals with, and what it opens the other side's records with. To be called once for a
    /// lane: a second sealer would use the same nonces again.
    pub fn into_ciphers(self, secret: &SessionSecret, side: Side) -> (Sealer, Opener) {
        let from_dialler = self.key(secret, 0);
        let from_listener = self.key(secret, 1);
        let (ours, theirs) = match side {
            Side::Dialler => (from_dialler, from_listener),
            Side::Listener => (from_listener, from_dialler),
        };
        (Sealer(RecordKey::new(ours)), Opener(Some(RecordKey::new(theirs))))
    }

    fn key(&self, secret: &SessionSecret, direction: u8) -> Zeroizing<[u8; 32]> {
        let info: [&[u8]; 7] = [
            b"hawser lane",
            &self.session.0,
            &[self.number],
            &self.attempt.to_be_bytes(),
            self.dialler_nonce.as_slice(),
            self.listener_nonce.as_slice(),
            &[direction],
        ];
        kdf::expand(&kdf::uniform(secret.as_bytes()), &info)
    }
}

/// Seals records in one direction of one lane.
pub struct Sealer(RecordKey);

impl Sealer {
    /// Seals a record in place: `record` is [`HEADER_LENGTH`] bytes of room, the plaintext, and
    /// [`TAG_LENGTH`] bytes of room, and afterwards what goes over the wire.
    ///
    /// # Errors
    /// [`CipherError::Length`] for a plaintext that is empty or longer than [`MAX_PLAINTEXT`];
    /// [`CipherError::Exhausted`].
    pub fn seal(&mut self, record: &mut [u8]) -> Result<(), CipherError> {
        let (header, body) = record.split_first_chunk_mut().ok_or(CipherError::Length)?;
        *header = u32::try_from(body.len()).map_err(|_| CipherError::Length)?.to_be_bytes();
        record_length(*header)?;
        let (plaintext, tag) = body.split_last_chunk_mut::<TAG_LENGTH>().ok_or(CipherError::Length)?;
        let nonce = self.0.next_nonce()?;
        let sealed = self.0.aead.seal_in_place_separate_tag(nonce, Aad::from(*header), plaintext);
        tag.copy_from_slice(sealed.map_err(|_| CipherError::Length)?.as_ref());
        Ok(())
    }
}

/// Opens records in one direction of one lane. The first failure is the last: the key is dropped with it.
pub struct Opener(Option<RecordKey>);

impl Opener {
    /// Opens a record in place and returns its plaintext. `header` is the record's, `body` what followed it.
    ///
    /// # Errors
    /// [`CipherError::Length`] when `body` is not as long as the header says, [`CipherError::Forged`],
    /// [`CipherError::Exhausted`]; and after any of them [`CipherError::Closed`] for ever.
    pub fn open<'a>(
        &mut self,
        header: [u8; HEADER_LENGTH],
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], CipherError> {
        let key = self.0.as_mut().ok_or(CipherError::Closed)?;
        let opened = key.open(header, body);
        if opened.is_err() {
            self.0 = None;
        }
        opened
    }
}

/// Why a record was not sealed or opened. Each ends the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherError {
    /// No record is of that length.
    Length,
    /// The record is not what the peer sealed at this place in this lane, or the peer does not know the
    /// session secret.
    Forged,
    /// The last record number was used. At a million records a second, that is after half a million years.
    Exhausted,
    /// An earlier record failed.
    Closed,
}

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the length of a record is out of bounds",
            Self::Forged => "a record failed authentication",
            Self::Exhausted => "the lane has no record numbers left",
            Self::Closed => "an earlier record of the lane failed",
        })
    }
}

impl core::error::Error for CipherError {}

/// The key of one direction of one lane, and the number of the next record.
struct RecordKey {
    /// What the next key comes from. Wiped when replaced.
    bytes: Zeroizing<[u8; 32]>,
    /// The same key as ring holds it; ring cannot be asked to wipe it.
    aead: LessSafeKey,
    /// Never goes back, not even when the key changes.
    counter: u64,
}

impl RecordKey {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { aead: aead(&bytes), bytes, counter: 0 }
    }

    fn open<'a>(
        &mut self,
        header: [u8; HEADER_LENGTH],
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], CipherError> {
        if record_length(header)? != body.len() {
            return Err(CipherError::Length);
        }
        let nonce = self.next_nonce()?;
        self.aead.open_in_place(nonce, Aad::from(header), body).map_err(|_| CipherError::Forged)
    }

    /// The nonce of the next record: 4 zero bytes, then its number in little endian, as Noise does it. The
    /// number 2^64 - 1 is never used. Changes the key first where the interval says so.
    fn next_nonce(&mut self) -> Result<Nonce, CipherError> {
        let number = self.counter;
        self.counter = number.checked_add(1).ok_or(CipherError::Exhausted)?;
        if number != 0 && number.is_multiple_of(REKEY_INTERVAL) {
            self.bytes = kdf::expand(&kdf::uniform(&self.bytes), &[b"hawser rekey"]);
            self.aead = aead(&self.bytes);
        }
        Ok(Nonce::assume_unique_for_key(concat(&[&[0; 4], &number.to_le_bytes()])))
    }
}

#[allow(clippy::expect_used, reason = "ring refuses only keys of another length")]
fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};

    use super::*;

    /// Key and plaintext of RFC 8439, section 2.8.2. Nonce and associated data are the record layer's own, so
    /// the expected bytes come from another implementation, which tests/published.rs checks with the rest of
    /// that vector.
    #[test]
    fn a_record_is_what_another_implementation_of_the_cipher_makes_of_it() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + i as u8);
        let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                          the future, sunscreen would be it.";
        let mut sealer = Sealer(RecordKey::new(Zeroizing::new(key)));
        for number in 0..3 {
            let mut record = [&[0; 4], plaintext.as_slice(), &[0; 16]].concat();
            sealer.seal(&mut record).unwrap();

            let header = [0, 0, 0, 114 + 16];
            let mut nonce = [0; 12];
            nonce[4] = number;
            let mut expected = plaintext.to_vec();
            let tag = ChaCha20Poly1305::new(&key.into())
                .encrypt_in_place_detached(&nonce.into(), &header, &mut expected)
                .unwrap();
            assert_eq!(record, [&header, expected.as_slice(), &tag].concat());
        }
    }

    #[test]
    fn the_last_record_number_is_never_used() {
        let mut key = RecordKey::new(Zeroizing::new([7; 32]));
        key.counter = u64::MAX - 1;
        let mut sealer = Sealer(key);
        assert_eq!(sealer.seal(&mut [0; 21]), Ok(()));
        assert_eq!(sealer.seal(&mut [0; 21]), Err(CipherError::Exhausted));
        assert_eq!(sealer.seal(&mut [0; 21]), Err(CipherError::Exhausted));
    }
}
