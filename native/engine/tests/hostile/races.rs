//! A local user who exchanges folders for links all the time while transfers run: L1 to L4, L6.
//!
//! `HAWSER_RACES=n` runs so many transfers of each kind; without it, a few.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hawser_engine::disk::Claim;
use hawser_engine::{Fate, Work};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support;
use crate::yard::Yard;

fn rounds() -> usize {
    std::env::var("HAWSER_RACES").map_or(12, |count| count.parse().unwrap())
}

/// A name in a folder that is held, since the path of that may lead elsewhere by now, and what it
/// changes places with.
struct Flip {
    folder: File,
    name: &'static str,
    other: PathBuf,
}

impl Flip {
    fn new(path: &Path, name: &'static str, other: PathBuf) -> Self {
        Self { folder: File::open(path).unwrap(), name, other }
    }

    fn make(&self) -> rustix::io::Result<()> {
        renameat_with(&self.folder, self.name, CWD, &self.other, RenameFlags::EXCHANGE)
    }
}

/// Runs `run` while each of these changes places all the time. The exchanges that were made.
fn racing(flips: &[Flip], run: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let flipping = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                // The transfer may just have removed one of them, or not made it yet.
                count += flips.iter().filter(|flip| flip.make().is_ok()).count();
            }
            count
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        over.store(true, Ordering::Relaxed);
        let count = flipping.join().unwrap();
        ended.unwrap();
        count
    })
}

/// A tree of folders in folders with files of one chunk and of several, new in each round.
fn plant(tree: &Path, round: usize) -> PathBuf {
    let top = tree.join(format!("{round}/top"));
    for at in 0..24 {
        let file = top.join(format!("inner/deep/{round} {at}"));
        support::write(&file, at, if at % 8 == 0 { 300_000 } else { 100 });
        support::write(&top.join(format!("inner/{round} {at}")), at, 10);
    }
    top
}

/// Sends tree after tree into a target in which what `flipped` names is a link to the outside every
/// other moment. How many files came.
fn race(flipped: &[(&str, &'static str)]) {
    let yard = Yard::new();
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(yard.target.join("top/inner/deep")).unwrap();
    // So that it stays, and what is in it can be flipped.
    fs::create_dir_all(yard.target.join(".hawser/partials")).unwrap();
    fs::create_dir_all(yard.target.join(".hawser/records")).unwrap();
    fs::write(yard.target.join(".hawser/stays"), "").unwrap();
    let flips: Vec<_> = flipped
        .iter()
        .enumerate()
        .map(|(at, (folder, name))| {
            let link = yard.target.join(format!("link {at}"));
            symlink(&yard.outside, &link).unwrap();
            Flip::new(&yard.target.join(folder), name, link)
        })
        .collect();
    let mut came = 0;
    let count = racing(&flips, || {
        for round in 0..rounds() {
            let sent = support::send(&[plant(tree.path(), round)], &yard.ticket(), 4);
            // However many fail, it ends in order.
            assert_eq!(support::finished(&sent).map_err(|error| error.to_string()), Ok(()));
            came +=
                support::settled(&sent).iter().filter(|entry| matches!(entry.fate, Fate::Placed(..))).count();
        }
    });
    eprintln!("{came} entries came in {} transfers, {count} exchanges", rounds());
    assert!(count > 0);
    for flip in flips {
        // Back to where it belongs, or the good sender that comes now would find a link, too.
        if !flip.other.is_symlink() {
            flip.make().unwrap();
        }
    }
    yard.assert_unharmed();
}

#[test]
fn l1_l2_l3_nothing_outside_is_touched_while_folders_turn_into_links_and_back() {
    race(&[("", "top")]);
    race(&[("top", "inner")]);
    race(&[("top/inner", "deep")]);
    race(&[("", "top"), ("top", "inner")]);
}

#[test]
fn l4_nothing_outside_is_touched_while_our_own_folders_turn_into_links_and_back() {
    race(&[("", ".hawser")]);
    race(&[(".hawser", "partials")]);
    race(&[(".hawser", "records")]);
}

#[test]
fn l6_a_source_that_turns_into_a_link_or_a_fifo_is_not_read_and_holds_nobody_up() {
    let yard = Yard::new();
    let tree = tempfile::tempdir().unwrap();
    let top = tree.path().join("top");
    let (good, secret) = (support::bytes(1, 70_000), support::bytes(2, 70_000));
    fs::create_dir_all(top.join("inner")).unwrap();
    let outside = tree.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(top.join("inner").join(name), &good).unwrap();
        fs::write(outside.join(name), &secret).unwrap();
    }
    let beside = |name: &str| tree.path().join(name);
    symlink(outside.join("a"), beside("to a secret")).unwrap();
    assert!(Command::new("mkfifo").arg(beside("fifo")).status().unwrap().success());
    symlink(&outside, beside("to the outside")).unwrap();
    let flips = [
        Flip::new(&top.join("inner"), "a", beside("to a secret")),
        Flip::new(&top.join("inner"), "b", beside("fifo")),
        Flip::new(&top, "inner", beside("to the outside")),
    ];
    let mut came = 0;
    racing(&flips, || {
        for round in 0..rounds() {
            let target = tempfile::tempdir_in(&yard.target).unwrap();
            let job = support::job(Work::Write(target.path().to_path_buf()));
            let listener = support::listen_for(job);
            let sent = support::send(std::slice::from_ref(&top), &listener.ticket(), 2);
            assert_eq!(support::finished(&sent).map_err(|error| error.to_string()), Ok(()), "round {round}");
            support::close(&listener, false);
            came += assert_only(&good, &target.path().join("top"));
        }
    });
    eprintln!("{came} files came in {} transfers", rounds());
    assert!(came > 0);
}

/// That each file in a tree is the one that may be sent. How many there are.
fn assert_only(good: &[u8], folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let look = path.symlink_metadata().unwrap();
        if look.is_dir() {
            count += assert_only(good, &path);
        } else if look.is_file() {
            assert!(fs::read(&path).unwrap() == good, "{} is not what may be sent", path.display());
            count += 1;
        }
    }
    count
}

#[test]
fn l4_what_dead_sessions_left_is_removed_and_nothing_outside_while_it_turns_into_links_and_back() {
    let home = tempfile::tempdir().unwrap();
    let (target, outside) = (home.path().join("target"), home.path().join("outside"));
    let left = target.join(".hawser").join("0123456789abcdef".repeat(2));
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::write(outside.join("inner/secret"), "secret").unwrap();
    fs::create_dir(&target).unwrap();
    let folder = Dir::open_ambient_dir(&target, ambient_authority()).unwrap();
    for round in 0..rounds() * 10 {
        // A dead session leaves files; an enemy leaves what it likes, maybe of the last round.
        let _ = fs::remove_file(left.join("folder"));
        fs::create_dir_all(left.join("folder/inner")).unwrap();
        fs::write(left.join("folder/inner/secret"), "mine").unwrap();
        let link = home.path().join(format!("link {round}"));
        symlink(&outside, &link).unwrap();
        racing(&[Flip::new(&left, "folder", link)], || {
            drop(Claim::alone(&folder).unwrap());
        });
        assert_eq!(fs::read(outside.join("inner/secret")).unwrap(), b"secret", "round {round}");
    }
}
