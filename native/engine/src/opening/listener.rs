//! The side that listens.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hawser_protocol::cipher::{HEADER_LENGTH, TAG_LENGTH, record_length};
use hawser_protocol::frame::{FrameType, Frames};
use hawser_protocol::handshake::{
    Applicant, CODE_LENGTH, Claim, CodeEntropy, CodeResponder, FIRST_LENGTH, HandshakeError,
    PROOF_LENGTH as CODE_PROOF_LENGTH, Responder, ResponderAwaitingThird, ResponderEntropy, Role,
    SessionSecret, THIRD_LENGTH,
};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::{JOIN_LENGTH, JoinRequest};
use hawser_protocol::opening::{OPENING_LENGTH, Opening, PREAMBLE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{BUSY, Connection, LaneKeys, Opened, PROOF_LENGTH, Who, blocking, opened, random};
use crate::codes::{Codes, Guess};
use crate::descriptors::Share;

/// A connection that has proven nothing.
pub(crate) struct Caller {
    pub stream: TcpStream,
    pub address: SocketAddr,
    /// It has to make way for another.
    pub displaced: Arc<Notify>,
}

impl Caller {
    /// What it says next, if it may still say something.
    async fn hear<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut heard = [0; N];
        self.hear_all(&mut heard).await?;
        Some(heard)
    }

    /// The same for what is too long to be kept where it is waited for. One that makes way is told to come again,
    /// where it would understand that.
    async fn hear_all(&mut self, words: &mut [u8]) -> Option<()> {
        tokio::select! {
            heard = self.stream.read_exact(words) => heard.ok().map(drop),
            () = self.displaced.notified() => {
                self.say(&BUSY).await;
                None
            }
        }
    }

    async fn say(&mut self, words: &[u8]) -> Option<()> {
        self.stream.write_all(words).await.ok()
    }
}

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
pub(crate) async fn answer(caller: &mut Caller, may_start: impl FnOnce() -> bool) -> Option<Knock> {
    let opening: [u8; OPENING_LENGTH] = caller.hear().await?;
    let opening = Opening::parse(&opening);
    if matches!(opening, Ok(Opening::Session | Opening::Code)) && !may_start() {
        // Whoever closes a socket with bytes unread resets it, and with that unsays the word.
        let _ = caller.stream.try_read(&mut [0; FIRST_LENGTH]);
        caller.say(&BUSY).await?;
        return None;
    }
    if matches!(opening, Ok(_) | Err(HandshakeError::Version { .. })) {
        caller.say(&PREAMBLE).await?;
    }
    match opening.ok()? {
        Opening::Session => Some(Knock::Session),
        Opening::Code => Some(Knock::Code),
        Opening::Join => {
            let request: [u8; JOIN_LENGTH] = caller.hear().await?;
            JoinRequest::parse(&request).ok().map(Knock::Join)
        }
    }
}

/// A dialler that has proven a claim, or to know the code, and who it is.
pub(crate) struct Visitor {
    caller: Box<Caller>,
    rtt: Duration,
    applicant: Box<Applicant>,
}

/// Goes through the handshake with a dialler that claims something, up to where it has proven that: `psk` knows
/// what proves a claim.
pub(crate) async fn examine(
    mut caller: Box<Caller>,
    key: &StaticKey,
    psk: impl FnOnce(Claim) -> Option<Zeroizing<[u8; 32]>>,
) -> Option<(Claim, Visitor)> {
    let first: [u8; FIRST_LENGTH] = caller.hear().await?;
    let responder = Responder::new(key, responder_entropy()?).ok()?;
    let (claim, responder) = responder.read_first(&first).ok()?;
    let (second, responder) = responder.answer(psk(claim).as_deref()).ok()?;
    Some((claim, Visitor::of(caller, responder.into(), &second).await?))
}

/// The same with a dialler that says it knows the code.
pub(crate) async fn examine_guess(
    mut caller: Box<Caller>,
    key: &StaticKey,
    codes: &Codes,
    source: IpAddr,
) -> Option<(Guess, Visitor)> {
    let guess = codes.guess().ok()?;
    let first: [u8; CODE_LENGTH] = caller.hear().await?;
    let entropy = CodeEntropy { scalar: random().ok()?, run: [0; 16] };
    let (share, responder) = CodeResponder { code: guess.code.clone() }.answer(&first, entropy).ok()?;
    caller.say(&share).await?;
    let mut proof: [u8; CODE_PROOF_LENGTH] = caller.hear().await?;
    let may_be_right = codes.may_be_right(&guess, source, Instant::now());
    if !may_be_right {
        // Judged all the same, so that it takes as long as one that is wrong; also if it was right, which takes longer.
        let wrong: [u8; TAG_LENGTH] = random().ok()?;
        proof[CODE_PROOF_LENGTH - TAG_LENGTH..].copy_from_slice(&wrong);
    }
    let judged = responder.read_proof(&proof, key, responder_entropy()?);
    if !may_be_right {
        return None;
    }
    let Ok((second, responder)) = judged else {
        codes.wrong(&guess);
        return None;
    };
    codes.right(source);
    Some((guess, Visitor::of(caller, responder.into(), &second).await?))
}

impl Visitor {
    /// Sends message 2, and reads what the dialler proves itself with.
    async fn of(
        mut caller: Box<Caller>,
        responder: Box<ResponderAwaitingThird>,
        second: &[u8],
    ) -> Option<Self> {
        let asked = Instant::now();
        caller.say(second).await?;
        let mut third = Box::new([0; THIRD_LENGTH]);
        caller.hear_all(&mut *third).await?;
        let rtt = asked.elapsed();
        let applicant = responder.read_third(&third).ok()?.into();
        Some(Self { caller, rtt, applicant })
    }

    /// Who it is.
    pub fn peer(&self) -> PublicKey {
        self.applicant.peer()
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.caller.address
    }

    /// What it wants to do with files.
    pub fn role(&self) -> Role {
        self.applicant.dialler_role()
    }

    /// Tells it to come again.
    pub async fn turn_away(mut self) {
        // Whoever does not hear it finds the door closed.
        self.caller.say(&BUSY).await;
    }

    /// Lets it in.
    pub async fn enter(self) -> Option<Opened> {
        let Self { mut caller, rtt, applicant } = self;
        let (accept, established) = applicant.accept().ok()?;
        caller.say(&accept).await?;
        opened(caller.stream, rtt, established, Who::Listener, caller.address).ok()
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
    mut caller: Box<Caller>,
    secret: &SessionSecret,
    request: JoinRequest,
    share: Share,
) -> Option<Connection> {
    let nonce = random().ok()?;
    let asked = Instant::now();
    caller.say(&nonce).await?;
    let (sealer, mut opener) = request.into_lane(nonce).into_ciphers(secret, Who::Listener);
    let header: [u8; HEADER_LENGTH] = caller.hear().await?;
    let rtt = asked.elapsed();
    let mut proof: [u8; PROOF_LENGTH - HEADER_LENGTH] = caller.hear().await?;
    if record_length(header).ok()? != proof.len() {
        return None;
    }
    let plaintext = opener.open(header, &mut proof).ok()?;
    let (frame, _) = Frames::new(plaintext).next_frame().ok()??;
    let stream = blocking(caller.stream).ok()?;
    let keys = LaneKeys { sealer, opener };
    (frame.kind == FrameType::Ping).then_some(Connection { stream, keys, rtt, share: Some(share) })
}
