//! What has the name of a file that is offered, or one of the numbered ones: is it that file?

use std::fs::File;
use std::io;

use blake3::Hasher;
use cap_std::fs::Dir;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::manifest::{Mtime, Name};

use super::fault::naming_reason;
use super::listing::Listing;
use super::names::numbered;
use super::regular;
use super::stat::{Form, Stat};

/// The last numbered name that is looked at: a session that is run again finds what it had to call
/// otherwise, if others of that name were not many.
const LAST_COPY: u32 = 3;

/// Where a file is to be, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Existing<'a> {
    /// The folder that it is to be in.
    pub folder: &'a Dir,
    /// Its name there.
    pub name: &'a Name,
    /// Bytes.
    pub size: u64,
    /// Its time.
    pub mtime: Mtime,
}

impl Existing<'_> {
    /// Whether a file with this name, size and time is there, or, where something else has the name, one
    /// that was given a numbered name instead. `listing` is that of the folder.
    ///
    /// # Errors
    /// Why nothing can have the name.
    pub fn is_there(&self, listing: &Listing) -> Result<bool, Reason> {
        for name in self.names() {
            match Stat::named(self.folder, &name) {
                Ok(stat) if self.is_as_large(&stat) && stat.version.mtime == self.mtime => {
                    // By another name, it may be another file of this very session.
                    if listing.has(self.folder, &name) {
                        return Ok(true);
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(naming_reason(&error)),
            }
        }
        Ok(false)
    }

    /// Whether what has `name` may be this file, by what is known without opening it: being opened
    /// is noticed, by a FIFO's writer for one.
    ///
    /// Numbered names are there because an earlier session gave them, and with them the time.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn resembles(&self, name: &Name) -> io::Result<bool> {
        let stat = Stat::named(self.folder, name)?;
        Ok(self.is_as_large(&stat) && (name == self.name || stat.version.mtime == self.mtime))
    }

    /// Opens what has the name.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` when it is no file of this size.
    pub fn open(&self, name: &Name) -> io::Result<File> {
        let (file, stat) = regular::open(self.folder, name)?;
        if self.is_as_large(&stat) { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Whether a file with this content has `name`. What cannot be read is not known to be the same.
    pub fn is_at(&self, name: &Name, expected: ContentHash) -> bool {
        let hash = || -> io::Result<_> {
            // One byte more than its size shows a file that grows, and an endless one ends.
            let content = io::Read::take(self.open(name)?, self.size.saturating_add(1));
            Ok(Hasher::new().update_reader(content)?.finalize())
        };
        hash().is_ok_and(|hash| hash == expected.0)
    }

    /// The numbered name, if any, that a file with this content was given since something else has its own.
    pub fn find_copy(&self, expected: ContentHash) -> Option<Name> {
        self.names().skip(1).find(|name| self.resembles(name).unwrap_or(false) && self.is_at(name, expected))
    }

    /// The names that it may have, in order.
    fn names(&self) -> impl Iterator<Item = Name> {
        std::iter::once(self.name.clone())
            .chain((2..=LAST_COPY).map_while(|number| numbered(self.name, number)))
    }

    fn is_as_large(&self, stat: &Stat) -> bool {
        stat.form == Form::File && stat.version.size == self.size
    }
}
