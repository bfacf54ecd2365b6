//! Transfers in a process that may not open many files. In a process of its own, for that is a limit of
//! all of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hawser_engine::disk::{Decision, Sink};
use hawser_engine::{Listener, Progress, Requests, StaticKey, Work, dial};
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{bytes, close, delivered, finished, job, receive, with, write};
use tempfile::tempdir;

const FILES: u32 = 400;
const FILE_BYTES: usize = 600_000;
const SMALL_FILES: u32 = 2000;
const CHUNK: usize = 262_144;

/// Far fewer than there are files, for both sides together.
const DESCRIPTORS: u64 = 200;

/// Leaves what is left when a sender with this key is cut off that has sent one chunk of each file.
fn begin(to: &Path, paths: &[PathBuf], key: &StaticKey) {
    let sink = Sink::open(to, [7; 16], key.public().0).unwrap();
    for (number, path) in (1..).zip(paths) {
        let modified = path.metadata().unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        let mtime = Mtime { seconds: modified.as_secs() as i64, nanoseconds: modified.subsec_nanos() };
        let name = Name::new(path.file_name().unwrap().as_encoded_bytes()).unwrap();
        let kind = Kind::File { size: FILE_BYTES as u64 };
        let entry = Entry { parent: EntryId::ROOT, name, kind, mode: 0o644, mtime };
        assert_eq!(sink.offer(EntryId(number), &entry), Decision::Want);
        let content = fs::read(path).unwrap();
        sink.write_chunk(EntryId(number), CHUNK as u64, &content[CHUNK..2 * CHUNK]).unwrap();
    }
    sink.close();
}

fn send(listener: &Listener, paths: &[PathBuf], key: &StaticKey, compare: bool) -> Progress {
    let mut job = job(Work::Read(paths.to_vec()));
    job.requests = Requests { compare, ..Requests::default() };
    let mut options = with(&listener.ticket(), job, 3);
    options.identity = Some(key.clone());
    let transfer = dial(options).unwrap();
    finished(&transfer).unwrap();
    let failed: Vec<_> =
        transfer.take_settled(usize::MAX).into_iter().filter_map(|entry| entry.reason()).collect();
    assert_eq!(failed, []);
    transfer.progress()
}

#[test]
fn many_files_are_resumed_compared_and_delivered_with_few_descriptors() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = |number: u32| from.path().join(number.to_string());
    (0..FILES).for_each(|number| write(&path(number), number as u8, FILE_BYTES));
    (FILES..FILES + SMALL_FILES).for_each(|number| write(&path(number), number as u8, 10));
    let paths: Vec<_> = (0..FILES + SMALL_FILES).map(path).collect();
    let (large, small) = paths.split_at(FILES as usize);
    let key = StaticKey::new([5; 32]);
    begin(to.path(), large, &key);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) })
        .unwrap();

    let listener = receive(to.path());
    let resumed = send(&listener, large, &key, false);
    // As many as may be open at once are resumed, and more when those are done.
    assert!(resumed.bytes_resumed >= DESCRIPTORS / 4 * CHUNK as u64, "{resumed:?}");
    assert_eq!((resumed.bytes_done, resumed.restarted), (FILES as u64 * FILE_BYTES as u64, 0));
    send(&listener, small, &key, false);
    let compared = send(&listener, &paths, &key, true);
    assert_eq!((compared.files_present, compared.bytes_moved), ((FILES + SMALL_FILES).into(), 0));
    close(&listener, false);
    for (number, path) in paths.iter().enumerate() {
        let size = if number < FILES as usize { FILE_BYTES } else { 10 };
        assert!(fs::read(to.path().join(path.file_name().unwrap())).unwrap() == bytes(number as u8, size));
    }
    assert_eq!(delivered(to.path()).len(), paths.len());
    assert!(!to.path().join(".hawser/partials").exists());
}
