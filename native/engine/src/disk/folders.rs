//! Folders that are reached only through held handles.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use hawser_protocol::manifest::Name;

use super::names::os_name;
use crate::descriptors::{FOLDERS, Share};

/// Handles kept open besides those that are in use at the moment.
///
/// A walk or a writer moves within a few folders at a time; the soft limit of open files is 256
/// on some systems, and sockets and files want theirs too.
const KEPT_OPEN: usize = 64;

/// A folder: held open, or a name in another folder.
#[derive(Debug)]
pub enum Folder {
    /// Opened once and held: what all others are reached from.
    Held(Arc<Dir>),
    /// Opened on demand, component by component from a held one.
    At(Location),
}

/// Where something is: a name in a folder.
#[derive(Clone, Debug)]
pub struct Location {
    /// The folder it is in.
    pub folder: Arc<Folder>,
    /// Its name there.
    pub name: Name,
    /// What it is called in reports when that is not its name: the user named a link to it.
    pub alias: Option<Name>,
}

impl Folder {
    /// Folders between this one and the held one it is reached from, itself included.
    pub fn depth(&self) -> u16 {
        match self {
            Self::Held(_) => 0,
            Self::At(location) => location.folder.depth().saturating_add(1),
        }
    }

    /// For people: what is called `name` in this folder, as [`Location::display`] has it.
    pub fn display_of(&self, name: &str) -> String {
        match self {
            Self::Held(_) => name.to_owned(),
            Self::At(location) => format!("{}/{name}", location.display()),
        }
    }
}

impl Location {
    /// `name` in `folder`.
    pub fn new(folder: Arc<Folder>, name: Name) -> Self {
        Self { folder, name, alias: None }
    }

    /// The names below the held folder, joined by "/", byte for byte.
    pub fn path(&self) -> Vec<u8> {
        let mut path = match &*self.folder {
            Folder::Held(_) => return self.name.as_bytes().to_vec(),
            Folder::At(above) => above.path(),
        };
        path.push(b'/');
        path.extend_from_slice(self.name.as_bytes());
        path
    }

    /// For people: the names below the held folder, joined by "/", what is not UTF-8 replaced.
    pub fn display(&self) -> String {
        let name = self.alias.as_ref().unwrap_or(&self.name);
        self.folder.display_of(&String::from_utf8_lossy(name.as_bytes()))
    }
}

/// A folder that is held open.
type Recent = (Arc<Folder>, Arc<Dir>, Share);

/// Opens folders, and keeps the ones used last open.
#[derive(Debug, Default)]
pub struct Folders {
    /// The one used last comes first.
    recent: Mutex<VecDeque<Recent>>,
}

impl Folders {
    /// A handle of `folder`.
    ///
    /// Two threads may open the same folder at once; each gets a good handle, and one is kept.
    ///
    /// # Errors
    /// Those of the operating system; also when a link or a file stands where the folder, or one
    /// above it, was.
    pub fn open(&self, folder: &Arc<Folder>) -> io::Result<Arc<Dir>> {
        let mut closed = Vec::new();
        let mut above = folder;
        let mut handle = loop {
            match &**above {
                Folder::Held(handle) => break handle.clone(),
                Folder::At(location) => match self.recent(above) {
                    Some(handle) => break handle,
                    None => {
                        closed.push((above, &location.name));
                        above = &location.folder;
                    }
                },
            }
        };
        for (folder, name) in closed.into_iter().rev() {
            let name = os_name(name).ok_or(io::ErrorKind::InvalidFilename)?;
            handle = Arc::new(handle.open_dir_nofollow(name)?);
            self.keep(folder, &handle);
        }
        Ok(handle)
    }

    /// Closes `folder` unless a thread is using it.
    pub fn close(&self, folder: &Arc<Folder>) {
        self.lock().retain(|(kept, ..)| !Arc::ptr_eq(kept, folder));
    }

    fn recent(&self, folder: &Arc<Folder>) -> Option<Arc<Dir>> {
        let mut recent = self.lock();
        let at = recent.iter().position(|(kept, ..)| Arc::ptr_eq(kept, folder))?;
        let found = recent.remove(at)?;
        let handle = found.1.clone();
        recent.push_front(found);
        Some(handle)
    }

    fn keep(&self, folder: &Arc<Folder>, handle: &Arc<Dir>) {
        let mut recent = self.lock();
        recent.truncate(KEPT_OPEN - 1);
        // When others have all there is, this one keeps no more than it has.
        let share = FOLDERS.share().or_else(|| recent.pop_back().and_then(|_| FOLDERS.share()));
        if let Some(share) = share {
            recent.push_front((folder.clone(), handle.clone(), share));
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
