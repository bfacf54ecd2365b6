//! What the disk says about a file, and the mode and time that a file is given.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, Metadata};
use hawser_protocol::manifest::Mtime;

use super::names::os_name;
use hawser_protocol::manifest::Name;

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

/// The mode to create something with that shall end up with `mode`: whoever owns it can still
/// fill it.
///
/// Creating with it, rather than setting it later, leaves umask and default ACLs to the kernel,
/// which alone knows them without a race.
pub fn mode_while_filled(mode: u16, form: Form) -> u32 {
    u32::from(mode & 0o777) | if form == Form::Folder { 0o700 } else { 0o600 }
}

/// Gives a file or folder that was created with [`mode_while_filled`] its mode and its time.
///
/// The mode only ever loses bits here, so even a handle that someone managed to exchange could
/// not be opened up to anybody.
///
/// # Errors
/// Those of the operating system.
pub fn finish(file: &File, form: Form, mode: u16, mtime: Mtime) -> io::Result<()> {
    #[cfg(unix)]
    if u32::from(mode & 0o777) != mode_while_filled(mode, form) {
        use std::os::unix::fs::PermissionsExt;
        let kept = file.metadata()?.permissions().mode() & u32::from(mode & 0o777);
        file.set_permissions(std::fs::Permissions::from_mode(kept))?;
    }
    #[cfg(not(unix))]
    let _ = (form, mode);
    file.set_modified(time_of(mtime))
}

fn mtime_of(time: SystemTime) -> Mtime {
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

/// The time, or 1970 when this system cannot represent it: a peer's nonsense is no reason to lose
/// the file.
fn time_of(mtime: Mtime) -> SystemTime {
    let seconds = Duration::from_secs(mtime.seconds.unsigned_abs());
    let second = match mtime.seconds {
        0.. => UNIX_EPOCH.checked_add(seconds),
        _ => UNIX_EPOCH.checked_sub(seconds),
    };
    let nanoseconds = Duration::from_nanos(mtime.nanoseconds.into());
    second.and_then(|second| second.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_both_ways_before_and_after_1970() {
        for (seconds, nanoseconds) in [(0, 0), (0, 1), (-1, 0), (-1, 999_999_999), (-2, 1), (1 << 40, 5)] {
            let mtime = Mtime { seconds, nanoseconds };
            assert_eq!(mtime_of(time_of(mtime)), mtime);
        }
    }

    #[test]
    fn the_most_extreme_times_do_no_harm() {
        for seconds in [i64::MIN, i64::MAX] {
            for nanoseconds in [0, 999_999_999, u32::MAX] {
                mtime_of(time_of(Mtime { seconds, nanoseconds }));
            }
        }
    }
}
