//! Looking again at what was delivered: what is found out, and what is not touched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use hawser_engine::{Change, Error, Verification, VerifyProgress, Which, verify};
use hawser_protocol::manifest::EntryId;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;

fn finished(verification: &Verification) -> Result<(), Error> {
    let (sender, receiver) = channel();
    verification.on_finished(move |outcome| sender.send(outcome).unwrap());
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// What differs, and the counters.
fn verified(target: &Path, which: Which) -> (Vec<(String, Change)>, VerifyProgress) {
    let verification = verify(target, which).unwrap();
    finished(&verification).unwrap();
    let differences = verification.take_differences(usize::MAX);
    let differences = differences.into_iter().map(|found| (found.path, found.change)).collect();
    (differences, verification.progress())
}

fn differences(target: &Path) -> Vec<(String, Change)> {
    verified(target, Which::Newest).0
}

fn failure(target: &Path, which: Which) -> Error {
    finished(&verify(target, which).unwrap()).unwrap_err()
}

/// A session that delivers these files.
fn session(target: &Path, number: u8, files: &[(&str, &[u8])]) {
    let sink = later(target, number, [0; 32]);
    for (id, (called, bytes)) in (1..).zip(files) {
        deliver(&sink, EntryId(id), &file(ROOT, called, bytes.len()), bytes).unwrap();
    }
    sink.close();
}

/// A delivered tree: `a/b/inner`, `a/several`, `big`, `empty`.
fn tree() -> (tempfile::TempDir, u64) {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let (a, b) = (EntryId(1), EntryId(2));
    sink.offer(a, &folder(ROOT, "a"));
    sink.offer(b, &folder(a, "b"));
    let big = content(5 * CHUNK + 17);
    deliver(&sink, EntryId(3), &file(b, "inner", 5), b"inner").unwrap();
    deliver(&sink, EntryId(4), &file(a, "several", CHUNK as usize), &content(CHUNK)).unwrap();
    deliver(&sink, EntryId(5), &file(ROOT, "big", big.len()), &big).unwrap();
    deliver(&sink, EntryId(6), &file(ROOT, "empty", 0), b"").unwrap();
    sink.close();
    (target, 5 + 6 * CHUNK + 17)
}

/// Puts a record of this text into a folder.
fn plant(target: &Path, text: &[u8]) {
    let folder = target.join(".hawser/records");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("20260102T030405.678Z-0123456789abcdef.b3"), text).unwrap();
}

fn line(bytes: &[u8], path: &str) -> String {
    format!("{}  {path}\n", hash(bytes))
}

#[test]
fn a_delivered_tree_is_as_it_was_delivered() {
    let (target, bytes) = tree();
    let (differences, progress) = verified(target.path(), Which::Newest);
    assert_eq!(differences, []);
    assert_eq!((progress.files_total, progress.files_done, progress.bytes_done), (4, 4, bytes));
}

#[test]
fn one_other_byte_is_found_under_the_same_size_and_time() {
    let (target, _) = tree();
    let big = target.path().join("big");
    let time = fs::metadata(&big).unwrap().modified().unwrap();
    let mut bytes = fs::read(&big).unwrap();
    bytes[3 * CHUNK as usize + 5] ^= 1;
    fs::write(&big, bytes).unwrap();
    fs::File::options().write(true).open(&big).unwrap().set_modified(time).unwrap();
    assert_eq!(differences(target.path()), [("big".into(), Change::Changed)]);
}

#[test]
fn a_file_that_got_longer_or_shorter_has_changed() {
    let (target, _) = tree();
    fs::write(target.path().join("empty"), "x").unwrap();
    fs::File::options().write(true).open(target.path().join("big")).unwrap().set_len(CHUNK).unwrap();
    assert_eq!(
        differences(target.path()),
        [("big".into(), Change::Changed), ("empty".into(), Change::Changed)]
    );
}

