//! Files that are there already, compared by content.

use std::fs;

use hawser_engine::disk::{Checked, Completed, Decision, Sink};
use hawser_protocol::manifest::{Entry, EntryId, Mtime};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::ChunkRange;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);

fn comparing(target: &std::path::Path) -> Sink {
    let sink = sink(target);
    sink.compare_contents();
    sink
}

/// Reads what is there.
fn check(sink: &Sink) {
    while let Some(checked) = sink.check_next(A) {
        assert!(!matches!(checked, Checked::Bad));
    }
}

fn all(bytes: &[u8]) -> Decision {
    let count = (bytes.len() as u64).div_ceil(CHUNK) as u32;
    Decision::Resume(vec![ChunkRange { first: 0, count }])
}

/// What a peer that sends the other content of the same size and time gets its file called.
fn renamed(called: &str) -> Placed {
    Placed::Renamed(name(called))
}

#[test]
fn a_file_with_the_same_content_is_there_whatever_its_time() {
    for size in [1, CHUNK, 3 * CHUNK + 1] {
        let target = tempfile::tempdir().unwrap();
        let bytes = content(size);
        fs::write(target.path().join("file"), &bytes).unwrap();
        let before = mtime(&target.path().join("file"));
        let sink = comparing(target.path());
        assert_eq!(sink.offer(A, &file(ROOT, "file", bytes.len())), all(&bytes));
        check(&sink);
        assert_eq!(sink.complete(A, hash(&bytes)), Ok(Completed::Same(name("file"))));
        assert!(sink.info(A).is_none(), "it is settled");
        sink.close();
        assert_eq!(delivered(target.path()), ["file"]);
        assert_eq!(mtime(&target.path().join("file")), before);
        let record = fs::read_to_string(&records(target.path())[0]).unwrap();
        assert_eq!(record, format!("{}  file\n", blake3::hash(&bytes).to_hex()));
    }
}

#[test]
fn what_is_there_is_read_for_the_first_entry_of_its_name_and_no_other() {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("folder")).unwrap();
    let bytes = content(2 * CHUNK);
    for path in ["file", "folder/file"] {
        fs::write(target.path().join(path), &bytes).unwrap();
    }
    let sink = comparing(target.path());
    let ids: Vec<_> = (1..=8).map(EntryId).collect();
    let folders = [ids[0], ids[1]].map(|id| {
        assert_eq!(sink.offer(id, &folder(ROOT, "folder")), Decision::Placed(Placed::Present));
        id
    });
    let parents = [ROOT, folders[0], folders[0], ROOT, folders[1], folders[1]];
    let decisions: Vec<_> = parents
        .iter()
        .zip(&ids[2..])
        .map(|(&parent, &id)| sink.offer(id, &file(parent, "file", bytes.len())))
        .collect();
    let [yes, no] = [all(&bytes), Decision::Want];
    assert_eq!(decisions, [yes.clone(), yes, no.clone(), no.clone(), no.clone(), no]);
}

#[cfg(target_os = "linux")]
#[test]
fn large_files_that_wait_to_be_compared_take_little_memory() {
    let target = tempfile::tempdir().unwrap();
    let size = 1 << 40;
    let called = |number: u32| number.to_string();
    for number in 1..=32 {
        fs::File::create(target.path().join(called(number))).unwrap().set_len(size).unwrap();
    }
    let sink = comparing(target.path());
    for number in 1..=32 {
        let decision = sink.offer(EntryId(number), &file(ROOT, &called(number), size as usize));
        assert!(matches!(decision, Decision::Resume(_)), "{decision:?}");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    // A list of the chunks of each was 5 GB.
    assert!(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() < 1 << 20, "{line}");
}

#[test]
fn a_file_with_other_content_of_the_same_size_and_time_stays_and_the_new_one_is_called_otherwise() {
    let target = tempfile::tempdir().unwrap();
    let (old, new) = (content(3 * CHUNK), vec![7; 3 * CHUNK as usize]);
    let entry = file(ROOT, "file", new.len());
    deliver(&sink(target.path()), A, &entry, &old).unwrap();
    let sink = comparing(target.path());
    assert_eq!(sink.offer(A, &entry), all(&new));
    check(&sink);
    assert_eq!(sink.complete(A, hash(&new)), Ok(Completed::Differs));
    write_all(&sink, A, &new).unwrap();
    assert_eq!(commit(&sink, A, hash(&new)), Ok(renamed("file (2)")));
    sink.close();
    assert!(fs::read(target.path().join("file")).unwrap() == old);
    assert!(fs::read(target.path().join("file (2)")).unwrap() == new);
}

#[test]
fn what_was_called_otherwise_before_is_found_without_being_sent_again() {
    let target = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (0..3).map(|seed| vec![seed; 2 * CHUNK as usize]).collect();
    let entry = file(ROOT, "file", contents[0].len());
    for bytes in &contents {
        let sink = comparing(target.path());
        if let Decision::Resume(_) = sink.offer(A, &entry) {
            check(&sink);
            assert_eq!(sink.complete(A, hash(bytes)), Ok(Completed::Differs));
        }
        write_all(&sink, A, bytes).unwrap();
        commit(&sink, A, hash(bytes)).unwrap();
        sink.close();
    }
    assert_eq!(delivered(target.path()), ["file", "file (2)", "file (3)"]);
    fs::remove_dir_all(target.path().join(".hawser")).unwrap();
    for (bytes, called) in contents.iter().zip(["file", "file (2)", "file (3)"]) {
        let sink = comparing(target.path());
        assert_eq!(sink.offer(A, &entry), all(bytes));
        check(&sink);
        assert_eq!(sink.complete(A, hash(bytes)), Ok(Completed::Same(name(called))));
        sink.close();
        let record = records(target.path()).pop().unwrap();
        assert_eq!(
            fs::read_to_string(&record).unwrap(),
            format!("{}  {called}\n", blake3::hash(bytes).to_hex())
        );
        fs::remove_file(record).unwrap();
    }
}

#[test]
fn without_comparing_what_was_called_otherwise_is_found_by_size_and_time() {
    let target = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        let mtime = Mtime { nanoseconds: seed, ..MTIME };
        let entry = Entry { mtime, ..file(ROOT, "file", 2) };
        let sink = sink(target.path());
        deliver(&sink, A, &entry, &[seed as u8; 2]).unwrap();
        sink.close();
    }
    assert_eq!(delivered(target.path()), ["file", "file (2)", "file (3)"]);
    let there = Decision::Placed(Placed::Present);
    for (time, decision) in [(0, &there), (1, &there), (2, &there), (9, &Decision::Want)] {
        let entry = Entry { mtime: Mtime { nanoseconds: time, ..MTIME }, ..file(ROOT, "file", 2) };
        let sink = sink(target.path());
        assert_eq!(sink.offer(A, &entry), *decision, "{time}");
        sink.close();
    }
}

