//! What the names in a folder are, byte for byte.
//!
//! A disk that ignores case or spelling finds a file under names that it does not have, and nobody
//! but the disk knows which. So whoever finds something by a name asks whether it is called that.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock};

use cap_std::fs::Dir;
use hawser_protocol::manifest::Name;

use super::names::entry_name;
use crate::transfer::lock;

/// The names that were in one folder when it was first asked.
#[derive(Debug, Default)]
pub struct Listing(OnceLock<Mutex<HashSet<Name>>>);

impl Listing {
    /// Whether something in `folder`, always the same one, was called just so. In one that cannot be
    /// listed nothing is.
    pub fn has(&self, folder: &Dir, name: &Name) -> bool {
        self.names(folder).contains(name)
    }

    /// The same, once for each name: of entries by one name, the first is that file, if any is.
    pub fn take(&self, folder: &Dir, name: &Name) -> bool {
        self.names(folder).remove(name)
    }

    fn names(&self, folder: &Dir) -> MutexGuard<'_, HashSet<Name>> {
        lock(self.0.get_or_init(|| Mutex::new(names(folder).unwrap_or_default())))
    }
}

fn names(folder: &Dir) -> io::Result<HashSet<Name>> {
    let mut names = HashSet::new();
    for entry in folder.open_dir(".")?.entries()? {
        names.extend(entry_name(&entry?.file_name()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn only_what_is_called_just_so_is_listed() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("Name"), "").unwrap();
        let folder = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        let listing = Listing::default();
        let has = |name: &str| listing.has(&folder, &Name::new(name.as_bytes()).unwrap());
        assert!(has("Name"));
        assert!(!has("name"));
        // What comes later was not there before.
        fs::write(home.path().join("later"), "").unwrap();
        assert!(!has("later"));
        let take = |name: &str| listing.take(&folder, &Name::new(name.as_bytes()).unwrap());
        assert!(!take("later"));
        assert!(take("Name"));
        assert!(!take("Name"));
    }
}
