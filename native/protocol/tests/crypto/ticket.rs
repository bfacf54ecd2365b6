use std::net::IpAddr;

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::*;
use proptest::prelude::*;

fn sample() -> Ticket {
    let addresses = vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap(), name("files.example")];
    ticket(addresses, 7891, Permits { push: true, pull: false }).unwrap()
}

fn ticket(addresses: Vec<Host>, port: u16, permits: Permits) -> Result<Ticket, TicketError> {
    Ticket::new(addresses, port, PublicKey([0x5a; 32]), TicketSecret::new([0xc3; 16]), permits)
}

fn name(text: &str) -> Host {
    Host::Name(text.into())
}

fn parsed(text: &str) -> Result<String, TicketError> {
    text.parse::<Ticket>().map(|ticket| ticket.to_string())
}

#[test]
fn a_ticket_says_everything_it_was_made_of() {
    let ticket: Ticket = sample().to_string().parse().unwrap();
    assert_eq!(ticket.addresses(), sample().addresses());
    assert_eq!(ticket.port(), 7891);
    assert_eq!(ticket.key(), PublicKey([0x5a; 32]));
    assert_eq!(ticket.secret().id(), TicketSecret::new([0xc3; 16]).id());
    assert_eq!(ticket.secret().psk(), TicketSecret::new([0xc3; 16]).psk());
    assert_eq!(ticket.permits(), Permits { push: true, pull: false });
}

#[test]
fn a_ticket_says_when_it_ends() {
    for expires in [None, Some(0), Some(1_800_000_000), Some(u64::MAX)] {
        let text = sample().expiring(expires).to_string();
        assert_eq!(text.parse::<Ticket>().unwrap().expires(), expires);
        assert_eq!(parsed(&text), Ok(text));
    }
}

#[test]
fn a_ticket_is_lower_case_letters_and_digits() {
    let text = sample().to_string();
    assert!(text.starts_with("hawser1"));
    assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{text}");
}

#[test]
fn what_pasting_adds_is_taken_off() {
    let text = sample().to_string();
    assert_eq!(parsed(&format!(" \t{text}\r\n")), Ok(text.clone()));
    assert_eq!(parsed(&text.to_uppercase()), Ok(text));
}

/// A flip that turns a letter into upper case is no slip: the ticket stays the same.
#[test]
fn a_flipped_bit_in_any_character_is_caught() {
    let text = sample().to_string();
    for position in 0..text.len() {
        for bit in 0..8 {
            let flip =
                |(i, byte): (usize, u8)| char::from(if i == position { byte ^ 1 << bit } else { byte });
            let bad: String = text.bytes().enumerate().map(flip).collect();
            if !bad.eq_ignore_ascii_case(&text) {
                assert!(bad.parse::<Ticket>().is_err(), "bit {bit} of character {position}");
            }
        }
    }
}

#[test]
fn a_ticket_cut_off_anywhere_or_with_more_behind_it_is_caught() {
    let text = sample().to_string();
    for length in 0..text.len() {
        assert!(text[..length].parse::<Ticket>().is_err(), "{length}");
    }
    assert_eq!(parsed(&format!("{text}a")), Err(TicketError::Mistyped));
    assert_eq!(parsed(&format!("{text}{text}")), Err(TicketError::Mistyped));
}

#[test]
fn each_error_names_what_to_do_about_it() {
    let text = sample().to_string();
    assert_eq!(parsed(""), Err(TicketError::NotATicket));
    assert_eq!(parsed("https://example.org"), Err(TicketError::NotATicket));
    assert_eq!(parsed("hawser"), Err(TicketError::NotATicket));
    assert_eq!(parsed("hawserx"), Err(TicketError::NotATicket));
    assert_eq!(parsed(&text.replacen('1', "2", 1)), Err(TicketError::UnknownVersion('2')));
    assert_eq!(parsed("hawser1"), Err(TicketError::Mistyped));
    assert_eq!(parsed(&format!("{}0", &text[..text.len() - 1])), Err(TicketError::Mistyped));
    assert_eq!(parsed(&text.repeat(40)), Err(TicketError::Malformed));
}

/// The body of the sample with one edit, and the checksum made to fit.
pub fn edited(edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let text = sample().to_string().to_uppercase();
    let mut body = data_encoding::BASE32_NOPAD.decode(&text.as_bytes()[7..]).unwrap();
    body.truncate(body.len() - 4);
    edit(&mut body);
    let sum = blake3::hash(&[b"hawser1", body.as_slice()].concat());
    body.extend_from_slice(&sum.as_bytes()[..4]);
    format!("hawser1{}", data_encoding::BASE32_NOPAD.encode(&body).to_lowercase())
}

