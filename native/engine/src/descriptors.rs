//! How many files may be open.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Parts of files of several chunks: each is open, and locked, from its first chunk to its name.
///
/// *Attack:* a source that begins thousands of files and ends none.
pub(crate) static PARTS: Pool = Pool(AtomicUsize::new(0));

/// Folders that are held open, since what comes next is mostly in one of them.
///
/// *Attack:* many sessions, each with a wide tree.
pub(crate) static FOLDERS: Pool = Pool(AtomicUsize::new(0));

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

/// What all sessions of the process together may keep open of one kind: a [`quarter`].
#[derive(Debug)]
pub(crate) struct Pool(AtomicUsize);

/// The right to keep one more open, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share(&'static Pool);

impl Pool {
    /// One more; `None` when so many are taken that descriptors might run out.
    pub(crate) fn share(&'static self) -> Option<Share> {
        let most = quarter();
        let more = |taken| (taken < most).then_some(taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Share(self))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
