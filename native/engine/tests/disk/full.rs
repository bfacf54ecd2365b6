//! Disks that are full.

use std::path::Path;
use std::process::Command;

use hawser_engine::disk::{Checked, Completed, Decision};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::{ChunkRange, length};

use crate::helpers::*;

/// A small file system of its own, unmounted in the end.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(options: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: no file system can be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_file_that_does_not_fit_fails_alone_and_leaves_room_for_the_rest() {
    let Some(disk) = Tiny::mount("size=1m") else { return };
    let sink = sink(disk.path());
    let big = content(8 * CHUNK);
    let failed = deliver(&sink, EntryId(1), &file(EntryId::ROOT, "big", big.len()), &big);
    assert_eq!(failed, Err(Reason::DiskFull));
    sink.discard(EntryId(1), Reason::SourceChanged);
    let small = content(2 * CHUNK);
    let placed = deliver(&sink, EntryId(2), &file(EntryId::ROOT, "small", small.len()), &small);
    assert_eq!(placed, Ok(Placed::AsNamed));
    sink.close();
    assert_eq!(delivered(disk.path()), ["small"]);
}

#[test]
fn a_disk_that_became_read_only_is_called_that() {
    let Some(disk) = Tiny::mount("size=1m") else { return };
    let sink = sink(disk.path());
    sink.offer(EntryId(1), &file(EntryId::ROOT, "begun", 1));
    sink.write_chunk(EntryId(1), 0, b"1").unwrap();
    sink.complete(EntryId(1), hash(b"1")).unwrap();
    let remount = |how| Command::new("mount").args(["-o", how]).arg(disk.path()).status().unwrap().success();
    // Whoever has a file open for writing has to let go of it first.
    sink.discard(EntryId(1), Reason::SourceChanged);
    assert!(remount("remount,ro"));
    assert_eq!(sink.offer(EntryId(2), &folder(EntryId::ROOT, "f")), Decision::Refused(Reason::ReadOnly));
    assert_eq!(deliver(&sink, EntryId(3), &file(EntryId::ROOT, "x", 1), b"1"), Err(Reason::ReadOnly));
    assert!(remount("remount,rw"));
    assert_eq!(deliver(&sink, EntryId(4), &file(EntryId::ROOT, "y", 1), b"1"), Ok(Placed::AsNamed));
}

#[test]
fn what_belongs_on_a_disk_that_is_mounted_in_the_target_is_refused_before_it_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path().join("disk");
    std::fs::create_dir(&at).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    let sink = sink(home.path());
    let refused = sink.offer(EntryId(1), &folder(EntryId::ROOT, "disk"));
    let within = sink.offer(EntryId(2), &file(EntryId(1), "x", 1));
    let beside = deliver(&sink, EntryId(3), &file(EntryId::ROOT, "y", 1), b"1");
    let untouched = names(&at).is_empty();
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    assert_eq!(refused, Decision::Refused(Reason::OtherDisk));
    assert_eq!(within, Decision::Refused(Reason::ParentFailed));
    assert_eq!(beside, Ok(Placed::AsNamed));
    assert!(untouched);
}

#[test]
fn what_belongs_on_a_mount_of_the_same_disk_fails_when_it_is_placed_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let (target, other) = (home.path().join("target"), home.path().join("other"));
    let at = target.join("folder");
    for folder in [&at, &other] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let bound = Command::new("mount").arg("--bind").args([&other, &at]).output();
    if !bound.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: nothing can be mounted here");
        return;
    }
    let sink = sink(&target);
    sink.offer(EntryId(1), &folder(EntryId::ROOT, "folder"));
    let placed = deliver(&sink, EntryId(2), &file(EntryId(1), "x", 1), b"1");
    let beside = deliver(&sink, EntryId(3), &file(EntryId::ROOT, "y", 1), b"1");
    // It has the folder open.
    drop(sink);
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    assert_eq!(placed, Err(Reason::OtherDisk));
    assert_eq!(beside, Ok(Placed::AsNamed));
    assert!(names(&other).is_empty());
}

#[test]
fn our_own_folder_is_nobodys_by_whatever_name_the_disk_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let (target, own) = (home.path().join("target"), home.path().join("target/.hawser"));
    // As a disk that strips dots from the end does: one folder by two names.
    let other = target.join(".hawser.");
    for folder in [&own, &other] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let bound = Command::new("mount").arg("--bind").args([&own, &other]).output();
    if !bound.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: nothing can be mounted here");
        return;
    }
    let sink = sink(&target);
    let refused = sink.offer(EntryId(1), &folder(EntryId::ROOT, ".hawser."));
    let within = sink.offer(EntryId(2), &file(EntryId(1), "partials", 1));
    let others = [folder(EntryId::ROOT, "x"), folder(EntryId(3), ".hawser.")];
    let beside = [(3, &others[0]), (4, &others[1])].map(|(id, folder)| sink.offer(EntryId(id), folder));
    drop(sink);
    assert!(Command::new("umount").arg(&other).status().unwrap().success());
    assert_eq!(refused, Decision::Refused(Reason::NameRefused));
    assert_eq!(within, Decision::Refused(Reason::ParentFailed));
    assert_eq!(beside, [Decision::Placed(Placed::AsNamed), Decision::Placed(Placed::AsNamed)]);
    assert!(names(&own).is_empty());
}

