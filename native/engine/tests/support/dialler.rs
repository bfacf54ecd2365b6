//! A dialler of the tests' own, that says what it is told to: over the real codecs, and without any check.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use hawser_engine::{Code, PublicKey, StaticKey, Ticket};
use hawser_protocol::cipher::{Opener, Sealer, Side};
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::handshake::*;
use hawser_protocol::join::JoinRequest;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::opening::{BUSY, Opening, PREAMBLE};
use socket2::{Domain, Socket, Type};

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Connects from an address of its own where a machine has many, as Linux has: a listener takes only so many
/// handshakes a second from one.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if !cfg!(target_os = "linux") {
        return TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    }
    let [_, a, b, c] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // None of them ends in 0 or 255.
    connect_from(Ipv4Addr::new(127, 1 + a, b / 2, 1 + c / 2 + 126 * (b % 2)), port)
}

/// Connects from this address of the machine.
pub fn connect_from(own: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((own, 0)).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(super::PATIENCE))?;
    Ok(stream)
}

/// Connects and says `words`, again where the listener has too many at the door.
pub fn knock(port: u16, words: &[u8]) -> TcpStream {
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "turned away again and again");
        let mut stream = connect(port).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let mut preamble = [0; 8];
        let answered = stream.write_all(words).and_then(|()| stream.read_exact(&mut preamble));
        // One that is turned away may find the line reset before it has read the word.
        if answered.is_err() || preamble == BUSY {
            std::thread::yield_now();
            continue;
        }
        assert_eq!(preamble, PREAMBLE);
        return stream;
    }
}

/// Says message 1 with a ticket's secret or without, to a listener of this key; hears message 2.
pub fn greet(
    port: u16,
    listener: PublicKey,
    credential: &Credential,
    who: &StaticKey,
) -> io::Result<(TcpStream, [u8; THIRD_LENGTH], InitiatorAwaitingAccept)> {
    let entropy = InitiatorEntropy { ephemeral: random(), random: random(), kem: random() };
    let (first, initiator) = Initiator::start(who, listener, credential, Role::Source, entropy).unwrap();
    let mut stream = knock(port, &[Opening::Session.encode().as_slice(), &first].concat());
    let mut second = [0; SECOND_LENGTH];
    stream.read_exact(&mut second)?;
    let (third, initiator) = initiator.read_second(&second).unwrap();
    Ok((stream, third, initiator))
}

/// A session, as its dialler has it.
pub struct Dialled {
    pub stream: TcpStream,
    pub session: SessionId,
    pub secret: SessionSecret,
    pub sealer: Sealer,
    pub opener: Opener,
}

/// Opens a session as its source.
pub fn open(ticket: &Ticket, who: &StaticKey) -> io::Result<Dialled> {
    let credential = Credential::Ticket(ticket.secret().clone());
    let (mut stream, third, initiator) = greet(ticket.port(), ticket.key(), &credential, who)?;
    stream.write_all(&third)?;
    enter(stream, initiator)?.ok_or(io::ErrorKind::ResourceBusy.into())
}

/// Hears whether it is let in; `None` when it is told to come again.
fn enter(mut stream: TcpStream, initiator: InitiatorAwaitingAccept) -> io::Result<Option<Dialled>> {
    let mut accept = [0; ACCEPT_LENGTH];
    let (begin, rest) = accept.split_at_mut(BUSY.len());
    stream.read_exact(begin)?;
    if *begin == BUSY {
        return Ok(None);
    }
    stream.read_exact(rest)?;
    let Established { secret, session, first_lane, .. } = initiator.read_accept(&accept).unwrap();
    let (sealer, opener) = first_lane.into_ciphers(&secret, Side::Dialler);
    Ok(Some(Dialled { stream, session, secret, sealer, opener }))
}

/// Opens a session as its source, on a connection that was made, as somebody who knows the code; `None` when it is
/// told to come again.
pub fn meet(mut stream: TcpStream, code: &Code, who: &StaticKey) -> io::Result<Option<Dialled>> {
    let (first, initiator) = CodeInitiator::start(code, CodeEntropy { scalar: random(), run: random() });
    stream.write_all(&[Opening::Code.encode().as_slice(), &first].concat())?;
    let mut share = [0; 8 + SHARE_LENGTH];
    stream.read_exact(&mut share)?;
    let share = share[8..].try_into().unwrap();
    let entropy = InitiatorEntropy { ephemeral: random(), random: random(), kem: random() };
    let (proof, initiator) = initiator.read_share(&share, who, Role::Source, entropy).unwrap();
    stream.write_all(&proof)?;
    let mut second = [0; SPOKEN_SECOND_LENGTH];
    stream.read_exact(&mut second)?;
    let (third, initiator) = initiator.read_second(&second).unwrap();
    stream.write_all(&third)?;
    enter(stream, initiator)
}

/// Asks to join a session, and proves `secret`. Whether the listener took it shows when something is said on it.
pub fn join(
    port: u16,
    session: SessionId,
    secret: &SessionSecret,
    lane: u8,
    attempt: u32,
) -> io::Result<TcpStream> {
    let request = JoinRequest { session, lane, attempt, nonce: random() };
    let mut stream = knock(port, &[Opening::Join.encode().as_slice(), &request.encode()].concat());
    let mut nonce = [0; 32];
    stream.read_exact(&mut nonce)?;
    let (mut sealer, _) = request.into_lane(nonce).into_ciphers(secret, Side::Dialler);
    stream.write_all(&sealed(&mut sealer, &frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[])))?;
    Ok(stream)
}

/// A record of these frames.
pub fn sealed(sealer: &mut Sealer, frames: &[u8]) -> Vec<u8> {
    let mut record = [&[0; 4], frames, &[0; 16]].concat();
    sealer.seal(&mut record).unwrap();
    record
}

/// All that still comes until the other side closes.
pub fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
