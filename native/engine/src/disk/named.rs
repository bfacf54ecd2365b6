//! What a user named, resolved once.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use hawser_protocol::error::Reason;

use super::fault::source_reason;
use super::names::entry_name;

/// A path that a user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The last name in the path as given, and the whole path when that ends in none.
    pub shown: String,
    /// What it leads to, or why to nothing.
    pub found: Result<Found, Reason>,
}

/// The place that a named path leads to. Equal places are one place, however they were named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The real path of its folder.
    pub parent: PathBuf,
    /// Its name there.
    pub name: OsString,
    /// The name of the link that the user named instead.
    pub alias: Option<OsString>,
}

impl Named {
    /// Resolves `path` against the current folder.
    ///
    /// Whoever names a link means what it leads to. A trailing slash means nothing, and `.` and
    /// `..` mean a folder by its real name.
    ///
    /// # Errors
    /// `InvalidInput` for an empty path and for the root folder, which has no name to be sent by.
    pub fn resolve(path: &Path) -> io::Result<Self> {
        // By components, or a slash at the end would have the system insist on a folder.
        let given: PathBuf = std::path::absolute(path)?.components().collect();
        let last = given.file_name();
        let shown = last.map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into_owned();
        let found = match real_place(&given) {
            Ok(real) => {
                let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the root folder cannot be sent",
                    ));
                };
                let alias = last.filter(|last| *last != name).map(OsString::from);
                Ok(Found { parent: parent.to_owned(), name: name.to_owned(), alias })
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Reason::SourceUnreadable),
            // Links that lead nowhere, or in circles, count as not there.
            Err(_) => Err(Reason::SourceGone),
        };
        Ok(Self { shown, found })
    }

    /// Whether it can be sent, as far as can be told without opening it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Reason> {
        let found = self.found.as_ref().map_err(|reason| *reason)?;
        entry_name(&found.name).ok_or(Reason::NameRefused)?;
        let path = found.parent.join(&found.name);
        let metadata = path.symlink_metadata().map_err(|error| source_reason(&error))?;
        if !(metadata.is_file() || metadata.is_dir()) {
            return Err(Reason::UnsupportedType);
        }
        readable(&path, metadata.is_dir()).map_err(|error| source_reason(&error))
    }
}

#[cfg(unix)]
fn readable(path: &Path, is_folder: bool) -> io::Result<()> {
    use rustix::fs::Access;
    let search = if is_folder { Access::EXEC_OK } else { Access::empty() };
    Ok(rustix::fs::access(path, Access::READ_OK | search)?)
}

#[cfg(not(unix))]
fn readable(_: &Path, _: bool) -> io::Result<()> {
    Ok(())
}

/// The path without links. A name that is not itself a link is kept as given: on a disk that
/// ignores case the user's spelling is as good as any.
fn real_place(given: &Path) -> io::Result<PathBuf> {
    match (given.parent(), given.file_name()) {
        (Some(parent), Some(name)) if !given.symlink_metadata()?.is_symlink() => {
            Ok(parent.canonicalize()?.join(name))
        }
        _ => given.canonicalize(),
    }
}
