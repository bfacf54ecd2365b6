//! Meeting by a short spoken code: CPace makes a key of it, which the dialler then proves first.
//! docs/protocol.md, "Spoken codes".
//!
//! A listener that answered first with something to test would hand out free guesses; so would a dialler that
//! tried again by itself. As it is, each connection is one guess, and the listener counts the wrong ones.

use snow::{Builder, HandshakeState};
use zeroize::{Zeroize, Zeroizing};

use super::{
    HandshakeError, InitiatorAwaitingAccept, InitiatorEntropy, PROLOGUE, ResponderAwaitingThird,
    ResponderEntropy, Role, THIRD_LENGTH, builder, read, rejected, write,
};
use crate::bytes::concat;
use crate::code::Code;
use crate::cpace::{Isk, Secret, Setting, Share};
use crate::identity::{PublicKey, StaticKey};
use crate::kdf;
use crate::noise::{SPOKEN_PATTERN, SPOKEN_PSK_POSITION};
use crate::wire::Reader;

/// What a dialler sends behind [`Opening::Code`](crate::opening::Opening::Code), in bytes: a random name for
/// this run, and its share.
pub const CODE_LENGTH: usize = RUN_LENGTH + 32;

/// What the listener answers, in bytes: its share.
pub const SHARE_LENGTH: usize = 32;

/// Message 1, in bytes: ephemeral key; nothing, but its tag proves the code.
pub const PROOF_LENGTH: usize = 32 + 16;

/// Message 2, in bytes: ephemeral key; static key and its tag; nothing.
pub const SPOKEN_SECOND_LENGTH: usize = 32 + 32 + 16 + 16;

const RUN_LENGTH: usize = 16;

/// The randomness of either side for CPace, all from the operating system and for one handshake only. Wiped
/// when dropped.
pub struct CodeEntropy {
    /// Becomes the private scalar.
    pub scalar: [u8; 32],
    /// Names this run; of use to the dialler only.
    pub run: [u8; RUN_LENGTH],
}

impl Drop for CodeEntropy {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

/// What one run of CPace is about.
fn setting<'a>(code: &'a Code, run: &'a [u8; RUN_LENGTH]) -> Setting<'a> {
    Setting {
        password: code.as_bytes(),
        channel: PROLOGUE.as_flattened(),
        session: run,
        associated: [b"dialler", b"listener"],
    }
}

/// What has been said before message 1.
fn prologue(run: &[u8; RUN_LENGTH], dialler: &Share, listener: &Share) -> [u8; 16 + RUN_LENGTH + 64] {
    concat(&[PROLOGUE.as_flattened(), run, dialler, listener])
}

/// What CPace agreed on, as the handshake takes it.
fn psk(isk: Option<Isk>) -> Result<Zeroizing<[u8; 32]>, HandshakeError> {
    let isk = isk.ok_or(HandshakeError::Rejected)?;
    Ok(kdf::expand(&kdf::extract(&[], isk.as_slice()), &[b"hawser code psk"]))
}

fn noise<'a>(
    key: &'a StaticKey,
    ephemeral: [u8; 32],
    prologue: &'a [u8],
    psk: &'a [u8; 32],
) -> Result<Builder<'a>, HandshakeError> {
    builder(SPOKEN_PATTERN, ephemeral)?
        .prologue(prologue)
        .and_then(|builder| builder.local_private_key(key.as_bytes()))
        .and_then(|builder| builder.psk(SPOKEN_PSK_POSITION, psk))
        .map_err(rejected)
}

/// The dialler, waiting for the listener's share.
pub struct CodeInitiator {
    code: Code,
    run: [u8; RUN_LENGTH],
    share: Share,
    secret: Secret,
}

impl CodeInitiator {
    /// Starts with what goes right behind [`Opening::Code`](crate::opening::Opening::Code).
    pub fn start(code: &Code, entropy: CodeEntropy) -> ([u8; CODE_LENGTH], Self) {
        let run = entropy.run;
        let (share, secret) = setting(code, &run).begin(Zeroizing::new(entropy.scalar));
        (concat(&[&run, &share]), Self { code: code.clone(), run, share, secret })
    }

