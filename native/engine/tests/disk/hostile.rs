//! What a hostile peer offers, and what is planted in the target before it comes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hawser_engine::disk::Decision;
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, Mtime, Name};
use hawser_protocol::message::Placed;
use tempfile::TempDir;

use crate::helpers::*;

const ROOT: EntryId = EntryId::ROOT;
const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);

/// A target, and beside it what nobody may reach from there.
fn yard() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (target, outside) = (home.path().join("target"), home.path().join("outside"));
    fs::create_dir(&target).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    (home, target, outside)
}

fn assert_untouched(outside: &Path) {
    assert_eq!(names(outside), ["secret"]);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[test]
fn no_name_is_more_than_a_name() {
    let refused: [&[u8]; 12] = [
        b"",
        b".",
        b"..",
        b"/",
        b"//",
        b"a/b",
        b"../x",
        b"/etc/passwd",
        b"a\0b",
        b".hawser",
        b".Hawser",
        &[b'x'; 256],
    ];
    for bytes in refused {
        assert!(Name::new(bytes).is_none(), "{bytes:?}");
    }
    // What is a path elsewhere is a plain name here.
    let (_home, target, _) = yard();
    let sink = sink(&target);
    for (at, called) in [r"..\x", r"C:\x", r"\\srv\share", "CON", "a:b", "-rf", "~"].into_iter().enumerate() {
        assert_eq!(deliver(&sink, EntryId(at as u32 + 1), &file(ROOT, called, 0), b""), Ok(Placed::AsNamed));
        assert!(target.join(called).is_file());
    }
}

#[test]
fn a_link_with_the_name_of_a_sent_folder_is_not_entered() {
    for inside in [false, true] {
        let (_home, target, outside) = yard();
        // A relative one, that even a handle which keeps to its folder would follow.
        let leads_to = if inside { Path::new("real") } else { &outside };
        fs::create_dir(target.join("real")).unwrap();
        symlink(leads_to, target.join("sent")).unwrap();
        let sink = sink(&target);
        let made = Decision::Placed(Placed::Renamed(name("sent (2)")));
        assert_eq!(sink.offer(A, &folder(ROOT, "sent")), made);
        deliver(&sink, B, &file(A, "file", 1), b"1").unwrap();
        sink.finish_folder(A).unwrap();
        assert_eq!(names(&target.join("sent (2)")), ["file"]);
        assert!(names(&target.join("real")).is_empty());
        assert_untouched(&outside);
    }
}

#[test]
fn a_file_is_not_written_through_a_link_that_was_sent_or_was_there() {
    let (_home, target, outside) = yard();
    let sink = sink(&target);
    sink.offer(A, &folder(ROOT, "top"));
    symlink(outside.join("secret"), target.join("top/planted")).unwrap();
    sink.offer(B, &link(A, "sent", "else"));
    for (id, called) in [(3, "planted"), (4, "sent")] {
        let placed = deliver(&sink, EntryId(id), &file(A, called, 6), b"sneaky");
        assert_eq!(placed, Ok(Placed::Renamed(name(format!("{called} (2)")))));
    }
    // A link is no folder for what follows it either.
    assert_eq!(sink.offer(EntryId(5), &file(B, "x", 1)), Decision::Refused(Reason::ParentFailed));
    assert_untouched(&outside);
    assert!(!target.join("top/else").exists());
}

#[test]
fn a_link_to_a_file_with_the_same_content_is_not_the_file() {
    let (_home, target, outside) = yard();
    symlink(outside.join("secret"), target.join("file")).unwrap();
    let sink = sink(&target);
    let placed = deliver(&sink, A, &file(ROOT, "file", 6), b"secret");
    assert_eq!(placed, Ok(Placed::Renamed(name("file (2)"))));
}

#[test]
fn links_that_lead_out_of_their_tree_are_refused() {
    let (_home, target, _) = yard();
    let sink = sink(&target);
    let outside = Decision::Refused(Reason::LinkOutside);
    sink.offer(A, &folder(ROOT, "top"));
    sink.offer(B, &folder(A, "inner"));
    assert_eq!(sink.offer(EntryId(3), &link(ROOT, "l", "x")), outside, "it has no tree");
    assert_eq!(sink.offer(EntryId(4), &link(A, "l", "../x")), outside);
    assert_eq!(sink.offer(EntryId(5), &link(B, "l", "../../x")), outside);
    assert_eq!(sink.offer(EntryId(6), &link(B, "l", "../x")), Decision::Placed(Placed::AsNamed));
    assert!(LinkTarget::new(b"/etc/passwd").is_none());
    assert!(LinkTarget::new(b"a/../../x").is_none());
}

#[test]
fn a_fifo_at_the_name_is_neither_opened_nor_replaced() {
    let (_home, target, _) = yard();
    fifo(&target.join("file"));
    fifo(&target.join("top"));
    let sink = sink(&target);
    assert_eq!(deliver(&sink, A, &file(ROOT, "file", 1), b"1"), Ok(Placed::Renamed(name("file (2)"))));
    assert_eq!(sink.offer(B, &folder(ROOT, "top")), Decision::Placed(Placed::Renamed(name("top (2)"))));
}

#[test]
fn chunks_that_do_not_fit_the_file_are_refused() {
    let (_home, target, _) = yard();
    let sink = sink(&target);
    sink.offer(A, &file(ROOT, "file", 10));
    for (offset, length) in [(0, 9), (0, 11), (1, 9), (10, 0), (CHUNK, 0), (1 << 60, 10), (u64::MAX, 1)] {
        assert_eq!(sink.write_chunk(A, offset, &vec![0; length]), Err(Reason::Integrity));
    }
    assert_eq!(sink.write_chunk(B, 0, b""), Err(Reason::Io), "never offered");
    assert_eq!(sink.write_chunk(ROOT, 0, b""), Err(Reason::Io), "a folder");
    assert_eq!(commit(&sink, ROOT, hash(b"")), Err(Reason::Io));
    sink.close();
    assert!(names(&target).is_empty());
}

#[test]
fn a_size_beyond_all_disks_costs_nothing_and_fails_alone() {
    let (_home, target, _) = yard();
    let sink = sink(&target);
    for (id, size) in [(1, u64::MAX), (2, 1 << 62)] {
        let entry = Entry { kind: Kind::File { size }, ..file(ROOT, "huge", 0) };
        assert_eq!(sink.offer(EntryId(id), &entry), Decision::Refused(Reason::DiskFull));
        assert_eq!(sink.write_chunk(EntryId(id), 0, &content(CHUNK)), Err(Reason::Io));
    }
    assert_eq!(deliver(&sink, EntryId(3), &file(ROOT, "small", 1), b"1"), Ok(Placed::AsNamed));
}

#[test]
fn a_time_that_no_disk_can_hold_does_not_cost_the_file() {
    let (_home, target, _) = yard();
    let sink = sink(&target);
    let mut id = 0;
    for seconds in [i64::MIN, i64::MIN + 1, -(1 << 40), 1 << 34, i64::MAX] {
        for nanoseconds in [0, 999_999_999] {
            id += 1;
            let mtime = Mtime { seconds, nanoseconds };
            let entry = Entry { mtime, ..file(ROOT, &id.to_string(), 3) };
            assert_eq!(deliver(&sink, EntryId(id), &entry, b"abc"), Ok(Placed::AsNamed), "{mtime:?}");
            assert_eq!(fs::read(target.join(id.to_string())).unwrap(), b"abc");
            let entry = Entry { mtime, ..folder(ROOT, &format!("folder {id}")) };
            assert_eq!(sink.offer(EntryId(100 + id), &entry), Decision::Placed(Placed::AsNamed));
            assert_eq!(sink.finish_folder(EntryId(100 + id)), Ok(Placed::AsNamed), "{mtime:?}");
        }
    }
}

#[test]
fn one_name_sent_over_and_over_ends_in_a_refusal() {
    let (_home, target, _) = yard();
    let sink = sink(&target);
    let send = |id: u32| {
        let mut entry = file(ROOT, "x", 4);
        entry.mtime.nanoseconds = id;
        deliver(&sink, EntryId(id), &entry, &id.to_le_bytes())
    };
    for id in 1..=1000 {
        send(id).unwrap();
    }
    assert_eq!(send(1001), Err(Reason::NameRefused));
}

#[test]
fn a_planted_folder_for_part_files_is_not_used() {
    let (_home, target, outside) = yard();
    symlink(&outside, target.join(".hawser")).unwrap();
    let sink = sink(&target);
    sink.offer(A, &file(ROOT, "file", 1));
    assert!(sink.write_chunk(A, 0, b"1").is_err());
    sink.close();
    assert_untouched(&outside);
    assert!(target.join(".hawser").is_symlink(), "it is not ours to remove");
}

#[test]
fn a_folder_for_part_files_that_belongs_to_someone_else_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give a folder away");
        return;
    }
    let (_home, target, _) = yard();
    fs::create_dir(target.join(".hawser")).unwrap();
    std::os::unix::fs::chown(target.join(".hawser"), Some(12345), None).unwrap();
    let sink = sink(&target);
    sink.offer(A, &file(ROOT, "file", 1));
    assert_eq!(sink.write_chunk(A, 0, b"1"), Err(Reason::PermissionDenied));
}

