//! What a session writes down about what it delivered, and how much of that is kept.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hawser_engine::disk::{Decision, Sink};
use hawser_engine::{Which, verify};
use hawser_protocol::manifest::{Entry, EntryId};
use hawser_protocol::message::Placed;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);
const C: EntryId = EntryId(3);

/// A session that delivers one file of its own.
fn session(target: &Path, number: u8) -> Sink {
    let sink = later(target, number, [0; 32]);
    let called = number.to_string();
    deliver(&sink, A, &file(ROOT, &called, called.len()), called.as_bytes()).unwrap();
    sink.flush().unwrap();
    sink
}

/// What a record's name ends with.
fn ending(owner: [u8; 32], session: [u8; 16]) -> String {
    let hash = blake3::hash(&[&owner[..], &session].concat());
    format!("Z-{}.b3", &hash.to_hex()[..16])
}

fn line(bytes: &[u8], path: &str) -> String {
    format!("{}  {path}\n", hash(bytes))
}

#[test]
fn a_record_has_a_line_for_each_file_under_the_name_it_got() {
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("taken"), "else").unwrap();
    fs::write(target.path().join("here"), "here").unwrap();
    let sink = sink(target.path());
    deliver(&sink, A, &file(ROOT, "taken", 1), b"1").unwrap();
    assert_eq!(deliver(&sink, B, &file(ROOT, "here", 4), b"here"), Ok(Placed::Present));
    assert_eq!(sink.offer(C, &folder(ROOT, "taken")), Decision::Placed(Placed::Renamed(name("taken (3)"))));
    deliver(&sink, EntryId(4), &file(C, "back\\slash", 0), b"").unwrap();
    sink.close();

    let records = records(target.path());
    let [record] = &records[..] else { panic!("{records:?}") };
    let (first, second) = (line(b"1", "taken (2)"), line(b"here", "here"));
    let third = line(b"", "taken (3)/back\\\\slash");
    assert_eq!(fs::read_to_string(record).unwrap(), format!("{first}{second}\\{third}"));
    assert_eq!((mode(record), mode(record.parent().unwrap())), (0o600, 0o700));
    assert!(record.to_string_lossy().ends_with(&ending([0; 32], [7; 16])));
}

#[test]
fn sessions_of_one_transfer_have_one_record() {
    let target = tempfile::tempdir().unwrap();
    for number in 1..4 {
        let sink = later(target.path(), number, [0; 32]);
        if number > 1 {
            sink.go_on([number - 1; 16]);
        }
        let called = number.to_string();
        deliver(&sink, A, &file(ROOT, &called, 1), called.as_bytes()).unwrap();
        sink.close();
    }
    let records = records(target.path());
    let [record] = &records[..] else { panic!("{records:?}") };
    assert!(record.to_string_lossy().ends_with(&ending([0; 32], [3; 16])));
    assert_eq!(fs::read_to_string(record).unwrap(), line(b"1", "1") + &line(b"2", "2") + &line(b"3", "3"));
}

#[test]
fn who_names_the_session_of_another_gets_a_record_of_its_own() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1).close();
    let before = records(target.path());
    let other = later(target.path(), 2, [5; 32]);
    other.go_on([1; 16]);
    deliver(&other, A, &file(ROOT, "other", 1), b"2").unwrap();
    other.close();
    let after = records(target.path());
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(fs::read_to_string(&after[0]).unwrap(), line(b"1", "1"));
    assert_eq!(fs::read_to_string(&after[1]).unwrap(), line(b"2", "other"));
}

#[test]
fn nothing_is_added_behind_the_half_of_a_line() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1).close();
    let torn = records(target.path()).remove(0);
    fs::write(&torn, "half a li").unwrap();
    let sink = later(target.path(), 2, [0; 32]);
    sink.go_on([1; 16]);
    deliver(&sink, A, &file(ROOT, "other", 1), b"2").unwrap();
    sink.close();
    assert_eq!(fs::read_to_string(&torn).unwrap(), "half a li");
    assert_eq!(records(target.path()).len(), 2);
}

#[test]
fn a_session_that_delivers_nothing_leaves_no_record() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    sink.offer(A, &folder(ROOT, "folder"));
    sink.offer(B, &file(ROOT, "not placed", CHUNK as usize));
    sink.write_chunk(B, 0, &content(CHUNK)).unwrap();
    sink.flush().unwrap();
    sink.close();
    assert_eq!(names(target.path()), ["folder"]);
}

#[test]
fn what_has_its_name_is_on_record_whatever_becomes_of_the_session() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let mut expected = String::new();
    for id in 1..=100 {
        deliver(&sink, EntryId(id), &file(ROOT, &id.to_string(), 0), b"").unwrap();
        expected += &line(b"", &id.to_string());
        // Neither flushed nor closed: as one that is killed leaves it.
        assert_eq!(fs::read_to_string(&records(target.path())[0]).unwrap(), expected);
    }
    sink.close();
}

