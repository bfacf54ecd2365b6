//! What the tests of resuming share.

use std::fs;
use std::path::{Path, PathBuf};

use hawser_engine::disk::{Checked, Decision, Sink};
use hawser_protocol::manifest::{Entry, EntryId};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::ChunkRange;

use crate::helpers::*;

const A: EntryId = EntryId(1);

pub fn ranges(ranges: &[(u32, u32)]) -> Vec<ChunkRange> {
    ranges.iter().map(|&(first, count)| ChunkRange { first, count }).collect()
}

/// Writes these chunks of a file.
pub fn write(sink: &Sink, id: EntryId, bytes: &[u8], chunks: impl IntoIterator<Item = u64>) {
    for chunk in chunks {
        let start = (chunk * CHUNK) as usize;
        let end = bytes.len().min(start + CHUNK as usize);
        sink.write_chunk(id, start as u64, &bytes[start..end]).unwrap();
    }
}

/// A session that is cut off when these chunks of a file are here.
pub fn cut_off(target: &Path, entry: &Entry, bytes: &[u8], chunks: impl IntoIterator<Item = u64>) {
    let sink = sink(target);
    assert_eq!(sink.offer(A, entry), Decision::Want);
    write(&sink, A, bytes, chunks);
    sink.close();
}

/// Checks what should be here of a file: how many chunks are, and which are not.
pub fn check(sink: &Sink, id: EntryId) -> (usize, Vec<ChunkRange>) {
    let mut good = 0;
    loop {
        match sink.check_next(id) {
            Some(Checked::Good(..)) => good += 1,
            Some(Checked::Bad) => {}
            Some(Checked::Done(bad)) => return (good, bad),
            Some(Checked::Refused(_)) | None => panic!("there is nothing to check"),
        }
    }
}

/// Offers what has been begun, checks it, writes all the rest and gives it its name.
pub fn finish(target: &Path, entry: &Entry, bytes: &[u8]) -> (Decision, Vec<ChunkRange>) {
    let sink = sink(target);
    let decision = sink.offer(A, entry);
    let bad = if let Decision::Resume(held) = &decision
        && !held.is_empty()
    {
        check(&sink, A).1
    } else {
        Vec::new()
    };
    write_all(&sink, A, bytes).unwrap();
    assert_eq!(commit(&sink, A, hash(bytes)), Ok(Placed::AsNamed));
    sink.close();
    let path = target.join(std::str::from_utf8(entry.name.as_bytes()).unwrap());
    assert_eq!((mode(&path), mtime(&path)), (u32::from(entry.mode), entry.mtime));
    assert!(fs::read(path).unwrap() == bytes);
    (decision, bad)
}

/// What is kept for later sessions: the names that end so.
pub fn kept(target: &Path, end: &str) -> Vec<PathBuf> {
    let folder = target.join(".hawser/partials");
    if !folder.exists() {
        return Vec::new();
    }
    names(&folder).into_iter().filter(|name| name.ends_with(end)).map(|name| folder.join(name)).collect()
}
