//! Why a session, a dial or a listener failed: one variant a cause, for whoever must act.

mod text;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hawser_protocol::error::ProtocolError;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::message::CloseCode;
use hawser_protocol::ticket::TicketError;

use crate::destination::Known;
use crate::peers::{Broken, Change, Mismatch};
pub(crate) use text::words;
use text::{escaped, time_since};

/// A failure of a whole session, dial or listener. Entries fail one by one, with a
/// [`hawser_protocol::error::Reason`], and never end a session.
#[derive(Clone, Debug)]
pub enum Error {
    /// An option is out of its range.
    InvalidOption(String),
    /// The ticket cannot be read.
    Ticket(TicketError),
    /// The ticket is for the other direction: `true` when it only lets its holder fetch.
    TicketDirection {
        /// Whether the ticket lets its holder fetch, but not send.
        pull: bool,
    },
    /// A host name of the ticket has no address.
    NameNotFound {
        /// The name.
        host: String,
    },
    /// No address of the ticket could be connected to; the last failure.
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        kind: io::ErrorKind,
        /// The system's words for it.
        text: String,
    },
    /// The listener has turned this dialler away for a while, with too many others at the door.
    Busy {
        /// Where.
        address: SocketAddr,
    },
    /// Whoever answered hung up without a word.
    HungUp {
        /// Where.
        address: SocketAddr,
    },
    /// Whoever answered did not speak hawser.
    NotHawser {
        /// Where.
        address: SocketAddr,
    },
    /// The peer speaks another version of the protocol.
    Version {
        /// The version spoken here.
        ours: u16,
        /// The version spoken there.
        theirs: u16,
    },
    /// The listener does not have the ticket's key, or does not accept its secret.
    Authentication,
    /// The listener does not show that code, or somebody else answered.
    WrongCode,
    /// The listener does not know any more whom it has let in by a code.
    CodeForgotten,
    /// The same as [`Error::Authentication`], for a ticket whose time is over.
    TicketExpired {
        /// When it ended, in seconds since 1970.
        at: u64,
    },
    /// Whoever answered has not proven to be the known listener.
    NotKnown(Box<Known>),
    /// The known listener does not let this side's key in.
    NotLetIn(Box<Known>),
    /// All lanes were lost before the end.
    Lost,
    /// The peer ended the session.
    ClosedByPeer {
        /// Why.
        code: CloseCode,
        /// In its words. Not to be shown unescaped; [`Error`]'s own words have them escaped.
        text: String,
    },
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The port is taken.
    PortInUse {
        /// Which.
        port: u16,
    },
    /// The address cannot be listened on.
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        kind: io::ErrorKind,
        /// The system's words for it.
        text: String,
    },
    /// The disk, or a path on it, is at fault.
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// Why.
        kind: io::ErrorKind,
        /// The system's words for it.
        text: String,
    },
    /// There is no ledger of the use of a ticket that is to be kept.
    NoLedger {
        /// Where it should be.
        path: String,
    },
    /// Somebody else receives into the folder.
    FolderInUse {
        /// Which.
        path: String,
    },
    /// This side's user does not want what the peer offers.
    Declined {
        /// What the peer is told.
        told: String,
        /// Why.
        reason: String,
        /// Of whoever refused it: see [`Error::cause`].
        cause: Option<u32>,
    },
    /// The ticket is for another key than the one that is known at its address.
    KeyChanged(Box<Mismatch>),
    /// A peer has introduced itself by a name that the user has given to another key.
    NameReserved(Box<Mismatch>),
    /// The file of known peers is not as it was written.
    KnownPeers {
        /// Which.
        path: String,
        /// What is wrong with it.
        broken: Broken,
    },
    /// The known peers cannot be changed like that.
    Peer(Change),
    /// Stopped by its user.
    Cancelled,
    /// Stopped for a while, by its user or because it had nothing to ask about yet: the other side may
    /// continue it.
    Parked,
    /// The dialler has opened another session in place of this one, whose lanes it had lost.
    Superseded,
    /// All lanes were lost, and no other session could be opened for so long.
    NotResumed {
        /// For how long that was tried.
        tried: Duration,
        /// What the last attempt failed by.
        last: Box<Error>,
    },
    /// The machine refused something that should always work, such as starting a thread.
    Internal(String),
}