#[test]
fn a_target_that_was_removed_is_said_to_be_gone() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("target");
    let sink = sink(&target);
    std::fs::remove_dir(&target).unwrap();
    assert_eq!(sink.offer(EntryId(1), &folder(EntryId::ROOT, "f")), Decision::Refused(Reason::TargetGone));
    assert_eq!(deliver(&sink, EntryId(2), &file(EntryId::ROOT, "x", 1), b"1"), Err(Reason::TargetGone));
}

#[test]
fn a_record_that_no_longer_fits_is_removed_and_fails_nothing() {
    let Some(disk) = Tiny::mount("size=1m") else { return };
    let sink = sink(disk.path());
    deliver(&sink, EntryId(1), &file(EntryId::ROOT, "first", 1), b"1").unwrap();
    sink.flush().unwrap();
    assert_eq!(records(disk.path()).len(), 1);
    // The last page of the record has room for a few lines more, and the disk for none.
    let filled = std::fs::write(disk.path().join("filler"), content(4 * CHUNK));
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    for id in 2..=100 {
        let entry = file(EntryId::ROOT, &id.to_string(), 0);
        assert_eq!(deliver(&sink, EntryId(id), &entry, b""), Ok(Placed::AsNamed));
    }
    sink.flush().unwrap();
    assert!(records(disk.path()).is_empty(), "half a record would pass for a whole one");
    sink.close();
    assert!(records(disk.path()).is_empty());
}

#[test]
fn a_disk_without_inodes_is_told_from_one_without_space() {
    let Some(disk) = Tiny::mount("nr_inodes=8") else { return };
    let sink = sink(disk.path());
    let reasons: Vec<_> = (1..=16)
        .filter_map(|id| {
            let entry = file(EntryId::ROOT, &id.to_string(), 0);
            deliver(&sink, EntryId(id), &entry, b"").err()
        })
        .collect();
    assert!(!reasons.is_empty());
    assert!(reasons.iter().all(|reason| *reason == Reason::NoInodes), "{reasons:?}");
}

const ROOT: EntryId = EntryId::ROOT;

#[test]
fn a_file_that_does_not_fit_is_refused_before_a_byte_of_it_comes() {
    let Some(disk) = Tiny::mount("size=4m") else { return };
    let sink = sink(disk.path());
    let full = Decision::Refused(Reason::DiskFull);
    assert_eq!(sink.offer(EntryId(1), &file(ROOT, "too large", 20 * CHUNK as usize)), full);
    assert_eq!(sink.offer(EntryId(2), &file(ROOT, "half", 9 * CHUNK as usize)), Decision::Want);
    // Nothing of the other one is on the disk yet, which does not know of it.
    assert_eq!(sink.offer(EntryId(3), &file(ROOT, "another half", 9 * CHUNK as usize)), full);
    let small = content(CHUNK);
    let placed = deliver(&sink, EntryId(4), &file(ROOT, "small", small.len()), &small);
    assert_eq!(placed, Ok(Placed::AsNamed));
    assert_eq!(sink.offer(EntryId(5), &file(ROOT, "a third", 6 * CHUNK as usize)), Decision::Want);
    sink.close();
    assert_eq!(delivered(disk.path()), ["small"]);
}

#[test]
fn what_was_promised_to_a_file_that_failed_is_free_again() {
    let Some(disk) = Tiny::mount("size=4m") else { return };
    let sink = sink(disk.path());
    let bytes = content(12 * CHUNK);
    for id in (1..20).map(EntryId) {
        assert_eq!(sink.offer(id, &file(ROOT, "file", bytes.len())), Decision::Want, "{id:?}");
        sink.write_chunk(id, 0, &bytes[..CHUNK as usize]).unwrap();
        // A chunk that comes twice takes nothing twice.
        sink.write_chunk(id, 0, &bytes[..CHUNK as usize]).unwrap();
        sink.discard(id, Reason::SourceChanged);
    }
    let last = EntryId(20);
    assert_eq!(deliver(&sink, last, &file(ROOT, "file", bytes.len()), &bytes), Ok(Placed::AsNamed));
    sink.close();
}

