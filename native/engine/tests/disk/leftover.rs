//! What sessions that were cut off have left: what is listed of it, and what is removed.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime};

use hawser_engine::disk::{Claim, Decision, Sink};
use hawser_engine::{Error, Leftover, PartOf, Removal, partials, remove_partials};
use hawser_protocol::error::Reason;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);
const PATIENCE: Duration = Duration::from_secs(60);

fn listed(target: &Path) -> Result<Vec<Leftover>, Error> {
    let (sender, receiver) = channel();
    partials(target, move |found| sender.send(found).unwrap()).unwrap();
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn removed(target: &Path, idle: Duration) -> Removal {
    let (sender, receiver) = channel();
    remove_partials(target, idle, move |removal| sender.send(removal).unwrap()).unwrap();
    receiver.recv_timeout(PATIENCE).unwrap().unwrap()
}

/// What the parts in a target are parts of, or what the others are called.
fn subjects(leftovers: &[Leftover]) -> Vec<&str> {
    leftovers.iter().map(|left| left.of.as_ref().map_or(&*left.name, |of| &*of.path)).collect()
}

/// A session that is cut off when these chunks of a file called `called` are here.
fn cut_off(target: &Path, called: &str, size: u64, chunks: &[u64]) {
    let sink = sink(target);
    begin(&sink, called, size, chunks);
    sink.close();
}

fn begin(sink: &Sink, called: &str, size: u64, chunks: &[u64]) {
    let bytes = content(size);
    assert_eq!(sink.offer(A, &file(ROOT, called, bytes.len())), Decision::Want);
    for chunk in chunks {
        let start = chunk * CHUNK;
        sink.write_chunk(A, start, &bytes[start as usize..(start + CHUNK).min(size) as usize]).unwrap();
    }
}

fn kept(target: &Path) -> PathBuf {
    target.join(".hawser/partials")
}

/// The paths of what is kept whose names end so.
fn ending(target: &Path, end: &str) -> Vec<PathBuf> {
    let all = names(&kept(target)).into_iter();
    all.filter(|name| name.ends_with(end)).map(|name| kept(target).join(name)).collect()
}

fn age(path: &Path, by: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

/// The beginning of a journal that a hostile or broken program may have written, and its key.
fn header(path: &[u8], length: u32) -> (Vec<u8>, String) {
    let fixed = [&[5; 32][..], &u64::MAX.to_be_bytes(), &[0; 12], &length.to_be_bytes()].concat();
    let mut header = [&b"HAWSERJ1"[..], &fixed, path].concat();
    let check = blake3::hash(&header);
    header.extend_from_slice(&check.as_bytes()[..8]);
    let key = blake3::Hasher::new().update(&[5; 32]).update(path).finalize().to_hex();
    (header, key[..32].to_string())
}

#[test]
fn what_a_session_that_was_cut_off_has_left_is_listed() {
    let target = tempfile::tempdir().unwrap();
    let begun = SystemTime::now() - Duration::from_secs(2);
    let sink = Sink::open(target.path(), [7; 16], [9; 32]).unwrap();
    sink.offer(A, &folder(ROOT, "photos"));
    let bytes = content(5 * CHUNK + 17);
    assert_eq!(sink.offer(B, &file(A, "a.raw", bytes.len())), Decision::Want);
    for start in [0, 2 * CHUNK, 5 * CHUNK] {
        let end = (start + CHUNK).min(5 * CHUNK + 17);
        sink.write_chunk(B, start, &bytes[start as usize..end as usize]).unwrap();
    }
    sink.close();
    let found = listed(target.path()).unwrap();
    let [leftover] = &found[..] else { panic!("{found:?}") };
    let of = PartOf {
        path: "photos/a.raw".into(),
        size: 5 * CHUNK + 17,
        held: 2 * CHUNK + 17,
        fingerprint: PublicKey([9; 32]).fingerprint(),
    };
    assert_eq!((&leftover.of, leftover.in_use), (&Some(of), false));
    assert_eq!(kept(target.path()).join(&leftover.name), ending(target.path(), ".part")[0]);
    let blocks = names(&kept(target.path())).into_iter().map(|name| kept(target.path()).join(name));
    assert_eq!(leftover.bytes_on_disk, blocks.map(|path| path.metadata().unwrap().blocks() * 512).sum());
    assert!(leftover.written > begun && leftover.written <= SystemTime::now());
}

#[test]
fn where_nothing_is_left_nothing_is_listed_and_nothing_removed() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    deliver(&sink, A, &file(ROOT, "file", 5), b"12345").unwrap();
    sink.close();
    fs::create_dir(target.path().join("empty")).unwrap();
    for folder in [target.path().into(), target.path().join("empty")] {
        let before = names(&folder);
        assert_eq!(listed(&folder).unwrap(), []);
        assert_eq!(removed(&folder, Duration::ZERO), Removal::default());
        assert_eq!(names(&folder), before);
    }
}

#[test]
fn a_folder_that_is_not_there_or_none_is_an_error() {
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("file"), b"").unwrap();
    assert_eq!(listed(&target.path().join("gone")).unwrap_err().code(), "NOT_FOUND");
    assert_eq!(listed(&target.path().join("file")).unwrap_err().code(), "IO");
}

