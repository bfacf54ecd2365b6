//! Where things get their names: the one place where anything appears in a target folder.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;
use hawser_protocol::error::Reason;
use hawser_protocol::manifest::Name;
use hawser_protocol::message::Placed;

use super::fault::{naming_reason, sink_reason};
use super::names::{numbered, os_name};
use super::stamp::new_file;

/// Names tried for one entry. Each costs a call of the system, and a peer may send one name many
/// times.
const MAX_COPIES: u32 = 1000;

/// Gives an entry a name that is free: its own, or else numbered ones.
///
/// `create` makes it appear under a name in one step that fails with `AlreadyExists` when anything
/// has that name: the disk is the judge, and nobody looks first. `same` says whether what has the
/// name is the entry itself: one that cannot tell is no reason for a copy. Answers the name it has,
/// too.
///
/// # Errors
/// What `create` or `same` says, as the reason for the entry; `NameRefused` when all names are taken.
pub fn place(
    name: &Name,
    mut create: impl FnMut(&OsStr) -> io::Result<()>,
    mut same: impl FnMut(&Name) -> io::Result<bool>,
) -> Result<(Placed, Name), Reason> {
    for number in 1..=MAX_COPIES {
        let candidate = match number {
            1 => name.clone(),
            _ => numbered(name, number).ok_or(Reason::NameRefused)?,
        };
        match create(os_name(&candidate).ok_or(Reason::NameRefused)?) {
            Ok(()) if number == 1 => return Ok((Placed::AsNamed, candidate)),
            Ok(()) => return Ok((Placed::Renamed(candidate.clone()), candidate)),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(naming_reason(&error)),
            Err(_) => {
                if same(&candidate).map_err(|error| sink_reason(&error))? {
                    return Ok((Placed::Present, candidate));
                }
            }
        }
    }
    Err(Reason::NameRefused)
}

/// Moves the file `part` of `partials` to `name` in `folder`, replacing nothing.
///
/// # Errors
/// `AlreadyExists` when anything has the name, else those of the operating system.
pub fn move_without_replacing(partials: &Dir, part: &str, folder: &Dir, name: &OsStr) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(partials, part, folder, name, RenameFlags::NOREPLACE) {
            // The file system, or the kernel, does not know the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
    }
    move_by_link(partials, part, folder, name)
}

/// Like [`move_without_replacing`], for file systems that cannot do it in one step.
fn move_by_link(partials: &Dir, part: &str, folder: &Dir, name: &OsStr) -> io::Result<()> {
    match partials.hard_link(part, folder, name) {
        Ok(()) => partials.remove_file(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Without hard links, such as on FAT.
        Err(_) => move_over_claim(partials, part, folder, name),
    }
}

/// Claims the name with an empty file, then replaces that.
///
/// For a moment an empty file has the name, and whatever another process put in its stead just
/// then would be replaced: the price of a file system that offers nothing better.
fn move_over_claim(partials: &Dir, part: &str, folder: &Dir, name: &OsStr) -> io::Result<()> {
    drop(folder.open_with(name, &new_file(0)).map_err(|error| of_name(folder, error))?);
    partials.rename(part, folder, name).or_else(|error| {
        folder.remove_file(name)?;
        Err(error)
    })
}

/// What a new name in `folder` was refused by: where the folder is there, what is not found is a way to
/// write the name on that disk. exFAT in user space says so.
pub fn of_name(folder: &Dir, error: io::Error) -> io::Error {
    let is_there = || {
        #[cfg(unix)]
        return folder.dir_metadata().is_ok_and(|found| cap_std::fs::MetadataExt::nlink(&found) > 0);
        #[cfg(not(unix))]
        folder.dir_metadata().is_ok()
    };
    if error.kind() == io::ErrorKind::NotFound && is_there() {
        return io::ErrorKind::InvalidFilename.into();
    }
    error
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use cap_std::ambient_authority;

    use super::*;

    type Move = fn(&Dir, &str, &Dir, &OsStr) -> io::Result<()>;
    const MOVES: [Move; 3] = [move_without_replacing, move_by_link, move_over_claim];

    fn open(path: &Path) -> Dir {
        fs::create_dir(path).unwrap();
        fs::write(path.join("part"), b"new").unwrap();
        Dir::open_ambient_dir(path, ambient_authority()).unwrap()
    }

    #[test]
    fn every_way_to_move_a_file_moves_it() {
        for go in MOVES {
            let home = tempfile::tempdir().unwrap();
            let folder = open(&home.path().join("folder"));
            go(&folder, "part", &folder, "file".as_ref()).unwrap();
            assert_eq!(fs::read(home.path().join("folder/file")).unwrap(), b"new");
            assert!(!home.path().join("folder/part").exists());
        }
    }

    #[test]
    fn no_way_to_move_a_file_replaces_anything() {
        let plants: [fn(&Path); 3] = [
            |path| fs::write(path, b"old").unwrap(),
            |path| fs::create_dir(path).unwrap(),
            #[cfg(unix)]
            |path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
            #[cfg(not(unix))]
            |path| fs::write(path, b"").unwrap(),
        ];
        for go in MOVES {
            for plant in plants {
                let home = tempfile::tempdir().unwrap();
                let folder = open(&home.path().join("folder"));
                let file = home.path().join("folder/file");
                plant(&file);
                let before = file.symlink_metadata().unwrap();
                let error = go(&folder, "part", &folder, "file".as_ref()).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
                let after = file.symlink_metadata().unwrap();
                assert_eq!((after.file_type(), after.len()), (before.file_type(), before.len()));
                assert!(home.path().join("folder/part").exists());
            }
        }
    }

    #[test]
    fn what_cannot_be_looked_at_gets_no_copy_beside_it() {
        let name = Name::new(b"name").unwrap();
        let taken = |_: &OsStr| Err(io::ErrorKind::AlreadyExists.into());
        let blind = |_: &Name| Err(io::Error::from_raw_os_error(24));
        assert_eq!(place(&name, taken, blind), Err(Reason::Io));
    }

    #[test]
    fn a_claim_whose_move_fails_is_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let folder = open(&home.path().join("folder"));
        assert!(move_over_claim(&folder, "missing", &folder, "file".as_ref()).is_err());
        assert!(!home.path().join("folder/file").exists());
    }
}
