//! What a report says about an entry.

use hawser_protocol::manifest::Kind;

/// File, folder or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
}

impl From<&Kind> for EntryKind {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::File { .. } => Self::File,
            Kind::Folder => Self::Folder,
            Kind::Link { .. } => Self::Link,
        }
    }
}

/// An entry as a person is told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Below the target folder, names joined by "/", what is not UTF-8 replaced. Not yet escaped
    /// for a terminal.
    pub path: String,
    /// File, folder or link.
    pub kind: EntryKind,
    /// Bytes; 0 for folders and links.
    pub size: u64,
}
