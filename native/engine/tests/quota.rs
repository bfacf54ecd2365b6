//! What a ticket with limits lets a sender leave on the disk, whatever becomes of its sessions.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hawser_engine::{
    Fate, ListenOptions, Listener, Reason, StaticKey, TicketLimits, TicketUse, Work, dial, listen,
};
use hawser_protocol::frame::FrameType;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use support::hostile::Hostile;
use support::{MIB, close, finished, job, local, next, settled, until, with};
use tempfile::tempdir;

const CHUNK: usize = 256 * 1024;
const KEY: u8 = 5;
const SECONDS: u64 = 1_600_000_000;

fn limited(to: &Path, ledger: Option<&Path>, limits: TicketLimits) -> Listener {
    let ledger = ledger.map(Path::to_owned);
    listen(ListenOptions { ticket_limits: limits, ledger, ..local(job(Work::Write(to.into()))) }).unwrap()
}

fn begin(listener: &Listener) -> Hostile {
    Hostile::enter(TcpStream::connect(("127.0.0.1", listener.port())).unwrap(), &listener.ticket(), KEY)
        .unwrap()
}

fn file(name: &str, size: usize) -> Entry {
    Entry {
        parent: EntryId::ROOT,
        name: Name::new(name.as_bytes()).unwrap(),
        kind: Kind::File { size: size as u64 },
        mode: 0o644,
        mtime: Mtime { seconds: SECONDS as i64, nanoseconds: 0 },
    }
}

/// A session that brings one chunk of a file, and is lost.
fn leave(listener: &Listener, name: &str, size: usize, chunk: usize) {
    let mut peer = begin(listener);
    peer.offer(&[file(name, size)]).unwrap();
    peer.hear_of(FrameType::Want).unwrap();
    peer.record(&Hostile::data(1, (chunk * CHUNK) as u64, &[7; CHUNK])).unwrap();
    let session = next(listener);
    until("the chunk is here", || session.progress().bytes_done == CHUNK as u64);
    drop(peer);
    assert!(finished(&session).is_err());
}

/// Bytes that a folder takes on the disk, with all that is in it.
fn taken(folder: &Path) -> u64 {
    let below = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sizes = below.map(|path| {
        let here = path.symlink_metadata().unwrap();
        here.blocks() * 512 + if here.is_dir() { taken(&path) } else { 0 }
    });
    sizes.sum()
}

#[test]
fn what_is_left_of_files_that_were_begun_takes_no_more_of_the_disk_than_the_quota() {
    let to = tempdir().unwrap();
    let quota = 100 * MIB as u64;
    let listener = limited(to.path(), None, TicketLimits { bytes: Some(quota), ..TicketLimits::default() });
    // The first of its chunks, the last, and one in the middle.
    for (number, chunk) in [0, 255, 100, 0, 255, 100].into_iter().enumerate() {
        leave(&listener, &number.to_string(), 64 * MIB, chunk);
        let sent = (number as u64 + 1) * CHUNK as u64;
        assert_eq!(listener.ticket_use().bytes, sent);
        let taken = taken(to.path());
        assert!(taken <= sent + MIB as u64, "{taken} bytes of {sent}");
    }
    close(&listener, true);
}

#[test]
fn files_that_were_begun_count_once_and_go_on_when_nothing_new_may_come() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let ledger = from.path().join("ledger");
    let limits = TicketLimits { entries: Some(2), ..TicketLimits::default() };
    let listener = limited(to.path(), Some(&ledger), limits);
    for name in ["one", "two"] {
        leave(&listener, name, 2 * CHUNK, 0);
    }
    let begun = TicketUse { peers: 0, bytes: 2 * CHUNK as u64, entries: 2 };
    assert_eq!(listener.ticket_use(), begun);
    assert!(fs::read_to_string(&ledger).unwrap().contains("\nentries 2\n"));
    // Begun once more, and lost again.
    let mut peer = begin(&listener);
    peer.offer(&[file("one", 2 * CHUNK), file("three", 2 * CHUNK)]).unwrap();
    peer.hear_of(FrameType::Missing).unwrap();
    let session = next(&listener);
    drop(peer);
    assert!(finished(&session).is_err());
    assert_eq!(listener.ticket_use(), begun);

    let content = [[7; CHUNK], [8; CHUNK]].concat();
    let paths = ["one", "three"].map(|name| from.path().join(name));
    for path in &paths {
        fs::write(path, &content).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS);
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }
    let mut options = with(&listener.ticket(), job(Work::Read(paths.to_vec())), 1);
    options.identity = Some(StaticKey::new([KEY; 32]));
    let sent = dial(options).unwrap();
    finished(&sent).unwrap();
    assert_eq!(sent.progress().bytes_resumed, CHUNK as u64);
    let fates: Vec<_> = settled(&sent).into_iter().map(|entry| (entry.path, entry.fate)).collect();
    assert!(matches!(&fates[..], [(_, Fate::Placed(..)), (_, Fate::Failed(Reason::Quota))]), "{fates:?}");
    assert!(fs::read(to.path().join("one")).unwrap() == content);
    assert_eq!(listener.ticket_use(), TicketUse { bytes: 3 * CHUNK as u64, ..begun });
    close(&listener, false);
}
