//! The side that writes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::MAX_DEPTH;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Name};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::{ChunkRange, length};

use super::checking::Checked;
use super::claim::open_target;
use super::existing::Existing;
use super::fault::{entering_reason, is_of_this_disk, sink_reason};
use super::flush::Flush;
use super::folders::{Folder, Folders, Location};
use super::held::{Before, Fate, Held};
use super::incoming::{Completed, Incoming};
use super::info::{EntryKind, Info};
use super::listing::Listing;
use super::made::{finish_folder, make_folder, make_link};
use super::partials::Partials;
use super::record::Record;
use super::space::Space;
use crate::Error;
use crate::confine::Confinement;
use crate::quota::{Counted, Quota};

/// Names remembered of what was offered in the target folder: more than any user names, and little
/// memory. Beyond them every entry is transferred.
const MAX_SEEN: usize = 100_000;

/// What the sink does about an offered entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A file whose content is wanted.
    Want,
    /// A file of which these chunks should be here, and are to be checked; none of them when what was
    /// here is of no use.
    Resume(Vec<ChunkRange>),
    /// Done: a folder or link made or found, or a file found with its size and time.
    Placed(Placed),
    /// It will not be written. What is offered in a refused folder is refused, too.
    Refused(Reason),
}

/// The target folder of one session.
#[derive(Debug)]
pub struct Sink {
    partials: Partials,
    record: Record,
    folders: Folders,
    entries: Mutex<HashMap<EntryId, Held>>,
    /// Hashes of the names offered in the target folder itself.
    seen: Mutex<HashSet<blake3::Hash>>,
    flush: Flush,
    space: Arc<Space>,
    /// The key of the peer: what it has begun, only it goes on with.
    owner: [u8; 32],
    /// Whether only the same content makes a file one that is there.
    compares: AtomicBool,
}

