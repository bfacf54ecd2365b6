//! Records: what comes on a lane before anything is known of it, and behind its keys.

use hawser_protocol::cipher::{HEADER_LENGTH, MAX_PLAINTEXT, Opener, Sealer, TAG_LENGTH, record_length};

use crate::handshake::lane;
use crate::input::Input;

/// A stream of records: some of the peer, changed on the way or not, some from anybody.
pub fn record(input: &[u8]) {
    let mut input = Input::new(input);
    let ((mut sealer, _), (_, mut opener)) = lane();
    // The keys are the same for every input, and a fuzzer sees what a tag is compared with: it may
    // come upon a good one. So whatever opens has to be what the holder of the key seals in that place.
    let ((mut witness, _), _) = lane();
    let (mut sent, mut taken, mut broken) = (0, 0, false);
    while !input.is_empty() {
        let is_the_peers = input.u8().is_multiple_of(2);
        let plaintext = input.sized();
        let sealed = if is_the_peers { seal(&mut sealer, plaintext) } else { Some(plaintext.to_vec()) };
        let Some(mut wire) = sealed else { continue };
        let before = wire.clone();
        input.edit(&mut wire);
        if wire.len() < HEADER_LENGTH {
            // The connection has ended.
            return;
        }
        let is_next = is_the_peers && wire == before && sent == taken && !broken;
        sent += u32::from(is_the_peers);
        match read(&mut opener, &wire) {
            Some(opened) => {
                assert!(!broken, "nothing opens behind a record that did not");
                assert_eq!(seal(&mut witness, &opened).as_ref(), Some(&wire), "what opens was sealed");
                taken += 1;
            }
            None => {
                assert!(!is_next, "the peer's next record opens");
                broken = true;
            }
        }
    }
}

fn seal(sealer: &mut Sealer, plaintext: &[u8]) -> Option<Vec<u8>> {
    let mut record = [&[0; HEADER_LENGTH], plaintext, &[0; TAG_LENGTH]].concat();
    let sealed = sealer.seal(&mut record);
    assert_eq!(sealed.is_ok(), (1..=MAX_PLAINTEXT).contains(&plaintext.len()));
    sealed.is_ok().then_some(record)
}

/// As a lane reads: the length is checked before there is a buffer of it.
fn read(opener: &mut Opener, wire: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = wire.split_first_chunk()?;
    let Ok(length) = record_length(*header) else {
        assert!(opener.open(*header, &mut body.to_vec()).is_err());
        return None;
    };
    assert!((1 + TAG_LENGTH..=MAX_PLAINTEXT + TAG_LENGTH).contains(&length));
    // Whatever is not the whole record is an error of the socket, or of the next record.
    let opened = opener.open(*header, &mut body.to_vec()).map(|plaintext| plaintext.to_vec()).ok();
    assert!(opened.as_ref().is_none_or(|plaintext| plaintext.len() + TAG_LENGTH == length));
    opened
}
