//! Another process that exchanges folders for links all the time.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hawser_engine::disk::Decision;
use hawser_protocol::manifest::EntryId;

use crate::helpers::*;

const ROUNDS_FOR: Duration = Duration::from_secs(3);

#[test]
fn nothing_is_written_outside_while_folders_turn_into_links_and_back() {
    let home = tempfile::tempdir().unwrap();
    let (target, outside) = (home.path().join("target"), home.path().join("outside"));
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::create_dir(&target).unwrap();
    let (outside_mode, outside_time) = (mode(&outside.join("inner")), mtime(&outside.join("inner")));
    let over = AtomicBool::new(false);
    let (mut delivered, mut failed) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // top/inner and top are each real for a moment and a link to the outside for another.
            symlink(&outside, target.join("link")).unwrap();
            while !over.load(Ordering::Relaxed) {
                let swapped = fs::rename(target.join("top"), target.join("aside"));
                let linked = swapped.and_then(|()| symlink(&outside, target.join("top")));
                std::thread::yield_now();
                if linked.is_ok() {
                    let _ = fs::remove_file(target.join("top"));
                }
                let _ = fs::rename(target.join("aside"), target.join("top"));
                std::thread::yield_now();
            }
        });
        let began = Instant::now();
        while began.elapsed() < ROUNDS_FOR {
            let sink = sink(&target);
            sink.offer(EntryId(1), &folder(EntryId::ROOT, "top"));
            sink.offer(EntryId(2), &folder(EntryId(1), "inner"));
            for at in 3..40_u32 {
                let (parent, id) = (EntryId(at % 2 + 1), EntryId(at));
                let entry = file(parent, &format!("{at}"), 4);
                let bytes = (delivered as u32).to_le_bytes();
                if sink.offer(id, &entry) == Decision::Want
                    && write_all(&sink, id, &bytes).is_ok()
                    && sink.commit(id, hash(&bytes)).is_ok()
                {
                    delivered += 1;
                } else {
                    failed += 1;
                }
                sink.offer(EntryId(100 + at), &link(parent, &format!("l{at}"), "x"));
            }
            let _ = sink.finish_folder(EntryId(2));
            let _ = sink.finish_folder(EntryId(1));
            sink.close();
            assert_eq!(names(&outside), ["inner"]);
            assert!(names(&outside.join("inner")).is_empty());
            // So that numbered names do not pile up.
            for called in names(&target).iter().filter(|called| called.starts_with("top (")) {
                let _ = fs::remove_dir_all(target.join(called));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!((mode(&outside.join("inner")), mtime(&outside.join("inner"))), (outside_mode, outside_time));
    eprintln!("{delivered} delivered, {failed} refused or failed");
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
    let over = AtomicBool::new(false);
    let mut read = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (inner, aside) = (top.join("inner"), home.path().join("aside"));
            while !over.load(Ordering::Relaxed) {
                fs::rename(&inner, &aside).unwrap();
                symlink(outside.join("inner"), &inner).unwrap();
                std::thread::yield_now();
                fs::remove_file(&inner).unwrap();
                fs::rename(&aside, &inner).unwrap();
                std::thread::yield_now();
            }
        });
        let began = Instant::now();
        while began.elapsed() < ROUNDS_FOR {
            let (source, told) = walk(std::slice::from_ref(&top));
            for (id, _) in &told.offered {
                if let Ok((bytes, _)) = read_all(&source, *id, 4) {
                    assert_eq!(bytes, b"good");
                    read += 1;
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    eprintln!("{read} times read");
    assert!(read > 0);
}
