//! Another process that exchanges folders for links all the time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hawser_engine::disk::Decision;
use hawser_protocol::manifest::EntryId;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::helpers::*;

const RACE_FOR: Duration = Duration::from_secs(2);

/// Runs `round` again and again while what is at `a` and `b` changes places.
fn racing(a: &Path, b: &Path, mut round: impl FnMut(u32)) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let began = Instant::now();
        (0..).take_while(|_| began.elapsed() < RACE_FOR).for_each(&mut round);
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_is_written_outside_while_folders_turn_into_links_and_back() {
    let home = tempfile::tempdir().unwrap();
    let (target, outside) = (home.path().join("target"), home.path().join("outside"));
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::create_dir_all(target.join("top/inner")).unwrap();
    symlink(&outside, target.join("link")).unwrap();
    let before = (mode(&outside), mtime(&outside), mtime(&outside.join("inner")));
    let (mut delivered, mut failed) = (0, 0);
    racing(&target.join("top"), &target.join("link"), |round| {
        let sink = sink(&target);
        sink.offer(EntryId(1), &folder(EntryId::ROOT, "top"));
        sink.offer(EntryId(2), &folder(EntryId(1), "inner"));
        sink.offer(EntryId(3), &folder(EntryId(1), &format!("f{round}")));
        for at in 4..40_u32 {
            let (parent, id) = (EntryId(at % 3 + 1), EntryId(at));
            let entry = file(parent, &format!("{round} {at}"), 4);
            let bytes = round.to_le_bytes();
            let written = sink.offer(id, &entry) == Decision::Want
                && write_all(&sink, id, &bytes).is_ok()
                && commit(&sink, id, hash(&bytes)).is_ok();
            *(if written { &mut delivered } else { &mut failed }) += 1;
            sink.offer(EntryId(100 + at), &link(parent, &format!("l{round} {at}"), "x"));
        }
        for id in [3, 2, 1] {
            let _ = sink.finish_folder(EntryId(id));
        }
        sink.close();
        assert_eq!(names(&outside), ["inner"]);
        assert!(names(&outside.join("inner")).is_empty());
    });
    assert_eq!((mode(&outside), mtime(&outside), mtime(&outside.join("inner"))), before);
    eprintln!("{delivered} delivered, {failed} failed");
    assert!(delivered > 0);
}

#[test]
fn nothing_outside_is_read_while_the_source_turns_into_links_and_back() {
    let home = tempfile::tempdir().unwrap();
    let (top, outside) = (home.path().join("top"), home.path().join("outside"));
    for (folder, bytes) in [(&top, b"good"), (&outside, b"evil")] {
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/file"), bytes).unwrap();
    }
    symlink(outside.join("inner"), home.path().join("link")).unwrap();
    let (mut read, mut failed) = (0, 0);
    racing(&top.join("inner"), &home.path().join("link"), |_| {
        let (source, told) = walk(std::slice::from_ref(&top));
        for (id, _) in &told.offered {
            match read_all(&source, *id, 4) {
                Ok((bytes, _)) => {
                    assert_eq!(bytes, b"good");
                    read += 1;
                }
                Err(_) => failed += 1,
            }
        }
    });
    eprintln!("{read} times read, {failed} times not");
    assert!(read > 0);
}
