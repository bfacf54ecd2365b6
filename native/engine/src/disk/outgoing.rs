//! One file being sent: read by chunks from any thread, and refused once it is not what was walked.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::CHUNK_BYTES;

use super::fault::source_reason;
use super::folders::{Folders, Location};
use super::hash::{ChunkHash, TreeHash, chunk_length};
use super::regular;
use super::source_file::SourceFile;
use super::stat::{Form, Stat, Version};

/// Files kept open: more than are sent at the same time, and few beside what a process may have. Of many
/// that a sink has in part, each is read by and by, for its hash.
const KEPT_OPEN: usize = 32;

/// The files that were read last.
#[derive(Debug, Default)]
pub struct OpenFiles {
    /// The one read last comes first.
    recent: Mutex<VecDeque<Arc<SourceFile>>>,
}

impl OpenFiles {
    fn keep(&self, file: &Arc<SourceFile>) {
        let mut recent = self.lock();
        if recent.front().is_some_and(|first| Arc::ptr_eq(first, file)) {
            return;
        }
        recent.retain(|other| !Arc::ptr_eq(other, file));
        recent.push_front(file.clone());
        recent.truncate(KEPT_OPEN);
    }

    fn close(&self, file: &Arc<SourceFile>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, file));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<SourceFile>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file as the walk found it, and how far it has been read.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it is.
    pub location: Location,
    /// What it was when it was walked, and must still be when its last chunk has been read.
    pub version: Version,
    reading: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    /// The open file, if it is among those that were read last. A file of one chunk never is.
    file: Weak<SourceFile>,
    tree: TreeHash,
}

impl Outgoing {
    /// The file at `location`, nothing of it read yet.
    pub fn new(location: Location, version: Version) -> Self {
        let reading = Mutex::new(Reading { file: Weak::new(), tree: TreeHash::new(version.size) });
        Self { location, version, reading }
    }

    /// Reads the chunk at `offset`, which is exactly as long as `buffer`; with the hash of the
    /// whole file when no chunk is missing any more.
    ///
    /// # Errors
    /// `SourceChanged` when it is another file or another version of it than was walked,
    /// `SourceGone`, `SourceUnreadable`; `Io` when `buffer` does not fit a chunk there.
    pub fn read(
        &self,
        folders: &Folders,
        recent: &OpenFiles,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<Option<ContentHash>, Reason> {
        if chunk_length(self.version.size, offset) != Some(buffer.len()) {
            return Err(Reason::Io);
        }
        let file = self.opened(folders, recent)?;
        file.read(offset, buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Reason::SourceChanged,
            _ => Reason::SourceUnreadable,
        })?;
        let chunk = ChunkHash::new(self.version.size, offset, buffer).ok_or(Reason::Io)?;
        let whole = self.lock().tree.insert(chunk);
        if whole.is_some() {
            // Looked at after the last byte was read, or a change between would go unnoticed.
            self.insist_unchanged(&file)?;
            recent.close(&file);
        }
        Ok(whole)
    }

    /// The open file. The lock is held while opening so that two lanes do not both do it.
    fn opened(&self, folders: &Folders, recent: &OpenFiles) -> Result<Arc<SourceFile>, Reason> {
        if self.version.size <= u64::from(CHUNK_BYTES) {
            return self.open(folders);
        }
        let mut reading = self.lock();
        let file = match reading.file.upgrade() {
            Some(file) => file,
            None => self.open(folders)?,
        };
        reading.file = Arc::downgrade(&file);
        recent.keep(&file);
        Ok(file)
    }

    /// Closes the file, of which nothing more is to be read.
    pub fn close(&self, recent: &OpenFiles) {
        if let Some(file) = self.lock().file.upgrade() {
            recent.close(&file);
        }
    }

    fn open(&self, folders: &Folders) -> Result<Arc<SourceFile>, Reason> {
        let folder = folders.open(&self.location.folder).map_err(|error| source_reason(&error))?;
        let (file, stat) =
            regular::open(&folder, &self.location.name).map_err(|error| source_reason(&error))?;
        self.insist_same(&stat)?;
        Ok(Arc::new(SourceFile::new(file, self.version.size)))
    }

    fn insist_unchanged(&self, file: &SourceFile) -> Result<(), Reason> {
        let stat = Stat::open(file.file()).map_err(|error| source_reason(&error))?;
        self.insist_same(&stat)
    }

    fn insist_same(&self, stat: &Stat) -> Result<(), Reason> {
        let same = stat.form == Form::File && stat.version == self.version;
        if same { Ok(()) } else { Err(Reason::SourceChanged) }
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
