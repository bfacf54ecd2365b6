//! What is on the disk of a file before its session: read again, chunk by chunk, to know that it is.

use std::collections::VecDeque;
use std::fs::File;

use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::ranges::{ChunkRange, chunk_count};

use super::hash::{ChunkHash, chunk_length};
use super::journal::Written;
use super::source_file::SourceFile;

/// Ranges of chunks told to the source at once. A part with more holes than that loses the rest.
const MAX_RANGES: usize = 4000;

/// Chunks that should be in a file.
#[derive(Debug)]
pub struct Checking {
    file: SourceFile,
    size: u64,
    /// Their numbers, each with its hash, if that is known.
    left: VecDeque<(u32, Option<[u8; 32]>)>,
    bad: Vec<ChunkRange>,
    buffer: Vec<u8>,
}

/// What came of one chunk.
#[derive(Debug)]
pub enum Checked {
    /// It is there, so many bytes.
    Good(ChunkHash, u32),
    /// It is not.
    Bad,
    /// There are no more. These were bad.
    Done(Vec<ChunkRange>),
}

impl Checking {
    /// The chunks of a part file of `size` bytes that its journal has.
    pub fn of_part(file: File, size: u64, written: Written) -> Self {
        let mut left: VecDeque<_> = written.into_iter().map(|(chunk, hash)| (chunk, Some(hash))).collect();
        let mut ranges = 0;
        let mut next = None;
        let most = left.iter().position(|&(chunk, _)| {
            ranges += usize::from(next.replace(chunk + 1) != Some(chunk));
            ranges > MAX_RANGES
        });
        left.truncate(most.unwrap_or(left.len()));
        Self::new(file, size, left)
    }

    /// All of a file of `size` bytes; `None` when that has too many chunks.
    pub fn of_whole(file: File, size: u64) -> Option<Self> {
        Some(Self::new(file, size, (0..chunk_count(size)?).map(|chunk| (chunk, None)).collect()))
    }

    fn new(file: File, size: u64, left: VecDeque<(u32, Option<[u8; 32]>)>) -> Self {
        Self { file: SourceFile::new(file, size), size, left, bad: Vec::new(), buffer: Vec::new() }
    }

    /// What is still to be checked.
    pub fn ranges(&self) -> Vec<ChunkRange> {
        let mut ranges = Vec::new();
        self.left.iter().for_each(|&(chunk, _)| add(&mut ranges, chunk));
        ranges
    }

    /// Reads the next chunk.
    pub fn next(&mut self) -> Checked {
        let Some((number, hash)) = self.left.pop_front() else {
            return Checked::Done(std::mem::take(&mut self.bad));
        };
        match self.read(number).filter(|chunk| hash.is_none_or(|hash| hash == *chunk.as_bytes())) {
            Some(chunk) => Checked::Good(chunk, self.buffer.len() as u32),
            None => {
                add(&mut self.bad, number);
                Checked::Bad
            }
        }
    }

    fn read(&mut self, number: u32) -> Option<ChunkHash> {
        let offset = u64::from(number) * u64::from(CHUNK_BYTES);
        self.buffer.resize(chunk_length(self.size, offset)?, 0);
        self.file.read(offset, &mut self.buffer).ok()?;
        ChunkHash::new(self.size, offset, &self.buffer)
    }
}

/// Adds a chunk that comes after all in `ranges`.
fn add(ranges: &mut Vec<ChunkRange>, chunk: u32) {
    match ranges.last_mut() {
        Some(last) if last.end() == chunk => last.count += 1,
        _ => ranges.push(ChunkRange { first: chunk, count: 1 }),
    }
}
