//! The manifest: the list of entries a source offers, in pages.
//!
//! docs/protocol.md, "Manifest".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{ProtocolError, Reason};
use crate::limits::{MAX_NAME_BYTES, MAX_PATH_BYTES};
use crate::wire::{Reader, put_bytes, put_u16, put_u32, put_u64};

/// The number of an entry: 1, 2, 3, … in the order offered. 0 is the target folder itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

impl EntryId {
    /// The target folder, parent of what the source's user named.
    pub const ROOT: Self = Self(0);
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One component of a path: 1 to 255 bytes, without separator or NUL, neither `.` nor `..`, and
/// not hawser's own folder. Whether the disk takes it is for the disk to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// The folder inside a target that holds part files; no entry may have this name.
pub const PARTIALS_FOLDER: &str = ".hawser";

impl Name {
    /// Judges `bytes`; `None` when no entry may be called that.
    ///
    /// A backslash is an ordinary byte here; a sink whose system separates paths with it refuses
    /// it by itself.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let allowed = !bytes.is_empty()
            && bytes.len() <= MAX_NAME_BYTES
            && !matches!(bytes, b"." | b"..")
            && !bytes.iter().any(|&byte| byte == b'/' || byte == 0)
            && !bytes.eq_ignore_ascii_case(PARTIALS_FOLDER.as_bytes());
        allowed.then(|| Self(bytes.into()))
    }

    /// The bytes as the source's file system has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(&self.0))
    }
}

/// The target of a symbolic link that stays inside its tree: relative, `..` only at its start.
///
/// With `..` only at the start, what the target means does not depend on other links: each leads
/// from a real folder upwards by a known number of steps, and from there only downwards.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LinkTarget {
    bytes: Box<[u8]>,
    ups: u16,
}

impl LinkTarget {
    /// Judges `bytes`; `None` when it is empty, absolute, too long, or goes up after going down.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > MAX_PATH_BYTES || bytes.contains(&0) {
            return None;
        }
        let mut ups: u16 = 0;
        let mut down = false;
        for (index, part) in bytes.split(|&byte| byte == b'/').enumerate() {
            match part {
                b"" if index == 0 => return None,
                b"" | b"." => {}
                b".." if down => return None,
                b".." => ups = ups.checked_add(1)?,
                _ => down = true,
            }
        }
        Some(Self { bytes: bytes.into(), ups })
    }

    /// The target's bytes, as the link holds them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many folders up from the link's own folder the target starts.
    pub fn ups(&self) -> u16 {
        self.ups
    }
}

impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(&self.bytes))
    }
}

/// A time of modification: seconds since 1970-01-01 UTC, and nanoseconds after that second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtime {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// What an entry is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes.
    File {
        /// Bytes, as the walk found it.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: LinkTarget,
    },
}

/// One file, folder or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The folder it is in.
    pub parent: EntryId,
    /// Its name there.
    pub name: Name,
    /// File, folder or link.
    pub kind: Kind,
    /// Permission bits, `0o777` at most. Meaningless for links.
    pub mode: u16,
    /// When its content was last modified.
    pub mtime: Mtime,
}

/// One item of a page as it was read off the wire, its names not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An entry, whose number is the next one.
    Entry(Box<RawEntry>),
    /// The walk has left this folder: nothing more will be offered in it.
    Leave(EntryId),
}

/// An entry whose name, and target if it is a link, are bytes that nobody has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The folder it is in.
    pub parent: EntryId,
    /// Its name, any bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: RawKind,
    /// Permission bits.
    pub mode: u16,
    /// When its content was last modified.
    pub mtime: Mtime,
}

impl RawEntry {
    /// Judges what only the bytes can tell. The disk has the last word.
    ///
    /// # Errors
    /// [`Reason::NameRefused`], [`Reason::LinkOutside`].
    pub fn judge(&self) -> Result<Entry, Reason> {
        let name = Name::new(&self.name).ok_or(Reason::NameRefused)?;
        let kind = match &self.kind {
            RawKind::File { size } => Kind::File { size: *size },
            RawKind::Folder => Kind::Folder,
            RawKind::Link { target } => {
                Kind::Link { target: LinkTarget::new(target).ok_or(Reason::LinkOutside)? }
            }
        };
        Ok(Entry { parent: self.parent, name, kind, mode: self.mode, mtime: self.mtime })
    }
}

/// [`Kind`] with a link's target not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawKind {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link.
    Link {
        /// Any bytes.
        target: Vec<u8>,
    },
}

const LEAVE: u8 = 0;
const FILE: u8 = 1;
const FOLDER: u8 = 2;
const LINK: u8 = 3;

/// Appends `entry` to a page.
pub fn put_entry(page: &mut Vec<u8>, entry: &Entry) {
    page.push(match entry.kind {
        Kind::File { .. } => FILE,
        Kind::Folder => FOLDER,
        Kind::Link { .. } => LINK,
    });
    put_u32(page, entry.parent.0);
    put_bytes(page, entry.name.as_bytes());
    put_u16(page, entry.mode);
    put_u64(page, entry.mtime.seconds.cast_unsigned());
    put_u32(page, entry.mtime.nanoseconds);
    match &entry.kind {
        Kind::File { size } => put_u64(page, *size),
        Kind::Folder => {}
        Kind::Link { target } => put_bytes(page, target.as_bytes()),
    }
}

/// Appends to a page that the walk has left `folder`.
pub fn put_leave(page: &mut Vec<u8>, folder: EntryId) {
    page.push(LEAVE);
    put_u32(page, folder.0);
}

/// Reads a whole page.
///
/// # Errors
/// [`ProtocolError`] when the bytes are not a page. Names are not judged here: one bad name
/// refuses one entry, not the session.
pub fn read_page(page: &[u8]) -> Result<Vec<Item>, ProtocolError> {
    let mut reader = Reader::new(page);
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.push(read_item(&mut reader)?);
    }
    Ok(items)
}

fn read_item(reader: &mut Reader<'_>) -> Result<Item, ProtocolError> {
    let tag = reader.u8()?;
    let id = EntryId(reader.u32()?);
    if tag == LEAVE {
        return Ok(Item::Leave(id));
    }
    let name = reader.bytes(MAX_PATH_BYTES)?.to_vec();
    let mode = reader.u16()?;
    let seconds = reader.u64()?.cast_signed();
    let nanoseconds = reader.u32()?;
    if mode > 0o777 || nanoseconds > 999_999_999 {
        return Err(ProtocolError::Malformed("manifest entry"));
    }
    let kind = match tag {
        FILE => RawKind::File { size: reader.u64()? },
        FOLDER => RawKind::Folder,
        LINK => RawKind::Link { target: reader.bytes(MAX_PATH_BYTES)?.to_vec() },
        _ => return Err(ProtocolError::Malformed("manifest item")),
    };
    let mtime = Mtime { seconds, nanoseconds };
    Ok(Item::Entry(Box::new(RawEntry { parent: id, name, kind, mode, mtime })))
}
