//! Tickets and codes: text that somebody pasted or typed.

use data_encoding::BASE32_NOPAD;
use hawser_protocol::code::Code;
use hawser_protocol::ticket::{Host, Ticket};

/// A text; behind a 0, what a text with a right checksum says.
pub fn ticket(input: &[u8]) {
    match input {
        [0, body @ ..] => read(&text(body)),
        _ => {
            if let Ok(text) = std::str::from_utf8(input) {
                read(text);
                // Anything may come from a command line or a file.
                let _: Result<Host, _> = text.parse();
            }
        }
    }
}

pub fn text(body: &[u8]) -> String {
    let sum = blake3::Hasher::new().update(b"hawser1").update(body).finalize();
    let base32 = BASE32_NOPAD.encode(&[body, &sum.as_bytes()[..4]].concat());
    format!("hawser1{}", base32.to_ascii_lowercase())
}

fn read(text: &str) {
    let Ok(ticket) = text.parse::<Ticket>() else { return };
    assert_eq!(ticket.to_string(), text.trim().to_ascii_lowercase(), "there is one text for a ticket");
    assert!((1..=Ticket::MAX_ADDRESSES).contains(&ticket.addresses().len()) && ticket.port() != 0);
    assert!(ticket.permits().push || ticket.permits().pull);
}

/// The words of a code, as somebody may write them.
pub fn code(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(code) = text.parse::<Code>() else { return };
    let written = code.to_string();
    assert_eq!(written.split('-').count(), 3);
    assert!(written.parse::<Code>() == Ok(code), "there is one form of a code");
}
