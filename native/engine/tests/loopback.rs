//! Whole sessions over real sockets and disks, in one process.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::Path;

use hawser_engine::{Error, Fate, Placed, Reason, Work, dial};
use hawser_protocol::message::CloseCode;
use support::{
    Fault, Line, MIB, PATIENCE, bytes, close, delivered, finished, job, next, outcome, receive, send, serve,
    settled, until, with, write,
};
use tempfile::tempdir;

#[test]
fn a_tree_arrives_as_it_is() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let tree = from.path().join("tree");
    write(&tree.join("empty"), 0, 0);
    write(&tree.join("a/one chunk"), 1, 256 * 1024);
    write(&tree.join("a/b/several"), 2, 3 * MIB + 1);
    let listener = receive(to.path());
    let sent = send(std::slice::from_ref(&tree), &listener.ticket(), 3);
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    for file in ["empty", "a/one chunk", "a/b/several"] {
        assert_eq!(fs::read(tree.join(file)).unwrap(), fs::read(to.path().join("tree").join(file)).unwrap());
    }
    let report = settled(&sent);
    assert_eq!(report.len(), 6);
    let several = report.iter().find(|entry| entry.path == "tree/a/b/several").unwrap();
    let hash = blake3::hash(&bytes(2, 3 * MIB + 1));
    assert_eq!(several.hash().unwrap().to_string(), hash.to_hex().as_str());
    assert_eq!(delivered(to.path()), ["tree"]);
}

#[test]
fn a_large_file_of_an_odd_length_arrives_whole() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let length = 40 * MIB + 5;
    write(&from.path().join("file"), 1, length);
    let listener = receive(to.path());
    finished(&send(&[from.path().join("file")], &listener.ticket(), 3)).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, length));
}

#[test]
fn the_listener_can_be_the_source() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, MIB);
    let listener = serve(Work::Read(vec![from.path().join("file")]));
    let options = with(&listener.ticket(), job(Work::Write(to.path().into())), 2);
    finished(&dial(options).unwrap()).unwrap();
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("file")).unwrap(), bytes(1, MIB));
}

#[test]
fn many_senders_are_served_at_the_same_time() {
    // Far more than may be at the door from one source at the same time.
    const SENDERS: u8 = 100;
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    let sent: Vec<_> = (0..SENDERS)
        .map(|number| {
            let path = from.path().join(number.to_string());
            write(&path, number, MIB);
            send(&[path], &listener.ticket(), 2)
        })
        .collect();
    sent.iter().for_each(|transfer| finished(transfer).unwrap());
    close(&listener, false);
    for number in 0..SENDERS {
        assert!(fs::read(to.path().join(number.to_string())).unwrap() == bytes(number, MIB));
    }
}

#[test]
fn a_small_file_behind_a_huge_one_arrives_first() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let (huge, small) = (from.path().join("huge"), from.path().join("small"));
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    write(&small, 1, 1000);
    let listener = receive(to.path());
    let sent = send(&[huge, small], &listener.ticket(), 2);
    until("the small file is there", || to.path().join("small").exists());
    assert!(!to.path().join("huge").exists());
    sent.cancel();
    assert!(matches!(finished(&sent), Err(Error::Cancelled)));
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("small")).unwrap(), bytes(1, 1000));
}

#[test]
fn a_lost_lane_is_made_up_for_by_the_others() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 48 * MIB);
    let listener = receive(to.path());
    // The control lane goes first, then two more, each in the middle of a record.
    let cut = |number| Fault::Held((number as u64 + 2) * 1_000_003);
    let line = Line::new(listener.port(), move |number| (number < 3).then_some(cut(number)));
    let sent = send(&[path], &line.ticket(&listener.ticket()), 6);
    until("all lanes are there", || sent.progress().lanes == 6);
    line.release();
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 48 * MIB));
}

#[test]
fn a_lost_lane_is_dialled_again() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    let listener = receive(to.path());
    let line = Line::new(listener.port(), |number| (number == 1).then_some(Fault::Cut(1_000_003)));
    let sent = send(&[huge], &line.ticket(&listener.ticket()), 2);
    until("the second lane has been replaced", || line.count() == 3 && sent.progress().lanes == 2);
    sent.cancel();
    assert!(matches!(finished(&sent), Err(Error::Cancelled)));
    close(&listener, false);
}

#[test]
fn nobody_waits_for_a_lane_that_stands_still() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 48 * MIB);
    let listener = receive(to.path());
    let line = Line::new(listener.port(), |number| (number == 1).then_some(Fault::Stall(1_000_003)));
    let sent = send(&[path], &line.ticket(&listener.ticket()), 3);
    // Long before the lane counts as lost.
    outcome(&sent).recv_timeout(PATIENCE / 2).unwrap().unwrap();
    assert_eq!(sent.progress().bytes_done, 48 * MIB as u64);
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 48 * MIB));
}

