//! Peers that were let in and are silent, or slow, or take nothing: what ends them are timers, here shorter ones.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hawser_engine::{
    DialOptions, Error, ListenOptions, Listener, StaticKey, Timers, Transfer, Work, dial, listen,
};
use hawser_protocol::cipher::Side;
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::handshake::Role;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::message::Message;
use socket2::{Domain, Socket, Type};
use support::dialler::{self, Dialled};
use support::hostile::Hostile;
use support::tap::{FIRST_RECORD, Tap, Verdict};
use support::{MIB, PATIENCE, bytes, close, delivered, finished, job, local, next, outcome, with, write};
use tempfile::{TempDir, tempdir};

const SOON: Duration = Duration::from_secs(1);

/// How often a slow peer sends a byte, or takes one: each comes long before silence counts.
const NOW_AND_THEN: Duration = Duration::from_millis(100);

/// A folder and a listener, for peers of one role.
struct Place {
    folder: TempDir,
    listener: Listener,
    /// What its peers have to be.
    role: Role,
}

impl Place {
    /// One of each kind: a receiver, and a sender of a large file.
    fn both(timers: Timers) -> [Self; 2] {
        [Role::Source, Role::Sink].map(|role| {
            let folder = tempdir().unwrap();
            write(&folder.path().join("file"), 1, 32 * MIB);
            let work = match role {
                Role::Source => Work::Write(folder.path().join("inbox")),
                Role::Sink => Work::Read(vec![folder.path().join("file")]),
            };
            let listener = listen(ListenOptions { timers, ..local(job(work)) }).unwrap();
            Self { folder, listener, role }
        })
    }

    fn enter(&self) -> Hostile {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.listener.port())).unwrap();
        Hostile::enter_as(self.role, stream, &self.listener.ticket(), 1).unwrap()
    }

    /// A good peer, which gets or brings its file, is served.
    fn serves(&self) {
        let (work, arrives) = match self.role {
            Role::Source => (Work::Read(vec![self.folder.path().join("file")]), "inbox/file"),
            Role::Sink => (Work::Write(self.folder.path().join("fetched")), "fetched/file"),
        };
        // It may be thought silent itself, on a machine that has much else to do.
        let options = with(&self.listener.ticket(), job(work), 2);
        finished(&dial(DialOptions { retry: PATIENCE, ..options }).unwrap()).unwrap();
        assert!(fs::read(self.folder.path().join(arrives)).unwrap() == bytes(1, 32 * MIB));
    }
}

fn is_lost(transfer: &Transfer) {
    let end = finished(transfer);
    assert!(matches!(end, Err(Error::Lost)), "{end:?}");
}

#[test]
fn d7_whoever_was_let_in_and_says_nothing_is_lost_and_others_are_served() {
    for place in Place::both(Timers { lost_after: SOON, ..Timers::default() }) {
        let said_hello = place.enter();
        let session = next(&place.listener);
        is_lost(&session);
        let mut began_a_record = place.enter();
        let session = next(&place.listener);
        let record = began_a_record.sealed(&frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[]));
        began_a_record.stream.write_all(&record[..10]).unwrap();
        is_lost(&session);
        place.serves();
        drop((said_hello, began_a_record));
        close(&place.listener, true);
    }
}

#[test]
fn d7_whoever_was_let_in_and_does_not_even_say_hello_is_lost() {
    let [place, _] = Place::both(Timers { lost_after: SOON, ..Timers::default() });
    let Dialled { stream, .. } = dialler::open(&place.listener.ticket(), &StaticKey::new([7; 32])).unwrap();
    is_lost(&next(&place.listener));
    place.serves();
    drop(stream);
    close(&place.listener, true);
}

#[test]
fn d8_a_record_of_which_a_byte_comes_now_and_then_does_not_keep_a_place() {
    for place in Place::both(Timers { record_grace: SOON, ..Timers::default() }) {
        let mut peer = place.enter();
        let end = outcome(&next(&place.listener));
        let record = peer.sealed(&frame::encode(FrameType::Ping, EntryId::ROOT, 0, &[]).repeat(1000));
        let mut bytes = record.chunks(1);
        let deadline = Instant::now() + PATIENCE;
        let end = loop {
            if let Ok(end) = end.try_recv() {
                break end;
            }
            assert!(Instant::now() < deadline, "it is waited for without end");
            // The other side may have had enough of it.
            let _ = peer.stream.write_all(bytes.next().unwrap());
            thread::sleep(NOW_AND_THEN);
        };
        assert!(matches!(end, Err(Error::Lost)), "{end:?}");
        place.serves();
        close(&place.listener, true);
    }
}

