//! Whose turn it is: the chunks of the files that a sink asked for, in the order to send them.

use alloc::collections::VecDeque;

use crate::limits::CHUNK_BYTES;
use crate::link::Chunk;
use crate::manifest::EntryId;

/// Files of more than one chunk that are being sent at the same time.
///
/// Each holds a file open and a hash under way; with several, a file of a few chunks need not
/// wait for a huge one to end.
const ACTIVE_FILES: usize = 16;

/// Chunks of one such file before the next has its turn: keeps reading and writing sequential.
const BURST_CHUNKS: u32 = 16;

/// What is still to be sent, of which files.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Files of one chunk.
    small: VecDeque<Chunk>,
    /// Files of more than one chunk that wait, and those being sent.
    large: VecDeque<Rest>,
    active: VecDeque<Rest>,
    /// Chunks handed out of the first active file in its present turn.
    burst: u32,
    /// Chunks that a lost lane gave back.
    lost: VecDeque<Chunk>,
    /// Whether the next record goes to a large file: small and large take turns.
    large_turn: bool,
}

/// What is left of a file.
#[derive(Clone, Copy, Debug)]
struct Rest {
    entry: EntryId,
    size: u64,
    next: u64,
}

impl Rest {
    fn chunk(self) -> Chunk {
        let left = self.size.saturating_sub(self.next);
        let length = u32::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        Chunk { entry: self.entry, offset: self.next, length }
    }
}

impl Schedule {
    /// Puts a whole file in line.
    pub(crate) fn add(&mut self, entry: EntryId, size: u64) {
        let rest = Rest { entry, size, next: 0 };
        if size <= u64::from(CHUNK_BYTES) {
            self.small.push_back(rest.chunk());
        } else {
            self.large.push_back(rest);
        }
    }

    /// Puts a chunk in line again, before all others.
    pub(crate) fn give_back(&mut self, chunk: Chunk) {
        self.lost.push_back(chunk);
    }

    /// Whether nothing is in line. There may still be nothing to send: files that failed meanwhile
    /// are passed over only when their turn comes.
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.small.is_empty() && self.large.is_empty() && self.active.is_empty()
    }

    /// A record is full; the other kind of file has the next one.
    pub(crate) fn take_turns(&mut self) {
        self.large_turn = !self.large_turn;
    }

    /// The next chunk of a file that is still `wanted`, if it has at most `room` bytes.
    pub(crate) fn next(&mut self, room: usize, wanted: impl Fn(EntryId) -> bool) -> Option<Chunk> {
        let lost = next_of(&mut self.lost, room, &wanted);
        if lost.is_some() {
            return lost;
        }
        if self.large_turn {
            self.next_large(room, &wanted).or_else(|| next_of(&mut self.small, room, &wanted))
        } else {
            next_of(&mut self.small, room, &wanted).or_else(|| self.next_large(room, &wanted))
        }
    }

    fn next_large(&mut self, room: usize, wanted: impl Fn(EntryId) -> bool) -> Option<Chunk> {
        loop {
            while self.active.len() < ACTIVE_FILES
                && let Some(rest) = self.large.pop_front()
            {
                self.active.push_back(rest);
            }
            let rest = self.active.front_mut()?;
            if !wanted(rest.entry) {
                self.active.pop_front();
                self.burst = 0;
                continue;
            }
            let chunk = fitting(rest.chunk(), room)?;
            rest.next = rest.next.saturating_add(u64::from(chunk.length));
            let whole = rest.next == rest.size;
            self.burst = self.burst.saturating_add(1);
            if whole {
                self.active.pop_front();
                self.burst = 0;
            } else if self.burst >= BURST_CHUNKS {
                self.active.rotate_left(1);
                self.burst = 0;
            }
            return Some(chunk);
        }
    }
}

fn next_of(line: &mut VecDeque<Chunk>, room: usize, wanted: impl Fn(EntryId) -> bool) -> Option<Chunk> {
    while line.front().is_some_and(|chunk| !wanted(chunk.entry)) {
        line.pop_front();
    }
    fitting(*line.front()?, room)?;
    line.pop_front()
}

fn fitting(chunk: Chunk, room: usize) -> Option<Chunk> {
    usize::try_from(chunk.length).ok().filter(|&length| length <= room).map(|_| chunk)
}
