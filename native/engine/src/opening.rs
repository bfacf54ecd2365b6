//! How a connection becomes a lane: the handshake and the join, as I/O.
//!
//! All of this is asynchronous, because a connection that has proven nothing must cost little: no
//! thread, no buffer beyond one message. What has proven itself moves to threads.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) use hawser_protocol::cipher::Side as Who;
use hawser_protocol::cipher::{HEADER_LENGTH, Opener, Sealer, TAG_LENGTH, record_length};
use hawser_protocol::frame::{self, FrameType, Frames, HEADER_BYTES};
use hawser_protocol::handshake::{
    ACCEPT_LENGTH, Applicant, CODE_LENGTH, Claim, CodeEntropy, CodeInitiator, CodeResponder, Established,
    FIRST_LENGTH, HandshakeError, Initiator, InitiatorAwaitingAccept, InitiatorEntropy,
    PROOF_LENGTH as CODE_PROOF_LENGTH, Responder, ResponderAwaitingThird, ResponderEntropy, Role,
    SECOND_LENGTH, SHARE_LENGTH, SPOKEN_SECOND_LENGTH, SessionSecret, THIRD_LENGTH,
};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::{JOIN_LENGTH, JoinRequest};
use hawser_protocol::manifest::EntryId;
pub(crate) use hawser_protocol::opening::BUSY;
use hawser_protocol::opening::{OPENING_LENGTH, Opening, PREAMBLE, check_preamble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::Error;
use crate::codes::{Codes, Guess};
use crate::destination::Door;
use crate::error::words;

/// How long a dialler waits for a connection and for each answer: longer than it may take a listener
/// that has hundreds of diallers to get round to this one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that has become a lane.
pub(crate) struct Connection {
    pub stream: std::net::TcpStream,
    pub keys: LaneKeys,
    /// How long the peer takes to answer: the shortest time seen while connecting.
    pub rtt: Duration,
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

/// A listener that has proven to be the right one.
pub(crate) struct Greeted {
    stream: TcpStream,
    address: SocketAddr,
    rtt: Duration,
    initiator: InitiatorAwaitingAccept,
    third: [u8; THIRD_LENGTH],
}

/// Connects and goes through the handshake up to where the listener has proven itself.
pub(crate) async fn greet(
    address: SocketAddr,
    door: &Door,
    key: &StaticKey,
    role: Role,
) -> Result<Greeted, Error> {
    let greeting = async {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).await.map_err(|error| connect_error(address, &error))?;
        let mut rtt = begun.elapsed();
        stream.set_nodelay(true).map_err(|error| connect_error(address, &error))?;
        let entropy = InitiatorEntropy { ephemeral: random()?, random: random()?, kem: random()? };
        let (third, initiator) = match door {
            Door::Known { key: listener, credential } => {
                let (first, initiator) =
                    Initiator::start(key, *listener, credential, role, entropy).map_err(refused)?;
                rtt = rtt.min(knock(&mut stream, address, Opening::Session, &first).await?);
                // It speaks hawser, so if it closes now, then because it cannot read message 1.
                let second: [u8; SECOND_LENGTH] = read_answer(&mut stream).await?;
                initiator.read_second(&second)
            }
            Door::Code { code, .. } => {
                let (first, initiator) =
                    CodeInitiator::start(code, CodeEntropy { scalar: random()?, run: random()? });
                rtt = rtt.min(knock(&mut stream, address, Opening::Code, &first).await?);
                let share: [u8; SHARE_LENGTH] = read_answer(&mut stream).await?;
                let (proof, initiator) = initiator.read_share(&share, key, role, entropy).map_err(refused)?;
                stream.write_all(&proof).await.map_err(|_| Error::Authentication)?;
                let second: [u8; SPOKEN_SECOND_LENGTH] = read_answer(&mut stream).await?;
                initiator.read_second(&second)
            }
        }
        .map_err(refused)?;
        Ok(Greeted { stream, address, rtt, initiator, third })
    };
    within(address, greeting).await
}

/// Sends the first words, and waits for the listener's: how long that took.
async fn knock(
    stream: &mut TcpStream,
    address: SocketAddr,
    opening: Opening,
    first: &[u8],
) -> Result<Duration, Error> {
    let asked = Instant::now();
    let words = [opening.encode().as_slice(), first].concat();
    stream.write_all(&words).await.map_err(|_| Error::HungUp { address })?;
    read_preamble(stream, address).await?;
    Ok(asked.elapsed())
}

/// What a listener that speaks hawser says next, if it takes what this side said.
async fn read_answer<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], Error> {
    read_exact(stream).await.map_err(|_| Error::Authentication)
}

