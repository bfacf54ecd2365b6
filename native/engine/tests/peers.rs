//! The file of known peers: what it holds, what it refuses, and what becomes of it under several writers.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::Path;
use std::thread;

use hawser_engine::peers::{Address, Change, KnownPeersFile, MAX_BYTES, MAX_PEERS};
use hawser_engine::peers::{Broken, KnownPeers};
use hawser_engine::{Error, PublicKey};
use hawser_protocol::ticket::{Permits, Ticket, TicketSecret};

const HEADER: &str = "hawser known peers 1\n";

fn key(number: u16) -> PublicKey {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PublicKey(bytes)
}

fn line(number: u16, name: &str, address: &str) -> String {
    format!("{} {name} label 2026-11-22 {address}\n", key(number))
}

fn at(text: &str) -> Option<Address> {
    Some(text.parse().unwrap())
}

fn ticket(number: u16, host: &str, port: u16) -> Ticket {
    let permits = Permits { push: true, pull: false };
    let secret = TicketSecret::new([2; 16]);
    Ticket::new(vec![host.parse().unwrap()], port, key(number), secret, permits).unwrap()
}

/// A file in a folder of its own.
fn in_folder(folder: &tempfile::TempDir) -> (std::path::PathBuf, KnownPeersFile) {
    let path = folder.path().join("known_peers");
    (path.clone(), KnownPeersFile::new(path))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_remembered_is_a_line_a_person_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = in_folder(&folder);
    assert_eq!(file.read().unwrap(), KnownPeers::default());

    let first = file.remember(key(1), "vm", at("192.0.2.7:7707")).unwrap();
    assert!(first.is_new);
    let day = first.peer.seen;
    file.remember(key(2), "Lap top\u{202e}", None).unwrap();
    file.name("vm", "alice").unwrap();

    let [one, two] = [key(1), key(2)];
    let text = format!("{HEADER}{one} alice named {day} 192.0.2.7:7707\n{two} Lap-top label {day} -\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(KnownPeers::parse(text.as_bytes()).unwrap(), file.read().unwrap());
    assert_eq!(names_in(folder.path()), ["known_peers", "known_peers.lock"]);
}

#[test]
fn a_peer_is_found_by_name_fingerprint_and_key_in_either_case() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    file.remember(key(1), "vm", None).unwrap();
    let known = file.read().unwrap();
    for who in ["vm".into(), "VM".into(), key(1).fingerprint(), key(1).to_string().to_uppercase()] {
        assert_eq!(known.find(&who).unwrap().key, key(1), "{who}");
    }
    for who in ["", "v", "vm ", &key(2).fingerprint()] {
        assert_eq!(known.find(who), Err(Change::Unknown(who.into())));
    }
}

#[test]
fn of_two_peers_with_one_label_the_second_gets_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    let names = (1..=3).map(|number| file.remember(key(number), "VM", None).unwrap().peer.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["VM", "VM-2", "VM-3"]);
    // And it stays, whatever the peer calls itself next.
    let again = file.remember(key(2), "alice", None).unwrap();
    assert_eq!((again.peer.name.to_string().as_str(), again.is_new), ("VM-2", false));
}

#[test]
fn a_name_goes_to_one_peer_only() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = in_folder(&folder);
    file.remember(key(1), "a", None).unwrap();
    file.remember(key(2), "b", None).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(file.name("a", "B"), Err(Error::Peer(Change::NameTaken(_)))));
    assert!(matches!(file.name("a", "b c"), Err(Error::Peer(Change::NotAName(_)))));
    assert!(matches!(file.name("c", "d"), Err(Error::Peer(Change::Unknown(_)))));
    assert!(matches!(file.forget("c"), Err(Error::Peer(Change::Unknown(_)))));
    assert_eq!(fs::read(&path).unwrap(), before);
    // Its own it may write in another way.
    assert_eq!(file.name("a", "A").unwrap().name.to_string(), "A");
    assert_eq!(file.forget("A").unwrap().key, key(1));
    assert_eq!(file.name("b", "a").unwrap().key, key(2));
}

#[test]
fn a_changed_key_at_an_address_is_told_and_the_address_stays_with_the_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    file.remember(key(1), "vm", at("192.0.2.7:7707")).unwrap();
    file.remember(key(2), "other", at("Example.org:7707")).unwrap();

    let Err(error) = file.check(&ticket(3, "192.0.2.7", 7707)) else { panic!("another key was let pass") };
    assert_eq!(error.code(), "KEY_CHANGED");
    let text = error.to_string();
    for said in ["192.0.2.7:7707", &key(1).fingerprint(), &key(3).fingerprint(), "hawser peers forget vm"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(file.check(&ticket(3, "example.ORG", 7707)).map_err(|error| error.code()), Err("KEY_CHANGED"));
    for (number, host, port) in [(1, "192.0.2.7", 7707), (3, "192.0.2.7", 7708), (3, "192.0.2.8", 7707)] {
        file.check(&ticket(number, host, port)).unwrap();
    }

    assert_eq!(file.remember(key(3), "x", at("192.0.2.7:7707")).unwrap().peer.address, None);
    file.forget("vm").unwrap();
    file.check(&ticket(3, "192.0.2.7", 7707)).unwrap();
    assert_eq!(file.remember(key(3), "x", at("192.0.2.7:7707")).unwrap().peer.address, at("192.0.2.7:7707"));
}

