//! What a session that was cut off has left, and how the next one goes on with it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hawser_engine::disk::{Checked, Completed, Decision};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{Entry, EntryId, Mtime};
use hawser_protocol::message::Placed;

use crate::helpers::*;
use crate::resuming::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);

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

#[cfg(target_os = "linux")]
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