#[test]
fn what_a_session_is_writing_is_in_use_and_stays() {
    let target = tempfile::tempdir().unwrap();
    let size = 3 * CHUNK;
    let sink = sink(target.path());
    begin(&sink, "big", size, &[1]);
    let [leftover] = &listed(target.path()).unwrap()[..] else { panic!("it is not listed") };
    assert!(leftover.in_use);
    let Removal { removed, remaining } = removed(target.path(), Duration::ZERO);
    assert!(removed.is_empty());
    assert_eq!(remaining.len(), 1);
    assert_eq!((&remaining[0].leftover, &*remaining[0].message), (leftover, "it is in use"));
    write_all(&sink, A, &content(size)).unwrap();
    assert_eq!(commit(&sink, A, hash(&content(size))), Ok(Placed::AsNamed));
    sink.close();
    assert_eq!(listed(target.path()).unwrap(), []);
}

#[test]
fn two_that_look_at_once_do_not_take_each_other_for_sessions() {
    let target = tempfile::tempdir().unwrap();
    cut_off(target.path(), "big", 2 * CHUNK, &[0]);
    let looks = File::open(&ending(target.path(), ".part")[0]).unwrap();
    looks.try_lock_shared().unwrap();
    assert!(!listed(target.path()).unwrap()[0].in_use);
    assert_eq!(removed(target.path(), Duration::ZERO).remaining.len(), 1);
    drop(looks);
    assert_eq!(removed(target.path(), Duration::ZERO).removed.len(), 1);
}

#[test]
fn once_removed_the_next_session_starts_from_nothing() {
    let target = tempfile::tempdir().unwrap();
    let bytes = content(4 * CHUNK);
    let entry = file(ROOT, "big", bytes.len());
    cut_off(target.path(), "big", 4 * CHUNK, &[0, 3]);
    let again = sink(target.path());
    assert!(matches!(again.offer(A, &entry), Decision::Resume(held) if held.len() == 2));
    again.close();
    let listed = listed(target.path()).unwrap();
    assert_eq!(removed(target.path(), Duration::ZERO), Removal { removed: listed, remaining: vec![] });
    assert!(names(target.path()).is_empty());
    let next = sink(target.path());
    assert_eq!(deliver(&next, A, &entry, &bytes), Ok(Placed::AsNamed));
    next.close();
    assert_eq!(delivered(target.path()), ["big"]);
}