#[test]
fn addresses_of_this_machine_are_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    assert_eq!(file.remember(key(1), "vm", at("127.0.0.1:7707")).unwrap().peer.address, None);
    assert_eq!(file.remember(key(1), "vm", at("192.0.2.7:1")).unwrap().peer.address, at("192.0.2.7:1"));
    // One that it had stays: where it was reached from here says nothing about where it is.
    assert_eq!(file.remember(key(1), "vm", at("localhost:7707")).unwrap().peer.address, at("192.0.2.7:1"));
    assert_eq!(file.remember(key(1), "vm", None).unwrap().peer.address, at("192.0.2.7:1"));
}

#[test]
fn any_cut_and_any_flipped_bit_gives_the_list_or_an_error_and_changes_nothing() {
    let text = format!("{HEADER}{}{}", line(1, "a", "192.0.2.7:7707"), line(2, "b", "-"));
    let lines: Vec<_> = (0..text.len()).filter(|&end| text[..end].ends_with('\n')).collect();
    for end in 0..text.len() {
        let parsed = KnownPeers::parse(&text.as_bytes()[..end]);
        assert_eq!(parsed.is_ok(), lines.contains(&end), "cut at {end}");
    }
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            if let Ok(parsed) = KnownPeers::parse(&bytes) {
                // What is accepted is written back as it was read: nothing was guessed.
                assert_eq!(parsed.to_string().into_bytes(), bytes);
            }
        }
    }
}

#[test]
fn each_kind_of_wrong_line_is_named_and_the_file_stays() {
    let good = line(1, "a", "192.0.2.7:7707");
    let full = key(5).to_string();
    let wrong = [
        ("\n".into(), "the first field is no public key"),
        (good.clone(), "an earlier line has the same key"),
        (line(2, "A", "-"), "an earlier line has the same name"),
        (line(2, "b", "192.0.2.7:7707"), "an earlier line has the same address"),
        (line(2, "b", "127.0.0.1:1"), "the address is one of this machine"),
        (line(2, "b", "192.0.2.7"), "the fifth field is no host:port, nor \"-\""),
        (line(2, "-b", "-"), "the second field is no name"),
        (line(2, "b", "-").replace("label", "me"), "the third field is neither \"named\" nor \"label\""),
        (line(2, "b", "-").replace("11-22", "13-22"), "the fourth field is no day, such as 2026-11-22"),
        (line(2, "b", "-").replace("2026", "02026"), "the fourth field is no day, such as 2026-11-22"),
        (line(2, "b", "- "), "there is a field too many"),
        (line(2, "b", "-\r"), "the fifth field is no host:port, nor \"-\""),
        (full.clone() + " b\n", "a field is missing"),
        (line(2, "b", "-").replace('\n', ""), "it is cut off"),
        ("# a remark\n".into(), "the first field is no public key"),
    ];
    for (line, what) in wrong {
        let text = format!("{HEADER}{good}{line}");
        // A field that is missing is told before what is wrong with another.
        let what = if line == "\n" || line.starts_with('#') { "a field is missing" } else { what };
        assert_eq!(KnownPeers::parse(text.as_bytes()), Err(Broken { line: 3, what }), "{line:?}");
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = in_folder(&folder);
        fs::write(&path, &text).unwrap();
        let Err(error) = file.remember(key(7), "x", None) else { panic!("written over {line:?}") };
        assert_eq!(error.code(), "IO");
        assert!(
            error.to_string().contains("known_peers") && error.to_string().contains("line 3: "),
            "{error}"
        );
        assert!(file.name("a", "b").is_err() && file.forget("a").is_err() && file.read().is_err());
        assert!(file.check(&ticket(3, "192.0.2.9", 1)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn what_is_no_list_at_all_is_told_too() {
    let what = |bytes: &[u8]| KnownPeers::parse(bytes).map_err(|broken| broken.what);
    assert_eq!(what(b""), Err("it is missing"));
    assert_eq!(what(&[0xff, b'\n']), Err("it is not UTF-8"));
    assert_eq!(what(b"\0\0\0\0"), Err("it is cut off"));
    assert_eq!(what(b"{}\n"), Err("this is no list of known peers"));
    assert_eq!(what(b"hawser known peers 2\n"), Err("another version of hawser has written it"));
    assert_eq!(what(&vec![b'\n'; MAX_BYTES + 1]), Err("the file is larger than 4 MiB"));
    assert_eq!(what(HEADER.as_bytes()), Ok(KnownPeers::default()));
}

#[test]
fn there_is_an_end_to_how_many_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = in_folder(&folder);
    let mut text = String::from(HEADER);
    for number in 0..u16::try_from(MAX_PEERS).unwrap() {
        // As long as lines get.
        let (name, host) = (format!("{number:x>64}"), format!("{number:x>253}"));
        text.push_str(&line(number, &name, &format!("{host}:65535")));
    }
    assert!(text.len() < MAX_BYTES);
    fs::write(&path, &text).unwrap();
    assert!(matches!(file.remember(key(20_000), "one more", None), Err(Error::Peer(Change::Full))));
    file.remember(key(0), "known", None).unwrap();
    let many = KnownPeers::parse((text + &line(20_000, "more", "-")).as_bytes());
    assert_eq!(many, Err(Broken { line: MAX_PEERS + 2, what: "there are more than 10,000 peers" }));
}

#[test]
fn whoever_came_and_was_not_seen_for_longest_makes_room_and_nobody_named_or_dialled_does() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = in_folder(&folder);
    let mut text = String::from(HEADER);
    let old =
        |number: u16, address: &str| line(number, &format!("p{number}"), address).replace("2026", "2020");
    text.push_str(&old(0, "192.0.2.7:7707"));
    text.push_str(&old(1, "-").replace("label", "named"));
    text.push_str(&line(2, "p2", "-"));
    text.push_str(&old(3, "-"));
    (4..u16::try_from(MAX_PEERS).unwrap())
        .for_each(|number| text.push_str(&line(number, &format!("p{number}"), "-")));
    fs::write(&path, &text).unwrap();

    assert!(file.remember(key(20_000), "one more", None).unwrap().is_new);
    let peers = file.read().unwrap();
    assert!(peers.get(key(3)).is_none());
    assert!([0, 1, 2, 20_000].iter().all(|&number| peers.get(key(number)).is_some()));
}

#[test]
fn writers_at_the_same_time_lose_nothing_and_readers_see_no_half() {
    const WRITERS: u16 = 4;
    const EACH: u16 = 6;
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let file = file.clone();
                scope.spawn(move || {
                    for number in 0..EACH {
                        file.remember(key(writer * EACH + number), "vm", None).unwrap();
                    }
                })
            })
            .collect();
        let mut most = 0;
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = file.read().unwrap().sorted().len();
            assert!(now >= most, "{most} peers were there, and then {now}");
            most = now;
        }
    });
    let names = file.read().unwrap().sorted().into_iter().map(|peer| peer.name.folded());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(names.len(), usize::from(WRITERS * EACH));
    assert_eq!(names_in(folder.path()), ["known_peers", "known_peers.lock"]);
}

