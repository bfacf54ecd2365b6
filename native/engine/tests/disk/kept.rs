//! What is kept of files for later sessions, for whom, and with which mode.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use hawser_engine::disk::{Completed, Decision, Sink};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{Entry, EntryId};
use hawser_protocol::message::Placed;

use crate::helpers::*;
use crate::resuming::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);

#[test]
fn what_one_peer_has_begun_no_other_sees() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    cut_off(target.path(), &entry, &bytes, [0]);
    let other = Sink::open(target.path(), [8; 16], [1; 32]).unwrap();
    assert_eq!(other.offer(A, &entry), Decision::Want);
    write(&other, A, &bytes, [1]);
    other.close();
    assert_eq!(kept(target.path(), ".part").len(), 2);
    assert_eq!(finish(target.path(), &entry, &bytes).0, Decision::Resume(ranges(&[(0, 1)])));
}

#[test]
fn a_file_that_another_session_is_writing_is_written_twice_and_both_finish() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let first = sink(target.path());
    assert_eq!(first.offer(A, &entry), Decision::Want);
    write(&first, A, &bytes, [0]);
    let second = Sink::open(target.path(), [8; 16], [0; 32]).unwrap();
    assert_eq!(second.offer(A, &entry), Decision::Want);
    write_all(&second, A, &bytes).unwrap();
    write(&first, A, &bytes, [1, 2]);
    assert_eq!(commit(&second, A, hash(&bytes)), Ok(Placed::AsNamed));
    assert_eq!(commit(&first, A, hash(&bytes)), Ok(Placed::Present));
    [first, second].iter().for_each(Sink::close);
    assert_eq!(delivered(target.path()), ["file"]);
}

#[test]
fn two_files_of_one_name_in_one_session_do_not_wait_for_each_other() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let begun = Instant::now();
    for (id, inner) in [(A, EntryId(3)), (B, EntryId(4))] {
        let entry = file(ROOT, "file", 2 * CHUNK as usize);
        assert_eq!(sink.offer(id, &entry), Decision::Want);
        write(&sink, id, &content(2 * CHUNK), [0]);
        let above = EntryId(id.0 + 10);
        assert!(matches!(sink.offer(above, &folder(ROOT, "folder")), Decision::Placed(_)));
        assert_eq!(sink.offer(inner, &Entry { parent: above, ..entry }), Decision::Want);
        write(&sink, inner, &content(2 * CHUNK), [0]);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "it has waited for itself");
    sink.close();
}

#[test]
fn a_part_gets_the_mode_that_the_file_has_by_now() {
    let target = tempfile::tempdir().unwrap();
    let bytes = content(3 * CHUNK);
    for (before, now) in [(0o644, 0o600), (0o600, 0o755), (0o755, 0o400), (0o400, 0o644)] {
        let mut entry = file(ROOT, "file", bytes.len());
        entry.mode = before;
        cut_off(target.path(), &entry, &bytes, [2]);
        entry.mode = now;
        assert_eq!(finish(target.path(), &entry, &bytes).0, Decision::Resume(ranges(&[(2, 1)])));
        fs::remove_file(target.path().join("file")).unwrap();
    }
}

/// Runs `test` on a thread that may do no more than any user, whoever runs it.
#[cfg(target_os = "linux")]
fn as_anybody(test: impl FnOnce() + Send) {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    thread::scope(|scope| {
        scope.spawn(|| {
            set_capabilities(None, none).unwrap();
            test();
        });
    });
}

#[test]
fn a_file_that_nobody_may_write_or_read_is_resumed_too_when_all_of_it_was_here() {
    as_anybody(|| {
        for bits in [0o444, 0o200, 0o000] {
            let target = tempfile::tempdir().unwrap();
            let bytes = content(3 * CHUNK);
            let entry = Entry { mode: bits, ..file(ROOT, "file", bytes.len()) };
            let first = sink(target.path());
            assert_eq!(first.offer(A, &entry), Decision::Want);
            write_all(&first, A, &bytes).unwrap();
            assert_eq!(first.complete(A, hash(&bytes)), Ok(Completed::Ready));
            assert_eq!(first.reread(A, hash(&bytes)), Ok(()));
            first.close();
            let second = sink(target.path());
            assert_eq!(second.offer(A, &entry), Decision::Resume(ranges(&[(0, 3)])), "{bits:o}");
            assert_eq!(check(&second, A), (3, vec![]));
            assert_eq!(commit(&second, A, hash(&bytes)), Ok(Placed::AsNamed));
            assert_eq!(mode(&target.path().join("file")), bits.into());
            second.close();
            assert_eq!(delivered(target.path()), ["file"]);
        }
    });
}

