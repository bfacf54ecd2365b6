//! How much of the disk is left, and how much of that has been promised to files under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hawser_protocol::error::Reason;

use crate::quota::Quota;

/// What the disk says counts for so long.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The free space of one file system, and what its user allows of it.
#[derive(Debug)]
pub struct Space {
    #[cfg(unix)]
    folder: std::fs::File,
    state: Mutex<State>,
    quota: Arc<Quota>,
}

#[derive(Debug)]
struct State {
    /// Bytes that may still be promised; `None` before the first look, and where nobody can tell.
    room: Option<u64>,
    looked: Option<Instant>,
    /// Bytes of files under way that the disk does not know of yet.
    promised: u64,
}

impl Space {
    /// Of the file system that `folder` is on.
    ///
    /// # Errors
    /// Those of the operating system.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix tells by a handle"))]
    pub fn around(folder: &cap_std::fs::Dir, quota: Arc<Quota>) -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            folder: super::made::readable(folder)?,
            state: Mutex::new(State { room: None, looked: None, promised: 0 }),
            quota,
        })
    }

    /// What its user allows.
    pub fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Promises `bytes` to a file; `false` when there is not so much.
    pub fn promise(&self, bytes: u64) -> bool {
        let mut state = self.lock();
        let is_fresh = state.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY);
        if !is_fresh || state.room.is_some_and(|room| room < bytes) {
            state.room = self.free().map(|free| free.saturating_sub(state.promised));
            state.looked = Some(Instant::now());
        }
        if let Some(room) = &mut state.room {
            let Some(rest) = room.checked_sub(bytes) else { return false };
            *room = rest;
        }
        // Where nobody can tell how much room there is, any sizes are promised it.
        state.promised = state.promised.saturating_add(bytes);
        true
    }

    /// The disk has given a file so much of what it was promised.
    pub fn take(&self, bytes: u64) {
        let mut state = self.lock();
        state.promised = state.promised.saturating_sub(bytes);
    }

    /// A file does not need so much of what it was promised after all.
    pub fn give_back(&self, bytes: u64) {
        let mut state = self.lock();
        state.promised = state.promised.saturating_sub(bytes);
        state.room = state.room.map(|room| room.saturating_add(bytes));
    }

    /// What is behind a reason that the disk gave, where that shows.
    #[cfg(unix)]
    pub fn explain(&self, reason: Reason) -> Reason {
        use rustix::fs::{StatVfsMountFlags, fstat, fstatvfs};
        let disk = || fstatvfs(&self.folder).ok();
        let has_no_inodes = || disk().is_some_and(|disk| disk.f_files > 0 && disk.f_favail == 0);
        let is_read_only = || disk().is_some_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY));
        let is_gone = || fstat(&self.folder).is_ok_and(|stat| stat.st_nlink == 0);
        match reason {
            Reason::DiskFull if has_no_inodes() => Reason::NoInodes,
            Reason::PermissionDenied if is_read_only() => Reason::ReadOnly,
            Reason::Io | Reason::ParentFailed if is_gone() => Reason::TargetGone,
            reason => reason,
        }
    }

    #[cfg(not(unix))]
    pub fn explain(&self, reason: Reason) -> Reason {
        reason
    }

    #[cfg(unix)]
    fn free(&self) -> Option<u64> {
        // Some file systems have no limit, or do not tell: those say that they have no blocks at all.
        let disk = rustix::fs::fstatvfs(&self.folder).ok().filter(|disk| disk.f_blocks > 0)?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    #[cfg(not(unix))]
    fn free(&self) -> Option<u64> {
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::*;

    #[test]
    fn no_more_is_promised_than_there_is() {
        let home = tempfile::tempdir().unwrap();
        let space = Space::around(
            &Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap(),
            Quota::unlimited(),
        )
        .unwrap();
        let half = space.free().unwrap() / 2 + (1 << 30);
        assert!(space.promise(half));
        assert!(!space.promise(half));
        space.give_back(half);
        assert!(space.promise(half));
        // What the disk has given is missing there, not here.
        space.take(half);
        assert!(space.promise(half));
    }

    #[test]
    fn where_nobody_can_tell_how_much_there_is_any_sizes_are_promised() {
        let home = tempfile::tempdir().unwrap();
        let folder = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        let space = Space::around(&folder, Quota::unlimited()).unwrap();
        for _ in 0..3 {
            // As after a look that showed nothing.
            let mut state = space.lock();
            (state.room, state.looked) = (None, Some(Instant::now() + Duration::from_secs(3600)));
            drop(state);
            assert!(space.promise(u64::MAX / 2 + 1));
        }
        space.give_back(u64::MAX);
        assert_eq!(space.lock().promised, 0);
    }
}
