//! Whole sessions over real sockets and disks, in one process.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use hawser_engine::{Error, Fate, Host, Permits, Placed, Reason, Ticket, Work, dial};
use hawser_protocol::identity::StaticKey;
use hawser_protocol::message::CloseCode;
use hawser_protocol::opening::PREAMBLE;
use hawser_protocol::ticket::TicketSecret;
use support::{
    Line, bytes, close, finished, job, next, outcome, receive, send, serve, serve_on, settled, shout, until,
};
use tempfile::tempdir;

const MIB: usize = 1024 * 1024;

fn write(path: &Path, seed: u8, length: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes(seed, length)).unwrap();
}

#[test]
fn a_tree_arrives_as_it_is() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let tree = from.path().join("tree");
    write(&tree.join("empty"), 0, 0);
    write(&tree.join("a/one chunk"), 1, 256 * 1024);
    write(&tree.join("a/b/several"), 2, 3 * MIB + 1);
    let listener = receive(to.path());
    let sent = send(std::slice::from_ref(&tree), listener.ticket(), 3);
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    close(&listener, false);
    for file in ["empty", "a/one chunk", "a/b/several"] {
        assert_eq!(fs::read(tree.join(file)).unwrap(), fs::read(to.path().join("tree").join(file)).unwrap());
    }
    let report = settled(&sent);
    assert_eq!(report.len(), 6);
    let several = report.iter().find(|entry| entry.path == "tree/a/b/several").unwrap();
    let hash = blake3::hash(&bytes(2, 3 * MIB + 1));
    assert_eq!(several.hash().unwrap().to_string(), hash.to_hex().as_str());
    assert!(!to.path().join(".hawser").exists());
}

#[test]
fn a_large_file_of_an_odd_length_arrives_whole() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let length = 40 * MIB + 5;
    write(&from.path().join("file"), 1, length);
    let listener = receive(to.path());
    finished(&send(&[from.path().join("file")], listener.ticket(), 3)).unwrap();
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, length));
}

#[test]
fn the_listener_can_be_the_source() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, MIB);
    let listener = serve(Work::Read(vec![from.path().join("file")]));
    let options = hawser_engine::DialOptions {
        job: job(Work::Write(to.path().into())),
        ticket: listener.ticket().clone(),
        lanes: 2,
    };
    finished(&dial(options).unwrap()).unwrap();
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("file")).unwrap(), bytes(1, MIB));
}

#[test]
fn a_ticket_is_good_for_its_own_direction_only() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let options = hawser_engine::DialOptions {
        job: job(Work::Write(to.path().into())),
        ticket: listener.ticket().clone(),
        lanes: 1,
    };
    assert!(matches!(dial(options), Err(Error::TicketDirection { pull: false })));
    close(&listener, false);
}

#[test]
fn a_forged_permit_does_not_turn_a_receiver_into_a_source() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    let permits = Permits { push: true, pull: true };
    let (key, secret) = (ticket.key(), ticket.secret().clone());
    let forged = Ticket::new(ticket.addresses().to_vec(), ticket.port(), key, secret, permits).unwrap();
    let work = job(Work::Write(to.path().into()));
    let transfer = dial(hawser_engine::DialOptions { job: work, ticket: forged, lanes: 1 }).unwrap();
    assert!(matches!(finished(&transfer), Err(Error::Authentication)));
    close(&listener, false);
}

#[test]
fn many_senders_are_served_at_the_same_time() {
    // Far more than may be at the door from one source at the same time.
    const SENDERS: u8 = 100;
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let listener = receive(to.path());
    let sent: Vec<_> = (0..SENDERS)
        .map(|number| {
            let path = from.path().join(number.to_string());
            write(&path, number, MIB);
            send(&[path], listener.ticket(), 2)
        })
        .collect();
    sent.iter().for_each(|transfer| finished(transfer).unwrap());
    close(&listener, false);
    for number in 0..SENDERS {
        assert!(fs::read(to.path().join(number.to_string())).unwrap() == bytes(number, MIB));
    }
}

