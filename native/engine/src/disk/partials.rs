//! The part files of one session: in `.hawser/<session>` in the target what only this one can use.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{EntryId, PARTIALS_FOLDER};

use super::journal::Subject;
use super::kept::{Kept, Left};
use super::part_file::PartFile;
use super::stamp::{new_file, new_folder};
use super::stored::Stored;
use crate::descriptors::PARTS;

/// Other transfers into the same target remove `.hawser` when it is empty, which it is for a moment
/// between its creation and that of our folder in it: then once more, but not forever.
pub const ATTEMPTS: u32 = 16;

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
    kept: Kept,
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
        let kept = Kept::new(target.clone());
        Self { target, name, folder: Mutex::new(State::NotYet), kept }
    }

    /// The folder that they are in, at some depth.
    pub fn target(&self) -> &Dir {
        &self.target
    }

    /// Looks for a part of a file, which shall end up with `mode`, that an earlier session has left.
    pub fn find(&self, subject: &Subject, mode: u16) -> Left {
        self.kept.find(subject, mode)
    }

    /// Creates the part file of `id`, which is open for writing, has `size` bytes and shall end up
    /// with `mode`; one of `subject` that outlives the session, if that is given, nobody else is writing
    /// one, and there are descriptors to keep it open.
    ///
    /// Its mode is that already, but for what is needed to fill it: the folder keeps others out.
    ///
    /// # Errors
    /// Those of the operating system; `PermissionDenied` when the folder belongs to someone else.
    pub fn create(&self, id: EntryId, size: u64, mode: u16, subject: Option<Subject>) -> io::Result<Stored> {
        // A file of one chunk is closed as soon as that is written.
        let share = if size > u64::from(CHUNK_BYTES) { PARTS.share() } else { None };
        match (subject, &share) {
            (Some(subject), Some(_)) => {
                if let Some(stored) = self.kept.create(subject, mode)? {
                    return Ok(stored.holding(share));
                }
            }
            (Some(subject), None) => self.kept.remove(&subject),
            (None, _) => {}
        }
        let folder = self.open()?;
        let name = id.0.to_string();
        let file = folder.open_with(&name, &new_file(mode))?.into_std();
        if share.is_none() && size > u64::from(CHUNK_BYTES) {
            return Ok(Stored::closed(size, folder, name));
        }
        Ok(Stored::new(PartFile::new(file, size), folder, name, None).holding(share))
    }

    /// Removes the folder, which is empty but for what others put there, and the one around it
    /// unless another transfer is using that. No part can be created any more.
    pub fn close(&self) {
        let state = std::mem::replace(&mut *self.lock(), State::Closed);
        if let State::Open(_) = state
            && let Ok(shared) = self.target.open_dir_nofollow(PARTIALS_FOLDER)
        {
            // Not empty, or gone: either way there is nothing left here that is ours to remove.
            let _ = shared.remove_dir(&self.name);
        }
        self.kept.close();
        let _ = self.target.remove_dir(PARTIALS_FOLDER);
    }

    fn open(&self) -> io::Result<Arc<Dir>> {
        let mut state = self.lock();
        match &*state {
            State::Open(folder) => Ok(folder.clone()),
            State::Closed => Err(io::ErrorKind::NotFound.into()),
            State::NotYet => {
                let folder = Arc::new(make_in_shared(&self.target, &self.name)?);
                *state = State::Open(folder.clone());
                Ok(folder)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the folder `name` in `.hawser` in `target`, both created if they are not there.
///
/// # Errors
/// As [`make_private`].
pub fn make_in_shared(target: &Dir, name: &str) -> io::Result<Dir> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..ATTEMPTS {
        let made = make_private(target, PARTIALS_FOLDER).and_then(|shared| make_private(&shared, name));
        match made {
            Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
            made => return made,
        }
    }
    Err(last)
}

/// Opens a folder of ours, created if it is not there, for the user alone.
///
/// # Errors
/// As [`open_private`].
pub fn make_private(parent: &Dir, name: &str) -> io::Result<Dir> {
    match parent.create_dir_with(name, &new_folder(0o700)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => open_private(parent, name),
    }
}

/// Opens a folder of ours.
///
/// Who owns it and which disk it is on is asked of the open handle, so whatever was exchanged for
/// it before is found out: someone else's folder would let them change what we have checked, and
/// from another disk nothing can be renamed into place.
///
/// # Errors
/// Those of the operating system; `PermissionDenied` and `CrossesDevices` for such a folder.
pub fn open_private(parent: &Dir, name: &str) -> io::Result<Dir> {
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
