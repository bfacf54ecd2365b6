//! The side that reads.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::manifest::EntryId;

use super::folders::{Folder, Folders, Location};
use super::hash::chunk_length;
use super::info::{EntryKind, Info};
use super::named::Named;
use super::outgoing::{OpenFiles, Outgoing};
use super::walk::{Manifest, Stopped, Walk};

/// The files and folders of one session to be sent.
///
/// Reads only what its own walk offered, whatever a peer asks for.
#[derive(Debug)]
pub struct Source {
    named: Vec<Named>,
    pub(super) folders: Folders,
    files: OpenFiles,
    offered: Mutex<HashMap<EntryId, Offered>>,
}

/// An entry that was offered and is not settled yet.
#[derive(Clone, Debug)]
pub(super) enum Offered {
    File(Arc<Outgoing>),
    Folder(Arc<Folder>, Location),
    Link(Location),
}

impl Source {
    /// Takes what a user named. Nothing is read yet but what the names lead to; what is not there
    /// is reported by the walk.
    ///
    /// A named link stands for what it leads to; links further down are never followed. One
    /// handle is held for every different folder that something was named in.
    ///
    /// # Errors
    /// `InvalidInput` for an empty path and for the root folder.
    pub fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let named = paths.iter().map(|path| Named::resolve(path)).collect::<io::Result<_>>()?;
        Ok(Self {
            named,
            folders: Folders::default(),
            files: OpenFiles::default(),
            offered: Mutex::default(),
        })
    }

    /// Walks everything, once, into `manifest`, which may block.
    ///
    /// # Errors
    /// [`Stopped`] when the manifest says so.
    pub fn walk(&self, manifest: &mut impl Manifest) -> Result<(), Stopped> {
        Walk::new(self, manifest).run(&self.named)
    }

    /// Reads the chunk of file `id` at `offset`: `buffer` is as long as
    /// [`chunk_length`](super::chunk_length) says, all of it is filled. With the hash of the whole
    /// file once no chunk of it is missing; chunks may come in any order, and again.
    ///
    /// # Errors
    /// `SourceChanged`, `SourceGone` or `SourceUnreadable`; `Io` for what was never offered, is
    /// released, or is not a chunk.
    pub fn read_chunk(
        &self,
        id: EntryId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<Option<ContentHash>, Reason> {
        match self.get(id) {
            Some(Offered::File(file)) => file.read(&self.folders, &self.files, offset, buffer),
            _ => Err(Reason::Io),
        }
    }

    /// Reads the chunk of file `id` at `offset` for its hash only; otherwise as [`Source::read_chunk`].
    ///
    /// # Errors
    /// As [`Source::read_chunk`].
    pub fn hash_chunk(&self, id: EntryId, offset: u64) -> Result<Option<ContentHash>, Reason> {
        let Some(Offered::File(file)) = self.get(id) else { return Err(Reason::Io) };
        let length = chunk_length(file.version.size, offset).ok_or(Reason::Io)?;
        file.read(&self.folders, &self.files, offset, &mut vec![0; length])
    }

    /// What a report says about `id`; `None` once it is released.
    pub fn info(&self, id: EntryId) -> Option<Info> {
        let (location, kind, size) = match self.get(id)? {
            Offered::File(file) => (file.location.clone(), EntryKind::File, file.version.size),
            Offered::Folder(_, location) => (location, EntryKind::Folder, 0),
            Offered::Link(location) => (location, EntryKind::Link, 0),
        };
        Some(Info { path: location.display(), kind, size })
    }

    /// Forgets `id`, which is settled, and closes it.
    pub fn release(&self, id: EntryId) {
        let released = self.lock().remove(&id);
        match released {
            Some(Offered::Folder(folder, _)) => self.folders.close(&folder),
            Some(Offered::File(file)) => file.close(&self.files),
            Some(Offered::Link(_)) | None => {}
        }
    }

    pub(super) fn register(&self, id: EntryId, offered: Offered) {
        self.lock().insert(id, offered);
    }

    fn get(&self, id: EntryId) -> Option<Offered> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EntryId, Offered>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
