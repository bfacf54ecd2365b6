//! Disks that are full.

use std::path::Path;
use std::process::Command;

use hawser_protocol::error::Reason;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;

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
fn a_disk_without_inodes_is_full() {
    let Some(disk) = Tiny::mount("nr_inodes=8") else { return };
    let sink = sink(disk.path());
    let reasons: Vec<_> = (1..=16)
        .filter_map(|id| {
            let entry = file(EntryId::ROOT, &id.to_string(), 0);
            deliver(&sink, EntryId(id), &entry, b"").err()
        })
        .collect();
    assert!(!reasons.is_empty());
    assert!(reasons.iter().all(|reason| *reason == Reason::DiskFull), "{reasons:?}");
}
