//! Trees that are deep, or too deep.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::process::Command;

use hawser_engine::disk::Decision;
use hawser_protocol::error::Reason;
use hawser_protocol::limits::MAX_DEPTH;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;

use crate::helpers::*;

/// Makes `count` folders in each other below `top`, which is made, too. No path is that long.
fn nest(top: &Path, count: usize) {
    use rustix::fs::{Mode, OFlags};
    fs::create_dir(top).unwrap();
    let mut at = rustix::fs::open(top, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..count {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    rustix::fs::openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
}

#[test]
fn a_tree_ten_deep_is_walked_and_read_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    nest(&home.path().join("top"), 9);
    let (source, told) = walk(&[home.path().join("top")]);
    assert_eq!(told.offered.len(), 11);
    assert_eq!(read_all(&source, EntryId(11), 0).unwrap().1, Some(hash(b"")));
}

#[test]
fn a_tree_130_deep_is_sent_as_far_as_the_limit() {
    let home = tempfile::tempdir().unwrap();
    nest(&home.path().join("top"), 129);
    let (source, told) = walk(&[home.path().join("top")]);
    // 128 folders above the deepest entry that may be sent, which is a folder itself.
    assert_eq!(told.offered.len(), 129);
    assert_eq!(told.left.len(), 129);
    assert_eq!(told.skips().len(), 1);
    assert_eq!(told.skips()[0].1, Reason::TooDeep);
    assert_eq!(source.info(EntryId(129)).unwrap().path.matches('/').count(), 128);
}

#[test]
fn a_tree_many_thousand_deep_overflows_nothing() {
    let home = tempfile::tempdir().unwrap();
    nest(&home.path().join("top"), 10_000);
    let (_source, told) = walk(&[home.path().join("top")]);
    assert_eq!((told.offered.len(), told.skips().len()), (129, 1));
    // Removing it by path would be as hard as walking it.
    assert!(Command::new("rm").arg("-rf").arg(home.path()).status().unwrap().success());
}

#[test]
fn entries_deeper_than_the_limit_are_refused_and_nothing_overflows() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let mut parent = EntryId::ROOT;
    for id in 1..=20_000 {
        let depth = id - 1;
        let decision = sink.offer(EntryId(id), &folder(parent, "d"));
        match depth.cmp(&u32::from(MAX_DEPTH)) {
            Ordering::Less | Ordering::Equal => {
                assert_eq!(decision, Decision::Placed(Placed::AsNamed));
            }
            Ordering::Greater => assert!(matches!(decision, Decision::Refused(_)), "{depth}"),
        }
        parent = EntryId(id);
    }
    let deepest = EntryId(u32::from(MAX_DEPTH) + 1);
    assert_eq!(sink.offer(EntryId(30_000), &file(deepest, "x", 1)), Decision::Refused(Reason::TooDeep));
    let above = EntryId(u32::from(MAX_DEPTH));
    assert_eq!(deliver(&sink, EntryId(30_001), &file(above, "x", 1), b"1"), Ok(Placed::AsNamed));
}
