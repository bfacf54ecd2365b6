//! Sets of byte ranges, and of chunks.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::limits::CHUNK_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;

/// Neighbouring chunks of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The first one's number, from 0.
    pub first: u32,
    /// How many, at least 1.
    pub count: u32,
}

impl ChunkRange {
    /// One past the last one's number.
    pub fn end(self) -> u32 {
        self.first.saturating_add(self.count)
    }

    /// Where the bytes of these chunks start and end in a file of `size` bytes.
    pub fn bytes(self, size: u64) -> (u64, u64) {
        let at = |chunk: u32| u64::from(chunk).saturating_mul(CHUNK).min(size);
        (at(self.first), at(self.end()))
    }
}

/// Chunks of a file of `size` bytes; `None` when they cannot be numbered (from a petabyte on).
pub fn chunk_count(size: u64) -> Option<u32> {
    u32::try_from(size.div_ceil(CHUNK)).ok()
}

/// Bytes of these chunks of a file of `size` bytes.
pub fn length(ranges: &[ChunkRange], size: u64) -> u64 {
    let lengths = ranges.iter().map(|range| range.bytes(size)).map(|(start, end)| end.saturating_sub(start));
    lengths.fold(0, u64::saturating_add)
}

/// All of `count` chunks that are in none of `ranges`, which are in order.
pub fn complement(ranges: &[ChunkRange], count: u32) -> Vec<ChunkRange> {
    let mut rest = Vec::new();
    let mut first = 0;
    for (start, end) in ranges.iter().map(|range| (range.first, range.end())).chain([(count, count)]) {
        if let Some(count) = start.checked_sub(first).filter(|&count| count > 0) {
            rest.push(ChunkRange { first, count });
        }
        first = end;
    }
    rest
}

/// A set of bytes of one file, kept as the fewest ranges that cover it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Start of each range to its end; ranges neither touch nor overlap.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `start..end`. Returns whether it was wholly absent; if any byte of it was already in
    /// the set, nothing is added.
    pub fn claim(&mut self, start: u64, end: u64) -> bool {
        if start >= end || self.overlaps(start, end) {
            return false;
        }
        let mut from = start;
        let mut to = end;
        if let Some((&before, _)) = self.ends.range(..start).next_back().filter(|&(_, &until)| until == start)
        {
            self.ends.remove(&before);
            from = before;
        }
        if let Some(after) = self.ends.remove(&end) {
            to = after;
        }
        self.ends.insert(from, to);
        true
    }

    /// Takes all of `start..end` out of the set.
    pub fn release(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        while let Some((from, until)) = self
            .ends
            .range(..end)
            .next_back()
            .map(|(&from, &until)| (from, until))
            .filter(|range| range.1 > start)
        {
            self.ends.remove(&from);
            if until > end {
                self.ends.insert(end, until);
            }
            if from < start {
                self.ends.insert(from, start);
            }
        }
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        // The last range that starts before `end` is the only one that can reach past `start`.
        self.ends.range(..end).next_back().is_some_and(|(_, &until)| until > start)
    }

    /// The ranges in order, as start and end.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ends.iter().map(|(&start, &end)| (start, end))
    }
}
