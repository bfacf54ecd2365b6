//! One file arriving: written by chunks from any thread, checked as a whole, then given its name.

mod ending;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use hawser_protocol::error::Reason;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Mtime, Name};
use hawser_protocol::ranges::{ChunkRange, length};

use super::checking::{Checked, Checking};
use super::existing::Existing;
use super::fault::sink_reason;
use super::folders::{Folders, Location};
use super::hash::{ChunkHash, TreeHash};
use super::journal::Subject;
use super::kept::Left;
use super::partials::Partials;
use super::space::Space;
use super::stored::Stored;
use crate::quota::Counted;
use crate::transfer::lock;

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
    /// The key of the peer that sends it, if its part file shall outlive the session.
    owner: Option<[u8; 32]>,
    writing: Mutex<Writing>,
    /// Notified when a chunk is no longer being written.
    written: Condvar,
    checking: Mutex<Option<Checking>>,
    space: Arc<Space>,
    /// That it counts as an entry, until it is there.
    counted: Mutex<Option<Counted>>,
    /// Bytes that it was promised and has not taken.
    promised: AtomicU64,
    /// Bytes for which the disk has found space.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// It is what the source read, and can be placed.
    Ready,
    /// What has this name, its own or a numbered one, is just that.
    Same(Name),
    /// What has its name is something else: all of it is to be sent.
    Differs,
    /// What was here before the session is of another version: all of it is to be sent.
    StartOver,
}

