//! What is in the target before, or appears there: N9 to N11, N13 and N19 to N22 of what a receiver has
//! to withstand.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hawser_engine::{Reason, Work, dial};
use hawser_protocol::manifest::Name;
use hawser_protocol::message::{CloseCode, Placed};

use crate::peer::{Hostile, ROOT, Raw};
use crate::support::{self, Fault, Line, PATIENCE};
use crate::yard::Yard;

fn renamed(name: &str) -> Result<Placed, Reason> {
    Ok(Placed::Renamed(Name::new(name.as_bytes()).unwrap()))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn n9_n10_a_link_with_the_name_of_a_sent_folder_is_not_entered_wherever_it_leads() {
    let yard = Yard::new();
    fs::create_dir(yard.target.join("real")).unwrap();
    for (name, leads_to) in
        [("out", yard.outside.as_path()), ("etc", Path::new("/etc")), ("in", Path::new("real"))]
    {
        symlink(leads_to, yard.target.join(name)).unwrap();
    }
    let (mut enemy, _) = yard.enemy();
    let mut expected = Vec::new();
    for name in ["out", "etc", "in"] {
        let folder = enemy.offer(&Raw::folder(ROOT, name.as_bytes()));
        expected.push((folder, renamed(&format!("{name} (2)"))));
        expected.push((enemy.send(folder, b"secret", b"sneaky"), Ok(Placed::AsNamed)));
        let inner = enemy.offer(&Raw::folder(folder, b"inner"));
        expected.push((inner, Ok(Placed::AsNamed)));
        expected.push((enemy.send(inner, b"new", b"sneaky"), Ok(Placed::AsNamed)));
        enemy.leave(inner);
        enemy.leave(folder);
    }
    let fates = enemy.finish();
    for (id, fate) in expected {
        assert_eq!(fates[&id], fate, "#{id}");
    }
    assert_eq!(fs::read_dir(yard.target.join("real")).unwrap().count(), 0);
    yard.assert_unharmed();
}

#[test]
fn n11_nothing_goes_through_a_link_that_was_sent_in_the_same_page_in_either_order() {
    for link_first in [true, false] {
        let yard = Yard::new();
        let (mut enemy, _) = yard.enemy();
        let top = enemy.offer(&Raw::folder(ROOT, b"top"));
        let other = enemy.offer(&Raw::folder(top, b"other"));
        let link = Raw::link(top, b"x", b"other");
        let folder = Raw::folder(top, b"x");
        let (first, expected) = if link_first {
            (enemy.offer_all(&[link, folder]), [Ok(Placed::AsNamed), renamed("x (2)")])
        } else {
            (enemy.offer_all(&[folder, link]), [Ok(Placed::AsNamed), renamed("x (2)")])
        };
        let folder = if link_first { first + 1 } else { first };
        enemy.send(folder, b"file", b"sneaky");
        for id in [folder, other, top] {
            enemy.leave(id);
        }
        let fates = enemy.finish();
        assert_eq!([&fates[&first], &fates[&(first + 1)]], [&expected[0], &expected[1]]);
        assert_eq!(fs::read_dir(yard.target.join("top/other")).unwrap().count(), 0);
        yard.assert_unharmed();
    }
}

#[test]
fn n11_an_entry_in_a_link_or_in_a_file_ends_the_session() {
    for parent in [Raw::link(ROOT, b"x", b"y"), Raw::file(ROOT, b"x", 0)] {
        let yard = Yard::new();
        let (mut enemy, _) = yard.enemy();
        let parent = enemy.offer(&parent);
        enemy.send(parent, b"file", b"sneaky");
        assert_eq!(enemy.closed(), CloseCode::Protocol);
        assert!(yard.assert_unharmed().is_empty());
    }
}

#[test]
fn links_that_lead_out_are_refused_however_they_are_written() {
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let top = enemy.offer(&Raw::folder(ROOT, b"top"));
    let targets: [&[u8]; 10] = [
        b"",
        b"/",
        b"/etc/passwd",
        b"//etc",
        b"..",
        b"../outside",
        b"a/../../outside",
        b"./../x",
        b"x\0y",
        &[b'x'; 4096],
    ];
    let sent: Vec<_> = (0..)
        .zip(targets)
        .map(|(at, target)| enemy.offer(&Raw::link(top, format!("{at}").as_bytes(), target)))
        .collect();
    let at_the_top = enemy.offer(&Raw::link(ROOT, b"at the top", b"top"));
    enemy.leave(top);
    let fates = enemy.finish();
    for (id, target) in sent.iter().zip(targets) {
        // The longest is a good target, which the file system does not take.
        let good = target.len() == 4096;
        assert!(
            matches!(&fates[id], Err(reason) if good || *reason == Reason::LinkOutside),
            "{target:?}: {:?}",
            fates[id]
        );
    }
    assert_eq!(fates[&at_the_top], Err(Reason::LinkOutside));
    assert_eq!(fs::read_dir(yard.target.join("top")).unwrap().count(), 0);
    yard.assert_unharmed();
}

#[test]
fn n13_a_folder_that_was_there_keeps_its_mode_whatever_is_offered_by_its_name() {
    let yard = Yard::new();
    let modes = [0o000, 0o077, 0o500, 0o555];
    let inner = |mode: u16| yard.target.join(format!("{mode:o}/inner"));
    modes.iter().for_each(|&mode| fs::create_dir_all(inner(mode)).unwrap());
    let (mut enemy, _) = yard.enemy();
    for mode in modes {
        let outer = enemy.offer(&Raw { mode, ..Raw::folder(ROOT, format!("{mode:o}").as_bytes()) });
        let inner = enemy.offer(&Raw { mode, ..Raw::folder(outer, b"inner") });
        enemy.send(inner, b"file", b"file");
        enemy.leave(inner);
        enemy.leave(outer);
    }
    enemy.finish();
    let now = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let before = now(&yard.target);
    for mode in modes {
        let inner = inner(mode);
        assert_eq!([now(inner.parent().unwrap()), now(&inner)], [before; 2], "{mode:o}");
    }
}

#[test]
fn n13_modes_are_those_that_were_sent_less_the_umask_and_never_more() {
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let modes = [0o000, 0o400, 0o644, 0o755, 0o777];
    for mode in modes {
        enemy.offer(&Raw { mode, ..Raw::folder(ROOT, format!("folder {mode:o}").as_bytes()) });
    }
    for id in 1..=modes.len() as u32 {
        enemy.leave(id);
    }
    enemy.finish();
    let umask = fs::metadata(yard.target.join("folder 777")).unwrap().permissions().mode() & 0o777;
    for mode in modes {
        let found = fs::metadata(yard.target.join(format!("folder {mode:o}"))).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, u32::from(mode) & umask, "{mode:o}");
    }
    yard.assert_unharmed();
}

