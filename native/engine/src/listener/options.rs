//! How a listener is asked for.

use std::net::IpAddr;
use std::path::PathBuf;

use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::ticket::Ticket;

use crate::admission::TicketLimits;
use crate::job::Job;
use crate::limits::Timers;
use crate::peers::PeerName;

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// What to do with files in every session.
    pub job: Job,
    /// Addresses to bind; none: every address of both families.
    pub bind: Vec<IpAddr>,
    /// The port, 0 for any free one; `None`: that of `ticket`, or else any free one.
    pub port: Option<u16>,
    /// Addresses or names to put into the ticket, 1 to 8.
    pub advertise: Vec<String>,
    /// Who it is; `None`: somebody new.
    pub identity: Option<StaticKey>,
    /// A ticket of an earlier listener of the same identity: whoever holds it is let in again.
    pub ticket: Option<Ticket>,
    /// Up to where the ticket goes; of one that is kept, it says itself when it expires.
    pub ticket_limits: TicketLimits,
    /// A file that remembers the use of the ticket for a later listener.
    pub ledger: Option<PathBuf>,
    /// Keys of peers that need no ticket.
    pub allow: Vec<PublicKey>,
    /// Whether to let in whoever knows a short code, see [`Listener::on_code`](crate::Listener::on_code).
    pub codes: bool,
    /// Names that belong to keys: whoever comes by one of them with another key is refused.
    pub reserved: Vec<(PeerName, PublicKey)>,
    /// How long its sessions wait for their peers. Only a test has a reason to change that.
    #[doc(hidden)]
    pub timers: Timers,
}

impl ListenOptions {
    /// To do `job` for whoever has the ticket, at any free port of every address.
    pub fn new(job: Job) -> Self {
        Self {
            job,
            bind: Vec::new(),
            port: None,
            advertise: Vec::new(),
            identity: None,
            ticket: None,
            ticket_limits: TicketLimits::default(),
            ledger: None,
            allow: Vec::new(),
            codes: false,
            reserved: Vec::new(),
            timers: Timers::default(),
        }
    }
}
