//! Getting everything onto the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;

/// Flushes what was written below one folder.
#[derive(Debug)]
pub struct Flush {
    /// Open from before the first write, so that no error of a write goes unheard.
    #[cfg(unix)]
    folder: std::fs::File,
    failed: AtomicBool,
}

impl Flush {
    /// For what will be written below `folder`.
    ///
    /// # Errors
    /// Those of the operating system.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "Windows flushes no folders"))]
    pub fn below(folder: &Dir) -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            folder: super::made::readable(folder)?,
            failed: AtomicBool::new(false),
        })
    }

    /// Returns when everything is on disk.
    ///
    /// # Errors
    /// Those of the operating system, and from then on always: the system forgets what it failed
    /// to write, so success after failure proves nothing.
    pub fn flush(&self) -> io::Result<()> {
        if self.has_failed() {
            return Err(io::Error::other("an earlier flush failed"));
        }
        let flushed = self.flush_once();
        self.failed.fetch_or(flushed.is_err(), Ordering::AcqRel);
        flushed
    }

    /// Whether a flush has failed: what was written before may or may not be on disk.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The whole file system at once: a tree of small files costs one flush, not one each.
    #[cfg(target_os = "linux")]
    fn flush_once(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.folder)?)
    }

    /// Each file and folder was flushed when it was finished; what is left is the folder itself.
    #[cfg(all(unix, not(target_os = "linux")))]
    fn flush_once(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    /// Each file was flushed when it was finished, and Windows flushes no folders.
    #[cfg(not(unix))]
    fn flush_once(&self) -> io::Result<()> {
        Ok(())
    }
}
