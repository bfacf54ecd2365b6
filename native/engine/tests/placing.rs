//! How complete files come to their names: many to a flush, each settled once, at every durability.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hawser_engine::{Durability, EntryKind, Limit, Reason, Requests, Settled, Transfer, Work, dial};
use support::{
    MIB, bytes, close, delivered, finished, job, listen_for, next, send, settled, until, with, write,
};
use tempfile::{TempDir, tempdir};

const DURABILITIES: [Durability; 3] = [Durability::Session, Durability::File, Durability::None];

/// Sends paths into a new folder; answers it and both sides, when they have ended well.
fn deliver(paths: &[PathBuf], durability: Durability, reread: bool) -> (TempDir, [Transfer; 2]) {
    let to = tempdir().unwrap();
    let mut work = job(Work::Write(to.path().into()));
    work.durability = durability;
    let listener = listen_for(work);
    let mut work = job(Work::Read(paths.to_vec()));
    work.requests = Requests { reread, ..Requests::default() };
    let sent = dial(with(&listener.ticket(), work, 3)).unwrap();
    let received = next(&listener);
    finished(&sent).unwrap();
    finished(&received).unwrap();
    close(&listener, false);
    (to, [sent, received])
}

fn assert_settled(transfers: &[Transfer], count: usize) {
    for transfer in transfers {
        let entries = settled(transfer);
        assert_eq!(entries.len(), count);
        assert!(entries.iter().all(|entry| entry.reason().is_none()));
        let progress = transfer.progress();
        assert_eq!((progress.files_done, progress.bytes_done), (progress.files_total, progress.bytes_total));
    }
}

#[test]
fn trees_in_which_there_is_nothing_to_flush_are_delivered() {
    let from = tempdir().unwrap();
    let plants: [fn(&Path); 4] = [
        |_| (),
        |tree| (0..50).for_each(|number| fs::create_dir_all(tree.join(format!("{number}/inner"))).unwrap()),
        |tree| (0..50).for_each(|number| fs::write(tree.join(number.to_string()), b"").unwrap()),
        |tree| (0..50).for_each(|number| symlink("target", tree.join(number.to_string())).unwrap()),
    ];
    for (number, plant) in plants.into_iter().enumerate() {
        let tree = from.path().join(number.to_string());
        fs::create_dir(&tree).unwrap();
        plant(&tree);
        for durability in DURABILITIES {
            let (to, transfers) = deliver(std::slice::from_ref(&tree), durability, true);
            assert_settled(&transfers, [1, 101, 51, 51][number]);
            let there = fs::read_dir(to.path().join(number.to_string())).unwrap().count();
            assert_eq!(there, if number == 0 { 0 } else { 50 });
        }
    }
}

#[test]
fn thousands_of_small_files_and_some_large_ones_are_delivered_at_every_durability() {
    let from = tempdir().unwrap();
    let tree = from.path().join("tree");
    (0..2000).for_each(|number| write(&tree.join(format!("{}/{number}", number % 9)), number as u8, 100));
    (0..20).for_each(|number| write(&tree.join(format!("large {number}")), number, 600_000));
    for durability in DURABILITIES {
        for reread in [false, true] {
            let (to, transfers) = deliver(std::slice::from_ref(&tree), durability, reread);
            assert_settled(&transfers, 2030);
            for number in 0..2000 {
                let path = to.path().join(format!("tree/{}/{number}", number % 9));
                assert!(fs::read(path).unwrap() == bytes(number as u8, 100));
            }
            for number in 0..20 {
                let path = to.path().join(format!("tree/large {number}"));
                assert!(fs::read(path).unwrap() == bytes(number, 600_000));
            }
            assert_eq!(delivered(to.path()), ["tree"]);
        }
    }
}

#[test]
fn files_whose_folder_is_removed_meanwhile_fail_one_by_one_and_keep_nobody_waiting() {
    for durability in DURABILITIES {
        let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
        let tree = from.path().join("tree");
        (0..3).for_each(|number| write(&tree.join(format!("gone/{number}")), number, MIB));
        write(&tree.join("stays/file"), 9, MIB);
        let mut work = job(Work::Write(to.path().into()));
        work.durability = durability;
        let listener = listen_for(work);
        let slow = Limit::new(MIB as u64).unwrap();
        let mut work = job(Work::Read(vec![tree]));
        work.limit = Some(slow);
        let sent = dial(with(&listener.ticket(), work, 1)).unwrap();
        let received = next(&listener);
        until("bytes flow", || received.progress().bytes_done > 0);
        fs::remove_dir_all(to.path().join("tree/gone")).unwrap();
        sent.set_limit(None);
        finished(&sent).unwrap();
        finished(&received).unwrap();
        close(&listener, false);
        for transfer in [&sent, &received] {
            // Whether the folder itself is missed depends on when it was removed.
            let entries = settled(transfer).into_iter().filter(|entry| entry.kind == EntryKind::File);
            let (failed, rest): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.reason().is_some());
            let paths =
                |entries: &[Settled]| entries.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>();
            assert_eq!(paths(&failed), ["tree/gone/0", "tree/gone/1", "tree/gone/2"]);
            assert_eq!(paths(&rest), ["tree/stays/file"]);
        }
        assert!(fs::read(to.path().join("tree/stays/file")).unwrap() == bytes(9, MIB));
        assert_eq!(delivered(to.path()), ["tree"]);
        assert!(!to.path().join(".hawser/partials").exists(), "nothing of them is kept");
    }
}

#[test]
fn a_session_in_which_every_file_fails_ends() {
    let from = tempdir().unwrap();
    let paths: Vec<_> = (0..30).map(|number| from.path().join(number.to_string())).collect();
    for path in &paths {
        // Larger than any disk.
        fs::File::create(path).unwrap().set_len(1 << 43).unwrap();
    }
    let to = tempdir().unwrap();
    let listener = support::receive(to.path());
    let sent = send(&paths, &listener.ticket(), 2);
    finished(&sent).unwrap();
    close(&listener, false);
    let reasons: Vec<_> = settled(&sent).iter().filter_map(Settled::reason).collect();
    assert_eq!(reasons, [Reason::DiskFull; 30]);
    assert_eq!(delivered(to.path()), Vec::<String>::new());
    assert!(!to.path().join(".hawser").exists());
}
