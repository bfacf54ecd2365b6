//! Files and folders: reading what is sent, writing what arrives.
//!
//! A wire path is a list of names and never becomes a path string again. The folders a user names
//! are opened once; from there every step is one name relative to a held handle, following no
//! link, so nothing that a peer sends or that another process does meanwhile leads outside.
//! docs/protocol.md, "The disk".
//!
//! [`Source`] walks and reads, [`Sink`] decides, writes and places. Several lanes call both at
//! once: locks are held for a look into a table or a call of the system, never while bytes of a
//! file are read, hashed or written.

mod checking;
mod claim;
mod existing;
mod fault;
mod flush;
mod folders;
mod hash;
mod held;
mod incoming;
mod info;
mod journal;
mod kept;
mod leftover;
mod listing;
mod made;
mod named;
mod names;
mod outgoing;
mod part_file;
mod partials;
mod place;
mod recheck;
mod record;
mod record_line;
mod records;
mod regular;
mod sink;
mod source;
mod source_file;
mod space;
mod stamp;
mod stat;
mod stored;
mod walk;

pub use checking::Checked;
pub(crate) use claim::open_target;
pub use claim::{Claim, Taken};
pub(crate) use folders::{Folders, Location};
pub use hash::{ChunkHash, TreeHash, chunk_length};
pub use incoming::Completed;
pub use info::{EntryKind, Info};
#[doc(hidden)]
pub use journal::read as read_journal;
pub use leftover::{Leftover, PartOf, Remaining, Removal};
pub(crate) use leftover::{Leftovers, remove_empty_folders};
pub(crate) use named::Named;
pub(crate) use recheck::{Recheck, Verdict, check};
pub(crate) use record::date;
#[doc(hidden)]
pub use record_line::{line as record_line, parse as parse_record_line};
pub(crate) use records::{Delivered, Records};
pub use sink::{Decision, Sink};
pub use source::Source;
pub use walk::{Manifest, Skipped, Stopped};
