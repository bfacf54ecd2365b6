//! One file arriving: written by chunks from any thread, checked as a whole, then given its name.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use blake3::Hasher;
use cap_std::fs::Dir;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::manifest::{EntryId, Mtime, Name};
use hawser_protocol::message::Placed;

use super::fault::{entering_reason, sink_reason};
use super::folders::{Folders, Location};
use super::hash::{ChunkHash, TreeHash};
use super::part_file::PartFile;
use super::partials::Partials;
use super::place::place;
use super::regular;
use super::stamp::finish;
use super::stat::{Form, Stat};

/// Files read to learn whether one of them is the file that is to be placed.
///
/// The one that has its name and one numbered copy are all that honest sessions leave; a peer that
/// sends one name over and over must not have everything read each time.
const MAX_COMPARED: u32 = 2;

/// A file that is wanted, and how much of it is here.
#[derive(Debug)]
pub struct Incoming {
    id: EntryId,
    /// Where it shall be.
    pub location: Location,
    /// Bytes.
    pub size: u64,
    mode: u16,
    mtime: Mtime,
    writing: Mutex<Writing>,
    /// Notified when a chunk is no longer being written.
    written: Condvar,
}

#[derive(Debug)]
struct Writing {
    part: Part,
    tree: TreeHash,
    /// Offsets of the chunks that threads are writing at the moment.
    now: Vec<u64>,
    /// Threads that wait for one of them: mostly none, and then waking costs nothing.
    waiting: u32,
}

#[derive(Clone, Debug)]
enum Part {
    NotYet,
    Open(Arc<PartFile>),
    /// Placed or discarded: whatever still comes for it is too late.
    Ended,
}

impl Incoming {
    /// A file of which nothing is here yet.
    pub fn new(id: EntryId, location: Location, size: u64, mode: u16, mtime: Mtime) -> Self {
        let writing = Writing { part: Part::NotYet, tree: TreeHash::new(size), now: Vec::new(), waiting: 0 };
        Self { id, location, size, mode, mtime, writing: Mutex::new(writing), written: Condvar::new() }
    }

    /// Writes the chunk at `offset` into the part file; when this returns, it counts.
    ///
    /// # Errors
    /// `Integrity` when `bytes` are no chunk of this file, `Io` when it has ended already, else
    /// what the disk says.
    pub fn write(&self, partials: &Partials, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        let chunk = ChunkHash::new(self.size, offset, bytes).ok_or(Reason::Integrity)?;
        let Some(part) = self.begin(partials, offset)? else { return Ok(()) };
        let written = part.write(offset, bytes);
        let mut writing = self.lock();
        writing.now.retain(|&other| other != offset);
        if written.is_ok() {
            writing.tree.insert(chunk);
        }
        if writing.waiting > 0 {
            self.written.notify_all();
        }
        written.map_err(|error| sink_reason(&error))
    }

    /// Gives the file, which is complete and closed after this, its mode, its time and a name, which
    /// it answers, too.
    ///
    /// # Errors
    /// `Integrity` when a chunk is missing or the whole is not what the source read, else what
    /// the disk says. The part file stays for [`Incoming::discard`].
    pub fn commit(
        &self,
        partials: &Partials,
        folders: &Folders,
        expected: ContentHash,
    ) -> Result<(Placed, Name), Reason> {
        let part = self.end(expected)?;
        let file = part.complete().map_err(|error| sink_reason(&error))?;
        finish(file, Form::File, self.mode, self.mtime).map_err(|error| sink_reason(&error))?;
        // Where nothing flushes a whole disk at once, each file is flushed by itself.
        #[cfg(not(target_os = "linux"))]
        file.sync_all().map_err(|error| sink_reason(&error))?;
        // Not every system renames a file that is open.
        drop(part);
        let folder = folders.open(&self.location.folder).map_err(|error| entering_reason(&error))?;
        let create = |name: &_| partials.release(self.id, &folder, name);
        let mut compared = 0;
        let same = |name: &_| {
            let promising = compared < MAX_COMPARED && self.resembles(&folder, name).unwrap_or(false);
            compared += u32::from(promising);
            // What cannot be read is not known to be the same.
            promising && self.is_at(&folder, name, expected).unwrap_or(false)
        };
        let (placed, name) = place(&self.location.name, create, same)?;
        if placed == Placed::Present {
            partials.remove(self.id).map_err(|error| sink_reason(&error))?;
        }
        Ok((placed, name))
    }

    /// Ends the file without a name and removes its part.
    pub fn discard(&self, partials: &Partials) {
        let part = std::mem::replace(&mut self.lock().part, Part::Ended);
        if !matches!(part, Part::NotYet) {
            // Gone already is as good.
            let _ = partials.remove(self.id);
        }
    }

    /// Claims the chunk at `offset` for the calling thread; `None` when it is here already.
    ///
    /// A chunk that was sent again after its lane was lost may come while the lost lane's thread
    /// is still writing it. The bytes hashed must be the bytes on disk, so one of the two writes,
    /// and the other waits until that one is done.
    fn begin(&self, partials: &Partials, offset: u64) -> Result<Option<Arc<PartFile>>, Reason> {
        let mut writing = self.lock();
        while writing.now.contains(&offset) {
            writing.waiting += 1;
            writing = self.written.wait(writing).unwrap_or_else(PoisonError::into_inner);
            writing.waiting -= 1;
        }
        let part = match &writing.part {
            Part::Ended => return Err(Reason::Io),
            _ if writing.tree.contains(offset) => return Ok(None),
            Part::Open(part) => part.clone(),
            Part::NotYet => {
                let file = partials.create(self.id, self.mode).map_err(|error| sink_reason(&error))?;
                let part = PartFile::new(file, self.size).map(Arc::new).map_err(|error| {
                    // Created and not kept: nobody else would remove it.
                    let _ = partials.remove(self.id);
                    sink_reason(&error)
                })?;
                writing.part = Part::Open(part.clone());
                part
            }
        };
        writing.now.push(offset);
        Ok(Some(part))
    }

    /// Takes the part file of a complete file, so that nobody writes to it any more.
    ///
    /// Nobody is writing to it now: a chunk is in the tree only after it was written, and every
    /// chunk has one writer.
    fn end(&self, expected: ContentHash) -> Result<Arc<PartFile>, Reason> {
        let mut writing = self.lock();
        let part = match &writing.part {
            Part::Open(part) if writing.tree.root() == Some(expected) => part.clone(),
            Part::Ended => return Err(Reason::Io),
            _ => return Err(Reason::Integrity),
        };
        writing.part = Part::Ended;
        Ok(part)
    }

    /// Whether what has `name` may be this file, by what is known without opening it: being opened
    /// is noticed, by a FIFO's writer for one.
    ///
    /// Numbered names are there because an earlier session gave them, and with them the time.
    fn resembles(&self, folder: &Dir, name: &Name) -> io::Result<bool> {
        let Stat { form, version, .. } = Stat::named(folder, name)?;
        let alike = form == Form::File && version.size == self.size;
        Ok(alike && (*name == self.location.name || version.mtime == self.mtime))
    }

    /// Whether a file with this content has `name`.
    fn is_at(&self, folder: &Dir, name: &Name, expected: ContentHash) -> io::Result<bool> {
        let (file, Stat { form, version, .. }) = regular::open(folder, name)?;
        if form != Form::File || version.size != self.size {
            return Ok(false);
        }
        // One byte more than its size shows a file that grows, and an endless one ends.
        let content = io::Read::take(file, self.size.saturating_add(1));
        Ok(Hasher::new().update_reader(content)?.finalize() == expected.0)
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
