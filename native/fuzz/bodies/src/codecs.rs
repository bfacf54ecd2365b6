//! Frames, the messages in them and the pages of the manifest: whatever decodes is written back as
//! the very bytes it was read from, so that no two encodings mean the same.

use hawser_protocol::frame::{self, Frames, HEADER_BYTES, Header};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_CONTROL_BYTES, MAX_PATH_BYTES};
use hawser_protocol::manifest::{Item, Kind, Name, put_entry, put_leave, read_page};
use hawser_protocol::message::{Close, Message};

/// The plaintext of a record.
pub fn frame(plaintext: &[u8]) {
    let mut frames = Frames::new(plaintext);
    let mut written = Vec::new();
    while let Ok(Some((header, payload))) = frames.next_frame() {
        let most = CHUNK_BYTES.max(MAX_CONTROL_BYTES);
        assert!(header.length <= most && payload.len() == header.length as usize);
        written.extend(frame::encode(header.kind, header.entry, header.offset, payload));
        written_back(header, payload);
    }
    assert_eq!(plaintext.get(..written.len()), Some(written.as_slice()));
}

/// One frame: its header without the length, then its payload.
pub fn message(input: &[u8]) {
    let Some((head, payload)) = input.split_first_chunk::<{ HEADER_BYTES - 4 }>() else { return };
    let length = u32::try_from(payload.len()).unwrap();
    let bytes = [head, length.to_be_bytes().as_slice(), payload].concat();
    if let Ok(Some((header, payload))) = Frames::new(&bytes).next_frame() {
        written_back(header, payload);
    }
}

fn written_back(header: Header, payload: &[u8]) {
    if let Ok(message) = Message::decode(header, payload) {
        assert_eq!(message.encode(header.offset), [&header.to_bytes(), payload].concat(), "{message:?}");
    }
    if let Ok(close) = Close::decode(payload) {
        assert_eq!(&close.encode()[HEADER_BYTES..], payload, "{close:?}");
    }
}

/// A page, and what is judged of each entry.
pub fn manifest(page: &[u8]) {
    let Ok(items) = read_page(page) else { return };
    let mut written = Vec::new();
    for item in items {
        let start = written.len();
        match item {
            Item::Leave(folder) => put_leave(&mut written, folder),
            Item::Entry(raw) => match raw.judge() {
                Ok(entry) => {
                    assert_eq!(entry.name.as_bytes(), raw.name);
                    is_a_name(&entry.name);
                    if let Kind::Link { target } = &entry.kind {
                        stays_within_its_ups(target.as_bytes(), target.ups());
                    }
                    put_entry(&mut written, &entry);
                }
                // No page that this side could have written.
                Err(_) => return,
            },
        }
        assert_eq!(page.get(start..written.len()), written.get(start..));
    }
    assert_eq!(written, page);
}

fn is_a_name(name: &Name) {
    let name = name.as_bytes();
    assert!((1..=255).contains(&name.len()) && name != b"." && name != b"..");
    assert!(!name.contains(&b'/') && !name.contains(&0) && !name.eq_ignore_ascii_case(b".hawser"));
}

/// Walks the target: it never is higher than it says.
fn stays_within_its_ups(target: &[u8], ups: u16) {
    assert!(
        (1..=MAX_PATH_BYTES).contains(&target.len()) && !target.starts_with(b"/") && !target.contains(&0)
    );
    let mut height = 0_i32;
    let mut highest = 0;
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => height += 1,
            _ => height -= 1,
        }
        highest = highest.max(height);
    }
    assert_eq!(highest, i32::from(ups));
}
