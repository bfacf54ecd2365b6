//! What is on the disk of a file before its session: read again, chunk by chunk, to know that it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;

use hawser_protocol::error::Reason;
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
    /// Open from the first chunk on: many may be waiting for their turn.
    file: Option<SourceFile>,
    size: u64,
    left: Chunks,
    bad: Vec<ChunkRange>,
    buffer: Vec<u8>,
}

/// The chunks that are still to be read.
#[derive(Debug)]
enum Chunks {
    /// Their numbers, in order, each with its hash.
    Known(VecDeque<(u32, [u8; 32])>),
    /// Nothing is known of them. A range, whatever the size: many files may be waiting.
    Any(Range<u32>),
}

/// What came of one chunk.
#[derive(Debug)]
pub enum Checked {
    /// It is there, so many bytes; or it need not be.
    Good(u32),
    /// It is not.
    Bad,
    /// There are no more. These were bad.
    Done(Vec<ChunkRange>),
    /// There are no more, and those that were bad cannot come again.
    Refused(Reason),
}

impl Checking {
    /// The chunks of a part file of `size` bytes that its journal has.
    pub fn of_part(size: u64, written: Written) -> Self {
        let mut left: VecDeque<_> = written.into_iter().collect();
        let mut ranges = 0;
        let mut next = None;
        let most = left.iter().position(|&(chunk, _)| {
            ranges += usize::from(next.replace(chunk + 1) != Some(chunk));
            ranges > MAX_RANGES
        });
        left.truncate(most.unwrap_or(left.len()));
        Self::new(size, Chunks::Known(left))
    }

    /// All of a file of `size` bytes; `None` when that has too many chunks.
    pub fn of_whole(size: u64) -> Option<Self> {
        Some(Self::new(size, Chunks::Any(0..chunk_count(size)?)))
    }

    fn new(size: u64, left: Chunks) -> Self {
        Self { file: None, size, left, bad: Vec::new(), buffer: Vec::new() }
    }

    /// What is still to be checked.
    pub fn ranges(&self) -> Vec<ChunkRange> {
        let mut ranges = Vec::new();
        match &self.left {
            Chunks::Known(chunks) => chunks.iter().for_each(|&(chunk, _)| add(&mut ranges, chunk)),
            Chunks::Any(chunks) if chunks.is_empty() => {}
            Chunks::Any(chunks) => {
                ranges.push(ChunkRange { first: chunks.start, count: chunks.len() as u32 })
            }
        }
        ranges
    }

    /// Reads the next chunk of the file that `open` opens, and tells `found` of it.
    pub fn next(
        &mut self,
        open: impl FnOnce() -> io::Result<File>,
        found: impl FnOnce(ChunkHash),
    ) -> Checked {
        let next = match &mut self.left {
            Chunks::Known(chunks) => chunks.pop_front().map(|(number, hash)| (number, Some(hash))),
            Chunks::Any(chunks) => chunks.next().map(|number| (number, None)),
        };
        let Some((number, hash)) = next else { return Checked::Done(std::mem::take(&mut self.bad)) };
        let chunk = self.read(number, open);
        let length = self.buffer.len() as u32;
        match (chunk, hash) {
            (Some(chunk), _) if hash.is_none_or(|hash| hash == *chunk.as_bytes()) => {
                found(chunk);
                Checked::Good(length)
            }
            // What cannot be read differs from what is sent, which is found out in the end.
            (_, None) => Checked::Good(length),
            (_, Some(_)) => {
                add(&mut self.bad, number);
                Checked::Bad
            }
        }
    }

    fn read(&mut self, number: u32, open: impl FnOnce() -> io::Result<File>) -> Option<ChunkHash> {
        let offset = u64::from(number) * u64::from(CHUNK_BYTES);
        self.buffer.resize(chunk_length(self.size, offset)?, 0);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SourceFile::new(open().ok()?, self.size)),
        };
        file.read(offset, &mut self.buffer).ok()?;
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