#[test]
fn a_small_file_behind_a_huge_one_arrives_first() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let (huge, small) = (from.path().join("huge"), from.path().join("small"));
    fs::File::create(&huge).unwrap().set_len(64 << 30).unwrap();
    write(&small, 1, 1000);
    let listener = receive(to.path());
    let sent = send(&[huge, small], listener.ticket(), 2);
    until("the small file is there", || to.path().join("small").exists());
    assert!(!to.path().join("huge").exists());
    sent.cancel();
    assert!(matches!(finished(&sent), Err(Error::Cancelled)));
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("small")).unwrap(), bytes(1, 1000));
}

#[test]
fn a_lost_lane_is_made_up_for_by_the_others() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 48 * MIB);
    let listener = receive(to.path());
    // The control lane goes first, then two more, each in the middle of a record.
    let line = Line::new(listener.port(), |number| (number < 3).then_some((number as u64 + 2) * 1_000_003));
    let sent = send(&[path], &line.ticket(listener.ticket()), 6);
    finished(&sent).unwrap();
    finished(&next(&listener)).unwrap();
    assert!(line.count() == 6);
    close(&listener, false);
    assert!(fs::read(to.path().join("file")).unwrap() == bytes(1, 48 * MIB));
}

#[test]
fn when_all_lanes_are_lost_nothing_partial_is_left_and_the_same_again_completes() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let paths: Vec<_> = (0..4).map(|number| from.path().join(number.to_string())).collect();
    paths.iter().zip(0..).for_each(|(path, seed)| write(path, seed, 4 * MIB));
    let listener = receive(to.path());
    let line = Line::new(listener.port(), |_| Some(6 * MIB as u64));
    let sent = send(&paths, &line.ticket(listener.ticket()), 1);
    assert!(matches!(finished(&sent), Err(Error::Lost)));
    assert!(matches!(finished(&next(&listener)), Err(Error::Lost)));
    for (seed, path) in (0..).zip(&paths) {
        let arrived = to.path().join(path.file_name().unwrap());
        assert!(!arrived.exists() || fs::read(arrived).unwrap() == bytes(seed, 4 * MIB));
    }
    finished(&send(&paths, listener.ticket(), 1)).unwrap();
    close(&listener, false);
    for (seed, path) in (0..).zip(&paths) {
        assert!(fs::read(to.path().join(path.file_name().unwrap())).unwrap() == bytes(seed, 4 * MIB));
    }
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 4);
}

#[test]
fn cancelling_tells_the_other_side() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(64 << 30).unwrap();
    for sender_cancels in [true, false] {
        let listener = receive(to.path());
        let sent = send(std::slice::from_ref(&huge), listener.ticket(), 2);
        let received = next(&listener);
        until("bytes flow", || received.progress().bytes_done > 0);
        let (ours, theirs) = if sender_cancels { (&sent, &received) } else { (&received, &sent) };
        ours.cancel();
        assert!(matches!(finished(ours), Err(Error::Cancelled)));
        let told = finished(theirs);
        assert!(matches!(told, Err(Error::ClosedByPeer { code: CloseCode::Cancelled, .. })), "{told:?}");
        close(&listener, false);
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    }
}

#[test]
fn closing_with_abort_ends_running_sessions() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let huge = from.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(64 << 30).unwrap();
    let listener = receive(to.path());
    let sent = send(&[huge], listener.ticket(), 2);
    let ended = outcome(&next(&listener));
    close(&listener, true);
    assert!(matches!(ended.recv().unwrap(), Err(Error::Cancelled)));
    assert!(finished(&sent).is_err());
}

