//! What the disk says about a file.

use std::fs::File;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, Metadata};
use hawser_protocol::manifest::{Mtime, Name};

use super::names::os_name;

/// What a name stands for, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    File,
    Folder,
    Link,
    /// Device, FIFO, socket and whatever else there may be.
    Other,
}

/// What distinguishes one content of one file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Bytes.
    pub size: u64,
    pub mtime: Mtime,
    /// Device and inode. Windows gives them for open files alone, so there they are left out.
    identity: (u64, u64),
}

impl Version {
    /// Whether both are of the same file, whatever is in it.
    #[cfg(unix)]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

/// One look at a file, folder or link.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub form: Form,
    pub version: Version,
    /// Permission bits, `0o777` at most.
    pub mode: u16,
}

impl Stat {
    /// Looks at `name` in `folder`.
    ///
    /// # Errors
    /// Those of the operating system, and `InvalidFilename` for a name that it cannot have.
    pub fn named(folder: &Dir, name: &Name) -> io::Result<Self> {
        let name = os_name(name).ok_or(io::ErrorKind::InvalidFilename)?;
        Self::new(&folder.symlink_metadata(name)?)
    }

    /// Looks at an open file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(file: &File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?)
    }

    /// Whether it is on the file system that `folder` is on.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn is_on_disk_of(&self, folder: &Dir) -> io::Result<bool> {
        let (disk, _) = identity(&folder.dir_metadata()?);
        Ok(self.version.identity.0 == disk)
    }

    fn new(metadata: &Metadata) -> io::Result<Self> {
        let form = match metadata.file_type() {
            kind if kind.is_file() => Form::File,
            kind if kind.is_dir() => Form::Folder,
            kind if kind.is_symlink() => Form::Link,
            _ => Form::Other,
        };
        let mtime = mtime_of(metadata.modified()?.into_std());
        let version = Version { size: metadata.len(), mtime, identity: identity(metadata) };
        Ok(Self { form, version, mode: mode(metadata) })
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use cap_std::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u16 {
    use cap_std::fs::MetadataExt;
    (metadata.mode() & 0o777) as u16
}

/// Windows has no such bits; what a sink on Unix then gives is what its umask leaves of these.
#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> u16 {
    if metadata.is_dir() { 0o777 } else { 0o666 }
}

/// The time as the wire has it.
pub fn mtime_of(time: SystemTime) -> Mtime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Mtime { seconds: since.as_secs().cast_signed(), nanoseconds: since.subsec_nanos() },
        Err(before) => {
            // Counted backwards from 1970; the wire counts nanoseconds forwards from the second.
            let before = before.duration();
            let borrowed = u32::from(before.subsec_nanos() > 0);
            let seconds = before.as_secs().cast_signed().saturating_add(borrowed.into()).saturating_neg();
            Mtime { seconds, nanoseconds: borrowed * 1_000_000_000 - before.subsec_nanos() }
        }
    }
}