/// A peer that has as little room as the system lets it have for what it does not read.
fn enter_narrow(place: &Place) -> Hostile {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, place.listener.port())).into()).unwrap();
    Hostile::enter_as(place.role, socket.into(), &place.listener.ticket(), 1).unwrap()
}

#[test]
fn d6_a_source_that_never_reads_is_lost() {
    let [place, _] = Place::both(Timers { unread_after: SOON, ..Timers::default() });
    let mut peer = enter_narrow(&place);
    let session = next(&place.listener);
    peer.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // Each is refused at once, and answered.
    let kind = Kind::File { size: 1 << 62 };
    let name = Name::new(b"too large").unwrap();
    let mtime = Mtime { seconds: 0, nanoseconds: 0 };
    let page = vec![Entry { parent: EntryId::ROOT, name, kind, mode: 0o644, mtime }; 1000];
    let mut pages = 0;
    let hung_up = loop {
        match peer.offer(&page) {
            Ok(()) => pages += 1,
            Err(error) => break error,
        }
        assert!(pages < 5000, "it is read from without end");
    };
    assert!(!matches!(hung_up.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{hung_up}");
    is_lost(&session);
    place.serves();
    close(&place.listener, true);
}

/// A sink that asks for a large file and takes what comes as it likes.
fn sink_that_takes(take: impl FnOnce(TcpStream, &AtomicBool) + Send + 'static) {
    let [_, place] = Place::both(Timers { unread_after: SOON, ..Timers::default() });
    let mut peer = enter_narrow(&place);
    let session = next(&place.listener);
    peer.hear_of(FrameType::Manifest).unwrap();
    peer.say(&[Message::Want(vec![EntryId(1)])]).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (stream, until) = (peer.stream.try_clone().unwrap(), over.clone());
    let taking = thread::spawn(move || take(stream, &until));
    is_lost(&session);
    over.store(true, Ordering::Relaxed);
    taking.join().unwrap();
    place.serves();
    drop(peer);
    close(&place.listener, true);
}

#[test]
fn d6_a_sink_that_asks_and_never_reads_is_lost() {
    sink_that_takes(|_, _| {});
}

#[test]
fn d8_a_sink_that_reads_a_byte_now_and_then_is_lost() {
    sink_that_takes(|mut stream, over| {
        while !over.load(Ordering::Relaxed) && stream.read_exact(&mut [0]).is_ok() {
            thread::sleep(NOW_AND_THEN);
        }
    });
}

/// Fetches over a line on which the length of this record to the listener is made larger: what comes behind it is
/// taken for the rest of it, and that is little more than signs of life. How that ended, on this side and that one, and
/// whether all came.
fn fetch_with_a_longer_record(first: usize, lanes: u8, retry: Duration) -> ([Result<(), Error>; 2], bool) {
    let [_, place] = Place::both(Timers { record_grace: SOON, ..Timers::default() });
    let done = AtomicBool::new(false);
    let tap = Tap::new(place.listener.port(), move |unit| {
        let meddle = unit.connection == 0 && unit.from == Side::Dialler && unit.number >= first;
        if !meddle || done.swap(true, Ordering::Relaxed) {
            return Verdict::Pass;
        }
        let mut longer = unit.bytes.clone();
        longer[1] ^= 1;
        Verdict::Instead(longer)
    });
    let to = place.folder.path().join("fetched");
    let options = with(&tap.ticket(&place.listener.ticket()), job(Work::Write(to.clone())), lanes);
    let fetched = dial(DialOptions { retry, ..options }).unwrap();
    let ends = [finished(&fetched), finished(&next(&place.listener))];
    close(&place.listener, true);
    let came = to.join("file").exists();
    assert!(!came || fs::read(to.join("file")).unwrap() == bytes(1, 32 * MIB));
    (ends, came && is_delivered(&to))
}

fn is_delivered(to: &Path) -> bool {
    delivered(to) == ["file"]
}

#[test]
fn a_length_made_larger_on_the_line_costs_a_lane_of_several_and_no_byte() {
    let (ends, came) = fetch_with_a_longer_record(FIRST_RECORD + 1, 2, Duration::ZERO);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    assert!(came);
}

#[test]
fn a_length_made_larger_on_the_only_line_ends_the_session_as_lost_and_another_goes_on() {
    thread::scope(|scope| {
        let alone = scope.spawn(|| fetch_with_a_longer_record(FIRST_RECORD, 1, Duration::ZERO));
        let ([end, first], came) = fetch_with_a_longer_record(FIRST_RECORD, 1, Duration::MAX);
        assert!(matches!(first, Err(Error::Lost)), "{first:?}");
        end.unwrap();
        assert!(came);
        let (ends, _) = alone.join().unwrap();
        assert!(ends.iter().all(|end| matches!(end, Err(Error::Lost))), "{ends:?}");
    });
}
