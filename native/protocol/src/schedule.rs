//! Whose turn it is: the chunks of the files that a sink asked for, in the order to send them.

use alloc::collections::{BTreeMap, VecDeque};

use crate::limits::CHUNK_BYTES;
use crate::link::{Chunk, LaneId};
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
    small: SmallFiles,
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

/// What is left of a file, or of a part of it.
#[derive(Debug)]
struct Rest {
    entry: EntryId,
    next: u64,
    end: u64,
    /// What follows behind a gap, as start and end.
    later: VecDeque<(u64, u64)>,
}

impl Rest {
    fn chunk(&self) -> Chunk {
        let left = self.end.saturating_sub(self.next);
        let length = u32::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        Chunk { entry: self.entry, offset: self.next, length }
    }
}

impl Schedule {
    /// Puts the bytes of a file of `folder` from `start`, where a chunk starts, to `end` in line.
    pub(crate) fn add(&mut self, entry: EntryId, folder: EntryId, start: u64, end: u64) {
        let rest = Rest { entry, next: start, end, later: VecDeque::new() };
        if start == 0 && end <= u64::from(CHUNK_BYTES) {
            self.small.add(folder, rest.chunk());
        } else if let Some(before) = self.large.back_mut().filter(|rest| rest.entry == entry) {
            // However many pieces it is in, a file has one turn.
            before.later.push_back((start, end));
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

    /// The next chunk for `lane`, of a file that is still `wanted`, if it has at most `room` bytes.
    pub(crate) fn next(
        &mut self,
        lane: LaneId,
        room: usize,
        wanted: impl Fn(EntryId) -> bool,
    ) -> Option<Chunk> {
        let lost = next_of(&mut self.lost, room, &wanted);
        if lost.is_some() {
            return lost;
        }
        if self.large_turn {
            self.next_large(room, &wanted).or_else(|| self.small.next(lane, room, &wanted))
        } else {
            self.small.next(lane, room, &wanted).or_else(|| self.next_large(room, &wanted))
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
            let whole = rest.next == rest.end;
            self.burst = self.burst.saturating_add(1);
            if whole && let Some(later) = rest.later.pop_front() {
                (rest.next, rest.end) = later;
            } else if whole {
                self.active.pop_front();
                self.burst = 0;
                return Some(chunk);
            }
            if self.burst >= BURST_CHUNKS {
                self.active.rotate_left(1);
                self.burst = 0;
            }
            return Some(chunk);
        }
    }
}

/// Files of one chunk by the folder they are in: each lane has a folder to itself while there are
/// enough of them, so that the sink's threads do not create files in one folder at the same time,
/// where a file system lets only one of them in.
#[derive(Debug, Default)]
struct SmallFiles {
    /// Those of folders that no lane is at, the latest folder last.
    folders: VecDeque<(EntryId, VecDeque<Chunk>)>,
    taken: BTreeMap<LaneId, (EntryId, VecDeque<Chunk>)>,
}

impl SmallFiles {
    fn add(&mut self, folder: EntryId, chunk: Chunk) {
        let mut taken = self.taken.values_mut();
        if let Some((_, line)) = taken.find(|(id, _)| *id == folder) {
            line.push_back(chunk);
        } else if let Some((_, line)) = self.folders.back_mut().filter(|(id, _)| *id == folder) {
            line.push_back(chunk);
        } else {
            self.folders.push_back((folder, VecDeque::from([chunk])));
        }
    }

    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.taken.is_empty()
    }

    fn next(&mut self, lane: LaneId, room: usize, wanted: impl Fn(EntryId) -> bool) -> Option<Chunk> {
        loop {
            if !self.taken.contains_key(&lane)
                && let Some(folder) = self.folders.pop_front()
            {
                self.taken.insert(lane, folder);
            }
            // With no folder left, it helps in that of another lane.
            let at = if self.taken.contains_key(&lane) { lane } else { *self.taken.keys().next()? };
            let (_, line) = self.taken.get_mut(&at)?;
            let chunk = next_of(line, room, &wanted);
            if !line.is_empty() {
                return chunk;
            }
            self.taken.remove(&at);
            if chunk.is_some() {
                return chunk;
            }
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
