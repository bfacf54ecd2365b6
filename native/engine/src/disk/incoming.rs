//! One file arriving: written by chunks from any thread, checked as a whole, then given its name.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use blake3::Hasher;
use cap_std::fs::Dir;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Mtime, Name};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::ChunkRange;

use super::checking::{Checked, Checking};
use super::fault::{entering_reason, sink_reason};
use super::folders::{Folders, Location};
use super::hash::{ChunkHash, TreeHash};
use super::journal::Subject;
use super::kept::Left;
use super::partials::Partials;
use super::place::place;
use super::regular;
use super::space::Space;
use super::stamp::finish;
use super::stat::{Form, Stat};
use super::stored::Stored;

/// Files read to learn whether one of them is the file that is to be placed.
///
/// The one that has its name and one numbered copy are all that honest sessions leave; a peer that
/// sends one name over and over must not have everything read each time.
const MAX_COMPARED: u32 = 2;

/// From so many bytes on, what there is of a file that cannot be finished is kept for when it can.
/// Below, it is sooner sent again, and on a full disk others have more use for its space.
const WORTH_KEEPING: u64 = 64 * 1024 * 1024;

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
    /// What its part file is called by, if that shall outlive the session.
    subject: Option<Subject>,
    writing: Mutex<Writing>,
    /// Notified when a chunk is no longer being written.
    written: Condvar,
    checking: Mutex<Option<Checking>>,
    space: Arc<Space>,
    /// Bytes that it was promised, and of those, what it has taken.
    promised: AtomicU64,
    taken: AtomicU64,
}

#[derive(Debug)]
struct Writing {
    part: Part,
    tree: TreeHash,
    /// Whether something is in the tree that this session has not received.
    has_old: bool,
    /// Offsets of the chunks that threads are writing at the moment.
    now: Vec<u64>,
    /// Threads that wait for one of them: mostly none, and then waking costs nothing.
    waiting: u32,
}

#[derive(Clone, Debug)]
enum Part {
    NotYet,
    /// Not needed if what has its name turns out to be it.
    There,
    Open(Arc<Stored>),
    /// Complete, and to get its name.
    Ready(Arc<Stored>),
    /// Placed or discarded: whatever still comes for it is too late.
    Ended,
}

/// What came of a file of which all chunks are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// It is what the source read, and can be placed.
    Ready,
    /// What has its name is just that.
    Same,
    /// What was here before the session is of another version: all of it is to be sent.
    StartOver,
}

