//! Folders and links, which are made as soon as they are offered.

use std::ffi::OsStr;
use std::io;

use cap_fs_ext::MetadataExt;
use cap_std::fs::Dir;
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::{LinkTarget, Mtime, Name, PARTIALS_FOLDER};
use hawser_protocol::message::Placed;

use super::fault::sink_reason;
use super::names::os_name;
use super::place::{of_name, place};
use super::stamp::new_folder;
use super::stat::{Form, Stat};

/// Makes a folder in `parent`, or finds it there: a real one, not a link to one. Answers the name
/// it has, too. `is_target` says whether `parent` is the target folder itself.
///
/// Its mode is final but for what is needed to fill it: a session that is cut off must not leave
/// folders that only their owner can enter, since the next one finds them and keeps their mode.
///
/// # Errors
/// Why it could not be made.
pub fn make_folder(parent: &Dir, is_target: bool, name: &Name, mode: u16) -> Result<(Placed, Name), Reason> {
    let builder = new_folder(mode);
    let (placed, name) = place(
        name,
        |name| parent.create_dir_with(name, &builder).map_err(|error| of_name(parent, error)),
        |name| match Stat::named(parent, name) {
            // What is mounted there cannot be moved into: better said now than when a file is complete.
            Ok(stat) if stat.form == Form::Folder && !stat.is_on_disk_of(parent)? => {
                Err(io::ErrorKind::CrossesDevices.into())
            }
            Ok(stat) => Ok(stat.form == Form::Folder),
            Err(error) => none_if_gone(error),
        },
    )?;
    if is_target && is_own(parent, &name).map_err(|error| sink_reason(&error))? {
        if placed != Placed::Present
            && let Some(name) = os_name(&name)
        {
            // Whoever needs it meanwhile makes it again, or has something in it already.
            let _ = parent.remove_dir(name);
        }
        return Err(Reason::NameRefused);
    }
    Ok((placed, name))
}

/// Whether a folder in the target folder is our own, `.hawser`, by another name: some file systems find it without
/// regard to case, code points that nobody sees or dots at the end, or have a short name for it. No table of ours says
/// which.
fn is_own(target: &Dir, name: &Name) -> io::Result<bool> {
    let identity = |name: &OsStr| -> io::Result<(u64, u64)> {
        #[cfg(unix)]
        let found = target.symlink_metadata(name)?;
        // Windows tells it of what is open alone.
        #[cfg(not(unix))]
        let found = cap_fs_ext::DirExt::open_dir_nofollow(target, name)?.dir_metadata()?;
        Ok((found.dev(), found.ino()))
    };
    let own = match identity(PARTIALS_FOLDER.as_ref()) {
        // There is none, or a session has just removed it: then nothing is another name of it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        own => own?,
    };
    Ok(identity(os_name(name).ok_or(io::ErrorKind::InvalidFilename)?)? == own)
}

/// Gives a folder that was made its mode and time, through its handle.
///
/// # Errors
/// What the disk says.
#[cfg(unix)]
pub fn finish_folder(folder: &Dir, mode: u16, mtime: Mtime) -> Result<(), Reason> {
    let finish = || -> io::Result<()> {
        let file = readable(folder)?;
        super::stamp::set_mode(&file, mode)?;
        super::stamp::set_time(&file, mtime)?;
        // Where nothing flushes a whole disk at once, each folder is flushed by itself.
        #[cfg(not(target_os = "linux"))]
        file.sync_all()?;
        Ok(())
    };
    finish().map_err(|error| sink_reason(&error))
}

/// Windows gives no handle through which a folder's time could be set.
#[cfg(not(unix))]
pub fn finish_folder(_: &Dir, _: u16, _: Mtime) -> Result<(), Reason> {
    Ok(())
}

/// Makes a link in `parent`, `depth` folders below the target folder, or finds it there.
///
/// # Errors
/// `LinkOutside` when it leads out of the tree it came in, else why it could not be made.
pub fn make_link(parent: &Dir, depth: u16, name: &Name, target: &LinkTarget) -> Result<Placed, Reason> {
    // As many steps up as lead at most to the top folder of its tree. The source has checked the
    // same, but it is this side's disk.
    if target.ups() >= depth {
        return Err(Reason::LinkOutside);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let target = OsStr::from_bytes(target.as_bytes());
        let leads_there = |name: &Name| {
            let name = os_name(name).ok_or(io::ErrorKind::InvalidFilename)?;
            match parent.read_link_contents(name) {
                Ok(found) => Ok(found == target),
                // It is no link.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
                Err(error) => none_if_gone(error),
            }
        };
        let create = |name: &OsStr| parent.symlink_contents(target, name);
        let (placed, _) = place(name, create, leads_there)?;
        Ok(placed)
    }
    // Windows wants to know whether a link will lead to a file or a folder, and a privilege.
    #[cfg(not(unix))]
    {
        let _ = (parent, name);
        Err(Reason::UnsupportedType)
    }
}

/// What had a name may be gone by now, and then it is nothing that was looked for.
fn none_if_gone(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(error) }
}

/// Opens a folder again, for what a handle that only finds things in it cannot do.
///
/// # Errors
/// Those of the operating system.
#[cfg(unix)]
pub fn readable(folder: &Dir) -> io::Result<std::fs::File> {
    Ok(folder.open(".")?.into_std())
}