impl Greeted {
    /// Who the listener has proven to be.
    pub(crate) fn listener(&self) -> PublicKey {
        self.initiator.listener()
    }

    /// Proves this side, and waits to be let in.
    pub(crate) async fn enter(self) -> Result<Opened, Error> {
        let Self { mut stream, address, rtt, initiator, third } = self;
        let entering = async {
            stream.write_all(&third).await.map_err(|_| Error::Authentication)?;
            let accept = read_accept(&mut stream, address).await?;
            let established = initiator.read_accept(&accept).map_err(refused)?;
            opened(stream, rtt, established, Who::Dialler, address)
        };
        within(address, entering).await
    }
}

/// Opens another lane of a session: connects, joins, and proves the session's secret.
pub(crate) async fn join(
    address: SocketAddr,
    secret: &SessionSecret,
    mut request: JoinRequest,
) -> Result<Connection, Error> {
    let joining = async {
        let failed = |error: io::Error| connect_error(address, &error);
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).await.map_err(failed)?;
        let rtt = begun.elapsed();
        stream.set_nodelay(true).map_err(failed)?;
        request.nonce = random()?;
        let opening = [Opening::Join.encode().as_slice(), request.encode().as_slice()].concat();
        stream.write_all(&opening).await.map_err(failed)?;
        read_preamble(&mut stream, address).await?;
        let nonce: [u8; 32] = read_answer(&mut stream).await?;
        let (mut sealer, opener) = request.into_lane(nonce).into_ciphers(secret, Who::Dialler);
        let mut proof = [0; PROOF_LENGTH];
        proof[HEADER_LENGTH..][..HEADER_BYTES].copy_from_slice(&proof_frame());
        sealer.seal(&mut proof).map_err(|error| Error::Internal(error.to_string()))?;
        stream.write_all(&proof).await.map_err(failed)?;
        let stream = blocking(stream).map_err(failed)?;
        Ok(Connection { stream, keys: LaneKeys { sealer, opener }, rtt })
    };
    within(address, joining).await
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
) -> Option<(Guess, Visitor)> {
    let guess = codes.guess().ok()?;
    let first: [u8; CODE_LENGTH] = read_exact(&mut stream).await.ok()?;
    let entropy = CodeEntropy { scalar: random().ok()?, run: [0; 16] };
    let (share, responder) = CodeResponder { code: guess.code.clone() }.answer(&first, entropy).ok()?;
    stream.write_all(&share).await.ok()?;
    let proof: [u8; CODE_PROOF_LENGTH] = read_exact(&mut stream).await.ok()?;
    if !codes.is_open(&guess) {
        return None;
    }
    let Ok((second, responder)) = responder.read_proof(&proof, key, responder_entropy()?) else {
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
    Ok(Opened { connection: Connection { stream, keys, rtt }, secret, session, peer, address })
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

/// Reads ACCEPT, or that there is no place for this one at the moment.
async fn read_accept(stream: &mut TcpStream, address: SocketAddr) -> Result<[u8; ACCEPT_LENGTH], Error> {
    let mut accept = [0; ACCEPT_LENGTH];
    let (begin, rest) = accept.split_at_mut(BUSY.len());
    begin.copy_from_slice(&read_answer::<{ BUSY.len() }>(stream).await?);
    // No ACCEPT begins like that, but by a chance of one in 2^64.
    if *begin == BUSY {
        return Err(Error::Busy { address });
    }
    rest.copy_from_slice(&read_answer::<{ ACCEPT_LENGTH - BUSY.len() }>(stream).await?);
    Ok(accept)
}

async fn read_preamble(stream: &mut TcpStream, address: SocketAddr) -> Result<(), Error> {
    let preamble = read_exact(stream).await.map_err(|_| Error::HungUp { address })?;
    check_preamble(&preamble).map_err(|error| match error {
        HandshakeError::Busy => Error::Busy { address },
        HandshakeError::Version { ours, theirs } => Error::Version { ours, theirs },
        _ => Error::NotHawser { address },
    })
}

async fn read_exact<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn within<T>(address: SocketAddr, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_TIMEOUT, work).await {
        Ok(result) => result,
        Err(_) => Err(connect_error(address, &io::Error::new(io::ErrorKind::TimedOut, "no answer"))),
    }
}

fn blocking(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn connect_error(address: SocketAddr, error: &io::Error) -> Error {
    Error::Connect { address, kind: error.kind(), text: words(error) }
}

/// Nothing that a handshake fails by can be told apart, nor should be.
fn refused(_: HandshakeError) -> Error {
    Error::Authentication
}