#[test]
fn a_file_that_fails_is_kept_only_if_it_is_large_and_this_disk_is_at_fault() {
    let large = 64 * 1024 * 1024;
    let ours = [Reason::DiskFull, Reason::Io, Reason::PermissionDenied];
    let theirs = [Reason::SourceChanged, Reason::SourceGone, Reason::SourceUnreadable, Reason::Integrity];
    for (bytes, reasons, is_kept) in [
        (large, &ours[..], true),
        (large, &theirs, false),
        (3 * CHUNK, &ours, false),
        (3 * CHUNK, &theirs, false),
    ] {
        let bytes = content(bytes);
        for reason in reasons {
            let target = tempfile::tempdir().unwrap();
            let sink = sink(target.path());
            sink.offer(A, &file(ROOT, "file", bytes.len() + 1));
            write(&sink, A, &bytes, 0..bytes.len() as u64 / CHUNK);
            sink.discard(A, *reason);
            let left = (kept(target.path(), ".part").len(), kept(target.path(), ".journal").len());
            assert_eq!(left, if is_kept { (1, 1) } else { (0, 0) }, "{reason:?}");
            sink.close();
            assert_eq!(target.path().join(".hawser").exists(), is_kept);
        }
    }
}

#[test]
fn a_short_transfer_makes_no_journal() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let bytes = content(10 * CHUNK);
    sink.offer(A, &file(ROOT, "file", bytes.len()));
    write_all(&sink, A, &bytes).unwrap();
    assert_eq!(kept(target.path(), "").len(), 1);
    commit(&sink, A, hash(&bytes)).unwrap();
    assert_eq!(kept(target.path(), ""), Vec::<PathBuf>::new());
    sink.close();
    assert_eq!(delivered(target.path()), ["file"]);
}

#[test]
fn sessions_that_begin_and_end_at_the_same_time_do_not_take_their_folders_from_each_other() {
    let target = tempfile::tempdir().unwrap();
    let target = target.path();
    thread::scope(|scope| {
        for session in 0..6_u8 {
            scope.spawn(move || {
                for round in 0..40_u8 {
                    let sink = Sink::open(target, [session; 16], [session; 32]).unwrap();
                    let bytes = content(CHUNK + 1);
                    let entry = file(ROOT, &format!("{session} {round}"), bytes.len());
                    assert_eq!(deliver(&sink, A, &entry, &bytes), Ok(Placed::AsNamed));
                    sink.close();
                }
            });
        }
    });
    assert_eq!(delivered(target).len(), 240);
}

#[test]
fn one_file_from_many_sessions_of_one_peer_at_once_arrives_once() {
    let target = tempfile::tempdir().unwrap();
    let target = target.path();
    let bytes = content(CHUNK + 1);
    for round in 0..30 {
        let entry = file(ROOT, &round.to_string(), bytes.len());
        thread::scope(|scope| {
            for session in 0..4_u8 {
                let (entry, bytes) = (&entry, &bytes);
                scope.spawn(move || {
                    let sink = Sink::open(target, [session; 16], [0; 32]).unwrap();
                    let placed = match sink.offer(A, entry) {
                        Decision::Placed(placed) => placed,
                        Decision::Want => {
                            write_all(&sink, A, bytes).unwrap();
                            commit(&sink, A, hash(bytes)).unwrap()
                        }
                        decision => panic!("{decision:?}"),
                    };
                    assert!(matches!(placed, Placed::AsNamed | Placed::Present));
                    sink.close();
                });
            }
        });
    }
    assert_eq!(delivered(target).len(), 30);
}