impl Sink {
    /// Opens `directory`, made with the folders above it if missing, for one transfer from the peer
    /// with the key `owner`. It is held: whatever happens to its name later, everything goes where it
    /// is now.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(directory: &Path, transfer: [u8; 16], owner: [u8; 32]) -> io::Result<Self> {
        Self::within(open_target(directory)?, transfer, owner, Quota::unlimited())
    }

    /// The same in a folder that is open, with a limit to what may be brought.
    pub(crate) fn within(
        target: Arc<Dir>,
        transfer: [u8; 16],
        owner: [u8; 32],
        quota: Arc<Quota>,
    ) -> io::Result<Self> {
        let flush = Flush::below(&target)?;
        let space = Arc::new(Space::around(&target, quota)?);
        let root = Held::Folder(Arc::new(Folder::Held(target.clone())), Fate::Target(Arc::default()));
        Ok(Self {
            partials: Partials::new(target.clone(), transfer),
            record: Record::new(target, transfer, owner),
            folders: Folders::default(),
            entries: Mutex::new(HashMap::from([(EntryId::ROOT, root)])),
            seen: Mutex::default(),
            flush,
            space,
            owner,
            compares: AtomicBool::new(false),
        })
    }

    /// For the threads that call it.
    ///
    /// # Errors
    /// As [`Confinement::within`].
    pub(crate) fn confinement(&self) -> Result<Confinement, Error> {
        Confinement::within(self.partials.target())
    }

    /// Decides about an entry; folders and links are made at once.
    ///
    /// A folder joins one that is there, which then keeps its mode, and gets the time. Anything else that
    /// has its name stays as it is, and the entry gets a numbered name.
    pub fn offer(&self, id: EntryId, entry: &Entry) -> Decision {
        self.decide(id, entry).unwrap_or_else(|reason| Decision::Refused(self.space.explain(reason)))
    }

    /// Notes that an entry will not be written, nor what is in it.
    pub fn decline(&self, id: EntryId, entry: &Entry) {
        let Some(Held::Folder(parent, _)) = self.get(entry.parent) else { return };
        if entry.kind == Kind::Folder && parent.depth() <= MAX_DEPTH {
            let location = Location::new(parent, entry.name.clone());
            self.hold(id, Held::Folder(Arc::new(Folder::At(location)), Fate::Refused));
        }
    }

    /// Writes the chunk of file `id` at `offset`. Again does no harm.
    ///
    /// # Errors
    /// Why the file cannot be delivered; it is to be discarded then.
    pub fn write_chunk(&self, id: EntryId, offset: u64, bytes: &[u8]) -> Result<(), Reason> {
        self.file(id)?.write(&self.partials, offset, bytes).map_err(|reason| self.space.explain(reason))
    }

    /// What is delivered goes on the record of an earlier session of the same transfer.
    pub fn go_on(&self, earlier: [u8; 16]) {
        self.record.go_on(earlier);
    }

    /// From now on, a file is taken for one that is there only if it has the same content.
    pub fn compare_contents(&self) {
        self.compares.store(true, Ordering::Relaxed);
    }

    /// Reads the next chunk of file `id` that [`Decision::Resume`] spoke of; `None` when none is left.
    pub fn check_next(&self, id: EntryId) -> Option<Checked> {
        self.file(id).ok()?.check_next(&self.folders)
    }

    /// Closes file `id`, if all of it is here and is what the source read: `expected`. An empty file
    /// needs its empty chunk, too.
    ///
    /// # Errors
    /// Why the file cannot be delivered; it is to be discarded then.
    pub fn complete(&self, id: EntryId, expected: ContentHash) -> Result<Completed, Reason> {
        let file = self.file(id)?;
        let completed =
            file.complete(&self.folders, expected).map_err(|reason| self.space.explain(reason))?;
        if let Completed::Same(name) = &completed {
            self.record.add(&Location::new(file.location.folder.clone(), name.clone()), expected);
            self.lock().remove(&id);
        }
        Ok(completed)
    }

    /// Reads file `id`, which is complete, once more from the disk.
    ///
    /// # Errors
    /// Why the file cannot be delivered; it is to be discarded then.
    pub fn reread(&self, id: EntryId, expected: ContentHash) -> Result<(), Reason> {
        self.file(id)?.reread(expected)
    }

    /// Gives file `id`, which is complete, its place.
    ///
    /// # Errors
    /// Why the file cannot be delivered; it is to be discarded then.
    pub fn place(&self, id: EntryId, expected: ContentHash) -> Result<Placed, Reason> {
        let file = self.file(id)?;
        let placed = file.place(&self.folders, expected).map_err(|reason| self.space.explain(reason));
        let (placed, name) = placed?;
        self.record.add(&Location::new(file.location.folder.clone(), name), expected);
        self.lock().remove(&id);
        Ok(placed)
    }

    /// Forgets file `id`, which failed for `reason`. What there is of it is removed, unless it is much
    /// and this side's disk is the reason: then it can be finished later.
    pub fn discard(&self, id: EntryId, reason: Reason) {
        if let Ok(file) = self.file(id) {
            self.lock().remove(&id);
            file.discard(is_of_this_disk(reason) && file.is_worth_keeping() && !self.flush.has_failed());
        }
    }

    /// Forgets folder `id`, in which everything is settled; one that was created gets its mode and
    /// time. Answers how it came to be where it is.
    ///
    /// # Errors
    /// What the disk says, which leaves the folder as it is; `ParentFailed` for one that was
    /// refused or never offered.
    pub fn finish_folder(&self, id: EntryId) -> Result<Placed, Reason> {
        let held = self.lock().remove(&id);
        let Some(Held::Folder(folder, fate)) = held else { return Err(Reason::ParentFailed) };
        let finished = match fate {
            Fate::Created { placed, mode, mtime } => match self.folders.open(&folder) {
                Ok(handle) => finish_folder(&handle, mode, mtime).map(|()| placed),
                Err(error) => Err(entering_reason(&error)),
            },
            Fate::Found { mode, mtime, .. } => {
                // Finishing only takes bits away. A session that was cut off may have left it writable; nobody who
                // sends may close it beyond that.
                let mode = if mode & 0o200 == 0 { mode | 0o555 } else { 0o777 };
                let handle = self.folders.open(&folder).map_err(|error| entering_reason(&error));
                match handle.and_then(|handle| finish_folder(&handle, mode, mtime)) {
                    // It may be someone else's, who lets us write into it but not change it.
                    Ok(()) | Err(Reason::PermissionDenied) => Ok(Placed::Present),
                    Err(reason) => Err(reason),
                }
            }
            Fate::Target(_) | Fate::Refused => Err(Reason::ParentFailed),
        };
        self.folders.close(&folder);
        finished.map_err(|reason| self.space.explain(reason))
    }

    /// Returns when everything that was committed and finished is on disk. Other file systems
    /// mounted below the target are left out.
    ///
    /// # Errors
    /// Those of the operating system, and from then on always.
    pub fn flush(&self) -> io::Result<()> {
        self.record.flush();
        self.flush.flush()
    }

    /// Removes what is not placed and of no use to a later session. Nothing can be written any more.
    pub fn close(&self) {
        let entries = std::mem::take(&mut *self.lock());
        for held in entries.values() {
            if let Held::File(file) = held {
                // What the system failed to write may look as if it was there.
                file.discard(!self.flush.has_failed());
            }
        }
        self.record.close();
        self.partials.close();
    }

    /// What a report says about a wanted file or a folder; `None` once it is settled.
    pub fn info(&self, id: EntryId) -> Option<Info> {
        match self.get(id)? {
            Held::File(file) => {
                Some(Info { path: file.location.display(), kind: EntryKind::File, size: file.size })
            }
            Held::Folder(folder, _) => match &*folder {
                Folder::Held(_) => None,
                Folder::At(location) => {
                    Some(Info { path: location.display(), kind: EntryKind::Folder, size: 0 })
                }
            },
        }
    }

    /// What a report says about an entry that is being offered, under its own name.
    pub fn info_of(&self, entry: &Entry) -> Info {
        let name = String::from_utf8_lossy(entry.name.as_bytes());
        let path = match self.get(entry.parent) {
            Some(Held::Folder(folder, _)) => folder.display_of(&name),
            _ => name.into_owned(),
        };
        let size = if let Kind::File { size } = entry.kind { size } else { 0 };
        Info { path, kind: EntryKind::from(&entry.kind), size }
    }

    fn decide(&self, id: EntryId, entry: &Entry) -> Result<Decision, Reason> {
        let Some(Held::Folder(parent, fate)) = self.get(entry.parent) else {
            return Err(Reason::ParentFailed);
        };
        if parent.depth() > MAX_DEPTH {
            return Err(Reason::TooDeep);
        }
        let location = Location::new(parent, entry.name.clone());
        let decided = match fate {
            Fate::Refused => Err(Reason::ParentFailed),
            Fate::Target(listing) => self.decide_at(id, entry, &location, self.before(&entry.name, listing)),
            Fate::Found { again: true, .. } => self.decide_at(id, entry, &location, Before::Ours),
            Fate::Found { listing, .. } => self.decide_at(id, entry, &location, Before::Unknown(listing)),
            Fate::Created { .. } => self.decide_at(id, entry, &location, Before::Nothing),
        };
        if decided.is_err() && entry.kind == Kind::Folder {
            self.hold(id, Held::Folder(Arc::new(Folder::At(location)), Fate::Refused));
        }
        decided
    }

    /// What may have a name in the target folder. Only what the source's user named comes there, and
    /// only there two entries can have one name.
    fn before(&self, name: &Name, listing: Arc<Listing>) -> Before {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.len() < MAX_SEEN && seen.insert(blake3::hash(name.as_bytes()));
        if is_new { Before::Unknown(listing) } else { Before::Ours }
    }

    fn decide_at(
        &self,
        id: EntryId,
        entry: &Entry,
        location: &Location,
        before: Before,
    ) -> Result<Decision, Reason> {
        let folder = self.folders.open(&location.folder).map_err(|error| entering_reason(&error))?;
        let compares = self.compares.load(Ordering::Relaxed);
        // Each comparison may read much of the disk for few bytes of a peer.
        let is_first =
            || matches!(&before, Before::Unknown(listing) if listing.take(&folder, &location.name));
        match &entry.kind {
            Kind::File { size } => {
                let compares = compares && *size > 0;
                let existing =
                    Existing { folder: &folder, name: &location.name, size: *size, mtime: entry.mtime };
                if let Before::Unknown(listing) = &before
                    && !compares
                    && existing.is_there(listing)?
                {
                    return Ok(Decision::Placed(Placed::Present));
                }
                let owner = (!matches!(before, Before::Ours)).then_some(self.owner);
                let file = Incoming::new(id, location.clone(), *size, entry, owner, self.space.clone());
                let held = match (compares && is_first()).then(|| file.compare(&folder)).flatten() {
                    Some(held) => {
                        file.enter()?;
                        Some(held)
                    }
                    None => {
                        let held = file.resume(&self.partials);
                        file.enter()?;
                        file.promise(held.as_ref().map_or(0, |held| length(held, *size)))?;
                        held
                    }
                };
                self.hold(id, Held::File(Arc::new(file)));
                Ok(held.map_or(Decision::Want, Decision::Resume))
            }
            Kind::Folder => {
                let counted = self.count_at_once()?;
                let (placed, name) =
                    make_folder(&folder, location.folder.depth() == 0, &location.name, entry.mode)?;
                counted.settle(placed != Placed::Present);
                let fate = match &placed {
                    Placed::Present => {
                        let again = !matches!(before, Before::Unknown(_)) || compares && !is_first();
                        Fate::Found { mode: entry.mode, mtime: entry.mtime, again, listing: Arc::default() }
                    }
                    placed => Fate::Created { placed: placed.clone(), mode: entry.mode, mtime: entry.mtime },
                };
                let made = Folder::At(Location { name, ..location.clone() });
                self.hold(id, Held::Folder(Arc::new(made), fate));
                Ok(Decision::Placed(placed))
            }
            Kind::Link { target } => {
                let depth = location.folder.depth();
                let counted = self.count_at_once()?;
                let placed = make_link(&folder, depth, &location.name, target)?;
                counted.settle(placed != Placed::Present);
                Ok(Decision::Placed(placed))
            }
        }
    }

    /// Counts an entry that is about to be made, and may be new.
    fn count_at_once(&self) -> Result<Counted, Reason> {
        let mut counted = self.space.quota().take_entry().ok_or(Reason::Quota)?;
        counted.enter().map_err(|error| sink_reason(&error))?;
        Ok(counted)
    }

    fn hold(&self, id: EntryId, held: Held) {
        self.lock().insert(id, held);
    }

    fn get(&self, id: EntryId) -> Option<Held> {
        self.lock().get(&id).cloned()
    }

    /// File `id`; `Io` for what is no wanted file, or is settled.
    fn file(&self, id: EntryId) -> Result<Arc<Incoming>, Reason> {
        match self.get(id) {
            Some(Held::File(file)) => Ok(file),
            _ => Err(Reason::Io),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EntryId, Held>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
