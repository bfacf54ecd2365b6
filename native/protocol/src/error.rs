//! What can be wrong with a peer's bytes, and why an entry was not delivered.

use core::fmt;

/// The peer broke the protocol: the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// Bytes that do not have the form of what they should be.
    Malformed(&'static str),
    /// A well-formed frame that has no place in the present state.
    Unexpected(&'static str),
    /// More of something than the protocol allows.
    Limit(&'static str),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the peer sent a malformed {what}"),
            Self::Unexpected(what) => write!(f, "the peer sent an unexpected {what}"),
            Self::Limit(what) => write!(f, "the peer went over the limit for {what}"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Why one entry was not delivered. The rest of the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Reason {
    /// The source: it was there when listed and is not any more, or was never there.
    SourceGone = 1,
    /// The source: its size, time of modification or identity changed while it was read.
    SourceChanged = 2,
    /// The source: it could not be read.
    SourceUnreadable = 3,
    /// The source: neither file, folder nor symbolic link.
    UnsupportedType = 4,
    /// The source or the sink: a symbolic link that leads out of its tree.
    LinkOutside = 5,
    /// The sink: no entry may have this name here.
    NameRefused = 6,
    /// The sink: the folder it belongs in was not delivered.
    ParentFailed = 7,
    /// The sink: not permitted by its file system.
    PermissionDenied = 8,
    /// The sink: no space left, or over quota.
    DiskFull = 9,
    /// Any other error of an operating system.
    Io = 10,
    /// The sink: what arrived does not have the hash that the source computed.
    Integrity = 11,
    /// The source or the sink: more than [`crate::limits::MAX_DEPTH`] folders deep.
    TooDeep = 12,
    /// The sink: its user does not want it.
    Declined = 13,
    /// The sink: the ticket does not allow so much.
    Quota = 14,
    /// The sink: another file system is mounted at the folder it belongs in.
    OtherDisk = 15,
    /// The sink: its file system has no room for another file or folder, however small.
    NoInodes = 16,
    /// The sink: its file system can only be read.
    ReadOnly = 17,
    /// The sink: its target folder was removed.
    TargetGone = 18,
}

impl Reason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 18] = [
        Self::SourceGone,
        Self::SourceChanged,
        Self::SourceUnreadable,
        Self::UnsupportedType,
        Self::LinkOutside,
        Self::NameRefused,
        Self::ParentFailed,
        Self::PermissionDenied,
        Self::DiskFull,
        Self::Io,
        Self::Integrity,
        Self::TooDeep,
        Self::Declined,
        Self::Quota,
        Self::OtherDisk,
        Self::NoInodes,
        Self::ReadOnly,
        Self::TargetGone,
    ];

    /// The reason with this number on the wire.
    ///
    /// # Errors
    /// [`ProtocolError`] when there is none.
    pub fn from_wire(number: u16) -> Result<Self, ProtocolError> {
        let found = Self::ALL.into_iter().find(|reason| *reason as u16 == number);
        found.ok_or(ProtocolError::Malformed("reason"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SourceGone => "it is not there",
            Self::SourceChanged => "it changed while it was being read",
            Self::SourceUnreadable => "it could not be read",
            Self::UnsupportedType => "it is neither a file, a folder nor a symbolic link",
            Self::LinkOutside => "the link leads out of the folder that is being sent",
            Self::NameRefused => "the receiving side cannot use this name",
            Self::ParentFailed => "its folder could not be delivered",
            Self::PermissionDenied => "the receiving side's file system does not permit it",
            Self::DiskFull => "the receiving side's disk is full",
            Self::Io => "reading or writing it failed",
            Self::Integrity => "what arrived differs from what was read",
            Self::TooDeep => "it lies too many folders deep",
            Self::Declined => "the receiving side does not want it",
            Self::Quota => "it is beyond the quota that the receiving side has set",
            Self::OtherDisk => "the receiving side has another disk mounted there, and does not cross over",
            Self::NoInodes => "the receiving side's disk has no inodes left for more files",
            Self::ReadOnly => "the receiving side's disk can only be read",
            Self::TargetGone => "the receiving side's folder was removed meanwhile",
        })
    }
}

/// The BLAKE3 hash of a whole file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
