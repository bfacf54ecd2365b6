//! The side that dials.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hawser_protocol::cipher::HEADER_LENGTH;
use hawser_protocol::frame::HEADER_BYTES;
use hawser_protocol::handshake::{
    ACCEPT_LENGTH, CodeEntropy, CodeInitiator, HandshakeError, Initiator, InitiatorAwaitingAccept,
    InitiatorEntropy, Role, SECOND_LENGTH, SHARE_LENGTH, SPOKEN_SECOND_LENGTH, SessionSecret, THIRD_LENGTH,
};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::JoinRequest;
use hawser_protocol::opening::{Opening, check_preamble};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{
    BUSY, Connection, LaneKeys, Opened, PROOF_LENGTH, Who, blocking, connect_error, opened, proof_frame,
    random, read_exact,
};
use crate::Error;
use crate::destination::Door;

/// How long a dialler waits for a connection and for each answer: longer than it may take a listener
/// that has hundreds of diallers to get round to this one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

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
    // From then on the listener can tell whether a code was right, so this must not be tried anywhere else.
    let has_guessed = AtomicBool::new(false);
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
                has_guessed.store(true, Ordering::Relaxed);
                stream.write_all(&proof).await.map_err(|_| Error::Authentication)?;
                let second: [u8; SPOKEN_SECOND_LENGTH] = read_answer(&mut stream).await?;
                initiator.read_second(&second)
            }
        }
        .map_err(refused)?;
        Ok(Greeted { stream, address, rtt, initiator, third })
    };
    let greeted = within(address, greeting).await;
    greeted.map_err(|error| if has_guessed.load(Ordering::Relaxed) { Error::Authentication } else { error })
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
        Ok(Connection { stream, keys: LaneKeys { sealer, opener }, rtt, share: None })
    };
    within(address, joining).await
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

async fn within<T>(address: SocketAddr, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_TIMEOUT, work).await {
        Ok(result) => result,
        Err(_) => Err(connect_error(address, &io::Error::new(io::ErrorKind::TimedOut, "no answer"))),
    }
}

/// Nothing that a handshake fails by can be told apart, nor should be.
fn refused(_: HandshakeError) -> Error {
    Error::Authentication
}
