//! A file being read: a large one that was not in the page cache is not left there.
//!
//! Memory for the cache costs a large file more than its encryption does, and takes it from what
//! the user keeps in there. So a file that is not in the cache leaves it again right behind the
//! lanes that read it, and its pages are used again for what comes next.
//! docs/architecture.md, "Decisions", has the figures, and what else was tried.

use std::fs::File;
use std::io;

use super::regular::read_exact_at;

/// An open file of which chunks are read, mostly in order, by any thread.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    #[cfg(target_os = "linux")]
    is_cold: bool,
}

impl SourceFile {
    /// `file` is open for reading, has `size` bytes, and nothing of it has been read through this
    /// handle yet.
    pub fn new(file: File, size: u64) -> Self {
        #[cfg(not(target_os = "linux"))]
        let _ = size;
        Self {
            #[cfg(target_os = "linux")]
            is_cold: cache::is_cold(&file, size),
            file,
        }
    }

    /// The file itself, to look at.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, else those of the operating system.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, buffer, offset)?;
        #[cfg(target_os = "linux")]
        if self.is_cold {
            cache::leave_behind(&self.file, offset);
        }
        Ok(())
    }
}

/// Also when the reading ends early. Nothing else waits for this.
#[cfg(target_os = "linux")]
impl Drop for SourceFile {
    fn drop(&mut self) {
        if self.is_cold {
            cache::leave(&self.file);
        }
    }
}

#[cfg(target_os = "linux")]
mod cache {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::num::NonZeroU64;

    use rustix::fs::{Advice, fadvise};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// Below this a file takes little of the cache, and may well be read again soon.
    const FROM_BYTES: u64 = 32 * 1024 * 1024;

    /// What leaves the cache at a time: a multiple of the chunk. From 4 to 32 MiB cost the same;
    /// with 1 MiB, most of it is still being brought in or held by another lane.
    const STRETCH_BYTES: u64 = 8 * 1024 * 1024;

    /// How many places are looked at, at most; each may cost a disk that turns one turn.
    const MAX_PLACES: u64 = 16;

    /// Whether nothing of `file` is in the cache, as far as can be told from a few places.
    ///
    /// What is there in part counts as cached: somebody else reads it. So does everything on a
    /// file system that does not tell.
    pub fn is_cold(file: &File, size: u64) -> bool {
        if size < FROM_BYTES {
            return false;
        }
        let places = (size / FROM_BYTES).min(MAX_PLACES);
        let step = (size - 1) / places;
        // The start comes last: asking for it makes the system read on from there, as is wanted.
        (0..=places).rev().all(|place| is_missing(file, place * step))
    }

    fn is_missing(file: &File, offset: u64) -> bool {
        let mut byte = [0];
        let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
        read == Err(Errno::AGAIN)
    }

    /// Lets go of the stretch before the last when the chunk at `offset` is the first of one.
    ///
    /// A lane that is still there, far behind the others, reads from the disk again: slower, and
    /// nothing else.
    pub fn leave_behind(file: &File, offset: u64) {
        if offset.is_multiple_of(STRETCH_BYTES)
            && let Some(start) = offset.checked_sub(2 * STRETCH_BYTES)
        {
            // The system may keep what it likes: this is advice.
            let _ = fadvise(file, start, NonZeroU64::new(STRETCH_BYTES), Advice::DontNeed);
        }
    }

    /// Lets go of all of it.
    pub fn leave(file: &File) {
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }
}
