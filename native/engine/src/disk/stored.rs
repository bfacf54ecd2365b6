//! A part file, wherever it is: what arrives is written into it, and it moves to its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;

use super::journal::Journal;
use super::kept::open_journal;
use super::part_file::PartFile;
use super::place::move_without_replacing;

/// A part file and, if it is to outlive its session, its journal.
///
/// The file is locked while this exists, so that two sessions do not write to one.
#[derive(Debug)]
pub struct Stored {
    file: PartFile,
    folder: Arc<Dir>,
    name: String,
    journal: Option<Mutex<Journal>>,
}

impl Stored {
    /// The part file `file` has `name` in `folder`.
    pub fn new(file: PartFile, folder: Arc<Dir>, name: String, journal: Option<Journal>) -> Self {
        Self { file, folder, name, journal: journal.map(Mutex::new) }
    }

    /// Its content.
    pub fn file(&self) -> &PartFile {
        &self.file
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
        if let Some(mut journal) = self.journal() {
            let _ = journal.add(chunk, hash, || open_journal(&self.folder, &self.name));
        }
    }

    /// All of it is to be written again.
    ///
    /// # Errors
    /// Those of the operating system: then the journal still speaks of what was there.
    pub fn forget(&self) -> io::Result<()> {
        self.journal().map_or(Ok(()), |mut journal| journal.clear())
    }

    /// Leaves it for a later session, if it is of use there. Returns whether it is.
    pub fn keep(&self) -> bool {
        let Some(mut journal) = self.journal() else { return false };
        journal.write_out(|| open_journal(&self.folder, &self.name)).is_ok() && journal.is_begun()
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
        if self.journal().is_some_and(|journal| journal.is_begun()) {
            // Left behind, it is overwritten by the next one of its name.
            let _ = self.folder.remove_file(super::kept::journal_name(&self.name));
        }
    }

    fn journal(&self) -> Option<MutexGuard<'_, Journal>> {
        Some(self.journal.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
