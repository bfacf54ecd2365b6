//! A part file, wherever it is: what arrives is written into it, and it moves to its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use hawser_protocol::manifest::Mtime;

use super::journal::{self, Journal};
use super::kept::open_journal;
use super::part_file::PartFile;
use super::place::move_without_replacing;
use super::regular::write_all_at;
use super::stamp::{changes_mode, set_mode, set_time};
use crate::descriptors::Share;

/// A part file and, if it is to outlive its session, its journal.
///
/// One that is to outlive its session is locked while this exists, so that two sessions do not write to
/// one. Any other is open only while it is written: many may wait for their names.
#[derive(Debug)]
pub struct Stored {
    file: Mutex<Option<Arc<PartFile>>>,
    folder: Arc<Dir>,
    name: String,
    /// None any more once the file is placed or removed, whatever is still recorded.
    journal: Mutex<Option<Journal>>,
    /// Its share of the descriptors, if it stays open.
    _share: Option<Share>,
    /// Where there is none, what is written to it.
    closed: Option<Closed>,
}

/// A part file that is opened for each chunk, since too many others are open.
#[derive(Debug)]
struct Closed {
    /// Bytes that it shall have.
    size: u64,
    /// Bytes written.
    written: AtomicU64,
}

impl Stored {
    /// The part file `file` has `name` in `folder`.
    pub fn new(file: PartFile, folder: Arc<Dir>, name: String, journal: Option<Journal>) -> Self {
        let file = Mutex::new(Some(Arc::new(file)));
        Self { file, folder, name, journal: Mutex::new(journal), _share: None, closed: None }
    }

    /// The part file called `name` in `folder`, which shall have `size` bytes and is not kept open.
    pub fn closed(size: u64, folder: Arc<Dir>, name: String) -> Self {
        let closed = Some(Closed { size, written: AtomicU64::new(0) });
        Self { file: Mutex::default(), folder, name, journal: Mutex::default(), _share: None, closed }
    }

    /// The same, with its share of the descriptors.
    pub fn holding(self, share: Option<Share>) -> Self {
        Self { _share: share, ..self }
    }

    /// Writes all of `bytes` from `offset` on. Several threads may write to different places.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(closed) = &self.closed else {
            return self.file().ok_or(io::ErrorKind::NotFound)?.write(offset, bytes);
        };
        write_all_at(&self.open()?, bytes, offset)?;
        closed.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes for which the disk has found space so far.
    pub fn taken(&self) -> u64 {
        match &self.closed {
            Some(closed) => closed.written.load(Ordering::Relaxed),
            None => self.file().map_or(0, |file| file.taken()),
        }
    }

    /// Its content, for reading.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn reader(&self) -> io::Result<File> {
        Ok(self.folder.open(&self.name)?.into_std())
    }

    /// Records that a chunk has been written. A journal that cannot be written costs a transfer that
    /// is cut off more than one that is not, and fails neither.
    pub fn record(&self, chunk: u32, hash: &[u8; 32]) {
        if let Some(journal) = &mut *self.lock() {
            let _ = journal.add(chunk, hash, |new| open_journal(&self.folder, &self.name, new));
        }
    }

    /// All of it is to be written again.
    ///
    /// # Errors
    /// Those of the operating system: then the journal still speaks of what was there.
    pub fn forget(&self) -> io::Result<()> {
        let open = |new| open_journal(&self.folder, &self.name, new);
        self.lock().as_mut().map_or(Ok(()), |journal| journal.clear(open))
    }

    /// Leaves it for a later session, if it is of use there. Returns whether it is.
    pub fn keep(&self) -> bool {
        let mut journal = self.lock();
        let Some(journal) = &mut *journal else { return false };
        // The disk may have no space for the last records. Those before them count.
        let _ = journal.write_out(|new| open_journal(&self.folder, &self.name, new));
        if !journal.is_begun() {
            return false;
        }
        // What is not on record is of no use to anybody, and nobody has counted it.
        let journal = open_journal(&self.folder, &self.name, false);
        match (self.file(), journal.and_then(journal::read)) {
            (Some(part), Ok(found)) => part.keep_only(found.written.keys().copied()).unwrap_or(true),
            _ => true,
        }
    }

    /// All of it is written: it gets its length and its time. Again does no harm.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn complete(&self, mtime: Mtime) -> io::Result<()> {
        if let Some(closed) = &self.closed {
            let file = self.open()?;
            file.set_len(closed.size)?;
            return finish(&file, mtime);
        }
        let Some(part) = self.file() else { return Ok(()) };
        finish(part.complete()?, mtime)?;
        if self.lock().is_none() {
            self.lock_file().take();
        }
        Ok(())
    }

    /// Gives it its mode. To be called right before it gets its name: until then it may have to be read
    /// again, and a later session to write to it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn finish_mode(&self, mode: u16) -> io::Result<()> {
        if !changes_mode(mode) {
            return Ok(());
        }
        let file = self.reader()?;
        set_mode(&file, mode)?;
        // Its own flush is over.
        #[cfg(not(target_os = "linux"))]
        file.sync_all()?;
        Ok(())
    }

    /// Moves it to `name` in `folder`, replacing nothing.
    ///
    /// # Errors
    /// `AlreadyExists` when anything has the name, else those of the operating system.
    pub fn release(&self, folder: &Dir, name: &OsStr) -> io::Result<()> {
        move_without_replacing(&self.folder, &self.name, folder, name)?;
        self.remove_journal();
        Ok(())
    }

    /// Removes it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn remove(&self) -> io::Result<()> {
        // A journal without a part is nothing; a part without a journal is of no use.
        self.remove_journal();
        self.folder.remove_file(&self.name)
    }

    fn remove_journal(&self) {
        if self.lock().take().is_some_and(|journal| journal.is_begun()) {
            // Left behind, it is overwritten by the next one of its name.
            let _ = self.folder.remove_file(super::kept::journal_name(&self.name));
        }
    }

    /// Opens it for writing.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).follow(FollowSymlinks::No);
        Ok(self.folder.open_with(&self.name, &options)?.into_std())
    }

    fn file(&self) -> Option<Arc<PartFile>> {
        self.lock_file().clone()
    }

    fn lock_file(&self) -> MutexGuard<'_, Option<Arc<PartFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a file that has its length its time.
fn finish(file: &File, mtime: Mtime) -> io::Result<()> {
    set_time(file, mtime)?;
    // Where nothing flushes a whole disk at once, each file is flushed by itself.
    #[cfg(not(target_os = "linux"))]
    file.sync_all()?;
    Ok(())
}