impl Error {
    /// A disk error about `path`.
    pub(crate) fn disk(action: &'static str, path: &std::path::Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        Self::Disk { action, path, kind: error.kind(), text: words(error) }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidOption(_) => "INVALID_OPTION",
            Self::Ticket(TicketError::UnknownVersion(_)) => "VERSION_MISMATCH",
            Self::Ticket(_) => "TICKET_INVALID",
            Self::TicketDirection { .. } => "TICKET_DIRECTION",
            Self::NameNotFound { .. } => "NAME_NOT_FOUND",
            Self::Connect { kind, .. } => match kind {
                io::ErrorKind::ConnectionRefused => "CONNECTION_REFUSED",
                io::ErrorKind::TimedOut => "CONNECTION_TIMEOUT",
                _ => "UNREACHABLE",
            },
            Self::NotHawser { .. } | Self::Protocol(_) => "PROTOCOL",
            Self::Version { .. } => "VERSION_MISMATCH",
            Self::Authentication | Self::NotLetIn(_) => "AUTHENTICATION_FAILED",
            Self::WrongCode | Self::CodeForgotten => "CODE_REJECTED",
            Self::TicketExpired { .. } => "TICKET_EXPIRED",
            Self::Lost | Self::HungUp { .. } | Self::Busy { .. } => "CONNECTION_LOST",
            Self::Superseded | Self::NotResumed { .. } => "CONNECTION_LOST",
            Self::ClosedByPeer { code: CloseCode::Protocol, .. } => "PROTOCOL",
            Self::ClosedByPeer { code: CloseCode::Done | CloseCode::Away, .. } => "CONNECTION_LOST",
            Self::ClosedByPeer { .. } | Self::Declined { .. } => "REFUSED",
            Self::PortInUse { .. } => "PORT_IN_USE",
            Self::Bind { kind: io::ErrorKind::PermissionDenied, .. } => "PERMISSION_DENIED",
            Self::Bind { .. } => "ADDRESS_UNAVAILABLE",
            Self::Disk { kind, .. } => match kind {
                io::ErrorKind::NotFound => "NOT_FOUND",
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "PERMISSION_DENIED",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "DISK_FULL",
                _ => "IO",
            },
            Self::NoLedger { .. } => "NOT_FOUND",
            Self::FolderInUse { .. } => "FOLDER_IN_USE",
            Self::KeyChanged(_) | Self::NameReserved(_) | Self::NotKnown(_) => "KEY_CHANGED",
            Self::Peer(Change::Full) | Self::KnownPeers { .. } => "IO",
            Self::Peer(_) => "INVALID_OPTION",
            Self::Cancelled | Self::Parked => "CANCELLED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Of [`Error::code`] `KEY_CHANGED`: whose key was expected where, and what came in its place.
    pub fn expected(&self) -> Option<(Known, Option<PublicKey>)> {
        match self {
            Self::KeyChanged(mismatch) | Self::NameReserved(mismatch) => {
                let Mismatch { address, name, known, offered } = (**mismatch).clone();
                Some((Known { address, name: Some(name), key: known }, Some(offered)))
            }
            Self::NotKnown(known) => Some(((**known).clone(), None)),
            _ => None,
        }
    }

    /// Of [`Error::Declined`]: what whoever refused has given, to find out by it why.
    pub fn cause(&self) -> Option<u32> {
        match self {
            Self::Declined { cause, .. } => *cause,
            _ => None,
        }
    }

    /// Whether the same call may succeed later with nothing else changed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ClosedByPeer { code, .. } => {
                matches!(code, CloseCode::Cancelled | CloseCode::Local | CloseCode::Away)
            }
            Self::Connect { .. } | Self::HungUp { .. } | Self::Busy { .. } => true,
            Self::Lost | Self::Superseded | Self::NotResumed { .. } | Self::Parked => true,
            Self::PortInUse { .. } | Self::FolderInUse { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidOption(what) => f.write_str(what),
            Self::Ticket(error) => error.fmt(f),
            Self::TicketDirection { pull: true } => {
                f.write_str("this ticket is for fetching files, not for sending them")
            }
            Self::TicketDirection { pull: false } => {
                f.write_str("this ticket is for sending files, not for fetching them")
            }
            Self::NameNotFound { host } => write!(f, "the name {host} has no address"),
            Self::Connect { address, text, .. } => write!(f, "cannot connect to {address}: {text}"),
            Self::HungUp { address } => write!(
                f,
                "what answers at {address} hangs up at once: it is not hawser, or has too much to do"
            ),
            Self::Busy { address } => write!(f, "hawser at {address} has had too much to do for a minute"),
            Self::NotHawser { address } => write!(f, "what answers at {address} is not hawser"),
            Self::Version { ours, theirs } => write!(
                f,
                "the other side speaks version {theirs} of the protocol, and this side version {ours}"
            ),
            Self::Authentication => {
                f.write_str("the other side does not accept this ticket, or is not the one it was made by")
            }
            Self::WrongCode => {
                f.write_str("the code is wrong, used up or too old, or somebody else answered")
            }
            Self::TicketExpired { at } => {
                write!(f, "the ticket expired {} ago: ask for a new one", time_since(*at))
            }
            Self::CodeForgotten => f.write_str(
                "the other side does not expect this one again: it has been started again, has ended the transfer, has \
                 revoked what its code let in, or has waited for ten minutes; it takes a new code to go on",
            ),
            Self::NotKnown(known) => write!(
                f,
                "what answers at {} did not prove to be {known}: the key there has changed, or it is another machine; \
                 nothing was sent",
                known.address
            ),
            Self::NotLetIn(known) => {
                let comma = if known.name.is_some() { "," } else { "" };
                write!(f, "{known}{comma} does not let this side's key in without a ticket")
            }
            Self::Lost => f.write_str("the connection was lost before the transfer was finished"),
            Self::ClosedByPeer { code, text } => {
                f.write_str(match code {
                    CloseCode::Done => "the other side ended the session too early",
                    CloseCode::Cancelled => "the other side stopped the transfer",
                    CloseCode::Refused => "the other side refused the transfer",
                    CloseCode::Protocol => "the other side did not understand this side",
                    CloseCode::Local => "the other side could not go on",
                    CloseCode::Away => "the other side has gone away for a while",
                })?;
                if text.is_empty() { Ok(()) } else { write!(f, ": {}", escaped(text)) }
            }
            Self::Protocol(error) => error.fmt(f),
            Self::PortInUse { port } => write!(f, "port {port} is in use by another program"),
            Self::Bind { address, kind: io::ErrorKind::PermissionDenied, text } if address.port() < 1024 => write!(
                f,
                "cannot listen on {address}: {text} (a port below 1024 often needs more rights than a higher one)"
            ),
            Self::Bind { address, text, .. } => write!(f, "cannot listen on {address}: {text}"),
            Self::Disk { action, path, text, .. } => write!(f, "cannot {action} {path}: {text}"),
            Self::NoLedger { path } => write!(
                f,
                "who has used the ticket is not known without {path}: bring it back, or move the ticket away as well, \
                 and a new one is made"
            ),
            Self::FolderInUse { path } => write!(f, "another hawser is receiving into {path}"),
            Self::Declined { reason, .. } if reason.is_empty() => {
                f.write_str("the transfer was refused here")
            }
            Self::Declined { reason, .. } => write!(f, "the transfer was refused here: {reason}"),
            Self::KeyChanged(mismatch) => {
                let Mismatch { address, name, known, offered } = &**mismatch;
                let (known, offered) = (known.fingerprint(), offered.fingerprint());
                write!(
                    f,
                    "the key of {name} at {address} has changed: it was {known}, and is {offered} now; \
                     nothing was sent. When you are sure of the new one: hawser peers forget {name}"
                )
            }
            Self::NameReserved(mismatch) => {
                let Mismatch { address, name, known, offered } = &**mismatch;
                let (known, offered) = (known.fingerprint(), offered.fingerprint());
                write!(
                    f,
                    "{address} comes as {name}, whose key is {known}, but has the key {offered}; it was refused before \
                     anything was transferred. If that is another user or machine: hawser peers name {name} NEW-NAME, and \
                     this name is free. If {name} has a new key, and you are sure of it: hawser peers forget {name}"
                )
            }
            Self::KnownPeers { path, broken } => write!(
                f,
                "{path} cannot be read, and stays as it is: {broken}; mend it, or move it away to begin a new one"
            ),
            Self::Peer(change) => change.fmt(f),
            Self::Cancelled => f.write_str("the transfer was stopped"),
            Self::Parked => {
                f.write_str("the transfer was stopped for a while; the other side may continue it")
            }
            Self::Superseded => {
                f.write_str("the connection was lost, and the other side goes on over another one")
            }
            Self::NotResumed { tried, last } => {
                let seconds = tried.as_secs_f64();
                write!(f, "the connection was lost, and trying again for {seconds} s was in vain: {last}")
            }
            Self::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_spoken_of_only_where_one_is_at_fault() {
        let (kind, text) = (io::ErrorKind::PermissionDenied, "Permission denied".to_string());
        let address = "127.0.0.1:80".parse().unwrap();
        let error = Error::Bind { address, kind, text: text.clone() };
        assert_eq!(error.code(), "PERMISSION_DENIED");
        assert!(error.to_string().contains("port below 1024"), "{error}");
        let error = Error::Disk { action: "read", path: "file".into(), kind, text };
        assert_eq!(error.code(), "PERMISSION_DENIED");
        assert_eq!(error.to_string(), "cannot read file: Permission denied");
    }
}
