//! What is read, and what happens when files change under the source.

use std::fs;
use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use hawser_engine::disk::Source;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::manifest::EntryId;
use tempfile::TempDir;

use crate::helpers::*;

const FIRST: EntryId = EntryId(1);

/// A walked file of `size` bytes.
fn walked(size: u64) -> (TempDir, PathBuf, Source) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    fs::write(&path, content(size)).unwrap();
    let (source, _) = walk(std::slice::from_ref(&path));
    (home, path, source)
}

fn read(source: &Source, size: u64) -> Result<Option<ContentHash>, Reason> {
    read_all(source, FIRST, size).map(|(_, hash)| hash)
}

#[test]
fn files_of_every_size_are_read_with_their_hash() {
    for size in [0, 1, 4096, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 17] {
        let (_home, _, source) = walked(size);
        let (bytes, found) = read_all(&source, FIRST, size).unwrap();
        assert!(bytes == content(size), "{size} bytes");
        assert_eq!(found, Some(hash(&bytes)), "{size} bytes");
    }
}

#[test]
fn a_chunk_can_be_read_again_before_and_after_the_last() {
    let (_home, _, source) = walked(2 * CHUNK);
    let mut buffer = vec![0; CHUNK as usize];
    assert_eq!(source.read_chunk(FIRST, 0, &mut buffer), Ok(None));
    assert_eq!(source.read_chunk(FIRST, 0, &mut buffer), Ok(None));
    let whole = Some(hash(&content(2 * CHUNK)));
    assert_eq!(source.read_chunk(FIRST, CHUNK, &mut buffer), Ok(whole));
    assert_eq!(source.read_chunk(FIRST, 0, &mut buffer), Ok(whole));
    assert!(buffer == content(2 * CHUNK)[..CHUNK as usize]);
}

#[test]
fn many_threads_read_one_file_and_exactly_the_last_learns_its_hash() {
    let size = 64 * CHUNK + 5;
    let (_home, _, source) = walked(size);
    let (bytes, found) = read_from_threads(&source, FIRST, size, 8);
    assert!(bytes == content(size));
    assert_eq!(found, [hash(&content(size))]);
}

#[test]
fn only_chunks_of_offered_files_are_read() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), b"12345").unwrap();
    let (source, told) = walk(&[home.path().to_owned()]);
    assert_eq!(told.offered.len(), 2);
    let mut buffer = [0; 5];
    assert_eq!(source.read_chunk(EntryId(0), 0, &mut buffer), Err(Reason::Io));
    assert_eq!(source.read_chunk(FIRST, 0, &mut buffer), Err(Reason::Io), "a folder");
    assert_eq!(source.read_chunk(EntryId(3), 0, &mut buffer), Err(Reason::Io));
    for (offset, length) in [(0, 4), (1, 4), (5, 0), (CHUNK, 0), (u64::MAX, 0)] {
        assert_eq!(source.read_chunk(EntryId(2), offset, &mut buffer[..length]), Err(Reason::Io));
    }
    assert!(source.read_chunk(EntryId(2), 0, &mut buffer).is_ok());
    source.release(EntryId(2));
    assert_eq!(source.read_chunk(EntryId(2), 0, &mut buffer), Err(Reason::Io));
}

#[test]
fn a_file_truncated_between_chunks_has_changed() {
    let (_home, path, source) = walked(2 * CHUNK);
    source.read_chunk(FIRST, 0, &mut vec![0; CHUNK as usize]).unwrap();
    File::options().write(true).open(path).unwrap().set_len(CHUNK + 9).unwrap();
    let read = source.read_chunk(FIRST, CHUNK, &mut vec![0; CHUNK as usize]);
    assert_eq!(read, Err(Reason::SourceChanged));
}

#[test]
fn a_file_that_grows_while_it_is_read_has_changed() {
    let (_home, path, source) = walked(2 * CHUNK);
    source.read_chunk(FIRST, 0, &mut vec![0; CHUNK as usize]).unwrap();
    File::options().write(true).open(path).unwrap().write_all_at(b"more", 2 * CHUNK).unwrap();
    let read = source.read_chunk(FIRST, CHUNK, &mut vec![0; CHUNK as usize]);
    assert_eq!(read, Err(Reason::SourceChanged));
}

#[test]
fn a_file_rewritten_at_the_same_size_has_changed() {
    for size in [10, 2 * CHUNK] {
        let (_home, path, source) = walked(size);
        let file = File::options().write(true).open(path).unwrap();
        let later = file.metadata().unwrap().modified().unwrap() + Duration::from_nanos(1);
        file.write_all_at(b"X", 0).unwrap();
        file.set_modified(later).unwrap();
        assert_eq!(read(&source, size), Err(Reason::SourceChanged));
    }
}

#[test]
fn a_file_replaced_by_another_with_the_same_size_and_time_has_changed() {
    let (home, path, source) = walked(10);
    let other = home.path().join("other");
    fs::write(&other, [0; 10]).unwrap();
    let time = path.metadata().unwrap().modified().unwrap();
    File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    fs::rename(other, path).unwrap();
    assert_eq!(read(&source, 10), Err(Reason::SourceChanged));
}

#[test]
fn a_file_that_is_deleted_is_gone() {
    let (_home, path, source) = walked(10);
    fs::remove_file(path).unwrap();
    assert_eq!(read(&source, 10), Err(Reason::SourceGone));
}

#[test]
fn what_replaces_a_file_is_never_read_and_never_waited_for() {
    let replacements: [fn(&std::path::Path); 4] = [
        fifo,
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/etc/passwd", path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ];
    for (at, replace) in replacements.into_iter().enumerate() {
        for size in [10, 2 * CHUNK] {
            let (_home, path, source) = walked(size);
            fs::remove_file(&path).unwrap();
            replace(&path);
            assert_eq!(read(&source, size), Err(Reason::SourceChanged), "replacement {at}");
        }
    }
}

#[test]
fn a_folder_replaced_by_a_link_is_not_read_through() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("top");
    // More folders than handles are kept, so that the first is opened again.
    for at in 0..80 {
        let folder = top.join(format!("{at:02}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("file"), b"12345").unwrap();
    }
    let (source, told) = walk(std::slice::from_ref(&top));
    assert_eq!(told.offered.len(), 161);
    fs::rename(top.join("00"), home.path().join("away")).unwrap();
    symlink(home.path().join("away"), top.join("00")).unwrap();
    assert_eq!(read_all(&source, EntryId(3), 5).unwrap_err(), Reason::SourceChanged);
    assert_eq!(read_all(&source, EntryId(5), 5).unwrap().1, Some(hash(b"12345")));
}

#[test]
fn a_file_that_may_not_be_read_is_unreadable() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root may read every file");
        return;
    }
    let (_home, path, source) = walked(10);
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(read(&source, 10), Err(Reason::SourceUnreadable));
}

#[test]
fn files_that_are_read_to_their_end_are_closed() {
    let home = tempfile::tempdir().unwrap();
    for at in 0..100 {
        fs::write(home.path().join(format!("{at:02}")), content(CHUNK + 1)).unwrap();
    }
    let (source, told) = walk(&[home.path().to_owned()]);
    for (id, _) in &told.offered[1..] {
        read_all(&source, *id, CHUNK + 1).unwrap();
    }
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return eprintln!("SKIPPED: no /proc") };
    let ours = open.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    let left: Vec<_> = ours.filter(|path| path.parent() == Some(home.path())).collect();
    assert!(left.is_empty(), "{left:?}");
}
