//! The folder of part files: `.hawser/<transfer>` in the target.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use hawser_protocol::manifest::{EntryId, PARTIALS_FOLDER};

use super::place::move_without_replacing;
use super::stamp::{new_file, new_folder};

/// Other transfers into the same target remove `.hawser` when it is empty, which it is for a moment
/// between its creation and that of our folder in it: then once more, but not forever.
const ATTEMPTS: u32 = 16;

/// The part files of one transfer into one target.
///
/// The folder is made when the first is, and only the user has access to it. It is inside the
/// target because a file can only be renamed within its file system.
#[derive(Debug)]
pub struct Partials {
    target: Arc<Dir>,
    /// The transfer, in hex.
    name: String,
    folder: Mutex<State>,
}

#[derive(Debug)]
enum State {
    NotYet,
    Open(Arc<Dir>),
    Closed,
}

impl Partials {
    /// Those of `transfer`, in `target`. Nothing is created yet.
    pub fn new(target: Arc<Dir>, transfer: [u8; 16]) -> Self {
        let name = transfer.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { target, name, folder: Mutex::new(State::NotYet) }
    }

    /// Creates the part file of `id`, open for writing, which shall end up with `mode`.
    ///
    /// Its mode is that already, but for what is needed to fill it: the folder keeps others out.
    ///
    /// # Errors
    /// Those of the operating system; `PermissionDenied` when the folder belongs to someone else.
    pub fn create(&self, id: EntryId, mode: u16) -> io::Result<File> {
        Ok(self.open()?.open_with(part_name(id), &new_file(mode))?.into_std())
    }

    /// Moves the part file of `id` to `name` in `folder`, replacing nothing.
    ///
    /// # Errors
    /// `AlreadyExists` when anything has the name, else those of the operating system.
    pub fn release(&self, id: EntryId, folder: &Dir, name: &OsStr) -> io::Result<()> {
        move_without_replacing(&*self.open()?, &part_name(id), folder, name)
    }

    /// Removes the part file of `id`.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn remove(&self, id: EntryId) -> io::Result<()> {
        self.open()?.remove_file(part_name(id))
    }

    /// Removes the folder, which is empty but for what others put there, and the one around it
    /// unless another transfer is using that. No part can be created any more.
    pub fn close(&self) {
        let mut state = self.lock();
        if let State::Open(_) = std::mem::replace(&mut *state, State::Closed)
            && let Ok(shared) = self.target.open_dir_nofollow(PARTIALS_FOLDER)
        {
            // Not empty, or gone: either way there is nothing left here that is ours to remove.
            let _ = shared.remove_dir(&self.name);
            let _ = self.target.remove_dir(PARTIALS_FOLDER);
        }
    }

    fn open(&self) -> io::Result<Arc<Dir>> {
        let mut state = self.lock();
        match &*state {
            State::Open(folder) => Ok(folder.clone()),
            State::Closed => Err(io::ErrorKind::NotFound.into()),
            State::NotYet => {
                let folder = Arc::new(self.make()?);
                *state = State::Open(folder.clone());
                Ok(folder)
            }
        }
    }

    fn make(&self) -> io::Result<Dir> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..ATTEMPTS {
            let made = make_private(&self.target, PARTIALS_FOLDER)
                .and_then(|shared| make_private(&shared, &self.name));
            match made {
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
                made => return made,
            }
        }
        Err(last)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn part_name(id: EntryId) -> String {
    id.0.to_string()
}

/// Opens a folder of ours, created if it is not there, for the user alone.
///
/// Who owns it and which disk it is on is asked of the open handle, so whatever was exchanged for
/// it before is found out: someone else's folder would let them change what we have checked, and
/// from another disk nothing can be renamed into place.
///
/// # Errors
/// Those of the operating system, and for what it finds out.
pub fn make_private(parent: &Dir, name: &str) -> io::Result<Dir> {
    match parent.create_dir_with(name, &new_folder(0o700)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = parent.open_dir_nofollow(name)?;
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt;
        let found = folder.dir_metadata()?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if found.dev() != parent.dir_metadata()?.dev() {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
    }
    Ok(folder)
}
