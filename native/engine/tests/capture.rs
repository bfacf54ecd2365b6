//! docs/vectors/capture.json: both directions of a session between two that know nothing of it, with what its
//! listener knew. `HAWSER_WRITE_VECTORS=1 cargo test` captures one anew; docs/vectors/check decodes it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use hawser_engine::{Host, StaticKey, Ticket};
use hawser_protocol::cipher::{Opener, Sealer, Side};
use hawser_protocol::handshake::*;
use hawser_protocol::opening::PREAMBLE;
use hawser_protocol::ticket::TicketSecret;
use serde_json::{Value, json};
use support::dialler::{Dialled, open, sealed};
use support::{close, finished, receive, send, write};
use tempfile::tempdir;

const KEY: [u8; 32] = [0x22; 32];
const SECRET: [u8; 16] = [0x33; 16];
const EPHEMERAL: [u8; 32] = [0x55; 32];
const KEM: [u8; 32] = [0xbb; 32];

/// Stands between a dialler and a listener as somebody whom both trust, whose own keys and randomness are in
/// the vector: everything that is said goes through it, opened and sealed again.
fn relay(near: &TcpStream, far: Dialled, heard: [&Mutex<Vec<u8>>; 2], peer: &Mutex<[u8; 32]>) {
    let read = |length| {
        let mut bytes = vec![0; length];
        (&*near).read_exact(&mut bytes).unwrap();
        heard[0].lock().unwrap().extend_from_slice(&bytes);
        bytes
    };
    let say = |bytes: &[u8]| {
        heard[1].lock().unwrap().extend_from_slice(bytes);
        (&*near).write_all(bytes).unwrap();
    };
    read(9);
    let entropy = ResponderEntropy {
        ephemeral: EPHEMERAL,
        random: [0x77; 32],
        session: far.session.0,
        kem: KEM,
        unknown_psk: [0; 32],
    };
    let responder = Responder::new(&StaticKey::new(KEY), entropy).unwrap();
    let (_, responder) = responder.read_first(&read(FIRST_LENGTH).try_into().unwrap()).unwrap();
    let (second, responder) = responder.answer(Some(&TicketSecret::new(SECRET).psk())).unwrap();
    say(&PREAMBLE);
    say(&second);
    let applicant = responder.read_third(&read(THIRD_LENGTH).try_into().unwrap()).unwrap();
    *peer.lock().unwrap() = applicant.peer().0;
    let (accept, Established { secret, first_lane, .. }) = applicant.accept().unwrap();
    say(&accept);
    let (sealer, opener) = first_lane.into_ciphers(&secret, Side::Listener);
    thread::scope(|scope| {
        scope.spawn(|| {
            carry(near, opener, &far.stream, far.sealer, |record, _| {
                heard[0].lock().unwrap().extend_from_slice(record);
            })
        });
        scope.spawn(|| {
            carry(&far.stream, far.opener, near, sealer, |_, record| {
                heard[1].lock().unwrap().extend_from_slice(record);
            })
        });
    });
}

/// Opens each record and seals it again for the other side; both are told to `note` before it goes on.
fn carry(
    mut from: &TcpStream,
    mut opener: Opener,
    mut into: &TcpStream,
    mut sealer: Sealer,
    note: impl Fn(&[u8], &[u8]),
) {
    let mut header = [0; 4];
    while from.read_exact(&mut header).is_ok() {
        let mut body = vec![0; u32::from_be_bytes(header) as usize];
        from.read_exact(&mut body).unwrap();
        let record = [&header, body.as_slice()].concat();
        let again = sealed(&mut sealer, opener.open(header, &mut body).unwrap());
        note(&record, &again);
        if into.write_all(&again).is_err() {
            break;
        }
    }
    let _ = into.shutdown(std::net::Shutdown::Write);
}

fn describe(root: &Path, path: &Path, tree: &mut serde_json::Map<String, Value>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let entry = if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| describe(root, &entry.unwrap().path(), tree));
        json!({ "kind": "folder" })
    } else if meta.is_symlink() {
        let target = fs::read_link(path).unwrap();
        json!({ "kind": "link", "target": hex(target.to_str().unwrap().as_bytes()) })
    } else {
        json!({ "kind": "file", "content": hex(&fs::read(path).unwrap()) })
    };
    tree.insert(name, entry);
}

#[cfg(unix)]
#[test]
fn a_session_that_was_captured_can_be_decoded_by_whoever_knows_what_its_listener_knew() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let tree = from.path().join("tree");
    write(&tree.join("empty"), 0, 0);
    write(&tree.join("folder/small"), 1, 300);
    write(&tree.join("folder/next to it"), 2, 1);
    write(&tree.join("larger"), 3, 5000);
    std::os::unix::fs::symlink("folder/small", tree.join("link")).unwrap();
    let listener = receive(to.path());
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hosts = vec![Host::Ip(Ipv4Addr::LOCALHOST.into())];
    let port = socket.local_addr().unwrap().port();
    let key = StaticKey::new(KEY).public();
    let ticket =
        Ticket::new(hosts, port, key, TicketSecret::new(SECRET), listener.ticket().permits()).unwrap();
    let heard: [Mutex<Vec<u8>>; 2] = Default::default();
    let peer = Mutex::new([0; 32]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (near, _) = socket.accept().unwrap();
            let far = open(&listener.ticket(), &StaticKey::new([7; 32])).unwrap();
            relay(&near, far, heard.each_ref(), &peer);
        });
        finished(&send(std::slice::from_ref(&tree), &ticket, 1)).unwrap();
    });
    close(&listener, false);
    let mut found = serde_json::Map::new();
    describe(to.path(), &to.path().join("tree"), &mut found);
    let mut sent = serde_json::Map::new();
    describe(from.path(), &tree, &mut sent);
    assert_eq!(found, sent);

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/capture.json");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [from_dialler, from_listener] = heard.map(|bytes| hex(&bytes.into_inner().unwrap()));
    let capture = json!({
        "listener_private": hex(&KEY),
        "listener_ephemeral": hex(&EPHEMERAL),
        "listener_kem_random": hex(&KEM),
        "ticket_secret": hex(&SECRET),
        "dialler_public": hex(&peer.into_inner().unwrap()),
        "from_dialler": from_dialler,
        "from_listener": from_listener,
        "tree": sent,
    });
    if std::env::var_os("HAWSER_WRITE_VECTORS").is_some() {
        fs::write(path, serde_json::to_string_pretty(&capture).unwrap() + "\n").unwrap();
    }
    // No two captures are the same, but this is the same session.
    let committed: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(committed["tree"], capture["tree"]);
}
