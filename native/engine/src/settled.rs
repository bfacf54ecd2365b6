//! What became of the entries, for a report.

use std::collections::{HashMap, VecDeque};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::message::Placed;
use hawser_protocol::sender::Fate;

use crate::disk;
use crate::limits::{MAX_FAILED_KEPT, MAX_FAILED_KEPT_BYTES, MAX_KEPT_BYTES};

/// What an entry is, for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Something that is none of these, or that nobody could look at.
    Other,
}

impl From<disk::EntryKind> for EntryKind {
    fn from(kind: disk::EntryKind) -> Self {
        match kind {
            disk::EntryKind::File => Self::File,
            disk::EntryKind::Folder => Self::Folder,
            disk::EntryKind::Link => Self::Link,
        }
    }
}

/// What became of one entry.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Relative to the target folder, `/`-separated, with what is not UTF-8 replaced.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; 0 for the rest.
    pub size: u64,
    /// How it ended.
    pub fate: Fate,
}

impl Settled {
    /// Why it failed, if it did.
    pub fn reason(&self) -> Option<Reason> {
        match self.fate {
            Fate::Failed(reason) => Some(reason),
            Fate::Placed(..) => None,
        }
    }

    /// The hash of what was transferred, if it was.
    pub fn hash(&self) -> Option<ContentHash> {
        match self.fate {
            Fate::Placed(_, hash) => hash,
            Fate::Failed(_) => None,
        }
    }
}

/// Which settled entries are kept for [`crate::Transfer::take_settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every one, but of those that failed no more than with [`Keep::Failed`], and of the others those with the first
    /// [`MAX_KEPT_BYTES`] of paths, until they are taken.
    All,
    /// Those that failed, but no more than [`MAX_FAILED_KEPT`] at a time.
    Failed,
}

/// The settled entries that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Report {
    keep: Keep,
    entries: VecDeque<Settled>,
    /// Bytes of their paths.
    path_bytes: usize,
    /// Those of them that failed.
    failed: usize,
    failed_bytes: usize,
    /// What earlier sessions of the transfer brought about, by path: the present one finds it
    /// there, and it keeps the fate that it had.
    earlier: HashMap<String, Fate>,
    /// What earlier sessions sent whole and did not hear of again.
    unheard: HashMap<String, ContentHash>,
}

impl Report {
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            entries: VecDeque::new(),
            path_bytes: 0,
            failed: 0,
            failed_bytes: 0,
            earlier: HashMap::new(),
            unheard: HashMap::new(),
        }
    }

    /// A file was sent whole, with this hash, before a session was lost.
    pub fn note_unheard(&mut self, path: String, hash: ContentHash) {
        self.unheard.insert(path, hash);
    }

    /// Whether the entry at `path`, which is settled, is such a file.
    pub fn take_unheard(&mut self, path: &str) -> Option<ContentHash> {
        self.unheard.remove(path)
    }

    /// Keeps an entry, if such entries are kept.
    pub fn push(&mut self, mut entry: Settled, unheard: Option<ContentHash>) {
        if matches!(entry.fate, Fate::Placed(Placed::Present, _)) {
            let sent = unheard.map(|hash| Fate::Placed(Placed::AsNamed, Some(hash)));
            if let Some(fate) = self.earlier.remove(&entry.path).or(sent) {
                entry.fate = fate;
            }
        }
        let keep = match self.keep {
            Keep::All if entry.reason().is_none() => self.path_bytes < MAX_KEPT_BYTES,
            Keep::All => self.has_room(),
            Keep::Failed => entry.reason().is_some() && self.has_room(),
        };
        if keep {
            self.path_bytes += entry.path.len();
            if entry.reason().is_some() {
                self.failed += 1;
                self.failed_bytes += entry.path.len();
            }
            self.entries.push_back(entry);
        }
    }

    /// At most `max` entries, oldest first.
    pub fn take(&mut self, max: usize) -> Vec<Settled> {
        let count = self.entries.len().min(max);
        let taken: Vec<_> = self.entries.drain(..count).collect();
        for entry in &taken {
            self.path_bytes -= entry.path.len();
            if entry.reason().is_some() {
                self.failed -= 1;
                self.failed_bytes -= entry.path.len();
            }
        }
        taken
    }

    fn has_room(&self) -> bool {
        self.failed < MAX_FAILED_KEPT && self.failed_bytes < MAX_FAILED_KEPT_BYTES
    }

    /// All that is there to be sent is offered again, and will be settled again.
    pub fn start_over(&mut self) {
        self.path_bytes = 0;
        for Settled { path, fate, .. } in self.entries.drain(..) {
            if !matches!(fate, Fate::Failed(_) | Fate::Placed(Placed::Present, _)) {
                self.earlier.insert(path, fate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, fate: Fate) -> Settled {
        Settled { path: path.into(), kind: EntryKind::File, size: 1, fate }
    }

    #[test]
    fn millions_of_failures_with_long_paths_are_kept_only_in_part() {
        let mut report = Report::new(Keep::Failed);
        let path = "x".repeat(33_000);
        (0..1000).for_each(|_| report.push(entry(&path, Fate::Failed(Reason::Io)), None));
        let kept = report.take(usize::MAX).len();
        assert!((1..=MAX_FAILED_KEPT_BYTES / path.len() + 1).contains(&kept), "{kept}");
        report.push(entry(&path, Fate::Failed(Reason::Io)), None);
        assert_eq!(report.take(1).len(), 1, "there is room again");
    }

    #[test]
    fn an_entry_is_listed_once_with_what_the_transfer_did_about_it() {
        let found = || Fate::Placed(Placed::Present, None);
        let mut report = Report::new(Keep::All);
        report.push(entry("delivered", Fate::Placed(Placed::AsNamed, Some(ContentHash([7; 32])))), None);
        report.push(entry("found", found()), None);
        report.push(entry("failed", Fate::Failed(Reason::Io)), None);
        report.note_unheard("unheard".into(), ContentHash([8; 32]));
        report.start_over();
        for path in ["failed", "found", "unheard", "delivered"] {
            let unheard = report.take_unheard(path);
            report.push(entry(path, found()), unheard);
        }
        let entries = report.take(usize::MAX);
        let hashes: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.hash())).collect();
        let hash = |byte| Some(ContentHash([byte; 32]));
        let expected = [("failed", None), ("found", None), ("unheard", hash(8)), ("delivered", hash(7))];
        assert_eq!(hashes, expected);
    }
}
