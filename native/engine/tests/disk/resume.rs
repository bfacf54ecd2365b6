//! What a session that was cut off has left, and how the next one goes on with it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hawser_engine::disk::{Checked, Completed, Decision, Sink};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{Entry, EntryId, Mtime};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::ChunkRange;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);

fn ranges(ranges: &[(u32, u32)]) -> Vec<ChunkRange> {
    ranges.iter().map(|&(first, count)| ChunkRange { first, count }).collect()
}

/// Writes these chunks of a file.
fn write(sink: &Sink, id: EntryId, bytes: &[u8], chunks: impl IntoIterator<Item = u64>) {
    for chunk in chunks {
        let start = (chunk * CHUNK) as usize;
        let end = bytes.len().min(start + CHUNK as usize);
        sink.write_chunk(id, start as u64, &bytes[start..end]).unwrap();
    }
}

/// A session that is cut off when these chunks of a file are here.
fn cut_off(target: &Path, entry: &Entry, bytes: &[u8], chunks: impl IntoIterator<Item = u64>) {
    let sink = sink(target);
    assert_eq!(sink.offer(A, entry), Decision::Want);
    write(&sink, A, bytes, chunks);
    sink.close();
}

/// Checks what should be here of a file: how many chunks are, and which are not.
fn check(sink: &Sink, id: EntryId) -> (usize, Vec<ChunkRange>) {
    let mut good = 0;
    loop {
        match sink.check_next(id) {
            Some(Checked::Good(..)) => good += 1,
            Some(Checked::Bad) => {}
            Some(Checked::Done(bad)) => return (good, bad),
            None => panic!("there is nothing to check"),
        }
    }
}

/// Offers what has been begun, checks it, writes all the rest and gives it its name.
fn finish(target: &Path, entry: &Entry, bytes: &[u8]) -> (Decision, Vec<ChunkRange>) {
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
fn kept(target: &Path, end: &str) -> Vec<PathBuf> {
    let folder = target.join(".hawser/partials");
    if !folder.exists() {
        return Vec::new();
    }
    names(&folder).into_iter().filter(|name| name.ends_with(end)).map(|name| folder.join(name)).collect()
}

#[test]
fn exactly_the_chunks_that_were_written_are_here_for_the_next_session() {
    // Bytes, what is written of them, and what is found.
    type Case = (u64, &'static [u64], &'static [(u32, u32)]);
    let cases: [Case; 7] = [
        (3 * CHUNK + 17, &[0], &[(0, 1)]),
        (3 * CHUNK + 17, &[3], &[(3, 1)]),
        (3 * CHUNK + 17, &[2, 0], &[(0, 1), (2, 1)]),
        (3 * CHUNK, &[1, 2, 0], &[(0, 3)]),
        // Past the page cache, where the system can: with the last block written whole.
        (8 * CHUNK + 5, &[8, 1], &[(1, 1), (8, 1)]),
        (8 * CHUNK + 5, &[7, 3, 4, 5], &[(3, 3), (7, 1)]),
        (300 * CHUNK + 4096, &[299, 300, 0], &[(0, 1), (299, 2)]),
    ];
    for (size, chunks, expected) in cases {
        let target = tempfile::tempdir().unwrap();
        let (bytes, entry) = (content(size), file(ROOT, "file", size as usize));
        cut_off(target.path(), &entry, &bytes, chunks.iter().copied());
        assert_eq!((kept(target.path(), ".part").len(), kept(target.path(), ".journal").len()), (1, 1));
        let sink = sink(target.path());
        assert_eq!(sink.offer(A, &entry), Decision::Resume(ranges(expected)), "{size} {chunks:?}");
        assert_eq!(check(&sink, A), (chunks.len(), vec![]));
        assert!(sink.check_next(A).is_none());
        let all = 0..size.div_ceil(CHUNK);
        write(&sink, A, &bytes, all.filter(|chunk| !chunks.contains(chunk)));
        assert_eq!(commit(&sink, A, hash(&bytes)), Ok(Placed::AsNamed));
        sink.close();
        assert!(fs::read(target.path().join("file")).unwrap() == bytes);
        assert_eq!(delivered(target.path()), ["file"], "nothing is left");
    }
}

#[test]
fn what_was_resumed_can_be_cut_off_and_resumed_again() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(6 * CHUNK), file(ROOT, "file", 6 * CHUNK as usize));
    cut_off(target.path(), &entry, &bytes, [4]);
    for (chunk, expected) in [(1, &[(4, 1)][..]), (5, &[(1, 1), (4, 1)]), (0, &[(1, 1), (4, 2)])] {
        let sink = sink(target.path());
        assert_eq!(sink.offer(A, &entry), Decision::Resume(ranges(expected)));
        // Not checked, since the next session checks all of them again.
        write(&sink, A, &bytes, [chunk]);
        sink.close();
    }
    let (decision, bad) = finish(target.path(), &entry, &bytes);
    assert_eq!((decision, bad), (Decision::Resume(ranges(&[(0, 2), (4, 2)])), vec![]));
}

#[test]
fn chunks_that_are_no_longer_what_was_written_are_asked_for_again() {
    for size in [3 * CHUNK + 17, 8 * CHUNK + 5] {
        let (bytes, entry) = (content(size), file(ROOT, "file", size as usize));
        let last = size / CHUNK;
        // What is done to the part, and the chunks that are not good then.
        type Damage<'a> = (&'a dyn Fn(&File), (u32, u32));
        let damages: [Damage<'_>; 3] = [
            (
                &|mut part| {
                    part.seek(SeekFrom::Start(CHUNK + 1000)).unwrap();
                    part.write_all(b"x").unwrap();
                },
                (1, 1),
            ),
            (&|part| part.set_len(2 * CHUNK - 1).unwrap(), (1, last as u32)),
            (&|part| part.set_len(0).unwrap(), (0, last as u32 + 1)),
        ];
        for (damage, bad) in damages {
            let target = tempfile::tempdir().unwrap();
            cut_off(target.path(), &entry, &bytes, 0..=last);
            let part = kept(target.path(), ".part").remove(0);
            damage(&File::options().write(true).open(part).unwrap());
            let all = Decision::Resume(ranges(&[(0, last as u32 + 1)]));
            assert_eq!(finish(target.path(), &entry, &bytes), (all, ranges(&[bad])));
        }
    }
}