#[test]
fn n14_what_is_there_keeps_its_name_and_bytes_and_what_comes_gets_another_name() {
    let yard = Yard::new();
    fs::create_dir(yard.target.join(".ssh")).unwrap();
    fs::write(yard.target.join(".ssh/authorized_keys"), "mine").unwrap();
    fs::write(yard.target.join(".bashrc"), "mine").unwrap();
    let (mut enemy, _) = yard.enemy();
    let bashrc = enemy.send(ROOT, b".bashrc", b"theirs");
    let ssh = enemy.offer(&Raw::folder(ROOT, b".ssh"));
    let keys = enemy.send(ssh, b"authorized_keys", b"theirs");
    enemy.leave(ssh);
    let fates = enemy.finish();
    assert_eq!(fates[&bashrc], renamed(".bashrc (2)"));
    assert_eq!(fates[&keys], renamed("authorized_keys (2)"));
    assert_eq!(read(&yard.target.join(".bashrc")), "mine");
    assert_eq!(read(&yard.target.join(".ssh/authorized_keys")), "mine");
    yard.assert_unharmed();
}

#[test]
fn n20_names_that_only_look_alike_are_two_names_where_the_disk_says_so() {
    let pairs =
        [("\u{e9}", "e\u{301}"), ("ß", "SS"), ("ﬁ", "fi"), ("a", "a\u{200c}"), ("i", "İ"), ("K", "\u{212a}")];
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let names: Vec<&str> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
    let sent: Vec<_> = names.iter().map(|name| enemy.send(ROOT, name.as_bytes(), name.as_bytes())).collect();
    let fates = enemy.finish();
    for (id, name) in sent.iter().zip(&names) {
        let called = match &fates[id] {
            Ok(Placed::Renamed(called)) => String::from_utf8(called.as_bytes().to_vec()).unwrap(),
            fate => {
                assert_eq!(*fate, Ok(Placed::AsNamed), "{name}");
                (*name).to_string()
            }
        };
        assert_eq!(read(&yard.target.join(called)), *name);
    }
    assert_eq!(yard.assert_unharmed().len(), names.len());
}

#[test]
fn n21_a_file_and_a_folder_of_one_name_do_not_get_in_each_others_way() {
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let file = enemy.send(ROOT, b"a", b"file");
    enemy.fate(file).unwrap();
    let folder = enemy.offer(&Raw::folder(ROOT, b"a"));
    let within = enemy.send(folder, b"b", b"within");
    enemy.leave(folder);
    let fates = enemy.finish();
    assert_eq!(fates[&folder], renamed("a (2)"));
    assert_eq!(fates[&within], Ok(Placed::AsNamed));
    assert_eq!(read(&yard.target.join("a")), "file");
    assert_eq!(read(&yard.target.join("a (2)/b")), "within");
    yard.assert_unharmed();
}

#[test]
fn n22_one_name_twice_in_one_manifest_makes_two_files() {
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let first = enemy.send(ROOT, b"x", b"one");
    let second = enemy.send(ROOT, b"x", b"two");
    let fates = enemy.finish();
    let mut names = [&fates[&first], &fates[&second]];
    names.sort_by_key(|fate| **fate != Ok(Placed::AsNamed));
    assert_eq!(names, [&Ok(Placed::AsNamed), &renamed("x (2)")]);
    let mut contents = [read(&yard.target.join("x")), read(&yard.target.join("x (2)"))];
    contents.sort();
    assert_eq!(contents, ["one", "two"]);
    yard.assert_unharmed();
}