#[test]
fn only_what_was_not_written_for_so_long_is_removed() {
    let target = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    for called in ["new", "old", "half", "future"] {
        cut_off(target.path(), called, 2 * CHUNK, &[0]);
    }
    let of = |path: &str| {
        let name = listed(target.path()).unwrap().into_iter();
        let mut name = name.filter(|left| left.of.as_ref().unwrap().path == path).map(|left| left.name);
        let part = kept(target.path()).join(name.next().unwrap());
        [part.with_extension("journal"), part]
    };
    of("old").iter().for_each(|path| age(path, 3 * hour));
    // What counts is what was written last, the part or its journal.
    age(&of("half")[0], 3 * hour);
    for path in of("future") {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() + hour).unwrap();
    }
    let removal = removed(target.path(), 2 * hour);
    assert_eq!((subjects(&removal.removed), removal.remaining), (vec!["old"], vec![]));
    assert_eq!(subjects(&listed(target.path()).unwrap()), ["future", "half", "new"]);
    assert_eq!(removed(target.path(), Duration::ZERO).removed.len(), 3);
}

#[test]
fn what_has_no_good_journal_is_unknown_and_can_be_removed() {
    let target = tempfile::tempdir().unwrap();
    cut_off(target.path(), "good", 2 * CHUNK, &[0]);
    let folder = kept(target.path());
    let (good, key) = header(b"path", 4);
    fs::write(folder.join(format!("{}.part", "1".repeat(32))), b"no journal").unwrap();
    fs::write(folder.join(format!("{}.part", "2".repeat(32))), b"torn").unwrap();
    fs::write(folder.join(format!("{}.journal", "2".repeat(32))), &good[..good.len() - 1]).unwrap();
    fs::write(folder.join(format!("{}.part", "3".repeat(32))), b"the journal of another").unwrap();
    fs::write(folder.join(format!("{}.journal", "3".repeat(32))), &good).unwrap();
    fs::write(folder.join(format!("{key}.journal")), &good).unwrap();
    fs::write(folder.join(raw(b"foreign \xff")), b"").unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir_all(folder.join("full/of")).unwrap();
    let mut unknown = ["1", "2", "3"].map(|digit| format!("{}.part", digit.repeat(32))).to_vec();
    unknown.extend([format!("{key}.journal"), "empty".into(), "foreign \u{fffd}".into(), "full".into()]);
    unknown.sort();
    let all = listed(target.path()).unwrap();
    assert_eq!(subjects(&all)[0], "good", "the unknown ones come last");
    assert_eq!(subjects(&all)[1..], unknown);
    assert!(all[1..].iter().all(|left| left.of.is_none() && !left.in_use));
    let Removal { removed, remaining } = removed(target.path(), Duration::ZERO);
    assert_eq!(removed.len(), unknown.len());
    assert_eq!(remaining.len(), 1);
    assert_eq!(remaining[0].leftover.name, "full");
    assert!(remaining[0].message.starts_with("it cannot be removed: "), "{}", remaining[0].message);
    assert_eq!(names(&folder), ["full"], "a folder is not ours");
}

#[test]
fn links_are_not_followed_and_fifos_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let (target, secret) = (home.path().join("target"), home.path().join("secret"));
    fs::write(&secret, b"secret").unwrap();
    let folder = kept(&target);
    fs::create_dir_all(&folder).unwrap();
    let (journal, key) = header(b"path", 4);
    symlink(&secret, folder.join(format!("{key}.part"))).unwrap();
    fs::write(folder.join(format!("{key}.journal")), &journal).unwrap();
    let other = "4".repeat(32);
    fs::write(folder.join(format!("{other}.part")), b"").unwrap();
    symlink(&secret, folder.join(format!("{other}.journal"))).unwrap();
    fifo(&folder.join(format!("{}.part", "5".repeat(32))));
    let found = listed(&target).unwrap();
    assert_eq!((found.len(), found.iter().filter(|left| left.of.is_none()).count()), (3, 3));
    assert_eq!(removed(&target, Duration::ZERO).removed.len(), 3);
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert!(names(&target).is_empty());

    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(format!("{other}.part")), b"").unwrap();
    for place in [target.join(".hawser"), folder] {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(&outside, &place).unwrap();
        assert!(listed(&target).is_err());
        let (sender, receiver) = channel();
        remove_partials(&target, Duration::ZERO, move |removal| sender.send(removal).unwrap()).unwrap();
        assert!(receiver.recv_timeout(PATIENCE).unwrap().is_err());
        assert!(place.is_symlink(), "it is not ours to remove");
        assert_eq!(names(&outside).len(), 1);
        fs::remove_file(&place).unwrap();
    }
}