#[test]
fn what_is_gone_is_missing() {
    let (target, _) = tree();
    fs::remove_file(target.path().join("empty")).unwrap();
    fs::remove_dir_all(target.path().join("a")).unwrap();
    let missing = ["a/b/inner", "a/several", "empty"].map(|path| (path.into(), Change::Missing));
    assert_eq!(differences(target.path()), missing);
}

#[test]
fn no_link_is_followed_even_to_the_same_bytes() {
    let (target, bytes) = tree();
    let (outside, _) = tree();
    fs::remove_file(target.path().join("big")).unwrap();
    symlink(outside.path().join("big"), target.path().join("big")).unwrap();
    fs::remove_dir_all(target.path().join("a")).unwrap();
    symlink(outside.path().join("a"), target.path().join("a")).unwrap();
    let (differences, progress) = verified(target.path(), Which::Newest);
    assert_eq!(differences, ["a/b/inner", "a/several", "big"].map(|path| (path.into(), Change::Changed)));
    assert_eq!(progress.bytes_done, 0, "of {bytes}");
}

#[test]
fn what_is_no_file_any_more_is_not_opened() {
    let (target, _) = tree();
    for called in ["big", "empty"] {
        fs::remove_file(target.path().join(called)).unwrap();
    }
    fifo(&target.path().join("big"));
    fs::create_dir(target.path().join("empty")).unwrap();
    assert_eq!(
        differences(target.path()),
        [("big".into(), Change::Changed), ("empty".into(), Change::Changed)]
    );
}

#[test]
fn what_cannot_be_read_is_told_from_what_changed() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root may read every file");
        return;
    }
    let (target, _) = tree();
    fs::set_permissions(target.path().join("big"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(differences(target.path()), [("big".into(), Change::Unreadable)]);
}

#[test]
fn a_file_where_a_folder_was_is_a_change_of_what_was_in_it() {
    let target = tempfile::tempdir().unwrap();
    plant(target.path(), line(b"", "file/inner").as_bytes());
    fs::write(target.path().join("file"), "").unwrap();
    assert_eq!(differences(target.path()), [("file/inner".into(), Change::Changed)]);
}

#[test]
#[cfg_attr(target_os = "macos", ignore = "macOS has no such names")]
fn names_of_any_bytes_are_found_again() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let odd: [&[u8]; 6] = [b"line\nfeed", b"back\\slash\\n", b"\r", b" \x1b[2J ", b"caf\xe9 \xff", b"-"];
    for (id, called) in (1..).zip(odd) {
        let mut entry = file(ROOT, "x", 4);
        entry.name = name(called);
        deliver(&sink, EntryId(id), &entry, b"same").unwrap();
    }
    sink.close();
    let (found, progress) = verified(target.path(), Which::Newest);
    assert_eq!((found, progress.files_done), (vec![], 6));
    fs::write(target.path().join(raw(odd[4])), "else").unwrap();
    assert_eq!(differences(target.path()), [("caf\u{fffd} \u{fffd}".into(), Change::Changed)]);
}

#[test]
fn the_newest_record_is_taken_or_all_or_the_one_that_is_named() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1, &[("first", b"1"), ("both", b"old")]);
    fs::remove_file(target.path().join("both")).unwrap();
    session(target.path(), 2, &[("second", b"2"), ("both", b"new")]);
    fs::remove_file(target.path().join("first")).unwrap();

    assert_eq!(differences(target.path()), []);
    let (all, progress) = verified(target.path(), Which::All);
    assert_eq!((all, progress.files_total), (vec![("first".into(), Change::Missing)], 3));
    let verification = verify(target.path(), Which::All).unwrap();
    finished(&verification).unwrap();
    let [_, oldest] = &verification.sessions()[..] else { panic!("{:?}", verification.sessions()) };
    let (named, _) = verified(target.path(), Which::Session(oldest.clone()));
    assert_eq!(named, [("both".into(), Change::Changed), ("first".into(), Change::Missing)]);
}