#[test]
fn chunks_that_are_written_again_take_nothing_from_what_others_were_promised() {
    let Some(disk) = Tiny::mount("size=8m") else { return };
    let (old, new) = (content(12 * CHUNK), vec![7; 12 * CHUNK as usize]);
    let entry = file(ROOT, "file", old.len());
    let first = sink(disk.path());
    assert_eq!(first.offer(EntryId(1), &entry), Decision::Want);
    (0..11).for_each(|at| {
        let start = (at * CHUNK) as usize;
        first.write_chunk(EntryId(1), start as u64, &old[start..start + CHUNK as usize]).unwrap();
    });
    first.close();
    let second = sink(disk.path());
    assert!(matches!(second.offer(EntryId(1), &entry), Decision::Resume(_)));
    while !matches!(second.check_next(EntryId(1)), Some(Checked::Done(_))) {}
    second.write_chunk(EntryId(1), 11 * CHUNK, &new[..CHUNK as usize]).unwrap();
    assert_eq!(second.complete(EntryId(1), hash(&new)), Ok(Completed::StartOver));
    // 8 MiB, less 3 MiB of the file and some journal.
    assert_eq!(second.offer(EntryId(2), &file(ROOT, "other", 18 * CHUNK as usize)), Decision::Want);
    write_all(&second, EntryId(1), &new).unwrap();
    let full = Decision::Refused(Reason::DiskFull);
    assert_eq!(second.offer(EntryId(3), &file(ROOT, "a third", 4 * CHUNK as usize)), full);
    assert_eq!(commit(&second, EntryId(1), hash(&new)), Ok(Placed::AsNamed));
    second.close();
}

#[test]
fn a_large_part_survives_a_full_disk_and_is_finished_when_there_is_space() {
    let Some(disk) = Tiny::mount("size=100m") else { return };
    let (bytes, entry) = (content(340 * CHUNK), file(ROOT, "file", 340 * CHUNK as usize));
    let first = sink(disk.path());
    assert_eq!(first.offer(EntryId(1), &entry), Decision::Want);
    let write = |at: u64| {
        let start = (at * CHUNK) as usize;
        first.write_chunk(EntryId(1), start as u64, &bytes[start..start + CHUNK as usize])
    };
    (0..300).for_each(|at| write(at).unwrap());
    let filler = disk.path().join("filler");
    assert!(std::fs::write(&filler, content(100 << 20)).is_err());
    assert_eq!((300..340).find_map(|at| write(at).err()), Some(Reason::DiskFull));
    first.discard(EntryId(1), Reason::DiskFull);
    // Refused until there is space, which costs nothing of what is here.
    let full = Decision::Refused(Reason::DiskFull);
    let refusing = sink(disk.path());
    assert_eq!(refusing.offer(EntryId(1), &entry), full);
    refusing.close();
    first.close();
    std::fs::remove_file(filler).unwrap();
    let second = sink(disk.path());
    let Decision::Resume(held) = second.offer(EntryId(1), &entry) else { panic!("it is not resumed") };
    // The last records may not have found space.
    assert!(length(&held, bytes.len() as u64) >= 256 * CHUNK, "{held:?}");
    let bad = loop {
        if let Some(Checked::Done(bad)) = second.check_next(EntryId(1)) {
            break bad;
        }
    };
    assert_eq!(bad, Vec::<ChunkRange>::new());
    write_all(&second, EntryId(1), &bytes).unwrap();
    assert_eq!(commit(&second, EntryId(1), hash(&bytes)), Ok(Placed::AsNamed));
    second.close();
    assert!(std::fs::read(disk.path().join("file")).unwrap() == bytes);
}

#[test]
fn records_behind_one_that_did_not_fit_count() {
    let Some(disk) = Tiny::mount("size=60m") else { return };
    let (bytes, entry) = (content(150 * CHUNK), file(ROOT, "file", 150 * CHUNK as usize));
    let first = sink(disk.path());
    assert_eq!(first.offer(EntryId(1), &entry), Decision::Want);
    let write = |at: u64| {
        let start = (at * CHUNK) as usize;
        first.write_chunk(EntryId(1), start as u64, &bytes[start..start + CHUNK as usize]).unwrap();
    };
    (0..100).for_each(write);
    // There is space for the next chunks already, and none for the second page of the journal.
    let kept = disk.path().join(".hawser/partials");
    let part = kept.join(names(&kept).into_iter().find(|name| name.ends_with(".part")).unwrap());
    let part = std::fs::File::options().write(true).open(part).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&part, &content(40 * CHUNK), 100 * CHUNK).unwrap();
    let filler = disk.path().join("filler");
    assert!(std::fs::write(&filler, content(60 << 20)).is_err());
    (100..130).for_each(write);
    std::fs::remove_file(filler).unwrap();
    (130..140).for_each(write);
    drop(part);
    first.close();
    let second = sink(disk.path());
    let all = Decision::Resume(vec![ChunkRange { first: 0, count: 140 }]);
    assert_eq!(second.offer(EntryId(1), &entry), all);
    second.discard(EntryId(1), Reason::SourceGone);
    second.close();
}

#[test]
fn a_disk_that_has_no_limit_is_not_full() {
    let Some(disk) = Tiny::mount("size=0") else { return };
    let sink = sink(disk.path());
    let bytes = content(3 * CHUNK);
    let placed = deliver(&sink, EntryId(1), &file(ROOT, "file", bytes.len()), &bytes);
    assert_eq!(placed, Ok(Placed::AsNamed));
    sink.close();
}
