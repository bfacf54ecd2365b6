//! What happens when something has the name already.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use hawser_engine::disk::Decision;
use hawser_protocol::manifest::{EntryId, Mtime};
use hawser_protocol::message::Placed;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);
const C: EntryId = EntryId(3);

#[test]
fn a_file_with_the_same_size_and_time_is_present_without_a_byte() {
    let target = tempfile::tempdir().unwrap();
    let entry = file(ROOT, "file", 5);
    deliver(&sink(target.path()), A, &entry, b"12345").unwrap();
    let again = sink(target.path());
    assert_eq!(again.offer(A, &entry), Decision::Placed(Placed::Present));
    let later = Mtime { nanoseconds: MTIME.nanoseconds + 1, ..MTIME };
    let touched = hawser_protocol::manifest::Entry { mtime: later, ..entry.clone() };
    assert_eq!(again.offer(B, &touched), Decision::Want);
    assert_eq!(again.offer(C, &file(ROOT, "file", 6)), Decision::Want);
}

#[test]
fn a_file_with_the_same_content_is_present_after_all() {
    let target = tempfile::tempdir().unwrap();
    let bytes = content(3 * CHUNK);
    fs::write(target.path().join("file"), &bytes).unwrap();
    let before = target.path().join("file").metadata().unwrap();
    let sink = sink(target.path());
    let entry = file(ROOT, "file", bytes.len());
    assert_eq!(deliver(&sink, A, &entry, &bytes), Ok(Placed::Present));
    let after = target.path().join("file").metadata().unwrap();
    assert_eq!((after.ino(), after.modified().unwrap()), (before.ino(), before.modified().unwrap()));
    sink.close();
    assert_eq!(delivered(target.path()), ["file"]);
}

#[test]
fn files_whose_name_is_taken_get_numbered_names_and_the_old_ones_stay() {
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("photo.jpg"), b"old").unwrap();
    let sink = sink(target.path());
    let renamed = |called: &str| Ok(Placed::Renamed(name(called)));
    let send = |id, bytes: &[u8]| deliver(&sink, id, &file(ROOT, "photo.jpg", bytes.len()), bytes);
    assert_eq!(send(A, b"new"), renamed("photo (2).jpg"));
    assert_eq!(send(B, b"newer"), renamed("photo (3).jpg"));
    assert_eq!(send(C, b"new"), Ok(Placed::Present), "numbered, but the same");
    for (called, bytes) in [("photo.jpg", "old"), ("photo (2).jpg", "new"), ("photo (3).jpg", "newer")] {
        assert_eq!(fs::read_to_string(target.path().join(called)).unwrap(), bytes);
    }
}

#[test]
fn names_of_255_bytes_collide_into_names_of_255_bytes() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let long = format!("{}.jpg", "é".repeat(125)) + "x";
    assert_eq!(long.len(), 255);
    deliver(&sink, A, &file(ROOT, &long, 1), b"1").unwrap();
    let Ok(Placed::Renamed(second)) = deliver(&sink, B, &file(ROOT, &long, 2), b"22") else { panic!() };
    assert_eq!(second.as_bytes(), format!("{} (2).jpgx", "é".repeat(123)).as_bytes());
    assert_eq!(fs::read(target.path().join(raw(second.as_bytes()))).unwrap(), b"22");
}

#[test]
fn a_folder_that_is_there_is_joined_and_keeps_its_mode() {
    let target = tempfile::tempdir().unwrap();
    let path = target.path().join("top");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("old"), b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o710)).unwrap();
    let sink = sink(target.path());
    assert_eq!(sink.offer(A, &folder(ROOT, "top")), Decision::Placed(Placed::Present));
    deliver(&sink, B, &file(A, "new", 1), b"1").unwrap();
    assert_eq!(sink.finish_folder(A), Ok(Placed::Present));
    assert_eq!(mode(&path), 0o710);
    assert_eq!(names(&path), ["new", "old"]);
}

#[test]
fn a_folder_whose_name_a_file_has_gets_a_numbered_name_and_its_content_with_it() {
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("top"), b"old").unwrap();
    for _ in 0..2 {
        let sink = sink(target.path());
        sink.offer(A, &folder(ROOT, "top"));
        assert_eq!(sink.info(A).unwrap().path, "top (2)");
        sink.offer(B, &folder(A, "inner"));
        deliver(&sink, C, &file(B, "file", 1), b"1").unwrap();
        assert_eq!(sink.info_of(&file(B, "file", 1)).path, "top (2)/inner/file");
    }
    assert_eq!(names(target.path()), [".hawser", "top", "top (2)"], "the second time it is joined");
    assert_eq!(names(&target.path().join("top (2)/inner")), ["file"]);
}

#[test]
fn a_file_whose_name_a_folder_has_gets_a_numbered_name() {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("name")).unwrap();
    let sink = sink(target.path());
    let placed = deliver(&sink, A, &file(ROOT, "name", 1), b"1");
    assert_eq!(placed, Ok(Placed::Renamed(name("name (2)"))));
    assert!(target.path().join("name").is_dir());
}

#[test]
fn links_are_made_at_once_found_again_and_numbered_when_their_name_is_taken() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    sink.offer(A, &folder(ROOT, "top"));
    let placed = |placed| Decision::Placed(placed);
    assert_eq!(sink.offer(B, &link(A, "link", "file")), placed(Placed::AsNamed));
    assert_eq!(sink.offer(B, &link(A, "link", "file")), placed(Placed::Present));
    assert_eq!(sink.offer(B, &link(A, "link", "other")), placed(Placed::Renamed(name("link (2)"))));
    assert_eq!(sink.offer(B, &link(A, "link", "other")), placed(Placed::Present));
    assert_eq!(fs::read_link(target.path().join("top/link")).unwrap(), raw(b"file"));
    assert_eq!(fs::read_link(target.path().join("top/link (2)")).unwrap(), raw(b"other"));
}

#[test]
fn two_files_of_one_name_size_and_time_in_one_session_both_arrive() {
    let target = tempfile::tempdir().unwrap();
    let sink = sink(target.path());
    let numbered = Ok(Placed::Renamed(name("file (2)")));
    assert_eq!(deliver(&sink, EntryId(1), &file(ROOT, "file", 3), b"one"), Ok(Placed::AsNamed));
    assert_eq!(deliver(&sink, EntryId(2), &file(ROOT, "file", 3), b"two"), numbered);
    for (folder_id, bytes, expected) in [(3, b"one", Ok(Placed::AsNamed)), (5, b"two", numbered)] {
        sink.offer(EntryId(folder_id), &folder(ROOT, "folder"));
        let inside = file(EntryId(folder_id), "file", 3);
        assert_eq!(deliver(&sink, EntryId(folder_id + 1), &inside, bytes), expected);
    }
}
