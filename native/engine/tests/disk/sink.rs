//! What is written, where it lands, and with which mode and time.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use hawser_engine::disk::{ChunkHash, Decision, EntryKind, Info, Sink, TreeHash};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{EntryId, Mtime};
use hawser_protocol::message::Placed;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);
const C: EntryId = EntryId(3);

#[test]
fn files_of_every_size_arrive_with_mode_and_time() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    for (at, size) in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 17].into_iter().enumerate() {
        let called = size.to_string();
        let mut entry = file(ROOT, &called, size as usize);
        entry.mode = [0o600, 0o640, 0o400, 0o700, 0o000, 0o555][at];
        let placed = deliver(&sink, EntryId(at as u32 + 1), &entry, &content(size));
        assert_eq!(placed, Ok(Placed::AsNamed));
        let path = target.path().join(&called);
        assert_eq!((mode(&path), mtime(&path)), (u32::from(entry.mode) & !0o022, MTIME));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(fs::read(path).unwrap() == content(size), "{size} bytes");
    }
    sink.flush().unwrap();
    sink.close();
    assert_eq!(delivered(target.path()).len(), 6, "nothing else is left");
}

#[test]
fn the_target_and_the_folders_above_it_are_made() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("a/b");
    let sink = sink(&target);
    deliver(&sink, A, &file(ROOT, "file", 1), b"x").unwrap();
    assert_eq!(fs::read(target.join("file")).unwrap(), b"x");
}

#[test]
fn a_target_that_is_no_folder_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), b"").unwrap();
    assert!(Sink::open(&home.path().join("file"), [0; 16], [0; 32]).is_err());
}

#[test]
fn nothing_has_its_name_before_it_is_complete_and_parts_are_private() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    assert!(names(target.path()).is_empty());
    let bytes = content(CHUNK + 1);
    assert_eq!(sink.offer(A, &file(ROOT, "big", bytes.len())), Decision::Want);
    sink.write_chunk(A, CHUNK, &bytes[CHUNK as usize..]).unwrap();
    assert_eq!(names(target.path()), [".hawser"]);
    assert_eq!(sink.offer(B, &file(ROOT, "small", 1)), Decision::Want);
    sink.write_chunk(B, 0, b"1").unwrap();
    let shared = target.path().join(".hawser");
    let (own, kept) = (shared.join("07".repeat(16)), shared.join("partials"));
    assert_eq!([mode(&shared), mode(&own), mode(&kept)], [0o700; 3]);
    assert_eq!((names(&own), names(&kept).len()), (vec!["2".to_string()], 1));
    assert_eq!(commit(&sink, A, hash(&bytes)), Err(Reason::Integrity), "a chunk is missing");
    sink.write_chunk(A, 0, &bytes[..CHUNK as usize]).unwrap();
    assert_eq!(commit(&sink, A, hash(b"else")), Err(Reason::Integrity), "another hash");
    assert_eq!(commit(&sink, A, hash(&bytes)), Ok(Placed::AsNamed));
    assert_eq!(commit(&sink, A, hash(&bytes)), Err(Reason::Io), "it is settled");
    sink.close();
    assert_eq!(delivered(target.path()), ["big"]);
}

#[test]
fn a_discarded_file_leaves_nothing_and_takes_nothing_more() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    sink.offer(A, &file(ROOT, "file", 2 * CHUNK as usize));
    sink.write_chunk(A, 0, &content(CHUNK)).unwrap();
    sink.discard(A, Reason::SourceChanged);
    sink.discard(A, Reason::SourceChanged);
    assert_eq!(sink.write_chunk(A, CHUNK, &content(CHUNK)), Err(Reason::Io));
    assert!(sink.info(A).is_none());
    sink.close();
    assert!(names(target.path()).is_empty());
}

#[test]
fn closing_removes_what_is_of_no_use_later_and_nothing_that_is_not_ours() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    for (id, called) in [(A, "a"), (B, "b"), (C, "c")] {
        sink.offer(id, &file(ROOT, called, CHUNK as usize));
        sink.write_chunk(id, 0, &content(CHUNK)).unwrap();
    }
    let foreign = target.path().join(".hawser/other");
    fs::create_dir(&foreign).unwrap();
    sink.close();
    assert_eq!(names(&target.path().join(".hawser")), ["other"]);
    assert_eq!(sink.write_chunk(A, 0, &content(CHUNK)), Err(Reason::Io));
    sink.close();
}

#[test]
#[cfg_attr(target_os = "macos", ignore = "macOS has no such names")]
fn names_that_are_not_utf_8_arrive_byte_for_byte() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let odd = b"caf\xe9 \xff\\\n\x1b[2J";
    let mut top = folder(ROOT, "x");
    top.name = name(odd);
    assert_eq!(sink.offer(A, &top), Decision::Placed(Placed::AsNamed));
    let mut inner = file(A, "x", 1);
    inner.name = name(odd);
    deliver(&sink, B, &inner, b"1").unwrap();
    assert_eq!(fs::read(target.path().join(raw(odd)).join(raw(odd))).unwrap(), b"1");
}

#[test]
fn special_bits_are_never_set() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let mut id = 0;
    for bits in [0o4777, 0o2777, 0o1777, 0o7444] {
        for create in [file, |parent, called: &str, _| folder(parent, called)] {
            id += 1;
            let mut entry = create(ROOT, &id.to_string(), 0);
            entry.mode = bits;
            deliver(&sink, EntryId(id), &entry, b"").unwrap();
            let _ = sink.finish_folder(EntryId(id));
            assert_eq!(mode(&target.path().join(id.to_string())), u32::from(bits) & 0o755);
        }
    }
}