#[test]
fn what_is_in_a_refused_folder_is_refused_under_its_full_path() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root may write everywhere");
        return;
    }
    let (_home, target, _) = yard();
    fs::create_dir(target.join("top")).unwrap();
    fs::set_permissions(target.join("top"), fs::Permissions::from_mode(0o500)).unwrap();
    let sink = sink(&target);
    sink.offer(A, &folder(ROOT, "top"));
    assert_eq!(sink.offer(B, &folder(A, "sub")), Decision::Refused(Reason::PermissionDenied));
    let within = file(B, "file", 1);
    assert_eq!(sink.offer(EntryId(3), &within), Decision::Refused(Reason::ParentFailed));
    assert_eq!(sink.info_of(&within).path, "top/sub/file");
    fs::set_permissions(target.join("top"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_target_that_is_renamed_and_replaced_still_gets_everything() {
    let (home, target, outside) = yard();
    let sink = sink(&target);
    sink.offer(A, &folder(ROOT, "top"));
    sink.offer(B, &file(A, "file", 1));
    fs::rename(&target, home.path().join("moved")).unwrap();
    symlink(&outside, &target).unwrap();
    sink.write_chunk(B, 0, b"1").unwrap();
    commit(&sink, B, hash(b"1")).unwrap();
    sink.finish_folder(A).unwrap();
    sink.close();
    assert_eq!(delivered(&home.path().join("moved")), ["top"]);
    assert_untouched(&outside);
}
