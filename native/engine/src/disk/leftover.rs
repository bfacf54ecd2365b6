//! What sessions that were cut off have left in `.hawser/partials` of a target, for its user to see
//! and to remove.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, SystemTime};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Name, PARTIALS_FOLDER};

use super::claim::is_claimed;
use super::hash::chunk_length;
use super::journal::{self, Found};
use super::kept::{FOLDER, is_named, is_part_name, journal_name};
use super::regular;
use super::stat::Form;

/// A part file and its journal, or something else where they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its name in `.hawser/partials`, what is not UTF-8 replaced. Not to be shown unescaped.
    pub name: String,
    /// What it is a part of; `None` if no journal says so, and no session can go on with it.
    pub of: Option<PartOf>,
    /// Bytes that it takes on the disk.
    pub bytes_on_disk: u64,
    /// When something was last written to it.
    pub written: SystemTime,
    /// Whether a session is writing it.
    pub in_use: bool,
}

/// The file of which there is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// Below the target folder, names joined by "/", what is not UTF-8 replaced. Not to be shown
    /// unescaped.
    pub path: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// Bytes that are here, by the journal.
    pub held: u64,
    /// The fingerprint of the key of the peer that sends it.
    pub fingerprint: String,
}

/// What has been removed, and what has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What is gone.
    pub removed: Vec<Leftover>,
    /// What is still there though it was to be removed.
    pub remaining: Vec<Remaining>,
}

/// Something that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// What it is.
    pub leftover: Leftover,
    /// Why it is still there, for a person.
    pub message: String,
}

/// The folder of part files in a target.
#[derive(Debug)]
pub struct Leftovers {
    target: Dir,
    folder: Dir,
}

/// What was found at a name, and the lock of a part file, which ends with it.
type Examined = (Leftover, Option<File>);

