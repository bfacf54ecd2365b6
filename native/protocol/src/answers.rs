//! What a sink has to tell its source about entries, gathered so that many share a frame.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::error::Reason;
use crate::manifest::EntryId;
use crate::message::{Message, Placed};
use crate::ranges::ChunkRange;

/// Entries named in one WANT, COMMITTED or FAILED frame; at most 4 KiB, but for renamed ones.
const BATCH: usize = 200;

/// Entries that may wait for company before the source is told.
const SOON: usize = 64;

/// Ranges in one MISSING frame: 32 KiB.
pub(crate) const MAX_CHUNK_RANGES: usize = 4096;

/// What is not yet in a frame.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    wanted: VecDeque<EntryId>,
    lacking: VecDeque<(EntryId, Vec<ChunkRange>)>,
    committed: VecDeque<(EntryId, Placed)>,
    failed: VecDeque<(EntryId, Reason)>,
    /// Bytes of the ranges in `lacking` and of the names in `committed`.
    long: usize,
    hurry: bool,
}

impl Answers {
    pub(crate) fn want(&mut self, id: EntryId) {
        self.wanted.push_back(id);
    }

    /// What is missing of a file of which the rest is here, which may be nothing.
    pub(crate) fn lack(&mut self, id: EntryId, mut chunks: Vec<ChunkRange>) {
        self.long = self.long.saturating_add(range_bytes(&chunks));
        while chunks.len() > MAX_CHUNK_RANGES {
            let rest = chunks.split_off(MAX_CHUNK_RANGES);
            self.lacking.push_back((id, core::mem::replace(&mut chunks, rest)));
        }
        self.lacking.push_back((id, chunks));
        self.hurry = true;
    }

    pub(crate) fn settle(&mut self, id: EntryId, result: Result<Placed, Reason>) {
        match result {
            Ok(placed) => {
                self.long = self.long.saturating_add(name_bytes(&placed));
                self.committed.push_back((id, placed));
            }
            Err(reason) => self.failed.push_back((id, reason)),
        }
    }

    /// Bytes that all of them come to, about.
    pub(crate) fn bytes(&self) -> usize {
        let short = self.wanted.len().saturating_mul(4).saturating_add(self.settled().saturating_mul(6));
        short.saturating_add(self.long)
    }

    fn settled(&self) -> usize {
        self.committed.len().saturating_add(self.failed.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.lacking.is_empty() && self.settled() == 0
    }

    /// Whether the source should be told now.
    pub(crate) fn is_urgent(&self) -> bool {
        self.wanted.len() >= SOON || self.settled() >= SOON || (self.hurry && !self.is_empty())
    }

    /// All of a page has been looked at: the source waits to hear what is wanted of it.
    pub(crate) fn hurry(&mut self) {
        self.hurry = true;
    }

    /// The next messages, none of them too long for a frame; none when there is nothing to tell.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Message> + use<> {
        let wanted = take_batch(&mut self.wanted);
        let lacking = self.lacking.pop_front();
        let committed = take_batch(&mut self.committed);
        let failed = take_batch(&mut self.failed);
        let ranges = lacking.iter().map(|(_, chunks)| range_bytes(chunks));
        let names = committed.iter().map(|(_, placed)| name_bytes(placed));
        self.long = self.long.saturating_sub(ranges.chain(names).sum());
        self.hurry &= !self.is_empty();
        let messages = [
            (!wanted.is_empty()).then_some(Message::Want(wanted)),
            lacking.map(|(id, chunks)| Message::Missing { id, chunks }),
            (!committed.is_empty()).then_some(Message::Committed(committed)),
            (!failed.is_empty()).then_some(Message::Failed(failed)),
        ];
        messages.into_iter().flatten()
    }
}

fn take_batch<T>(queue: &mut VecDeque<T>) -> Vec<T> {
    queue.drain(..queue.len().min(BATCH)).collect()
}

fn range_bytes(chunks: &[ChunkRange]) -> usize {
    size_of_val(chunks)
}

fn name_bytes(placed: &Placed) -> usize {
    if let Placed::Renamed(name) = placed { name.as_bytes().len() } else { 0 }
}