#[test]
fn a_journal_that_lies_harms_nothing() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("target");
    let folder = kept(&target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(home.path().join("x"), b"outside").unwrap();
    let climbing = b"../x\n\x1b[2J\xff";
    for (path, length) in [(&climbing[..], 10), (b"huge", u32::MAX), (b"", 0), (b"short", 4)] {
        let (mut journal, key) = header(path, length);
        // More chunks than there are, of a file that is larger than any disk.
        journal.extend_from_slice(&[0xff; 400]);
        fs::write(folder.join(format!("{key}.part")), b"").unwrap();
        fs::write(folder.join(format!("{key}.journal")), journal).unwrap();
    }
    let found = listed(&target).unwrap();
    assert_eq!(subjects(&found)[..2], ["", "../x\n\u{1b}[2J\u{fffd}"]);
    assert!(found[..2].iter().all(|left| left.of.as_ref().is_some_and(|of| of.held == 0)));
    assert!(found[2..].iter().all(|left| left.of.is_none()));
    assert_eq!(removed(&target, Duration::ZERO).removed.len(), 4);
    assert_eq!(fs::read(home.path().join("x")).unwrap(), b"outside");
    assert!(names(&target).is_empty());
}

#[test]
fn what_only_ended_sessions_could_use_goes_as_soon_as_nobody_receives() {
    let target = tempfile::tempdir().unwrap();
    let single = target.path().join(".hawser").join("07".repeat(16));
    fs::create_dir_all(&single).unwrap();
    fs::write(single.join("1"), b"of one chunk").unwrap();
    let records = target.path().join(".hawser/records");
    fs::create_dir(&records).unwrap();
    let running = Claim::shared(&open(target.path())).unwrap();
    fs::create_dir_all(&single).unwrap();
    removed(target.path(), Duration::ZERO);
    assert!(single.exists());
    drop(running);
    removed(target.path(), Duration::from_secs(3600));
    assert_eq!(names(&target.path().join(".hawser")), ["records"]);
}

#[test]
fn a_part_that_nobody_may_read_stays_while_somebody_receives() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root may read everything");
        return;
    }
    let target = tempfile::tempdir().unwrap();
    cut_off(target.path(), "big", 2 * CHUNK, &[0]);
    let part = &ending(target.path(), ".part")[0];
    fs::set_permissions(part, fs::Permissions::from_mode(0o000)).unwrap();
    let running = Claim::shared(&open(target.path())).unwrap();
    assert!(listed(target.path()).unwrap()[0].in_use);
    assert_eq!(removed(target.path(), Duration::ZERO).remaining.len(), 1);
    drop(running);
    assert_eq!(removed(target.path(), Duration::ZERO).removed.len(), 1);
}

#[test]
fn sessions_lose_nothing_to_one_that_removes_all_the_time() {
    let target = tempfile::tempdir().unwrap();
    // As in a transfer: without it, the folders of sessions would pass for left ones.
    let _claim = Claim::shared(&open(target.path())).unwrap();
    let bytes = content(2 * CHUNK);
    let deliver = |round: u8| {
        let sink = Sink::open(target.path(), [round; 16], [0; 32]).unwrap();
        let entry = file(ROOT, &format!("file {round}"), bytes.len());
        let placed = deliver(&sink, A, &entry, &bytes);
        sink.close();
        placed
    };
    let outcomes: Vec<Result<Placed, Reason>> = thread::scope(|scope| {
        let sessions = scope.spawn(|| (0..200).map(deliver).collect());
        while !sessions.is_finished() {
            removed(target.path(), Duration::ZERO);
        }
        sessions.join().unwrap()
    });
    assert_eq!(outcomes, vec![Ok(Placed::AsNamed); 200]);
}