#[test]
fn a_part_that_has_become_too_long_does_not_make_a_file_that_is() {
    for size in [3 * CHUNK + 17, 8 * CHUNK + 5] {
        let target = tempfile::tempdir().unwrap();
        let (bytes, entry) = (content(size), file(ROOT, "file", size as usize));
        cut_off(target.path(), &entry, &bytes, [1]);
        let part = kept(target.path(), ".part").remove(0);
        File::options().write(true).open(part).unwrap().set_len(size + 100_000).unwrap();
        finish(target.path(), &entry, &bytes);
    }
}

#[test]
fn a_part_of_another_version_is_of_no_use_and_goes() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let longer = file(ROOT, "file", 3 * CHUNK as usize + 1);
    let later = Entry { mtime: Mtime { nanoseconds: 7, ..MTIME }, ..entry.clone() };
    for other in [longer, later] {
        cut_off(target.path(), &entry, &bytes, [0, 1]);
        let sink = sink(target.path());
        assert_eq!(sink.offer(A, &other), Decision::Resume(vec![]));
        assert!(sink.check_next(A).is_none());
        assert_eq!(kept(target.path(), ""), Vec::<PathBuf>::new());
        sink.close();
        assert_eq!(names(target.path()), Vec::<String>::new());
    }
}

#[test]
fn a_part_of_which_nothing_is_known_goes_and_nobody_says_that_its_file_has_changed() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let damages: [fn(&Path); 3] = [
        |journal| fs::remove_file(journal).unwrap(),
        |journal| fs::write(journal, b"HAWSERJ1").unwrap(),
        // Its first record was torn.
        |journal| File::options().write(true).open(journal).unwrap().set_len(80).unwrap(),
    ];
    for damage in damages {
        cut_off(target.path(), &entry, &bytes, [0, 1]);
        damage(&kept(target.path(), ".journal")[0]);
        assert_eq!(finish(target.path(), &entry, &bytes), (Decision::Want, vec![]));
        fs::remove_file(target.path().join("file")).unwrap();
        assert_eq!(delivered(target.path()), Vec::<String>::new());
    }
}

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

#[cfg(target_os = "linux")]
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
fn a_file_that_has_changed_under_its_size_and_time_starts_over_once() {
    for size in [3 * CHUNK, 5 * CHUNK + 1] {
        let target = tempfile::tempdir().unwrap();
        let (old, entry) = (content(size), file(ROOT, "file", size as usize));
        let new: Vec<_> = old.iter().map(|byte| byte ^ 1).collect();
        cut_off(target.path(), &entry, &old, [0, 2]);
        let sink = sink(target.path());
        assert_eq!(sink.offer(A, &entry), Decision::Resume(ranges(&[(0, 1), (2, 1)])));
        assert_eq!(check(&sink, A).0, 2);
        write(&sink, A, &new, [1]);
        write(&sink, A, &new, 3..size.div_ceil(CHUNK));
        assert_eq!(sink.complete(A, hash(&new)), Ok(Completed::StartOver));
        assert!(
            sink.check_next(A).is_none_or(|checked| matches!(checked, Checked::Done(bad) if bad.is_empty()))
        );
        write_all(&sink, A, &new).unwrap();
        assert_eq!(sink.complete(A, hash(&old)), Err(Reason::Integrity), "all of it came in this session");
        assert_eq!(commit(&sink, A, hash(&new)), Ok(Placed::AsNamed));
        sink.close();
        assert!(fs::read(target.path().join("file")).unwrap() == new);
        assert_eq!(delivered(target.path()), ["file"]);
    }
}

#[test]
fn what_started_over_and_was_cut_off_has_only_what_came_after() {
    let target = tempfile::tempdir().unwrap();
    let (old, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let new: Vec<_> = old.iter().map(|byte| byte ^ 1).collect();
    for (rest, expected) in [(&[][..], Decision::Want), (&[2], Decision::Resume(ranges(&[(2, 1)])))] {
        cut_off(target.path(), &entry, &old, [0]);
        let sink = sink(target.path());
        sink.offer(A, &entry);
        check(&sink, A);
        write(&sink, A, &new, [1, 2]);
        assert_eq!(sink.complete(A, hash(&new)), Ok(Completed::StartOver));
        write(&sink, A, &new, rest.iter().copied());
        sink.close();
        assert_eq!(finish(target.path(), &entry, &new), (expected, vec![]));
        fs::remove_file(target.path().join("file")).unwrap();
    }
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
fn a_killed_session_loses_no_more_than_the_last_few_chunks() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(150 * CHUNK), file(ROOT, "file", 150 * CHUNK as usize));
    let killed = sink(target.path());
    killed.offer(A, &entry);
    write(&killed, A, &bytes, 0..140);
    // Whatever is not written out yet is lost with it.
    let journal = fs::read(&kept(target.path(), ".journal")[0]).unwrap();
    killed.close();
    fs::write(&kept(target.path(), ".journal")[0], journal).unwrap();
    let Decision::Resume(held) = finish(target.path(), &entry, &bytes).0 else { panic!("it is not resumed") };
    assert_eq!(held, ranges(&[(0, 128)]));
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