#[test]
fn an_existing_file_is_skipped_if_it_is_the_same_and_kept_if_it_is_not() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("photo.jpg");
    write(&path, 1, 1000);
    let listener = receive(to.path());
    let again = |expected: &Placed| {
        let sent = send(std::slice::from_ref(&path), listener.ticket(), 1);
        finished(&sent).unwrap();
        let report = settled(&sent);
        assert!(
            matches!(&report[0].fate, Fate::Placed(placed, _) if placed == expected),
            "{report:?}, not {expected:?}"
        );
    };
    again(&Placed::AsNamed);
    again(&Placed::Present);
    write(&path, 2, 1000);
    // Written at the same tick of the system's clock, it would have the same time as before.
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let renamed = hawser_protocol::manifest::Name::new(b"photo (2).jpg").unwrap();
    again(&Placed::Renamed(renamed));
    close(&listener, false);
    assert_eq!(fs::read(to.path().join("photo.jpg")).unwrap(), bytes(1, 1000));
    assert_eq!(fs::read(to.path().join("photo (2).jpg")).unwrap(), bytes(2, 1000));
}

#[cfg(unix)]
#[test]
fn a_folder_that_exists_keeps_its_mode_unless_its_owner_shall_not_write() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let folders = ["open", "locked"].map(|name| from.path().join(name));
    folders.iter().for_each(|folder| write(&folder.join("file"), 1, 10));
    fs::create_dir_all(to.path().join("open")).unwrap();
    fs::create_dir_all(to.path().join("locked")).unwrap();
    set(&to.path().join("open"), 0o750);
    // As a session leaves it that is cut off before it has finished the folder.
    set(&to.path().join("locked"), 0o755);
    set(&folders[1], 0o555);
    let listener = receive(to.path());
    finished(&send(&folders, listener.ticket(), 1)).unwrap();
    close(&listener, false);
    assert_eq!(mode(&to.path().join("open")), 0o750);
    assert_eq!(mode(&to.path().join("locked")), 0o555);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&to.path().join("open")), modified(&folders[0]));
}

#[test]
fn a_folder_is_not_made_before_anybody_is_reached() {
    let to = tempdir().unwrap();
    let listener = serve(Work::Read(vec![to.path().into()]));
    close(&listener, false);
    let work = job(Work::Write(to.path().join("new")));
    let options = hawser_engine::DialOptions { job: work, ticket: listener.ticket().clone(), lanes: 1 };
    assert!(finished(&dial(options).unwrap()).is_err());
    assert!(!to.path().join("new").exists());
}

#[test]
fn what_cannot_be_read_fails_alone() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let (good, missing) = (from.path().join("good"), from.path().join("missing"));
    write(&good, 1, 10);
    let listener = receive(to.path());
    let sent = send(&[missing, good], listener.ticket(), 1);
    finished(&sent).unwrap();
    close(&listener, false);
    let report = settled(&sent);
    assert_eq!(report.iter().filter_map(|entry| entry.reason()).collect::<Vec<_>>(), [Reason::SourceGone]);
    assert_eq!(fs::read(to.path().join("good")).unwrap(), bytes(1, 10));
}

#[test]
fn what_does_not_speak_hawser_gets_no_answer_and_disturbs_nobody() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let path = from.path().join("file");
    write(&path, 1, 8 * MIB);
    let listener = receive(to.path());
    // Says nothing, and stays.
    let silent = TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
    let sent = send(&[path], listener.ticket(), 2);
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-2.0-x\r\n", &[0xff; 4096], b"HAWSE", b""] {
        assert_eq!(shout(listener.port(), words), b"");
    }
    // Right words, then nonsense: the listener has said that it speaks hawser, and no more.
    let nonsense = [&PREAMBLE[..], &[1], &[7; 4096]].concat();
    assert_eq!(shout(listener.port(), &nonsense), PREAMBLE);
    let unknown_kind = [&PREAMBLE[..], &[3], &[7; 4096]].concat();
    assert_eq!(shout(listener.port(), &unknown_kind), b"");
    let unknown_session = [&PREAMBLE[..], &[2], &[7; 53]].concat();
    assert_eq!(shout(listener.port(), &unknown_session), PREAMBLE);
    finished(&sent).unwrap();
    drop(silent);
    close(&listener, false);
}

