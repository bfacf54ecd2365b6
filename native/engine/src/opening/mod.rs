//! How a connection becomes a lane: the handshake and the join, as I/O.
//!
//! All of this is asynchronous, because a connection that has proven nothing must cost little: no
//! thread, no buffer beyond one message. What has proven itself moves to threads.

mod dialler;
mod listener;

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use hawser_protocol::cipher::Side as Who;
use hawser_protocol::cipher::{HEADER_LENGTH, Opener, Sealer, TAG_LENGTH};
use hawser_protocol::frame::{self, FrameType, HEADER_BYTES};
use hawser_protocol::handshake::{Established, SessionSecret};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::manifest::EntryId;
pub(crate) use hawser_protocol::opening::BUSY;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::Error;
use crate::descriptors::Share;
use crate::error::words;

pub(crate) use dialler::{Greeted, greet, join};
pub(crate) use listener::{Caller, Knock, Visitor, admit_lane, answer, examine, examine_guess};

/// A connection that has become a lane.
pub(crate) struct Connection {
    pub stream: std::net::TcpStream,
    pub keys: LaneKeys,
    /// How long the peer takes to answer: the shortest time seen while connecting.
    pub rtt: Duration,
    /// What one that has joined keeps of what all lanes together may take.
    pub share: Option<Share>,
}

/// What seals and opens the records of one lane.
pub(crate) struct LaneKeys {
    pub sealer: Sealer,
    pub opener: Opener,
}

impl From<(Sealer, Opener)> for LaneKeys {
    fn from((sealer, opener): (Sealer, Opener)) -> Self {
        Self { sealer, opener }
    }
}

/// A session that both sides have agreed on, and its first lane.
pub(crate) struct Opened {
    pub connection: Connection,
    pub secret: SessionSecret,
    pub session: hawser_protocol::handshake::SessionId,
    pub peer: PublicKey,
    pub address: SocketAddr,
}

/// The first record on a joining lane: one PING.
const PROOF_LENGTH: usize = HEADER_LENGTH + HEADER_BYTES + TAG_LENGTH;

fn proof_frame() -> Vec<u8> {
    frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[])
}

fn opened(
    stream: TcpStream,
    rtt: Duration,
    established: Established,
    side: Who,
    address: SocketAddr,
) -> Result<Opened, Error> {
    let Established { secret, session, peer, first_lane, .. } = established;
    let keys = first_lane.into_ciphers(&secret, side).into();
    let stream = blocking(stream).map_err(|error| connect_error(address, &error))?;
    Ok(Opened { connection: Connection { stream, keys, rtt, share: None }, secret, session, peer, address })
}

/// Who this process is for those who name no identity: the same to everybody, for as long as it runs.
pub(crate) fn process_identity() -> Result<StaticKey, Error> {
    static IDENTITY: OnceLock<StaticKey> = OnceLock::new();
    if let Some(identity) = IDENTITY.get() {
        return Ok(identity.clone());
    }
    let new = StaticKey::new(random()?);
    Ok(IDENTITY.get_or_init(|| new).clone())
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

async fn read_exact<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn blocking(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn connect_error(address: SocketAddr, error: &io::Error) -> Error {
    Error::Connect { address, kind: error.kind(), text: words(error) }
}