#[test]
fn n22_one_name_from_two_senders_at_once_makes_two_files_and_both_finish() {
    let yard = Yard::new();
    let mut enemies = [yard.enemy().0, yard.enemy().0];
    let ids: Vec<_> = enemies
        .iter_mut()
        .zip(["one", "two"])
        .map(|(enemy, says)| enemy.send(ROOT, b"x", says.as_bytes()))
        .collect();
    let fates: Vec<_> = enemies.into_iter().map(Hostile::finish).collect();
    assert!(fates.iter().zip(ids).all(|(fates, id)| fates[&id].is_ok()), "{fates:?}");
    let mut contents = [read(&yard.target.join("x")), read(&yard.target.join("x (2)"))];
    contents.sort();
    assert_eq!(contents, ["one", "two"]);
    yard.assert_unharmed();
}

#[test]
fn l5_a_target_that_is_replaced_by_a_link_gets_what_comes_and_the_link_nothing() {
    let yard = Yard::new();
    let (mut enemy, transfer) = yard.enemy();
    let top = enemy.offer(&Raw::folder(ROOT, b"top"));
    let begun = enemy.send(top, b"first", b"first");
    enemy.fate(begun).unwrap();
    let moved = yard.target.with_file_name("moved");
    fs::rename(&yard.target, &moved).unwrap();
    symlink(&yard.outside, &yard.target).unwrap();
    enemy.send(top, b"second", b"second");
    enemy.leave(top);
    assert!(enemy.finish().values().all(Result::is_ok));
    assert!(support::finished(&transfer).is_ok());
    assert_eq!(read(&moved.join("top/second")), "second");
    // As its user would: where it was.
    fs::remove_file(&yard.target).unwrap();
    fs::rename(&moved, &yard.target).unwrap();
    assert_eq!(yard.assert_unharmed(), ["top"]);
}

#[test]
fn l5_a_target_that_is_replaced_by_a_link_between_two_sessions_gets_what_comes_and_the_link_nothing() {
    let yard = Yard::new();
    let (mut enemy, first) = yard.enemy();
    enemy.send(ROOT, b"first", b"first");
    assert!(enemy.finish().values().all(Result::is_ok));
    assert!(support::finished(&first).is_ok());
    let moved = yard.target.with_file_name("moved");
    fs::rename(&yard.target, &moved).unwrap();
    symlink(&yard.outside, &yard.target).unwrap();
    let (mut enemy, second) = yard.enemy();
    enemy.send(ROOT, b"second", b"second");
    assert!(enemy.finish().values().all(Result::is_ok));
    assert!(support::finished(&second).is_ok());
    assert_eq!(read(&moved.join("second")), "second");
    fs::remove_file(&yard.target).unwrap();
    fs::rename(&moved, &yard.target).unwrap();
    assert_eq!(yard.assert_unharmed(), ["first", "second"]);
}

#[test]
fn l5_a_target_that_is_removed_between_two_sessions_is_not_made_again_and_said_to_be_gone() {
    let yard = Yard::new();
    fs::remove_dir(&yard.target).unwrap();
    symlink(&yard.outside, &yard.target).unwrap();
    let (mut enemy, transfer) = yard.enemy();
    let ids = [enemy.offer(&Raw::folder(ROOT, b"folder")), enemy.send(ROOT, b"file", b"file")];
    enemy.leave(ids[0]);
    let fates = enemy.finish();
    assert!(ids.iter().all(|id| fates[id] == Err(Reason::TargetGone)), "{fates:?}");
    assert!(support::finished(&transfer).is_ok());
    fs::remove_file(&yard.target).unwrap();
    support::close(&yard.listener, false);
}

#[test]
fn l5_a_target_that_is_replaced_by_a_link_gets_what_a_transfer_fetches_that_was_lost_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    support::write(&at("shared"), 1, 100);
    fs::create_dir(at("outside")).unwrap();
    let listener = support::serve(Work::Read(vec![at("shared")]));
    // The handshake gets through, and nothing after it.
    let line = Line::new(listener.port(), |number| (number == 0).then_some(Fault::Held(1400)));
    let job = support::job(Work::Write(at("target")));
    let mut options = support::with(&line.ticket(&listener.ticket()), job, 1);
    options.retry = PATIENCE;
    let transfer = dial(options).unwrap();
    support::until("the first session has its folder", || at("target").exists());
    fs::rename(at("target"), at("moved")).unwrap();
    symlink(at("outside"), at("target")).unwrap();
    line.release();
    assert!(support::finished(&transfer).is_ok());
    support::close(&listener, true);
    assert!(fs::read(at("moved/shared")).unwrap() == support::bytes(1, 100));
    assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
}
