//! Part files that outlive their session: `.hawser/partials` in the target, each with a journal.

use std::fs::{File, TryLockError};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::PARTIALS_FOLDER;

use crate::descriptors::PARTS;

use super::journal::{self, Journal, Subject, Written};
use super::part_file::PartFile;
use super::partials::{ATTEMPTS, make_in_shared, open_private};
use super::stamp::new_file;
#[cfg(unix)]
use super::stat::Stat;
use super::stored::Stored;

/// The folder of all part files that may be resumed, in [`PARTIALS_FOLDER`].
pub const FOLDER: &str = "partials";

/// A session waits so long in all for part files that are locked: those of an earlier one that is
/// just ending. Whoever sends the same file twice at the same time has it written twice.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The part files of one target that may be resumed.
#[derive(Debug)]
pub struct Kept {
    target: Arc<Dir>,
    folder: Mutex<Option<Arc<Dir>>>,
    patience: Mutex<Duration>,
}

/// What there is of a file.
#[derive(Debug)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Something of another version of it; it is removed.
    Useless,
    /// A part, and the chunks that it should have.
    Part(Box<Stored>, Written),
}

impl Kept {
    /// Those in `target`. Nothing is created yet.
    pub fn new(target: Arc<Dir>) -> Self {
        Self { target, folder: Mutex::default(), patience: Mutex::new(PATIENCE) }
    }

    /// Looks for a part of `subject`, which shall end up with `mode`. What cannot be read, or is in use,
    /// is not there.
    pub fn find(&self, subject: &Subject, mode: u16) -> Left {
        self.look(subject, mode).unwrap_or(Left::Nothing)
    }

    #[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has modes"))]
    fn look(&self, subject: &Subject, mode: u16) -> io::Result<Left> {
        let Some(folder) = self.folder()? else { return Ok(Left::Nothing) };
        let name = part_name(subject);
        let part = match open(&folder, &name, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
            part => part?,
        };
        if !self.lock(&part) || !is_named(&part, &folder, &name)? {
            return Ok(Left::Nothing);
        }
        let found = match open(&folder, &journal_name(&name), false).and_then(|file| journal::read(&file)) {
            Ok(found) => Some(found),
            // There is none, or not even its header is whole.
            Err(error) if is_no_journal(&error) => None,
            Err(error) => return Err(error),
        };
        match found {
            Some(found) if found.subject == *subject => {
                let Some(share) = PARTS.share() else { return Ok(Left::Nothing) };
                #[cfg(unix)]
                super::stamp::renew_mode(&part, &folder, &format!("{name}.mode"), mode)?;
                let written = found.written.clone();
                let part =
                    PartFile::resume(part, subject.size, written.len() as u64 * u64::from(CHUNK_BYTES));
                let stored = Stored::new(part, folder, name, Some(Journal::resume(found)));
                Ok(Left::Part(Box::new(stored.holding(Some(share))), written))
            }
            found => {
                remove(&folder, &name)?;
                Ok(if found.is_some() { Left::Useless } else { Left::Nothing })
            }
        }
    }

