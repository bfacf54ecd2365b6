//! A target with a receiver, and beside it what nobody may reach from there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hawser_engine::{Listener, Ticket, Transfer};

use crate::peer::Hostile;
use crate::support;

pub struct Yard {
    home: tempfile::TempDir,
    pub target: PathBuf,
    pub outside: PathBuf,
    pub listener: Listener,
    before: Vec<String>,
}

impl Yard {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (target, outside) = (home.path().join("target"), home.path().join("outside"));
        fs::create_dir(&target).unwrap();
        fs::create_dir_all(outside.join("inner")).unwrap();
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o750)).unwrap();
        let listener = support::receive(&target);
        let before = looks_of(&outside);
        Self { home, target, outside, listener, before }
    }

    pub fn ticket(&self) -> Ticket {
        self.listener.ticket()
    }

    /// An enemy who has been let in.
    pub fn enemy(&self) -> (Hostile, Transfer) {
        let enemy = Hostile::meet(&self.ticket());
        (enemy, support::next(&self.listener))
    }

    /// That nothing outside has changed, nothing has appeared beside it, and the receiver still serves
    /// a good sender. What was delivered, by name.
    pub fn assert_unharmed(self) -> Vec<String> {
        let good = self.home.path().join("from a good sender");
        fs::write(&good, "good").unwrap();
        let sent = support::send(&[good], &self.ticket(), 1);
        assert_eq!(support::finished(&sent).map_err(|error| error.to_string()), Ok(()));
        support::close(&self.listener, false);
        assert_eq!(looks_of(&self.outside), self.before);
        let mut delivered = names(&self.target);
        assert!(delivered.contains("from a good sender"));
        for own in ["from a good sender", ".hawser"] {
            delivered.remove(own);
        }
        delivered.into_iter().collect()
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// All that shows whether something was touched: names, modes, owners, times and contents.
fn looks_of(folder: &Path) -> Vec<String> {
    let mut looks = Vec::new();
    let mut add = |path: &Path| {
        let stat = path.symlink_metadata().unwrap();
        let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
        let content = if stat.is_file() { fs::read(path).unwrap() } else { Vec::new() };
        looks.push(format!("{} {:o} {} {times:?} {content:?}", path.display(), stat.mode(), stat.uid()));
    };
    add(folder);
    let mut below: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    below.sort();
    below.iter().for_each(|path| add(path));
    looks
}
