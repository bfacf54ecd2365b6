//! Floods a listener, for `npm run floods`: the attacks of docs/protocol.md, "Limits", before anything is
//! proven. Says what it did as JSON when its input ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a tool may stop at the first surprise")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hawser_engine::{StaticKey, Ticket};
use hawser_protocol::handshake::{Credential, Initiator, InitiatorEntropy, Role};
use hawser_protocol::opening::{BUSY, Opening};
use socket2::{Domain, Protocol, Socket, Type};

const USAGE: &str = "flood silent|first|connect|garbage PORT SOURCES PER_SECOND TICKET
flood plain
PORT 0 is that of the ticket. It goes on until its input ends. SOURCES addresses from 127.0.1.1 on, or 0 for 127.0.0.1; plain listens, accepts and hangs up, for comparison";

/// Enough to keep a rate that one thread's connections would fall behind.
const THREADS: u64 = 4;

/// What is done with each connection.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Stays open and says nothing.
    Silent,
    /// Stays open behind the first message of a handshake, which is the same each time.
    First,
    /// Hangs up at once.
    Connect,
    /// Says nonsense, 1 byte to 1 MiB of it, and hangs up.
    Garbage,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (kind, [port, sources, rate], ticket) = match arguments[..] {
        ["plain"] => return plain(),
        [kind, port, sources, rate, ticket] => {
            let kind = match kind {
                "silent" => Kind::Silent,
                "first" => Kind::First,
                "connect" => Kind::Connect,
                "garbage" => Kind::Garbage,
                _ => panic!("{USAGE}"),
            };
            (kind, [port, sources, rate].map(|word| word.parse::<u64>().expect(USAGE)), ticket)
        }
        _ => panic!("{USAGE}"),
    };
    let ticket: Ticket = ticket.parse().expect(USAGE);
    let port = if port == 0 { ticket.port() } else { port as u16 };
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let words = match kind {
        Kind::Silent | Kind::Connect => Vec::new(),
        Kind::First => first_message(&ticket),
        Kind::Garbage => {
            (0..1 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
        }
    };
    let (made, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (words, made, failed, over) = (&words, &made, &failed, &over);
            scope.spawn(move || {
                let mut open = Vec::new();
                for turn in 0.. {
                    let count = turn * THREADS + number;
                    let due = begun + Duration::from_secs(1).mul_f64(count as f64 / rate as f64);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    match visit(kind, to, source(sources, count), words, count) {
                        Ok(stream) => {
                            made.fetch_add(1, Ordering::Relaxed);
                            open.extend(stream);
                        }
                        Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        over.store(true, Ordering::Relaxed);
    });
    let [made, failed] = [made, failed].map(AtomicU64::into_inner);
    println!("{{\"connections\":{made},\"failed\":{failed},\"cpuMs\":{}}}", own_cpu_ms());
}

/// Accepts and hangs up with a word, as cheaply as anybody can.
fn plain() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for mut stream in listener.incoming().map_while(Result::ok) {
        let _ = stream.write(&BUSY);
    }
}

fn source(sources: u64, count: u64) -> IpAddr {
    match sources {
        0 => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv4Addr::from_bits(u32::from_be_bytes([127, 0, 1, 1]) + (count % sources) as u32).into(),
    }
}

/// One connection, if it is to stay open.
fn visit(
    kind: Kind,
    to: SocketAddr,
    from: IpAddr,
    words: &[u8],
    count: u64,
) -> std::io::Result<Option<TcpStream>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Otherwise the system would soon have no port left that it may use again.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect(&to.into())?;
    let mut stream = TcpStream::from(socket);
    let length = match kind {
        Kind::Garbage => 1 << (count % 21),
        _ => words.len(),
    };
    // Whoever is turned away is so in the middle of it.
    let _ = stream.write_all(&words[..length]);
    Ok(matches!(kind, Kind::Silent | Kind::First).then_some(stream))
}

/// What a dialler says first. Whoever has heard it can say it, too.
fn first_message(ticket: &Ticket) -> Vec<u8> {
    let entropy = InitiatorEntropy { ephemeral: [1; 32], random: [2; 32], kem: [4; 64] };
    let credential = Credential::Ticket(ticket.secret().clone());
    let (first, _) =
        Initiator::start(&StaticKey::new([3; 32]), ticket.key(), &credential, Role::Source, entropy).unwrap();
    [&Opening::Session.encode()[..], &first].concat()
}

fn own_cpu_ms() -> u64 {
    let mut stat = String::new();
    std::fs::File::open("/proc/self/stat").and_then(|mut file| file.read_to_string(&mut stat)).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    [11, 12].iter().map(|&at: &usize| fields[at].parse::<u64>().unwrap() * 10).sum()
}