#[test]
fn the_newest_sixteen_records_are_kept() {
    let target = tempfile::tempdir().unwrap();
    (1..=20).for_each(|number| session(target.path(), number).close());
    let kept: Vec<_> = records(target.path()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let newest: Vec<_> = (5..=20).map(|number: u8| number.to_string()).collect();
    assert_eq!(kept, newest.iter().map(|name| line(name.as_bytes(), name)).collect::<Vec<_>>());
}

#[test]
fn a_record_that_is_being_written_is_kept_however_old_it_is() {
    let target = tempfile::tempdir().unwrap();
    let long = session(target.path(), 1);
    (2..=20).for_each(|number| session(target.path(), number).close());
    deliver(&long, B, &file(ROOT, "late", 0), b"").unwrap();
    long.close();
    let text = fs::read_to_string(&records(target.path())[0]).unwrap();
    assert_eq!(text, line(b"1", "1") + &line(b"", "late"));
}

#[test]
fn old_records_go_when_all_of_them_take_too_much_space_and_the_newest_stays() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1).close();
    let folder = target.path().join(".hawser/records");
    let plant = |name: &str, bytes: u64| fs::File::create(folder.join(name)).unwrap().set_len(bytes).unwrap();
    plant("20000101T000000.000Z-0000000000000000.b3", 1);
    plant("20010101T000000.000Z-0000000000000000.b3", 40 << 20);
    plant("20020101T000000.000Z-0000000000000000.b3", 40 << 20);
    plant("notes", 1 << 30);
    session(target.path(), 2).close();
    let left = names(&folder);
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!((left[0].as_str(), left[3].as_str()), ("20020101T000000.000Z-0000000000000000.b3", "notes"));

    fs::File::options().write(true).open(folder.join(&left[2])).unwrap().set_len(1 << 30).unwrap();
    session(target.path(), 3).close();
    let after = names(&folder);
    assert_eq!((after.len(), &after[0], after[2].as_str()), (3, &left[2], "notes"));
}

/// Files that are nothing but a long line of the record: folders in each other with names that are written twice as
/// long.
struct Endless {
    folder: EntryId,
    next: u32,
}

impl Endless {
    fn new(sink: &Sink) -> Self {
        let mut below = EntryId::ROOT;
        for id in 1..=128 {
            let folder = Entry { name: name([b'\\'; 255]), ..folder(below, "x") };
            assert!(matches!(sink.offer(EntryId(id), &folder), Decision::Placed(_)));
            below = EntryId(id);
        }
        Self { folder: below, next: 129 }
    }

    /// Delivers one of them.
    fn add(&mut self, sink: &Sink) {
        let id = EntryId(self.next);
        self.next += 1;
        deliver(sink, id, &file(self.folder, &id.0.to_string(), 0), b"").unwrap();
    }
}

fn said(target: &Path) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    let verification = verify(target, Which::Newest).unwrap();
    verification.on_finished(move |outcome| drop(sender.send(outcome)));
    receiver.recv().unwrap().unwrap_err().to_string()
}

#[test]
fn a_record_is_emptied_before_it_has_64_mib_and_says_so_also_when_the_session_goes_on() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1).close();
    let sink = later(target.path(), 2, [0; 32]);
    let mut endless = Endless::new(&sink);
    let size = || fs::metadata(&records(target.path())[1]).unwrap().len();
    let mut largest = 0;
    while largest == 0 || size() > 0 {
        endless.add(&sink);
        largest = largest.max(size());
        assert!(largest <= 64 << 20, "{largest} bytes");
    }
    assert!(largest > 63 << 20, "{largest} bytes");
    endless.add(&sink);
    assert_eq!(size(), 0);
    sink.close();
    assert!(
        said(target.path()).ends_with("it is empty: the session delivered more than a record has room for")
    );

    let next = later(target.path(), 3, [0; 32]);
    next.go_on([2; 16]);
    deliver(&next, A, &file(ROOT, "small", 0), b"").unwrap();
    next.close();
    assert_eq!((records(target.path()).len(), size()), (2, 0));
    assert!(said(target.path()).contains("it is empty"));
}

#[test]
fn sessions_at_the_same_time_have_256_mib_of_records_at_most() {
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join(".hawser/records");
    session(target.path(), 1).close();
    let written: Vec<_> = (0..4)
        .map(|number| {
            let file =
                fs::File::create(folder.join(format!("2000010{number}T000000.000Z-0000000000000000.b3")))
                    .unwrap();
            file.set_len(64 << 20).unwrap();
            file.lock_shared().unwrap();
            file
        })
        .collect();
    let sink = later(target.path(), 2, [0; 32]);
    let mut endless = Endless::new(&sink);
    (0..20).for_each(|_| endless.add(&sink));
    sink.close();
    let sizes: Vec<_> = records(target.path()).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert_eq!((sizes.len(), sizes.last()), (6, Some(&0)), "{sizes:?}");
    drop(written);
}

#[test]
fn a_record_larger_than_any_is_not_read() {
    let target = tempfile::tempdir().unwrap();
    session(target.path(), 1).close();
    let record = &records(target.path())[0];
    fs::File::options().write(true).open(record).unwrap().set_len((64 << 20) + 1).unwrap();
    let said = said(target.path());
    assert!(said.ends_with("it is larger than any record"), "{said}");
}

#[test]
fn a_record_that_cannot_be_written_fails_nothing_and_leads_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let planted: [fn(&Path, &Path); 2] = [
        |records, _| fs::write(records, "in the way").unwrap(),
        |records, outside| symlink(outside, records).unwrap(),
    ];
    for (number, plant) in (1..).zip(planted) {
        let target = home.path().join(number.to_string());
        fs::create_dir_all(target.join(".hawser")).unwrap();
        plant(&target.join(".hawser/records"), &outside);
        session(&target, number).close();
        assert_eq!(fs::read(target.join(number.to_string())).unwrap(), number.to_string().as_bytes());
    }
    assert!(names(&outside).is_empty());
}