#[test]
fn when_all_lanes_are_lost_nothing_partial_has_a_name_and_the_same_again_completes() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let paths: Vec<_> = (0..4).map(|number| from.path().join(number.to_string())).collect();
    paths.iter().zip(0..).for_each(|(path, seed)| write(path, seed, 4 * MIB));
    let listener = receive(to.path());
    let line = Line::new(listener.port(), |_| Some(Fault::Cut(6 * MIB as u64)));
    let sent = send(&paths, &line.ticket(&listener.ticket()), 1);
    assert!(matches!(finished(&sent), Err(Error::Lost)));
    assert!(matches!(finished(&next(&listener)), Err(Error::Lost)));
    for (seed, path) in (0..).zip(&paths) {
        let arrived = to.path().join(path.file_name().unwrap());
        assert!(!arrived.exists() || fs::read(arrived).unwrap() == bytes(seed, 4 * MIB));
    }
    finished(&send(&paths, &listener.ticket(), 1)).unwrap();
    close(&listener, false);
    for (seed, path) in (0..).zip(&paths) {
        assert!(fs::read(to.path().join(path.file_name().unwrap())).unwrap() == bytes(seed, 4 * MIB));
    }
    assert_eq!(delivered(to.path()).len(), 4);
}

#[test]
fn cancelling_tells_the_other_side() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    for sender_cancels in [true, false] {
        let listener = receive(to.path());
        let sent = send(std::slice::from_ref(&huge), &listener.ticket(), 2);
        let received = next(&listener);
        until("bytes flow", || received.progress().bytes_done > 0);
        let (ours, theirs) = if sender_cancels { (&sent, &received) } else { (&received, &sent) };
        ours.cancel();
        assert!(matches!(finished(ours), Err(Error::Cancelled)));
        let told = finished(theirs);
        assert!(matches!(told, Err(Error::ClosedByPeer { code: CloseCode::Cancelled, .. })), "{told:?}");
        close(&listener, false);
        assert!(!to.path().join("huge").exists());
    }
}

#[test]
fn closing_with_abort_ends_running_sessions() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(4 << 30).unwrap();
    let listener = receive(to.path());
    let sent = send(&[huge], &listener.ticket(), 2);
    let ended = outcome(&next(&listener));
    close(&listener, true);
    assert!(matches!(ended.recv().unwrap(), Err(Error::Cancelled)));
    assert!(finished(&sent).is_err());
}

#[test]
fn an_existing_file_is_skipped_if_it_is_the_same_and_kept_if_it_is_not() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("photo.jpg");
    write(&path, 1, 1000);
    let listener = receive(to.path());
    let again = |expected: &Placed| {
        let sent = send(std::slice::from_ref(&path), &listener.ticket(), 1);
        finished(&sent).unwrap();
        let report = settled(&sent);
        assert!(
            matches!(&report[0].fate, Fate::Placed(placed, _) if placed == expected),
            "{report:?}, not {expected:?}"
        );
    };
    again(&Placed::AsNamed);
    again(&Placed::Present);
    write(&path, 2, 1000);
    // Written at the same tick of the system's clock, it would have the same time as before.
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let renamed = hawser_protocol::manifest::Name::new(b"photo (2).jpg").unwrap();
    again(&Placed::Renamed(renamed));
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("photo.jpg")).unwrap(), bytes(1, 1000));
    assert_eq!(fs::read(to.path().join("photo (2).jpg")).unwrap(), bytes(2, 1000));
}

#[cfg(unix)]
#[test]
fn a_folder_that_exists_keeps_its_mode_and_gets_the_time_that_was_sent() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let folders = ["open", "locked"].map(|name| from.path().join(name));
    folders.iter().for_each(|folder| write(&folder.join("file"), 1, 10));
    fs::create_dir_all(to.path().join("open")).unwrap();
    fs::create_dir_all(to.path().join("locked")).unwrap();
    set(&to.path().join("open"), 0o750);
    set(&to.path().join("locked"), 0o755);
    set(&folders[1], 0o555);
    let listener = receive(to.path());
    finished(&send(&folders, &listener.ticket(), 1)).unwrap();
    close(&listener, false);
    assert_eq!(mode(&to.path().join("open")), 0o750);
    assert_eq!(mode(&to.path().join("locked")), 0o755);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&to.path().join("open")), modified(&folders[0]));
}

#[test]
fn a_folder_is_not_made_before_anybody_is_reached() {
    let to = tempdir().unwrap();
    let listener = serve(Work::Read(vec![to.path().into()]));
    close(&listener, false);
    let work = job(Work::Write(to.path().join("new")));
    let options = with(&listener.ticket(), work, 1);
    assert!(finished(&dial(options).unwrap()).is_err());
    assert!(!to.path().join("new").exists());
}

#[test]
fn what_cannot_be_read_fails_alone() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let (good, missing) = (from.path().join("good"), from.path().join("missing"));
    write(&good, 1, 10);
    let listener = receive(to.path());
    let sent = send(&[missing, good], &listener.ticket(), 1);
    finished(&sent).unwrap();
    close(&listener, false);
    let report = settled(&sent);
    assert_eq!(report.iter().filter_map(|entry| entry.reason()).collect::<Vec<_>>(), [Reason::SourceGone]);
    assert_eq!(fs::read(to.path().join("good")).unwrap(), bytes(1, 10));
}
