//! What a listener hands out and a dialler pastes: where to dial, whom to expect, and a shared secret.
//! docs/protocol.md, "Identity and ticket".

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use data_encoding::BASE32_NOPAD;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::ProtocolError;
use crate::identity::PublicKey;
use crate::kdf;
use crate::wire::Reader;

/// Everything a dialler needs to reach one listener and be let in.
///
/// `Display` writes the text form, which **is** the secret; `Debug` leaves the secret out.
#[derive(Clone, Debug)]
pub struct Ticket {
    addresses: Vec<Host>,
    port: u16,
    key: PublicKey,
    secret: TicketSecret,
    permits: Permits,
    expires: Option<u64>,
}

impl Ticket {
    /// Most addresses in one ticket: a machine has few, and each makes the text longer to paste.
    pub const MAX_ADDRESSES: usize = 8;

    /// # Errors
    /// [`TicketError::Malformed`] when there is no address or more than [`Self::MAX_ADDRESSES`], a name is
    /// not one, the port is 0, or nothing is permitted.
    pub fn new(
        addresses: Vec<Host>,
        port: u16,
        key: PublicKey,
        secret: TicketSecret,
        permits: Permits,
    ) -> Result<Self, TicketError> {
        let sound = (1..=Self::MAX_ADDRESSES).contains(&addresses.len())
            && addresses.iter().all(Host::is_sound)
            && port != 0
            && (permits.push || permits.pull);
        if sound {
            Ok(Self { addresses, port, key, secret, permits, expires: None })
        } else {
            Err(TicketError::Malformed)
        }
    }

    /// The same, but with a word to its holder that it lets nobody new in after that time, in seconds since
    /// 1970. What the listener does does not depend on it.
    pub fn expiring(self, at: Option<u64>) -> Self {
        Self { expires: at, ..self }
    }

    /// When it ends, in seconds since 1970; `None`: with its listener.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// Where the listener may be reached, best first; never empty.
    pub fn addresses(&self) -> &[Host] {
        &self.addresses
    }

    /// The TCP port at every one of the addresses; never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The listener's identity, which it must prove.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What proves to the listener that the dialler was given this ticket.
    pub fn secret(&self) -> &TicketSecret {
        &self.secret
    }

    /// What the ticket lets the dialler do.
    pub fn permits(&self) -> Permits {
        self.permits
    }
}

/// One place to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address as it is.
    Ip(IpAddr),
    /// A name to resolve: 1 to 253 ASCII letters, digits, `-` and `.`.
    Name(String),
}

impl Host {
    fn is_sound(&self) -> bool {
        let Self::Name(name) = self else { return true };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed)
    }
}

/// Longest name DNS can carry in its text form, in bytes.
const MAX_NAME_LENGTH: usize = 253;

impl FromStr for Host {
    type Err = TicketError;

    /// An IP address when it reads as one, else a name.
    ///
    /// # Errors
    /// [`TicketError::Malformed`] when it is neither.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let host = text.parse().map_or_else(|_| Self::Name(text.into()), Self::Ip);
        if host.is_sound() { Ok(host) } else { Err(TicketError::Malformed) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// What the dialling side may do. A ticket permits at least one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits {
    /// Send files to the listener.
    pub push: bool,
    /// Fetch files from the listener.
    pub pull: bool,
}

/// Sixteen random bytes only the listener and the holders of its ticket know. Wiped from memory when
/// dropped; `Debug` does not show them.
#[derive(Clone)]
pub struct TicketSecret(Zeroizing<[u8; 16]>);

impl TicketSecret {
    /// From 16 random bytes.
    pub fn new(mut random: [u8; 16]) -> Self {
        let secret = Self(Zeroizing::new(random));
        random.zeroize();
        secret
    }

    /// What the dialler names the ticket by. It travels encrypted to the listener, and says nothing about
    /// the secret.
    pub fn id(&self) -> TicketId {
        TicketId(*self.derive(b"hawser ticket id"))
    }

    /// The pre-shared key of the handshake.
    pub fn psk(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"hawser ticket psk")
    }

    fn derive<const N: usize>(&self, label: &[u8]) -> Zeroizing<[u8; N]> {
        kdf::expand(&kdf::extract(&[], self.0.as_slice()), &[label])
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(redacted)")
    }
}

/// Which ticket a dialler holds, as the listener looks it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TicketId(pub [u8; 16]);

/// Why a text is not a ticket, so that a person can be told what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketError {
    /// It does not start like a ticket: something else was pasted.
    NotATicket,
    /// A ticket of another format version, named by its digit: one side needs an update.
    UnknownVersion(char),
    /// A character is wrong, missing or too many: copy it again.
    Mistyped,
    /// Copied correctly, but what made it broke the rules.
    Malformed,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATicket => write!(f, "not a ticket: a ticket starts with \"hawser\""),
            Self::UnknownVersion(version) => {
                write!(f, "a ticket of format {version}, and only format 1 is known here")
            }
            Self::Mistyped => write!(f, "the ticket was mistyped or cut off"),
            Self::Malformed => write!(f, "the ticket breaks the rules of its format"),
        }
    }
}

impl core::error::Error for TicketError {}

