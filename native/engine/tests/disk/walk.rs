//! What a walk finds, and in what order.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use hawser_engine::disk::{EntryKind, Manifest, Skipped, Source, Stopped};
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{Entry, EntryId, Kind};

use crate::helpers::*;

#[test]
fn a_tree_is_offered_parents_first_in_name_order() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("photos");
    fs::create_dir_all(top.join("b/inner")).unwrap();
    fs::write(top.join("b/inner/deep"), b"12345").unwrap();
    fs::write(top.join("a"), b"").unwrap();
    fs::write(top.join("c"), b"1").unwrap();
    fs::set_permissions(top.join("c"), fs::Permissions::from_mode(0o4751)).unwrap();
    let (source, told) = walk(std::slice::from_ref(&top));
    let paths = ["photos", "photos/a", "photos/b", "photos/b/inner", "photos/b/inner/deep", "photos/c"];
    assert_eq!(told.paths(&source), paths);
    let ids: Vec<_> = told.offered.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    let parents: Vec<_> = told.offered.iter().map(|(_, entry)| entry.parent.0).collect();
    assert_eq!(parents, [0, 1, 1, 3, 4, 1]);
    assert_eq!(told.left, [EntryId(4), EntryId(3), EntryId(1)]);
    assert!(told.skipped.is_empty());
    let c = &told.offered[5].1;
    assert_eq!((&c.kind, c.mode, c.mtime), (&Kind::File { size: 1 }, 0o751, mtime(&top.join("c"))));
    let info = source.info(EntryId(5)).unwrap();
    assert_eq!((info.path.as_str(), info.kind, info.size), (paths[4], EntryKind::File, 5));
    source.release(EntryId(5));
    assert!(source.info(EntryId(5)).is_none());
}

#[test]
fn files_and_folders_named_side_by_side_are_all_offered() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("folder")).unwrap();
    fs::write(home.path().join("folder/in"), b"1").unwrap();
    fs::write(home.path().join("file"), b"1").unwrap();
    let (source, told) = walk(&[home.path().join("folder/"), home.path().join("file/")]);
    assert_eq!(told.paths(&source), ["folder", "folder/in", "file"]);
}

#[test]
fn a_path_named_twice_is_sent_once_however_it_is_spelt() {
    let home = tempfile::tempdir().unwrap();
    let photos = home.path().join("photos");
    fs::create_dir(&photos).unwrap();
    symlink(home.path(), home.path().join("around")).unwrap();
    symlink("photos", home.path().join("same")).unwrap();
    let paths = [
        photos.clone(),
        photos.clone(),
        photos.join("."),
        photos.join("../photos/"),
        home.path().join("around/photos"),
        home.path().join("same"),
    ];
    let (source, told) = walk(&paths);
    assert_eq!(told.paths(&source), ["photos"]);
}

#[test]
fn nested_paths_are_both_sent() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("photos/2024")).unwrap();
    let (source, told) = walk(&[home.path().join("photos"), home.path().join("photos/2024")]);
    assert_eq!(told.paths(&source), ["photos", "photos/2024", "2024"]);
    assert_eq!(told.offered[2].1.parent, EntryId::ROOT);
}

#[test]
fn a_path_that_ends_in_dots_is_called_by_its_real_name() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("real/inner")).unwrap();
    let (source, told) = walk(&[home.path().join("real/inner/..")]);
    assert_eq!(told.paths(&source), ["real", "real/inner"]);
}

#[test]
fn the_root_folder_and_the_empty_path_cannot_be_sent() {
    let home = tempfile::tempdir().unwrap();
    symlink("/", home.path().join("root")).unwrap();
    for path in [PathBuf::from("/"), PathBuf::from("/.."), PathBuf::new(), home.path().join("root")] {
        assert_eq!(Source::new(vec![path]).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn what_is_not_there_is_reported_and_the_rest_goes_on() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("here"), b"1").unwrap();
    symlink("nowhere", home.path().join("dangling")).unwrap();
    symlink("circle", home.path().join("circle")).unwrap();
    let paths = ["missing", "missing/..", "dangling", "circle", "here"].map(|name| home.path().join(name));
    let (source, told) = walk(&paths);
    assert_eq!(told.paths(&source), ["here"]);
    let gone: Vec<_> = told.skips().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(gone, [Reason::SourceGone; 4]);
    assert_eq!(told.skips()[2].0, "dangling");
}

#[test]
fn a_named_link_is_sent_as_what_it_leads_to_under_its_own_name() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("release-5")).unwrap();
    fs::write(home.path().join("release-5/in"), b"content").unwrap();
    symlink("release-5", home.path().join("current")).unwrap();
    symlink("release-5/in", home.path().join("alias")).unwrap();
    let (source, told) = walk(&[home.path().join("current"), home.path().join("alias")]);
    assert_eq!(told.paths(&source), ["current", "current/in", "alias"]);
    assert_eq!(told.offered[0].1.kind, Kind::Folder);
    assert_eq!(told.offered[2].1.name, name("alias"));
    for id in [2, 3] {
        assert_eq!(read_all(&source, EntryId(id), 7).unwrap().0, b"content");
    }
}

