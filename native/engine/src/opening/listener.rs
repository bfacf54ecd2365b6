//! The side that listens.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hawser_protocol::cipher::{HEADER_LENGTH, record_length};
use hawser_protocol::frame::{FrameType, Frames};
use hawser_protocol::handshake::{
    Applicant, CODE_LENGTH, Claim, CodeEntropy, CodeResponder, FIRST_LENGTH, HandshakeError,
    PROOF_LENGTH as CODE_PROOF_LENGTH, Responder, ResponderAwaitingThird, ResponderEntropy, Role,
    SessionSecret, THIRD_LENGTH,
};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::{JOIN_LENGTH, JoinRequest};
use hawser_protocol::opening::{OPENING_LENGTH, Opening, PREAMBLE};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{BUSY, Connection, LaneKeys, Opened, PROOF_LENGTH, Who, blocking, opened, random, read_exact};
use crate::codes::{Codes, Guess};

/// What a connection to a listener turned out to be, before it has proven anything.
pub(crate) enum Knock {
    Session,
    Code,
    Join(JoinRequest),
}

/// Reads what a dialler wants. `None` when it does not speak this version of hawser; one that
/// speaks another has been told which is spoken here.
///
/// One that wants a session, and `may_start` none at the moment, is told to come again.
pub(crate) async fn answer(stream: &mut TcpStream, may_start: impl FnOnce() -> bool) -> Option<Knock> {
    let opening: [u8; OPENING_LENGTH] = read_exact(stream).await.ok()?;
    let opening = Opening::parse(&opening);
    if matches!(opening, Ok(Opening::Session | Opening::Code)) && !may_start() {
        // Whoever closes a socket with bytes unread resets it, and with that unsays the word.
        let _ = stream.try_read(&mut [0; FIRST_LENGTH]);
        stream.write_all(&BUSY).await.ok()?;
        return None;
    }
    if matches!(opening, Ok(_) | Err(HandshakeError::Version { .. })) {
        stream.write_all(&PREAMBLE).await.ok()?;
    }
    match opening.ok()? {
        Opening::Session => Some(Knock::Session),
        Opening::Code => Some(Knock::Code),
        Opening::Join => {
            let request: [u8; JOIN_LENGTH] = read_exact(stream).await.ok()?;
            JoinRequest::parse(&request).ok().map(Knock::Join)
        }
    }
}

/// A dialler that has proven a claim, or to know the code, and who it is.
pub(crate) struct Visitor {
    stream: TcpStream,
    address: SocketAddr,
    rtt: Duration,
    applicant: Applicant,
}

/// Goes through the handshake with a dialler that claims something, up to where it has proven that: `psk` knows
/// what proves a claim.
pub(crate) async fn examine(
    mut stream: TcpStream,
    address: SocketAddr,
    key: &StaticKey,
    psk: impl FnOnce(Claim) -> Option<Zeroizing<[u8; 32]>>,
) -> Option<(Claim, Visitor)> {
    let responder = Responder::new(key, responder_entropy()?).ok()?;
    let first: [u8; FIRST_LENGTH] = read_exact(&mut stream).await.ok()?;
    let (claim, responder) = responder.read_first(&first).ok()?;
    let (second, responder) = responder.answer(psk(claim).as_deref()).ok()?;
    Some((claim, Visitor::of(stream, address, responder, &second).await?))
}

/// The same with a dialler that says it knows the code.
pub(crate) async fn examine_guess(
    mut stream: TcpStream,
    address: SocketAddr,
    key: &StaticKey,
    codes: &Codes,
    source: IpAddr,
) -> Option<(Guess, Visitor)> {
    let guess = codes.guess().ok()?;
    let first: [u8; CODE_LENGTH] = read_exact(&mut stream).await.ok()?;
    let entropy = CodeEntropy { scalar: random().ok()?, run: [0; 16] };
    let (share, responder) = CodeResponder { code: guess.code.clone() }.answer(&first, entropy).ok()?;
    stream.write_all(&share).await.ok()?;
    let proof: [u8; CODE_PROOF_LENGTH] = read_exact(&mut stream).await.ok()?;
    let may_be_right = codes.may_be_right(&guess, source, Instant::now());
    // Judged in any case, so that it takes as long.
    let judged = responder.read_proof(&proof, key, responder_entropy()?);
    if !may_be_right {
        return None;
    }
    let Ok((second, responder)) = judged else {
        codes.wrong(&guess);
        return None;
    };
    Some((guess, Visitor::of(stream, address, responder, &second).await?))
}

impl Visitor {
    /// Sends message 2, and reads what the dialler proves itself with.
    async fn of(
        mut stream: TcpStream,
        address: SocketAddr,
        responder: ResponderAwaitingThird,
        second: &[u8],
    ) -> Option<Self> {
        let asked = Instant::now();
        stream.write_all(second).await.ok()?;
        let third: [u8; THIRD_LENGTH] = read_exact(&mut stream).await.ok()?;
        let rtt = asked.elapsed();
        let applicant = responder.read_third(&third).ok()?;
        Some(Self { stream, address, rtt, applicant })
    }

    /// Who it is.
    pub fn peer(&self) -> PublicKey {
        self.applicant.peer()
    }

    /// What it wants to do with files.
    pub fn role(&self) -> Role {
        self.applicant.dialler_role()
    }

    /// Tells it to come again.
    pub async fn turn_away(mut self) {
        // Whoever does not hear it finds the door closed.
        let _ = self.stream.write_all(&BUSY).await;
    }

    /// Lets it in.
    pub async fn enter(self) -> Option<Opened> {
        let Self { mut stream, address, rtt, applicant } = self;
        let (accept, established) = applicant.accept().ok()?;
        stream.write_all(&accept).await.ok()?;
        opened(stream, rtt, established, Who::Listener, address).ok()
    }
}

fn responder_entropy() -> Option<ResponderEntropy> {
    Some(ResponderEntropy {
        ephemeral: random().ok()?,
        random: random().ok()?,
        session: random().ok()?,
        kem: random().ok()?,
        unknown_psk: random().ok()?,
    })
}

/// Lets a connection join a session whose secret it proves to know.
pub(crate) async fn admit_lane(
    mut stream: TcpStream,
    secret: &SessionSecret,
    request: JoinRequest,
) -> Option<Connection> {
    let nonce = random().ok()?;
    let asked = Instant::now();
    stream.write_all(&nonce).await.ok()?;
    let (sealer, mut opener) = request.into_lane(nonce).into_ciphers(secret, Who::Listener);
    let header: [u8; HEADER_LENGTH] = read_exact(&mut stream).await.ok()?;
    let rtt = asked.elapsed();
    let mut proof: [u8; PROOF_LENGTH - HEADER_LENGTH] = read_exact(&mut stream).await.ok()?;
    if record_length(header).ok()? != proof.len() {
        return None;
    }
    let plaintext = opener.open(header, &mut proof).ok()?;
    let (frame, _) = Frames::new(plaintext).next_frame().ok()??;
    let stream = blocking(stream).ok()?;
    let keys = LaneKeys { sealer, opener };
    (frame.kind == FrameType::Ping).then_some(Connection { stream, keys, rtt })
}
