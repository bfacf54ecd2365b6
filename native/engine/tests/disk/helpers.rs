//! What the tests of the disk share.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hawser_engine::disk::{Completed, Decision, Manifest, Sink, Skipped, Source, Stopped, chunk_length};
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, Mtime, Name};
use hawser_protocol::message::Placed;

pub const CHUNK: u64 = CHUNK_BYTES as u64;
pub const MTIME: Mtime = Mtime { seconds: 1_600_000_000, nanoseconds: 123_456_789 };

/// What a walk told, in order.
#[derive(Default)]
pub struct Told {
    pub offered: Vec<(EntryId, Entry)>,
    pub left: Vec<EntryId>,
    pub skipped: Vec<Skipped>,
}

impl Manifest for Told {
    fn offer(&mut self, id: EntryId, entry: Entry) -> Result<(), Stopped> {
        self.offered.push((id, entry));
        Ok(())
    }

    fn leave(&mut self, folder: EntryId) -> Result<(), Stopped> {
        self.left.push(folder);
        Ok(())
    }

    fn skip(&mut self, skipped: Skipped) -> Result<(), Stopped> {
        self.skipped.push(skipped);
        Ok(())
    }
}

impl Told {
    /// The paths of what was offered, in order.
    pub fn paths(&self, source: &Source) -> Vec<String> {
        self.offered.iter().map(|(id, _)| source.info(*id).unwrap().path).collect()
    }

    /// What was skipped and why, in order.
    pub fn skips(&self) -> Vec<(&str, Reason)> {
        self.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect()
    }
}

/// Walks `paths`.
pub fn walk(paths: &[PathBuf]) -> (Source, Told) {
    let source = Source::new(paths.to_vec()).unwrap();
    let mut told = Told::default();
    source.walk(&mut told).unwrap();
    (source, told)
}

/// Reads all of a file through the source, its chunks last to first.
pub fn read_all(source: &Source, id: EntryId, size: u64) -> Result<(Vec<u8>, Option<ContentHash>), Reason> {
    let mut bytes = vec![0; size as usize];
    let mut hash = None;
    for index in (0..size.div_ceil(CHUNK).max(1)).rev() {
        let start = index * CHUNK;
        let end = start + chunk_length(size, start).unwrap() as u64;
        hash = source.read_chunk(id, start, &mut bytes[start as usize..end as usize])?;
    }
    Ok((bytes, hash))
}

/// Reads all of a file through the source, its chunks in order and from several threads, and what
/// hashes of the whole file they learn.
pub fn read_from_threads(
    source: &Source,
    id: EntryId,
    size: u64,
    threads: usize,
) -> (Vec<u8>, Vec<ContentHash>) {
    let mut bytes = vec![0; size as usize];
    let chunks = Mutex::new((0..size).step_by(CHUNK as usize).zip(bytes.chunks_mut(CHUNK as usize)));
    let found = Mutex::new(Vec::new());
    let work = || {
        // The lock is held for this line only.
        while let Some((offset, chunk)) = { chunks.lock().unwrap().next() } {
            let hash = source.read_chunk(id, offset, chunk).unwrap();
            found.lock().unwrap().extend(hash);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    (bytes, found.into_inner().unwrap())
}

/// A folder, held open.
pub fn open(folder: &Path) -> Dir {
    Dir::open_ambient_dir(folder, ambient_authority()).unwrap()
}

pub fn name(name: impl AsRef<[u8]>) -> Name {
    Name::new(name.as_ref()).unwrap()
}

pub fn file(parent: EntryId, called: &str, size: usize) -> Entry {
    Entry { parent, name: name(called), kind: Kind::File { size: size as u64 }, mode: 0o644, mtime: MTIME }
}

pub fn folder(parent: EntryId, called: &str) -> Entry {
    Entry { parent, name: name(called), kind: Kind::Folder, mode: 0o755, mtime: MTIME }
}

pub fn link(parent: EntryId, called: &str, target: &str) -> Entry {
    let target = LinkTarget::new(target.as_bytes()).unwrap();
    Entry { parent, name: name(called), kind: Kind::Link { target }, mode: 0o777, mtime: MTIME }
}

pub fn sink(target: &Path) -> Sink {
    Sink::open(target, [7; 16], [0; 32]).unwrap()
}

/// A session that begins in another millisecond than any before: its record is newer by its name.
pub fn later(target: &Path, number: u8, owner: [u8; 32]) -> Sink {
    let millisecond = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = millisecond();
    while millisecond() == before {
        thread::yield_now();
    }
    Sink::open(target, [number; 16], owner).unwrap()
}

pub fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

/// Writes all chunks of a wanted file, last to first.
pub fn write_all(sink: &Sink, id: EntryId, bytes: &[u8]) -> Result<(), Reason> {
    let size = bytes.len() as u64;
    (0..size.div_ceil(CHUNK).max(1)).rev().try_for_each(|index| {
        let start = index * CHUNK;
        let length = chunk_length(size, start).unwrap();
        sink.write_chunk(id, start, &bytes[start as usize..][..length])
    })
}

/// Closes a file all of which is here, and gives it its name.
pub fn commit(sink: &Sink, id: EntryId, expected: ContentHash) -> Result<Placed, Reason> {
    assert_eq!(sink.complete(id, expected)?, Completed::Ready);
    sink.place(id, expected)
}

/// Offers, writes and commits a file.
pub fn deliver(sink: &Sink, id: EntryId, entry: &Entry, bytes: &[u8]) -> Result<Placed, Reason> {
    match sink.offer(id, entry) {
        Decision::Want => {
            write_all(sink, id, bytes)?;
            commit(sink, id, hash(bytes))
        }
        Decision::Resume(_) => panic!("nothing is left of an earlier session"),
        Decision::Placed(placed) => Ok(placed),
        Decision::Refused(reason) => Err(reason),
    }
}

pub fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

pub fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

pub fn mtime(path: &Path) -> Mtime {
    let found = path.symlink_metadata().unwrap();
    Mtime { seconds: found.mtime(), nanoseconds: found.mtime_nsec() as u32 }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The names in a target folder that is closed: beside them there is nothing but records.
pub fn delivered(target: &Path) -> Vec<String> {
    let own = target.join(".hawser");
    assert!(!own.exists() || names(&own) == ["records"]);
    names(target).into_iter().filter(|name| name != ".hawser").collect()
}

/// The paths of the records in a target folder, the oldest first.
pub fn records(target: &Path) -> Vec<PathBuf> {
    let folder = target.join(".hawser/records");
    if folder.exists() {
        names(&folder).into_iter().map(|name| folder.join(name)).collect()
    } else {
        Vec::new()
    }
}

pub fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

pub fn raw(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
