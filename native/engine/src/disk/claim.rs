//! Who may receive into a folder: one listener, or any number that fetch into it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hawser_protocol::manifest::PARTIALS_FOLDER;

/// Somebody who cleans up, or looks whether anybody is there, has the folder alone for a moment.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Held while part files may be made in a folder. Whoever has it alone knows that what it finds in
/// the folders of single sessions is left from processes that are gone.
#[derive(Debug)]
pub struct Claim {
    /// Locked, if the file system can do that: it is a precaution, and no reason to refuse.
    _folder: Option<File>,
}

/// Somebody else receives into the folder.
#[derive(Debug)]
pub struct Taken;

/// Opens a folder to write into, made with the folders above it if missing. The only time that its path counts.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn open_target(directory: &Path) -> io::Result<Arc<Dir>> {
    std::fs::create_dir_all(directory)?;
    Ok(Arc::new(Dir::open_ambient_dir(directory, ambient_authority())?))
}

impl Claim {
    /// For a listener, whose many sessions share it.
    ///
    /// # Errors
    /// [`Taken`], when any other process or call receives into `target`.
    pub fn alone(target: &Dir) -> Result<Self, Taken> {
        let Some(folder) = open(target) else { return Ok(Self { _folder: None }) };
        match patiently(|| folder.try_lock()) {
            Err(TryLockError::WouldBlock) => Err(Taken),
            locked => {
                if locked.is_ok() {
                    clean(target);
                }
                Ok(Self { _folder: Some(folder) })
            }
        }
    }

    /// For a single session that has dialled.
    ///
    /// # Errors
    /// [`Taken`], when a listener receives into `target`.
    pub fn shared(target: &Dir) -> Result<Self, Taken> {
        let Some(folder) = open(target) else { return Ok(Self { _folder: None }) };
        if folder.try_lock().is_ok() {
            clean(target);
        }
        match patiently(|| folder.try_lock_shared()) {
            Err(TryLockError::WouldBlock) => Err(Taken),
            _ => Ok(Self { _folder: Some(folder) }),
        }
    }
}

fn patiently(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(LOOK_EVERY),
            locked => return locked,
        }
    }
}

/// Whether anybody receives into `target`, as far as that can be known.
pub fn is_claimed(target: &Dir) -> bool {
    open(target).is_some_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The folder itself is locked, so that nothing has to be left in it.
#[cfg(unix)]
fn open(target: &Dir) -> Option<File> {
    super::made::readable(target).ok()
}

/// Windows locks no folders.
#[cfg(not(unix))]
fn open(_: &Dir) -> Option<File> {
    None
}

/// Removes the part files of sessions that are gone. What cannot be removed does no harm.
fn clean(target: &Dir) {
    let _ = || -> io::Result<()> {
        let shared = target.open_dir_nofollow(PARTIALS_FOLDER)?;
        for entry in shared.entries()? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(is_of_a_session) {
                shared.remove_dir_all(&name)?;
            }
        }
        Ok(())
    }();
}

/// Whether a folder has the name of a session: 32 digits of its number in hex.
fn is_of_a_session(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