impl Leftovers {
    /// Those in `target`; `None` when there is no folder for them.
    ///
    /// # Errors
    /// Those of the operating system, for example when links stand where the folders should be.
    pub fn find(target: &Dir) -> io::Result<Option<Self>> {
        let own = target.open_dir_nofollow(PARTIALS_FOLDER);
        match own.and_then(|own| own.open_dir_nofollow(FOLDER)) {
            Ok(folder) => Ok(Some(Self { target: target.try_clone()?, folder })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of them, in order of what they are part of, the unknown ones last.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn list(&self) -> io::Result<Vec<Leftover>> {
        let mut list = Vec::new();
        for name in self.names()? {
            // Shared, so that two that only look do not take each other for sessions.
            list.extend(self.examine(&name, File::try_lock_shared)?.map(|(leftover, _)| leftover));
        }
        list.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(list)
    }

    /// Removes those that were last written so long ago or longer and that no session is writing.
    ///
    /// # Errors
    /// Those of the operating system, except for one that cannot be removed: the others are.
    pub fn remove(&self, idle: Duration) -> io::Result<Removal> {
        let now = SystemTime::now();
        let mut removal = Removal::default();
        for name in self.names()? {
            // Locked until it is gone: no session goes on with what is being removed.
            let Some((leftover, _lock)) = self.examine(&name, File::try_lock)? else { continue };
            // One that was written in the future, by another clock, was so just now.
            if now.duration_since(leftover.written).unwrap_or_default() < idle {
                continue;
            }
            let removed = if leftover.in_use { Err("it is in use".into()) } else { self.unlink(&name) };
            match removed {
                Ok(()) => removal.removed.push(leftover),
                Err(message) => removal.remaining.push(Remaining { leftover, message }),
            }
        }
        removal.removed.sort_by(|one, other| order(one).cmp(&order(other)));
        removal.remaining.sort_by(|one, other| order(&one.leftover).cmp(&order(&other.leftover)));
        Ok(removal)
    }

    /// Everything in the folder, but for journals, which are listed with their parts.
    fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let names = self.folder.entries()?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<io::Result<BTreeSet<_>>>()?;
        let journals: Vec<_> = names.iter().filter_map(|name| part_name(name)).map(journal_name).collect();
        journals.iter().for_each(|journal| {
            names.remove(OsStr::new(journal));
        });
        Ok(names)
    }

    /// Looks at one; `None` when it is gone by now.
    fn examine(
        &self,
        name: &OsStr,
        try_lock: fn(&File) -> Result<(), TryLockError>,
    ) -> io::Result<Option<Examined>> {
        let Some(found) = there(self.folder.symlink_metadata(name))? else { return Ok(None) };
        let mut leftover = Leftover {
            name: name.to_string_lossy().into_owned(),
            of: None,
            bytes_on_disk: bytes_on_disk(&found),
            written: found.modified()?.into_std(),
            in_use: false,
        };
        let Some(part) = part_name(name) else {
            let part = name.to_str().and_then(|name| name.strip_suffix(".journal"));
            let part = part.map(|key| format!("{key}.part")).filter(|part| is_part_name(part));
            // A journal that has been alone may have got its part by now.
            let is_alone = part.is_none_or(|part| self.folder.symlink_metadata(part).is_err());
            return Ok(is_alone.then_some((leftover, None)));
        };
        // A link is not followed, and a FIFO not opened, which its writer would notice.
        if !found.is_file() {
            return Ok(Some((leftover, None)));
        }
        let lock = match self.open(part) {
            Ok(file) => {
                leftover.in_use = matches!(try_lock(&file), Err(TryLockError::WouldBlock));
                // Placed while it was opened, or removed by somebody who had the lock before.
                if !leftover.in_use && !is_named(&file, &self.folder, part)? {
                    return Ok(None);
                }
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Complete but for its name, it may have a mode by which nobody reads it. Then it is of
            // a session that runs, or of one that is gone.
            Err(_) => {
                leftover.in_use = is_claimed(&self.target);
                None
            }
        };
        let journal = journal_name(part);
        if let Some(found) = there(self.folder.symlink_metadata(&journal))? {
            leftover.bytes_on_disk = leftover.bytes_on_disk.saturating_add(bytes_on_disk(&found));
            leftover.written = leftover.written.max(found.modified()?.into_std());
            let known = self.open(&journal).and_then(|file| journal::read(&file)).ok();
            leftover.of =
                known.filter(|known| part == format!("{}.part", known.subject.key())).map(PartOf::from);
        }
        Ok(Some((leftover, lock)))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let name = Name::new(name.as_bytes()).ok_or(io::ErrorKind::InvalidFilename)?;
        let (file, stat) = regular::open(&self.folder, &name)?;
        if stat.form == Form::File { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Removes what has a name; why not, when it cannot.
    fn unlink(&self, name: &OsStr) -> Result<(), String> {
        // As in a session: a journal without a part is nothing, a part without a journal of no use.
        let journal = part_name(name).map_or(Ok(()), |part| self.folder.remove_file(journal_name(part)));
        let removed = match there(journal) {
            // A folder is not ours. It goes if nothing is in it.
            Ok(_) if self.folder.symlink_metadata(name).is_ok_and(|found| found.is_dir()) => {
                self.folder.remove_dir(name)
            }
            Ok(_) => self.folder.remove_file(name),
            Err(error) => Err(error),
        };
        there(removed)
            .map(drop)
            .map_err(|error| format!("it cannot be removed: {}", crate::error::words(&error)))
    }
}

impl From<Found> for PartOf {
    fn from(Found { subject, written, .. }: Found) -> Self {
        let length = |&chunk: &u32| chunk_length(subject.size, u64::from(chunk) * u64::from(CHUNK_BYTES));
        Self {
            path: String::from_utf8_lossy(&subject.path).into_owned(),
            size: subject.size,
            held: written.keys().filter_map(length).map(|length| length as u64).sum(),
            fingerprint: PublicKey(subject.owner).fingerprint(),
        }
    }
}

/// Removes `.hawser/partials` and `.hawser` in `target` if nothing is in them.
pub fn remove_empty_folders(target: &Dir) {
    if let Ok(own) = target.open_dir_nofollow(PARTIALS_FOLDER) {
        let _ = own.remove_dir(FOLDER);
    }
    let _ = target.remove_dir(PARTIALS_FOLDER);
}

/// The name of a part file; `None` for any other.
fn part_name(name: &OsStr) -> Option<&str> {
    name.to_str().filter(|name| is_part_name(name))
}

/// What there is; `None` for what is not there.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn order(leftover: &Leftover) -> (bool, Option<&str>, &str) {
    (leftover.of.is_none(), leftover.of.as_ref().map(|of| of.path.as_str()), &leftover.name)
}

/// Less than its length where a file has holes, more where space was allocated ahead.
#[cfg(unix)]
fn bytes_on_disk(found: &Metadata) -> u64 {
    use cap_std::fs::MetadataExt;
    found.blocks().saturating_mul(512)
}

#[cfg(not(unix))]
fn bytes_on_disk(found: &Metadata) -> u64 {
    found.len()
}
