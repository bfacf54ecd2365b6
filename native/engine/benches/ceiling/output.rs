//! The file that is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

pub struct Output {
    cached: File,
    /// Past the page cache; takes whole blocks only.
    direct: Option<File>,
}

const BLOCK_BYTES: usize = 4096;

impl Output {
    pub fn create(path: &Path, size: u64, direct: bool) -> io::Result<Self> {
        let cached = File::create_new(path)?;
        if !direct {
            return Ok(Self { cached, direct: None });
        }
        fallocate(&cached, FallocateFlags::empty(), 0, size)?;
        let flags = OFlags::DIRECT.bits().cast_signed();
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        Ok(Self { cached, direct: Some(direct) })
    }

    pub fn write(&self, content: &[u8], offset: u64) -> io::Result<()> {
        match &self.direct {
            Some(direct) if content.len().is_multiple_of(BLOCK_BYTES) => direct.write_all_at(content, offset),
            _ => self.cached.write_all_at(content, offset),
        }
    }
}