#[test]
fn a_body_that_breaks_the_rules_is_malformed_whatever_its_checksum() {
    const PORT: usize = 49;
    const COUNT: usize = 51;
    const KIND: usize = 52;
    assert_eq!(parsed(&edited(|_| ())), Ok(sample().to_string()));
    type Edit = (&'static str, fn(&mut Vec<u8>));
    let edits: [Edit; 12] = [
        ("no permission", |body| body[0] = 0),
        ("an unknown flag", |body| body[0] = 4 | 1),
        ("port 0", |body| body[PORT..COUNT].fill(0)),
        ("no address", |body| body.splice(COUNT.., [0]).for_each(drop)),
        ("too many addresses", |body| body[COUNT] = 9),
        ("fewer addresses than counted", |body| body[COUNT] = 4),
        ("more addresses than counted", |body| body[COUNT] = 2),
        ("an unknown kind of address", |body| body[KIND] = 5),
        ("an empty name", |body| body.splice(COUNT.., [1, 0, 0]).for_each(drop)),
        ("a name longer than the ticket", |body| body.splice(COUNT.., [1, 0, 2, b'a']).for_each(drop)),
        ("a space in a name", |body| *body.last_mut().unwrap() = b' '),
        ("a byte after the end", |body| body.push(0)),
    ];
    for (what, edit) in edits {
        assert_eq!(parsed(&edited(edit)), Err(TicketError::Malformed), "{what}");
    }
}

#[test]
fn a_ticket_that_could_not_be_read_cannot_be_made() {
    let both = Permits { push: true, pull: true };
    let host = || name("host");
    assert!(ticket(vec![host(); 8], 1, both).is_ok());
    assert!(ticket(vec![host(); 9], 1, both).is_err());
    assert!(ticket(vec![], 1, both).is_err());
    assert!(ticket(vec![host()], 0, both).is_err());
    assert!(ticket(vec![host()], 1, Permits { push: false, pull: false }).is_err());
    assert!(ticket(vec![name(&"a".repeat(253))], 1, both).is_ok());
    for bad in ["", "a b", "a\n", "\u{1b}[2J", "münchen.example", "a/b", "a_b", &"a".repeat(254)] {
        assert!(ticket(vec![name(bad)], 1, both).is_err(), "{bad:?}");
        assert!(bad.parse::<Host>().is_err(), "{bad:?}");
    }
}

#[test]
fn debug_output_leaves_the_secret_out() {
    let shown = format!("{:?}", sample());
    assert!(shown.contains("TicketSecret(redacted)"));
    assert!(!shown.contains("195") && !shown.contains("c3"), "{shown}");
}

fn any_host() -> impl Strategy<Value = Host> {
    prop_oneof![any::<IpAddr>().prop_map(Host::Ip), "[A-Za-z0-9.-]{1,253}".prop_map(Host::Name)]
}

proptest! {
    #[test]
    fn every_ticket_survives_its_text_form(
        addresses in prop::collection::vec(any_host(), 1..=8),
        port in 1..=u16::MAX,
        key: [u8; 32],
        secret: [u8; 16],
        push: bool,
    ) {
        let permits = Permits { push, pull: !push };
        let made = Ticket::new(addresses, port, PublicKey(key), TicketSecret::new(secret), permits).unwrap();
        let read: Ticket = made.to_string().parse().unwrap();
        prop_assert_eq!(read.addresses(), made.addresses());
        prop_assert_eq!((read.port(), read.key(), read.permits()), (port, made.key(), permits));
        prop_assert_eq!(read.to_string(), made.to_string());
    }

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>(), base32 in "[a-z2-7]{0,200}") {
        let _ = text.parse::<Ticket>();
        let _ = format!("hawser1{text}").parse::<Ticket>();
        let _ = format!("hawser1{base32}").parse::<Ticket>();
    }

    #[test]
    fn any_body_with_a_fitting_checksum_is_malformed_or_the_one_text_of_its_ticket(
        tail in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let text = edited(|body| body.splice(51.., tail).for_each(drop));
        match parsed(&text) {
            Ok(canonical) => prop_assert_eq!(canonical, text),
            Err(error) => prop_assert_eq!(error, TicketError::Malformed),
        }
    }
}