#[test]
fn where_there_is_no_record_that_is_said() {
    let target = tempfile::tempdir().unwrap();
    for which in [Which::Newest, Which::All, Which::Session("../x".into())] {
        assert_eq!(failure(target.path(), which).code(), "NOT_FOUND");
    }
    fs::create_dir_all(target.path().join(".hawser/records")).unwrap();
    let error = failure(target.path(), Which::Newest);
    assert!(
        error.to_string().ends_with("no session has left a record of what it delivered there"),
        "{error}"
    );
    assert_eq!(failure(&target.path().join("gone"), Which::Newest).code(), "NOT_FOUND");
}

#[test]
fn what_is_no_record_is_an_error_that_says_where() {
    let good = line(b"", "empty");
    let bad = [
        (1, "garbage\n".into()),
        (2, format!("{good}\n{good}")),
        (2, format!("{good}{}", line(b"", "../outside"))),
        (2, format!("{good}{}", line(b"", "/etc/passwd"))),
        (2, format!("{good}{}", "x".repeat(1 << 20))),
        (1, "\0".repeat(1 << 20)),
    ];
    for (number, text) in bad {
        let (target, _) = tree();
        plant(target.path(), text.as_bytes());
        let session = "20260102T030405.678Z-0123456789abcdef";
        let error = failure(target.path(), Which::Session(session.into()));
        let said = error.to_string();
        assert_eq!(error.code(), "IO");
        assert!(said.ends_with(&format!("{session}.b3: its line {number} is not one of a record")), "{said}");
    }
}

#[test]
fn half_a_line_at_the_end_of_a_record_is_left_out() {
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("empty"), "").unwrap();
    let whole = line(b"", "empty");
    for cut in 0..whole.len() {
        plant(target.path(), format!("{whole}{}", &whole[..cut]).as_bytes());
        assert_eq!(verified(target.path(), Which::Newest).1.files_total, 1);
    }
}

#[test]
fn records_behind_links_are_not_read() {
    let (outside, _) = tree();
    let target = tempfile::tempdir().unwrap();
    symlink(outside.path().join(".hawser"), target.path().join(".hawser")).unwrap();
    assert_eq!(failure(target.path(), Which::Newest).code(), "IO");
    fs::remove_file(target.path().join(".hawser")).unwrap();
    plant(target.path(), b"");
    let record = &records(target.path())[0];
    fs::remove_file(record).unwrap();
    symlink(&records(outside.path())[0], record).unwrap();
    assert_eq!(failure(target.path(), Which::Newest).code(), "IO");
    fs::remove_file(record).unwrap();
    fifo(record);
    assert_eq!(failure(target.path(), Which::Newest).code(), "IO");
}

#[test]
fn cancelling_ends_it_within_a_file() {
    let target = tempfile::tempdir().unwrap();
    fs::File::create(target.path().join("huge")).unwrap().set_len(4 << 30).unwrap();
    plant(target.path(), line(b"", "huge").as_bytes());
    let verification = verify(target.path(), Which::Newest).unwrap();
    while verification.progress().bytes_done == 0 {
        std::thread::yield_now();
    }
    verification.cancel();
    assert!(matches!(finished(&verification), Err(Error::Cancelled)));
    assert_eq!(verification.progress().files_done, 0);
}

#[test]
fn b3sum_agrees() {
    let (target, _) = tree();
    session(target.path(), 9, &[("back\\slash", b"1"), ("line\nfeed", b"2"), ("carriage\rreturn", b"3")]);
    let check = |record: &Path| {
        let mut command = Command::new("b3sum");
        command.arg("--check").arg(record).current_dir(target.path()).output()
    };
    for record in records(target.path()) {
        let Ok(output) = check(&record) else { return eprintln!("SKIPPED: there is no b3sum") };
        assert!(output.status.success(), "{output:?}");
    }
    fs::write(target.path().join("line\nfeed"), "else").unwrap();
    assert!(!check(&records(target.path())[1]).unwrap().status.success());
}
