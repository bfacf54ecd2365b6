//! Whom to dial, and how to get in.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hawser_protocol::code::Code;
use hawser_protocol::handshake::Credential;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{Host, Ticket};

use crate::Error;
use crate::peers::{Mismatch, PeerName};

/// Whom to dial.
#[derive(Clone, Debug)]
pub enum Destination {
    /// The listener that made the ticket.
    Ticket(Ticket),
    /// A listener that has this side's key on its list.
    Known {
        /// Where it is.
        host: Host,
        /// Its port.
        port: u16,
        /// The key it must prove.
        key: PublicKey,
    },
    /// A listener that shows a code, whoever it is.
    Code {
        /// Where it is.
        host: Host,
        /// Its port.
        port: u16,
        /// What it shows.
        code: Code,
        /// Who is known to listen there, by name and key: anybody else is not who was meant.
        known: Option<(PeerName, PublicKey)>,
    },
}

/// The same, as dialling takes it.
pub(crate) struct Target {
    pub hosts: Vec<Host>,
    pub port: u16,
    pub door: Door,
    /// When the ticket ends, in seconds since 1970.
    expires: Option<u64>,
}

/// How to get in.
#[derive(Clone)]
pub(crate) enum Door {
    /// The listener's key is known.
    Known { key: PublicKey, credential: Credential },
    /// Only a code is, and perhaps who it was the last time.
    Code { code: Code, known: Option<(PeerName, PublicKey)> },
}

impl From<Destination> for Target {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Ticket(ticket) => Self {
                hosts: ticket.addresses().to_vec(),
                port: ticket.port(),
                expires: ticket.expires(),
                door: Door::Known {
                    key: ticket.key(),
                    credential: Credential::Ticket(ticket.secret().clone()),
                },
            },
            Destination::Known { host, port, key } => {
                let door = Door::Known { key, credential: Credential::Known };
                Self { hosts: vec![host], port, expires: None, door }
            }
            Destination::Code { host, port, code, known } => {
                Self { hosts: vec![host], port, expires: None, door: Door::Code { code, known } }
            }
        }
    }
}

impl Door {
    /// Whether whoever has proven to be behind it, and to have the key `offered`, is not somebody else than is known there.
    ///
    /// # Errors
    /// [`Error::KeyChanged`].
    pub fn vet(&self, address: SocketAddr, offered: PublicKey) -> Result<(), Error> {
        match self {
            Self::Code { known: Some((name, known)), .. } if *known != offered => {
                let (address, name, known) = (address.to_string(), name.clone(), *known);
                Err(Error::KeyChanged(Box::new(Mismatch { address, name, known, offered })))
            }
            _ => Ok(()),
        }
    }
}

impl Target {
    /// Why a listener that turned this side away may have done so.
    pub fn explain(&self, error: Error) -> Error {
        match (error, &self.door, self.expires) {
            (Error::Authentication, Door::Code { .. }, _) => Error::WrongCode,
            (Error::Authentication, _, Some(at)) if is_over(at) => Error::TicketExpired { at },
            (Error::Authentication, Door::Known { key, credential: Credential::Known }, _) => {
                Error::NotKnown { fingerprint: key.fingerprint() }
            }
            (error, ..) => error,
        }
    }
}

/// Whether a time in seconds since 1970 has come.
pub(crate) fn is_over(at: u64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or(Duration::ZERO).as_secs() >= at
}