#[test]
fn what_a_killed_writer_has_left_is_removed_by_the_next_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = in_folder(&folder);
    let others = [
        "known_peers.0123456789abcdef",
        "known_peers.0123456789abcdeg.unfinished",
        "known_peers.20261123",
        "known_peers.20261123.unfinished",
        "known_peers.old",
        "ledger.0123456789abcdef.unfinished",
    ];
    let left = ["known_peers.0123456789abcdef.unfinished", "known_peers.ffffffffffffffff.unfinished"];
    for name in others.iter().chain(&left) {
        fs::write(folder.path().join(name), "").unwrap();
    }
    file.remember(key(1), "vm", None).unwrap();
    let mut expected = ["known_peers", "known_peers.lock"].to_vec();
    expected.extend(others);
    expected.sort_unstable();
    assert_eq!(names_in(folder.path()), expected);
}

#[test]
fn a_peer_of_whom_nothing_is_new_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = in_folder(&folder);
    let before = loop {
        let before = file.remember(key(1), "vm", at("192.0.2.7:1")).unwrap().peer.seen;
        fs::remove_file(folder.path().join("known_peers.lock")).unwrap();
        // At midnight there is something new.
        if file.remember(key(1), "another", None).unwrap().peer.seen == before {
            break before;
        }
    };
    assert_eq!(names_in(folder.path()), ["known_peers"]);
    assert!(fs::read_to_string(&path).unwrap().contains(&format!(" vm label {before} 192.0.2.7:1\n")));
}

#[test]
fn where_nothing_can_be_written_that_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let below_a_file = folder.path().join("file/known_peers");
    fs::write(folder.path().join("file"), "").unwrap();
    let file = KnownPeersFile::new(below_a_file);
    assert_eq!(file.read().unwrap(), KnownPeers::default());
    let Err(error) = file.remember(key(1), "vm", None) else { panic!("written below a file") };
    assert!(matches!(error, Error::Disk { .. }), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_is_for_its_owner_alone_also_when_it_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = in_folder(&folder);
        file.remember(key(1), "a", None).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        file.remember(key(2), "b", None).unwrap();
        assert_eq!((mode(&path), mode(&folder.path().join("known_peers.lock"))), (0o600, 0o600));
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = in_folder(&folder);
        fs::create_dir(folder.path().join("kept")).unwrap();
        fs::write(folder.path().join("kept/peers"), HEADER).unwrap();
        symlink("kept/peers", &path).unwrap();
        file.remember(key(1), "a", None).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert!(fs::read_to_string(folder.path().join("kept/peers")).unwrap().contains(" a label "));
    }
}