impl Incoming {
    /// A file of `size` bytes of which nothing is here yet, from the peer that has the key `owner`; without
    /// one, what there is of it is of no use to a later session.
    pub fn new(
        id: EntryId,
        location: Location,
        size: u64,
        entry: &Entry,
        owner: Option<[u8; 32]>,
        space: Arc<Space>,
    ) -> Self {
        let mtime = entry.mtime;
        let owner = owner.filter(|_| size > u64::from(CHUNK_BYTES));
        let tree = TreeHash::new(size);
        let writing = Writing { part: Part::NotYet, tree, has_old: false, now: Vec::new(), waiting: 0 };
        Self {
            id,
            location,
            size,
            mode: entry.mode,
            mtime,
            owner,
            writing: Mutex::new(writing),
            written: Condvar::new(),
            checking: Mutex::default(),
            space,
            counted: Mutex::default(),
            promised: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// Looks for what an earlier session has left of it. Answers the chunks that are to be checked,
    /// none of them if what there was is of no use; `None` if there was nothing.
    pub fn resume(&self, partials: &Partials) -> Option<Vec<ChunkRange>> {
        let (stored, written) = match partials.find(&self.subject()?, self.mode) {
            Left::Nothing => return None,
            Left::Useless => return Some(Vec::new()),
            Left::Part(stored, written) => (stored, written),
        };
        let checking = Checking::of_part(self.size, written);
        let held = checking.ranges();
        self.taken.store(stored.taken(), Ordering::Relaxed);
        let mut writing = self.lock();
        writing.part = Part::Open(Arc::from(stored));
        if held.is_empty() {
            return None;
        }
        writing.has_old = true;
        *self.lock_checking() = Some(checking);
        Some(held)
    }

    /// Looks whether what has its name is as large, and is to be compared. Answers its chunks.
    pub fn compare(&self, folder: &Dir) -> Option<Vec<ChunkRange>> {
        let is_alike = self.existing(folder).resembles(&self.location.name).unwrap_or(false);
        let checking = Checking::of_whole(self.size).filter(|_| is_alike)?;
        let held = checking.ranges();
        *self.lock_checking() = Some(checking);
        let mut writing = self.lock();
        (writing.part, writing.has_old) = (Part::There, true);
        Some(held)
    }

    /// Counts it as an entry, for the first time or again.
    ///
    /// # Errors
    /// `Quota`.
    pub fn enter(&self) -> Result<(), Reason> {
        let quota = self.space.quota();
        let is_begun = matches!(self.lock().part, Part::Open(_));
        let counted = if is_begun { Some(quota.go_on()) } else { quota.take_entry() };
        *lock(&self.counted) = Some(counted.ok_or(Reason::Quota)?);
        Ok(())
    }

    /// Promises it the space that it still needs, and counts the bytes that are to come: all but those `held`.
    ///
    /// # Errors
    /// `DiskFull`, `Quota`.
    pub fn promise(&self, held: u64) -> Result<(), Reason> {
        let bytes = self.size.saturating_sub(self.taken.load(Ordering::Relaxed));
        self.expect(self.size - held.min(self.size))?;
        if !self.space.promise(bytes) {
            return Err(Reason::DiskFull);
        }
        self.promised.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Counts bytes that are to come, for which it has space.
    ///
    /// # Errors
    /// `Quota`.
    pub fn expect(&self, bytes: u64) -> Result<(), Reason> {
        let fits = lock(&self.counted).as_mut().is_none_or(|counted| counted.expect(bytes));
        if fits { Ok(()) } else { Err(Reason::Quota) }
    }

    /// Reads the next chunk that should be here and has not been checked; `None` when there is none
    /// any more. Those that are bad came in vain, and count again.
    pub fn check_next(&self, folders: &Folders) -> Option<Checked> {
        let mut checking = self.lock_checking();
        let found = |chunk| {
            self.lock().tree.insert(chunk);
        };
        let checked = checking.as_mut()?.next(|| self.open_old(folders), found);
        let Checked::Done(bad) = &checked else { return Some(checked) };
        *checking = None;
        Some(self.expect(length(bad, self.size)).map_or_else(Checked::Refused, |()| checked))
    }

    /// Opens what was here before the session.
    fn open_old(&self, folders: &Folders) -> io::Result<File> {
        let part = self.lock().part.clone();
        match part {
            Part::Open(stored) => stored.reader(),
            Part::There => {
                let folder = folders.open(&self.location.folder)?;
                self.existing(&folder).open(&self.location.name)
            }
            Part::NotYet | Part::Ready(_) | Part::Ended => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Writes the chunk at `offset` into the part file; when this returns, it counts.
    ///
    /// # Errors
    /// `Integrity` when `bytes` are no chunk of this file, `Io` when it has ended already, else
    /// what the disk says.
    pub fn write(&self, partials: &Partials, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        let chunk = ChunkHash::new(self.size, offset, bytes).ok_or(Reason::Integrity)?;
        let Some(part) = self.begin(partials, offset)? else { return Ok(()) };
        let written = self.count(bytes.len()).and_then(|()| part.write(offset, bytes));
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
        self.take(part.taken());
        if self.size <= u64::from(CHUNK_BYTES) {
            // A record may bring thousands of them before it says what they are.
            part.complete(self.mtime).map_err(|error| sink_reason(&error))?;
        }
        Ok(())
    }

    /// Counts bytes that are about to be written.
    fn count(&self, bytes: usize) -> io::Result<()> {
        let mut counted = lock(&self.counted);
        let Some(counted) = &mut *counted else { return Ok(()) };
        if self.owner.is_some() {
            counted.begin();
        }
        counted.arrive(bytes as u64)
    }

    /// Ends the file without a name, and removes its part, or leaves it for a later session, if
    /// `keep` says so and that can.
    pub fn discard(&self, keep: bool) {
        let part = std::mem::replace(&mut self.lock().part, Part::Ended);
        *self.lock_checking() = None;
        let (Part::Open(stored) | Part::Ready(stored)) = part else { return };
        if keep && stored.keep() {
            lock(&self.counted).take().into_iter().for_each(Counted::leave);
        } else {
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
                let stored = partials.create(self.id, self.size, self.mode, self.subject());
                let part = Arc::new(stored.map_err(|error| sink_reason(&error))?);
                writing.part = Part::Open(part.clone());
                part
            }
        };
        writing.now.push(offset);
        Ok(Some(part))
    }

    /// The disk has found so much space for it by now.
    fn take(&self, taken: u64) {
        let more = taken.saturating_sub(self.taken.fetch_max(taken, Ordering::Relaxed));
        // What is written a second time was not promised a second time.
        let rest = |promised: u64| Some(promised.saturating_sub(more));
        let before = self.promised.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).unwrap_or(0);
        self.space.take(more.min(before));
    }

    /// What its part file is called by, if that shall outlive the session. Made anew each time: thousands of files
    /// may wait, and each path may be 33 KiB long.
    fn subject(&self) -> Option<Subject> {
        let (size, mtime) = (self.size, self.mtime);
        self.owner.map(|owner| Subject { owner, size, mtime, path: self.location.path() })
    }

    /// What has its name, or a numbered one, in its folder.
    fn existing<'a>(&'a self, folder: &'a Dir) -> Existing<'a> {
        Existing { folder, name: &self.location.name, size: self.size, mtime: self.mtime }
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
        self.space.give_back(*self.promised.get_mut());
    }
}