// The text form: PREFIX, then base32 of body ‖ checksum. Base32 has no digit 0, 1, 8 or 9, so the version
// digit 1 cannot run into what follows.

const NAME: &str = "hawser";
const PREFIX: &str = "hawser1";

/// Room to spare above the longest ticket there can be (3,374 characters), and a bound on what gets decoded.
const MAX_TEXT_LENGTH: usize = 4096;

const CHECKSUM_LENGTH: usize = 4;

const PUSH: u8 = 1;
const PULL: u8 = 2;
const EXPIRES: u8 = 4;

const KIND_NAME: u8 = 0;
const KIND_V4: u8 = 4;
const KIND_V6: u8 = 6;

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = encode(self);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let mut text = Zeroizing::new(BASE32_NOPAD.encode(&bytes));
        text.make_ascii_lowercase();
        write!(f, "{PREFIX}{}", *text)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Strict but for what pasting does: white space around the ticket and upper case are accepted.
    ///
    /// # Errors
    /// Every [`TicketError`], each for its own cause.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > MAX_TEXT_LENGTH {
            return Err(TicketError::Malformed);
        }
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let mut after_name = lower.strip_prefix(NAME).ok_or(TicketError::NotATicket)?.chars();
        match after_name.next() {
            Some('1') => decode_checked(after_name.as_str()),
            Some(digit) if digit.is_ascii_digit() => Err(TicketError::UnknownVersion(digit)),
            _ => Err(TicketError::NotATicket),
        }
    }
}

fn decode_checked(base32: &str) -> Result<Ticket, TicketError> {
    // The crate knows the alphabet in upper case only. A final character with bits to spare that are not 0
    // is an error to it, so that no two texts mean the same bytes.
    let upper = Zeroizing::new(base32.to_ascii_uppercase());
    let bytes = BASE32_NOPAD.decode(upper.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| TicketError::Mistyped)?;
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(TicketError::Mistyped)?;
    if checksum(body) != *sum {
        return Err(TicketError::Mistyped);
    }
    decode(body)
}

/// Guards against slips of the hand, not against malice: whoever can change a ticket can also write one.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(PREFIX.as_bytes()).update(body);
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    [a, b, c, d]
}

/// `Ticket::new` has bounded both counts to a byte, so that each conversion yields one.
fn encode(ticket: &Ticket) -> Zeroizing<Vec<u8>> {
    // Reserved in full, so that growing leaves no copy of the secret behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_TEXT_LENGTH));
    let Permits { push, pull } = ticket.permits;
    let expires = if ticket.expires.is_some() { EXPIRES } else { 0 };
    body.push(if push { PUSH } else { 0 } | if pull { PULL } else { 0 } | expires);
    body.extend_from_slice(&ticket.key.0);
    body.extend_from_slice(ticket.secret.0.as_slice());
    body.extend_from_slice(&ticket.port.to_be_bytes());
    body.extend(ticket.expires.map(u64::to_be_bytes).into_iter().flatten());
    body.extend(u8::try_from(ticket.addresses.len()));
    for address in &ticket.addresses {
        match address {
            Host::Ip(IpAddr::V4(ip)) => {
                body.push(KIND_V4);
                body.extend_from_slice(&ip.octets());
            }
            Host::Ip(IpAddr::V6(ip)) => {
                body.push(KIND_V6);
                body.extend_from_slice(&ip.octets());
            }
            Host::Name(name) => {
                body.push(KIND_NAME);
                body.extend(u8::try_from(name.len()));
                body.extend_from_slice(name.as_bytes());
            }
        }
    }
    body
}

fn decode(body: &[u8]) -> Result<Ticket, TicketError> {
    let mut fields = Reader::new(body);
    let flags = fields.u8()?;
    let key = PublicKey(fields.array()?);
    let secret = TicketSecret::new(fields.array()?);
    let port = fields.u16()?;
    let expires = if flags & EXPIRES == 0 { None } else { Some(fields.u64()?) };
    let count = fields.u8()?;
    if flags & !(PUSH | PULL | EXPIRES) != 0 || usize::from(count) > Ticket::MAX_ADDRESSES {
        return Err(TicketError::Malformed);
    }
    let addresses = (0..count).map(|_| decode_host(&mut fields)).collect::<Result<_, _>>()?;
    if !fields.is_empty() {
        return Err(TicketError::Malformed);
    }
    let permits = Permits { push: flags & PUSH != 0, pull: flags & PULL != 0 };
    Ok(Ticket::new(addresses, port, key, secret, permits)?.expiring(expires))
}

fn decode_host(fields: &mut Reader<'_>) -> Result<Host, TicketError> {
    match fields.u8()? {
        KIND_V4 => Ok(Host::Ip(IpAddr::from(fields.array::<4>()?))),
        KIND_V6 => Ok(Host::Ip(IpAddr::from(fields.array::<16>()?))),
        KIND_NAME => {
            let length = fields.u8()?;
            let name = core::str::from_utf8(fields.take(length.into())?);
            Ok(Host::Name(name.map_err(|_| TicketError::Malformed)?.into()))
        }
        _ => Err(TicketError::Malformed),
    }
}

/// A field that does not fit in what is left of the body.
impl From<ProtocolError> for TicketError {
    fn from(_: ProtocolError) -> Self {
        Self::Malformed
    }
}
