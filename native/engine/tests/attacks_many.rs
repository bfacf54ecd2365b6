//! Whole sessions of an enormous number of entries, and of the deepest trees: D9 to D11 of what a receiver has to
//! withstand. In a process of its own, whose memory is looked at.
//!
//! `HAWSER_ENTRIES=1000000` brings so many of each kind; without it, some thousands.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Mutex, PoisonError};

use hawser_engine::{ContentHash, Durability, Job, Keep, Work};
use hawser_protocol::frame::FrameType;
use hawser_protocol::limits::MAX_DEPTH;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name, put_entry, put_leave};
use hawser_protocol::message::{Close, CloseCode, Message, Summary};
use hawser_protocol::sender::end_frame;
use support::hostile::Hostile;
use support::{MIB, close, finished, job, listen_for, next};
use tempfile::{TempDir, tempdir, tempdir_in};

/// More memory than before, whatever comes.
const MORE: usize = 64 * MIB;

/// Entries that are offered and not settled: fewer than a source may have.
const UNSETTLED: usize = 12_000;

/// Only one of these at a time, for the memory is that of all.
static ALONE: Mutex<()> = Mutex::new(());

fn entries() -> usize {
    std::env::var("HAWSER_ENTRIES").map_or(30_000, |count| count.parse().unwrap())
}

/// Memory that the process has taken.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// In memory, where that can be: to remove so many folders again takes many a disk minutes.
fn target() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()
}

/// A page in the making.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    first: u32,
    count: u32,
}

impl Page {
    fn add(&mut self, parent: EntryId, name: &str, kind: Kind) -> EntryId {
        let mtime = Mtime { seconds: 1_600_000_000, nanoseconds: 0 };
        let name = Name::new(name.as_bytes()).unwrap();
        put_entry(&mut self.bytes, &Entry { parent, name, kind, mode: 0o755, mtime });
        self.count += 1;
        EntryId(self.first + self.count - 1)
    }
}

/// Brings pages until there are none, and sends each file that is asked for, which is empty. How many entries came to
/// their place, how many did not, and how much more memory was taken meanwhile.
fn bring(target: &std::path::Path, mut fill: impl FnMut(&mut Page)) -> (usize, usize, usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let job = Job { keep: Keep::Failed, durability: Durability::None, ..job(Work::Write(target.into())) };
    let listener = listen_for(job);
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    let mut peer = Hostile::enter(stream, &listener.ticket(), 1).unwrap();
    let session = next(&listener);
    let empty = ContentHash(*blake3::hash(b"").as_bytes());
    let mut manifest = blake3::Hasher::new();
    let (mut offered, mut placed, mut failed) = (0, 0, 0);
    let mut has_more = true;
    let (before, mut most) = (resident(), 0);
    loop {
        while has_more && offered - placed - failed < UNSETTLED {
            let mut page = Page { first: offered as u32 + 1, ..Page::default() };
            fill(&mut page);
            has_more = page.count > 0;
            offered += page.count as usize;
            manifest.update(&page.bytes);
            let message = if has_more {
                Message::Manifest { first: EntryId(page.first), items: Vec::new(), page: page.bytes }
            } else {
                let manifest = ContentHash(*manifest.finalize().as_bytes());
                Message::ManifestEnd(Summary { entries: offered as u32, manifest })
            };
            peer.say(&[message]).unwrap();
        }
        let mut done = false;
        for (header, payload) in peer.hear().expect("the session goes on") {
            if matches!(header.kind, FrameType::Ack | FrameType::Ping) {
                continue;
            }
            match Message::decode(header, &payload).unwrap() {
                Message::Want(ids) => {
                    let ends: Vec<u8> = ids.into_iter().flat_map(|id| end_frame(id, empty)).collect();
                    // As much of it as fits a record.
                    ends.chunks(1000 * end_frame(EntryId(1), empty).len())
                        .for_each(|ends| peer.record(ends).unwrap());
                }
                Message::Committed(entries) => placed += entries.len(),
                Message::Failed(entries) => failed += entries.len(),
                Message::SessionOk(_) => done = true,
                _ => {}
            }
        }
        most = most.max(resident());
        if done {
            break;
        }
    }
    peer.record(&Close { code: CloseCode::Done, text: String::new() }.encode()).unwrap();
    finished(&session).unwrap();
    drop(peer);
    close(&listener, false);
    assert_eq!(placed + failed, offered);
    let more = most.saturating_sub(before);
    println!("{offered} entries, {failed} refused: {} KiB more", more / 1024);
    (placed, failed, more)
}

#[test]
fn d9_tiny_files_without_end_take_no_memory_with_them() {
    let to = target();
    let total = entries();
    let mut left = total;
    let (placed, _, more) = bring(to.path(), |page| {
        for _ in 0..left.min(1000) {
            page.add(EntryId::ROOT, &left.to_string(), Kind::File { size: 0 });
            left -= 1;
        }
    });
    assert_eq!(placed, total);
    assert!(more < MORE, "{more} bytes");
    assert_eq!(support::delivered(to.path()).len(), total);
}

#[test]
fn d10_folders_without_end_take_no_memory_with_them() {
    let to = target();
    let total = entries();
    let mut left = total;
    let (placed, _, more) = bring(to.path(), |page| {
        for _ in 0..left.min(1000) {
            let folder = page.add(EntryId::ROOT, &left.to_string(), Kind::Folder);
            put_leave(&mut page.bytes, folder);
            left -= 1;
        }
    });
    assert_eq!(placed, total);
    assert!(more < MORE, "{more} bytes");
    assert_eq!(support::delivered(to.path()).len(), total);
}

#[test]
fn d11_trees_as_deep_as_they_may_be_and_deeper_take_no_memory_with_them() {
    let to = target();
    let depth = usize::from(MAX_DEPTH);
    let trees = entries() / depth;
    let mut left = trees;
    let (placed, failed, more) = bring(to.path(), |page| {
        if left == 0 {
            return;
        }
        let mut folders = vec![page.add(EntryId::ROOT, &left.to_string(), Kind::Folder)];
        for _ in 0..depth + 10 {
            folders.push(page.add(*folders.last().unwrap(), "d", Kind::Folder));
        }
        folders.iter().rev().for_each(|folder| put_leave(&mut page.bytes, *folder));
        left -= 1;
    });
    // A folder may be in so many others.
    assert_eq!((placed, failed), (trees * (depth + 1), trees * 10));
    assert!(more < MORE, "{more} bytes");
}
