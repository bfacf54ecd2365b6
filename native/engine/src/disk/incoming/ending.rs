//! A file of which all chunks are here: judged as a whole, and given its name.

use std::io;
use std::sync::Arc;

use blake3::Hasher;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::manifest::Name;
use hawser_protocol::message::Placed;

use super::super::fault::{entering_reason, sink_reason};
use super::super::folders::Folders;
use super::super::hash::TreeHash;
use super::super::place::place;
use super::super::regular;
use super::super::stored::Stored;
use super::{Completed, Incoming, Part};
use crate::quota::Counted;
use crate::transfer::lock;

/// Files read to learn whether one of them is the file that is to be placed.
///
/// The one that has its name and one numbered copy are all that honest sessions leave; a peer that
/// sends one name over and over must not have everything read each time.
const MAX_COMPARED: u32 = 2;

impl Incoming {
    /// Closes the file, all of which is here, and gives it its time.
    ///
    /// # Errors
    /// `Integrity` when a chunk is missing or the whole is not what the source read, else what
    /// the disk says. The part file stays for [`Incoming::discard`].
    pub fn complete(&self, folders: &Folders, expected: ContentHash) -> Result<Completed, Reason> {
        let judged = self.judge(expected)?;
        match judged {
            Completed::Ready => {
                let closed = self.ready().and_then(|stored| stored.complete(self.mtime));
                closed.map_err(|error| sink_reason(&error))?;
            }
            Completed::Differs => {
                let folder = folders.open(&self.location.folder).map_err(|error| entering_reason(&error))?;
                if let Some(name) = self.existing(&folder).find_copy(expected) {
                    self.lock().part = Part::Ended;
                    return Ok(Completed::Same(name));
                }
                self.promise(0)?;
            }
            // What came of it before came in vain, and counts.
            Completed::StartOver => self.expect(self.size)?,
            Completed::Same(_) => {}
        }
        Ok(judged)
    }

    /// Whether what is here is the file.
    fn judge(&self, expected: ContentHash) -> Result<Completed, Reason> {
        let mut writing = self.lock();
        let is_same = writing.tree.root() == Some(expected);
        let (judged, part) = match &writing.part {
            Part::There if is_same => (Completed::Same(self.location.name.clone()), Part::Ended),
            Part::Open(stored) if is_same => (Completed::Ready, Part::Ready(stored.clone())),
            Part::There => (Completed::Differs, Part::NotYet),
            Part::Open(stored) if writing.has_old => {
                stored.forget().map_err(|error| sink_reason(&error))?;
                (Completed::StartOver, Part::Open(stored.clone()))
            }
            Part::Ended | Part::Ready(_) => return Err(Reason::Io),
            Part::NotYet | Part::Open(_) => return Err(Reason::Integrity),
        };
        writing.part = part;
        if let Completed::StartOver | Completed::Differs = judged {
            writing.tree = TreeHash::new(self.size);
            writing.has_old = false;
        }
        Ok(judged)
    }

    /// Reads a complete file once more, from the disk if the system lets it go.
    ///
    /// # Errors
    /// `Integrity` when it is not what was written, else what the disk says.
    pub fn reread(&self, expected: ContentHash) -> Result<(), Reason> {
        let reread = || -> io::Result<_> {
            let file = self.ready()?.reader()?;
            regular::leave_cache(&file);
            Ok(Hasher::new().update_reader(file)?.finalize())
        };
        let hash = reread().map_err(|error| sink_reason(&error))?;
        if hash == expected.0 { Ok(()) } else { Err(Reason::Integrity) }
    }

    /// Gives a complete file its mode and a name, which it answers, too.
    ///
    /// # Errors
    /// What the disk says. The part file stays for [`Incoming::discard`].
    pub fn place(&self, folders: &Folders, expected: ContentHash) -> Result<(Placed, Name), Reason> {
        let stored = self.ready().map_err(|error| sink_reason(&error))?;
        let folder = folders.open(&self.location.folder).map_err(|error| entering_reason(&error))?;
        stored.finish_mode(self.mode).map_err(|error| sink_reason(&error))?;
        lock(&self.counted).as_mut().map_or(Ok(()), Counted::enter).map_err(|error| sink_reason(&error))?;
        let existing = self.existing(&folder);
        let create = |name: &_| stored.release(&folder, name);
        let mut compared = 0;
        let same = |name: &_| {
            let promising = compared < MAX_COMPARED && existing.resembles(name).unwrap_or(false);
            compared += u32::from(promising);
            // What cannot be read is not known to be the same.
            Ok(promising && existing.is_at(name, expected))
        };
        let (placed, name) = place(&self.location.name, create, same)?;
        if let Some(counted) = lock(&self.counted).take() {
            counted.settle(placed != Placed::Present);
        }
        if placed == Placed::Present {
            stored.remove().map_err(|error| sink_reason(&error))?;
        }
        self.lock().part = Part::Ended;
        Ok((placed, name))
    }

    fn ready(&self) -> io::Result<Arc<Stored>> {
        if let Part::Ready(stored) = &self.lock().part {
            Ok(stored.clone())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}
