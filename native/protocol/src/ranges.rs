//! Sets of byte ranges.

use alloc::collections::BTreeMap;

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

    fn overlaps(&self, start: u64, end: u64) -> bool {
        // The last range that starts before `end` is the only one that can reach past `start`.
        self.ends.range(..end).next_back().is_some_and(|(_, &until)| until > start)
    }

    /// The ranges in order, as start and end.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ends.iter().map(|(&start, &end)| (start, end))
    }
}
