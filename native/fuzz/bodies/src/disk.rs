//! What hawser reads from the disk it writes to, where others may have changed it.

use hawser_engine::ContentHash;
use hawser_engine::disk::{parse_record_line, read_journal, record_line};
use hawser_engine::peers::{KnownPeers, PeerName};
use hawser_engine::rewrite_ledger;
use hawser_protocol::manifest::Name;
use hawser_protocol::ranges::chunk_count;

use crate::input::Input;

const HEADER_BYTES: usize = 8 + 32 + 8 + 8 + 4 + 4;
const RECORD_BYTES: usize = 40;

/// A journal; behind a 0, one with right checks.
pub fn journal(input: &[u8]) {
    match input {
        [0, rest @ ..] => read(&checked(rest)),
        _ => read(input),
    }
}

fn read(bytes: &[u8]) {
    let Ok(found) = read_journal(bytes) else { return };
    let header = HEADER_BYTES + found.subject.path.len() + 8;
    assert!(found.written.len() <= (bytes.len() - header) / RECORD_BYTES, "no more than was recorded");
    let count = chunk_count(found.subject.size).unwrap_or(0);
    assert!(found.written.keys().all(|&chunk| chunk < count));
    assert_eq!(found.subject.key().len(), 32);
    // What is cut off at its end counts less, and never otherwise.
    let cut = read_journal(&bytes[..bytes.len() - 1]);
    assert!(cut.is_ok() || bytes.len() == header);
    if let Ok(cut) = cut {
        assert_eq!(cut.subject, found.subject);
        assert!(cut.written.len() <= found.written.len());
    }
}

/// The checks of a journal are no secret: whoever can write into the folder can write them.
fn checked(input: &[u8]) -> Vec<u8> {
    let mut input = Input::new(input);
    let path = input.sized();
    let mut journal = [b"HAWSERJ1", input.array::<52>().as_slice()].concat();
    journal.extend_from_slice(&u32::try_from(path.len()).unwrap().to_be_bytes());
    journal.extend_from_slice(path);
    let check: [u8; 8] = blake3::hash(&journal).as_bytes()[..8].try_into().unwrap();
    journal.extend_from_slice(&check);
    while !input.is_empty() {
        let number = input.number().to_be_bytes();
        let hash = [input.u8(); 32];
        let sum = blake3::Hasher::new().update(&check).update(&number).update(&hash).finalize();
        journal.extend([number.as_slice(), &hash, &sum.as_bytes()[..4]].concat());
    }
    journal
}

/// A line of a record of what was delivered; behind a 0, its path alone.
pub fn delivered(input: &[u8]) {
    let hash = ContentHash([0xa5; 32]);
    let Some((path, hash)) = (match input {
        [0, path @ ..] => parse_record_line(record_line(path, hash).strip_suffix(b"\n").unwrap()),
        line => parse_record_line(line),
    }) else {
        return;
    };
    assert!(path.split(|&byte| byte == b'/').all(|name| Name::new(name).is_some()));
    let line = record_line(&path, hash);
    let line = line.strip_suffix(b"\n").unwrap();
    assert!(!line.contains(&b'\n'), "a line is one line");
    assert_eq!(parse_record_line(line), Some((path, hash)));
}

/// The file of known peers; behind a 0, what a peer calls itself, of which a name is made.
pub fn peers(input: &[u8]) {
    if let [0, label @ ..] = input {
        let Some(name) = std::str::from_utf8(label).ok().and_then(PeerName::from_label) else { return };
        assert_eq!(name.to_string().parse::<PeerName>().unwrap().to_string(), name.to_string());
    } else if let Ok(peers) = KnownPeers::parse(input) {
        assert_eq!(peers.to_string().as_bytes(), input, "there is one form of a list");
    }
}

/// The ledger of a ticket.
pub fn ledger(input: &[u8]) {
    let Some(text) = std::str::from_utf8(input).ok().and_then(rewrite_ledger) else { return };
    assert_eq!(rewrite_ledger(&text).as_ref(), Some(&text), "what is written is read");
    let cut = &text[..text.len() - "\n".len() - 1];
    assert_eq!(rewrite_ledger(cut), None, "a ledger that was cut off is none");
    let added = format!("{text}used-by 0");
    assert_eq!(rewrite_ledger(&added), Some(text), "but a line that was added may be");
}
