//! Whom to dial, and how to get in.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hawser_protocol::code::Code;
use hawser_protocol::handshake::Credential;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{Host, Ticket};

use crate::Error;
use crate::peers::{Address, Mismatch, PeerName};

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
        /// By which name that key is known here, for errors.
        name: Option<PeerName>,
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

/// A listener that is dialled by its key.
#[derive(Clone, Debug)]
pub struct Known {
    /// Where it should be.
    pub address: String,
    /// By which name the key is known here.
    pub name: Option<PeerName>,
    /// The key that it must prove.
    pub key: PublicKey,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.fingerprint();
        match &self.name {
            Some(name) => write!(f, "{name}, whose key is {key}"),
            None => write!(f, "the peer with the key {key}"),
        }
    }
}

/// The same, as dialling takes it.
pub(crate) struct Target {
    pub hosts: Vec<Host>,
    pub port: u16,
    pub door: Door,
    /// When the ticket ends, in seconds since 1970.
    expires: Option<u64>,
    /// By which name the listener is known here, if it is dialled by that.
    name: Option<PeerName>,
    /// Whether it was a code by which it was met.
    by_code: bool,
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
                name: None,
                by_code: false,
                door: Door::Known {
                    key: ticket.key(),
                    credential: Credential::Ticket(ticket.secret().clone()),
                },
            },
            Destination::Known { host, port, key, name } => {
                let door = Door::Known { key, credential: Credential::Known };
                Self { hosts: vec![host], port, expires: None, name, by_code: false, door }
            }
            Destination::Code { host, port, code, known } => {
                let door = Door::Code { code, known };
                Self { hosts: vec![host], port, expires: None, name: None, by_code: true, door }
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
            (Error::Authentication, ..) if self.by_code => Error::CodeForgotten,
            (Error::Authentication, _, Some(at)) if is_over(at) => Error::TicketExpired { at },
            (Error::Authentication, ..) => self.known().map_or(Error::Authentication, Error::NotKnown),
            (error, ..) => error,
        }
    }

    /// The same for one that has proven to be the right one.
    pub fn explain_refusal(&self, error: Error) -> Error {
        match error {
            Error::Authentication => self.known().map_or(error, Error::NotLetIn),
            error => error,
        }
    }

    /// Who it must be, where its key is all that this side has.
    fn known(&self) -> Option<Box<Known>> {
        match (&self.door, self.hosts.first()) {
            (Door::Known { key, credential: Credential::Known }, Some(host)) => {
                let address = Address { host: host.clone(), port: self.port }.to_string();
                Some(Box::new(Known { address, name: self.name.clone(), key: *key }))
            }
            _ => None,
        }
    }
}

/// Whether a time in seconds since 1970 has come.
pub(crate) fn is_over(at: u64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or(Duration::ZERO).as_secs() >= at
}