impl Incoming {
    /// A file of `size` bytes of which nothing is here yet, from the peer that has the key `owner`.
    pub fn new(
        id: EntryId,
        location: Location,
        size: u64,
        entry: &Entry,
        owner: [u8; 32],
        space: Arc<Space>,
    ) -> Self {
        let mtime = entry.mtime;
        let several = size > u64::from(CHUNK_BYTES);
        let subject = several.then(|| Subject { owner, size, mtime, path: location.path() });
        let tree = TreeHash::new(size);
        let writing = Writing { part: Part::NotYet, tree, has_old: false, now: Vec::new(), waiting: 0 };
        Self {
            id,
            location,
            size,
            mode: entry.mode,
            mtime,
            subject,
            writing: Mutex::new(writing),
            written: Condvar::new(),
            checking: Mutex::default(),
            space,
            promised: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// Looks for what an earlier session has left of it. Answers the chunks that are to be checked,
    /// none of them if what there was is of no use; `None` if there was nothing.
    pub fn resume(&self, partials: &Partials) -> Option<Vec<ChunkRange>> {
        let (stored, written): (Arc<Stored>, _) = match partials.find(self.subject.as_ref()?) {
            Left::Nothing => return None,
            Left::Useless => return Some(Vec::new()),
            Left::Part(stored, written) => (Arc::from(stored), written),
        };
        let checking = stored.reader().map(|file| Checking::of_part(file, self.size, written));
        let held = checking.as_ref().map_or_else(|_| Vec::new(), Checking::ranges);
        *self.lock_checking() = checking.ok().filter(|_| !held.is_empty());
        self.taken.store(stored.file().taken(), Ordering::Relaxed);
        let mut writing = self.lock();
        writing.has_old = !held.is_empty();
        writing.part = Part::Open(stored);
        Some(held)
    }

    /// Looks whether what has its name is as large, and is to be compared. Answers its chunks.
    pub fn compare(&self, folder: &Dir) -> Option<Vec<ChunkRange>> {
        let (file, stat) = regular::open(folder, &self.location.name).ok()?;
        if stat.form != Form::File || stat.version.size != self.size || self.size == 0 {
            return None;
        }
        let checking = Checking::of_whole(file, self.size)?;
        let held = checking.ranges();
        *self.lock_checking() = Some(checking);
        let mut writing = self.lock();
        (writing.part, writing.has_old) = (Part::There, true);
        Some(held)
    }

    /// Promises it the space that it still needs.
    ///
    /// # Errors
    /// `DiskFull`.
    pub fn promise(&self) -> Result<(), Reason> {
        let bytes = self.size.saturating_sub(self.taken.load(Ordering::Relaxed));
        if !self.space.promise(bytes) {
            return Err(Reason::DiskFull);
        }
        self.promised.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Reads the next chunk that should be here and has not been checked; `None` when there is none
    /// any more.
    pub fn check_next(&self) -> Option<Checked> {
        let mut checking = self.lock_checking();
        let checked = checking.as_mut()?.next();
        match &checked {
            Checked::Good(chunk, _) => {
                self.lock().tree.insert(*chunk);
            }
            Checked::Bad => {}
            Checked::Done(_) => *checking = None,
        }
        Some(checked)
    }

    /// Writes the chunk at `offset` into the part file; when this returns, it counts.
    ///
    /// # Errors
    /// `Integrity` when `bytes` are no chunk of this file, `Io` when it has ended already, else
    /// what the disk says.
    pub fn write(&self, partials: &Partials, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        let chunk = ChunkHash::new(self.size, offset, bytes).ok_or(Reason::Integrity)?;
        let Some(part) = self.begin(partials, offset)? else { return Ok(()) };
        let written = part.file().write(offset, bytes);
        let mut writing = self.lock();
        writing.now.retain(|&other| other != offset);
        if written.is_ok() {
            writing.tree.insert(chunk);
        }
        if writing.waiting > 0 {
            self.written.notify_all();
        }
        drop(writing);
        written.map_err(|error| sink_reason(&error))?;
        part.record((offset / u64::from(CHUNK_BYTES)) as u32, chunk.as_bytes());
        self.take(part.file().taken());
        Ok(())
    }

    /// Closes the file, all of which is here, and gives it its mode and time.
    ///
    /// # Errors
    /// `Integrity` when a chunk is missing or the whole is not what the source read, else what
    /// the disk says. The part file stays for [`Incoming::discard`].
    pub fn complete(&self, expected: ContentHash) -> Result<Completed, Reason> {
        let stored = {
            let mut writing = self.lock();
            let is_same = writing.tree.root() == Some(expected);
            match &writing.part {
                Part::There if is_same => {
                    writing.part = Part::Ended;
                    return Ok(Completed::Same);
                }
                Part::Open(stored) if is_same => {
                    let stored = stored.clone();
                    writing.part = Part::Ready(stored.clone());
                    stored
                }
                part @ (Part::There | Part::Open(_)) if writing.has_old => {
                    if let Part::Open(stored) = part {
                        stored.forget().map_err(|error| sink_reason(&error))?;
                    } else {
                        writing.part = Part::NotYet;
                    }
                    writing.tree = TreeHash::new(self.size);
                    writing.has_old = false;
                    return Ok(Completed::StartOver);
                }
                Part::Ended | Part::Ready(_) => return Err(Reason::Io),
                _ => return Err(Reason::Integrity),
            }
        };
        let finished = || {
            let file = stored.file().complete()?;
            finish(file, self.mode, self.mtime)?;
            // Where nothing flushes a whole disk at once, each file is flushed by itself.
            #[cfg(not(target_os = "linux"))]
            file.sync_all()?;
            Ok(())
        };
        finished().map_err(|error| sink_reason(&error))?;
        Ok(Completed::Ready)
    }

    /// Reads a complete file once more, from the disk if the system lets it go.
    ///
    /// # Errors
    /// `Integrity` when it is not what was written, else what the disk says.
    pub fn reread(&self, expected: ContentHash) -> Result<(), Reason> {
        let file = self.ready()?.reader().map_err(|error| sink_reason(&error))?;
        regular::leave_cache(&file);
        let read = Hasher::new().update_reader(file).map(|hasher| hasher.finalize());
        if read.map_err(|error| sink_reason(&error))? == expected.0 { Ok(()) } else { Err(Reason::Integrity) }
    }

    /// Gives a complete file a name, which it answers, too.
    ///
    /// # Errors
    /// What the disk says. The part file stays for [`Incoming::discard`].
    pub fn place(&self, folders: &Folders, expected: ContentHash) -> Result<(Placed, Name), Reason> {
        let stored = self.ready()?;
        let folder = folders.open(&self.location.folder).map_err(|error| entering_reason(&error))?;
        let create = |name: &_| stored.release(&folder, name);
        let mut compared = 0;
        let same = |name: &_| {
            let promising = compared < MAX_COMPARED && self.resembles(&folder, name).unwrap_or(false);
            compared += u32::from(promising);
            // What cannot be read is not known to be the same.
            Ok(promising && self.is_at(&folder, name, expected).unwrap_or(false))
        };
        let (placed, name) = place(&self.location.name, create, same)?;
        if placed == Placed::Present {
            stored.remove().map_err(|error| sink_reason(&error))?;
        }
        self.lock().part = Part::Ended;
        Ok((placed, name))
    }

    /// Ends the file without a name, and removes its part, or leaves it for a later session, if
    /// `keep` says so and that can.
    pub fn discard(&self, keep: bool) {
        let part = std::mem::replace(&mut self.lock().part, Part::Ended);
        *self.lock_checking() = None;
        if let Part::Open(stored) | Part::Ready(stored) = part
            && !(keep && stored.keep())
        {
            // Gone already is as good.
            let _ = stored.remove();
        }
    }

    /// Whether there is so much of it that it is worth to be kept on a disk that has no more space.
    pub fn is_worth_keeping(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= WORTH_KEEPING
    }

    /// Claims the chunk at `offset` for the calling thread; `None` when it is here already.
    ///
    /// A chunk that was sent again after its lane was lost may come while the lost lane's thread
    /// is still writing it. The bytes hashed must be the bytes on disk, so one of the two writes,
    /// and the other waits until that one is done.
    fn begin(&self, partials: &Partials, offset: u64) -> Result<Option<Arc<Stored>>, Reason> {
        let mut writing = self.lock();
        while writing.now.contains(&offset) {
            writing.waiting += 1;
            writing = self.written.wait(writing).unwrap_or_else(PoisonError::into_inner);
            writing.waiting -= 1;
        }
        let part = match &writing.part {
            Part::Ended | Part::There | Part::Ready(_) => return Err(Reason::Io),
            _ if writing.tree.contains(offset) => return Ok(None),
            Part::Open(part) => part.clone(),
            Part::NotYet => {
                let stored = partials.create(self.id, self.size, self.mode, self.subject.clone());
                let part = Arc::new(stored.map_err(|error| sink_reason(&error))?);
                writing.part = Part::Open(part.clone());
                part
            }
        };
        writing.now.push(offset);
        Ok(Some(part))
    }

    fn ready(&self) -> Result<Arc<Stored>, Reason> {
        if let Part::Ready(stored) = &self.lock().part { Ok(stored.clone()) } else { Err(Reason::Io) }
    }

    /// Takes up to so much of what it was promised.
    fn take(&self, taken: u64) {
        let before = self.taken.fetch_max(taken, Ordering::Relaxed);
        self.space.take(taken.saturating_sub(before));
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

    fn lock_checking(&self) -> MutexGuard<'_, Option<Checking>> {
        self.checking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let (promised, taken) = (*self.promised.get_mut(), *self.taken.get_mut());
        let needed = self.size.saturating_sub(promised);
        self.space.give_back(promised.saturating_sub(taken.saturating_sub(needed)));
    }
}
