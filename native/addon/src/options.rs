//! Options from JavaScript, parsed once into types that cannot be wrong.

use std::path::PathBuf;
use std::time::Duration;

use hawser_engine::peers::{Change, PeerName};
use hawser_engine::{
    Code, CodeError, Destination, DialOptions, Durability, Error, Host, Job, Limit, ListenOptions, Offers,
    PublicKey, Requests, StaticKey, Ticket, TicketLimits, Work,
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::transfer::NativeKeep;

/// What to read or where to write. A path is bytes: what the file system holds on Unix, UTF-8
/// elsewhere.
#[napi(object)]
pub struct NativeJob {
    /// Files and folders to read: present on the side that is the source.
    pub paths: Option<Vec<Uint8Array>>,
    /// The folder to write into, created if missing: present on the side that is the sink.
    pub directory: Option<Uint8Array>,
    /// A label the peer is shown, at most 64 bytes.
    pub name: String,
    /// Whether takeEntries() yields every entry or only those that failed.
    pub entries: NativeKeep,
    /// Bytes a second, 10,000 or more: of a transfer that dials, or of all of a listener together.
    #[napi(ts_type = "number | undefined")]
    pub limit: Option<i64>,
    /// When what the sink writes is on disk.
    pub durability: NativeDurability,
    /// Whether only the same content makes a file one that is there already.
    pub compare: bool,
    /// Whether the sink reads each file again before it gets its name.
    pub reread: bool,
    /// Whether the sink asks, by nextOffer(), before it writes anything.
    pub ask: bool,
}

/// When what a sink has written is on disk.
#[napi(string_enum = "lowercase")]
pub enum NativeDurability {
    /// Each file before it is reported as delivered.
    File,
    /// Everything before the transfer is complete.
    Session,
    /// When the system gets round to it.
    None,
}

impl From<NativeDurability> for Durability {
    fn from(durability: NativeDurability) -> Self {
        match durability {
            NativeDurability::File => Self::File,
            NativeDurability::Session => Self::Session,
            NativeDurability::None => Self::None,
        }
    }
}

/// How to listen.
#[napi(object)]
pub struct NativeListenOptions {
    pub job: NativeJob,
    /// IP addresses to bind; empty: all, both families.
    pub bind: Vec<String>,
    /// 0: any free port; missing: that of `ticket`, or else any free one.
    pub port: Option<u16>,
    /// Hosts (addresses or names) to put into the ticket.
    pub advertise: Vec<String>,
    /// The 32 bytes of an X25519 private key; that of the process if missing.
    pub identity: Option<Uint8Array>,
    /// A ticket of an earlier listener of the same identity, to be kept.
    pub ticket: Option<String>,
    /// Up to where the ticket goes.
    pub ticket_limits: NativeTicketLimits,
    /// A file that remembers the use of the ticket.
    pub ledger: Option<Uint8Array>,
    /// Whether to let in whoever knows a short code.
    pub codes: bool,
    /// Public keys, in base32, of peers that need no ticket.
    pub allow: Vec<String>,
    /// Names by which no other key may come.
    pub reserved: Vec<NativeReservedName>,
}

/// Up to where a ticket goes; what is missing has no limit.
#[napi(object)]
pub struct NativeTicketLimits {
    /// Milliseconds from when it is made.
    pub lifetime_ms: Option<f64>,
    /// How many may come with it.
    pub uses: Option<u32>,
    /// Bytes of files that all of them together may bring.
    pub bytes: Option<i64>,
    /// Files, folders and links that all of them together may bring.
    pub entries: Option<i64>,
}

impl From<NativeTicketLimits> for TicketLimits {
    fn from(limits: NativeTicketLimits) -> Self {
        let count = |limit: Option<i64>| limit.map(|limit| u64::try_from(limit).unwrap_or(0));
        Self {
            lifetime: limits.lifetime_ms.map(duration),
            uses: limits.uses,
            bytes: count(limits.bytes),
            entries: count(limits.entries),
        }
    }
}

/// A name that belongs to a key.
#[napi(object)]
pub struct NativeReservedName {
    pub name: String,
    /// In base32.
    pub public_key: String,
}

/// How to dial.
#[napi(object)]
pub struct NativeDialOptions {
    pub job: NativeJob,
    pub to: NativeDestination,
    /// TCP connections, 1 to 16; as many as pay if missing.
    pub lanes: Option<u8>,
    /// The 32 bytes of an X25519 private key; that of the process if missing.
    pub identity: Option<Uint8Array>,
    /// For how many milliseconds to try to resume a session that was lost; 0: not at all, Infinity:
    /// for ever.
    pub retry_ms: f64,
}

/// Whom to dial: a ticket, or a host and a port, and what is known of who is there.
#[napi(object)]
pub struct NativeDestination {
    pub ticket: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    /// The short code that is shown there.
    pub code: Option<String>,
    /// In base32: that of a listener that knows this side.
    pub public_key: Option<String>,
    /// Beside a code: who is known to listen there; beside a public key: by which name that is known.
    pub known: Option<NativeReservedName>,
}

impl TryFrom<NativeDestination> for Destination {
    type Error = Error;

    fn try_from(destination: NativeDestination) -> Result<Self, Error> {
        match destination {
            NativeDestination { ticket: Some(ticket), .. } => self::ticket(ticket).map(Self::Ticket),
            NativeDestination {
                host: Some(host), port: Some(port), public_key: Some(key), known, ..
            } => {
                let known = known.as_ref().map(reserved).transpose()?;
                let name = known.map(|(name, _)| name);
                Ok(Self::Known { host: parse_host(&host)?, port, key: public_key(&key)?, name })
            }
            NativeDestination { host: Some(host), port: Some(port), code: Some(code), known, .. } => {
                let host = parse_host(&host)?;
                let code = parse_code(code)?;
                let known = known.as_ref().map(reserved).transpose()?;
                Ok(Self::Code { host, port, code, known })
            }
            _ => Err(Error::InvalidOption("give a ticket, or a host, a port and a key or a code".into())),
        }
    }
}

impl TryFrom<NativeListenOptions> for ListenOptions {
    type Error = Error;

    fn try_from(options: NativeListenOptions) -> Result<Self, Error> {
        let bind = options.bind.iter().map(|address| {
            let invalid = |_| Error::InvalidOption(format!("{address} is not an IP address"));
            address.parse().map_err(invalid)
        });
        Ok(Self {
            bind: bind.collect::<Result<_, _>>()?,
            port: options.port,
            advertise: options.advertise,
            identity: identity(options.identity.as_deref())?,
            ticket: options.ticket.map(ticket).transpose()?,
            ticket_limits: options.ticket_limits.into(),
            ledger: options.ledger.map(|ledger| path(&ledger)).transpose()?,
            allow: options.allow.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?,
            codes: options.codes,
            reserved: options.reserved.iter().map(reserved).collect::<Result<_, _>>()?,
            ..Self::new(options.job.try_into()?)
        })
    }
}

impl TryFrom<NativeDialOptions> for DialOptions {
    type Error = Error;

    fn try_from(options: NativeDialOptions) -> Result<Self, Error> {
        Ok(Self {
            job: options.job.try_into()?,
            to: options.to.try_into()?,
            lanes: options.lanes,
            identity: identity(options.identity.as_deref())?,
            retry: duration(options.retry_ms),
        })
    }
}

impl TryFrom<NativeJob> for Job {
    type Error = Error;

    fn try_from(job: NativeJob) -> Result<Self, Error> {
        let work = match (job.paths, job.directory) {
            (Some(paths), None) => {
                Work::Read(paths.iter().map(|bytes| path(bytes)).collect::<Result<_, _>>()?)
            }
            (None, Some(directory)) => Work::Write(path(&directory)?),
            _ => return Err(Error::InvalidOption("give either paths to read or a folder to write".into())),
        };
        Ok(Self {
            work,
            label: job.name,
            limit: limit(job.limit)?,
            keep: job.entries.into(),
            durability: job.durability.into(),
            requests: Requests { compare: job.compare, reread: job.reread },
            offers: job.ask.then(Offers::default),
        })
    }
}

fn reserved(of: &NativeReservedName) -> Result<(PeerName, PublicKey), Error> {
    let name = of.name.parse().map_err(|_| Error::Peer(Change::NotAName(of.name.clone())))?;
    Ok((name, public_key(&of.public_key)?))
}

/// The key that a text stands for.
pub fn public_key(text: &str) -> Result<PublicKey, Error> {
    text.parse().map_err(|_| Error::InvalidOption("a public key has 52 characters of base32".into()))
}

/// The code that a text is. This copy of the text is wiped; JavaScript has its own.
pub fn parse_code(text: String) -> Result<Code, Error> {
    let invalid = |error: CodeError| Error::InvalidOption(error.to_string());
    Zeroizing::new(text).parse().map_err(invalid)
}

/// The ticket that a text is. This copy of the text is wiped; JavaScript has its own.
fn ticket(text: String) -> Result<Ticket, Error> {
    Zeroizing::new(text).parse().map_err(Error::Ticket)
}

fn identity(bytes: Option<&[u8]>) -> Result<Option<StaticKey>, Error> {
    bytes.map(private_key).transpose()
}

/// The private key that these bytes are.
pub fn private_key(bytes: &[u8]) -> Result<StaticKey, Error> {
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(Error::InvalidOption("an X25519 private key has 32 bytes".into()));
    }
    key.copy_from_slice(bytes);
    Ok(StaticKey::new(*key))
}