#[test]
fn links_that_stay_in_their_tree_are_kept_and_others_left_out() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("top");
    fs::create_dir_all(top.join("a/b")).unwrap();
    for (at, target) in [
        ("1-down", "a/b"),
        ("2-up", "../outside"),
        ("3-absolute", "/etc/passwd"),
        ("a/4-up", "../1-down"),
        ("a/5-too-far", "../../outside"),
        ("a/b/6-up", "../../a"),
        ("a/b/7-down-and-up", "x/../../.."),
    ] {
        symlink(target, top.join(at)).unwrap();
    }
    let (source, told) = walk(&[top]);
    let links = told.offered.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. }));
    let links: Vec<_> = links.map(|(id, _)| source.info(*id).unwrap().path).collect();
    assert_eq!(links, ["top/1-down", "top/a/4-up", "top/a/b/6-up"]);
    let outside = Reason::LinkOutside;
    let mut skips = told.skips();
    skips.sort_unstable();
    let expected = ["top/2-up", "top/3-absolute", "top/a/5-too-far", "top/a/b/7-down-and-up"];
    assert_eq!(skips, expected.map(|path| (path, outside)));
    assert!(told.skipped.iter().all(|skipped| skipped.kind == Some(EntryKind::Link)));
}

#[test]
fn part_files_are_left_out_silently() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("top");
    for own in ["partials", "records", "0123456789abcdef0123456789abcdef"] {
        fs::create_dir_all(top.join(".hawser").join(own)).unwrap();
    }
    fs::create_dir_all(top.join("in/.hawser")).unwrap();
    let (source, told) = walk(&[top]);
    assert_eq!(told.paths(&source), ["top", "top/in"]);
    assert!(told.skipped.is_empty());
}

#[test]
fn what_is_only_called_like_the_folder_of_part_files_is_told_of() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("top");
    fs::create_dir_all(top.join(".hawser/mine")).unwrap();
    fs::create_dir_all(top.join("a/.HAWSER")).unwrap();
    fs::create_dir(top.join("b")).unwrap();
    fs::write(top.join("b/.hawser"), "mine").unwrap();
    let (source, told) = walk(&[top]);
    assert_eq!(told.paths(&source), ["top", "top/a", "top/b"]);
    let expected = ["top/.hawser", "top/a/.HAWSER", "top/b/.hawser"];
    assert_eq!(told.skips(), expected.map(|path| (path, Reason::NameRefused)));
}

#[test]
fn what_is_neither_file_folder_nor_link_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("top");
    fs::create_dir(&top).unwrap();
    fifo(&top.join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let (source, told) = walk(&[top, PathBuf::from("/dev/null")]);
    assert_eq!(told.paths(&source), ["top"]);
    let unsupported = Reason::UnsupportedType;
    let expected = [("top/pipe", unsupported), ("top/socket", unsupported), ("null", unsupported)];
    assert_eq!(told.skips(), expected);
    assert_eq!(told.skipped[0].kind, None);
}

#[test]
fn a_folder_that_cannot_be_listed_is_left_out_alone() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root can list every folder");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let locked = home.path().join("top/locked");
    fs::create_dir_all(&locked).unwrap();
    fs::write(home.path().join("top/open"), b"").unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let (source, told) = walk(&[home.path().join("top")]);
    assert_eq!(told.paths(&source), ["top", "top/open"]);
    assert_eq!(told.skips(), [("top/locked", Reason::SourceUnreadable)]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
#[cfg_attr(target_os = "macos", ignore = "macOS has no such names")]
fn names_that_are_not_utf_8_are_kept_byte_for_byte() {
    let home = tempfile::tempdir().unwrap();
    let odd = b"caf\xe9 \xff\n\x1b[2J";
    fs::create_dir(home.path().join(raw(odd))).unwrap();
    fs::write(home.path().join(raw(odd)).join(raw(odd)), b"x").unwrap();
    let (source, told) = walk(&[home.path().join(raw(odd))]);
    assert_eq!(told.offered.len(), 2);
    for (_, entry) in &told.offered {
        assert_eq!(entry.name.as_bytes(), odd);
    }
    assert_eq!(read_all(&source, EntryId(2), 1).unwrap().0, b"x");
}

#[test]
fn a_session_that_is_over_ends_the_walk() {
    struct Impatient(u32);
    impl Manifest for Impatient {
        fn offer(&mut self, id: EntryId, _: Entry) -> Result<(), Stopped> {
            self.0 = id.0;
            if id.0 == 3 { Err(Stopped) } else { Ok(()) }
        }
        fn leave(&mut self, _: EntryId) -> Result<(), Stopped> {
            Ok(())
        }
        fn skip(&mut self, _: Skipped) -> Result<(), Stopped> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    for at in 0..9 {
        fs::write(home.path().join(at.to_string()), b"").unwrap();
    }
    let mut manifest = Impatient(0);
    let source = Source::new(vec![home.path().to_owned()]).unwrap();
    assert_eq!(source.walk(&mut manifest), Err(Stopped));
    assert_eq!(manifest.0, 3);
}

#[test]
fn an_entry_can_be_read_while_it_is_being_offered() {
    struct Eager<'a>(&'a Source, usize);
    impl Manifest for Eager<'_> {
        fn offer(&mut self, id: EntryId, entry: Entry) -> Result<(), Stopped> {
            if let Kind::File { size } = entry.kind {
                let read =
                    std::thread::scope(|scope| scope.spawn(|| read_all(self.0, id, size)).join().unwrap());
                assert_eq!(read.unwrap().0, b"content");
                self.1 += 1;
            }
            Ok(())
        }
        fn leave(&mut self, _: EntryId) -> Result<(), Stopped> {
            Ok(())
        }
        fn skip(&mut self, _: Skipped) -> Result<(), Stopped> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    for at in 0..200 {
        let folder = home.path().join((at % 100).to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(at.to_string()), b"content").unwrap();
    }
    let source = Source::new(vec![home.path().to_owned()]).unwrap();
    let mut eager = Eager(&source, 0);
    source.walk(&mut eager).unwrap();
    assert_eq!(eager.1, 200);
}
