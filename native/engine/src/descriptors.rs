//! How many files may be open.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::MAX_LANES_IN_ALL;

/// Parts of files of several chunks: each is open, and locked, from its first chunk to its name.
///
/// *Attack:* a source that begins thousands of files and ends none.
pub(crate) static PARTS: Pool = Pool::of(usize::MAX);

/// Folders that are held open, since what comes next is mostly in one of them.
///
/// *Attack:* many sessions, each with a wide tree.
pub(crate) static FOLDERS: Pool = Pool::of(usize::MAX);

/// Lanes that others have dialled, beside the first of each session.
pub(crate) static LANES: Pool = Pool::of(MAX_LANES_IN_ALL);

/// A quarter of the descriptors that the process may have: what one kind of thing that waits may take, be
/// it strangers, parts, or folders. The last quarter is for what works.
pub(crate) fn quarter() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(limit / 4).unwrap_or(usize::MAX)
    }
    // Windows has no such limit.
    #[cfg(not(unix))]
    4096
}

/// What all sessions of the process together may keep open of one kind: a [`quarter`], and no more than `most`.
#[derive(Debug)]
pub(crate) struct Pool {
    taken: AtomicUsize,
    most: usize,
}

/// The right to keep one more open, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share(&'static Pool);

impl Pool {
    const fn of(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    /// One more; `None` when so many are taken that descriptors might run out.
    pub(crate) fn share(&'static self) -> Option<Share> {
        let most = self.most.min(quarter());
        let more = |taken| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Share(self))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