#[test]
fn a_part_is_resumed_where_nothing_has_the_name_of_its_file() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let first = sink(target.path());
    first.offer(A, &entry);
    first.write_chunk(A, 0, &bytes[..CHUNK as usize]).unwrap();
    first.close();
    let sink = comparing(target.path());
    assert_eq!(sink.offer(A, &entry), Decision::Resume(vec![ChunkRange { first: 0, count: 1 }]));
    check(&sink);
    write_all(&sink, A, &bytes).unwrap();
    assert_eq!(commit(&sink, A, hash(&bytes)), Ok(Placed::AsNamed));
    sink.close();
}

#[test]
fn a_part_beside_a_file_with_other_content_does_not_stay_for_ever() {
    let target = tempfile::tempdir().unwrap();
    let (bytes, entry) = (content(3 * CHUNK), file(ROOT, "file", 3 * CHUNK as usize));
    let first = sink(target.path());
    first.offer(A, &entry);
    first.write_chunk(A, 0, &bytes[..CHUNK as usize]).unwrap();
    first.close();
    fs::write(target.path().join("file"), vec![9; bytes.len()]).unwrap();
    let sink = comparing(target.path());
    assert_eq!(sink.offer(A, &entry), all(&bytes));
    check(&sink);
    assert_eq!(sink.complete(A, hash(&bytes)), Ok(Completed::Differs));
    write_all(&sink, A, &bytes).unwrap();
    assert_eq!(commit(&sink, A, hash(&bytes)), Ok(renamed("file (2)")));
    sink.close();
    assert_eq!(delivered(target.path()), ["file", "file (2)"]);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_is_not_the_same() {
    let target = tempfile::tempdir().unwrap();
    let bytes = content(3 * CHUNK);
    fs::write(target.path().join("file"), &bytes).unwrap();
    let sink = comparing(target.path());
    assert_eq!(sink.offer(A, &file(ROOT, "file", bytes.len())), all(&bytes));
    fs::File::options().write(true).open(target.path().join("file")).unwrap().set_len(CHUNK + 1).unwrap();
    check(&sink);
    assert_eq!(sink.complete(A, hash(&bytes)), Ok(Completed::Differs));
    write_all(&sink, A, &bytes).unwrap();
    assert_eq!(commit(&sink, A, hash(&bytes)), Ok(renamed("file (2)")));
    sink.close();
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_not_opened_to_be_compared() {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    let target = tempfile::tempdir().unwrap();
    fifo(&target.path().join("file"));
    let watch = init(CreateFlags::NONBLOCK).unwrap();
    add_watch(&watch, target.path().join("file"), WatchFlags::OPEN).unwrap();
    let sink = comparing(target.path());
    assert_eq!(deliver(&sink, A, &file(ROOT, "file", 5), b"12345"), Ok(renamed("file (2)")));
    sink.close();
    assert_eq!(rustix::io::read(&watch, &mut [0; 64]), Err(rustix::io::Errno::AGAIN));
}