/// The host that a text names.
pub fn parse_host(text: &str) -> Result<Host, Error> {
    let invalid = |_| Error::InvalidOption(format!("\"{text}\" is neither an IP address nor a host name"));
    text.parse().map_err(invalid)
}

/// A time from JavaScript. More than a duration can hold is for ever, too.
fn duration(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).unwrap_or(Duration::MAX)
}

/// A bandwidth limit; what is no count is out of its range, too.
pub fn limit(bytes_per_second: Option<i64>) -> Result<Option<Limit>, Error> {
    bytes_per_second.map(|bytes| Limit::new(u64::try_from(bytes).unwrap_or(0))).transpose()
}

/// Bytes of a name for a JavaScript string.
pub fn display_name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A count as a JavaScript number. Counts stay below 2^53, where that is exact.
pub fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A time in milliseconds as a JavaScript number.
pub fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The path that these bytes are.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have names that are no paths")]
pub fn path(bytes: &[u8]) -> Result<PathBuf, Error> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(bytes).into())
}

/// The path that these bytes are.
#[cfg(not(unix))]
pub fn path(bytes: &[u8]) -> Result<PathBuf, Error> {
    let text = str::from_utf8(bytes).map_err(|_| Error::InvalidOption("a path is not UTF-8".into()))?;
    Ok(text.into())
}