#[test]
fn a_listener_of_another_version_is_named_and_so_is_ours() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"HAWSER\x00\x07").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let key = StaticKey::new([1; 32]).public();
    let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
    let permits = Permits { push: true, pull: false };
    let ticket = Ticket::new(vec![host], port, key, TicketSecret::new([2; 16]), permits).unwrap();
    let result = finished(&send(&["/".into()], &ticket, 1));
    assert!(matches!(result, Err(Error::Version { ours: 1, theirs: 7 })), "{result:?}");
}

#[test]
fn a_dialler_of_another_version_is_told_ours() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    assert_eq!(shout(listener.port(), b"HAWSER\x00\x07\x01"), PREAMBLE);
    close(&listener, false);
}

#[test]
fn only_the_right_ticket_opens_a_session() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let ticket = listener.ticket();
    let with = |key, secret| {
        Ticket::new(ticket.addresses().to_vec(), ticket.port(), key, secret, ticket.permits()).unwrap()
    };
    let wrong_secret = with(ticket.key(), TicketSecret::new([7; 16]));
    let wrong_key = with(StaticKey::new([7; 32]).public(), ticket.secret().clone());
    for wrong in [wrong_secret, wrong_key] {
        let result = finished(&send(&[to.path().into()], &wrong, 1));
        assert!(matches!(result, Err(Error::Authentication)), "{result:?}");
    }
    close(&listener, false);
}

#[test]
fn an_impostor_at_one_address_does_not_keep_the_dialler_from_the_next() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    write(&from.path().join("file"), 1, 10);
    let listener = receive(to.path());
    let impostor = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), listener.port())).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = impostor.accept().unwrap();
        let _ = stream.write_all(&[&PREAMBLE[..], &[7; 48]].concat());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let ticket = listener.ticket();
    let hosts = ["127.0.0.2", "127.0.0.1"].map(|host| host.parse().unwrap()).to_vec();
    let (key, secret) = (ticket.key(), ticket.secret().clone());
    let both = Ticket::new(hosts, ticket.port(), key, secret, ticket.permits()).unwrap();
    finished(&send(&[from.path().join("file")], &both, 2)).unwrap();
    close(&listener, false);
}

#[test]
fn a_peer_is_told_when_there_will_be_no_session_after_all() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let inbox = to.path().join("inbox");
    let listener = receive(&inbox);
    fs::remove_dir(&inbox).unwrap();
    fs::write(&inbox, "in the way").unwrap();
    let result = finished(&send(&[from.path().into()], listener.ticket(), 2));
    assert!(matches!(result, Err(Error::ClosedByPeer { code: CloseCode::Local, .. })), "{result:?}");
    close(&listener, false);
}

#[test]
fn a_port_is_free_when_its_listener_is_closed() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    let port = listener.port();
    close(&listener, false);
    for _ in 0..100 {
        close(&serve_on(port, Work::Write(to.path().into())), false);
    }
}

#[test]
fn a_refused_connection_is_said_to_be_one() {
    let to = tempdir().unwrap();
    let listener = receive(to.path());
    close(&listener, false);
    let result = finished(&send(&[to.path().into()], listener.ticket(), 1));
    assert_eq!(result.unwrap_err().code(), "CONNECTION_REFUSED");
}

#[test]
fn what_is_not_hawser_is_said_not_to_be() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let key = StaticKey::new([1; 32]).public();
    let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
    let permits = Permits { push: true, pull: false };
    let ticket = Ticket::new(vec![host], port, key, TicketSecret::new([2; 16]), permits).unwrap();
    let result = finished(&send(&["/".into()], &ticket, 1));
    assert!(matches!(result, Err(Error::NotHawser { .. })), "{result:?}");
}