#[test]
fn times_beyond_what_the_disk_holds_do_no_harm() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    for (at, seconds) in [i64::MIN, -1, 0, i64::MAX].into_iter().enumerate() {
        let mut entry = file(ROOT, &at.to_string(), 1);
        entry.mtime = Mtime { seconds, nanoseconds: 999_999_999 };
        assert_eq!(deliver(&sink, EntryId(at as u32 + 1), &entry, b"1"), Ok(Placed::AsNamed));
    }
    assert_eq!(mtime(&target.path().join("1")), Mtime { seconds: -1, nanoseconds: 999_999_999 });
}

#[test]
fn a_folder_gets_its_mode_and_time_when_it_is_finished() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let mut top = folder(ROOT, "top");
    top.mode = 0o555;
    assert_eq!(sink.offer(A, &top), Decision::Placed(Placed::AsNamed));
    let path = target.path().join("top");
    assert_eq!(mode(&path), 0o755, "it can still be filled");
    assert_eq!(sink.info(A), Some(Info { path: "top".into(), kind: EntryKind::Folder, size: 0 }));
    deliver(&sink, B, &file(A, "file", 1), b"1").unwrap();
    assert_eq!(sink.finish_folder(A), Ok(Placed::AsNamed));
    assert_eq!((mode(&path), mtime(&path)), (0o555, MTIME));
    assert!(sink.info(A).is_none());
    assert_eq!(sink.offer(C, &file(A, "late", 1)), Decision::Refused(Reason::ParentFailed));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn chunks_may_come_again_at_any_time_before_the_commit() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let bytes = content(8 * CHUNK);
    sink.offer(A, &file(ROOT, "file", bytes.len()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| write_all(&sink, A, &bytes).unwrap());
        }
    });
    assert_eq!(commit(&sink, A, hash(&bytes)), Ok(Placed::AsNamed));
    assert!(fs::read(target.path().join("file")).unwrap() == bytes);
    assert_eq!(mtime(&target.path().join("file")), MTIME, "nothing was written after the commit");
}

#[test]
fn a_chunk_that_comes_again_with_other_bytes_does_not_replace_the_first() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let bytes = content(2 * CHUNK);
    sink.offer(A, &file(ROOT, "file", bytes.len()));
    write_all(&sink, A, &bytes).unwrap();
    sink.write_chunk(A, 0, &vec![0; CHUNK as usize]).unwrap();
    commit(&sink, A, hash(&bytes)).unwrap();
    assert!(fs::read(target.path().join("file")).unwrap() == bytes);
}

#[test]
fn transfers_into_one_target_at_once_do_not_meet() {
    let target = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for session in 0..8_u8 {
            let target = target.path();
            scope.spawn(move || {
                for round in 0..20_u32 {
                    let sink = Sink::open(target, [session; 16], [0; 32]).unwrap();
                    let mut entry = file(ROOT, "same", 2);
                    entry.mtime.nanoseconds = u32::from(session) << 8 | round;
                    let placed = deliver(&sink, A, &entry, &[session, round as u8]).unwrap();
                    assert_ne!(placed, Placed::Present);
                    sink.close();
                }
            });
        }
    });
    assert_eq!(delivered(target.path()).len(), 160, "each under a name of its own, and no folder left");
}

#[test]
fn what_the_sink_hashes_is_what_the_source_hashed() {
    let bytes = content(3 * CHUNK + 5);
    let mut tree = TreeHash::new(bytes.len() as u64);
    let whole = (0..4).rev().map(|at| at * CHUNK).find_map(|at| {
        let chunk = &bytes[at as usize..bytes.len().min((at + CHUNK) as usize)];
        tree.insert(ChunkHash::new(bytes.len() as u64, at, chunk).unwrap())
    });
    assert_eq!(whole, Some(hash(&bytes)));
}

#[test]
fn a_whole_tree_sent_twice_is_present_the_second_time() {
    let home = tempfile::tempdir().unwrap();
    let from = home.path().join("from");
    fs::create_dir_all(from.join("a/b")).unwrap();
    fs::write(from.join("a/b/file"), content(CHUNK + 7)).unwrap();
    fs::write(from.join("empty"), b"").unwrap();
    symlink("b/file", from.join("a/link")).unwrap();
    let (source, told) = walk(&[from]);
    for round in 0..2 {
        let sink = sink(&home.path().join("to"));
        for (id, entry) in &told.offered {
            let placed = match sink.offer(*id, entry) {
                Decision::Want => {
                    let (bytes, hash) = read_all(&source, *id, sink.info(*id).unwrap().size).unwrap();
                    write_all(&sink, *id, &bytes).unwrap();
                    commit(&sink, *id, hash.unwrap()).unwrap()
                }
                Decision::Resume(_) => unreachable!("nothing is left of an earlier session"),
                Decision::Placed(placed) => placed,
                Decision::Refused(reason) => panic!("{reason}"),
            };
            assert_eq!(placed, if round == 0 { Placed::AsNamed } else { Placed::Present });
        }
        told.left.iter().for_each(|id| drop(sink.finish_folder(*id).unwrap()));
        sink.close();
    }
    assert!(fs::read(home.path().join("to/from/a/link")).unwrap() == content(CHUNK + 7));
    assert_eq!(delivered(&home.path().join("to")), ["from"]);
}
