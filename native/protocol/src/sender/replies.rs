//! What a sink says of entries that it was offered.

use alloc::vec::Vec;

use super::{Fate, Sender, SenderEvent};
use crate::error::{ContentHash, ProtocolError};
use crate::link::Chunk;
use crate::manifest::EntryId;
use crate::message::{Close, CloseCode, Placed, Summary};
use crate::offered::Offered;
use crate::ranges::ChunkRange;

impl Sender {
    pub(super) fn handle_want(&mut self, id: EntryId) -> Result<(), ProtocolError> {
        self.check_offered(id)?;
        // It may have failed here in the meantime.
        let Some(offered) = self.unsettled.get_mut(&id) else {
            self.link.count_needless();
            return Ok(());
        };
        let Some(size) = offered.size.filter(|_| !offered.wanted) else {
            return Err(ProtocolError::Unexpected("request"));
        };
        offered.wanted = true;
        offered.ask_for_all()?;
        self.schedule.add(id, offered.parent, 0, size);
        Ok(())
    }

    pub(super) fn handle_missing(
        &mut self,
        id: EntryId,
        missing: &[ChunkRange],
    ) -> Result<Vec<SenderEvent>, ProtocolError> {
        self.check_offered(id)?;
        let Some(offered) = self.unsettled.get_mut(&id) else {
            self.link.count_needless();
            return Ok(Vec::new());
        };
        let Some(size) = offered.size else { return Err(ProtocolError::Unexpected("request")) };
        let first = !offered.wanted;
        let event = offered.miss(id, size, missing)?;
        if !first && missing.is_empty() {
            self.link.count_needless();
        }
        if first && size == 0 {
            // Nothing of it can be missing, but its one chunk, of no bytes, is read for the hash.
            self.schedule.add(id, offered.parent, 0, 0);
            return Ok(Vec::new());
        }
        for (start, end) in missing.iter().map(|range| range.bytes(size)) {
            self.schedule.add(id, offered.parent, start, end);
        }
        Ok(Vec::from_iter(event))
    }

    pub(super) fn handle_acknowledged(&mut self, chunks: Vec<Chunk>) -> Vec<SenderEvent> {
        let mut bytes = 0_u64;
        for Chunk { entry, length, .. } in chunks {
            // Of a file that is settled, all bytes have been counted.
            if let Some(offered) = self.unsettled.get_mut(&entry) {
                bytes = bytes.saturating_add(offered.arrive(length.into()));
            }
        }
        Vec::from_iter((bytes > 0).then_some(SenderEvent::Arrived(bytes)))
    }

    pub(super) fn handle_committed(
        &mut self,
        entries: Vec<(EntryId, Placed)>,
    ) -> Result<Vec<SenderEvent>, ProtocolError> {
        let mut events = Vec::with_capacity(entries.len().saturating_add(1));
        let mut rest = 0_u64;
        for (id, placed) in entries {
            if let Some(Offered { size: Some(size), arrived, hash, .. }) = self.unsettled.get(&id) {
                // A file that was not sent whole can only have been there before.
                if hash.is_none() && (placed != Placed::Present || *arrived > 0) {
                    return Err(ProtocolError::Unexpected("commitment"));
                }
                // The acknowledgement of its last records may not be here yet.
                let unheard = if hash.is_some() { size.saturating_sub(*arrived) } else { 0 };
                rest = rest.saturating_add(unheard);
            }
            events.extend(self.settle(id, |hash| Fate::Placed(placed, hash))?);
        }
        if rest > 0 {
            events.push(SenderEvent::Arrived(rest));
        }
        Ok(events)
    }

    pub(super) fn settle(
        &mut self,
        id: EntryId,
        fate: impl FnOnce(Option<ContentHash>) -> Fate,
    ) -> Result<Option<SenderEvent>, ProtocolError> {
        self.check_offered(id)?;
        let was_given_up = self.given_up.remove(&id);
        let Some(offered) = self.unsettled.remove(&id) else {
            if !was_given_up {
                self.link.count_needless();
            }
            return Ok(None);
        };
        Ok(Some(SenderEvent::Settled(id, fate(offered.hash))))
    }

    pub(super) fn handle_session_ok(&mut self, summary: Summary) -> Result<Vec<SenderEvent>, ProtocolError> {
        let settled = self.walked && self.unsettled.is_empty() && self.given_up.is_empty();
        if !settled || summary != self.summary() || self.finished {
            return Err(ProtocolError::Unexpected("end of session"));
        }
        self.finished = true;
        self.link.close(Close { code: CloseCode::Done, text: Default::default() });
        Ok(alloc::vec![SenderEvent::Finished])
    }

    pub(super) fn check_offered(&self, id: EntryId) -> Result<(), ProtocolError> {
        let offered = id != EntryId::ROOT && id <= self.last;
        if offered { Ok(()) } else { Err(ProtocolError::Unexpected("entry")) }
    }
}
