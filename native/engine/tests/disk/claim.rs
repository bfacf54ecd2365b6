//! Who may receive into a folder, and what is found there of those who are gone.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cap_std::fs::Dir;
use hawser_engine::disk::Claim;

use crate::helpers::{names, open};

#[test]
fn one_listener_has_a_folder_to_itself_and_those_who_fetch_share_it() {
    let target = tempfile::tempdir().unwrap();
    let folder = open(target.path());
    let alone = Claim::alone(&folder).unwrap();
    assert!(Claim::alone(&folder).is_err());
    assert!(Claim::shared(&folder).is_err());
    drop(alone);
    let shared = [Claim::shared(&folder).unwrap(), Claim::shared(&folder).unwrap()];
    assert!(Claim::alone(&folder).is_err());
    drop(shared);
    Claim::alone(&folder).unwrap();
}

#[test]
fn those_who_begin_to_fetch_at_the_same_moment_do_not_shut_each_other_out() {
    let target = tempfile::tempdir().unwrap();
    let (threads, rounds) = (8, 50);
    let barrier = Barrier::new(threads);
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..threads {
            let (barrier, refused, target) = (&barrier, &refused, target.path());
            scope.spawn(move || {
                for _ in 0..rounds {
                    if thread == 0 {
                        // Something to clean up takes a moment.
                        let left = target.join(".hawser").join("ab".repeat(16));
                        fs::create_dir_all(&left).unwrap();
                        (0..20).for_each(|file| fs::write(left.join(file.to_string()), b"").unwrap());
                    }
                    barrier.wait();
                    let claim = Claim::shared(&open(target));
                    // Nobody has it any more when the next round begins.
                    barrier.wait();
                    refused.fetch_add(claim.is_err().into(), Ordering::Relaxed);
                    drop(claim);
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 0);
}

#[test]
fn whoever_has_a_folder_alone_removes_what_sessions_left_that_are_gone_and_nothing_else() {
    type Take = fn(&Dir) -> Claim;
    let takes: [Take; 2] = [|folder| Claim::alone(folder).unwrap(), |folder| Claim::shared(folder).unwrap()];
    for take in takes {
        let target = tempfile::tempdir().unwrap();
        let folder = open(target.path());
        let own = target.path().join(".hawser");
        let session = "0123456789abcdef".repeat(2);
        for name in [&*session, "partials", "records", "other", &"x".repeat(32)] {
            fs::create_dir_all(own.join(name)).unwrap();
            fs::write(own.join(name).join("file"), b"").unwrap();
        }
        let claim = take(&folder);
        assert_eq!(names(&own), ["other", "partials", "records", &"x".repeat(32)]);
        drop(claim);
        let other = Claim::shared(&folder).unwrap();
        fs::create_dir(own.join(&session)).unwrap();
        // Of a session that runs beside it.
        let _beside = Claim::shared(&folder).unwrap();
        assert!(own.join(&session).exists());
        drop(other);
    }
}
