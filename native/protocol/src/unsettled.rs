//! Entries whose fate is open on the sink's side, and the folders that wait for them.

use alloc::collections::BTreeMap;

use crate::error::{ContentHash, Reason};
use crate::manifest::EntryId;
use crate::ranges::Ranges;

/// How far an entry is.
#[derive(Debug)]
pub(crate) enum State {
    /// A link, or a file of this size: the driver is looking at the disk.
    Offered(Option<u64>),
    /// A file that was asked for.
    File(File),
    /// A file of which all bytes are written, and its hash; the driver is placing it.
    Placing(ContentHash),
    /// A file that the source gave up; the driver drops it, unless it is placing it already.
    GivenUp(Reason),
    /// A folder, from its offer until it is finished.
    Folder(Folder),
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) size: u64,
    /// What has arrived, written or about to be.
    pub(crate) claimed: Ranges,
    /// Bytes written.
    pub(crate) written: u64,
    /// The hash of the whole, once its END is here.
    pub(crate) hash: Option<ContentHash>,
}

#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Entries in it that are not settled.
    unsettled: u32,
    /// The source has left it: nothing more will be offered in it.
    left: bool,
    /// Settled already, and known only until the source has left it.
    pub(crate) refused: bool,
    /// The driver has been told to finish it.
    finishing: bool,
}

/// All of them, each with the folder it is in.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(BTreeMap<EntryId, (EntryId, State)>);

impl Unsettled {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn get_mut(&mut self, id: EntryId) -> Option<&mut State> {
        self.0.get_mut(&id).map(|(_, state)| state)
    }

    /// Adds an entry to a folder; `false` when there is no such folder, or the source has left it.
    #[must_use]
    pub(crate) fn add(&mut self, id: EntryId, parent: EntryId, state: State) -> bool {
        match self.get_mut(parent) {
            Some(State::Folder(folder)) if !folder.left => {
                folder.unsettled = folder.unsettled.saturating_add(1);
            }
            None if parent == EntryId::ROOT => {}
            _ => return false,
        }
        self.0.insert(id, (parent, state));
        true
    }

    /// Notes that the source has left a folder; `false` when it was not in it.
    #[must_use]
    pub(crate) fn leave(&mut self, folder: EntryId) -> bool {
        match self.get_mut(folder) {
            Some(State::Folder(folder)) if !folder.left => {
                folder.left = true;
                true
            }
            _ => false,
        }
    }

    /// Whether there is a folder that the source has not left.
    pub(crate) fn has_open_folder(&self) -> bool {
        self.0.values().any(|(_, state)| matches!(state, State::Folder(folder) if !folder.left))
    }

    /// Removes an entry. Returns the folder that can be finished now, as [`Self::finishing`] does.
    pub(crate) fn remove(&mut self, id: EntryId) -> Option<EntryId> {
        let (mut parent, _) = self.0.remove(&id)?;
        // A loop, since a peer decides how many folders there are within each other.
        loop {
            if let Some(State::Folder(folder)) = self.get_mut(parent) {
                folder.unsettled = folder.unsettled.saturating_sub(1);
            }
            let folder = self.finish(parent)?;
            if !folder.refused {
                return Some(parent);
            }
            (parent, _) = self.0.remove(&parent)?;
        }
    }

    /// `folder`, once, when the source has left it and nothing in it is unsettled. A refused one
    /// just goes, and the one around it may be next.
    pub(crate) fn finishing(&mut self, folder: EntryId) -> Option<EntryId> {
        if self.finish(folder)?.refused { self.remove(folder) } else { Some(folder) }
    }

    fn finish(&mut self, folder: EntryId) -> Option<&Folder> {
        let State::Folder(folder) = self.get_mut(folder)? else { return None };
        let due = folder.left && folder.unsettled == 0 && !folder.finishing;
        folder.finishing |= due;
        due.then_some(folder)
    }
}
