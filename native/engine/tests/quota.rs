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
use hawser_protocol::frame::{self, FrameType};
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use hawser_protocol::message::Message;
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
    let begun = TicketUse { peers: 1, bytes: 2 * CHUNK as u64, entries: 2 };
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

/// Changes the only part file in this target.
fn damage(target: &Path) {
    let mut below = vec![target.join(".hawser")];
    let mut parts = 0;
    while let Some(path) = below.pop() {
        if path.is_dir() {
            below.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.metadata().unwrap().len() == CHUNK as u64 {
            fs::write(path, [1; CHUNK]).unwrap();
            parts += 1;
        }
    }
    assert_eq!(parts, 1);
}

/// Hears which chunks of a file are asked for, up to so many in all.
fn hear_missing(peer: &mut Hostile, most: u32) {
    let mut missing = 0;
    while missing < most {
        for (header, payload) in peer.hear().unwrap() {
            if header.kind == FrameType::Missing
                && let Ok(Message::Missing { chunks, .. }) = Message::decode(header, &payload)
            {
                missing += chunks.iter().map(|range| range.count).sum::<u32>();
            }
        }
    }
}

#[test]
fn what_comes_a_second_time_for_another_version_or_a_damaged_chunk_counts_a_second_time() {
    let content = [[8; CHUNK], [9; CHUNK]].concat();
    let hash = blake3::hash(&content);
    for is_damaged in [false, true] {
        // The first chunk, which is of another version or is damaged; the second; and what is asked for again.
        let again = if is_damaged { 1 } else { 2 };
        let bytes = (2 + again) * CHUNK;
        for lacking in [0, 1] {
            let to = tempdir().unwrap();
            let limits = TicketLimits { bytes: Some((bytes - lacking) as u64), ..TicketLimits::default() };
            let listener = limited(to.path(), None, limits);
            leave(&listener, "file", content.len(), 0);
            if is_damaged {
                damage(to.path());
            }
            let mut peer = begin(&listener);
            peer.offer(&[file("file", content.len())]).unwrap();
            if !is_damaged {
                hear_missing(&mut peer, 1);
                peer.record(&Hostile::data(1, CHUNK as u64, &content[CHUNK..])).unwrap();
                peer.record(&frame::encode(FrameType::End, EntryId(1), 0, hash.as_bytes())).unwrap();
            }
            if lacking > 0 {
                assert!(peer.hear_of(FrameType::Failed).is_some());
            } else {
                hear_missing(&mut peer, 2);
                for chunk in 0..2 {
                    let offset = chunk * CHUNK;
                    peer.record(&Hostile::data(1, offset as u64, &content[offset..][..CHUNK])).unwrap();
                }
                peer.record(&frame::encode(FrameType::End, EntryId(1), 0, hash.as_bytes())).unwrap();
                assert!(peer.hear_of(FrameType::Committed).is_some());
                assert!(fs::read(to.path().join("file")).unwrap() == content);
                assert_eq!(listener.ticket_use().bytes, bytes as u64);
            }
            drop(peer);
            close(&listener, true);
        }
    }
}
