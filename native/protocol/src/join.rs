//! How another connection becomes a lane of a session that exists. docs/protocol.md, "Joining with another
//! lane".

use zeroize::Zeroizing;

use crate::bytes::concat;
use crate::cipher::Lane;
use crate::handshake::{HandshakeError, SessionId};
use crate::wire::Reader;

/// Length of a join request on the wire, in bytes: session id, lane, attempt, nonce.
pub const JOIN_LENGTH: usize = 16 + 1 + 4 + 32;

/// What the dialler sends after [`Opening::Join`](crate::opening::Opening::Join). Nothing in it is secret or
/// proves anything: the proof of the session secret is the first record in each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The session to join, as its ACCEPT named it.
    pub session: SessionId,
    /// Which lane of the session this connection is to be.
    pub lane: u8,
    /// How often this lane was tried before; the listener takes each number once.
    pub attempt: u32,
    /// 32 fresh random bytes; the listener answers with 32 of its own.
    pub nonce: [u8; 32],
}

impl JoinRequest {
    /// As it goes over the wire.
    pub fn encode(&self) -> [u8; JOIN_LENGTH] {
        concat(&[&self.session.0, &[self.lane], &self.attempt.to_be_bytes(), &self.nonce])
    }

    /// # Errors
    /// [`HandshakeError::Malformed`] for lane 0, attempt 0: that is the connection the handshake ran on.
    pub fn parse(bytes: &[u8; JOIN_LENGTH]) -> Result<Self, HandshakeError> {
        let mut fields = Reader::new(bytes);
        let session = SessionId(fields.array()?);
        let (lane, attempt) = (fields.u8()?, fields.u32()?);
        if lane == 0 && attempt == 0 {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { session, lane, attempt, nonce: fields.array()? })
    }

    /// The lane this request and the listener's nonce make together.
    pub fn into_lane(self, listener_nonce: [u8; 32]) -> Lane {
        Lane {
            session: self.session,
            number: self.lane,
            attempt: self.attempt,
            dialler_nonce: Zeroizing::new(self.nonce),
            listener_nonce: Zeroizing::new(listener_nonce),
        }
    }
}
