//! What became of one entry, for a report.

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::sender::Fate;

use crate::disk;

/// What an entry is, for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Something that is none of these, or that nobody could look at.
    Other,
}

impl From<disk::EntryKind> for EntryKind {
    fn from(kind: disk::EntryKind) -> Self {
        match kind {
            disk::EntryKind::File => Self::File,
            disk::EntryKind::Folder => Self::Folder,
            disk::EntryKind::Link => Self::Link,
        }
    }
}

/// What became of one entry.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Relative to the target folder, `/`-separated, with what is not UTF-8 replaced.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; 0 for the rest.
    pub size: u64,
    /// How it ended.
    pub fate: Fate,
}

impl Settled {
    /// Why it failed, if it did.
    pub fn reason(&self) -> Option<Reason> {
        match self.fate {
            Fate::Failed(reason) => Some(reason),
            Fate::Placed(..) => None,
        }
    }

    /// The hash of what was transferred, if it was.
    pub fn hash(&self) -> Option<ContentHash> {
        match self.fate {
            Fate::Placed(_, hash) => hash,
            Fate::Failed(_) => None,
        }
    }
}
