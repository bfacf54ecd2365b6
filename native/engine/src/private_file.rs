//! Files for their owner alone that are replaced as a whole, or added to, and the locks beside them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::opening::random;

/// Opens the file beside the one at `path` that is locked by whoever may replace that. Not that file itself, which is
/// replaced; and it stays, for another who waits for it would else hold one that has no name any more.
///
/// # Errors
/// Those of the operating system; also where a link has its name.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    privately(following_no_link(&mut options)).open(path.with_added_extension("lock"))
}

/// Adds bytes to the file at `path` and flushes them; `false`, and nothing is, when that is not the one with so many
/// bytes that it was.
///
/// # Errors
/// Those of the operating system; also where a link has its name. Some of the bytes may be there then.
pub(crate) fn add(path: &Path, length: u64, bytes: &[u8]) -> io::Result<bool> {
    let mut file = following_no_link(OpenOptions::new().append(true)).open(path)?;
    let is_it = file.metadata().is_ok_and(|found| found.is_file() && found.len() == length);
    if is_it {
        file.write_all(bytes).and_then(|()| file.sync_data())?;
    }
    Ok(is_it)
}

/// How the names of files end that are still being written: as nobody calls a file of his own.
const UNFINISHED: &str = ".unfinished";

/// Puts a file with these bytes in the place of the one at `path`: on the disk before it has the name. What is there
/// afterwards is the old or the new one, also after a loss of power; a link there is replaced, and not followed.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mark = u64::from_ne_bytes(random().map_err(io::Error::other)?);
    let written = path.with_added_extension(format!("{mark:016x}{UNFINISHED}"));
    let mut file = privately(OpenOptions::new().write(true).create_new(true)).open(&written)?;
    let replaced = file.write_all(bytes).and_then(|()| file.sync_all());
    // Closed first: Windows renames no file that somebody writes.
    drop(file);
    let replaced = replaced.and_then(|()| fs::rename(&written, path));
    if replaced.is_err() {
        // Whether or not it goes away: the reason for that is the same.
        let _ = fs::remove_file(&written);
    }
    replaced?;
    flush_folder(path)
}

/// Nor does it wait for somebody who reads, as in a pipe.
#[cfg(unix)]
fn following_no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
}

#[cfg(not(unix))]
fn following_no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Removes what writers that were killed have left of files for the place of the one at `path`. To be called by
/// whoever holds the lock: nobody else is writing one.
pub(crate) fn clear_unfinished(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_unfinished = |found: &OsStr| {
        let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let mark = rest.and_then(|rest| rest.strip_prefix(b"."));
        let mark = mark.and_then(|mark| mark.strip_suffix(UNFINISHED.as_bytes()));
        mark.is_some_and(|mark| mark.len() == 16 && mark.iter().all(u8::is_ascii_hexdigit))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_unfinished(&entry.file_name())) {
        // What cannot be removed is in nobody's way.
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(unix)]
fn privately(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

/// Files of a user's own folders are for that user alone already.
#[cfg(not(unix))]
fn privately(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn flush_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()
    })
}

/// Folders cannot be flushed.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail")]
fn flush_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
