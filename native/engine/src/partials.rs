//! The part files that sessions have left in a target: listed and removed.

use std::io;
use std::path::Path;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::Error;
use crate::background::work;
use crate::disk::{Claim, Leftover, Leftovers, Removal, remove_empty_folders};

/// Lists what past and running sessions have of unfinished files in `directory`, in order of what they
/// are part of. Calls `finished` once, from a thread of its own. Changes nothing.
///
/// # Errors
/// [`Error::Internal`] when no thread can be had. All else is told to `finished`: [`Error::Disk`].
pub fn partials(
    directory: &Path,
    finished: impl FnOnce(Result<Vec<Leftover>, Error>) + Send + 'static,
) -> Result<(), Error> {
    let directory = directory.to_owned();
    work("hawser-partials", move || list(&directory), finished)
}

/// Removes of that what no running session is writing and what was last written as long ago as `idle`
/// or longer; also, when nobody receives, the parts that only ended sessions could use and the folders that are
/// empty then. Calls `finished` once, from a thread of its own.
///
/// # Errors
/// As [`partials`].
pub fn remove_partials(
    directory: &Path,
    idle: Duration,
    finished: impl FnOnce(Result<Removal, Error>) + Send + 'static,
) -> Result<(), Error> {
    let directory = directory.to_owned();
    work("hawser-partials", move || remove(&directory, idle), finished)
}

fn list(directory: &Path) -> Result<Vec<Leftover>, Error> {
    let target = open(directory)?;
    let leftovers = Leftovers::find(&target).map_err(|error| fault(directory, &error))?;
    let list = leftovers.map_or_else(|| Ok(Vec::new()), |leftovers| leftovers.list());
    list.map_err(|error| fault(directory, &error))
}

fn remove(directory: &Path, idle: Duration) -> Result<Removal, Error> {
    let target = open(directory)?;
    let leftovers = Leftovers::find(&target).map_err(|error| fault(directory, &error))?;
    let removal = leftovers.map_or_else(|| Ok(Removal::default()), |leftovers| leftovers.remove(idle));
    // Whoever gets it removes what single sessions have left. While others have it, their sessions are
    // about to use the folders, and remove them at the end.
    if let Ok(_claim) = Claim::alone(&target) {
        remove_empty_folders(&target);
    }
    removal.map_err(|error| fault(directory, &error))
}

fn open(directory: &Path) -> Result<Dir, Error> {
    let opened = Dir::open_ambient_dir(directory, ambient_authority());
    opened.map_err(|error| Error::disk("read", directory, &error))
}

fn fault(directory: &Path, error: &io::Error) -> Error {
    Error::disk("read", &directory.join(".hawser/partials"), error)
}
