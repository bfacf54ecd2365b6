//! The hawser engine: sockets, threads and files around the state machines of `hawser-protocol`.
//!
//! A [`Listener`] serves sessions, [`dial`] opens one, and either gives [`Transfer`]s. Blocking
//! work runs on threads of its own; callbacks come from those threads. Nothing here knows of Node.

mod admission;
mod asking;
mod background;
mod book;
mod climb;
mod closing;
mod codes;
mod confine;
mod deadline;
mod declined;
mod delivery;
mod descriptors;
mod destination;
mod dial;
pub mod disk;
mod error;
mod job;
mod lane;
mod lanes;
mod ledger;
mod limits;
mod listener;
mod machine;
mod offer;
mod opening;
mod pace;
mod partials;
pub mod peers;
mod private_file;
mod progress;
mod protect;
mod quota;
mod rate;
mod refusals;
mod retry;
mod returns;
mod scope;
mod serve;
mod session;
mod settled;
mod sink_side;
mod sink_work;
mod sockets;
mod source_side;
mod strangers;
mod supply;
mod target;
mod transfer;
mod tune;
mod verify;
mod windows;

pub use admission::{TicketLimits, TicketUse};
pub use closing::Closing;
pub use codes::{CodeChange, ShownCode};
pub use destination::{Destination, Known};
pub use dial::{DialOptions, dial};
pub use disk::{Leftover, PartOf, Remaining, Removal};
pub use error::Error;
pub use hawser_protocol::code::{Code, CodeError};
pub use hawser_protocol::error::{ContentHash, Reason};
pub use hawser_protocol::identity::{PublicKey, StaticKey};
pub use hawser_protocol::message::Placed;
pub use hawser_protocol::sender::Fate;
pub use hawser_protocol::ticket::{Host, Permits, Ticket, TicketError};
pub use job::{Durability, Job, Requests, Work};
#[doc(hidden)]
pub use ledger::rewrite as rewrite_ledger;
#[doc(hidden)]
pub use limits::Timers;
pub use limits::{MAX_FAILED_KEPT, MAX_KEPT_BYTES};
pub use listener::{ListenOptions, Listener, listen};
pub use offer::{Offer, OfferedEntry, Offers, Totals, Verdict};
pub use pace::{Limit, MIN_LIMIT};
pub use partials::{partials, remove_partials};
pub use progress::{Phase, Progress};
pub use protect::protect_memory;
pub use refusals::{Refusal, RefusedFor};
pub use retry::Outage;
pub use scope::Scope;
pub use settled::{EntryKind, Keep, Settled};
pub use transfer::{Peer, Transfer};
pub use verify::{Change, Difference, Verification, VerifyProgress, Which, verify};