    /// Creates a part file of `subject`, which shall end up with `mode`; `None` when there is one
    /// that another session is writing. One that nobody is writing was not found to be of use.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn create(&self, subject: Subject, mode: u16) -> io::Result<Option<Stored>> {
        let name = part_name(&subject);
        let mut attempts = 1..ATTEMPTS;
        let (folder, part) = loop {
            let folder = self.make()?;
            match folder.open_with(&name, &new_file(mode)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // What cannot be removed, such as a folder of that name, is left to its owner.
                    let is_gone = attempts.next().is_some() && remove_unused(&folder, &name).unwrap_or(false);
                    if !is_gone {
                        return Ok(None);
                    }
                }
                // Another session has found the folder empty, and removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts.next().is_some() => {
                    self.forget();
                }
                part => break (folder, part?.into_std()),
            }
        };
        // Between the two calls somebody else may have found it, and has it now or has removed it.
        if !self.lock(&part) || !is_named(&part, &folder, &name)? {
            return Ok(None);
        }
        let part = PartFile::new(part, subject.size);
        Ok(Some(Stored::new(part, folder, name, Some(Journal::new(subject)))))
    }

    /// Removes what there is of `subject`, if it can be: all of the file is written elsewhere.
    pub fn remove(&self, subject: &Subject) {
        if let Ok(Some(folder)) = self.folder() {
            let _ = remove_unused(&folder, &part_name(subject));
        }
    }

    /// Removes the folder if nothing is in it.
    pub fn close(&self) {
        if self.forget()
            && let Ok(shared) = self.target.open_dir_nofollow(PARTIALS_FOLDER)
        {
            let _ = shared.remove_dir(FOLDER);
        }
    }

    /// Closes the folder. Returns whether it was open.
    fn forget(&self) -> bool {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// The folder, if there is one.
    fn folder(&self) -> io::Result<Option<Arc<Dir>>> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if folder.is_none() {
            let shared = open_private(&self.target, PARTIALS_FOLDER);
            match shared.and_then(|shared| open_private(&shared, FOLDER)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                found => *folder = Some(Arc::new(found?)),
            }
        }
        Ok(folder.clone())
    }

    fn make(&self) -> io::Result<Arc<Dir>> {
        if let Some(folder) = self.folder()? {
            return Ok(folder);
        }
        let made = make_in_shared(&self.target, FOLDER)?;
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(folder.get_or_insert(Arc::new(made)).clone())
    }

    /// Locks a part file, which ends with its last handle. Where nothing can be locked, nothing is.
    fn lock(&self, part: &File) -> bool {
        if !matches!(part.try_lock(), Err(TryLockError::WouldBlock)) {
            return true;
        }
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        while let Err(TryLockError::WouldBlock) = part.try_lock() {
            if begun.elapsed() >= *patience {
                *patience = Duration::ZERO;
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        *patience = patience.saturating_sub(begun.elapsed());
        true
    }
}

/// Whether `part` still has its name: it may have got its place while its lock was waited for, or have
/// been removed.
///
/// # Errors
/// Those of the operating system.
#[cfg(unix)]
pub fn is_named(part: &File, folder: &Dir, name: &str) -> io::Result<bool> {
    let Some(name) = hawser_protocol::manifest::Name::new(name.as_bytes()) else { return Ok(false) };
    match Stat::named(folder, &name) {
        Ok(named) => Ok(named.version.is_same_file(&Stat::open(part)?.version)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Windows renames no file that is open.
#[cfg(not(unix))]
pub fn is_named(_: &File, _: &Dir, _: &str) -> io::Result<bool> {
    Ok(true)
}

fn part_name(subject: &Subject) -> String {
    format!("{}.part", subject.key())
}

/// Whether a part file may be called `name`.
pub fn is_part_name(name: &str) -> bool {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.strip_suffix(".part").is_some_and(|key| key.len() == 32 && key.bytes().all(is_hex))
}

/// The name of the journal of a part.
pub fn journal_name(part: &str) -> String {
    format!("{}.journal", part.trim_end_matches(".part"))
}

/// Opens the journal of a part for writing, or makes it if it is `new`: one that is there then has lost
/// its part.
///
/// # Errors
/// Those of the operating system.
pub fn open_journal(folder: &Dir, part: &str, new: bool) -> io::Result<File> {
    let name = journal_name(part);
    if !new {
        return open(folder, &name, true);
    }
    match folder.open_with(&name, &new_file(0o600)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            folder.remove_file(&name)?;
            Ok(folder.open_with(&name, &new_file(0o600))?.into_std())
        }
        opened => Ok(opened?.into_std()),
    }
}

fn open(folder: &Dir, name: &str, writable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(writable).follow(FollowSymlinks::No);
    Ok(folder.open_with(name, &options)?.into_std())
}

fn is_no_journal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | InvalidData | UnexpectedEof)
}

/// Removes a part that nobody is writing. Returns whether it is gone.
fn remove_unused(folder: &Dir, part: &str) -> io::Result<bool> {
    // One that is complete but for its name may have a mode by which nobody writes to it.
    let file = match open(folder, part, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(_) => return Ok(false),
        Ok(file) => file,
    };
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Ok(false);
    }
    if is_named(&file, folder, part)? {
        remove(folder, part)?;
    }
    Ok(true)
}

fn remove(folder: &Dir, part: &str) -> io::Result<()> {
    let _ = folder.remove_file(journal_name(part));
    folder.remove_file(part)
}
