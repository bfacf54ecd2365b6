//! A line that is listened to, and on which what is said can be changed, message by message and record by
//! record.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hawser_engine::{Host, Ticket};
use hawser_protocol::cipher::Side;

/// Bytes of the whole handshake of a session, from either side.
pub const FROM_DIALLER: usize = 9 + 64 + 1281;
pub const FROM_LISTENER: usize = 8 + 48 + 1152;

/// The first number of a unit that is a record, where the connection began a session.
pub const FIRST_RECORD: usize = 2;

/// Units of one direction that are kept: memory is limited.
const KEPT: usize = 64;

/// What goes over the line in one piece: a message of the handshake, with what stands before it, or a record.
#[derive(Clone)]
pub struct Unit {
    /// Which connection, in the order they were made.
    pub connection: usize,
    pub from: Side,
    /// Which of its direction; those of the handshake are the first two, or one on a connection that joins.
    pub number: usize,
    /// How many bytes of its direction went before it.
    pub offset: usize,
    pub bytes: Vec<u8>,
}

impl Unit {
    /// Where in this unit the byte `at` of its direction is.
    pub fn holds(&self, at: usize) -> Option<usize> {
        at.checked_sub(self.offset).filter(|at| *at < self.bytes.len())
    }
}

/// What becomes of a unit.
pub enum Verdict {
    /// Goes on as it is.
    Pass,
    /// This goes on in its place, which may be nothing.
    Instead(Vec<u8>),
    /// This goes back to whoever said it.
    Back(Vec<u8>),
    /// This is the last that goes on; then the connection is cut.
    Cut(Vec<u8>),
}

/// A line that takes no more connections once it is dropped; those it has go on.
pub struct Tap {
    port: u16,
    heard: Arc<Mutex<Vec<Unit>>>,
    over: Arc<AtomicBool>,
}

impl Tap {
    pub fn new(to: u16, meddle: impl Fn(&Unit) -> Verdict + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let (recorded, meddle) = (heard.clone(), Arc::new(meddle));
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        thread::spawn(move || {
            for (connection, near) in listener.incoming().map_while(Result::ok).enumerate() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(far) = super::dialler::connect(to) else { continue };
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let (meddle, recorded) = (meddle.clone(), recorded.clone());
                thread::spawn(move || tap(connection, &near, &far, &*meddle, &recorded));
            }
        });
        Self { port, heard, over }
    }

    /// A line on which nothing is changed.
    pub fn listening(to: u16) -> Self {
        Self::new(to, |_| Verdict::Pass)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `ticket`, but for the other end of this line.
    pub fn ticket(&self, ticket: &Ticket) -> Ticket {
        let hosts = vec![Host::Ip(Ipv4Addr::LOCALHOST.into())];
        Ticket::new(hosts, self.port, ticket.key(), ticket.secret().clone(), ticket.permits()).unwrap()
    }

    /// The first units of one direction of a connection so far, as they were said.
    pub fn heard(&self, connection: usize, from: Side) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        let units = heard.iter().filter(|unit| unit.connection == connection && unit.from == from);
        units.map(|unit| unit.bytes.clone()).collect()
    }

    /// The same of all connections, without what is between them.
    pub fn everything(&self) -> Vec<u8> {
        self.heard.lock().unwrap().iter().flat_map(|unit| unit.bytes.clone()).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes whoever waits for the next one.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn tap(
    connection: usize,
    near: &TcpStream,
    far: &TcpStream,
    meddle: &(dyn Fn(&Unit) -> Verdict + Send + Sync),
    heard: &Mutex<Vec<Unit>>,
) {
    let carry =
        |from: Side, lengths: &[usize], first: Vec<u8>, mut source: &TcpStream, mut sink: &TcpStream| {
            let (mut offset, mut read) = (0, first);
            for number in 0.. {
                let length = lengths.get(number).copied();
                let (bytes, is_whole) = unit(source, std::mem::take(&mut read), length);
                if bytes.is_empty() {
                    break;
                }
                let unit = Unit { connection, from, number, offset, bytes };
                if number < KEPT {
                    heard.lock().unwrap().push(unit.clone());
                }
                offset += unit.bytes.len();
                let (sent, is_last) = match meddle(&unit) {
                    Verdict::Pass => (sink.write_all(&unit.bytes), false),
                    Verdict::Instead(bytes) => (sink.write_all(&bytes), false),
                    Verdict::Back(bytes) => (source.write_all(&bytes), false),
                    Verdict::Cut(bytes) => (sink.write_all(&bytes), true),
                };
                if is_last {
                    let _ = source.shutdown(Shutdown::Both);
                }
                if sent.is_err() || is_last || !is_whole {
                    break;
                }
            }
            let _ = sink.shutdown(Shutdown::Write);
            // What still comes is of no use, but who sends it must not be stopped by that.
            let _ = io::copy(&mut source, &mut io::sink());
        };
    let mut opening = vec![0; 9];
    if (&*near).read_exact(&mut opening).is_err() {
        return;
    }
    let (there, back): (&[usize], &[usize]) = match opening[8] {
        1 => (&[73, 1281], &[56, 1152]),
        2 => (&[62], &[40]),
        _ => (&[57, 48, 1281], &[40, 96, 1152]),
    };
    thread::scope(|scope| {
        scope.spawn(|| carry(Side::Dialler, there, opening, near, far));
        scope.spawn(|| carry(Side::Listener, back, Vec::new(), far, near));
    });
}

/// The next unit, of which some may have been read: of a known length, or a record. Whether that is all of it, for
/// who says it may hang up before.
fn unit(mut source: &TcpStream, mut bytes: Vec<u8>, length: Option<usize>) -> (Vec<u8>, bool) {
    let mut fill = |bytes: &mut Vec<u8>, length: usize| {
        let rest = (length - bytes.len()) as u64;
        Read::by_ref(&mut source).take(rest).read_to_end(bytes).is_ok() && bytes.len() == length
    };
    let length = match length {
        Some(length) => length,
        None if fill(&mut bytes, 4) => {
            4 + u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
        }
        None => return (bytes, false),
    };
    let is_whole = fill(&mut bytes, length);
    (bytes, is_whole)
}