    /// Takes the listener's share and answers with message 1, which proves the code.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`] for a share that is none.
    pub fn read_share(
        self,
        share: &[u8; SHARE_LENGTH],
        key: &StaticKey,
        role: Role,
        entropy: InitiatorEntropy,
    ) -> Result<([u8; PROOF_LENGTH], CodeInitiatorAwaitingSecond), HandshakeError> {
        let setting = setting(&self.code, &self.run);
        let psk = psk(setting.finish(&self.secret, share, [&self.share, share]))?;
        let prologue = prologue(&self.run, &self.share, share);
        let builder = noise(key, entropy.ephemeral, &prologue, &psk)?;
        let mut noise = builder.build_initiator().map_err(rejected)?;
        let proof = write(&mut noise, &[])?;
        Ok((proof, CodeInitiatorAwaitingSecond { noise, role, entropy }))
    }
}

/// The dialler, waiting for message 2.
pub struct CodeInitiatorAwaitingSecond {
    noise: HandshakeState,
    role: Role,
    entropy: InitiatorEntropy,
}

impl CodeInitiatorAwaitingSecond {
    /// Takes the listener's message 2, which proves the code and who it is, and answers with message 3.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`].
    pub fn read_second(
        mut self,
        second: &[u8; SPOKEN_SECOND_LENGTH],
    ) -> Result<([u8; THIRD_LENGTH], InitiatorAwaitingAccept), HandshakeError> {
        let [] = read(&mut self.noise, second)?;
        let listener = self.noise.get_remote_static().ok_or(HandshakeError::Rejected)?;
        let listener = PublicKey(Reader::new(listener).array()?);
        InitiatorAwaitingAccept::prove(self.noise, listener, self.role, self.entropy)
    }
}

/// The listener, waiting for the dialler's share.
pub struct CodeResponder {
    /// The code that dialler has to prove. Where there is none, one that nobody knows.
    pub code: Code,
}

impl CodeResponder {
    /// Takes the dialler's share and answers with one of this side. Says nothing about the code, to anybody.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`] for a share that is none.
    pub fn answer(
        self,
        first: &[u8; CODE_LENGTH],
        entropy: CodeEntropy,
    ) -> Result<([u8; SHARE_LENGTH], CodeResponderAwaitingProof), HandshakeError> {
        let mut fields = Reader::new(first);
        let (run, theirs) = (fields.array()?, fields.array()?);
        let setting = setting(&self.code, &run);
        let (share, secret) = setting.begin(Zeroizing::new(entropy.scalar));
        let psk = psk(setting.finish(&secret, &theirs, [&theirs, &share]))?;
        Ok((share, CodeResponderAwaitingProof { prologue: prologue(&run, &theirs, &share), psk }))
    }
}

/// The listener, waiting for message 1.
pub struct CodeResponderAwaitingProof {
    prologue: [u8; 16 + RUN_LENGTH + 64],
    psk: Zeroizing<[u8; 32]>,
}

impl CodeResponderAwaitingProof {
    /// Takes message 1, and answers with message 2. Whoever gets here has made its guess.
    ///
    /// # Errors
    /// [`HandshakeError::Rejected`] for a wrong code.
    pub fn read_proof(
        self,
        proof: &[u8; PROOF_LENGTH],
        key: &StaticKey,
        entropy: ResponderEntropy,
    ) -> Result<([u8; SPOKEN_SECOND_LENGTH], ResponderAwaitingThird), HandshakeError> {
        let builder = noise(key, entropy.ephemeral, &self.prologue, &self.psk)?;
        let mut noise = builder.build_responder().map_err(rejected)?;
        let [] = read(&mut noise, proof)?;
        let second = write(&mut noise, &[])?;
        Ok((second, ResponderAwaitingThird { noise, entropy }))
    }
}
