//! The first bytes of a connection, before any cryptography: who speaks which version, and what for.
//! docs/protocol.md, "Opening and handshake".

use crate::bytes::concat;
use crate::handshake::HandshakeError;

/// The protocol version spoken here, and the only one.
pub const VERSION: u16 = 1;

/// The first bytes of each side: `HAWSER` and its version.
pub const PREAMBLE: [u8; 8] = {
    let [high, low] = VERSION.to_be_bytes();
    [b'H', b'A', b'W', b'S', b'E', b'R', high, low]
};

/// What a listener says, before it hangs up, to a dialler that is one too many at the moment. No
/// version has the number 0.
pub const BUSY: [u8; 8] = *b"HAWSER\0\0";

/// Length of the dialler's opening, in bytes: preamble and kind.
pub const OPENING_LENGTH: usize = PREAMBLE.len() + 1;

/// Whether the other side speaks our version of hawser, by its preamble.
///
/// # Errors
/// [`HandshakeError::NotHawser`], [`HandshakeError::Busy`], or [`HandshakeError::Version`] with both
/// versions.
pub fn check_preamble(theirs: &[u8; 8]) -> Result<(), HandshakeError> {
    match *theirs {
        PREAMBLE => Ok(()),
        BUSY => Err(HandshakeError::Busy),
        [b'H', b'A', b'W', b'S', b'E', b'R', high, low] => {
            Err(HandshakeError::Version { ours: VERSION, theirs: u16::from_be_bytes([high, low]) })
        }
        _ => Err(HandshakeError::NotHawser),
    }
}

/// What the dialler opens a connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A new session: message 1 follows.
    Session,
    /// Another lane of a session: a [`JoinRequest`](crate::join::JoinRequest) follows.
    Join,
    /// A new session with a listener whose spoken code is known: a share follows.
    Code,
}

impl Opening {
    /// The dialler's preamble and the kind.
    pub fn encode(self) -> [u8; OPENING_LENGTH] {
        let kind = match self {
            Self::Session => 1,
            Self::Join => 2,
            Self::Code => 3,
        };
        concat(&[&PREAMBLE, &[kind]])
    }

    /// # Errors
    /// As [`check_preamble`]; [`HandshakeError::Malformed`] for a kind that this version does not have.
    pub fn parse(bytes: &[u8; OPENING_LENGTH]) -> Result<Self, HandshakeError> {
        let [preamble @ .., kind] = bytes;
        check_preamble(preamble)?;
        match kind {
            1 => Ok(Self::Session),
            2 => Ok(Self::Join),
            3 => Ok(Self::Code),
            _ => Err(HandshakeError::Malformed),
        }
    }
}
