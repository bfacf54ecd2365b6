//! Entries that a sink's user does not want, though it wants others of the same offer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use hawser_protocol::manifest::{Entry, EntryId, Kind};

use crate::transfer::lock;

/// Paths that are not wanted, and the folders that have to do with them: no more memory than these
/// paths take, however large the tree.
#[derive(Default)]
pub(crate) struct Declined {
    paths: BTreeSet<String>,
    folders: Mutex<HashMap<EntryId, Tracked>>,
}

enum Tracked {
    /// Nothing in it is wanted.
    Declined,
    /// Something below this path is not wanted.
    Above(String),
}

impl Declined {
    /// Paths as they were offered; a slash behind that of a folder is no matter.
    pub fn new(paths: &[String]) -> Self {
        let paths = paths.iter().map(|path| path.trim_end_matches('/').to_string()).collect();
        Self { paths, folders: Mutex::default() }
    }

    /// Whether an entry is not wanted. To be asked about each, in the order offered.
    pub fn contains(&self, id: EntryId, entry: &Entry) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let name = String::from_utf8_lossy(entry.name.as_bytes());
        let mut folders = lock(&self.folders);
        let (declined, path) = match folders.get(&entry.parent) {
            _ if entry.parent == EntryId::ROOT => (self.paths.contains(&*name), name.into_owned()),
            Some(Tracked::Declined) => (true, String::new()),
            Some(Tracked::Above(folder)) => {
                let path = format!("{folder}/{name}");
                (self.paths.contains(&path), path)
            }
            None => return false,
        };
        if entry.kind == Kind::Folder {
            if declined {
                folders.insert(id, Tracked::Declined);
            } else if self.is_above_one(&path) {
                folders.insert(id, Tracked::Above(path));
            }
        }
        declined
    }

    /// The source has left a folder.
    pub fn leave(&self, folder: EntryId) {
        lock(&self.folders).remove(&folder);
    }

    fn is_above_one(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.paths.range(folder.clone()..).next().is_some_and(|next| next.starts_with(&folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hawser_protocol::manifest::{Mtime, Name};

    fn entry(parent: u32, name: &str, kind: Kind) -> Entry {
        let name = Name::new(name.as_bytes()).unwrap();
        Entry {
            parent: EntryId(parent),
            name,
            mode: 0o644,
            mtime: Mtime { seconds: 0, nanoseconds: 0 },
            kind,
        }
    }

    #[test]
    fn a_declined_folder_is_declined_with_all_that_is_in_it() {
        let declined = Declined::new(&["a/b/".into(), "c".into()]);
        let file = || Kind::File { size: 1 };
        assert!(!declined.contains(EntryId(1), &entry(0, "a", Kind::Folder)));
        assert!(!declined.contains(EntryId(2), &entry(1, "bb", Kind::Folder)));
        assert!(!declined.contains(EntryId(3), &entry(2, "b", file())));
        assert!(declined.contains(EntryId(4), &entry(1, "b", Kind::Folder)));
        assert!(declined.contains(EntryId(5), &entry(4, "deep", Kind::Folder)));
        assert!(declined.contains(EntryId(6), &entry(5, "deeper", file())));
        assert!(declined.contains(EntryId(7), &entry(0, "c", file())));
        assert!(!declined.contains(EntryId(8), &entry(1, "c", file())));
        [2, 4, 5, 1].into_iter().for_each(|id| declined.leave(EntryId(id)));
        assert!(lock(&declined.folders).is_empty(), "nothing is kept of what was left");
    }
}
