//! What an error of the operating system means for one entry.

use std::io;
use std::io::ErrorKind;

use hawser_protocol::error::Reason;

/// Why an entry could not be written.
pub fn sink_reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Reason::DiskFull,
        ErrorKind::PermissionDenied => Reason::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem => Reason::ReadOnly,
        ErrorKind::CrossesDevices => Reason::OtherDisk,
        _ => Reason::Io,
    }
}

/// Whether a file that failed for `reason` may be finished when this side's disk is in order again.
pub fn is_of_this_disk(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::DiskFull | Reason::NoInodes | Reason::Io | Reason::PermissionDenied | Reason::ReadOnly
    )
}

/// Why an entry could not be given its name: what a file system says of names that it cannot hold
/// comes on top.
pub fn naming_reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Reason::NameRefused,
        _ if is(error, ILLEGAL_SEQUENCE) => Reason::NameRefused,
        _ => sink_reason(error),
    }
}

/// Why the folder of an entry could not be entered: what should be a folder is gone, or is a link
/// or a file by now.
pub fn entering_reason(error: &io::Error) -> Reason {
    match sink_reason(error) {
        Reason::Io => Reason::ParentFailed,
        reason => reason,
    }
}

/// Why an entry could not be read.
pub fn source_reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::NotFound => Reason::SourceGone,
        // A link or a file where a folder was walked, or the reverse.
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => Reason::SourceChanged,
        _ if is(error, LINK) => Reason::SourceChanged,
        _ => Reason::SourceUnreadable,
    }
}

/// `ELOOP`: a link stood where none is followed. Its kind in `std` is not stable yet.
#[cfg(unix)]
const LINK: Option<i32> = Some(rustix::io::Errno::LOOP.raw_os_error());
/// `EILSEQ`: macOS takes no name that is not UTF-8.
#[cfg(unix)]
const ILLEGAL_SEQUENCE: Option<i32> = Some(rustix::io::Errno::ILSEQ.raw_os_error());
#[cfg(not(unix))]
const LINK: Option<i32> = None;
#[cfg(not(unix))]
const ILLEGAL_SEQUENCE: Option<i32> = None;

fn is(error: &io::Error, number: Option<i32>) -> bool {
    number.is_some() && error.raw_os_error() == number
}
