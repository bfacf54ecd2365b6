//! A part file being written: past the page cache where that is worth it.
//!
//! The cache costs a large file more than its encryption does: each page is found, cleared, filled
//! and written back, and nobody reads it again. Where the file system can, large files go straight
//! to the disk; docs/architecture.md, "Decisions", has the figures.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hawser_protocol::limits::CHUNK_BYTES;

use super::regular::write_all_at;

/// A file of which the content arrives in any order.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    /// One thread at a time writes through the cache. Kernels let only one in, too, but there the
    /// others may wait on the processor, which the threads that send and decipher could use.
    cached: Mutex<()>,
    /// Bytes written, in earlier sessions, too.
    written: AtomicU64,
    /// Bytes that it shall have.
    size: u64,
    /// Whether it may be longer than that.
    may_be_longer: bool,
    #[cfg(target_os = "linux")]
    direct: direct::Switch,
}

impl PartFile {
    /// `file` is new and shall have `size` bytes.
    pub fn new(file: File, size: u64) -> Self {
        #[cfg(target_os = "linux")]
        let direct = direct::Switch::on_if_worth_it(&file, size);
        Self {
            file,
            cached: Mutex::default(),
            written: AtomicU64::new(0),
            size,
            // The last block is written whole.
            #[cfg(target_os = "linux")]
            may_be_longer: direct.is_on(),
            #[cfg(not(target_os = "linux"))]
            may_be_longer: false,
            #[cfg(target_os = "linux")]
            direct,
        }
    }

    /// `file` shall have `size` bytes, of which so many have been written in an earlier session.
    pub fn resume(file: File, size: u64, written: u64) -> Self {
        Self { written: AtomicU64::new(written), may_be_longer: true, ..Self::new(file, size) }
    }

    /// Bytes for which the disk has found space so far.
    pub fn taken(&self) -> u64 {
        let written = self.written.load(Ordering::Relaxed);
        #[cfg(target_os = "linux")]
        return written.max(self.direct.allocated());
        #[cfg(not(target_os = "linux"))]
        written
    }

    /// Writes all of `bytes` from `offset` on. Several threads may write to different places.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(offset, bytes)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back the space of all but these chunks, whose numbers are in order. Returns whether what is left is
    /// worth its space: on a file system that knows no holes, what was skipped takes as much as what came.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn keep_only(&self, chunks: impl Iterator<Item = u32>) -> io::Result<bool> {
        let (mut end, mut kept, mut skipped) = (0, 0, 0);
        for chunk in chunks {
            let start = u64::from(chunk) * u64::from(CHUNK_BYTES);
            if start > end && !free(&self.file, end, start - end) {
                skipped += start - end;
            }
            end = self.size.min(start + u64::from(CHUNK_BYTES));
            kept += end.saturating_sub(start);
        }
        self.file.set_len(end)?;
        Ok(skipped <= kept)
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.direct.is_on() {
            match self.direct.write(&self.file, self.size, offset, bytes) {
                // The file system asks for more than was foreseen: through the cache, then.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct.off(&self.file)?,
                done => return done,
            }
        }
        let _turn = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        write_all_at(&self.file, bytes, offset)
    }

    /// The file, all of whose content has been written, at its right length.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn complete(&self) -> io::Result<&File> {
        if self.may_be_longer {
            self.file.set_len(self.size)?;
        }
        Ok(&self.file)
    }
}

/// Makes a hole in a file that is longer than that. Returns whether it could.
#[cfg(target_os = "linux")]
fn free(file: &File, offset: u64, length: u64) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn free(_: &File, _: u64, _: u64) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod direct {
    use std::cell::RefCell;
    use std::fs::File;
    use std::io;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use hawser_protocol::limits::CHUNK_BYTES;
    use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl, fstatfs};

    use rustix::io::Errno;

    use super::{PoisonError, write_all_at};

    /// What memory, offset and length of a direct write are multiples of: the sector size of every
    /// common disk, or a multiple of it.
    pub const BLOCK_BYTES: usize = 4096;

    /// Below this a file is a few writes, and gains little.
    const FROM_BYTES: u64 = 1024 * 1024;

    /// What is allocated at a time, ahead of what is written: a file that is only announced takes
    /// no more space than that from others.
    const STRETCH_BYTES: u64 = 64 * 1024 * 1024;

    /// Whether a file is written directly.
    #[derive(Debug)]
    pub struct Switch {
        is_on: AtomicBool,
        /// Up to where space has been allocated.
        allocated: Mutex<u64>,
    }

    impl Switch {
        pub fn on_if_worth_it(file: &File, size: u64) -> Self {
            let on = size >= FROM_BYTES && !is_in_memory(file) && set(file, true).is_ok();
            Self { is_on: AtomicBool::new(on), allocated: Mutex::new(0) }
        }

        /// Writes `bytes` of a file of `size` bytes, and zeros up to the end of the last block.
        pub fn write(&self, file: &File, size: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.allocate(file, size, offset + bytes.len() as u64)?;
            write(file, offset, bytes)
        }

        /// Into space that is there already, several threads can write at the same time.
        fn allocate(&self, file: &File, size: u64, end: u64) -> io::Result<()> {
            let mut allocated = self.allocated.lock().unwrap_or_else(PoisonError::into_inner);
            // What comes far ahead of the rest finds its own space.
            if end <= *allocated || end - *allocated > STRETCH_BYTES {
                return Ok(());
            }
            let stretch = STRETCH_BYTES.min(size - *allocated);
            match fallocate(file, FallocateFlags::empty(), *allocated, stretch) {
                Err(error @ (Errno::NOSPC | Errno::DQUOT)) => return Err(error.into()),
                // Where it cannot be had beforehand, each write finds its own.
                Ok(()) | Err(_) => *allocated += stretch,
            }
            Ok(())
        }

        /// Up to where space has been allocated.
        pub fn allocated(&self) -> u64 {
            *self.allocated.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub fn is_on(&self) -> bool {
            self.is_on.load(Ordering::Relaxed)
        }

        pub fn off(&self, file: &File) -> io::Result<()> {
            self.is_on.store(false, Ordering::Relaxed);
            Ok(set(file, false)?)
        }
    }

    /// Linux's `TMPFS_MAGIC`: it takes the flag, but its files are nowhere else than in the cache.
    const MEMORY: u64 = 0x0102_1994;

    fn is_in_memory(file: &File) -> bool {
        fstatfs(file).is_ok_and(|system| system.f_type as u64 == MEMORY)
    }

    fn set(file: &File, direct: bool) -> rustix::io::Result<()> {
        let mut flags = fcntl_getfl(file)?;
        flags.set(OFlags::DIRECT, direct);
        fcntl_setfl(file, flags)
    }

    thread_local! {
        /// One chunk, and room to align it. Copying costs a fiftieth of what the cache would.
        static ALIGNED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    fn write(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        ALIGNED.with_borrow_mut(|buffer| {
            if buffer.is_empty() {
                buffer.resize(CHUNK_BYTES as usize + BLOCK_BYTES, 0);
            }
            let start = buffer.as_ptr().align_offset(BLOCK_BYTES);
            let end = start + bytes.len().next_multiple_of(BLOCK_BYTES);
            let aligned = buffer.get_mut(start..end).ok_or(io::ErrorKind::InvalidInput)?;
            let (content, rest) = aligned.split_at_mut(bytes.len());
            content.copy_from_slice(bytes);
            rest.fill(0);
            write_all_at(file, aligned, offset)
        })
    }
}
