//! Names that are more than names: N1 to N8 of what a receiver has to withstand.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use hawser_engine::Reason;
use hawser_protocol::message::{CloseCode, Placed};

use crate::peer::{LINK, ROOT, Raw};
use crate::yard::Yard;

/// Sends a file, a folder with a file in it and a link of each name, and a good file behind each: what
/// is refused is refused alone.
fn assert_refused(names: &[&[u8]]) {
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let mut bad = Vec::new();
    let mut good = Vec::new();
    for (at, name) in names.iter().enumerate() {
        bad.push((enemy.send(ROOT, name, b"sneaky"), Reason::NameRefused));
        let folder = enemy.offer(&Raw::folder(ROOT, name));
        bad.push((folder, Reason::NameRefused));
        bad.push((enemy.send(folder, b"within", b"sneaky"), Reason::ParentFailed));
        enemy.leave(folder);
        bad.push((enemy.offer(&Raw::link(ROOT, name, b"x")), Reason::NameRefused));
        good.push((enemy.send(ROOT, format!("good {at}").as_bytes(), b"good"), at));
    }
    let fates = enemy.finish();
    for (id, reason) in bad {
        assert_eq!(fates[&id], Err(reason), "{:?}", names[(id as usize - 1) / 5]);
    }
    for (id, at) in &good {
        assert_eq!(fates[id], Ok(Placed::AsNamed), "good {at}");
    }
    assert_eq!(yard.assert_unharmed().len(), names.len());
}

#[test]
fn n1_names_that_lead_up_or_nowhere_or_to_the_root_are_refused() {
    assert_refused(&[
        b"",
        b".",
        b"..",
        b"/",
        b"//",
        b"../x",
        b"a/../../x",
        b"/etc/passwd",
        b"../outside/new",
    ]);
}

#[test]
fn n2_names_with_a_separator_are_refused() {
    assert_refused(&[b"a/b", b"a/", b"/a", b"./a", b"a/.", b"a//b"]);
}

#[test]
fn n3_names_with_a_nul_are_refused() {
    assert_refused(&[b"\0", b"a\0", b"\0a", b"a\0/../b", b"..\0"]);
}

#[test]
fn n5_names_that_are_too_long_are_refused_and_the_longest_is_not() {
    assert_refused(&[&[b'x'; 256], &[b'x'; 4095], &[b'x'; 4096], "é".repeat(128).as_bytes()]);
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let id = enemy.send(ROOT, &[b'x'; 255], b"longest");
    assert_eq!(enemy.finish()[&id], Ok(Placed::AsNamed));
    assert_eq!(yard.assert_unharmed(), ["x".repeat(255)]);
}

#[test]
fn n23_our_own_folder_is_nobodys_in_any_case() {
    assert_refused(&[b".hawser", b".Hawser", b".HAWSER", b".hAwSeR"]);
}

#[test]
fn n2_n4_n7_n8_what_is_a_path_or_a_device_on_windows_is_a_plain_name_here() {
    let names: [&[u8]; 16] = [
        br"a\b",
        br"..\x",
        br"C:\x",
        b"C:x",
        br"\\srv\share",
        br"\\?\x",
        br"\\.\pipe\x",
        b"CON",
        b"nul.txt",
        b"AUX ",
        "COM¹".as_bytes(),
        "LPT⁰".as_bytes(),
        b"dot.",
        b"a:b",
        b"a::$DATA",
        b"PROGRA~1",
    ];
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    let sent: Vec<_> = names.iter().map(|name| enemy.send(ROOT, name, name)).collect();
    let fates = enemy.finish();
    assert!(sent.iter().all(|id| fates[id] == Ok(Placed::AsNamed)), "{fates:?}");
    for name in names {
        assert_eq!(std::fs::read(yard.target.join(OsStr::from_bytes(name))).unwrap(), name);
    }
    assert_eq!(yard.assert_unharmed().len(), names.len());
}

#[test]
fn n6_names_that_are_not_utf_8_are_kept_byte_for_byte() {
    let names: [&[u8]; 4] = [b"\xff\xfe", b"a\x80b", b"\xc3", b"\xed\xa0\x80"];
    let yard = Yard::new();
    let (mut enemy, _) = yard.enemy();
    for name in names {
        enemy.send(ROOT, name, name);
    }
    let fates = enemy.finish();
    // Not every system has such names; one that has them keeps them.
    for (id, name) in (1..).zip(names) {
        let there = yard.target.join(OsStr::from_bytes(name)).exists();
        assert!(matches!(
            (&fates[&id], there),
            (Ok(Placed::AsNamed), true) | (Err(Reason::NameRefused), false)
        ));
    }
    yard.assert_unharmed();
}

#[test]
fn n5_folders_deeper_than_the_limit_are_refused_however_deep_and_the_rest_goes_on() {
    for depth in [130, 10_000] {
        let yard = Yard::new();
        let (mut enemy, _) = yard.enemy();
        let mut folders = vec![ROOT];
        for _ in 0..depth {
            let folder = Raw::folder(*folders.last().unwrap(), b"d");
            folders.push(enemy.offer(&folder));
        }
        let good = enemy.send(ROOT, b"good", b"good");
        for folder in folders.iter().skip(1).rev() {
            enemy.leave(*folder);
        }
        let fates = enemy.finish();
        // It lies 128 folders deep, and the next one deeper.
        assert_eq!(fates[&folders[129]], Ok(Placed::AsNamed));
        assert_eq!(fates[&folders[130]], Err(Reason::TooDeep));
        assert_eq!(fates[&good], Ok(Placed::AsNamed));
        assert_eq!(yard.assert_unharmed(), ["d", "good"]);
    }
}

#[test]
fn n12_an_entry_that_is_no_file_folder_or_link_ends_the_session() {
    // A hard link, a device, a FIFO, a socket: there is no such thing here, by any number.
    for tag in [LINK + 1, LINK + 2, 7, 0x7f, 0xff] {
        let yard = Yard::new();
        let (mut enemy, _) = yard.enemy();
        enemy.offer(&Raw { tag, ..Raw::link(ROOT, b"node", b"/dev/null") });
        assert_eq!(enemy.closed(), CloseCode::Protocol, "{tag}");
        assert!(yard.assert_unharmed().is_empty());
    }
}

#[test]
fn n13_set_user_set_group_and_sticky_bits_end_the_session() {
    for mode in [0o4777, 0o2777, 0o1777, 0o7777, 0o1000, 0xffff] {
        for entry in [Raw::file(ROOT, b"x", 0), Raw::folder(ROOT, b"x")] {
            let yard = Yard::new();
            let (mut enemy, _) = yard.enemy();
            enemy.offer(&Raw { mode, ..entry });
            assert_eq!(enemy.closed(), CloseCode::Protocol, "{mode:o}");
            assert!(yard.assert_unharmed().is_empty());
        }
    }
}
