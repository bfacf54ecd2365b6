//! What a source knows of an entry that the sink has not settled.

use crate::error::{ContentHash, ProtocolError};
use crate::limits::{CHUNK_BYTES, MAX_REQUESTS};
use crate::manifest::EntryId;
use crate::outgoing::SenderEvent;
use crate::ranges::{ChunkRange, chunk_count, complement, length};

#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) parent: EntryId,
    /// Bytes; `None` for folders and links.
    pub(crate) size: Option<u64>,
    pub(crate) wanted: bool,
    /// Chunks asked for, as often as they were.
    asked: u64,
    /// Bytes that the sink has, as far as its user was told: never more than the size.
    pub(crate) arrived: u64,
    /// Bytes that the sink lacks again, and of whose first arrival nothing has been heard yet: that
    /// counts for nothing when it is.
    undone: u64,
    pub(crate) hash: Option<ContentHash>,
}

impl Offered {
    pub(crate) fn new(parent: EntryId, size: Option<u64>) -> Self {
        Self { parent, size, wanted: false, asked: 0, arrived: 0, undone: 0, hash: None }
    }

    /// The sink asks for all of the file.
    pub(crate) fn ask_for_all(&mut self) -> Result<(), ProtocolError> {
        self.ask(self.chunks())
    }

    /// The sink asks for so many chunks of the file. Nobody needs them again and again, and each
    /// request takes memory: that of a short chunk as much as any, so bytes are not what counts.
    fn ask(&mut self, chunks: u64) -> Result<(), ProtocolError> {
        let most = self.chunks().saturating_mul(MAX_REQUESTS);
        self.asked = self.asked.saturating_add(chunks.max(1));
        if self.asked > most { Err(ProtocolError::Limit("requests")) } else { Ok(()) }
    }

    /// Chunks of the file; an empty one has one of no bytes.
    fn chunks(&self) -> u64 {
        self.size.unwrap_or(0).div_ceil(u64::from(CHUNK_BYTES)).max(1)
    }

    /// So many bytes were acknowledged. Returns how many of them are news.
    pub(crate) fn arrive(&mut self, bytes: u64) -> u64 {
        let news = bytes.saturating_sub(self.undone);
        self.undone = self.undone.saturating_sub(bytes);
        self.arrived = self.arrived.saturating_add(news);
        news
    }

    /// The sink asks for these chunks of this file of `size` bytes. Returns what that means for what
    /// it has.
    pub(crate) fn miss(
        &mut self,
        id: EntryId,
        size: u64,
        missing: &[ChunkRange],
    ) -> Result<Option<SenderEvent>, ProtocolError> {
        let count = chunk_count(size).ok_or(ProtocolError::Unexpected("request"))?;
        if missing.last().is_some_and(|last| last.end() > count) {
            return Err(ProtocolError::Malformed("chunks"));
        }
        self.ask(missing.iter().map(|range| u64::from(range.count)).fold(0, u64::saturating_add))?;
        let bytes = length(missing, size);
        if core::mem::replace(&mut self.wanted, true) {
            let counted = self.lack(bytes);
            return Ok((counted > 0).then_some(SenderEvent::Lacking(id, counted)));
        }
        self.arrived = size.saturating_sub(bytes);
        let held = complement(missing, count);
        Ok(Some(match held.is_empty() {
            true => SenderEvent::StartedOver(id),
            false => SenderEvent::Held(id, held, self.arrived),
        }))
    }

    /// The sink lacks so many bytes that it had. Returns how many of them had counted.
    fn lack(&mut self, bytes: u64) -> u64 {
        let counted = bytes.min(self.arrived);
        self.arrived = self.arrived.saturating_sub(counted);
        self.undone = self.undone.saturating_add(bytes.saturating_sub(counted));
        counted
    }
}
